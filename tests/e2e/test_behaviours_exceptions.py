"""Exceptions: the lines of behaviours.md, as stories."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action, Responsible
from starters.client import ContractRow, Refused
from tests.world import World, single


def broken() -> dict[str, object]:
    contract = single()
    contract["services"][0]["code"] = "ALCHEMY"
    return contract


async def test_one_bad_contract_stops_no_other(world: World) -> None:
    """One bad contract stopping a batch (OCA/contract#182): not here."""
    bad, good = await world.start(broken()), await world.start(single())
    await world.parked(bad)
    await world.stage(good, ContractStage.ACTIVE)
    await world.reach(good, "all")
    await world.invoice(f"{good}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    await world.resolve(bad, Action.AMEND, changes={"services.0.code": "BUILD"})
    await world.stage(bad, ContractStage.ACTIVE)


async def test_an_exception_says_everything_a_person_needs(world: World) -> None:
    """Code, field, the offending value, what the remote said, allowed actions, age, responsible."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    contract = single()
    contract["customer"] |= {"country": "UA", "vat_number": "12345"}
    workflow_id = await world.start(contract)
    parked = await world.parked(workflow_id)
    assert (parked.step, parked.code, parked.value) == ("customer", "vat_refused", "12345")
    assert parked.field == "customer.vat_number"
    assert "12345" in parked.message  # Odoo's own words
    assert parked.allowed == (Action.RETRY, Action.AMEND, Action.CANCEL)
    assert parked.responsible is Responsible.OPERATIONS
    assert before <= parked.since <= datetime.now(UTC)
    await world.resolve(workflow_id, Action.RETRY)
    state = await world.contract(
        workflow_id, lambda found: [item.attempts for item in found.exceptions] == [2]
    )
    assert state.exceptions[0].since == parked.since


async def test_what_waits_for_a_person_is_listed_by_what_for_and_since_when(world: World) -> None:
    """Temporal's UI cannot list "waiting for a signal" (temporal ui#1196): hence WaitingOn and
    WaitingSince."""
    bad = await world.start(broken())
    parked = await world.parked(bad)
    row = await listed(world, bad, "exception")
    assert row.waiting_since is not None
    assert abs(row.waiting_since - parked.since) < timedelta(seconds=1)
    found = [item for item in (await world.c2c.exceptions()).items if item.workflow_id == bad]
    assert [item.exception.step for item in found] == ["validate"]
    await world.resolve(bad, Action.AMEND, changes={"services.0.code": "BUILD"})
    await world.stage(bad, ContractStage.ACTIVE)
    await listed(world, bad, "milestone")
    assert await world.contract(bad, lambda found: not found.exceptions)


async def test_each_way_out_retry_amend_skip_cancel(world: World) -> None:
    """Retry, amend and resume the same step, skip with a reason, cancel."""
    invoice = await world.proposed(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    await world.reject(invoice, "later")
    await world.parked(workflow_id)
    with pytest.raises(Refused, match="skip needs a reason"):
        await world.resolve(workflow_id, Action.SKIP)
    with pytest.raises(Refused, match="amend needs changes"):
        await world.resolve(workflow_id, Action.AMEND)
    await world.resolve(workflow_id, Action.RETRY)
    second = f"{workflow_id}/invoice/2"
    await world.invoice(second, InvoiceStage.AWAITING_APPROVAL)
    await world.reject(second, "the order number is missing")
    await world.parked(workflow_id)
    await world.resolve(workflow_id, Action.AMEND, changes={"purchase_order": "PO-1"})
    third = f"{workflow_id}/invoice/3"
    state = await world.invoice(third, InvoiceStage.AWAITING_APPROVAL)
    assert state.proposal.purchase_order == "PO-1"
    await world.reject(third, "they went bankrupt")
    await world.parked(workflow_id)
    await world.resolve(workflow_id, Action.CANCEL, reason="bankrupt")
    await world.stage(workflow_id, ContractStage.CANCELLED)


async def listed(world: World, workflow_id: str, waiting_on: str) -> ContractRow:
    """The contract as the list shows it, which lags a little."""
    contract_id = workflow_id.split("/")[-1]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        where = f"ContractId = '{contract_id}' AND WaitingOn = '{waiting_on}'"
        rows = await world.c2c.contracts(where=where)
        if rows:
            return rows[0]
        await asyncio.sleep(0.2)
    raise AssertionError(f"{workflow_id} is not listed as waiting on {waiting_on}")

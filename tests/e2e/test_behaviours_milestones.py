"""Milestones, deposits, retainage: the lines of behaviours.md, as stories."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from contracts.billing import account
from contracts.contract.messages import CreditRequest
from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action
from starters.client import messages
from tests.e2e.telling import (
    BUILD,
    CLARA,
    DEPOSIT,
    HELD,
    invoiced,
    invoices,
    lines_of,
    noted,
    order_lines,
    subjects,
    today,
)
from tests.world import World, contract_data, eur, odoo_invoices, odoo_order, single


def thirds(value: str, **changes: Any) -> dict[str, Any]:
    """A contract in three parts that no cent divides."""
    return contract_data(
        **{
            "value": value,
            "services": [BUILD | {"amount": value}, DEPOSIT],
            "milestones": [
                {"key": "one", "name": "One", "service": "build", "percent": "33.33"},
                {"key": "two", "name": "Two", "service": "build", "percent": "33.33"},
                {"key": "three", "name": "Three", "service": "build", "percent": "33.34"},
            ],
        }
        | changes
    )


async def test_the_remainder_is_on_the_last_milestone_and_the_total_is_asserted(
    world: World,
) -> None:
    """Put the remainder on the last milestone and assert the total."""
    workflow_id = await world.active(thirds("1000.01"))
    state = await world.contract(workflow_id)
    assert state.contract is not None
    amounts = [str(item.amount) for item in state.contract.milestones]
    assert amounts == ["333.30 EUR", "333.30 EUR", "333.41 EUR"]
    [order] = odoo_order(world.admin, workflow_id)
    assert (order["state"], order["amount_untaxed"]) == ("sale", 1000.01)


async def test_un_reaching_a_milestone_after_invoicing_goes_to_review_never_to_an_invoice(
    world: World,
) -> None:
    """Un-reaching a milestone after invoicing gives a negative quantity: send it to review, never
    invoice it silently."""
    workflow_id = await world.active(contract_data())
    await world.reach(workflow_id, "design")
    await world.issue(workflow_id, 1)
    milestone = await un_reach(world, workflow_id, "design")
    parked = await world.parked(workflow_id)
    assert (parked.code, parked.step) == ("milestone_unreached", "review:design")
    assert parked.field == "milestones.design"
    await world.resolve(workflow_id, Action.SKIP, reason="ticked off by mistake")
    await world.contract(workflow_id, lambda found: not found.exceptions)
    assert len(odoo_invoices(world.admin, workflow_id)) == 1
    await world.contract(workflow_id, lambda found: bool(found.milestones["design"].marked_in_odoo))
    [row] = world.admin.read("project.milestone", [milestone], ["is_reached"])
    assert row["is_reached"]
    lines = await order_lines(world, workflow_id)
    assert (lines["design"]["qty_delivered"], lines["design"]["qty_invoiced"]) == (1, 1)


async def test_an_un_reached_milestone_that_is_credited_can_be_reached_and_billed_anew(
    world: World,
) -> None:
    """Un-reaching a milestone after invoicing: the way out by a credit note."""
    workflow_id = await world.active(single())
    await world.reach(workflow_id, "all")
    await world.issue(workflow_id, 1)
    await un_reach(world, workflow_id, "all")
    await world.parked(workflow_id)
    request = CreditRequest(number=1, by=CLARA, reason="not delivered after all")
    await world.tell(workflow_id, messages.REQUEST_CREDIT, request)
    await world.issue(workflow_id, 2)
    state = await world.contract(
        workflow_id, lambda found: found.milestones["all"].reached_on is None
    )
    assert not state.exceptions
    assert state.stage is ContractStage.ACTIVE
    await world.reach(workflow_id, "all")
    state3 = await world.issue(workflow_id, 3)
    assert lines_of(state3) == [("all", "1000.00")]
    lines = await order_lines(world, workflow_id)
    assert (lines["all"]["qty_delivered"], lines["all"]["qty_invoiced"]) == (1, 1)
    assert invoiced(world, workflow_id) == eur("1000.00")


async def test_a_deposit_is_deducted_to_the_cent_and_leaves_no_cent_to_give_back(
    world: World,
) -> None:
    """Down payments are deducted on later invoices; Odoo leaves 0.01 credit notes."""
    contract = thirds("1000.00", deposit={"percent": "33.33", "service": "down"})
    workflow_id = await world.active(contract)
    await world.issue(workflow_id, 1)
    deducted = []
    for number, key in enumerate(("one", "two", "three"), start=2):
        await world.reach(workflow_id, key)
        state = await world.issue(workflow_id, number)
        assert [line for line, _ in lines_of(state)] == [key, "deposit"]
        deducted.append(lines_of(state)[1][1])
    assert deducted == ["-111.09", "-111.09", "-111.12"]
    for number in range(1, 5):
        await world.collect(workflow_id, number)
    await world.stage(workflow_id, ContractStage.CLOSED)
    assert [row["move_type"] for row in invoices(world, workflow_id)] == ["out_invoice"] * 4
    assert invoiced(world, workflow_id) == eur("1000.00")
    lines = await order_lines(world, workflow_id)
    assert lines["deposit"]["qty_invoiced"] == 0


async def test_an_unexpected_refund_of_a_cent_is_an_exception(world: World) -> None:
    """An unexpected refund, even 0.01, is an exception."""
    invoice = await world.open(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    state = await world.invoice(invoice)
    assert state.balance is not None
    credit_a_cent(world, state.balance.invoice_id)
    await world.sweep()
    await world.invoice(
        invoice, until=lambda found: bool(found.balance and found.balance.credited == eur("0.01"))
    )
    await world.pay(invoice)
    await world.sweep()
    await world.invoice(invoice, InvoiceStage.PAID)
    await world.skip(invoice, days=31)
    parked = await world.parked(workflow_id)
    assert parked.code == "close_out_differs"
    assert "999.99 EUR" in parked.message
    assert (await world.contract(workflow_id)).stage is ContractStage.CLOSING


async def test_retainage_is_held_back_from_each_invoice_not_dunned_and_due_on_its_day(
    world: World,
) -> None:
    """A share held back from each invoice, due at a release date, excluded from dunning until
    then."""
    contract = contract_data(
        services=[BUILD | {"amount": "1000.00"}, HELD],
        value="1000.00",
        milestones=[
            {"key": "one", "name": "One", "service": "build", "amount": "600.00"},
            {"key": "two", "name": "Two", "service": "build", "amount": "400.00"},
        ],
        retainage={
            "percent": "10",
            "service": "held",
            "release_on": str(today() + timedelta(days=60)),
        },
    )
    workflow_id = await world.active(contract)
    for number, key in enumerate(("one", "two"), start=1):
        await world.reach(workflow_id, key)
        state = await world.issue(workflow_id, number)
        assert lines_of(state)[1] == ("retainage", "-60.00" if key == "one" else "-40.00")
    first = f"{workflow_id}/invoice/1"
    await world.skip(first, days=40)
    state = await world.invoice(first, until=lambda found: found.dunning.level == 1)
    assert state.balance is not None
    assert state.balance.residual == eur("540.00")
    assert noted(state, "540.00 EUR asked for")
    for number in (1, 2):
        await world.collect(workflow_id, number)
    waiting = await world.contract(workflow_id, lambda found: found.waiting.on == "retainage")
    assert waiting.stage is ContractStage.ACTIVE
    assert account.sums(waiting.account, waiting.today).retained == eur("100.00")
    assert len(subjects(world, contract)) == 1
    await world.skip(workflow_id, days=61)
    state = await world.issue(workflow_id, 3)
    assert lines_of(state) == [("retainage", "60.00"), ("retainage", "40.00")]
    await world.collect(workflow_id, 3)
    await world.stage(workflow_id, ContractStage.CLOSED)
    assert invoiced(world, workflow_id) == eur("1000.00")
    lines = await order_lines(world, workflow_id)
    assert lines["retainage"]["qty_invoiced"] == 0


@pytest.mark.parametrize("percent", ["100"])
async def test_a_deposit_of_everything_is_reconciled_with_the_total_before_approval(
    world: World, percent: str
) -> None:
    """Reconcile to the contract's total before approval: an invoice may come to nothing, never to
    less."""
    contract = single(deposit={"percent": percent, "service": "down"})
    contract["services"].append(DEPOSIT)
    workflow_id = await world.active(contract)
    await world.issue(workflow_id, 1)
    await world.reach(workflow_id, "all")
    state = await world.issue(workflow_id, 2)
    assert lines_of(state) == [("all", "1000.00"), ("deposit", "-1000.00")]
    assert state.odoo_totals is not None
    assert state.odoo_totals.total == eur("0.00")
    for number in (1, 2):
        await world.collect(workflow_id, number)
    await world.stage(workflow_id, ContractStage.CLOSED)
    assert invoiced(world, workflow_id) == eur("1000.00")


async def un_reach(world: World, workflow_id: str, key: str) -> int:
    """A project manager takes the mark off a milestone in Odoo; returns its id there."""
    state = await world.contract(workflow_id)
    milestone = state.odoo.milestone_ids[key]
    await asyncio.sleep(1)  # Odoo tells when to the second; so soon nobody changes their mind
    world.server.client("pm").write("project.milestone", [milestone], {"is_reached": False})
    await world.sweep()
    return milestone


def credit_a_cent(world: World, invoice_id: int) -> None:
    """An accountant's credit note by hand, over one cent."""
    odoo = world.accountant
    context = {"active_model": "account.move", "active_ids": [invoice_id]}
    [move] = odoo.read("account.move", [invoice_id], ["journal_id"])
    values = {"reason": "rounding", "journal_id": move["journal_id"][0]}
    [wizard] = odoo.create("account.move.reversal", [values], context=context)
    action = odoo.call("account.move.reversal", "refund_moves", [wizard], context=context)
    note = action["res_id"]
    [line] = odoo.search_read(
        "account.move.line", [("move_id", "=", note), ("display_type", "=", "product")], ["id"]
    )
    odoo.write("account.move.line", [line["id"]], {"price_unit": 0.01})
    odoo.call("account.move", "action_post", [note])

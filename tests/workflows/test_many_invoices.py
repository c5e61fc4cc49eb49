"""Issue 11, number 18: a contract with three hundred invoices open at once, through the workflows.

Its milestones are reached together. All that is proposed is approved, posted, put on hold, paid in
Odoo and settled, while the contract goes on in other runs: on a real server and the stand-in.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.testing import TimeSkipper, WorkflowEnvironment

from contracts.contract.messages import HoldKind, MilestoneReached
from contracts.contract.state import ContractStage, ContractState
from contracts.invoice.state import PENDING, InvoiceStage, InvoiceState
from sandbox import clock
from starters.client import calls
from tests.conftest import settings_for
from tests.servers import OdooServer
from tests.temporal import end_all, new_namespace
from tests.workflows.test_long_lives import many_milestones
from tests.world import ANA, PETRA, World, eur, odoo_invoices
from workers import worker

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_200)]

INVOICES = 300
_WITHIN_SECONDS = 300


@pytest.fixture
async def world(temporal: WorkflowEnvironment, odoo_server: OdooServer) -> AsyncIterator[World]:
    """A worker as in production, outside the sandbox, in a namespace of its own."""
    skipper = TimeSkipper(await new_namespace(temporal.client, "many"), config=clock.BY_HAND)
    settings = settings_for(odoo_server)
    served = settings.worker.model_copy(update={"sandboxed": False})
    settings = settings.model_copy(update={"worker": served})
    async with worker.running(skipper.client, settings):
        yield World(client=skipper.client, time=skipper, server=odoo_server)
        await end_all(skipper.client)


class Large:
    """The contract, and its invoices as one."""

    def __init__(self, world: World, workflow_id: str) -> None:
        self.world, self.workflow_id = world, workflow_id
        self.invoices = [f"{workflow_id}/invoice/{number}" for number in range(1, INVOICES + 1)]
        self.handle: WorkflowHandle[Any, Any] = world.client.get_workflow_handle(workflow_id)

    async def until(self, enough: Callable[[ContractState], bool]) -> ContractState:
        """Wait for it; it is asked once a second: each answer is half a megabyte."""
        deadline = time.monotonic() + _WITHIN_SECONDS
        while time.monotonic() < deadline:
            try:
                state = await self.world.contract(self.workflow_id)
            except calls.FAILURES:
                continue  # its worker has its hands full
            if enough(state):
                return state
            await asyncio.sleep(1)
        raise AssertionError(f"waited {_WITHIN_SECONDS} s in vain")

    async def all_are(self, stage: InvoiceStage) -> ContractState:
        """Wait until every invoice has told the contract that it is in this stage."""
        stages = [stage] * INVOICES
        return await self.until(lambda it: [item.stage for item in it.invoices.values()] == stages)

    async def run_id(self) -> str | None:
        return (await self.handle.describe()).run_id


def pay(world: World, invoices: list[int | None]) -> None:
    """An accountant registers a payment of each, all by one wizard."""
    context = {"active_model": "account.move", "active_ids": invoices}
    odoo = world.accountant
    [register] = odoo.create(
        "account.payment.register", [{"group_payment": False}], context=context
    )
    odoo.call("account.payment.register", "action_create_payments", [register], context=context)


async def approved(world: World, invoice: str) -> None:
    """An invoice is approved once it awaits that; its answers may be late."""
    while (state := await state_of(world, invoice)).stage in PENDING:
        if state.stage is InvoiceStage.AWAITING_APPROVAL:
            with contextlib.suppress(*calls.FAILURES):
                await world.approve(invoice)
        await asyncio.sleep(0.5)


async def state_of(world: World, invoice: str) -> InvoiceState:
    """A worker with its hands full gives no answer, and is asked again."""
    while True:
        with contextlib.suppress(*calls.FAILURES):
            return await world.c2c.invoice(invoice).state()
        await asyncio.sleep(0.5)


async def opened(world: World) -> Large:
    """Every milestone is reported at once; every invoice is approved, posted and delivered."""
    contract = Large(world, await world.active(many_milestones(INVOICES)))
    for number in range(1, INVOICES + 1):
        reached = MilestoneReached(milestone=f"m{number}", by=PETRA)
        await contract.handle.signal("milestone_reached", reached)
    await contract.until(lambda it: len(it.invoices) == INVOICES and not it.starting)
    await calls.at_once(approved(world, item) for item in contract.invoices)
    await contract.all_are(InvoiceStage.OPEN)
    return contract


async def test_three_hundred_invoices_open_at_once_are_held_paid_and_closed(world: World) -> None:
    contract = await opened(world)
    posted = odoo_invoices(world.admin, contract.workflow_id)
    assert [row["amount_untaxed"] for row in posted] == [100.0] * INVOICES

    run = await contract.run_id()
    await contract.handle.signal("renew_run")
    await world.renewed(contract.workflow_id, run)
    await contract.until(lambda it: len(it.reporting_end) == INVOICES)

    held = world.c2c.contract(contract.workflow_id)
    await held.set_hold(HoldKind.DUNNING, by=ANA, reason="talks")
    state = await contract.until(lambda it: len(it.dunning_holds) == INVOICES)
    invoices = await calls.at_once(state_of(world, item) for item in contract.invoices)
    assert all(item.contract_hold for item in invoices)

    ids = [report.invoice_id for report in state.invoices.values()]
    await asyncio.to_thread(pay, world, ids)
    await world.sweep()
    await contract.all_are(InvoiceStage.PAID)
    await calls.at_once(world.skip(item, days=31) for item in contract.invoices)
    state = await contract.until(lambda it: it.stage is ContractStage.CLOSED)
    assert state.account.invoices.keys() == set(range(1, INVOICES + 1))
    settled = {(item.stage, item.residual) for item in state.invoices.values()}
    assert settled == {(InvoiceStage.SETTLED, eur("0.00"))}
    assert not state.exceptions

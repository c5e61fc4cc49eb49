"""Milestones that are taken back: Odoo is told so, and neither a sweep nor a change order brings
them back."""

from __future__ import annotations

from datetime import date

from contracts.contract.messages import Hold, HoldKind, HoldRequest
from contracts.contract.state import ContractState
from starters.client import messages
from tests.e2e.telling import changed
from tests.world import ANA, BOB, World, contract_data

PIA = "pia@northwind.example"


def is_planned(state: ContractState) -> bool:
    design = state.milestones["design"]
    return design.reached_on is None and design.marked_in_odoo is False


def is_marked(world: World, state: ContractState) -> bool:
    milestone = state.odoo.milestone_ids["design"]
    [row] = world.admin.read("project.milestone", [milestone], ["is_reached"])
    return bool(row["is_reached"])


async def test_a_milestone_taken_back_by_command_stays_taken_back_after_a_sweep(
    world: World,
) -> None:
    contract = await world.active(contract_data())
    hold = Hold(by=ANA, reason="the order number is missing")
    request = HoldRequest(kind=HoldKind.BILLING, by=ANA, hold=hold)
    await world.tell(contract, messages.SET_HOLD, request)
    await world.reach(contract, "design")
    state = await world.contract(
        contract, lambda now: now.milestones["design"].marked_in_odoo is True
    )
    assert is_marked(world, state)
    await world.c2c.contract(contract).unreach_milestone("design", by=PIA, reason="by mistake")
    state = await world.contract(contract, is_planned)
    assert not is_marked(world, state)
    await world.sweep()
    assert is_planned(await world.contract(contract))


async def test_a_milestone_taken_back_and_moved_is_not_billed_again(world: World) -> None:
    invoice = await world.proposed(contract_data())
    contract = invoice.removesuffix("/invoice/1")
    await world.c2c.contract(contract).unreach_milestone("design", by=PIA, reason="by mistake")
    await world.reject(invoice, "it is not delivered")
    state = await world.contract(contract, is_planned)
    assert not is_marked(world, state)
    await changed(world, contract, BOB, reschedule={"design": date(2027, 3, 1)})
    state = await world.contract(contract, lambda now: now.following is None and not now.running)
    assert is_planned(state)
    assert list(state.invoices) == [1]

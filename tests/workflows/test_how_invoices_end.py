"""The contract learns how its invoices end: by itself, from a later run, and by force."""

from __future__ import annotations

from temporalio.api.enums.v1 import EventType

from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action
from tests.world import ANA, World, single

_SETTLED_AFTER = 31
"""Days; the settlement period is 30."""


async def signals(world: World, workflow_id: str) -> list[str]:
    """The names of the Signals that this run of a workflow was sent, in their order."""
    history = await world.client.get_workflow_handle(workflow_id).fetch_history()
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    ]


async def renew(world: World, workflow_id: str) -> None:
    handle = world.client.get_workflow_handle(workflow_id)
    run = (await handle.describe()).run_id
    await handle.signal("renew_run")
    await world.renewed(workflow_id, run)
    await world.c2c.contract(workflow_id).state()  # it has begun


async def settle(world: World, invoice: str) -> None:
    await world.pay(invoice)
    await world.sweep()
    await world.invoice(invoice, InvoiceStage.PAID)
    await world.skip(invoice, days=_SETTLED_AFTER)


async def test_that_an_invoice_has_settled_costs_no_signal(world: World) -> None:
    invoice = await world.open(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    await settle(world, invoice)
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert state.invoices[1].stage is InvoiceStage.SETTLED
    told = [name for name in await signals(world, workflow_id) if name == "invoice_changed"]
    assert len(told) == 2  # it is posted, it is paid


async def test_an_invoice_that_an_earlier_run_began_tells_its_end(world: World) -> None:
    invoice = await world.open(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    await renew(world, workflow_id)
    await world.invoice(invoice, until=lambda found: found.tells_its_end)
    await settle(world, invoice)
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert state.invoices[1].stage is InvoiceStage.SETTLED


async def test_an_open_invoice_that_was_ended_by_force_waits_for_a_person(world: World) -> None:
    invoice = await world.open(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    await world.client.get_workflow_handle(invoice).terminate("by hand")
    parked = await world.parked(workflow_id)
    assert (parked.step, parked.code) == ("follow:1", "invoice_ended")
    await world.resolve(workflow_id, Action.SKIP, reason="paid in cash")
    # Nobody collects it, and yet it is open in Odoo: that has to be seen to before it closes.
    unpaid = await world.contract(
        workflow_id, lambda found: [item.step for item in found.exceptions] == ["close_out"]
    )
    assert "1000.00 EUR open" in unpaid.exceptions[0].message
    await world.resolve(workflow_id, Action.SKIP, step="close_out", reason="seen to")
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert state.invoices[1].stage is InvoiceStage.SETTLED
    assert "paid in cash" in state.invoices[1].because


async def test_a_proposal_that_was_ended_by_force_is_proposed_anew(world: World) -> None:
    invoice = await world.proposed(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    await world.client.get_workflow_handle(invoice).terminate("by hand")
    await world.parked(workflow_id)
    await world.resolve(workflow_id, Action.SKIP, reason="by mistake")
    await world.contract(
        workflow_id, lambda found: [item.step for item in found.exceptions] == ["proposal:all"]
    )
    await world.resolve(workflow_id, Action.RETRY, step="proposal:all")
    again = await world.invoice(f"{workflow_id}/invoice/2", InvoiceStage.AWAITING_APPROVAL)
    assert again.proposal.amount == (await world.contract(workflow_id)).invoices[1].amount


async def test_an_invoice_of_an_earlier_run_that_was_ended_is_noticed_once_it_is_told_something(
    world: World,
) -> None:
    invoice = await world.open(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    await renew(world, workflow_id)
    await world.invoice(invoice, until=lambda found: found.tells_its_end)
    await world.client.get_workflow_handle(invoice).terminate("by hand")
    contract = world.c2c.contract(workflow_id)
    await contract.set_hold("dunning", by=ANA, reason="talks")
    assert (await world.parked(workflow_id)).step == "follow:1"


async def test_an_invoice_of_an_earlier_run_that_was_ended_is_noticed_by_the_sweep(
    world: World,
) -> None:
    """The contract is told nothing by itself: it does not follow what an earlier run began."""
    invoice = await world.open(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    await renew(world, workflow_id)
    await world.invoice(invoice, until=lambda found: found.tells_its_end)
    handle = world.client.get_workflow_handle(invoice)
    run = (await handle.describe()).run_id
    await handle.terminate("by hand")
    # Lists are late: it is looked for again until it is there.
    result = await world.sweep()
    while run not in result.lost:
        result = await world.sweep()
    assert (await world.parked(workflow_id)).step == "follow:1"

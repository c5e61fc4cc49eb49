"""Invoicing: the lines of behaviours.md, as stories."""

from __future__ import annotations

from contracts.invoice.state import InvoiceStage
from contracts.parking import Action
from tests.e2e.telling import changed, hourly, last_of, lines_of, month, order_lines, subjects
from tests.world import ANA, CLEO, DORA, World, odoo_invoices, odoo_order, single


async def test_two_contracts_of_one_customer_never_share_an_invoice(world: World) -> None:
    """One contract, one invoice, one order: never Odoo's grouping across orders."""
    first = single()
    second = single(customer=first["customer"])
    ids = [await world.active(contract) for contract in (first, second)]
    for workflow_id in ids:
        await world.reach(workflow_id, "all")
    for workflow_id in ids:
        await world.issue(workflow_id, 1)
    orders = [order for workflow_id in ids for order in odoo_order(world.admin, workflow_id)]
    assert len({order["partner_id"][0] for order in orders}) == 1
    assert len({order["id"] for order in orders}) == 2
    for workflow_id in ids:
        [invoice] = odoo_invoices(world.admin, workflow_id)
        assert invoice["amount_untaxed"] == 1000.0
        assert (await order_lines(world, workflow_id))["all"]["qty_invoiced"] == 1


async def test_rates_are_frozen_on_the_proposal_when_it_is_made(world: World) -> None:
    """Configuration (rates, terms, tax) is frozen on the proposal when it is made."""
    workflow_id = await world.active(hourly())
    await world.work(workflow_id, "dev", "8", str(month(1)))
    await world.skip_to(workflow_id, month(2))
    first = f"{workflow_id}/invoice/1"
    before = await world.invoice(first, InvoiceStage.AWAITING_APPROVAL)
    # The hours are estimated at nothing: what their price may come to is for the directors.
    await changed(
        world,
        workflow_id,
        *(CLEO, DORA),
        set={"time.0.rates": [{"price": "200.00"}], "payment_term": "15 Days"},
    )
    after = await world.issue(workflow_id, 1)
    assert after.proposal == before.proposal
    assert lines_of(after) == [("dev", "960.00")]
    await world.work(workflow_id, "dev", "1", str(last_of(2)))
    await world.skip_to(workflow_id, month(3))
    second = await world.issue(workflow_id, 2)
    assert lines_of(second) == [("dev", "200.00")]
    assert second.proposal.payment_term == "15 Days"


async def test_posted_but_not_delivered_is_retried_alone_and_nobody_is_dunned_meanwhile(
    world: World,
) -> None:
    """ "Posted but not delivered" is its own state with its own retry."""
    contract = single()
    invoice = await world.proposed(contract)
    world.server.refuse_mail(True)
    try:
        await world.approve(invoice, ANA)
        parked = await world.parked(invoice)
        await world.skip(invoice, days=60)
        state = await world.invoice(invoice)
    finally:
        world.server.refuse_mail(False)
    assert (parked.step, state.stage) == ("deliver", InvoiceStage.POSTED_NOT_DELIVERED)
    assert state.dunning.level == 0
    assert subjects(world, contract) == []
    await world.resolve(invoice, Action.RETRY)
    await world.invoice(invoice, until=lambda found: found.delivered)
    workflow_id = invoice.removesuffix("/invoice/1")
    assert len(odoo_invoices(world.admin, workflow_id)) == 1

"""Messages in every order: early, twice, late, wrong, by Signal and by Update."""

from __future__ import annotations

import itertools

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from contracts.contract.messages import CancelRequest, Hold, HoldKind, HoldRequest, MilestoneReached
from contracts.contract.state import ContractStage, ContractState
from contracts.invoice.messages import PaymentReceived
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action, Resolution
from sandbox.server import Sandbox
from starters.client import Refused, messages
from tests.e2e.telling import change
from tests.world import ANA, World, contract_data, eur, odoo_invoices, odoo_order, single

PIA = "pia@northwind.example"


def noted(text: str, state: ContractState) -> bool:
    return any(text in entry.text for entry in state.journal.entries)


async def test_a_milestone_reported_before_the_contract_is_valid_is_billed_later(
    world: World,
) -> None:
    contract = single()
    contract["customer"]["billing_email"] = ""
    workflow_id = await world.start(contract)
    await world.parked(workflow_id)
    handle = world.client.get_workflow_handle(workflow_id)
    await handle.signal("milestone_reached", MilestoneReached(milestone="all", by=PIA))
    await handle.signal("milestone_reached", MilestoneReached(milestone="other", by=PIA))
    changes = {"customer.billing_email": "ap@acme.example.com"}
    await world.resolve(workflow_id, Action.AMEND, changes=changes)
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    state = await world.contract(workflow_id)
    assert noted("Refused milestone other", state)


@pytest.mark.parametrize("order", list(itertools.permutations(["design", "build", "live"])))
async def test_milestones_in_any_order_bill_the_whole_contract(
    world: World, order: tuple[str, ...]
) -> None:
    workflow_id = await world.active(contract_data())
    handle = world.client.get_workflow_handle(workflow_id)
    for key in order:
        await handle.signal("milestone_reached", MilestoneReached(milestone=key, by=PIA))
        await handle.signal("milestone_reached", MilestoneReached(milestone=key, by=PIA))
    for number in (1, 2, 3):
        invoice = f"{workflow_id}/invoice/{number}"
        await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
        await world.approve(invoice)
    await world.stage(workflow_id, ContractStage.CLOSING)
    moves = odoo_invoices(world.admin, workflow_id)
    assert sorted(move["amount_untaxed"] for move in moves) == [2999.70, 2999.70, 3000.60]


async def test_a_milestone_reached_before_odoo_has_it_is_marked_once_it_has(
    world: World, sandbox: Sandbox
) -> None:
    """What a change order adds may be reached while Odoo is down: it is billed later, and while
    billing is on hold Odoo shows it as reached all the same."""
    workflow_id = await world.active(single())
    path = "/json/2/project.milestone/load$"
    sandbox.faults.configure([{"kind": "status", "path": path, "status": 503}])
    more = {"key": "more", "name": "More", "service": "s", "amount": "500.00"}
    await change(world, workflow_id, add_milestones=(more,))
    await world.approve(workflow_id)
    hold = HoldRequest(kind=HoldKind.BILLING, by=ANA, hold=Hold(by=ANA, reason="audit"))
    await world.tell(workflow_id, messages.SET_HOLD, hold)
    await world.contract(workflow_id, lambda found: "more" in found.milestones)
    await world.reach(workflow_id, "more")
    await world.contract(workflow_id, lambda _: sandbox.faults.report()[0]["done"] > 1)
    state = await world.contract(workflow_id)
    assert not state.exceptions
    assert "more" not in state.odoo.milestone_ids
    sandbox.faults.clear()
    marked = await world.contract(
        workflow_id, lambda now: bool(now.milestones["more"].marked_in_odoo)
    )
    milestone = marked.odoo.milestone_ids["more"]
    [row] = world.admin.read("project.milestone", [milestone], ["is_reached"])
    assert row["is_reached"]
    assert not marked.invoices


async def test_an_unknown_milestone_is_refused_with_the_known_ones(world: World) -> None:
    workflow_id = await world.active(contract_data())
    with pytest.raises(Refused, match="design, build, live"):
        await world.reach(workflow_id, "launch")


async def test_a_payment_before_the_invoice_is_posted_is_booked_once_it_is(world: World) -> None:
    invoice = await world.proposed(single())
    payment = PaymentReceived(reference="early", amount=eur("1000.00"), paid_on="2026-11-25")
    with pytest.raises(Refused, match="nothing to pay"):
        await world.tell(invoice, messages.RECORD_PAYMENT, payment)
    # A system that sends a Signal gets no answer: its money must not be forgotten.
    handle = world.client.get_workflow_handle(invoice)
    for _ in range(2):
        await handle.signal("payment_received", payment)
    state = await world.invoice(invoice, until=lambda found: bool(found.payments))
    assert [item.reference for item in state.payments] == ["early"]
    assert state.stage is InvoiceStage.AWAITING_APPROVAL
    await world.approve(invoice)
    state = await world.invoice(invoice, InvoiceStage.PAID)
    assert not state.payments


async def test_money_for_a_proposal_that_is_rejected_waits_for_a_person(world: World) -> None:
    invoice = await world.proposed(single())
    payment = PaymentReceived(reference="for-nothing", amount=eur("7.00"), paid_on="2026-11-25")
    await world.client.get_workflow_handle(invoice).signal("payment_received", payment)
    await world.reject(invoice, "not yet")
    parked = await world.parked(invoice)
    assert (parked.step, parked.code) == (
        "register_payment:for-nothing",
        "payment_without_invoice",
    )
    assert "7.00 EUR was paid for it" in parked.message
    with pytest.raises(Refused, match="possible: skip"):
        await world.resolve(invoice, Action.RETRY)
    await world.resolve(invoice, Action.SKIP, reason="paid back")
    report = await world.client.get_workflow_handle(invoice).result()
    assert report["stage"] == "rejected"


@pytest.mark.parametrize(
    ("amount", "currency", "why"),
    [("5.00", "USD", "in EUR"), ("-5.00", "EUR", "above zero"), ("0.00", "EUR", "above zero")],
)
async def test_a_payment_that_cannot_be_booked_is_refused_or_waits_for_a_person(
    world: World, amount: str, currency: str, why: str
) -> None:
    invoice = await world.open(single())
    payment = PaymentReceived(
        reference="odd", amount={"amount": amount, "currency": currency}, paid_on="2026-11-25"
    )
    with pytest.raises(Refused, match=why):
        await world.tell(invoice, messages.RECORD_PAYMENT, payment)
    await world.client.get_workflow_handle(invoice).signal("payment_received", payment)
    parked = await world.parked(invoice)
    assert (parked.step, parked.code) == ("register_payment:odd", "payment_refused")
    assert why in parked.message
    assert parked.value == f"{amount} {currency}"
    await world.resolve(invoice, Action.SKIP, reason="booked by hand")
    await world.pay(invoice)
    await world.sweep()
    await world.invoice(invoice, InvoiceStage.PAID)


async def test_messages_after_the_close_are_told_that_it_is_closed(world: World) -> None:
    workflow_id = await world.active(single())
    await world.cancel(workflow_id)
    await world.client.get_workflow_handle(workflow_id).result()
    with pytest.raises(Refused, match="has ended"):
        await world.reach(workflow_id, "all")
    with pytest.raises(RPCError):
        await world.client.get_workflow_handle(workflow_id).signal(
            "milestone_reached", MilestoneReached(milestone="all")
        )
    again = await world.c2c.start(single(contract_id=workflow_id.split("/")[-1]))
    assert not again.new


async def test_resolutions_arrive_by_signal_too_and_wrong_ones_are_noted(world: World) -> None:
    contract = single()
    contract["services"][0]["code"] = "NOPE"
    workflow_id = await world.start(contract)
    await world.parked(workflow_id)
    handle = world.client.get_workflow_handle(workflow_id)
    await handle.signal(
        "exception_resolved", Resolution(action=Action.SKIP, by="olga", reason="no time")
    )
    state = await world.contract(workflow_id, lambda found: noted("Refused a resolution", found))
    assert state.exceptions[0].step == "validate"
    changes = {"services.0.code": "BUILD"}
    await handle.signal(
        "exception_resolved", Resolution(action=Action.AMEND, by="olga", changes=changes)
    )
    await world.stage(workflow_id, ContractStage.ACTIVE)


async def test_cancelling_while_parked_ends_the_contract_with_nothing_in_odoo(
    world: World,
) -> None:
    contract = single()
    contract["services"][0]["code"] = "NOPE"
    workflow_id = await world.start(contract)
    await world.parked(workflow_id)
    await world.resolve(workflow_id, Action.CANCEL, reason="a test deal")
    await world.stage(workflow_id, ContractStage.CANCELLED)
    assert odoo_order(world.admin, workflow_id) == []


async def test_temporals_own_cancel_compensates_like_a_cancel_request(world: World) -> None:
    workflow_id = await world.active(single())
    handle = world.client.get_workflow_handle(workflow_id)
    await handle.cancel()
    await world.stage(workflow_id, ContractStage.CANCELLED)
    await handle.result()
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    [order] = odoo_order(world.admin, workflow_id)
    assert order["state"] == "cancel"


async def test_temporals_own_cancel_does_not_drop_a_billed_contract(world: World) -> None:
    invoice = await world.open(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    handle = world.client.get_workflow_handle(workflow_id)
    await handle.cancel()
    state = await world.contract(workflow_id, lambda found: noted("Refused to cancel", found))
    assert state.stage is ContractStage.CLOSING
    await world.pay(invoice)
    await world.sweep()
    await world.invoice(invoice, InvoiceStage.PAID)
    await world.skip(invoice, days=31)
    await world.stage(workflow_id, ContractStage.CLOSED)


async def test_a_cancel_signal_on_a_billed_contract_is_noted_and_refused(world: World) -> None:
    invoice = await world.proposed(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    handle = world.client.get_workflow_handle(workflow_id)
    await handle.signal("cancel_requested", CancelRequest(by="sam"))
    await world.contract(workflow_id, lambda found: noted("Refused to cancel for sam", found))
    await world.approve(invoice, ANA)
    await world.invoice(invoice, InvoiceStage.OPEN)

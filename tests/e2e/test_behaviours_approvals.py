"""Approvals: the lines of behaviours.md that test_approvals.py does not tell already."""

from __future__ import annotations

import pytest

from contracts.approvals import ApprovalDecision
from contracts.billing.state import InvoiceStatus
from contracts.contract.state import ContractState
from contracts.invoice.messages import DisputeOpened, PaymentReceived, WriteOffAsked
from contracts.invoice.state import InvoiceStage
from contracts.money import Money
from contracts.parking import Action
from starters.client import Refused, messages
from tests.e2e.telling import CLARA, american, hourly, lines_of, month, noted, today
from tests.odoo.helpers import locked
from tests.world import ANA, BOB, World, contract_data, eur, single


async def test_which_actions_are_possible_follows_from_the_state(world: World) -> None:
    """OpenMeter's `stdinvoicestate.go` computes which actions are available in each state."""
    invoice = await world.proposed(single())
    asked = WriteOffAsked(by=CLARA, reason="no hope")
    opened = DisputeOpened(by=CLARA, reason="too much")
    payment = PaymentReceived(reference=f"p-{invoice}", amount=eur("1.00"), paid_on=today())
    with pytest.raises(Refused, match="nothing is owed on it yet"):
        await world.tell(invoice, messages.ASK_WRITE_OFF, asked)
    with pytest.raises(Refused, match="nothing is owed on it yet"):
        await world.tell(invoice, messages.OPEN_DISPUTE, opened)
    with pytest.raises(Refused, match="nothing to pay yet"):
        await world.tell(invoice, messages.RECORD_PAYMENT, payment)
    state = await world.invoice(invoice)
    assert state.approval_round is not None
    subject = state.approval_round.subject
    decision = ApprovalDecision(by=BOB, content_hash=subject.content_hash, amount=subject.amount)
    await world.approve(invoice, ANA)
    await world.invoice(invoice, InvoiceStage.OPEN)
    with pytest.raises(Refused, match="nothing is to be decided"):
        await world.tell(invoice, messages.DECIDE_APPROVAL, decision)
    await world.tell(invoice, messages.RECORD_PAYMENT, payment)
    await world.invoice(invoice, InvoiceStage.PARTIALLY_PAID)
    await world.tell(invoice, messages.OPEN_DISPUTE, opened)


async def test_a_period_is_generated_released_and_invoiced_or_reverted_and_recalculated(
    world: World,
) -> None:
    """Certinia: billing events go Generated, Released, Invoiced; revert, recalculate."""
    workflow_id = await world.active(hourly(months=1))
    line = await world.work(workflow_id, "dev", "8", str(month(1)))
    await world.skip_to(workflow_id, month(2))
    first = await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    assert lines_of(first) == [("dev", "960.00")]
    await world.reject(f"{workflow_id}/invoice/1", "half of it was travel")
    parked = await world.parked(workflow_id)
    assert parked.code == "proposal_rejected"
    state = await world.contract(workflow_id)
    assert _statuses(state) == [InvoiceStatus.REJECTED]

    await world.correct(line, unit_amount=4.0)
    await world.resolve(workflow_id, Action.RETRY)
    second = await world.invoice(f"{workflow_id}/invoice/2", InvoiceStage.AWAITING_APPROVAL)
    assert lines_of(second) == [("dev", "480.00")]
    state = await world.contract(workflow_id)
    assert _statuses(state) == [InvoiceStatus.PROPOSED]
    await world.issue(workflow_id, 2)
    state = await world.contract(workflow_id, lambda found: found.invoices[2].total is not None)
    assert _statuses(state) == [InvoiceStatus.ISSUED]


def _statuses(state: ContractState) -> list[InvoiceStatus]:
    return [item.status for item in state.account.invoices.values()]


async def test_what_is_approved_is_the_last_word_even_weeks_later(world: World) -> None:
    """Lago re-runs checks at execution because weeks pass: validate again right before posting."""
    contract = american(single())
    contract["services"][0]["code"] = "TRAINING"
    invoice = await world.proposed(contract)
    before = await world.invoice(invoice)
    assert before.odoo_totals is not None
    with locked(world.server.client(), world.admin, "2099-12-31"):
        await world.approve(invoice)
        await world.parked(invoice)
        await world.skip(invoice, days=21)
    await untaxed(world, invoice)
    await world.resolve(invoice, Action.RETRY)
    state = await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    assert noted(state, "totals.total: 1150.00 EUR -> 1000.00 EUR")
    await world.approve(invoice, BOB)
    state = await world.invoice(invoice, InvoiceStage.OPEN)
    assert state.balance is not None
    assert state.balance.total == eur("1000.00")


async def test_small_invoices_as_planned_pass_and_nothing_else_does(world: World) -> None:
    """Rules by size: the smallest, exactly as planned, need nobody; another currency is never
    under a limit."""
    small = {"value": "50.00"}
    planned = contract_data(
        **small,
        services=[{"key": "s", "code": "BUILD", "description": "B", "amount": "50.00"}],
        milestones=[{"key": "all", "name": "All", "service": "s", "amount": "50.00"}],
    )
    for currency, passes in (("EUR", True), ("USD", False)):
        contract = contract_data(**planned | {"contract_id": contract_data()["contract_id"]})
        contract["currency"] = currency
        workflow_id = await world.active(contract)
        await world.reach(workflow_id, "all")
        invoice = f"{workflow_id}/invoice/1"
        if passes:
            state = await world.invoice(invoice, InvoiceStage.OPEN)
            assert state.approval_round is not None
            assert state.approval_round.is_automatic
            assert noted(state, "50.00 EUR")
        else:
            state = await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
            assert state.proposal.amount == Money("50.00", "USD")
            with pytest.raises(Refused, match="may not decide"):
                await world.approve(invoice, ANA)
    assert _statuses(await world.contract(workflow_id)) == [InvoiceStatus.PROPOSED]


async def untaxed(world: World, invoice: str) -> None:
    """Somebody takes the tax off the draft in Odoo."""
    state = await world.invoice(invoice)
    [line] = world.admin.search_read(
        "account.move.line",
        [("move_id", "=", state.invoice_id), ("display_type", "=", "product")],
        ["id"],
    )
    world.admin.write("account.move.line", [line["id"]], {"tax_ids": [[6, 0, []]]})

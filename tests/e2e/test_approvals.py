"""An approval is bound to content, and a refusal reaches the one who asked."""

from __future__ import annotations

import pytest

from contracts.parking import Action
from contracts.receivable import ApprovalDecision, InvoiceStage
from starters import operations
from tests.world import ANA, BOB, CLEO, World, eur, single
from workflows.receivable import ReceivableWorkflow


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"by": "mallory@northwind.example"}, "may not decide"),
        ({"content_hash": "000000000000"}, "names content"),
        ({"content_hash": ""}, "names content"),
        ({"amount": eur("999.99")}, "names 999.99 EUR"),
        ({"amount": None}, "names"),
    ],
)
async def test_a_wrong_approval_is_refused_with_the_reason(
    world: World, wrong: dict[str, object], why: str
) -> None:
    invoice = await world.proposed(single())
    state = await world.invoice(invoice)
    right = {
        "by": ANA,
        "content_hash": state.proposal.content_hash[:12],
        "amount": state.proposal.amount,
    }
    decision = ApprovalDecision.model_validate(right | wrong)
    handle = world.client.get_workflow_handle(invoice)
    with pytest.raises(operations.Refused, match=why):
        await operations._update(
            world.client, invoice, ReceivableWorkflow.decide_approval, decision
        )
    await handle.signal("approval_decided", decision)
    state = await world.invoice(
        invoice, until=lambda found: "Refused a decision" in found.journal.entries[-1].text
    )
    assert state.approvals == []


async def test_the_requester_may_not_approve(world: World) -> None:
    invoice = await world.proposed(single(requested_by=ANA))
    with pytest.raises(operations.Refused, match="segregation"):
        await world.approve(invoice, ANA)
    await world.approve(invoice, BOB)
    await world.invoice(invoice, InvoiceStage.OPEN)


async def test_approvers_are_reminded_and_then_directors_may_decide(world: World) -> None:
    invoice = await world.proposed(single())
    with pytest.raises(operations.Refused, match="may not decide"):
        await world.approve(invoice, CLEO)
    await world.skip(invoice, days=7)
    state = await world.invoice(invoice, until=lambda found: found.reminded)
    assert state.requirement is not None
    await world.skip(invoice, days=10)
    await world.invoice(invoice, until=lambda found: found.escalated)
    notes = world.admin.search_read(
        "mail.message",
        [("model", "=", "sale.order"), ("res_id", "=", state.order_id), ("subject", "!=", False)],
        ["subject"],
        order="id",
    )
    assert [row["subject"].split(":")[0] for row in notes] == ["Reminder", "Escalated"]
    await world.approve(invoice, CLEO)
    await world.invoice(invoice, InvoiceStage.OPEN)


async def test_a_changed_proposal_needs_approval_again(world: World) -> None:
    invoice = await world.proposed(single())
    world.admin.write("res.company", [1], {"fiscalyear_lock_date": "2026-12-31"})
    try:
        await world.approve(invoice)
        await world.parked(invoice)
        before = await world.invoice(invoice)
        await world.resolve(invoice, Action.AMEND, changes={"purchase_order": "PO-9"})
        state = await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    finally:
        world.admin.write("res.company", [1], {"fiscalyear_lock_date": False})
    assert state.approvals == []
    assert state.proposal.content_hash != before.proposal.content_hash
    await world.approve(invoice, BOB)
    await world.invoice(invoice, InvoiceStage.OPEN)
    [move] = world.admin.search_read(
        "account.move", [("invoice_origin", "=", invoice)], ["ref", "state"]
    )
    assert (move["ref"], move["state"]) == ("PO-9", "posted")


async def test_amounts_cannot_be_amended_on_a_proposal(world: World) -> None:
    invoice = await world.proposed(single())
    world.admin.write("res.company", [1], {"fiscalyear_lock_date": "2026-12-31"})
    try:
        await world.approve(invoice)
        await world.parked(invoice)
        with pytest.raises(operations.Refused, match="follow from the contract"):
            await world.resolve(invoice, Action.AMEND, changes={"lines.0.amount": "1.00 EUR"})
    finally:
        world.admin.write("res.company", [1], {"fiscalyear_lock_date": False})
    await world.resolve(invoice, Action.RETRY)
    await world.invoice(invoice, InvoiceStage.OPEN)

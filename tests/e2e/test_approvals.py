"""An approval is bound to content, and a refusal reaches the one who asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from contracts.approvals import ApprovalDecision
from contracts.identifiers import invoice_origin
from contracts.invoice.state import InvoiceStage, InvoiceState
from contracts.parking import Action
from starters.client import Refused, messages
from tests.e2e.telling import YEAR_END, today
from tests.world import ANA, BOB, CLEO, World, eur, single


def approvers(state: InvoiceState) -> list[str]:
    """Who has approved what stands there now."""
    return [item.by for item in state.approval_round.approvals] if state.approval_round else []


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
    assert state.approval_round is not None
    right = {
        "by": ANA,
        "content_hash": state.approval_round.subject.content_hash[:12],
        "amount": state.proposal.amount,
    }
    decision = ApprovalDecision.model_validate(right | wrong)
    handle = world.client.get_workflow_handle(invoice)
    with pytest.raises(Refused, match=why):
        await world.tell(invoice, messages.DECIDE_APPROVAL, decision)
    await handle.signal("approval_decided", decision)
    state = await world.invoice(
        invoice, until=lambda found: "Refused a decision" in found.journal.entries[-1].text
    )
    assert approvers(state) == []


async def test_the_requester_may_not_approve(world: World) -> None:
    invoice = await world.proposed(single(requested_by=ANA))
    with pytest.raises(Refused, match="segregation"):
        await world.approve(invoice, ANA)
    await world.approve(invoice, BOB)
    await world.invoice(invoice, InvoiceStage.OPEN)


async def test_approvers_are_reminded_and_then_directors_may_decide(world: World) -> None:
    invoice = await world.proposed(single())
    with pytest.raises(Refused, match="may not decide"):
        await world.approve(invoice, CLEO)
    await world.skip(invoice, days=7)
    state = await world.invoice(
        invoice, until=lambda found: bool(found.approval_round and found.approval_round.reminded)
    )
    await world.skip(invoice, days=10)
    await world.invoice(
        invoice,
        until=lambda found: bool(found.approval_round and found.approval_round.escalation_reminded),
    )
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
    world.admin.write("res.company", [1], {"fiscalyear_lock_date": str(YEAR_END)})
    try:
        await world.approve(invoice)
        await world.parked(invoice)
        before = await world.invoice(invoice)
        await world.resolve(invoice, Action.AMEND, changes={"purchase_order": "PO-9"})
        state = await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    finally:
        world.admin.write("res.company", [1], {"fiscalyear_lock_date": False})
    assert approvers(state) == []
    assert state.proposal.content_hash != before.proposal.content_hash
    assert state.invoice_id == before.invoice_id
    await world.approve(invoice, BOB)
    await world.invoice(invoice, InvoiceStage.OPEN)
    [move] = world.admin.search_read(
        "account.move", [("invoice_origin", "=", invoice_origin(invoice))], ["ref", "state"]
    )
    assert (move["ref"], move["state"]) == ("PO-9", "posted")


async def test_amounts_cannot_be_amended_on_a_proposal(world: World) -> None:
    invoice = await world.proposed(single())
    world.admin.write("res.company", [1], {"fiscalyear_lock_date": str(YEAR_END)})
    try:
        await world.approve(invoice)
        await world.parked(invoice)
        with pytest.raises(Refused, match="follow from the contract"):
            await world.resolve(invoice, Action.AMEND, changes={"lines.0.amount": "1.00 EUR"})
    finally:
        world.admin.write("res.company", [1], {"fiscalyear_lock_date": False})
    await world.resolve(invoice, Action.RETRY)
    await world.invoice(invoice, InvoiceStage.OPEN)


# --- the draft comes first ------------------------------------------------------------------


async def test_what_is_approved_is_a_draft_with_the_tax_odoo_computes(world: World) -> None:
    invoice = await world.proposed(single())
    state = await world.invoice(invoice)
    assert state.odoo_totals is not None
    assert state.approval_round is not None
    assert state.approval_round.subject.total == state.odoo_totals.total
    [move] = drafts(world, invoice)
    assert move["state"] == "draft"
    assert eur(str(move["amount_untaxed"])) == state.odoo_totals.untaxed == eur("1000.00")
    assert eur(str(move["amount_total"])) == state.odoo_totals.total
    await world.approve(invoice)
    state = await world.invoice(invoice, InvoiceStage.OPEN)
    assert state.balance is not None
    assert state.odoo_totals is not None
    assert state.balance.total == state.odoo_totals.total


async def test_the_draft_of_a_rejected_proposal_is_cancelled_in_odoo(world: World) -> None:
    invoice = await world.proposed(single())
    handle = world.client.get_workflow_handle(invoice)
    await world.c2c.contract_or_invoice(invoice).reject(by=ANA, comment="wrong customer")
    report = await handle.result()
    assert report["stage"] == InvoiceStage.REJECTED
    assert report["because"] == f"{ANA}: wrong customer"
    assert [move["state"] for move in drafts(world, invoice)] == ["cancel"]
    contract = invoice.removesuffix("/invoice/1")
    await world.parked(contract)
    await world.resolve(contract, Action.RETRY)
    again = f"{contract}/invoice/2"
    await world.invoice(again, InvoiceStage.AWAITING_APPROVAL)
    await world.approve(again)
    await world.invoice(again, InvoiceStage.OPEN)


async def test_a_draft_somebody_changed_is_not_posted_but_written_anew(world: World) -> None:
    invoice = await world.proposed(single())
    state = await world.invoice(invoice)
    [move] = drafts(world, invoice)
    [line] = world.admin.search_read(
        "account.move.line",
        [("move_id", "=", move["id"]), ("display_type", "=", "product")],
        ["id"],
    )
    world.admin.write("account.move.line", [line["id"]], {"price_unit": 900.0})
    await world.approve(invoice)
    parked = await world.parked(invoice)
    assert (parked.step, parked.code) == ("post_invoice", "invoice_differs_from_approval")
    assert "900.00 EUR" in parked.message
    await world.resolve(invoice, Action.RETRY)
    state = await world.invoice(invoice, InvoiceStage.OPEN)
    assert state.balance is not None
    assert state.balance.untaxed == eur("1000.00")
    assert approvers(state) == [ANA]


def repriced(world: World, move: int, price: float) -> None:
    """An accountant gives the one line of a draft another price, and posts it."""
    [line] = world.accountant.search_read(
        "account.move.line", [("move_id", "=", move), ("display_type", "=", "product")], ["id"]
    )
    values = {"invoice_line_ids": [[1, line["id"], {"price_unit": price}]]}
    world.accountant.write("account.move", [move], values)
    world.accountant.call("account.move", "action_post", [move])


async def test_an_invoice_of_another_amount_than_was_proposed_is_not_approved(
    world: World,
) -> None:
    """The limit of those who are asked holds for what the customer gets."""
    contract = single()
    invoice = await world.proposed(contract)
    [move] = drafts(world, invoice)
    await asyncio.to_thread(repriced, world, move["id"], 12000.0)
    await world.approve(invoice)
    assert (await world.parked(invoice)).code == "invoice_differs_from_approval"
    await world.resolve(invoice, Action.RETRY)
    state = await world.invoice(
        invoice, until=lambda found: [item.step for item in found.exceptions] == ["create_invoice"]
    )
    assert state.exceptions[0].code == "draft_differs_from_proposal"
    assert "12000.00 EUR without tax, the proposal 1000.00 EUR" in state.exceptions[0].message
    assert state.open_round is None
    # As the exception advises: reset to draft there, it is written again.
    await asyncio.to_thread(world.accountant.call, "account.move", "button_draft", [move["id"]])
    await world.resolve(invoice, Action.RETRY)
    await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    await world.approve(invoice, BOB)
    state = await world.invoice(invoice, InvoiceStage.OPEN)
    assert state.balance is not None
    assert state.balance.untaxed == eur("1000.00")
    assert len(world.server.mails(contract["customer"]["billing_email"])) == 1


async def test_a_posted_invoice_that_is_changed_in_odoo_waits_until_it_is_restored(
    world: World,
) -> None:
    contract = single()
    invoice = await world.open(contract)
    [move] = drafts(world, invoice)
    reset = world.accountant.call
    await asyncio.to_thread(reset, "account.move", "button_draft", [move["id"]])
    await asyncio.to_thread(repriced, world, move["id"], 9000.0)
    await world.sweep()
    parked = await world.parked(invoice)
    assert (parked.step, parked.code) == ("balance", "invoice_differs_from_approval")
    assert "it totals 9000.00 EUR without tax" in parked.message
    assert parked.allowed == (Action.RETRY,)
    with pytest.raises(Refused, match="not in Odoo what was approved"):
        await world.c2c.invoice(invoice).record_payment("P-1", eur("9000.00"), paid_on=today())
    await asyncio.to_thread(reset, "account.move", "button_draft", [move["id"]])
    await asyncio.to_thread(repriced, world, move["id"], 1000.0)
    await world.resolve(invoice, Action.RETRY)
    state = await world.invoice(
        invoice, until=lambda found: bool(found.balance and found.balance.total == eur("1000.00"))
    )
    assert (state.stage, state.exceptions) == (InvoiceStage.OPEN, ())


async def test_tax_that_changed_since_is_approved_again(world: World) -> None:
    invoice = await world.proposed(single())
    [move] = drafts(world, invoice)
    [line] = world.admin.search_read(
        "account.move.line",
        [("move_id", "=", move["id"]), ("display_type", "=", "product")],
        ["id"],
    )
    [tax] = world.admin.search_read(
        "account.tax",
        [("type_tax_use", "=", "sale"), ("amount", ">", 0), ("company_id", "=", 1)],
        ["id"],
        order="id",
        limit=1,
    )
    world.admin.write("account.move.line", [line["id"]], {"tax_ids": [[6, 0, [tax["id"]]]]})
    await world.approve(invoice)
    await world.parked(invoice)
    await world.resolve(invoice, Action.RETRY)
    state = await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    assert approvers(state) == []
    assert state.odoo_totals is not None
    assert state.odoo_totals.total > eur("1000.00")
    assert [item.amount for item in state.odoo_totals.taxes] == [
        state.odoo_totals.total - eur("1000.00")
    ]
    await world.approve(invoice)
    state = await world.invoice(invoice, InvoiceStage.OPEN)
    assert state.balance is not None
    assert state.odoo_totals is not None
    assert state.balance.total == state.odoo_totals.total


async def test_an_invoice_carries_the_day_it_is_posted_and_not_the_day_it_was_proposed(
    world: World,
) -> None:
    invoice = await world.proposed(single())
    before = await world.invoice(invoice)
    await world.skip(invoice, days=1)
    await world.approve(invoice)
    state = await world.invoice(invoice, InvoiceStage.OPEN)
    assert before.draft is not None
    assert state.draft is not None
    assert state.draft.invoice_on > before.draft.invoice_on
    [move] = drafts(world, invoice)
    assert move["invoice_date"] == str(state.draft.invoice_on)
    assert approvers(state) == [ANA]


def drafts(world: World, invoice: str) -> list[dict[str, Any]]:
    """What Odoo has of an invoice, whatever became of it."""
    return world.admin.search_read(
        "account.move",
        [("invoice_origin", "=", invoice_origin(invoice))],
        ["state", "amount_untaxed", "amount_total", "invoice_date"],
    )


async def test_a_draft_that_cannot_be_posted_can_be_given_up(world: World) -> None:
    invoice = await world.proposed(single())
    world.admin.write("res.company", [1], {"fiscalyear_lock_date": str(YEAR_END)})
    try:
        await world.approve(invoice)
        await world.parked(invoice)
        await world.resolve(invoice, Action.CANCEL, reason="the year is closed")
        report = await world.client.get_workflow_handle(invoice).result()
    finally:
        world.admin.write("res.company", [1], {"fiscalyear_lock_date": False})
    assert report["stage"] == InvoiceStage.REJECTED
    assert "the year is closed" in report["because"]
    assert [move["state"] for move in drafts(world, invoice)] == ["cancel"]
    parked = await world.parked(invoice.removesuffix("/invoice/1"))
    assert parked.code == "proposal_rejected"

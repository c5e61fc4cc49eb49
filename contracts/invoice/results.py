"""What the result of an act changes in an invoice. Nothing here starts anything.

What an act found out always counts: ids, balances, that it was done. What it decides counts only
while it `stands`: while the state still wants it on the same basis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel

from contracts.agenda.actions import Action, Failed
from contracts.dunning import Act
from contracts.invoice import agenda, collecting
from contracts.invoice.intake import (
    with_approvers_reminded,
    with_balance,
    with_payment_question,
    with_reminder_sent,
    without_payment,
    without_write_off,
)
from contracts.invoice.messages import CreditApplied, InvoiceBalance
from contracts.invoice.state import InvoiceReport, InvoiceState, KnownDraft, Reminder
from contracts.odoo_totals import OdooTotals
from contracts.policy import EntityPolicy


class Draft(BaseModel):
    """The draft in Odoo, of a date in the legal entity's zone, and what it comes to there. `policy`
    are the legal entity's rules as they are now: by them it is approved and collected."""

    invoice_id: int
    invoice_on: date
    odoo_totals: OdooTotals
    policy: EntityPolicy


class Reconciled(BaseModel):
    """An invoice and a credit note that were set off against each other."""

    invoice: InvoiceBalance
    credit_note: InvoiceBalance


_NO_ADDRESS = "email_missing"
"""The customer cannot be mailed: a person is to reach them some other way."""


def done(state: InvoiceState, action: Action, value: Any, stands: bool) -> InvoiceState:
    """The state after an act that succeeded."""
    return _DONE[action.kind](state, action, value, stands)


def failed(state: InvoiceState, action: Action, failure: Failed, stands: bool) -> InvoiceState:
    """The state after an act that failed; where it can park, it parks if it is still wanted."""
    if action.kind == agenda.CREATE:
        # However far it came: the draft may stand in Odoo.
        return state.replace(draft_tried=True)
    if action.kind == agenda.REMIND and failure.code == _NO_ADDRESS and state.reminder:
        by_hand = state.reminder.model_copy(update={"by_hand": True})
        return state.replace(reminder=by_hand)
    if action.kind == agenda.TELL_INVOICE:
        # It has ended: settled before it was credited. The contract knows of both.
        text = f"Invoice {action.subject} is not followed any more"
        return state.replace(credit_to_tell=None).noted(text)
    if action.kind == agenda.TELL_CONTRACT:
        # One that has ended misses nothing.
        return state.replace(reported=collecting.report(state)).noted(_untold(failure))
    if action.kind == agenda.ASK_CREDIT:
        return state.replace(credit_requests=state.credit_requests[1:]).noted(_untold(failure))
    return state


def _untold(failure: Failed) -> str:
    return f"The contract could not be told: {failure.message}"


# --- until it is posted -------------------------------------------------------------------------


def _drafted(state: InvoiceState, action: Action, draft: Draft, stands: bool) -> InvoiceState:
    """The draft exists in Odoo, with what it comes to there."""
    known = KnownDraft(
        invoice_id=draft.invoice_id,
        content_hash=action.basis,
        invoice_on=draft.invoice_on,
        odoo_totals=draft.odoo_totals,
    )
    before = state.odoo_totals
    # The rules stay as they were at the proposal.
    state = state.replace(draft=known, reached=(), policy=state.policy or draft.policy)
    if before is None or state.approval_round is None or _is_same(before, draft.odoo_totals):
        return state
    # Tax that changed since is something nobody has approved.
    text = f"With tax it came to {before.total} and now to {draft.odoo_totals.total}"
    return state.replace(approval_round=None).noted(f"{text}: approvals are void")


def _is_same(before: OdooTotals, now: OdooTotals) -> bool:
    return before.total == now.total and set(before.taxes) == set(now.taxes)


def _posted(
    state: InvoiceState, action: Action, balance: InvoiceBalance, stands: bool
) -> InvoiceState:
    state = with_balance(state.replace(issued=True), balance)
    return state.noted(f"Posted {balance.number}: {balance.total} with tax, due {balance.due_on}")


def _discarded(state: InvoiceState, action: Action, value: Any, stands: bool) -> InvoiceState:
    return state.replace(discarded=True).noted("The draft was cancelled")


def _reminded_approvers(
    state: InvoiceState, action: Action, value: Any, stands: bool
) -> InvoiceState:
    found = state.open_round
    if not stands or found is None:
        return state
    what = "Escalated" if action.basis.startswith(agenda.ESCALATED) else "Reminder"
    state = with_approvers_reminded(state, action.basis)
    return state.noted(f"{what}: approval of {found.subject.title} still open")


# --- from posted to settled ---------------------------------------------------------------------


def _delivered(state: InvoiceState, action: Action, value: Any, stands: bool) -> InvoiceState:
    return state.replace(delivered=True).noted("Delivered by e-mail")


def _read(
    state: InvoiceState, action: Action, balance: InvoiceBalance, stands: bool
) -> InvoiceState:
    """The balance was read for something that is decided now, if it still is to be."""
    state = with_balance(state, balance)
    if not stands or collecting.posted(state) is None:
        return state
    if action.basis.startswith(agenda.PROMISED):
        return _with_promise_broken(state, balance)
    if action.basis.startswith(agenda.LATE):
        return _with_reminder(state)
    return state


def _with_promise_broken(state: InvoiceState, balance: InvoiceBalance) -> InvoiceState:
    promise = state.promise
    if promise is None or promise.is_kept(collecting.paid(state, balance), balance.residual):
        return state
    state = state.replace(promise=None, promises_broken=state.promises_broken + 1)
    return state.noted(f"Promise broken: {promise.amount} until {promise.on}")


def _with_reminder(state: InvoiceState) -> InvoiceState:
    """A reminder about what is late and undisputed, fixed from now on."""
    decision = agenda.dunning_decision(state)
    if decision.act is not Act.SEND or not agenda.is_dunned(state):
        return state
    balance, level = agenda.required_balance(state), decision.level
    step = state.rules.dunning.steps[level - 1]
    owed = collecting.asked_for(state, balance, state.today)
    words = {
        "number": balance.number,
        "customer": state.proposal.customer_name,
        "due_on": str(collecting.due_on(state)),
        "total": str(balance.total),
        "residual": str(owed),
        "level": str(level),
    }
    reminder = Reminder(
        level=level,
        on=state.today,
        owed=owed,
        # Levels may start again: the day tells two reminders of one level apart.
        subject=f"{_fill(step.subject, words)} ({state.today})",
        text=_fill(step.text, words),
    )
    return state.replace(reminder=reminder)


def _fill(template: str, words: Mapping[str, str]) -> str:
    """Replace {word} by its value; anything else in braces stays as it is."""
    for word, value in words.items():
        template = template.replace(f"{{{word}}}", value)
    return template


def _reminded(state: InvoiceState, action: Action, value: Any, stands: bool) -> InvoiceState:
    by_hand = action.kind == agenda.TODO
    return with_reminder_sent(state, "left to a person (no e-mail address)" if by_hand else "sent")


def _registered(
    state: InvoiceState, action: Action, balance: InvoiceBalance, stands: bool
) -> InvoiceState:
    payment = next((item for item in state.payments if item.reference == action.subject), None)
    over = collecting.excess(state, payment) if payment is not None else None
    state = with_balance(without_payment(state, action.subject), balance)
    if over is None:
        return state
    text = (
        f"payment {action.subject} is {over} more than was open; the rest stands on the "
        "customer's account in Odoo"
    )
    return with_payment_question(state, "payment_exceeds", action.subject, over, text)


def _reconciled(
    state: InvoiceState, action: Action, value: Reconciled, stands: bool
) -> InvoiceState:
    """The credit note is off what its invoice is open by; the invoice's workflow is to hear it."""
    note = value.credit_note
    applied = note.total - note.residual
    credit = CreditApplied(
        number=state.proposal.number,
        untaxed=note.untaxed,
        applied=applied,
        balance=value.invoice,
    )
    state = state.replace(reconciled=True, credit_to_tell=credit)
    state = state.noted(f"Set off {applied} against {value.invoice.number}")
    return with_balance(state, note)


def _wrote_off(
    state: InvoiceState, action: Action, balance: InvoiceBalance, stands: bool
) -> InvoiceState:
    asked = state.write_off
    if asked is not None:
        approved = f"write-off of {asked.amount}: {asked.approval_round.given}"
        state = state.replace(
            write_offs=state.write_offs + 1,
            write_offs_approved=(*state.write_offs_approved, approved),
        )
    return with_balance(without_write_off(state, "done"), balance)


# --- the contract, and the credited invoice -----------------------------------------------------


def _told_contract(
    state: InvoiceState, action: Action, report: InvoiceReport, stands: bool
) -> InvoiceState:
    return state.replace(reported=report)


def _asked_credit(state: InvoiceState, action: Action, value: Any, stands: bool) -> InvoiceState:
    return state.replace(credit_requests=state.credit_requests[1:])


def _told_invoice(state: InvoiceState, action: Action, value: Any, stands: bool) -> InvoiceState:
    return state.replace(credit_to_tell=None)


_DONE: Mapping[str, Callable[[InvoiceState, Action, Any, bool], InvoiceState]] = {
    agenda.CREATE: _drafted,
    agenda.POST: _posted,
    agenda.DISCARD: _discarded,
    agenda.NOTIFY: _reminded_approvers,
    agenda.DELIVER: _delivered,
    agenda.BALANCE: _read,
    agenda.REGISTER_PAYMENT: _registered,
    agenda.RECONCILE: _reconciled,
    agenda.REMIND: _reminded,
    agenda.TODO: _reminded,
    agenda.WRITE_OFF: _wrote_off,
    agenda.TELL_CONTRACT: _told_contract,
    agenda.ASK_CREDIT: _asked_credit,
    agenda.TELL_INVOICE: _told_invoice,
}

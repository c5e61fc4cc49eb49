"""Who decides about an invoice, or about its write-off: decisions, reminders, escalation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts import parking
from contracts.agenda.actions import Action, Wanted
from contracts.agenda.machine import ActRule, MessageRule
from contracts.agenda.state import required
from contracts.approvals import ApprovalDecision, ApprovalRound
from contracts.invoice import acts
from contracts.invoice.state import InvoiceStage, InvoiceState
from contracts.metrics import approval_decided

ESCALATED = "escalated"
"""Begins the basis of a reminder to those whom an approval is escalated to."""


def _decision_refusal(state: InvoiceState, decision: ApprovalDecision) -> str | None:
    if state.open_round is None:
        if state.stage is InvoiceStage.PROPOSED:
            return "the proposal is still being prepared; try again in a moment"
        return f"nothing is to be decided: the invoice is {state.stage}"
    today = state.open_round.requirement.today(state.clock)
    return state.open_round.refusal(decision, today)


def _decision(state: InvoiceState, decision: ApprovalDecision) -> InvoiceState:
    decided = required(state.open_round).decided(decision, state.clock)
    state = state.with_round(decided).noted(decided.words_of(decision))
    if decided.is_decided:
        state = state.measured(approval_decided(decided, state.clock))
    return state.answering(decided)


def with_rule_noted(state: InvoiceState, approval_round: ApprovalRound) -> InvoiceState:
    """What nobody is asked about says by which rule."""
    if not approval_round.is_automatic:
        return state
    return state.noted(f"{approval_round.subject.title}: {approval_round.requirement.rule}")


# --- reminders ------------------------------------------------------------------------------------


def to_remind(state: InvoiceState) -> list[Wanted]:
    """A reminder of those who have to decide, or of those they are escalated to."""
    found = state.open_round
    reminder = found.due_reminder(state.rules.calendar, state.clock) if found else None
    if found is None or reminder is None:
        return []
    urgency = ESCALATED if reminder.escalated else "reminder"
    basis = f"{urgency}:{found.subject.content_hash}"
    return [Action(acts.NOTIFY, key=f"{acts.NOTIFY}:{found.subject.kind}", basis=basis)]


def _reminded_approvers(state: InvoiceState, action: Action, value: Any) -> InvoiceState:
    found = state.open_round
    if found is None:
        return state
    what = "Escalated" if action.basis.startswith(ESCALATED) else "Reminder"
    state = _with_reminder(state, action.basis)
    return state.noted(f"{what}: approval of {found.subject.title} still open")


def _with_reminder(state: InvoiceState, basis: str) -> InvoiceState:
    """Those who have to decide were reminded, or need not be; the basis of the act says whom."""
    found = state.current_round
    if found is None:
        return state
    return state.with_round(found.with_reminder(escalated=basis.startswith(ESCALATED)))


def escalate(state: InvoiceState) -> InvoiceState:
    """From a day on others may decide as well, whether or not the reminders reached anybody."""
    found = state.current_round
    if found is None or not found.is_to_escalate(state.rules.calendar, state.clock):
        return state
    return state.with_round(found.with_escalation())


ACTS: Mapping[str, ActRule[InvoiceState]] = {
    acts.NOTIFY: ActRule(
        parking.NOTIFY,
        decided=_reminded_approvers,
        skipped=lambda state, parked, _: _with_reminder(state, parked.basis),
    )
}
MESSAGES: Mapping[type, MessageRule[InvoiceState]] = {
    ApprovalDecision: MessageRule(_decision, _decision_refusal)
}

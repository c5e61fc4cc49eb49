"""Reminders of what is late. The balance is read right before something depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts import parking
from contracts.agenda.actions import Action, Failed, Wanted
from contracts.agenda.machine import ActRule, MessageRule
from contracts.agenda.state import required
from contracts.dunning import Act, DunningState
from contracts.invoice import acts, collecting, payments, recording
from contracts.invoice.messages import InvoiceBalance
from contracts.invoice.state import InvoiceState, Reminder

RESTORED, PROMISED, LATE = "restored", "promise", "remind"
"""What the balance is read for: the basis of the act says it."""
_NO_ADDRESS = "email_missing"
"""The customer cannot be mailed: a person is to reach them some other way."""


def to_dun(state: InvoiceState) -> list[Wanted]:
    """The balance is read right before something depends on it: a reminder, a broken promise."""
    if state.promise is not None and state.today > state.promise.on:
        return [look(f"{PROMISED}:{state.promise.on}")]
    reminder = state.reminder
    if reminder is not None:
        basis = f"{reminder.on}:{acts.TODO}" if reminder.by_hand else str(reminder.on)
        key = f"{acts.REMIND}:{reminder.level}"
        if reminder.by_hand:
            return [Action(acts.TODO, key=key, basis=basis)]
        return [Action(acts.REMIND, key=key, basis=basis, irreversible=True)]
    decision = collecting.dunning_decision(state)
    if decision.act is not Act.SEND or decision.next_on is None:
        return []
    if state.clock < state.opening(decision.next_on):
        return []
    return [look(f"{LATE}:{decision.level}")]


def look(basis: str) -> Action:
    """The balance is read, for what the basis says."""
    return Action(acts.BALANCE, key=acts.BALANCE, basis=basis)


def look_for_restored(state: InvoiceState) -> Action:
    """The balance is read of an invoice that is not posted as it was approved: nothing goes on
    before it is so again."""
    changed = f":{required(state.balance).total}" if collecting.is_changed(state) else ""
    return look(f"{RESTORED}{changed}")


# --- what came of it ------------------------------------------------------------------------------


def _read(state: InvoiceState, action: Action, balance: InvoiceBalance) -> InvoiceState:
    return payments.with_balance(state, balance)


def _looked(state: InvoiceState, action: Action, balance: InvoiceBalance) -> InvoiceState:
    """The balance was read for something that is decided now."""
    if collecting.posted(state) is None:
        return state
    if action.basis.startswith(PROMISED):
        return _with_promise_broken(state, balance)
    if action.basis.startswith(LATE):
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
    decision = collecting.dunning_decision(state)
    if decision.act is not Act.SEND or not collecting.is_dunned(state):
        return state
    balance, level = collecting.required_balance(state), decision.level
    step = state.rules.dunning.steps[level - 1]
    owed = collecting.asked_for(state, balance)
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


def _reminded(state: InvoiceState, action: Action, value: Any) -> InvoiceState:
    by_hand = action.kind == acts.TODO
    return _with_reminder_sent(state, "left to a person (no e-mail address)" if by_hand else "sent")


def _with_reminder_sent(state: InvoiceState, how: str) -> InvoiceState:
    """The level counts from today on, whoever reminded the customer."""
    reminder = state.reminder
    if reminder is None:
        return state
    level = state.dunning.replace(level=reminder.level, sent_on=state.today)
    state = state.replace(dunning=level, reminder=None)
    return state.noted(f"Reminder {reminder.level} {how}: {reminder.owed} asked for")


# --- what follows ---------------------------------------------------------------------------------


def dunning_level(state: InvoiceState) -> InvoiceState:
    """The levels start again where nothing is late, and end where all were sent."""
    if not collecting.is_dunned(state):
        return state
    decision = collecting.dunning_decision(state)
    if decision.level < state.dunning.level:
        state = state.replace(dunning=DunningState())
    is_exhausted = decision.act is Act.EXHAUSTED
    if is_exhausted == state.reminders_exhausted:
        return state
    return state.replace(reminders_exhausted=is_exhausted)


def drop_reminder(state: InvoiceState) -> InvoiceState:
    """Something came between: by the balance and what was agreed, not by the calendar."""
    reminder = state.reminder
    if reminder is None or f"{acts.REMIND}:{reminder.level}" in state.running:
        return state
    if collecting.is_dunned(state):
        decision = collecting.dunning_decision(state, reminder.on)
        if decision.act is Act.SEND and decision.level == reminder.level:
            return state
    return state.replace(reminder=None)


def _not_reminded(state: InvoiceState, action: Action, failure: Failed) -> InvoiceState:
    if failure.code != _NO_ADDRESS or not state.reminder:
        return state
    return state.replace(reminder=state.reminder.replace(by_hand=True))


def _skipped(state: InvoiceState, *_: Any) -> InvoiceState:
    return _with_reminder_sent(state, "skipped")


ACTS: Mapping[str, ActRule[InvoiceState]] = {
    acts.BALANCE: ActRule(parking.BALANCE, _read, decided=_looked),
    acts.REMIND: ActRule(
        parking.REMIND, _reminded, _not_reminded, skipped=_skipped, left=recording.balance
    ),
    acts.TODO: ActRule(parking.REMIND, _reminded, skipped=_skipped),
}
MESSAGES: Mapping[type, MessageRule[InvoiceState]] = {}

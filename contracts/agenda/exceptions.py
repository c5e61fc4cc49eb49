"""Parked acts in a state: shown, tried again, ended, and what becomes of a mistake of ours.

Nothing here asks the rules: that these functions work is what a defect of the rules relies on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from contracts import exception_codes
from contracts.agenda.actions import (
    Answered,
    Began,
    ClockRang,
    Event,
    Failed,
    Metric,
    Question,
    Resumed,
    SignalReceived,
    Wanted,
)
from contracts.agenda.state import AgendaState, Unserved
from contracts.metrics import EXCEPTION
from contracts.parking import Action as Choice
from contracts.parking import Responsible, Step, StepException

S = TypeVar("S", bound=AgendaState)

_FIRST_AUTOMATIC_RETRY, _LAST_AUTOMATIC_RETRY = timedelta(minutes=1), timedelta(minutes=15)
_FIRST_NEW_LOOK, _LAST_NEW_LOOK = timedelta(minutes=15), timedelta(days=1)
_HEALS_BY_ITSELF = frozenset({"credentials", "defect", "transient"})
"""Kinds that a changed secret, a new release or time mends: such an act also retries slowly."""
_MOST_UNSERVED = 100
_CLOCK = "clock"
_DEFECT = Step(
    name="defect",
    doing="Apply what happened",
    responsible=Responsible.OPERATIONS,
    allowed=(Choice.RETRY,),
)
_MESSAGE = Step(
    name="message",
    doing="Accept a message that a defect stopped",
    responsible=Responsible.OPERATIONS,
    allowed=(Choice.RETRY, Choice.SKIP),
)


def is_retry_due(parked: StepException, now: datetime) -> bool:
    """Whether a parked act is tried again by itself now."""
    return parked.retry_at is not None and parked.retry_at <= now


def parked(state: S, action: Wanted, step: Step, failed: Failed) -> S:
    """The state with the act shown as an exception; as old as it was before it was retried. Where
    another part of the act fails now, the one before has succeeded: its exception has ended."""
    name = failed.part or action.key
    previous = next((item for item in state.retried if item.key == action.key), None)
    if previous is not None and previous.step != name:
        state, previous = forgotten(state, action.key), None
    attempts = previous.attempts + 1 if previous else 1
    is_uncertain = action.key in state.uncertain
    found = StepException(
        step=name,
        key=action.key,
        act=action.kind,
        basis=action.basis,
        kind=failed.kind,
        doing=step.doing,
        responsible=step.responsible,
        code=failed.code,
        message=failed.message,
        field=failed.field,
        value=failed.value,
        problems=list(failed.problems),
        # What may have happened is looked for before anything else is decided about it.
        allowed=((Choice.RETRY,) if is_uncertain else exception_codes.allowed(step, failed.code)),
        since=previous.since if previous else state.clock,
        attempts=attempts,
        retry_at=_retry_at(state.clock, failed, attempts),
        uncertain=is_uncertain,
    )
    state = _without(state, action.key)
    state = state.replace(exceptions=(*state.exceptions, found))
    if previous is None or previous.code != failed.code:
        state = state.noted(f"Parked: {step.doing} – {found.coded}")
    return state


def _retry_at(now: datetime, failed: Failed, attempts: int) -> datetime | None:
    doublings: int = 2 ** min(attempts - 1, 10)
    if failed.kind in _HEALS_BY_ITSELF:
        return now + min(_FIRST_AUTOMATIC_RETRY * doublings, _LAST_AUTOMATIC_RETRY)
    if exception_codes.heals(failed.code):
        return now + min(_FIRST_NEW_LOOK * doublings, _LAST_NEW_LOOK)
    return None


def unparked(state: S, key: str) -> S:
    """Not shown while its act is tried again; remembered, should it fail again."""
    found = state.exception_of(key)
    if found is None:
        return state
    state = _without(state, key)
    return state.replace(retried=(*state.retried, found))


def forgotten(state: S, key: str) -> S:
    """The exception has ended: its act is done or given up."""
    ended = [item for item in (*state.exceptions, *state.retried) if item.key == key]
    return _without(state, key).measured(_age(ended[0], state.clock)) if ended else state


def _without(state: S, key: str) -> S:
    return state.replace(
        exceptions=tuple(item for item in state.exceptions if item.key != key),
        retried=tuple(item for item in state.retried if item.key != key),
    )


def _age(ended: StepException, now: datetime) -> Metric:
    labels = {"step": ended.step.partition(":")[0], "responsible": str(ended.responsible)}
    seconds = (now - ended.since) // timedelta(seconds=1)
    return Metric(EXCEPTION, Decimal(seconds) / 3600, labels)


def doubted(state: S, key: str) -> S:
    """The act may have happened: until a look tells, nothing gives it up."""
    return state if key in state.uncertain else state.replace(uncertain=(*state.uncertain, key))


def certain(state: S, key: str) -> S:
    """It is known whether the act has happened."""
    return state.replace(uncertain=tuple(item for item in state.uncertain if item != key))


def with_defect(state: S, event: Event, error: Exception, now: datetime) -> S:
    """The state once `apply` failed on an event by a mistake of ours.

    Nothing of the event counts, and nothing of it is lost: an act is parked and performed again,
    which finds what it has done before; a Signal is kept, and a later release applies it. The
    sender of an Update gets an error, and the clock rings again.
    """
    state = state.replace(clock=now)
    failed = Failed(kind="defect", code="defect", message=f"{type(error).__name__}: {error}")
    if isinstance(event, Began):
        return parked(unparked(state, event.action.key), event.action, _DEFECT, failed)
    if isinstance(event, Answered) and event.key in state.running:
        action = state.running[event.key]
        state = state.without_running(event.key)
        if action.irreversible:
            state = doubted(state, action.key)
        return parked(state, action, _DEFECT, failed)
    if isinstance(event, Resumed):
        return parked(unparked(state, event.key), Question("", event.key, failed), _MESSAGE, failed)
    if isinstance(event, SignalReceived) and len(state.unserved) < _MOST_UNSERVED:
        return _kept(state, event, failed)
    if isinstance(event, ClockRang):
        # What the time asks for is looked at again; the exception ends with the first event that
        # can be applied.
        return parked(unparked(state, _CLOCK), Question("", _CLOCK, failed), _DEFECT, failed)
    return state.noted(f"A defect stopped {type(event).__name__}: {failed.message}")


def _kept(state: S, event: SignalReceived, failed: Failed) -> S:
    number = 1 + max((item.number for item in state.unserved), default=0)
    kept = Unserved.of(number, event)
    state = state.replace(unserved=(*state.unserved, kept))
    return parked(state, Question("", kept.key, failed), _MESSAGE, failed)

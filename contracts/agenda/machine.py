"""The machine that both a contract and an invoice run on: acts, results, exceptions, retries.

No act leads to another: a result changes the state, and only `next_action` starts something. Right
before an act begins, `Began` asks the rules once more whether it is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from contracts import exception_codes, parking
from contracts.agenda.actions import (
    Action,
    Answered,
    Began,
    ClockRang,
    Done,
    Event,
    Failed,
    Metric,
    Noted,
    Question,
    Refused,
    Resumed,
    SignalReceived,
    UpdateReceived,
    Wanted,
)
from contracts.agenda.state import AgendaState, Answer, Unserved, required
from contracts.parking import Action as Choice
from contracts.parking import Resolution, Responsible, Step, StepException

S = TypeVar("S", bound=AgendaState)

EXCEPTION_AGE = "c2c_exception_age_hours"
_FIRST_AUTOMATIC_RETRY = timedelta(minutes=1)
_LAST_AUTOMATIC_RETRY = timedelta(minutes=15)
_FIRST_NEW_LOOK = timedelta(minutes=15)
_LAST_NEW_LOOK = timedelta(days=1)
_HEALS_BY_ITSELF = frozenset({"credentials", "defect", "transient"})
"""Kinds that a changed secret, a new release or time mends: such an act also retries slowly."""
_MOST_CONSEQUENCES = 1_000
"""Of one event, within the state: rules that never come to rest are a defect."""
_BUSY = "it is being closed just now; try again in a moment"
_MOST_UNSERVED = 100
_MOST_ANSWERS = 100
_LONGEST_ANSWER = 5_000
_CLOCK = "clock"
_DEFECT = Step(
    name="defect",
    doing="Apply what happened",
    responsible=Responsible.OPERATIONS,
    allowed=(Choice.RETRY,),
)
_UNSERVED = Step(
    name="message",
    doing="Accept a message that a defect stopped",
    responsible=Responsible.OPERATIONS,
    allowed=(Choice.RETRY, Choice.SKIP),
)


@dataclass(frozen=True)
class Rules(Generic[S]):
    """What is decided about one kind of state. All of it is pure.

    - `wanted`: every act and question that the state calls for, in order of preference, whether it
      is running, parked or not. What people are shown (`shown`) is no reason for any of it.
    - `refusal`: why a message cannot be accepted, as a sentence; None if it can. It is asked by the
      validator of an Update and again when the message is applied.
    - `take`: the state after an accepted message. May raise Refused.
    - `done`, `failed`: the state after an act. `stands` says whether the act is still wanted on the
      same basis: its facts (ids, balances) always count, its decision only then.
    - `resolved`: the state after a person's decision about an exception.
    - `advance`: what follows from the state and the time alone, one step at a time; the very same
      object when nothing does.
    - `wake`: the next time at which time alone changes something.
    - `reopens`: whether a message asks for something that an exclusive act would leave undone.
    - `shown`: the state with what it waits for, which people see; called last.
    - `messages`: the messages that come as Signals, by the names of their types.
    - `steps`: by the kind of an act or question, how it parks. A failed act whose kind is missing
      here never parks: `failed` decides what becomes of it.
    """

    wanted: Callable[[S], Sequence[Wanted]]
    refusal: Callable[[S, Any], str | None]
    take: Callable[[S, Any], S]
    done: Callable[[S, Action, Any, bool], S]
    failed: Callable[[S, Action, Failed, bool], S]
    resolved: Callable[[S, StepException, Resolution], S]
    advance: Callable[[S], S]
    wake: Callable[[S], datetime | None]
    reopens: Callable[[Any], bool]
    shown: Callable[[S], S]
    steps: Mapping[str, Step]
    messages: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    _last: list[tuple[S, Sequence[Wanted]]] = field(default_factory=list, repr=False)

    def wanted_of(self, state: S) -> Sequence[Wanted]:
        """`wanted`, kept for the state that was asked about last: it is asked several times."""
        last = self._last[0] if self._last else None
        if last is not None and last[0] is state:
            return last[1]
        found = self.wanted(state)
        self._last[:] = [(state, found)]
        return found

    def keep_wanted(self, before: S, after: S) -> None:
        """The states differ only in what people are shown and answered: they want the same."""
        last = self._last[0] if self._last else None
        if last is not None and last[0] is before:
            self._last[:] = [(after, last[1])]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[S]):
    """What became of an event: the new state, and the answer to a message or why it is refused."""

    state: S
    answer: Any = None
    refusal: str | None = None
    metrics: tuple[Metric, ...] = ()


# --- what comes next ----------------------------------------------------------------------------


def next_action(rules: Rules[S], state: S) -> Action | None:
    """The next act that may begin now; None if there is nothing to do but to wait."""
    wanted = rules.wanted_of(state)
    acts = (item for item in wanted if isinstance(item, Action))
    return next((act for act in acts if _may_begin(state, act, wanted)), None)


def next_wake(rules: Rules[S], state: S) -> datetime | None:
    """When time alone changes something (aware): a day that matters, or an automatic retry."""
    times = [rules.wake(state), *(item.retry_at for item in state.exceptions)]
    # What is due already waits for something else than the time: an act of the same lane.
    return min((at for at in times if at is not None and at > state.clock), default=None)


def next_event(state: AgendaState) -> Resumed | None:
    """A message that a defect stopped, and that is tried again now; None if there is none."""
    due = (item.key for item in state.unserved if _is_due(state, item.key))
    return next((Resumed(key) for key in due), None)


def _is_due(state: AgendaState, key: str) -> bool:
    parked = state.exception_of(key)
    return parked is None or _is_retry_due(parked, state.clock)


def is_at_rest(state: AgendaState) -> bool:
    """Whether no act is under way: the state is the whole truth."""
    return not state.running


def _may_begin(state: AgendaState, item: Action, wanted: Sequence[Wanted]) -> bool:
    if item.key in state.running:
        return False
    running = state.running.values()
    if any(other.runs_in == item.runs_in for other in running):
        return False
    if any(other.exclusive for other in running) and not item.aside:
        return False
    parked = state.exception_of(item.key)
    if parked is not None and not _is_retry_due(parked, state.clock):
        return False
    return not item.exclusive or _is_alone(state, item, wanted)


def _is_alone(state: AgendaState, item: Action, wanted: Sequence[Wanted]) -> bool:
    others = [*wanted, *state.running.values()]
    return all(
        other.key == item.key or (isinstance(other, Action) and other.aside) for other in others
    )


def _is_retry_due(parked: StepException, now: datetime) -> bool:
    return parked.retry_at is not None and parked.retry_at <= now


# --- what happened ------------------------------------------------------------------------------


def refusal(
    rules: Rules[S], state: S, message: Any, now: datetime, request_id: str = ""
) -> str | None:
    """Why a message would be refused now, as a sentence; None if it would be accepted. A request
    that was accepted before is not refused."""
    if state.answer_to(request_id) is not None:
        return None
    return _refusal(rules, _at(state, now), message)


def apply(rules: Rules[S], state: S, event: Event, now: datetime) -> Outcome[S]:
    """The state after an event at an aware time. The state given stays as it is."""
    before = _at(state, now)
    if isinstance(event, UpdateReceived):
        known = before.answer_to(event.request_id)
        if known is not None:
            return Outcome(before, answer=known.content)
    try:
        after = _applied(rules, before, event)
    except Refused as refused:
        return Outcome(before, refusal=str(refused))
    rest = _at_rest(rules, after)
    after = rules.shown(rest)
    answer, metrics = after.answer, after.metrics
    if isinstance(event, UpdateReceived) and event.request_id:
        after = _remembered(after, event.request_id)
    if answer is not None or metrics:
        after = after.replace(answer=None, metrics=())
    rules.keep_wanted(rest, after)
    return Outcome(after, answer=answer, metrics=metrics)


def _remembered(state: S, request_id: str) -> S:
    """The state with the answer to a request kept. Temporal knows a request within one run; a run
    that continues as new knows it by this."""
    answer = state.answer
    content = answer.model_dump(mode="json") if isinstance(answer, BaseModel) else answer
    if content is not None and len(str(content)) > _LONGEST_ANSWER:
        return state  # Such a report (of use) says what is new, and is safe to apply again.
    kept = Answer(request_id=request_id, content=content)
    return state.replace(answers=(*state.answers, kept)[-_MOST_ANSWERS:])


def _at(state: S, now: datetime) -> S:
    """The same state where no time has passed: what was asked about it need not be asked again."""
    return state if state.clock == now else state.replace(clock=now)


def _applied(rules: Rules[S], state: S, event: Event) -> S:
    if isinstance(event, Began):
        return _begun(rules, state, event.action)
    if isinstance(event, Answered):
        return _answered(rules, state, event)
    if isinstance(event, UpdateReceived):
        return _taken(rules, state, event.message)
    if isinstance(event, SignalReceived):
        return _taken_quietly(rules, state, event)
    if isinstance(event, Resumed):
        return _resumed(rules, state, event.key)
    if isinstance(event, Noted):
        return state.noted(event.text)
    return state  # the clock rang: only the time has changed


def _refusal(rules: Rules[S], state: S, message: Any) -> str | None:
    if _waits_for_exclusive(rules, state, message):
        return _BUSY
    if isinstance(message, Resolution):
        refused = parking.refusal(state.exceptions, message)
        return refused or rules.refusal(state, message)
    return rules.refusal(state, message)


def _waits_for_exclusive(rules: Rules[S], state: S, message: Any) -> bool:
    return any(act.exclusive for act in state.running.values()) and rules.reopens(message)


def _taken(rules: Rules[S], state: S, message: Any) -> S:
    refused = _refusal(rules, state, message)
    if refused is not None:
        raise Refused(refused)
    if isinstance(message, Resolution):
        return _resolved(rules, state, message)
    return rules.take(state, message)


def _taken_quietly(rules: Rules[S], state: S, event: SignalReceived) -> S:
    if _waits_for_exclusive(rules, state, event.message):
        return state.replace(deferred=(*state.deferred, event))
    try:
        return _taken(rules, state, event.message)
    except Refused as refused:
        return state.noted(f"Refused {event.words}: {refused}")


def _begun(rules: Rules[S], state: S, action: Action) -> S:
    """Asked once more, in this one place: what was decided a moment ago may be void by now."""
    wanted = rules.wanted_of(state)
    if action not in wanted or not _may_begin(state, action, wanted):
        raise Refused(f"{action.key} is not wanted any more")
    return _unparked(state, action.key).replace(running={**state.running, action.key: action})


def _answered(rules: Rules[S], state: S, event: Answered) -> S:
    action = state.running[event.key]
    running = {key: act for key, act in state.running.items() if key != event.key}
    state = state.replace(running=running)
    stands = _is_wanted(rules, state, action)
    result = event.result
    if isinstance(result, Done):
        state = _certain(_forgotten(state, action.key), action.key)
        state = rules.done(state, action, result.value, stands)
    else:
        # What may have happened counts before the rules look: they must not give it up.
        if action.irreversible and result.maybe_done:
            state = _doubted(state, action.key)
        elif result.kind == "business":
            # Only the remote's own answer tells that it has not happened; a look that failed, as
            # for want of a login, leaves open what an earlier attempt may have done.
            state = _certain(state, action.key)
        state = rules.failed(state, action, result, stands)
        step = rules.steps.get(result.part or action.kind)
        # What is not wanted any more, or done some other way, is no exception.
        if step is not None and _is_wanted(rules, state, action):
            state = _parked(state, action, step, result)
    return _with_deferred(rules, state) if action.exclusive else state


def _is_wanted(rules: Rules[S], state: S, action: Action) -> bool:
    """Whether the act is still wanted, and on the same basis."""
    sought = action.key, action.basis
    return any((item.key, item.basis) == sought for item in rules.wanted_of(state))


def _with_deferred(rules: Rules[S], state: S) -> S:
    """Messages that came while an exclusive act ran are accepted or refused now."""
    waiting: tuple[SignalReceived, ...] = state.deferred
    state = state.replace(deferred=())
    for event in waiting:
        state = _taken_quietly(rules, _at_rest(rules, state), event)
    return state


def _doubted(state: S, key: str) -> S:
    return state if key in state.uncertain else state.replace(uncertain=(*state.uncertain, key))


def _certain(state: S, key: str) -> S:
    return state.replace(uncertain=tuple(item for item in state.uncertain if item != key))


# --- exceptions ---------------------------------------------------------------------------------


def _parked(state: S, action: Wanted, step: Step, failed: Failed) -> S:
    """The state with the act shown as an exception; as old as it was before it was retried. Where
    another part of the act fails now, the one before has succeeded: its exception has ended."""
    name = failed.part or action.key
    previous = next((item for item in state.retried if item.key == action.key), None)
    if previous is not None and previous.step != name:
        state, previous = _forgotten(state, action.key), None
    attempts = previous.attempts + 1 if previous else 1
    is_uncertain = action.key in state.uncertain
    parked = StepException(
        step=name,
        key=action.key,
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
    state = _forgotten_quietly(state, action.key)
    state = state.replace(exceptions=(*state.exceptions, parked))
    if previous is None or previous.code != failed.code:
        state = state.noted(f"Parked: {step.doing} – {parked.coded}")
    return state


def _retry_at(now: datetime, failed: Failed, attempts: int) -> datetime | None:
    doublings: int = 2 ** min(attempts - 1, 10)
    if failed.kind in _HEALS_BY_ITSELF:
        return now + min(_FIRST_AUTOMATIC_RETRY * doublings, _LAST_AUTOMATIC_RETRY)
    if exception_codes.heals(failed.code):
        return now + min(_FIRST_NEW_LOOK * doublings, _LAST_NEW_LOOK)
    return None


def _resolved(rules: Rules[S], state: S, resolution: Resolution) -> S:
    parked = required(parking.find(state.exceptions, resolution.step))
    reason = f": {resolution.reason}" if resolution.reason else ""
    state = state.noted(f"{resolution.by} chose {resolution.action} for {parked.step}{reason}")
    if resolution.action is Choice.RETRY:
        state = _unparked(state, parked.key)
    else:
        state = _forgotten(state, parked.key)
    if any(item.key == parked.key for item in state.unserved):
        # What is retried is still kept, and resumed by the shell.
        if resolution.action is Choice.SKIP:
            rest = tuple(item for item in state.unserved if item.key != parked.key)
            state = state.replace(unserved=rest)
        return state.answering(parked)
    return rules.resolved(state, parked, resolution).answering(parked)


def _unparked(state: S, key: str) -> S:
    """Not shown while its act is tried again; remembered, should it fail again."""
    parked = state.exception_of(key)
    if parked is None:
        return state
    return state.replace(
        exceptions=tuple(item for item in state.exceptions if item.key != key),
        retried=(*(item for item in state.retried if item.key != key), parked),
    )


def _forgotten(state: S, key: str) -> S:
    """The exception has ended: its act is done or given up."""
    ended = [item for item in (*state.exceptions, *state.retried) if item.key == key]
    if not ended:
        return state
    return _forgotten_quietly(state, key).measured(_age(ended[0], state.clock))


def _forgotten_quietly(state: S, key: str) -> S:
    return state.replace(
        exceptions=tuple(item for item in state.exceptions if item.key != key),
        retried=tuple(item for item in state.retried if item.key != key),
    )


def _age(parked: StepException, now: datetime) -> Metric:
    labels = {"step": parked.step.partition(":")[0], "responsible": str(parked.responsible)}
    seconds = (now - parked.since) // timedelta(seconds=1)
    return Metric(EXCEPTION_AGE, Decimal(seconds) / 3600, labels)


def _at_rest(rules: Rules[S], state: S) -> S:
    """The state with all that follows from it: consequences, obsolete exceptions, new questions."""
    for _ in range(_MOST_CONSEQUENCES):
        after = rules.advance(state)
        if after is state:
            return _with_questions(rules, _without_obsolete(rules, state))
        state = after
    raise RuntimeError("the rules come to no rest")


def _without_obsolete(rules: Rules[S], state: S) -> S:
    """An exception disappears once its act is not wanted any more, or on another basis."""
    wanted = {item.key: item.basis for item in rules.wanted_of(state)}
    wanted |= {item.key: "" for item in state.unserved}
    for item in (*state.exceptions, *state.retried):
        if item.key in state.running:
            continue
        if wanted.get(item.key) != item.basis:
            state = _forgotten(state, item.key)
    uncertain = tuple(k for k in state.uncertain if k in wanted or k in state.running)
    return state if uncertain == state.uncertain else state.replace(uncertain=uncertain)


def _with_questions(rules: Rules[S], state: S) -> S:
    for item in rules.wanted_of(state):
        if isinstance(item, Question) and state.exception_of(item.key) is None:
            state = _parked(state, item, rules.steps[item.kind], item.detail)
    return state


# --- defects ------------------------------------------------------------------------------------


def with_defect(state: S, event: Event, error: Exception, now: datetime) -> S:
    """The state once `apply` failed on an event by a mistake of ours; needs no rules.

    Nothing of the event counts, and nothing of it is lost: an act is parked and performed again,
    which finds what it has done before; a Signal is kept, and a later release applies it. The
    sender of an Update gets an error, and the clock rings again.
    """
    state = state.replace(clock=now)
    failed = Failed(kind="defect", code="defect", message=f"{type(error).__name__}: {error}")
    if isinstance(event, Began):
        return _parked(_unparked(state, event.action.key), event.action, _DEFECT, failed)
    if isinstance(event, Answered) and event.key in state.running:
        action = state.running[event.key]
        running = {key: act for key, act in state.running.items() if key != event.key}
        state = state.replace(running=running)
        if action.irreversible:
            state = _doubted(state, action.key)
        return _parked(state, action, _DEFECT, failed)
    if isinstance(event, Resumed):
        return _parked(
            _unparked(state, event.key), Question("", event.key, failed), _UNSERVED, failed
        )
    if isinstance(event, SignalReceived) and len(state.unserved) < _MOST_UNSERVED:
        return _kept(state, event, failed)
    if isinstance(event, ClockRang):
        # What the time asks for is looked at again; the exception ends with the first event that
        # can be applied.
        return _parked(_unparked(state, _CLOCK), Question("", _CLOCK, failed), _DEFECT, failed)
    return state.noted(f"A defect stopped {type(event).__name__}: {failed.message}")


def _kept(state: S, event: SignalReceived, failed: Failed) -> S:
    number = 1 + max((item.number for item in state.unserved), default=0)
    kept = Unserved.of(number, event.message, event.words)
    state = state.replace(unserved=(*state.unserved, kept))
    return _parked(state, Question("", kept.key, failed), _UNSERVED, failed)


def _resumed(rules: Rules[S], state: S, key: str) -> S:
    """Apply a message that was kept. Raises whatever its kind or the rules raise."""
    kept = next(item for item in state.unserved if item.key == key)
    message = rules.messages[kept.kind].model_validate(kept.content)
    rest = tuple(item for item in state.unserved if item.key != key)
    state = _forgotten(state, key).replace(unserved=rest)
    return _taken_quietly(rules, state, SignalReceived(message, kept.words))

"""The machine that both a contract and an invoice run on: acts, results, exceptions, retries.

No act leads to another: a result changes the state, and only `next_action` starts something. Right
before an act begins, `Began` asks the rules once more whether it is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from contracts import parking
from contracts.actors import Actor
from contracts.agenda import budget, requests
from contracts.agenda.actions import (
    Action,
    Answered,
    Began,
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
from contracts.agenda.exceptions import certain, doubted, forgotten, is_retry_due, parked, unparked
from contracts.agenda.state import AgendaState, Answer, required
from contracts.audit import entries
from contracts.audit.entries import OURSELVES, Entry, Left, Who
from contracts.model import JsonObject
from contracts.parking import Action as Choice
from contracts.parking import Resolution, Step, StepException

S = TypeVar("S", bound=AgendaState)

_MOST_CONSEQUENCES = 1_000
"""Of one event, within the state: rules that never come to rest are a defect."""
BUSY = "it is being closed just now; try again in a moment"
"""Why a message is refused that would be accepted a moment later."""
_BY_ITSELF = Resolution(action=Choice.RETRY, by="c2c")
_MOST_ANSWERS = 100
_LONGEST_ANSWER = 5_000


@dataclass(frozen=True)
class MessageRule(Generic[S]):
    """What a kind of message does.

    - `take`: the state after an accepted one. May raise Refused.
    - `refusal`: why it cannot be accepted, as a sentence; None if it can. It is asked by the
      validator of an Update and again when the message is applied.
    - `brings_work`: it asks for something that a state must have room for, and that an exclusive
      act would leave undone: beside one an Update is refused. What a Signal brings then keeps that
      act from being the last.
    - `is_recorded`: whether the audit record names it; left out, it does where the sender waits for
      the answer, or the message says who decided.
    """

    take: Callable[[S, Any], S]
    refusal: Callable[[S, Any], str | None] = lambda *_: None
    brings_work: bool = False
    is_recorded: bool | None = None


@dataclass(frozen=True)
class ActRule(Generic[S]):
    """What becomes of an act, or of a question, of one kind.

    - `done`, `failed`: the state after it: what it found out (ids, balances) always counts.
    - `decided`: what follows from its answer, only while it is still wanted on the same basis.
    - `begun`: the state as it begins.
    - `step`: how it parks, or one of `parts` where it does several things in a row. A failed act
      without a step never parks: `failed` decides what becomes of it.
    - `skipped`, `retried`: the state after a person's decision about its exception.
    - `refusal_tells`: whether its refusal says that no earlier attempt has done it; not where a
      part is refused and nobody looks at what lies behind it.
    - `left`: what it has left in a remote, for the audit record; without it that says nothing of
      this act.
    """

    step: Step | None = None
    done: Callable[[S, Action, Any], S] | None = None
    failed: Callable[[S, Action, Failed], S] = lambda state, *_: state
    skipped: Callable[[S, StepException, Resolution], S] = lambda state, *_: state
    retried: Callable[[S, StepException, Resolution], S] = lambda state, *_: state
    parts: Sequence[Step] = ()
    refusal_tells: bool = True
    begun: Callable[[S, Action], S] = lambda state, _: state
    decided: Callable[[S, Action, Any], S] | None = None
    left: Callable[[S, Action, Any], Left] | None = None

    @property
    def is_question(self) -> bool:
        return self.done is None and self.decided is None

    def parks_as(self, part: str) -> Step | None:
        """The step that it parks as, by the part that failed (empty: none in particular)."""
        return next((step for step in self.parts if step.name == part), self.step)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[S]):
    """What became of an event: the new state, and the answer to a message or why it is refused."""

    state: S
    answer: Any = None
    refusal: str | None = None
    metrics: tuple[Metric, ...] = ()


@dataclass(frozen=True)
class Audited(Generic[S]):
    """What the audit record of a kind of state follows.

    - `origin`: what it begins with: the hash of what the state was made from.
    - `standing`: what people see of a state in short; an entry says what of it has changed.
    - `starter`: who began it.
    """

    origin: Callable[[S], str]
    standing: Callable[[S], JsonObject]
    starter: Callable[[S], Who] = lambda _: OURSELVES


@dataclass(frozen=True)
class Agenda(Generic[S]):
    """All that is decided about one kind of state, from the rules about it. All of it is pure.

    - `wanted`: every act and question that the state calls for, in order of preference, whether it
      is running, parked or not. That something runs adds nothing, and what people are shown
      (`shown`) is no reason for any of it.
    - `consequences`: what may follow from the state and the time alone, in order of preference:
      each gives the state after it, or the very same object where it does not follow. What runs
      may keep one from following, and brings none about.
    - `wake`: the next time at which time alone changes something.
    - `is_over`: whether nothing more comes but what is still wanted.
    - `shown`: the state with what it waits for, which people see; called last.
    - `messages`, `acts`: the rules, by the type of a message and by the kind of an act.
    - `missed`: the state after a Signal that is refused, by its message and what that is called;
      its sender does not hear of it, and the journal has it already.
    - `at_most_bytes`: a number of bytes that a state surely has not exceeded, quick to tell.
    - `audited`: what the audit record begins with, and what of a state it follows; without it no
      audit record is kept.
    - `answer`: how things stand, which answers a message whose rule gives no answer of its own.
    - `correction_refusal`, `corrected`: why a person's correction (amend, cancel) of what is parked
      cannot be accepted, and the state after it.
    """

    wanted: Callable[[S], Sequence[Wanted]]
    consequences: Callable[[S], Sequence[Callable[[S], S]]]
    wake: Callable[[S], datetime | None]
    is_over: Callable[[S], bool]
    shown: Callable[[S], S]
    messages: Mapping[type[BaseModel], MessageRule[S]]
    acts: Mapping[str, ActRule[S]]
    correction_refusal: Callable[[S, Resolution], str | None]
    corrected: Callable[[S, StepException, Resolution], S]
    at_most_bytes: Callable[[S], int] = lambda _: 0
    missed: Callable[[S, Any, str], S] = lambda state, *_: state
    answer: Callable[[S], Any] = lambda _: None
    audited: Audited[S] | None = None
    _last: list[tuple[S, Sequence[Wanted]]] = field(default_factory=list, repr=False)

    # --- what comes next ------------------------------------------------------------------------

    def next_action(self, state: S) -> Action | None:
        """The next act that may begin now; None if there is nothing to do but to wait."""
        wanted = self.wanted_of(state)
        for item in wanted:
            if isinstance(item, Action) and _may_begin(state, item, wanted):
                return item
        return None

    def next_wake(self, state: S) -> datetime | None:
        """When time alone changes something (aware): a day that matters, or an automatic retry."""
        times = [self.wake(state), *(item.retry_at for item in state.exceptions)]
        # What is due already waits for something else than the time: an act of the same lane.
        return min((at for at in times if at is not None and at > state.clock), default=None)

    def has_ended(self, state: S) -> bool:
        """Whether nothing is under way, nothing is wanted, and nothing can come any more."""
        return not state.running and self.is_over(state) and not self.wanted_of(state)

    def wanted_of(self, state: S) -> Sequence[Wanted]:
        """`wanted`, kept for the state that was asked about last: it is asked several times."""
        # Read once: another thread may ask about another workflow's state in between.
        for asked, wanted in self._last[:1]:
            if asked is state:
                return wanted
        return self._kept(state, _with_record(state, self.wanted(state)))

    def _kept(self, state: S, wanted: Sequence[Wanted]) -> Sequence[Wanted]:
        self._last[:] = [(state, wanted)]
        return wanted

    # --- what happened --------------------------------------------------------------------------

    def refusal(self, state: S, message: Any, now: datetime, request_id: str = "") -> str | None:
        """Why a message would be refused now, as a sentence; None if it would be accepted. A
        request that was accepted before is refused only with another message."""
        known = state.answer_to(request_id)
        if known is not None:
            return _other_message(known, message)
        return self._update_refusal(_at(state, now), message)

    def apply(self, state: S, event: Event, now: datetime) -> Outcome[S]:
        """The state after an event at an aware time. The state given stays as it is."""
        before = _at(state, now)
        if isinstance(event, UpdateReceived):
            known = before.answer_to(event.request_id)
            if known is not None:
                return self._answered_again(before, known, event.message)
        try:
            after = self._applied(before, event)
        except Refused as error:
            return Outcome(before, refusal=str(error))
        # In the moment of the event before, nothing follows from an act that begins.
        is_at_rest = isinstance(event, Began) and before is state
        rest = after if is_at_rest else self._at_rest(self._looked_again(after))
        rest = self._recorded(before, rest)
        after = self.shown(rest)
        answer, metrics = after.answer, after.metrics
        if isinstance(event, UpdateReceived):
            # It is made in here: a defect in it stops the message, and not the workflow.
            answer = self.answer(after) if answer is None else answer
            after = _remembered(after, event.message, event.request_id)
        if after.answer is not None or metrics:
            after = after.replace(answer=None, metrics=())
        # They differ only in what people are shown and answered: they want the same.
        self._kept(after, self.wanted_of(rest))
        return Outcome(after, answer=answer, metrics=metrics)

    def _applied(self, state: S, event: Event) -> S:
        if isinstance(event, Began):
            return self._begun(state, event.action)
        if isinstance(event, Answered):
            return self._answered(state, event)
        if isinstance(event, UpdateReceived):
            refused = self._update_refusal(state, event.message)
            return self._taken(state, event, refused)
        if isinstance(event, SignalReceived):
            return self._taken_quietly(state, event)
        if isinstance(event, Resumed):
            return self._resumed(state, event.key)
        if isinstance(event, Noted):
            return state.noted(event.text)
        return state  # the clock rang: only the time has changed

    # --- messages -------------------------------------------------------------------------------

    def _update_refusal(self, state: S, message: Any) -> str | None:
        rule = self.messages.get(type(message))
        is_ending = any(act.exclusive for act in state.running.values())
        if is_ending and rule is not None and rule.brings_work:
            return BUSY
        return self._refusal(state, message)

    def _refusal(self, state: S, message: Any) -> str | None:
        if isinstance(message, Resolution):
            refused = parking.refusal(state.exceptions, message)
            return refused or self.correction_refusal(state, message)
        rule = self.messages[type(message)]
        no_room = None
        if rule.brings_work:
            no_room = budget.refusal(state, message, self.at_most_bytes(state))
        return no_room or rule.refusal(state, message)

    def _taken(self, state: S, event: UpdateReceived | SignalReceived, refused: str | None) -> S:
        if refused is not None:
            raise Refused(refused)
        message = event.message
        if isinstance(message, Resolution):
            return self._noted(self._resolved(state, message), message, event.actor)
        rule = self.messages[type(message)]
        after = rule.take(state, message)
        is_recorded = rule.is_recorded
        if is_recorded is None:
            is_update = isinstance(event, UpdateReceived)
            is_recorded = is_update or bool(event.actor or getattr(message, "by", ""))
        # What is said again, and changes nothing, is recorded already.
        is_recorded = is_recorded and after is not state
        return self._noted(after, message, event.actor) if is_recorded else after

    def _taken_quietly(self, state: S, event: SignalReceived) -> S:
        if state.answer_to(event.request_id) is not None:
            return state  # Whoever can read it could send it again.
        try:
            taken = self._taken(state, event, self._refusal(state, event.message))
            return _remembered(taken, event.message, event.request_id)
        except Refused as refused:
            state = state.noted(f"Refused {event.words}: {refused}")
            return self.missed(state, event.message, event.words)

    def _resumed(self, state: S, key: str) -> S:
        """Apply a message that was kept. Raises whatever its kind or the rules raise."""
        kept = next(item for item in state.unserved if item.key == key)
        types: list[type[BaseModel]] = [*self.messages, Resolution]
        kinds = {kind.__name__: kind for kind in types}
        message = kinds[kept.kind].model_validate(kept.content)
        state = forgotten(state.without_unserved(key), key)
        event = SignalReceived(message, kept.words, kept.request_id, kept.actor)
        return self._taken_quietly(state, event)

    def _answered_again(self, state: S, known: Answer, message: BaseModel) -> Outcome[S]:
        """A request that was accepted before: it changes nothing, and gets the first answer."""
        if refused := _other_message(known, message):
            return Outcome(state, refusal=refused)
        answer = self.answer(state) if known.content is None else known.content
        return Outcome(state, answer=answer)

    # --- acts -----------------------------------------------------------------------------------

    def _begun(self, state: S, action: Action) -> S:
        """Asked once more, in this one place: what was decided a moment ago may be void by now."""
        wanted = self.wanted_of(state)
        if action not in wanted or not _may_begin(state, action, wanted):
            raise Refused(f"{action.key} is not wanted any more")
        ready = self._rule(action.kind).begun(unparked(state, action.key), action)
        after = ready.replace(running={**ready.running, action.key: action})
        if ready is state:
            self._kept(after, wanted)  # What is wanted is wanted while it runs, too.
        return after

    def _answered(self, state: S, event: Answered) -> S:
        action, result = state.running[event.key], event.result
        rule = self._rule(action.kind)
        stands = rule.decided is not None and self._is_wanted(state, action)
        state = state.without_running(event.key)
        if isinstance(result, Failed):
            state = rule.failed(_with_doubt(state, rule, action, result), action, result)
            step = rule.parks_as(result.part)
            # What is not wanted any more, or done some other way, is no exception.
            if step is not None and self._is_wanted(state, action):
                state = parked(state, action, step, result)
        else:
            state = certain(forgotten(state, action.key), action.key)
            if rule.done is not None:
                state = rule.done(state, action, result.value)
            if rule.decided is not None and stands:
                state = rule.decided(state, action, result.value)
            state = self._noted_left(state, rule, action, result.value)
        return state

    def _is_wanted(self, state: S, action: Action) -> bool:
        """Whether the act is still wanted, and on the same basis."""
        sought = action.key, action.basis
        return any((item.key, item.basis) == sought for item in self.wanted_of(state))

    def _resolved(self, state: S, resolution: Resolution) -> S:
        """The state after a person's decision about an exception."""
        found = required(parking.find(state.exceptions, resolution.step))
        reason = f": {resolution.reason}" if resolution.reason else ""
        state = state.noted(f"{resolution.by} chose {resolution.action} for {found.step}{reason}")
        is_retry = resolution.action is Choice.RETRY
        state = unparked(state, found.key) if is_retry else forgotten(state, found.key)
        if any(item.key == found.key for item in state.unserved):
            # What is retried is still kept, and resumed by the shell.
            return (state if is_retry else state.without_unserved(found.key)).answering(found)
        is_act = found.act in self.acts or found.act == entries.WRITE
        rule: ActRule[S] = self._rule(found.act) if is_act else ActRule()
        if resolution.action is Choice.SKIP:
            state = rule.skipped(state, found, resolution)
        else:
            if not is_retry:
                state = self.corrected(state, found, resolution)
            if resolution.action is not Choice.CANCEL:
                state = rule.retried(state, found, resolution)
        return state.answering(found)

    def _looked_again(self, state: S) -> S:
        """A question that may answer itself is looked into again, as if a person chose to. A parked
        act is tried again by itself."""
        for found in state.exceptions:
            rule = self.acts.get(found.act)
            if rule is not None and rule.is_question and is_retry_due(found, state.clock):
                state = rule.retried(unparked(state, found.key), found, _BY_ITSELF)
        return state

    def _rule(self, kind: str) -> ActRule[S]:
        """The rule of a kind of act."""
        return _RECORDING if kind == entries.WRITE else self.acts[kind]

    # --- the audit record -----------------------------------------------------------------------

    def _noted(self, state: S, message: BaseModel, actor: Actor | None) -> S:
        """The one place where an entry is made of what people and systems say."""
        if self.audited is None:
            return state
        return state.recorded(entries.of_message(message, state.clock, actor))

    def _noted_left(self, state: S, rule: ActRule[S], action: Action, answer: Any) -> S:
        """The one place where an entry is made of what was done in a remote."""
        if self.audited is None or rule.left is None:
            return state
        left = rule.left(state, action, answer)
        entry = Entry(
            at=state.clock,
            what=action.kind,
            details={"subject": action.subject} if action.subject else {},
            remote_id=left.remote_id,
            content_hash=left.content_hash,
        )
        return state.recorded(entry)

    def _recorded(self, before: S, after: S) -> S:
        """The state whose newest entry says what the event has changed, with an entry for the
        beginning and one for the end. What is wanted beside the writing stays the same."""
        audited, trail = self.audited, after.audit
        if audited is None:
            return after
        has_ended = not trail.is_ended and self._is_at_its_end(after)
        if trail.made == before.audit.made and trail.made and not has_ended:
            return after
        if trail.made > before.audit.made:
            trail = trail.changed(audited.standing(before), audited.standing(after))
        if not before.audit.made:
            trail = trail.begun(
                Entry(
                    at=after.clock,
                    what=entries.STARTED,
                    actor=audited.starter(after),
                    source_hash=audited.origin(after),
                )
            )
        if has_ended:
            standing = audited.standing(after)
            trail = trail.ended(Entry(at=after.clock, what=entries.ENDED, details=standing))
        wanted = self.wanted_of(after)
        after = after.replace(audit=trail)
        others = [item for item in wanted if item.kind != entries.WRITE]
        self._kept(after, _with_record(after, others))
        return after

    def _is_at_its_end(self, state: S) -> bool:
        """Whether nothing is left to do but to write the audit record."""
        if not self.is_over(state):
            return False
        left = [*state.running, *(item.key for item in self.wanted_of(state))]
        return all(key == entries.WRITE for key in left)

    # --- what follows ---------------------------------------------------------------------------

    def _at_rest(self, state: S) -> S:
        """The state with all that follows: consequences, obsolete exceptions, new questions."""
        for _ in range(_MOST_CONSEQUENCES):
            after = _advanced(state, self.consequences(state))
            if after is state:
                return self._with_questions(_without_obsolete(state, self.wanted_of(state)))
            state = after
        raise RuntimeError("the rules come to no rest")

    def _with_questions(self, state: S) -> S:
        for item in self.wanted_of(state):
            if isinstance(item, Question) and state.exception_of(item.key) is None:
                state = parked(state, item, required(self.acts[item.kind].step), item.detail)
        return state


# --- of a state alone ---------------------------------------------------------------------------

_WRITE = Action(entries.WRITE, entries.WRITE, aside=True, quiet=True)
"""Writes what of the audit record is still to be written."""
_RECORDING: ActRule[Any] = ActRule(
    parking.AUDIT,
    lambda state, _, written: state.replace(audit=state.audit.written(written)),
    # A person has seen that the store says something else: what comes goes behind that.
    skipped=lambda state, *_: state.replace(audit=state.audit.replace(rejoins=True)),
)


def _with_record(state: AgendaState, wanted: Sequence[Wanted]) -> Sequence[Wanted]:
    """What is wanted, and last to write the audit record. While that runs it is wanted, too."""
    return [*wanted, _WRITE] if state.audit.is_due else wanted


def _advanced(state: S, consequences: Sequence[Callable[[S], S]]) -> S:
    """The state after the first that follows; the very same object where nothing does."""
    for follow in consequences:
        after = follow(state)
        if after is not state:
            return after
    return state


def _without_obsolete(state: S, wanted: Sequence[Wanted]) -> S:
    """An exception disappears once its act is not wanted any more, or on another basis."""
    bases = {item.key: item.basis for item in wanted}
    bases |= {item.key: "" for item in state.unserved}
    for item in (*state.exceptions, *state.retried):
        if item.key not in state.running and bases.get(item.key) != item.basis:
            state = forgotten(state, item.key)
    uncertain = tuple(k for k in state.uncertain if k in bases or k in state.running)
    return state if uncertain == state.uncertain else state.replace(uncertain=uncertain)


def next_event(state: AgendaState) -> Resumed | None:
    """A message that a defect stopped, and that is tried again now; None if there is none."""
    for item in state.unserved:
        found = state.exception_of(item.key)
        if found is None or is_retry_due(found, state.clock):
            return Resumed(item.key)
    return None


def _at(state: S, now: datetime) -> S:
    """The same state where no time has passed: what was asked about it need not be asked again."""
    return state if state.clock == now else state.replace(clock=now)


def _other_message(known: Answer, message: BaseModel) -> str | None:
    """Why a request that was accepted before is refused now; None if it says the same."""
    if known.digest == requests.digest(message):
        return None
    return (
        f"request {known.request_id} was accepted before, with another message; send this one "
        "under an id of its own"
    )


def _remembered(state: S, message: BaseModel, request_id: str) -> S:
    """The state with the answer to a request kept. Temporal knows a request within one run; a run
    that continues as new knows it by this."""
    if not request_id:
        return state
    answer = state.answer
    content = answer.model_dump(mode="json") if isinstance(answer, BaseModel) else answer
    if content is not None and len(str(content)) > _LONGEST_ANSWER:
        return state  # Such a report (of use) says what is new, and is safe to apply again.
    digest = requests.digest(message)
    kept = Answer(request_id=request_id, digest=digest, content=content)
    return state.replace(answers=(*state.answers, kept)[-_MOST_ANSWERS:])


def _may_begin(state: AgendaState, item: Action, wanted: Sequence[Wanted]) -> bool:
    running = state.running
    if item.key in running:
        return False
    if item.quiet and running:
        return False
    if running and not item.aside and any(other.exclusive for other in running.values()):
        return False
    others = [*running.values(), *_in_doubt(state, item, wanted)]
    if others and any(other.runs_in == item.runs_in for other in others):
        return False
    found = state.exception_of(item.key) if state.exceptions else None
    if found is not None and not is_retry_due(found, state.clock):
        return False
    return not item.exclusive or _is_alone(state, item, wanted)


def _in_doubt(state: AgendaState, item: Action, wanted: Sequence[Wanted]) -> list[Action]:
    """Other acts that may have happened: until that is known, nothing else goes in their lanes."""
    if not state.uncertain:
        return []
    return [
        other
        for other in wanted
        if isinstance(other, Action) and other.key in state.uncertain and other.key != item.key
    ]


def _is_alone(state: AgendaState, item: Action, wanted: Sequence[Wanted]) -> bool:
    others = [*wanted, *state.running.values()]
    return all(
        other.key == item.key or (isinstance(other, Action) and other.aside) for other in others
    )


def _with_doubt(state: S, rule: ActRule[S], action: Action, failed: Failed) -> S:
    """What may have happened counts before the rules look: they must not give it up."""
    if action.irreversible and failed.maybe_done:
        return doubted(state, action.key)
    # Only the remote's own answer tells that it has not happened; a look that failed, as for want
    # of a login, leaves open what an earlier attempt may have done.
    is_told = failed.kind == "business" and rule.refusal_tells
    return certain(state, action.key) if is_told else state

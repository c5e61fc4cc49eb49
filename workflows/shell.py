"""The shell around a pure core: it performs actions, applies what happens, and waits.

All decisions are in `contracts/`: `contracts.agenda` says what may begin now and when time alone
changes something. A workflow inherits `Shell`, names its `Core`, and declares its messages with
`message`. The rules of this file:

- `tell` is the only writer of state. An event changes it at once and in whole, or not at all.
- A workflow task takes a bounded number of steps. What it hears beyond (Signals, results) waits in
  its order for the next one: the engine gives up a task that takes seconds, and then every attempt
  at it. An Update is applied at once: its sender waits, and there are few of them.
- Only the loop in `perform_agenda` starts acts, in the order of the agenda. The request of an act
  is built in the moment in which the act begins.
- No handler is async: no message waits for another, and nothing is pending when a run gives way
  to the next. A Signal that decides keeps its place in the order while its signature is verified;
  the run goes on after that.
- No condition reads the clock: an Update that is refused wakes a workflow without a trace in its
  history, and a replay would decide otherwise.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Generic, NoReturn, TypeVar, cast

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    TimeoutType,
)
from temporalio.exceptions import TimeoutError as NotInTime

with workflow.unsafe.imports_passed_through():
    from activities.failures import FailureDetail
    from activities.proofs import Proofs, Proven
    from contracts.agenda.actions import (
        Action,
        Answered,
        Began,
        ClockRang,
        Done,
        Event,
        Failed,
        Noted,
        SignalReceived,
        UpdateReceived,
    )
    from contracts.agenda.exceptions import with_defect
    from contracts.agenda.machine import Agenda, next_event
    from contracts.agenda.state import AgendaState, required
    from contracts.approvals import ApprovalRound
    from contracts.model import Signed
    from contracts.views.agreed import AgreedCard
    from contracts.views.cards import card
    from contracts.views.parked import cards
    from workflows import metrics, options
    from workflows.board import (
        Attributes,
        agreed_in_memo,
        approval_in_memo,
        name_in_memo,
        parked_in_memo,
        upsert,
    )
    from workflows.messages import Inbox
    from workflows.proof import bare, heard, request_id_of, sender
    from workflows.proof import refusal as not_proven

S = TypeVar("S", bound=AgendaState)

MANY_EVENTS = 250
"""A worker that has forgotten a workflow goes through all of its run's events before it acts on
news. A new run costs one billed action, so contracts of a few milestones need none."""
TOO_MANY_EVENTS = 2_000
"""From here on nothing begins any more until all that runs has ended and the run has given way:
there is always something to begin in a contract that lives for years."""
MOST_STEPS = 20
"""Events that are applied at a time, acts that begin among them: of a contract with a thousand
invoices each takes some 10 ms. A workflow task hears in turns, Signals first and then results: it
takes two or three times as many at most."""
_MOST_PROVEN = 100
"""Signals whose signatures are verified at a time."""
_AFTER_DEFECT = timedelta(minutes=5)
_NEXT_TASK = timedelta(milliseconds=1)

CANCEL = "cancel_requested"
"""What a cancellation from Temporal's side is judged as."""

Perform = Callable[[S, Action], Awaitable[Any]]
"""Begins an act, by the state in which it begins, and gives what to wait for. It must schedule
what it does at once: what is decided a moment later may no longer hold."""


@dataclass(frozen=True)
class Core(Generic[S]):
    """What a shell needs to know about one kind of workflow.

    - `agenda`: every decision.
    - `perform`: by the kind of an act, how it is performed.
    - `cancelled`: the event that a cancellation from Temporal's side means.
    - `details`, `attributes`: what people see of a state; `is_listed` says whether lists
      are to show it as it is, or the next moment will bring something better.
    - `named`: the customer's name, which lists show from the memo: unlike an attribute it is
      encrypted.
    - `awaited`: the approval round that is open, which lists show from the memo as well.
    - `agreed`: what is agreed of an open invoice, for lists as well.
    - `following`: what the next run is started with.
    """

    agenda: Agenda[S]
    perform: Mapping[str, Perform[S]]
    cancelled: Callable[[S], Event]
    details: Callable[[S], str]
    attributes: Callable[[S], Attributes]
    following: Callable[[S], object]
    is_listed: Callable[[S], bool] = lambda _: True
    named: Callable[[S], str] = lambda _: ""
    awaited: Callable[[S], ApprovalRound | None] = lambda _: None
    agreed: Callable[[S], AgreedCard | None] = lambda _: None


@dataclass(eq=False)
class Unproven:
    """The place of a Signal in the order, until it is verified who sent it."""

    name: str
    message: Signed
    words: str
    proven: Proven | None = None


class Shell(Inbox, Generic[S]):
    """A workflow whose decisions are a pure core's. A subclass sets `core`, calls `begin` from its
    `@workflow.init` and awaits `perform_agenda` in its `run`."""

    core: ClassVar[Core[Any]]
    state: S

    def begin(self, state: S) -> None:
        """Start from a state: a fresh one, or the one that the run before has left."""
        self.state = state
        self._changed = True
        self._is_asked_to_renew = False
        self._unheard: deque[Event | Unproven] = deque()
        self._steps = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._proving: asyncio.Task[None] | None = None
        self._timer = UpdatableTimer(self._ring)
        self._shown_details = ""

    async def perform_agenda(self) -> S:
        """Perform what the agenda wants until nothing can come any more; the state at the end.
        May continue as new instead of returning."""
        while True:
            is_behind = self._catch_up()
            self._steps, self._changed = 0, False
            if self._has_ended:
                break
            if self._may_renew:
                self._renew()
            self._prove()
            self._set_timer()
            self._show()
            try:
                await workflow.wait_condition(
                    lambda: self._changed or self._may_renew,
                    timeout=_NEXT_TASK if is_behind else None,
                )
            except TimeoutError:
                continue
            except asyncio.CancelledError:
                self._on_cancel()
        self._show()
        return self.state

    @property
    def _has_ended(self) -> bool:
        try:
            return not self._unheard and self.core.agenda.has_ended(self.state)
        except Exception:
            workflow.logger.exception("defect in the agenda")
            return False

    # --- messages: the one way in which the state changes ---------------------------------------

    def tell(self, event: Event) -> Any:
        """Apply an event; the answer to a message. Raises ApplicationError for one refused.

        A mistake in the rules changes nothing and stops nothing: what it concerns is parked.
        """
        self._changed = True
        self._steps += 1
        now = workflow.now()
        try:
            outcome = self.core.agenda.apply(self.state, event, now)
        except Exception as error:
            workflow.logger.exception("defect on %s", type(event).__name__)
            self.state = with_defect(self.state, event, error, now)
            if isinstance(event, UpdateReceived):
                refuse(f"a defect: {error}", type="defect")
            return None
        self.state = outcome.state
        for metric in outcome.metrics:
            metrics.record(metric)
        if outcome.refusal is not None and isinstance(event, UpdateReceived):
            refuse(outcome.refusal)
        return outcome.answer

    def hear(self, event: Event) -> None:
        """Apply what nobody waits for an answer to: in this task or, in its order, a later one."""
        if self._unheard or self._steps >= MOST_STEPS:
            self._unheard.append(event)
            self._changed = True
        else:
            self.tell(event)

    def hear_signal(self, name: str, message: Signed, words: str) -> None:
        """Apply a Signal with which somebody decides, once it is known who sent it."""
        self._unheard.append(Unproven(name, message, words))
        self._changed = True

    def _prove(self) -> None:
        """Have those verified that wait for it, all in one local activity: a workflow task takes no
        more steps for it."""
        waiting = [item for item in self._unheard if not _is_proven(item)][:_MOST_PROVEN]
        if waiting and self._proving is None:
            self._proving = asyncio.create_task(self._proven(cast(list[Unproven], waiting)))

    async def _proven(self, places: list[Unproven]) -> None:
        """Wait until they are verified. Signals and results that came later wait behind them in
        their order; Updates do not."""
        tokens = [place.message.actor for place in places]
        try:
            found = await workflow.execute_local_activity_method(
                Proofs.verify_signatures, tokens, **options.local("who sends it?")
            )
        except FailureError as error:
            found = [Proven(refusal=f"nobody could verify it: {error}")] * len(places)
        for place, proven in zip(places, found, strict=True):
            place.proven = proven
        self._proving, self._changed = None, True

    def _on_cancel(self) -> None:
        """Whoever cancels the workflow is nobody: where decisions must be signed, it is refused."""
        event = self.core.cancelled(self.state)
        if isinstance(event, SignalReceived):
            self.hear_signal(CANCEL, event.message, event.words)
        else:
            self.hear(event)

    def answered(self, message: Any) -> Any:
        """Apply the message of an Update; its answer."""
        request_id = request_id_of(message)
        return self.tell(UpdateReceived(bare(message), request_id, sender(message)))

    def check(self, name: str, message: Any) -> None:
        """The validator of the Update of this name: raises ApplicationError for what would be
        refused, and for what is not signed by somebody who may send it."""
        request_id, now = request_id_of(message), workflow.now()
        unproven = not_proven(name, message, request_id, self.state.exceptions)
        if unproven is not None:
            refuse(unproven, type="not_allowed")
        try:
            refusal = self.core.agenda.refusal(self.state, bare(message), now, request_id)
        except Exception as error:
            workflow.logger.exception("defect on %s", type(message).__name__)
            refuse(f"a defect: {error}", type="defect")
        if refusal is not None:
            refuse(refusal)

    def noted(self, text: str) -> None:
        """Note something that cannot be accepted, such as an unreadable Signal."""
        self.hear(Noted(text))

    @workflow.signal
    def renew_run(self) -> None:
        """Continue as new at the next quiet point, as after a release; nothing else changes."""
        self._is_asked_to_renew = self._changed = True

    # --- acts -----------------------------------------------------------------------------------

    def _catch_up(self) -> bool:
        """Apply what waits, and begin all that may begin now; whether more is left than this task
        may do. What a defect of the rules stops waits for a release."""
        try:
            while (step := self._next_step()) and self._steps < MOST_STEPS:
                step()
        except Exception as error:
            workflow.logger.exception("defect in the agenda")
            self.state = with_defect(self.state, ClockRang(), error, workflow.now())
            return False
        return step is not None

    def _next_step(self) -> Callable[[], object] | None:
        if resumed := next_event(self.state):
            return partial(self.tell, resumed)
        if self._unheard and _is_proven(self._unheard[0]):
            return self._tell_next
        action = None if self._is_draining else self.core.agenda.next_action(self.state)
        return partial(self._begin, action) if action else None

    def _tell_next(self) -> None:
        item = self._unheard.popleft()
        self.tell(self._known(item) if isinstance(item, Unproven) else item)

    def _known(self, place: Unproven) -> Event:
        """Who may send it may hang on the exceptions, so they are those of now."""
        return heard(
            place.name,
            place.message,
            place.words,
            required(place.proven),
            self.state.exceptions,
        )

    def _begin(self, action: Action) -> None:
        # Looks once more whether it is wanted: the state may have changed since it was chosen.
        self.tell(Began(action))
        if self.state.running.get(action.key) is not action:
            return
        try:
            act = self.core.perform[action.kind](self.state, action)
        except Exception as error:
            workflow.logger.exception("defect in %s", action.key)
            self.tell(Answered(action.key, _defect(error)))
            return
        self._tasks[action.key] = asyncio.create_task(self._await(action, act))

    async def _await(self, action: Action, act: Awaitable[Any]) -> None:
        """Wait for an act and apply its result. Messages may have changed the state
        meanwhile: the rules look at it as it is then."""
        try:
            result: Done | Failed = Done(await act)
        except FailureError as error:
            result = failed(error)
        except Exception as error:
            workflow.logger.exception("defect in %s", action.key)
            result = _defect(error)
        del self._tasks[action.key]
        self.hear(Answered(action.key, result))

    # --- time, and the end of a run -------------------------------------------------------------

    def _set_timer(self) -> None:
        try:
            wake = self.core.agenda.next_wake(self.state)
        except Exception:
            workflow.logger.exception("defect in the agenda")
            wake = workflow.now() + _AFTER_DEFECT
        self._timer.set(wake)

    def _ring(self) -> None:
        self.tell(ClockRang())

    @property
    def _must_renew(self) -> bool:
        """Whether the history has grown long, another release has become the current one, or
        somebody asked for it."""
        info = workflow.info()
        return (
            self._is_asked_to_renew
            or info.get_current_history_length() >= MANY_EVENTS
            or info.is_continue_as_new_suggested()
            or info.is_target_worker_deployment_version_changed()
        )

    @property
    def _may_renew(self) -> bool:
        if self._unheard or not self._must_renew:
            return False
        # Where the record store is away, the run does not wait for it without end.
        is_long = workflow.info().get_current_history_length() >= 2 * MANY_EVENTS
        return not (self.state.is_busy if is_long else self.state.running)

    @property
    def _is_draining(self) -> bool:
        return workflow.info().get_current_history_length() >= TOO_MANY_EVENTS

    def _renew(self) -> NoReturn:
        # A run stays with the release it began with (it is pinned). Without this the next one
        # would inherit the old release, for as long as the contract lives.
        upgrades = workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE
        # What is still being written of the audit record is written again, and found there.
        following = self.core.following(self.state.replace(running={}))
        workflow.continue_as_new(following, initial_versioning_behavior=upgrades)

    # --- what people see ------------------------------------------------------------------------

    def _show(self) -> None:
        """Show the state: details at once, attributes once nothing is under way or a person is
        needed. An upsert is a billed action: what only passes by is not worth one."""
        state = self.state
        try:
            details = self.core.details(state)
            if details != self._shown_details:
                workflow.set_current_details(details)
                self._shown_details = details
            if self.core.is_listed(state) and (not state.is_busy or state.exceptions):
                upsert(self.core.attributes(state))
                name_in_memo(self.core.named(state))
                parked_in_memo(cards(state))
                agreed_in_memo(self.core.agreed(state))
                awaited = self.core.awaited(state)
                shown = card(awaited) if awaited is not None else None
                approval_in_memo(shown, is_read=bool(state.exceptions))
        except Exception:
            # What people see is no reason to stop what is done.
            workflow.logger.exception("defect in what is shown")


class UpdatableTimer:
    """The one timer of a workflow: rings at the earliest time it was set to.

    A timer is a billed action and two events of history, and most times are put off long before
    they come: an approval makes way for a due date, a payment for the settlement period. So a
    timer that rings earlier than needed is left to ring; the agenda then looks again.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._task: asyncio.Task[None] | None = None
        self._rings_at: datetime | None = None

    def set(self, at: datetime | None) -> None:
        """Ring at an aware time at the latest; None: nothing is to be waited for."""
        if at is None or (self._rings_at is not None and self._rings_at <= at):
            return
        if self._task is not None:
            self._task.cancel()
        self._rings_at = at
        self._task = asyncio.create_task(self._wait(at))

    async def _wait(self, at: datetime) -> None:
        delay = at - workflow.now()
        if delay > timedelta(0):
            await workflow.sleep(delay, summary=f"look again at {at:%Y-%m-%d %H:%M} UTC")
        self._rings_at = self._task = None
        self._ring()


def _is_proven(item: Event | Unproven) -> bool:
    return not isinstance(item, Unproven) or item.proven is not None


def refuse(refusal: str, *, type: str = "refused") -> NoReturn:
    """Refuse an Update to its sender."""
    raise ApplicationError(refusal, type=type, non_retryable=True)


def failed(error: FailureError) -> Failed:
    """What a failed activity, child workflow or Signal means to the rules."""
    cause = error.cause if isinstance(error, ActivityError | ChildWorkflowError) else error
    if isinstance(cause, ApplicationError) and cause.details:
        detail = FailureDetail.model_validate(cause.details[0])
        return Failed(
            kind=cause.type or "defect",
            code=detail.code,
            message=detail.message,
            field=detail.field,
            value=detail.value,
            problems=tuple(detail.problems),
            part=detail.step,
            facts=cause.details[1] if len(cause.details) > 1 else None,
            maybe_done=detail.maybe_done,
        )
    # Nobody answered: it never began where nobody took it, and else it may have happened.
    never_began = isinstance(cause, NotInTime) and (cause.type is TimeoutType.SCHEDULE_TO_START)
    return Failed(
        kind="transient",
        code="no_answer",
        message=str(cause or error),
        maybe_done=not never_began,
    )


def is_lasting(error: ActivityError) -> bool:
    """Whether what an activity failed for does not go away by itself."""
    return failed(error).kind in ("business", "defect")


def _defect(error: Exception) -> Failed:
    # Where a request could not be built nothing was sent; what failed later may have been.
    message = f"{type(error).__name__}: {error}"
    return Failed(kind="defect", code="defect", message=message, maybe_done=True)

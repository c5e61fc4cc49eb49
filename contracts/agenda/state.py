"""What the states of a contract and of an invoice have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self, TypeVar

from pydantic import Field

from contracts.actors import Actor
from contracts.agenda.actions import Action, Metric, SignalReceived
from contracts.audit.entries import Entry, Trail
from contracts.journal import Journal
from contracts.model import Frozen, Value
from contracts.parking import StepException, Waiting

T = TypeVar("T")


def required(value: T | None) -> T:
    """A value that is there by now, as a check before has made sure. Raises RuntimeError for a
    mistake of ours."""
    if value is None:
        raise RuntimeError("something is missing that was checked before")
    return value


class Unserved(Value):
    """A message that a defect stopped: its type by name, and its content as JSON; who signed it."""

    number: int
    kind: str
    content: dict[str, Any]
    words: str
    request_id: str = ""
    actor: Actor | None = None

    @classmethod
    def of(cls, number: int, event: SignalReceived) -> Self:
        message = event.message
        return cls(
            number=number,
            kind=type(message).__name__,
            content=message.model_dump(mode="json"),
            words=event.words,
            request_id=event.request_id,
            actor=event.actor,
        )

    @property
    def key(self) -> str:
        """Under which it is parked."""
        return f"message:{self.number}"


class Answer(Value):
    """What a request was answered, as JSON; none where the answer is how things stand. `digest` is
    that of its message."""

    request_id: str
    digest: str
    content: Any = None


class AgendaState(Frozen):
    """Immutable: each change is a new state that shares what did not change.

    `clock` is the aware time of the last event. `running` are the acts under way; it is empty when
    a workflow continues as new. `retried` are exceptions whose act is tried again at the moment.
    `uncertain` are the keys of irreversible acts that failed and may have happened: until a look
    tells, nothing gives them up. `unserved` are messages that a defect of ours stopped. `answers`
    are those to the requests accepted last, oldest first: a request that comes again is answered
    the same.
    `audit` is the audit record, as far as it is still to be written.
    `answer` and `metrics` are taken out by `apply` after each event.
    """

    clock: datetime
    running: dict[str, Action] = Field(default_factory=dict)
    exceptions: tuple[StepException, ...] = ()
    retried: tuple[StepException, ...] = ()
    uncertain: tuple[str, ...] = ()
    unserved: tuple[Unserved, ...] = ()
    answers: tuple[Answer, ...] = ()
    answer: Any = Field(default=None, exclude=True)
    metrics: tuple[Metric, ...] = Field(default=(), exclude=True)
    waiting: Waiting = Field(default_factory=Waiting)
    journal: Journal = Field(default_factory=Journal)
    audit: Trail = Field(default_factory=Trail)

    def noted(self, text: str) -> Self:
        """The state with an entry in its journal, at the time of its clock."""
        return self.replace(journal=self.journal.noted(self.clock, text))

    def recorded(self, entry: Entry) -> Self:
        """The state with an entry more for its audit record."""
        audit = self.audit.reopened() if self.audit.is_ended else self.audit
        return self.replace(audit=audit.noted(entry))

    @property
    def is_busy(self) -> bool:
        """Whether an act is under way, but for one that only records what was done."""
        return any(not act.quiet for act in self.running.values())

    def measured(self, *metrics: Metric) -> Self:
        return self.replace(metrics=(*self.metrics, *metrics))

    def answering(self, answer: Any) -> Self:
        """The state, with what the sender of the present message is answered."""
        return self.replace(answer=answer)

    def answer_to(self, request_id: str) -> Answer | None:
        """What a request was answered before; None if it is not known."""
        known = (item for item in self.answers if item.request_id == request_id)
        return next(known, None) if request_id else None

    def without_running(self, key: str) -> Self:
        """The act of this key is under way no more."""
        return self.replace(running={k: act for k, act in self.running.items() if k != key})

    def without_unserved(self, key: str) -> Self:
        """A message that a defect stopped is kept no more."""
        return self.replace(unserved=tuple(item for item in self.unserved if item.key != key))

    def exception_of(self, key: str) -> StepException | None:
        """The exception of a parked act or an open question."""
        return next((item for item in self.exceptions if item.key == key), None)

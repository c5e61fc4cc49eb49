"""What a workflow may have to do, what came of it, and what it hears: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from contracts.actors import Actor
from contracts.problems import Problem


@dataclass(frozen=True, slots=True)
class Action:
    """One act outside the state: an activity, the start of a child workflow, a Signal.

    `kind` says who performs it. `key` names the act: only one of a key runs at a time, and a
    parked act is known by it. `basis` is a digest of what the act rests on: once that changes, a
    parked act is obsolete, and a running one decides nothing any more. `subject` is what it is
    about (a plan, a milestone, the number of an invoice). Acts of one `lane` run one after the
    other, and wait for one that may have happened; without a lane an act has one of its own. An
    `exclusive` act starts only once nothing else is wanted or running. An `irreversible` act is
    looked for in Odoo again before anything else is decided about it, where it failed and may have
    happened all the same. An act `aside` (the status in the CRM) neither holds up an exclusive act
    nor waits for one. A `quiet` act (the audit record) begins once nothing else runs, so that it
    does at one time what many events have asked for.
    """

    kind: str
    key: str
    basis: str = ""
    subject: str = ""
    lane: str = ""
    exclusive: bool = False
    irreversible: bool = False
    aside: bool = False
    quiet: bool = False

    @property
    def runs_in(self) -> str:
        """The lane the act occupies while it runs."""
        return self.lane or self.key


@dataclass(frozen=True, slots=True)
class Failed:
    """An act failed. `kind` is one of the four kinds of failure (gateways/errors.py).

    `part` names the step that failed of an act with several; `facts` is what the act had done
    before (a model, such as the ids of records made so far). `maybe_done` says that its effect may
    have happened although no answer came.
    """

    kind: str
    code: str
    message: str
    field: str = ""
    value: str = ""
    problems: tuple[Problem, ...] = ()
    part: str = ""
    facts: Any = None
    maybe_done: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """An act succeeded; `value` is its answer."""

    value: Any = None


Result = Done | Failed


@dataclass(frozen=True, slots=True)
class Question:
    """Something that only a person can decide, and that needs no act to find out.

    It is shown as an exception for as long as the rules want it, with the step of its `kind`.
    """

    kind: str
    key: str
    detail: Failed
    basis: str = ""


Wanted = Action | Question


# --- events: everything that can change a state -------------------------------------------------


@dataclass(frozen=True, slots=True)
class Began:
    """The shell is about to perform this action; refused if it is not wanted any more."""

    action: Action


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of the running action of this key."""

    key: str
    result: Result


@dataclass(frozen=True, slots=True)
class UpdateReceived:
    """A message whose sender waits for the answer: a refusal reaches them. Sent again with the same
    `request_id`, as after a lost answer, it counts once and gets the first answer; another message
    under that id is refused."""

    message: Any
    request_id: str = ""
    actor: Actor | None = None


@dataclass(frozen=True, slots=True)
class SignalReceived:
    """A message whose sender waits for nothing: a refusal is noted in the journal. One that is
    signed has a `request_id`, under which it counts once, and the `actor` who signed it."""

    message: Any
    words: str = "a message"
    request_id: str = ""
    actor: Actor | None = None


@dataclass(frozen=True, slots=True)
class Resumed:
    """A Signal that a defect stopped, kept under this key, is applied again."""

    key: str


@dataclass(frozen=True, slots=True)
class Noted:
    """Something for the journal alone, such as a Signal that could not be read."""

    text: str


@dataclass(frozen=True, slots=True)
class ClockRang:
    """Nothing happened but that it is later now."""


Event = Began | Answered | UpdateReceived | SignalReceived | Resumed | Noted | ClockRang


@dataclass(frozen=True, slots=True)
class Metric:
    """A key figure that came about: the shell records it (never on replay).

    The end of its name says the unit of its value: days, hours, or none where it counts.
    """

    name: str
    value: Decimal | int = 1
    labels: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """Raised by a rule that takes a message: it cannot be accepted, for the reason it says."""

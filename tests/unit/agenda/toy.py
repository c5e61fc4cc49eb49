"""A small core on the agenda's machine: errands, each an act of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from contracts import parking
from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.agenda.machine import ActRule, Agenda, MessageRule
from contracts.agenda.state import AgendaState
from contracts.model import Signed
from contracts.parking import Resolution, StepException


class Errand(Signed):
    """Something to do. A name `final` is exclusive, `risky` irreversible, `crm` aside."""

    name: str
    basis: str = ""
    lane: str = ""


class Ask(Signed):
    """Something a person is to decide."""

    name: str


class Break(Signed):
    """A message that the rules have a mistake about."""

    why: str = "a mistake"


class ToyState(AgendaState):
    """`open` is still to be done, in this order; `asked` is still to be decided."""

    open: tuple[Errand, ...] = ()
    asked: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    wakes_at: datetime | None = None
    healed: bool = False


def action(errand: Errand) -> Action:
    return Action(
        kind="errand",
        key=errand.name,
        basis=errand.basis,
        lane=errand.lane,
        exclusive=errand.name == "final",
        irreversible=errand.name == "risky",
        aside=errand.name == "crm",
    )


def wanted(state: ToyState) -> list[Wanted]:
    questions = [
        Question("errand", key=f"ask:{name}", detail=Failed("business", "unclear", f"{name}?"))
        for name in state.asked
    ]
    return [*(action(item) for item in state.open), *questions]


def refusal(state: ToyState, errand: Errand) -> str | None:
    return f"{errand.name} is done already" if errand.name in state.done else None


def take(state: ToyState, errand: Errand) -> ToyState:
    rest = tuple(item for item in state.open if item.name != errand.name)
    return state.replace(open=(*rest, errand)).answering(errand.name)


def ask(state: ToyState, message: Ask) -> ToyState:
    return state.replace(asked=(*state.asked, message.name))


def stumble(state: ToyState, message: Break) -> ToyState:
    if not state.healed:
        raise ZeroDivisionError(message.why)
    return state


def done(state: ToyState, act: Action, value: Any) -> ToyState:
    if value == "broken" and not state.healed:
        raise ZeroDivisionError("of a result")
    rest = tuple(item for item in state.open if item.name != act.key)
    return state.replace(open=rest, done=(*state.done, act.key))


def skipped(state: ToyState, parked: StepException, resolution: Resolution) -> ToyState:
    rest = tuple(item for item in state.open if item.name != parked.key)
    asked = tuple(name for name in state.asked if f"ask:{name}" != parked.key)
    return state.replace(open=rest, asked=asked)


AGENDA: Agenda[ToyState] = Agenda(
    wanted=wanted,
    consequences=lambda state: (),
    wake=lambda state: state.wakes_at,
    is_over=lambda state: "last" in state.done,
    shown=lambda state: state,
    messages={
        Errand: MessageRule(take, refusal, brings_work=True),
        Ask: MessageRule(ask),
        Break: MessageRule(stumble),
    },
    acts={"errand": ActRule(parking.WRITE_BACK, done, skipped=skipped)},
    correction_refusal=lambda state, resolution: None,
    corrected=lambda state, parked, resolution: state,
)

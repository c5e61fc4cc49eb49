"""A small core on the agenda's machine: errands, each an act of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from contracts import parking
from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.agenda.machine import Rules
from contracts.agenda.state import AgendaState
from contracts.parking import Resolution, StepException


class Errand(BaseModel):
    """Something to do. A name `final` is exclusive, `risky` irreversible, `crm` aside."""

    name: str
    basis: str = ""
    lane: str = ""


class Ask(BaseModel):
    """Something a person is to decide."""

    name: str


class Break(BaseModel):
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


def refusal(state: ToyState, message: Any) -> str | None:
    if isinstance(message, Errand) and message.name in state.done:
        return f"{message.name} is done already"
    return None


def take(state: ToyState, message: Any) -> ToyState:
    if isinstance(message, Break) and not state.healed:
        raise ZeroDivisionError(message.why)
    if isinstance(message, Ask):
        return state.replace(asked=(*state.asked, message.name))
    if isinstance(message, Errand):
        rest = tuple(item for item in state.open if item.name != message.name)
        return state.replace(open=(*rest, message)).answering(message.name)
    return state


def done(state: ToyState, act: Action, value: Any, stands: bool) -> ToyState:
    if value == "broken" and not state.healed:
        raise ZeroDivisionError("of a result")
    rest = tuple(item for item in state.open if item.name != act.key)
    return state.replace(open=rest, done=(*state.done, act.key))


def failed(state: ToyState, act: Action, failure: Failed, stands: bool) -> ToyState:
    return state


def resolved(state: ToyState, parked: StepException, resolution: Resolution) -> ToyState:
    rest = tuple(item for item in state.open if item.name != parked.key)
    asked = tuple(name for name in state.asked if f"ask:{name}" != parked.key)
    if resolution.action is parking.Action.SKIP:
        return state.replace(open=rest, asked=asked)
    return state


RULES: Rules[ToyState] = Rules(
    wanted=wanted,
    refusal=refusal,
    take=take,
    done=done,
    failed=failed,
    resolved=resolved,
    advance=lambda state: state,
    wake=lambda state: state.wakes_at,
    reopens=lambda message: isinstance(message, Errand),
    shown=lambda state: state,
    steps={"errand": parking.WRITE_BACK},
    messages={"Errand": Errand, "Ask": Ask, "Break": Break},
)

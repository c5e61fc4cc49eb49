"""The audit record in plays without a store: what is to be written is written at once."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from contracts.agenda.actions import Action, Answered, Began, Done
from contracts.agenda.machine import Agenda
from contracts.agenda.state import AgendaState
from contracts.audit import entries
from contracts.audit.entries import MAX_AT_A_TIME, Written

S = TypeVar("S", bound=AgendaState)


def written(state: AgendaState) -> Done:
    """What a store answers that takes the entries a state has pending."""
    trail = state.audit
    count = min(len(trail.pending), MAX_AT_A_TIME)
    return Done(Written(count=count, seq=trail.seq + count, head=f"{trail.seq + count:064x}"))


def at_once(agenda: Agenda[S], state: S, action: Action, now: datetime) -> S | None:
    """The state with its audit record written, where the action is to do that."""
    if action.kind != entries.WRITE:
        return None
    state = agenda.apply(state, Began(action), now).state
    return agenda.apply(state, Answered(action.key, written(state)), now).state

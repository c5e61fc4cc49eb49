"""Parked steps as lists show them: small enough to travel beside the search attributes."""

from __future__ import annotations

from datetime import datetime

from contracts.agenda.state import AgendaState
from contracts.model import Value
from contracts.parking import Action, Responsible, StepException

MAX_STEPS = 20
"""Of one contract or invoice; its page shows all of them."""
_LETTERS = 300


class ParkedCard(Value):
    """A parked step in a list. `since` and `retry_at` (none: a person says when) are aware;
    `may_retry` says that a person may have it tried again as it is."""

    step: str
    code: str
    doing: str
    responsible: Responsible
    message: str
    field: str = ""
    since: datetime
    attempts: int = 1
    retry_at: datetime | None = None
    may_retry: bool = False


class ParkedCards(Value):
    """The parked steps of one contract or invoice, the oldest first; `more` are not among them."""

    steps: tuple[ParkedCard, ...] = ()
    more: int = 0


def cards(state: AgendaState) -> ParkedCards | None:
    """What lists show of the parked steps; None where nothing is parked."""
    if not state.exceptions:
        return None
    oldest = sorted(state.exceptions, key=lambda item: item.since)
    shown = tuple(_card(item) for item in oldest[:MAX_STEPS])
    return ParkedCards(steps=shown, more=len(oldest) - len(shown))


def seen(exception: StepException | ParkedCard) -> str:
    """What a person has seen of a parked step: that it was tried again since changes nothing."""
    return f"{exception.since.isoformat()} {exception.code}"


def _card(item: StepException) -> ParkedCard:
    return ParkedCard(
        step=item.step,
        code=item.code,
        doing=item.doing,
        responsible=item.responsible,
        message=item.message[:_LETTERS],
        field=item.field,
        since=item.since,
        attempts=item.attempts,
        retry_at=item.retry_at,
        may_retry=Action.RETRY in item.allowed,
    )

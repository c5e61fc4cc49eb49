"""Parked steps of contracts and invoices, each with what may be decided about it."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.parking import StepException
from contracts.views.choices import Choice
from starters.client.listing import Listed


@dataclass(frozen=True)
class ParkedStep:
    """A parked step, the workflow it is parked in, and the decisions that are possible now."""

    workflow_id: str
    exception: StepException
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class ParkedSteps(Listed[ParkedStep]):
    """Parked steps, oldest first. `events`: how many inbound events wait for a person beside
    them."""

    events: int = 0

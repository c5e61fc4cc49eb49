"""Parked steps of contracts, invoices and bank files, each with what may be decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.parking import StepException
from starters.client.listing import Listed

if TYPE_CHECKING:
    from contracts.views.choices import Choice


@dataclass(frozen=True)
class ParkedStep:
    """A parked step, the workflow it is parked in, and the decisions that are possible now.
    `time_zone` is the legal entity's; empty where the workflow does not know it yet."""

    workflow_id: str
    exception: StepException
    choices: tuple[Choice, ...] = ()
    time_zone: str = ""
    commands: tuple[str, ...] = ()
    """What decides it, where that is none of `c2c exceptions`."""

    @property
    def possible(self) -> tuple[str, ...]:
        return (*(choice.action for choice in self.choices), *self.commands)


@dataclass(frozen=True)
class ParkedSteps(Listed[ParkedStep]):
    """Parked steps, oldest first. `events`: how many inbound events wait for a person beside
    them."""

    events: int = 0

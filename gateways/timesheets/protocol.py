"""What the rest of the system may ask of a time system."""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol

from contracts.problems import Problem
from contracts.timesheets.entries import LoggedTime, LoggedTimes

__all__ = ["LoggedTime", "LoggedTimes", "Timesheets"]


class Timesheets(Protocol):
    """A time system, called from many threads at once.

    Every method raises GatewayError where the system as a whole refuses or cannot be reached.
    """

    @property
    def system(self) -> str:
        """The name it is configured under ("harvest", "clockify")."""

    def changed(self, since: datetime, after: str = "") -> LoggedTimes:
        """A page of the entries that changed at or after `since` (aware; the system's clock), or
        whose approval did, as they are now, and of those deleted since, where the system says so.
        A page begins behind the mark `after`. Of an entry that comes twice, the later one counts.
        """

    def worked(self, first: date, last: date, after: str = "") -> LoggedTimes:
        """A page of all entries of these days, the approved ones at least: of these days, what is
        on none of the pages is not approved, or is gone."""

    def email(self, person_id: str) -> str:
        """The e-mail address of a person as it is now; "" of whom there is none."""

    def missing_setup(self) -> list[Problem]:
        """What the account still lacks for the above to work; empty when all is there."""

    def ensure_setup(self) -> list[Problem]:
        """Create what is missing; safe to repeat. Returns what a person has to do."""

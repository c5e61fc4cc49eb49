"""How approved work and costs are read: what is new or changed since the last reading, and what is
gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel

from activities.odoo.clock import overlapping
from gateways.odoo import OdooClient

WINDOW_FIELDS = ("date", "write_date")
"""By which `window` searches; by the second the newest is found."""

PAGE_ROWS = 2_000
MAX_TEXT = 2_000
"""How much of what people wrote about one record is read."""
_KNOWN_AT_ONCE = 5_000


class ReadingRequest(BaseModel):
    """What to read: everything dated until a day (inclusive) that changed at or after `since`, or
    is dated after `seen_until`, the day the reading before went to; without `since`, everything.

    `known` are ids in our ledger: those that are no longer approved, or no longer there, are
    reported as gone, with the last page. `again` are ids that are read whenever they changed.
    `after` is the id that this page begins behind.
    """

    until: date
    after: int = 0
    since: datetime | None = None
    seen_until: date | None = None
    known: tuple[int, ...] = ()
    again: tuple[int, ...] = ()


def window(request: ReadingRequest) -> list[Any]:
    """The domain of what a request has not read yet."""
    until = ("date", "<=", request.until.isoformat())
    if request.since is None:
        return [until]
    wanted: list[Any] = [("write_date", ">=", overlapping(request.since))]
    if request.seen_until is not None:
        # Worked ahead of the last period's end, and approved before: it did not change since.
        wanted = ["|", *wanted, ("date", ">", request.seen_until.isoformat())]
    if request.again:
        wanted = ["|", *wanted, ("id", "in", list(request.again))]
    return [until, *wanted]


def gone(odoo: OdooClient, model: str, scope: Sequence[Any], known: Sequence[int]) -> list[int]:
    """Those of the known records that are no longer in the scope."""
    there: set[int] = set()
    for first in range(0, len(known), _KNOWN_AT_ONCE):
        some = list(known[first : first + _KNOWN_AT_ONCE])
        found = odoo.search_read(model, [*scope, ("id", "in", some)], ["id"])
        there |= {row["id"] for row in found}
    return sorted(set(known) - there)

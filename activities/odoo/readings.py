"""How approved work and costs are read: what is new or changed since the last reading, and what is
gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel

from activities.odoo.clock import overlapping, utc
from gateways.odoo import OdooClient

WINDOW_FIELDS = ("date", "write_date")
"""By which `window` searches, and of which `latest` reads the last."""


class ReadingRequest(BaseModel):
    """What to read: everything dated until a day (inclusive) that changed at or after `since`, or
    is dated after `seen_until`, the day the reading before went to; without `since`, everything.

    `known` are ids in our ledger: those that are no longer approved, or no longer there, are
    reported as gone.
    """

    until: date
    since: datetime | None = None
    seen_until: date | None = None
    known: tuple[int, ...] = ()


def window(request: ReadingRequest) -> list[Any]:
    """The domain of what a request has not read yet."""
    until = ("date", "<=", request.until.isoformat())
    if request.since is None:
        return [until]
    changed = ("write_date", ">=", overlapping(request.since))
    if request.seen_until is None:
        return [until, changed]
    # Worked ahead of the last period's end, and approved before: it did not change since.
    return [until, "|", changed, ("date", ">", request.seen_until.isoformat())]


def latest(rows: Sequence[Mapping[str, Any]]) -> datetime | None:
    """When the newest of the rows changed, by Odoo's clock; None for none."""
    return max((utc(row["write_date"]) for row in rows), default=None)


def gone(odoo: OdooClient, model: str, scope: Sequence[Any], known: Sequence[int]) -> list[int]:
    """Those of the known records that are no longer in the scope."""
    if not known:
        return []
    there = odoo.search_read(model, [*scope, ("id", "in", list(known))], ["id"])
    return sorted(set(known) - {row["id"] for row in there})

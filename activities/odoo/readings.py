"""How approved work and costs are read: what is new or changed since the last reading, and what is
gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from activities.odoo.clock import overlapping
from activities.odoo.paging import fitting, read_page
from gateways.odoo import OdooClient

PAGE_ROWS = 2_000
MAX_TEXT = 2_000
"""How much of what people wrote about one record is read."""
_KNOWN_AT_ONCE = 5_000

T = TypeVar("T", bound=BaseModel)


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


class Reading(BaseModel, Generic[T]):
    """One page. `as_of` is Odoo's clock, where the next reading starts, with the first page; None:
    nothing was found. `next` is the id that the next page begins behind; None: this was the last.
    """

    found: list[T]
    gone: list[int]
    as_of: datetime | None = None
    next: int | None = None


def read(
    reading: type[Reading[T]],
    odoo: OdooClient,
    model: str,
    scope: Sequence[Any],
    fields: Sequence[str],
    request: ReadingRequest,
    records: Callable[[Sequence[Mapping[str, Any]]], list[T]],
) -> Reading[T]:
    """A page of what the domain `scope` holds, and the request has not read yet; with the last,
    which of the known records are out of the scope. `records` makes one of each row."""
    domain = [*scope, *_window(request)]
    page = read_page(odoo, model, domain, fields, after=request.after, rows=PAGE_ROWS)
    found = records(page.rows)
    found = found[: fitting(found)]
    following = page.cut(found)
    gone = _gone(odoo, model, scope, request.known) if following is None else []
    return reading(found=found, gone=gone, as_of=page.as_of, next=following)


def _window(request: ReadingRequest) -> list[Any]:
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


def _gone(odoo: OdooClient, model: str, scope: Sequence[Any], known: Sequence[int]) -> list[int]:
    """Those of the known records that are no longer in the scope."""
    there: set[int] = set()
    for first in range(0, len(known), _KNOWN_AT_ONCE):
        some = list(known[first : first + _KNOWN_AT_ONCE])
        found = odoo.search_read(model, [*scope, ("id", "in", some)], ["id"])
        there |= {row["id"] for row in found}
    return sorted(set(known) - there)

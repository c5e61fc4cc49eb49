"""Reads many records in pages that fit into one result of an activity.

A page is bounded by rows and by bytes. It begins behind the id at which the one before it ended, so
that no record is left out or comes twice, whatever changes meanwhile: a record that changes while
the pages are read is found again by the next reading, which begins at the time of the first page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel

from activities.odoo.clock import utc
from gateways.odoo import OdooClient

T = TypeVar("T")

MAX_BYTES = 1_000_000
"""Of what one page holds, as JSON. The engine takes no more than 2 MB, and codecs add to it."""


@dataclass(frozen=True)
class Page:
    """The rows of one page; `next` is the id that the next page begins behind, None on the last.
    `as_of` is when the newest record of all pages changed, by Odoo's clock, when the first page was
    read; None of later pages, and where there is none."""

    rows: list[dict[str, Any]]
    next: int | None
    as_of: datetime | None

    def cut(self, items: Sequence[BaseModel]) -> int | None:
        """Where the next page begins if this one ends before it holds too many bytes: `items` are
        what its first rows come to, one each. See `fitting`."""
        return int(self.rows[len(items) - 1]["id"]) if len(items) < len(self.rows) else self.next


def read_page(
    odoo: OdooClient,
    model: str,
    domain: Sequence[Any],
    fields: Sequence[str],
    *,
    after: int,
    rows: int,
) -> Page:
    """The records behind the id `after` (0: the first page) that match; `write_date` is among the
    fields."""
    found = odoo.search_read(
        model, [*domain, ("id", ">", after)] if after else domain, fields, order="id", limit=rows
    )
    is_full = len(found) >= rows
    as_of = None
    if not after:
        newest = _newest(odoo, model, domain) if is_full else found
        as_of = max((utc(row["write_date"]) for row in newest), default=None)
    return Page(found, int(found[-1]["id"]) if is_full else None, as_of)


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in their order, at most so many at a time: what one call sends."""
    return (items[start : start + size] for start in range(0, len(items), size))


def pages_of(
    odoo: OdooClient, model: str, domain: Sequence[Any], fields: Sequence[str], rows: int
) -> Iterator[list[dict[str, Any]]]:
    """All records that match, in pages, in the order of their ids: one that is made meanwhile
    moves no other to another page."""
    after = 0
    while True:
        wanted = [*domain, ("id", ">", after)]
        found = odoo.search_read(model, wanted, fields, order="id", limit=rows)
        if found:
            yield found
        if len(found) < rows:
            return
        after = found[-1]["id"]


def _newest(odoo: OdooClient, model: str, domain: Sequence[Any]) -> list[dict[str, Any]]:
    return odoo.search_read(model, domain, ["write_date"], order="write_date desc", limit=1)


def fitting(items: Sequence[BaseModel], most: int = MAX_BYTES) -> int:
    """How many of the items, from the first on, hold no more than so many bytes; at least one."""
    held = 0
    for count, item in enumerate(items):
        held += len(item.model_dump_json().encode())
        if held > most:
            return max(count, 1)
    return len(items)

"""What customers owe: a list with its aging, whose numbers open into what they count."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from contracts.access import Permission
from contracts.receivables import BUCKETS, OpenPart, Standing, aging, by_standing, chosen
from starters.client.references import short
from starters.receivables import Receivables, receivables
from starters.web.pages.files import CSV, attachment, csv_text, no_formula
from starters.web.pages.shell import Link, PageModule, page
from starters.web.pages.workbench import books_of, chosen_entities, workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, needs

PAGE_ROWS = 100
_COLUMNS = (
    *("entity", "contract", "invoice", "number", "customer", "due_on", "days_late", "bucket"),
    *("open", "currency", "standings", "agreed_on"),
)
_AGREED = frozenset(Standing) - {Standing.OVERDUE, Standing.NOT_DUE}

routes = APIRouter()
PAGES = PageModule(routes, (Link("Receivables", "/receivables"),))


@routes.get("/receivables", dependencies=[needs(Permission.READ)])
async def listed(request: Request, visitor: Present) -> Response:
    """Aging over a list; every number is a link to what it counts."""
    asked = _Asked.of(request)
    entities = chosen_entities(request, visitor)
    books = books_of(request)
    found = await receivables(request.app.state.temporal, books, entities, asked.day)
    # Of tens of thousands of parts it takes a moment, in which others are to be served.
    shown = await asyncio.to_thread(_shown_list, found, asked)
    zone = workbench_of(request).zone(entities[0]) if len(entities) == 1 else "UTC"
    return await page(
        request, "receivables.html", found=found, asked=asked, buckets=BUCKETS, zone=zone, **shown
    )


@routes.get("/receivables.csv", dependencies=[needs(Permission.READ)])
async def as_csv(request: Request, visitor: Present) -> Response:
    """The whole list as a file: what narrows it narrows the file."""
    asked = _Asked.of(request)
    entities = chosen_entities(request, visitor)
    found = await receivables(request.app.state.temporal, books_of(request), entities, asked.day)
    if found.problems or found.notes:
        # A file does not say that it is not whole.
        told = [*(f"{name}: {why}" for name, why in found.problems.items()), *found.notes]
        raise HttpProblem(503, "; ".join(told)[:2_000], headers={"Retry-After": "30"})
    text = await asyncio.to_thread(_file, asked.narrow(found.rows))
    name = "-".join(["receivables", *([entities[0]] if len(entities) == 1 else [])])
    return attachment(text, f"{name}.csv", CSV)


def _file(rows: Sequence[OpenPart]) -> str:
    return csv_text(_COLUMNS, map(_line, rows))


def _line(row: OpenPart) -> Sequence[object]:
    entity, contract, *number = short(row.workflow_id).split("/")
    amount, currency = row.open.amount, row.open.currency
    found = (entity, contract, *number, row.number, row.customer)
    late = (row.due_on, row.days_late, row.bucket, f"{amount:f}", currency)
    standings = " ".join(sorted(row.standings))
    return (*map(no_formula, found), *late, standings, row.agreed_on or "")


def _shown_list(found: Receivables, asked: _Asked) -> dict[str, Any]:
    """The aging, the sums and a page of the list."""
    named = chosen(found.rows, customer=asked.customer)
    of_standing = chosen(named, standing=asked.standing)
    rows = asked.narrow(found.rows)
    first = (asked.page - 1) * PAGE_ROWS
    return {
        "aging": aging(of_standing),
        "standings": [
            (item, sums)
            for item, sums in by_standing(named).items()
            if found.shows_agreements or item not in _AGREED
        ],
        "words": {
            item: item.words for item in Standing if found.shows_agreements or item not in _AGREED
        },
        "rows": rows[first : first + PAGE_ROWS],
        "sums": [line.total for line in aging(rows)],
        "count": len(rows),
        "first": first,
        "pages": -(-len(rows) // PAGE_ROWS),
    }


@dataclass(frozen=True)
class _Asked:
    """What narrows the list, from the address."""

    day: date | None
    standing: Standing | None
    bucket: str
    currency: str
    customer: str
    page: int

    def narrow(self, rows: Iterable[OpenPart]) -> list[OpenPart]:
        """The rows that are meant."""
        return chosen(
            rows,
            standing=self.standing,
            bucket=self.bucket,
            currency=self.currency,
            customer=self.customer,
        )

    @classmethod
    def of(cls, request: Request) -> _Asked:
        """Raises HttpProblem with 422 for what no list can be narrowed by."""
        params = request.query_params
        bucket = params.get("bucket", "")
        try:
            found = cls(
                day=date.fromisoformat(params["as_of"]) if params.get("as_of") else None,
                standing=Standing(params["standing"]) if params.get("standing") else None,
                bucket=bucket,
                currency=params.get("currency", "").upper(),
                customer=params.get("customer", "")[:200],
                page=min(max(int(params.get("page", "1")), 1), 10_000),
            )
        except ValueError:
            raise HttpProblem(422, "the address of the list cannot be read") from None
        if bucket and bucket not in BUCKETS:
            raise HttpProblem(422, f"the ages are {', '.join(BUCKETS)}")
        return found

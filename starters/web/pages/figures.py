"""Figures over time: a plot of each with its table, and the same as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response
from temporalio.service import RPCError

from contracts.access import Permission
from contracts.figures import BY_KEY, FIGURES, Figure, Line, Series, Unit
from contracts.money import Money
from starters.client.errors import NotFound
from starters.figures import series
from starters.web.pages.files import CSV, attachment, csv_text
from starters.web.pages.plots import Drawn, plot
from starters.web.pages.shell import Link, PageModule, page
from starters.web.pages.workbench import chosen_entities, workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, Visitor, needs

DAYS = 90
MOST_DAYS = 800

routes = APIRouter()
PAGES = PageModule(routes, (Link("Figures", "/figures"),))


@dataclass(frozen=True)
class Shown:
    """A figure in one currency, or of none: its plot and its lines, and what it was last."""

    figure: Figure
    currency: str
    lines: tuple[Line, ...]
    plot: Markup

    @property
    def last(self) -> list[tuple[str, str]]:
        """What each line was on the last day."""
        return [
            (line.label if len(self.lines) > 1 else "", value(self.figure, line, -1))
            for line in self.lines
        ]


@routes.get("/figures", dependencies=[needs(Permission.READ)])
async def figures(request: Request, visitor: Present) -> Response:
    """All figures of one legal entity."""
    entity, days = _entity(request, visitor), _days(request)
    found, problem = await _series(request, entity)
    narrowed = _since(found, days)
    shown = [item for figure in FIGURES for item in _shown(narrowed, figure)]
    missing = [figure for figure in FIGURES if not any(item.figure is figure for item in shown)]
    return await page(
        request,
        "figures.html",
        entity=entity,
        days=days,
        series=narrowed,
        shown=_numbered(narrowed, shown),
        missing=missing,
        problem=problem,
        behind=_behind(request, entity, found),
        chosen=entity,
    )


@routes.get("/figures/{key}.csv", dependencies=[needs(Permission.READ)])
async def as_csv(request: Request, visitor: Present, key: str) -> Response:
    """A figure as a file: a row for each day and line. Amounts have their currency beside them."""
    figure, entity = _figure(key), _entity(request, visitor)
    found, problem = await _series(request, entity)
    if problem:
        raise HttpProblem(503, problem, headers={"Retry-After": "30"})
    columns = ("entity", "day", "figure", "part", "currency", "value")
    rows = _of_days(entity, _since(found, _days(request)), figure)
    return attachment(csv_text(columns, rows), f"{entity}-{figure.key}.csv", CSV)


def _of_days(
    entity: str, found: Series, figure: Figure
) -> Iterator[tuple[str, date, str, str, str, str]]:
    """Each number of a figure: entity, day, figure, part, currency, value."""
    for currency in found.currencies(figure):
        for line in found.lines(figure, currency):
            part = line.label if len(figure.parts) > 1 else ""
            for day, number in zip(found.days, line.values, strict=True):
                if number is not None:
                    yield entity, day, figure.key, part, currency, f"{number:f}"


@routes.get("/figures/{key}", dependencies=[needs(Permission.READ)])
async def one(request: Request, visitor: Present, key: str) -> Response:
    """One figure: a plot for each currency, and the table of it."""
    figure, entity, days = _figure(key), _entity(request, visitor), _days(request)
    found, problem = await _series(request, entity)
    narrowed = _since(found, days)
    shown = list(_shown(narrowed, figure))
    return await page(
        request,
        "figure.html",
        figure=figure,
        entity=entity,
        days=days,
        series=narrowed,
        shown=_numbered(narrowed, shown),
        rows=list(_rows(narrowed, shown)),
        problem=problem,
        behind=_behind(request, entity, found),
        chosen=entity,
    )


def value(figure: Figure, line: Line, place: int) -> str:
    """A number as people read it: `12.5 days`, `97 %`, `1,200.00 EUR`; a dash where there is
    none."""
    number = line.values[place]
    if number is None:
        return "–"
    if figure.unit is Unit.MONEY:
        return f"{Money.rounded(number, line.currency).amount:,f}\u00a0{line.currency}"
    if figure.unit is Unit.SHARE:
        return f"{_plain(number * 100)}\u00a0%"
    return f"{_plain(number)}\u00a0days"


def _plain(number: Decimal) -> str:
    text = f"{number.quantize(Decimal('0.1')):,f}"
    return text.removesuffix(".0")


def _shown(found: Series, figure: Figure) -> Iterator[Shown]:
    for currency in found.currencies(figure):
        lines = tuple(found.lines(figure, currency))
        if lines:
            yield Shown(figure, currency, lines, Markup(""))


def _numbered(found: Series, shown: list[Shown]) -> list[Shown]:
    """The same with their plots, which are told apart by their numbers."""
    return [
        Shown(item.figure, item.currency, item.lines, _plot(found, item, number))
        for number, item in enumerate(shown)
    ]


def _plot(found: Series, item: Shown, number: int) -> Markup:
    unit = item.currency or ("%" if item.figure.unit is Unit.SHARE else str(item.figure.unit))
    title = f"{item.figure.title} by day, {unit}"
    times = 100 if item.figure.unit is Unit.SHARE else 1
    lines = [
        Drawn(line.label, [None if it is None else it * times for it in line.values])
        for line in item.lines
    ]
    return plot(title, found.days, lines, number)


def _rows(found: Series, shown: list[Shown]) -> Iterator[tuple[date, list[str]]]:
    """The table, the latest day first: a cell for each line."""
    for place in reversed(range(len(found.days))):
        cells = [value(item.figure, line, place) for item in shown for line in item.lines]
        yield found.days[place], cells


def _since(found: Series, days: int) -> Series:
    return found.since(found.days[-1] - timedelta(days=days - 1)) if found.days else found


def _figure(key: str) -> Figure:
    figure = BY_KEY.get(key)
    if figure is None:
        raise HttpProblem(404, f"the figures are {', '.join(BY_KEY)}")
    return figure


def _entity(request: Request, visitor: Visitor) -> str:
    """The legal entity of the figures: the one in the address, or else the visitor's first; those
    of several are never added. Raises HttpProblem."""
    entities = chosen_entities(request, visitor)
    if not entities:
        raise HttpProblem(404, "there is no legal entity that you may read")
    return entities[0]


def _days(request: Request) -> int:
    text = request.query_params.get("days", "")
    if not text:
        return DAYS
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text)):
        raise HttpProblem(422, f"days is a number up to {MOST_DAYS}")
    return min(int(text), MOST_DAYS)


def _behind(request: Request, entity: str, found: Series) -> int:
    """How many days ago it was measured last; 0 where it never was."""
    today = datetime.now(ZoneInfo(workbench_of(request).zone(entity))).date()
    return (today - found.days[-1]).days if found.days else 0


async def _series(request: Request, entity: str) -> tuple[Series, str]:
    """The series, or why there is none."""
    try:
        return await series(request.app.state.temporal, entity), ""
    except NotFound as error:
        return Series(), str(error)
    except RPCError as error:
        return Series(), f"Temporal does not answer: {error}"

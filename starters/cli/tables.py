"""Tables, pairs and sentences that fit the terminal they are printed on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.style import Style
from rich.text import Text

from contracts.views import layout

if TYPE_CHECKING:
    from contracts.problems import Problem

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


def cleaned(value: object) -> str:
    """A value as text that cannot steer the terminal: it may come from a customer's record."""
    return _CONTROL.sub("�", str(value)).replace("\t", " ")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; a column whose name starts with `>` holds figures, `*` names people will copy."""
    return Table([layout.Column.of(name) for name in columns], [list(row) for row in rows])


def pairs(items: Iterable[tuple[str, object]]) -> RenderableType:
    """Names and values below each other; those without a value are left out."""
    return Pairs([(name, cleaned(value)) for name, value in items if value not in (None, "")])


class Table:
    """A table that fits the terminal it is printed on: see `contracts.views.layout`."""

    def __init__(self, columns: list[layout.Column], rows: list[list[object]]) -> None:
        self._columns, self._rows = columns, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = [[cleaned(cell) for cell in row] for row in self._rows]
        yield _unwrapped("")
        for line in layout.laid_out(self._columns, rows, options.max_width):
            yield _unwrapped(*((text, self._style(place)) for text, place in line.pieces))

    def _style(self, place: tuple[int, int] | None) -> str | Style:
        """The style of a cell: its own, or that of the heading."""
        if place is None:
            return ""
        row, column = place
        if row < 0:
            return "bold"
        cell = self._rows[row][column]
        return cell.style if isinstance(cell, Text) else ""


class Pairs:
    """Names with their values beside them, which wrap between words."""

    def __init__(self, items: Sequence[tuple[str, str]]) -> None:
        self._items = items

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        indent = max((len(name) for name, _ in self._items), default=0) + len(layout.GAP)
        for name, value in self._items:
            lead = name.ljust(indent)
            for line in layout.wrapped(value, options.max_width - indent):
                yield _unwrapped((lead, "dim"), line)
                lead = " " * indent


class Words:
    """A sentence that wraps between words, and in no amount, day or command."""

    def __init__(self, text: str, style: str = "") -> None:
        self._text, self._style = cleaned(text), style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in layout.wrapped(self._text, options.max_width):
            yield _unwrapped((line, self._style))


def _unwrapped(*parts: str | tuple[str, str | Style]) -> Text:
    """A line of which nothing is cut off: the terminal wraps what is longer than itself."""
    line = Text.assemble(*parts, no_wrap=True, overflow="ignore")
    line.rstrip()
    return line


def age(since: datetime | None, now: datetime | None = None) -> str:
    """How long ago, to the unit that matters: `12 min`, `5 h`, `3 d`."""
    if since is None:
        return ""
    minutes = int(((now or datetime.now(UTC)) - since).total_seconds() // 60)
    if minutes < 60:
        return f"{max(minutes, 0)} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // (24 * 60)} d"


def moment(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def problems(items: Sequence[Problem]) -> RenderableType:
    return table(
        ("*Field", "Expected", "Found", "Code"),
        ((item.field, item.expected, item.value, item.code) for item in items),
    )

"""What people are shown: tables, pairs and sentences that fit the terminal, with their styles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from contracts.views import layout

if TYPE_CHECKING:
    from contracts.problems import Problem

PIPED_WIDTH = 160
"""Columns of a table where no terminal says otherwise: a log must not fold what fits a line."""
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
_SGR = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_VERDICTS = {
    "green": ("ok", "yes", "created", "approved"),
    "yellow": ("warn", "updated", "removed", "exception", "credentials"),
    "dim": ("unchanged",),
    "bold red": ("missing", "off", "refused", "no"),
}
_STYLES = {word: style for style, words in _VERDICTS.items() for word in words}

Piece = tuple[str, str]
"""A text, and its style: words such as `bold red`, or nothing."""


class View(Protocol):
    """Something that is printed: its lines for a terminal of so many columns, None for a pipe."""

    def lines(self, width: int | None) -> Iterator[Sequence[Piece]]: ...


@dataclass(frozen=True)
class Styled:
    """A text in a style, also as the cell of a table."""

    text: object
    style: str

    def __str__(self) -> str:
        return str(self.text)


def verdict(word: str, more: str = "") -> Styled:
    """A word in the style of what it means, such as `ok`, `missing` or `refused`."""
    return Styled(f"{word}: {more}" if more else word, _STYLES.get(word, ""))


def painted(pieces: Sequence[Piece], *, color: bool) -> str:
    """A line as it is written to a terminal."""
    line = [_styled(text, style) if color else text for text, style in pieces]
    return "".join(line).rstrip()


def _styled(text: str, style: str) -> str:
    codes, inked = ";".join(_SGR[word] for word in style.split()), text.rstrip()
    return f"\x1b[{codes}m{inked}\x1b[0m{text[len(inked) :]}" if codes and inked else text


def cleaned(value: object) -> str:
    """A value as text that cannot steer the terminal: it may come from a customer's record."""
    return _CONTROL.sub("�", str(value)).replace("\t", " ")


class Table:
    """A table; a column whose name starts with `>` holds figures, `*` names people will copy."""

    def __init__(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        self._columns = [layout.Column.of(name) for name in columns]
        self._rows = [list(row) for row in rows]

    def lines(self, width: int | None) -> Iterator[Sequence[Piece]]:
        rows = [[cleaned(cell) for cell in row] for row in self._rows]
        yield []
        for line in layout.laid_out(self._columns, rows, width or PIPED_WIDTH):
            yield [(text, self._style(place)) for text, place in line.pieces]

    def _style(self, place: tuple[int, int] | None) -> str:
        """The style of a cell: its own, or that of the heading."""
        if place is None:
            return ""
        row, column = place
        cell = self._rows[row][column] if row >= 0 else Styled("", "bold")
        return cell.style if isinstance(cell, Styled) else ""


class Pairs:
    """Names with their values beside them, which wrap between words; empty values are left out."""

    def __init__(self, items: Iterable[tuple[str, object]]) -> None:
        self._items = [(name, cleaned(value)) for name, value in items if value not in (None, "")]

    def lines(self, width: int | None) -> Iterator[Sequence[Piece]]:
        indent = max((len(name) for name, _ in self._items), default=0) + len(layout.GAP)
        for name, value in self._items:
            lead = name.ljust(indent)
            for line in layout.wrapped(value, (width or PIPED_WIDTH) - indent):
                yield [(lead, "dim"), (line, "")]
                lead = " " * indent


class Words:
    """A sentence; on a terminal it wraps between words, and in no amount, day or command. One that
    does not `wrap` is left to the terminal, such as a command that people copy."""

    def __init__(self, text: object, style: str = "", *, wrap: bool = True) -> None:
        self._text, self._style, self._wrap = cleaned(text), style, wrap

    def lines(self, width: int | None) -> Iterator[Sequence[Piece]]:
        folds = self._wrap and width is not None
        lines = layout.wrapped(self._text, width or 0) if folds else self._text.split("\n")
        for line in lines:
            yield [(line, self._style)]


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


def problems(items: Sequence[Problem]) -> Table:
    return Table(
        ("*Field", "Expected", "Found", "Code"),
        ((item.field, item.expected, item.value, item.code) for item in items),
    )

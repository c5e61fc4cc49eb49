"""Tables as plain text for any width: whole columns fold below their row, a value never splits.

What people must not misread stays on one line: an amount with its currency, a day, a time of day,
a duration, a name, a command. Text wraps between words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GAP = "  "
_INDENT = "    "
_BETWEEN = " · "
_LEAST_TEXT = 24
"""Columns that text gets before other columns fold: narrower, it reads like a ladder."""
_UNIT = re.compile(
    r"c2c [a-z].*"  # a command to copy, up to the end of the line
    r"|[-+(]*\d[\d.,]* [A-Z]{3}\b[).,;:]*"  # an amount with its currency
    r"|\d{4}-\d\d-\d\d \d\d:\d\d[).,;:]*"  # a moment
    r"|\d+ (?:min|h|d|s)\b[).,;:]*"  # a duration
    r"|\S+"
)


@dataclass(frozen=True)
class Column:
    """A column. One that does not wrap keeps each value on one line; `right` is for figures."""

    name: str
    right: bool = False
    wraps: bool = True

    @classmethod
    def of(cls, name: str) -> Column:
        """A column by its name: `>` begins one with figures, `*` one with names people copy."""
        return cls(name.lstrip(">*"), right=name.startswith(">"), wraps=name[:1] not in (">", "*"))


@dataclass(frozen=True)
class Line:
    """A line of a table: pieces of text, each with the place of its cell (row, column); None for
    what belongs to no cell. Row -1 is the heading."""

    pieces: tuple[tuple[str, tuple[int, int] | None], ...]

    def __str__(self) -> str:
        return "".join(text for text, _ in self.pieces).rstrip()


def laid_out(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[Line]:
    """The table in lines of at most `width` cells; only a single value may be longer than that.

    Columns from the right that do not fit stand below each row, with their names.
    """
    kept, widths = _fitting(columns, rows, width)
    heading = [column.name for column in columns[:kept]]
    lines = [*_row(columns, heading, widths, -1), Line((("─" * _total(widths), None),))]
    for number, row in enumerate(rows):
        lines += _row(columns, row[:kept], widths, number)
        lines += _folded(columns, row, kept, number, width)
    return lines


def text_table(names: Sequence[str], rows: Sequence[Sequence[object]], width: int) -> str:
    """The table as text alone, without the columns in which nothing stands."""
    texts = [[" ".join(str(cell).split()) for cell in row] for row in rows]
    used = [index for index in range(len(names)) if any(row[index] for row in texts)]
    columns = [Column.of(names[index]) for index in used]
    told = [[row[index] for index in used] for row in texts]
    return "\n".join(map(str, laid_out(columns, told, width)))


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` cells, broken between units alone; its own line breaks
    stay."""
    lines: list[str] = []
    for line in text.split("\n"):
        lines += _filled(line, width) or [""]
    return lines


def cells(text: str) -> int:
    """How many cells of a terminal a text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(map(_cell, text))


def _cell(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def _filled(line: str, width: int) -> list[str]:
    found: list[str] = []
    for unit in _UNIT.findall(line):
        if found and cells(found[-1]) + 1 + cells(unit) <= width:
            found[-1] = f"{found[-1]} {unit}"
        else:
            found.append(unit)
    return found


def _fitting(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int
) -> tuple[int, list[int]]:
    """How many columns stand beside each other, and how wide each is."""
    widest = [_widest(column, rows, index) for index, column in enumerate(columns)]
    least = [_least(column, rows, index, widest[index]) for index, column in enumerate(columns)]
    kept = len(columns)
    while kept > 1 and _total(least[:kept]) > width:
        kept -= 1
    return kept, _widened(least[:kept], widest[:kept], width)


def _widest(column: Column, rows: Sequence[Sequence[str]], index: int) -> int:
    lines = (line for row in rows for line in row[index].split("\n"))
    return max([cells(column.name), *map(cells, lines)])


def _least(column: Column, rows: Sequence[Sequence[str]], index: int, widest: int) -> int:
    if not column.wraps:
        return widest
    units = (unit for row in rows for unit in _UNIT.findall(row[index]))
    return max([cells(column.name), min(widest, _LEAST_TEXT), *map(cells, units)])


def _widened(least: list[int], widest: list[int], width: int) -> list[int]:
    """What is left of the width goes to the narrowest columns that still wrap."""
    found = list(least)
    spare = width - _total(found)
    while spare > 0:
        open_ = [index for index, now in enumerate(found) if now < widest[index]]
        if not open_:
            break
        found[min(open_, key=lambda index: found[index])] += 1
        spare -= 1
    return found


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _row(
    columns: Sequence[Column], row: Sequence[str], widths: Sequence[int], number: int
) -> Iterator[Line]:
    parts = [
        wrapped(text, width) if column.wraps else text.split("\n")
        for column, text, width in zip(columns, row, widths, strict=False)
    ]
    for level in range(max(map(len, parts), default=0)):
        pieces: list[tuple[str, tuple[int, int] | None]] = []
        for index, (part, width) in enumerate(zip(parts, widths, strict=True)):
            text = part[level] if level < len(part) else ""
            space = " " * (width - cells(text))
            padded = f"{space}{text}" if columns[index].right else f"{text}{space}"
            pieces += [(GAP, None)] if index else []
            pieces.append((padded, (number, index)))
        yield Line(tuple(pieces))


def _folded(
    columns: Sequence[Column], row: Sequence[str], kept: int, number: int, width: int
) -> Iterator[Line]:
    """The columns below their row, each with its name, as many in a line as there is room for."""
    line: list[tuple[str, tuple[int, int] | None]] = []
    used = 0
    for index in range(kept, len(columns)):
        if not row[index]:
            continue
        name = columns[index].name
        text = f"{name}: {row[index]}" if name else row[index]
        parts = wrapped(text.replace("\n", "; "), width - len(_INDENT))
        if line and (len(parts) > 1 or used + len(_BETWEEN) + cells(parts[0]) > width):
            yield Line(tuple(line))
            line, used = [], 0
        for part in parts:
            if line and len(parts) > 1:
                yield Line(tuple(line))
                line, used = [], 0
            lead = _BETWEEN if line else _INDENT
            line += [(lead, None), (part, (number, index))]
            used += len(lead) + cells(part)
    if line:
        yield Line(tuple(line))

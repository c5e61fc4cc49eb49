"""Payroll's share of the approved time: a file for each period, then files of signed corrections.

The layout is versioned and documented (docs/payroll.md). A correction takes back what was exported
of a line, by a row with its hours negated, and states what counts now, by another one: whoever adds
up all rows of all revisions has what is right, by whatever column.
"""

from __future__ import annotations

import calendar
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from pydantic import Field

from contracts.model import Value
from contracts.timesheets.entries import rounded_hours, short

LAYOUT = 1
"""The version of the layout: a column that is added, removed or means something else is another."""
COLUMNS = (
    *("layout", "entity", "period", "revision", "kind", "line"),
    *("employee_id", "employee", "email", "day", "hours", "project", "task", "note"),
)
MAX_TEXT = 500
_PERIOD = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")
_OF_CONTENT = COLUMNS.index("line")
_HOURS = COLUMNS.index("hours") - _OF_CONTENT
_FORMULA = ("=", "+", "-", "@")
_QUOTE = "'"


class RowKind(StrEnum):
    """`time` states hours; `reversal` takes back what an earlier revision stated."""

    TIME = "time"
    REVERSAL = "reversal"


class Unreadable(ValueError):
    """A file that is none of this layout; the message says why."""


class Period(Value):
    """A calendar month, such as 2026-10."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Period:
        """Raises ValueError for what is no month."""
        found = _PERIOD.fullmatch(text)
        if found is None:
            raise ValueError("a month such as 2026-10")
        return cls(year=int(found[1]), month=int(found[2]))

    @property
    def first(self) -> date:
        return date(self.year, self.month, 1)

    @property
    def last(self) -> date:
        return self.first.replace(day=calendar.monthrange(self.year, self.month)[1])

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02}"


class PayrollLine(Value):
    """An approved timesheet line of an employee of the entity."""

    line: int
    employee_id: int
    employee: str
    email: str
    on: date
    hours: Decimal
    project: str
    task: str
    note: str

    def cells(self) -> Cells:
        """What the file says of it."""
        texts = (self.project, self.task, self.note)
        return (
            str(self.line),
            str(self.employee_id),
            _text(self.employee),
            _text(self.email),
            str(self.on),
            str(rounded_hours(self.hours)),
            *map(_text, texts),
        )


Cells = tuple[str, ...]
"""What a row says of a line: the columns from `line` on."""


class Row(Value):
    """A row of a file."""

    kind: RowKind
    cells: Cells

    @property
    def hours(self) -> Decimal:
        """Signed."""
        return Decimal(self.cells[_HOURS])


class Revision(Value):
    """The rows of one revision, and what all revisions state together."""

    entity: str
    period: Period
    number: int = Field(ge=1)
    rows: tuple[Row, ...]
    rows_before: tuple[Row, ...] = ()

    @property
    def name(self) -> str:
        """Of its files, without an ending."""
        return file_name(self.entity, self.period, self.number)

    def file(self) -> bytes:
        """The CSV: UTF-8, commas, CR LF, quotes where they are needed."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        head = (str(LAYOUT), self.entity, str(self.period), str(self.number))
        writer.writerows((*head, str(row.kind), *row.cells) for row in self.rows)
        return text.getvalue().encode()

    def manifest(self) -> bytes:
        """What the file must be, and the sums to compare with."""
        content = self.file()
        document = {
            "layout": LAYOUT,
            "entity": self.entity,
            "period": str(self.period),
            "revision": self.number,
            "file": f"{self.name}.csv",
            "sha256": hashlib.sha256(content).hexdigest(),
            "rows": len(self.rows),
            "hours": total(self.rows),
            "hours_to_date": total([*self.rows_before, *self.rows]),
            "employees": self._employees(),
        }
        return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()

    def _employees(self) -> list[dict[str, Any]]:
        """The sums of those that the revision concerns."""
        names = {row.cells[1]: row.cells[2] for row in self.rows}
        return [
            {
                "employee_id": int(key),
                "employee": names[key],
                "hours": total(row for row in self.rows if row.cells[1] == key),
                "hours_to_date": total(
                    row for row in (*self.rows_before, *self.rows) if row.cells[1] == key
                ),
            }
            for key in sorted(names, key=int)
        ]


def file_name(entity: str, period: Period, number: int) -> str:
    return f"payroll-{entity}-{period}-r{number}"


def many_gone(before: Sequence[Sequence[Row]], lines: Iterable[PayrollLine]) -> str:
    """What people are asked before most of what was exported is taken back: whoever lost the right
    to see others' hours sees them as gone. Empty: most of it is there."""
    exported = _counting(row for rows in before for row in rows)
    gone = len(exported.keys() - {item.cells()[0] for item in lines})
    if 2 * gone <= len(exported):
        return ""
    return f"Odoo shows {gone} of the {len(exported)} lines no more that were exported"


def next_revision(
    entity: str, period: Period, before: Sequence[Sequence[Row]], lines: Iterable[PayrollLine]
) -> Revision | None:
    """The revision behind those that were exported: everything if there are none, else what
    differs; None where nothing does. The first one is made even of nothing."""
    exported = _counting(row for rows in before for row in rows)
    wanted = {item.cells()[0]: item.cells() for item in lines if rounded_hours(item.hours)}
    rows: list[Row] = []
    for line in sorted({*exported, *wanted}, key=lambda key: _order(exported, wanted, key)):
        old, new = exported.get(line), wanted.get(line)
        if old == new:
            continue
        rows += [Row(kind=RowKind.REVERSAL, cells=_negated(old))] if old else []
        rows += [Row(kind=RowKind.TIME, cells=new)] if new else []
    if before and not rows:
        return None
    return Revision(
        entity=entity,
        period=period,
        number=len(before) + 1,
        rows=tuple(rows),
        rows_before=tuple(row for part in before for row in part),
    )


def read_file(content: bytes, entity: str, period: Period, number: int) -> list[Row]:
    """The rows of a revision's file. Raises Unreadable."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(f"it is no CSV in UTF-8: {error}") from None
    if not rows or tuple(rows[0]) != COLUMNS:
        raise Unreadable(f"its header is not that of layout {LAYOUT}")
    head = [str(LAYOUT), entity, str(period), str(number)]
    return [_row(row, place, head) for place, row in enumerate(rows[1:], start=2)]


def _row(row: Sequence[str], place: int, head: list[str]) -> Row:
    if len(row) != len(COLUMNS) or list(row[:4]) != head:
        raise Unreadable(f"line {place} is not of this entity, period and revision")
    try:
        found = Row(kind=RowKind(row[4]), cells=tuple(row[_OF_CONTENT:]))
        if not (found.cells[0].isdigit() and found.cells[1].isdigit() and found.hours.is_finite()):
            raise ValueError("ids and hours are numbers")
    except (ValueError, InvalidOperation):
        raise Unreadable(f"line {place} cannot be read") from None
    return found


def _counting(rows: Iterable[Row]) -> dict[str, Cells]:
    """What is exported of each line and not taken back."""
    found: dict[str, Cells] = {}
    for row in rows:
        if row.kind is RowKind.TIME:
            found[row.cells[0]] = row.cells
        else:
            found.pop(row.cells[0], None)
    return found


def _order(
    exported: Mapping[str, Cells], wanted: Mapping[str, Cells], key: str
) -> tuple[int, str, int]:
    """By employee, day and line."""
    cells = wanted.get(key) or exported[key]
    return int(cells[1]), cells[4], int(key)


def _negated(cells: Cells) -> Cells:
    hours = str(-Decimal(cells[_HOURS]))
    return (*cells[:_HOURS], hours, *cells[_HOURS + 1 :])


def total(rows: Iterable[Row]) -> str:
    """The hours of these rows together, signed."""
    return str(sum((row.hours for row in rows), Decimal(0)))


def _text(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    line = short(text, MAX_TEXT)
    return f"{_QUOTE}{line}" if line.startswith(_FORMULA) else line

"""What a table is: columns of few kinds, read from the class of its rows.

A row is a named tuple. The annotation of each field says what its column holds:

    contract: Annotated[str, "The contract's id."]
    open: Annotated[Decimal, in_currency("currency"), "What is not paid yet."]

`str` is a text, `Decimal` a decimal number, `int`, `bool`, `date` (a day) and `datetime` (an
instant, in UTC) are themselves; `| None` says that a row may have no value. An amount of money
names the column, in the same table, that has its currency.
"""

from __future__ import annotations

import typing
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, NamedTuple

DIGITS, DECIMALS = 18, 4
"""Of an amount of money and of any other decimal number."""
BATCH_ROWS = 1_000
"""The most rows of a batch."""

Value = str | Decimal | int | bool | date | datetime | None
Row = tuple[Value, ...]


class Kind(StrEnum):
    """What a column holds. `money` and `decimal` have `DIGITS` digits, `DECIMALS` of them behind
    the point; an `instant` is in UTC, to the microsecond."""

    TEXT = "text"
    MONEY = "money"
    DECIMAL = "decimal"
    INTEGER = "integer"
    INSTANT = "instant"
    DAY = "day"
    BOOLEAN = "boolean"


_KINDS: dict[Any, Kind] = {
    str: Kind.TEXT,
    Decimal: Kind.DECIMAL,
    int: Kind.INTEGER,
    datetime: Kind.INSTANT,
    date: Kind.DAY,
    bool: Kind.BOOLEAN,
}


@dataclass(frozen=True)
class _Currency:
    column: str


def in_currency(column: str) -> _Currency:
    """Marks an amount of money, whose currency is in another column of its table."""
    return _Currency(column)


@dataclass(frozen=True)
class Column:
    """`currency` names the column with an amount's currency; empty for what is no money."""

    name: str
    kind: Kind
    about: str
    optional: bool = False
    currency: str = ""


@dataclass(frozen=True)
class Table:
    """A table; its rows are tuples in the order of its columns."""

    name: str
    about: str
    columns: tuple[Column, ...]


PARTITION = (
    Column("entity", Kind.TEXT, "The legal entity, as configuration names it."),
    Column("day", Kind.DAY, "The day of the export, in the legal entity's zone."),
)
"""What every row of one export has in common: each table is kept by entity and day, and the rows
themselves do not repeat it."""


class Batch(NamedTuple):
    """Some rows of one table, at most `BATCH_ROWS`."""

    table: Table
    rows: list[Row]


Batches = AsyncIterator[Batch]
"""All rows of an export of one entity and day. Batches of several tables come in turn, so that what
is read once serves all of them; there may be none of a table."""


def table_of(name: str, row: type[tuple[Any, ...]]) -> Table:
    """The table whose rows are of this class; its docstring says what a row is."""
    hints = typing.get_type_hints(row, include_extras=True)
    about = " ".join((row.__doc__ or "").split())
    return Table(name, about, tuple(_columns(hints)))


def _columns(hints: dict[str, Any]) -> Iterator[Column]:
    for name, hint in hints.items():
        given, *notes = typing.get_args(hint)
        types = typing.get_args(given) if isinstance(given, UnionType) else (given,)
        [kind] = [_KINDS[item] for item in types if item is not NoneType]
        currency = next((item.column for item in notes if isinstance(item, _Currency)), "")
        yield Column(
            name,
            Kind.MONEY if currency else kind,
            about=notes[-1],
            optional=NoneType in types,
            currency=currency,
        )

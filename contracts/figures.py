"""Figures of a legal entity over time: what is measured each day, and the series of it.

A series is what the daily schedule hands from one run to the next, so it is bounded: so many days,
and of each a few numbers. Amounts are those of one currency; they are never added to another's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, Field, model_validator

from contracts.analytics import invoices, kpis
from contracts.analytics.contract import ContractFacts
from contracts.analytics.invoices import ZERO, PostedInvoice
from contracts.analytics.work import fitted
from contracts.money import Money
from contracts.receivables import BUCKETS

MOST_DAYS = 800
MOST_CURRENCIES = 4
"""A day has at most 3 numbers, and 8 of each currency."""
CASH_DAYS = 30
"""Cash-in is what came in so many days."""
SPAN_DAYS = kpis.DSO_DAYS
"""Durations and shares are of what ended in so many days."""


class Unit(StrEnum):
    DAYS = "days"
    SHARE = "share"
    MONEY = "money"


@dataclass(frozen=True)
class Figure:
    """A figure as people ask for it: its key in addresses and series, and what it says."""

    key: str
    title: str
    unit: Unit
    about: str
    by_currency: bool = False
    parts: tuple[str, ...] = ("",)


FIGURES = (
    Figure(
        "invoice_cycle_time",
        "Invoice cycle time",
        Unit.DAYS,
        f"Days from what was earned to its invoice: the median of the last {SPAN_DAYS} days.",
    ),
    Figure(
        "signature_to_project",
        "Signature to project",
        Unit.DAYS,
        "Days from a contract's signature until its order and project were there: the median of "
        f"the last {SPAN_DAYS} days.",
    ),
    Figure(
        "dso",
        "Days sales outstanding",
        Unit.DAYS,
        f"How many days of what was billed in the last {SPAN_DAYS} are open.",
        by_currency=True,
    ),
    Figure(
        "aging",
        "Aging",
        Unit.MONEY,
        "What is open, with tax, by how many days it is overdue.",
        by_currency=True,
        parts=BUCKETS,
    ),
    Figure(
        "backlog",
        "Backlog",
        Unit.MONEY,
        "What is sold at a fixed price or earned, and is not on an issued invoice, without tax.",
        by_currency=True,
    ),
    Figure(
        "cash_in",
        "Cash-in",
        Unit.MONEY,
        f"Money that came in for invoices in the last {CASH_DAYS} days, less what was paid back.",
        by_currency=True,
    ),
    Figure(
        "touchless",
        "Touchless share",
        Unit.SHARE,
        f"Of the contracts that ended in the last {SPAN_DAYS} days, the share of which nothing "
        "ever waited for a person's correction.",
    ),
)
BY_KEY: Mapping[str, Figure] = {figure.key: figure for figure in FIGURES}
_OF_MEASURE = {kpis.INVOICE: "invoice_cycle_time", kpis.PROJECT: "signature_to_project"}


class FiguresRequest(BaseModel):
    """Whose figures are measured; the day is the one it is in the time zone (IANA)."""

    legal_entity: str
    time_zone: str = "UTC"


class DayFigures(BaseModel):
    """The numbers of a day by column. What counts nowhere: `unread` contracts gave no answer, of
    `erased` the keys were destroyed, `unread_invoices` cannot be read, and `left_out` are
    currencies beyond the most that a day has."""

    day: date
    numbers: dict[str, Decimal]
    unread: int = 0
    erased: int = 0
    unread_invoices: int = 0
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One column of a figure; of a day that was not measured the value is None."""

    label: str
    currency: str
    values: tuple[Decimal | None, ...]


class Series(BaseModel):
    """The numbers of many days, a column each. What counts nowhere (`DayFigures`) is the last
    day's."""

    days: list[date] = Field(default_factory=list)
    columns: dict[str, list[Decimal | None]] = Field(default_factory=dict)
    unread: int = 0
    erased: int = 0
    unread_invoices: int = 0
    left_out: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_even(self) -> Self:
        if any(len(column) != len(self.days) for column in self.columns.values()):
            raise ValueError("each column of a series has a value for each of its days")
        return self

    def with_day(self, found: DayFigures) -> Series:
        """The series with another day. One that is there already is replaced, and the oldest go
        where there are too many; so does a column that has no number left."""
        kept = [place for place, day in enumerate(self.days) if day != found.day]
        days = [*(self.days[place] for place in kept), found.day]
        order = sorted(range(len(days)), key=days.__getitem__)[-MOST_DAYS:]
        columns: dict[str, list[Decimal | None]] = {}
        for name in sorted({*self.columns, *found.numbers}):
            before = self.columns.get(name)
            values = [before[place] if before else None for place in kept]
            values.append(found.numbers.get(name))
            column = [values[place] for place in order]
            if any(value is not None for value in column):
                columns[name] = column
        return Series(
            days=[days[place] for place in order],
            columns=columns,
            unread=found.unread,
            erased=found.erased,
            unread_invoices=found.unread_invoices,
            left_out=found.left_out,
        )

    def since(self, first: date) -> Series:
        """The same from a day on."""
        start = sum(day < first for day in self.days)
        columns = {name: values[start:] for name, values in self.columns.items()}
        return self.model_copy(update={"days": self.days[start:], "columns": columns})

    def currencies(self, figure: Figure) -> list[str]:
        """The currencies that a figure has numbers of; one empty name where it is of none."""
        if not figure.by_currency:
            return [""]
        found = (name.split(":") for name in self.columns)
        return sorted({name[1] for name in found if name[0] == figure.key})

    def lines(self, figure: Figure, currency: str) -> list[Line]:
        """The lines of a figure in one currency; none where nothing was measured."""
        found = []
        for part in figure.parts:
            values = self.columns.get(_column(figure.key, currency, part))
            if values is not None:
                found.append(Line(part or currency or figure.title, currency, tuple(values)))
        return found


def _column(key: str, currency: str = "", part: str = "") -> str:
    return ":".join(filter(None, (key, currency, part)))


class DayTally:
    """Adds up a day from its invoices and contracts; nothing is kept of a single one."""

    def __init__(self, day: date) -> None:
        self.day = day
        self._took: dict[str, Counter[int]] = defaultdict(Counter)
        self._ended = [0, 0]
        self._open: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        self._billed: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self._cash: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self._backlog: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self._weight: Counter[str] = Counter()
        self._unread_invoices = 0

    @property
    def since(self) -> date:
        """The last day before those that durations, shares and billing are of."""
        return self.day - timedelta(days=SPAN_DAYS)

    def unread_invoice(self, number: str, why: str) -> None:
        """An invoice that cannot be read is counted."""
        self._unread_invoices += 1

    def invoice(self, item: PostedInvoice) -> None:
        self._weight[item.currency] += 1
        for part in invoices.aging(item, self.day):
            self._open[item.currency, part.bucket] += part.open
        if item.invoiced_on > self.since:
            self._billed[item.currency] += item.total
        for row in invoices.collected(item):
            if row.settled_on > self.day - timedelta(days=CASH_DAYS):
                self._cash[item.currency] += row.amount

    def contract(
        self, facts: ContractFacts, invoiced_on: Mapping[int, date], ended_on: date | None
    ) -> None:
        """A contract, the dates of its invoices by their ids in Odoo, and the day it ended."""
        for row in kpis.of_contract(facts, invoiced_on, self.day):
            if row.measure in _OF_MEASURE and row.ended_on > self.since:
                self._took[_OF_MEASURE[row.measure]][row.days] += 1
        if ended_on is not None and self.since < ended_on <= self.day:
            self._ended[0] += facts.touchless
            self._ended[1] += 1
        for item in facts.backlog:
            self._weight[item.billed.currency] += 1
            self._backlog[item.billed.currency] += (item.entitled + item.planned).amount

    def figures(self, unread: int = 0, erased: int = 0) -> DayFigures:
        """The numbers; of too many currencies those with the most invoices and positions."""
        by_weight = sorted(self._weight, key=lambda name: (-self._weight[name], name))
        numbers = {key: fitted(kpis.median(counts)) for key, counts in self._took.items()}
        touchless, ended = self._ended
        if ended:
            numbers["touchless"] = fitted(Decimal(touchless) / ended)
        for currency in by_weight[:MOST_CURRENCIES]:
            numbers |= self._of_currency(currency)
        return DayFigures(
            day=self.day,
            numbers=numbers,
            unread=unread,
            erased=erased,
            unread_invoices=self._unread_invoices,
            left_out=tuple(sorted(by_weight[MOST_CURRENCIES:])),
        )

    def _of_currency(self, currency: str) -> Iterable[tuple[str, Decimal]]:
        def amount(value: Decimal) -> Decimal:
            return Money.rounded(value, currency).amount

        yield _column("backlog", currency), amount(self._backlog[currency])
        yield _column("cash_in", currency), amount(self._cash[currency])
        opened = {bucket: self._open[currency, bucket] for bucket in BUCKETS}
        for bucket, value in opened.items():
            yield _column("aging", currency, bucket), amount(value)
        if self._billed[currency] > 0:
            days = kpis.dso(sum(opened.values(), ZERO), self._billed[currency])
            yield _column("dso", currency), days

"""Billing periods: which days one bill covers, and the share of a whole period that is."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from contracts.model import CADENCE, Contract, Plan

DAY = timedelta(days=1)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS_A_WEEK = 7


@dataclass(frozen=True, slots=True)
class Period:
    """Days of the legal entity's calendar, first and last included. Raises ValueError if the last
    is before the first."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"a period cannot end on {self.last}, before it starts, {self.first}")

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def name(self) -> str:
        """For people: "March 2026", "2026 Q1", "2026", or else its first and last day."""
        first = self.first
        if self == _calendar(1, first):
            return f"{calendar.month_name[first.month]} {first.year}"
        if self == _calendar(3, first):
            return f"{first.year} Q{(first.month + 2) // 3}"
        if self == _calendar(12, first):
            return f"{first.year}"
        return f"{first}" if first == self.last else f"{first} to {self.last}"

    def contains(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """What is billed at once: the days of a whole period in which the plan is alive."""

    period: Period
    whole: Period

    @property
    def share(self) -> Fraction:
        """The part of the whole period that is billed, by days; 1 for all of it."""
        return Fraction(self.period.days, self.whole.days)

    @property
    def closes_on(self) -> date:
        """The day on which it is over."""
        return self.period.last + DAY

    def part_of(self, whole: Decimal) -> Decimal:
        """What of a whole period's amount or hours is billed, by days, not rounded."""
        if self.period == self.whole:
            return whole
        return whole * self.share.numerator / self.share.denominator

    @property
    def note(self) -> str:
        """The period's name for an invoice line, with its days where it is not whole."""
        if self.period == self.whole:
            return self.period.name
        return f"{self.period.name} ({self.period.days} of {self.whole.days} days)"


def whole_period(cadence: str, anchor: date, day: date) -> Period:
    """The whole period that `day` falls in.

    Months, quarters and years are those of the calendar; weeks are counted from `anchor`, before
    it too. Raises ValueError for a cadence there is none of.
    """
    if cadence in _MONTHS:
        return _calendar(_MONTHS[cadence], day)
    match = CADENCE.match(cadence)
    if match is None or match["weeks"] is None:
        raise ValueError(f"{cadence!r} is no cadence: month, quarter, year or such as 2 weeks")
    length = int(match["weeks"]) * _DAYS_A_WEEK
    first = day.toordinal() - (day - anchor).days % length
    # The calendar has a first and a last day, and a period may lie across them.
    return Period(
        first=date.fromordinal(max(first, date.min.toordinal())),
        last=date.fromordinal(min(first + length - 1, date.max.toordinal())),
    )


def billing_periods(
    cadence: str, first_day: date, last_day: date | None, since: date | None = None
) -> Iterator[BillingPeriod]:
    """The periods of a plan's life in order, the first and the last cut to it; from the one that
    `since` falls in, if it is named.

    They follow each other without a gap. Without a last day they go on for good; none come if it
    lies before the first.
    """
    day = since or first_day
    while period := billing_period(cadence, first_day, last_day, day):
        yield period
        if period.period.last == date.max:
            return
        day = period.period.last + DAY


@lru_cache(maxsize=20_000)
def billing_period(
    cadence: str, first_day: date, last_day: date | None, day: date
) -> BillingPeriod | None:
    """The period of a plan's life that `day` falls in; None if the plan is not alive then."""
    end = last_day or date.max
    if not first_day <= day <= end:
        return None
    whole = whole_period(cadence, first_day, day)
    period = Period(first=max(whole.first, first_day), last=min(whole.last, end))
    return BillingPeriod(period=period, whole=whole)


def life(contract: Contract, plan: Plan) -> tuple[date, date | None]:
    """A plan's first and last day: its own, but never outside the contract's."""
    ends = [day for day in (plan.ends_on, contract.ends_on) if day]
    return max(plan.starts_on or contract.first_day, contract.first_day), min(ends, default=None)


@lru_cache(maxsize=5_000)
def _calendar(months: int, day: date) -> Period:
    """The calendar's month, quarter or year (1, 3 or 12 months) that a day falls in."""
    start = (day.month - 1) // months * months + 1
    end = start + months - 1
    return Period(
        first=date(day.year, start, 1),
        last=date(day.year, end, calendar.monthrange(day.year, end)[1]),
    )

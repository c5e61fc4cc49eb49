"""Time and materials: approved hours, and the rate of the contract's card that an hour costs."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from contracts.billing.state import Hours
from contracts.model import Frozen, Key, Rate, TimePlan


class TimeEntry(Frozen):
    """An approved timesheet line. `on` is the day worked, in the legal entity's calendar."""

    line_id: int
    plan: Key
    on: date
    hours: Decimal
    person: str
    email: str
    role: str
    description: str = ""


def rate(plan: TimePlan, entry: Hours | TimeEntry) -> Rate | None:
    """The most specific rate that is valid on the day worked (see `contracts.model.Rate`); None if
    no rate fits."""
    valid = [item for item in plan.rates if _fits(item, entry)]
    # max() keeps the first of equals, so the rate card's own order decides between them.
    return max(valid, key=_rank, default=None)


def _fits(rate: Rate, entry: Hours | TimeEntry) -> bool:
    return (
        (rate.valid_from is None or rate.valid_from <= entry.on)
        and (not rate.person or _same(rate.person, entry.email) or _same(rate.person, entry.person))
        and (not rate.role or _same(rate.role, entry.role))
    )


def _rank(rate: Rate) -> tuple[bool, bool, date]:
    return bool(rate.person), bool(rate.role), rate.valid_from or date.min


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()

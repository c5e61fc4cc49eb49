"""Retainers and managed services: a fee by period, included hours, carry-over, overage, index."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from contracts.billing.lines import QUANTITY_UNIT, rounded
from contracts.billing.periods import BillingPeriod
from contracts.model import CarryOver, Indexation, RetainerPlan
from contracts.money import Money

_NONE = Decimal("0.00")


def fee_on(plan: RetainerPlan, day: date) -> Money:
    """The fee of a whole period that starts on `day`, without tax, indexed until then."""
    return _indexed(plan.fee, plan.indexation, day)


def fee_of(plan: RetainerPlan, period: BillingPeriod) -> Decimal:
    """The fee of a period, in proportion to its days; the index of its first day counts."""
    fee = fee_on(plan, period.period.first)
    return rounded(period.part_of(fee.amount), fee.currency)


def overage_price_on(plan: RetainerPlan, day: date) -> Money | None:
    """The price of an hour beyond the included ones on `day`, without tax, indexed until then."""
    if plan.overage_price is None:
        return None
    return _indexed(plan.overage_price, plan.indexation, day)


class HoursCount(NamedTuple):
    """What became of the hours of a period, all at two decimals.

    `included` are the period's own (prorated), `carried_in` those of before, `overage` those worked
    beyond both.
    """

    used: Decimal
    included: Decimal
    carried_in: Decimal
    overage: Decimal
    carried_out: Decimal


def count_hours(
    plan: RetainerPlan, period: BillingPeriod, used: Decimal, carried_in: Decimal
) -> HoursCount:
    """Set the hours of a period against what is included; carried hours are used first.

    `used` may be negative where more was taken back than worked: it then adds to what is left.
    """
    used, carried_in = _two_decimals(used), _two_decimals(carried_in)
    included = included_hours(plan, period)
    from_carried = min(max(used, _NONE), carried_in)
    from_included = min(used - from_carried, included)
    overage = used - from_carried - from_included
    out = _carried_out(plan, carried_in - from_carried, included - from_included)
    return HoursCount(used, included, carried_in, overage, out)


def included_hours(plan: RetainerPlan, period: BillingPeriod) -> Decimal:
    """The hours that a period includes, in proportion to its days, at two decimals."""
    return _two_decimals(period.part_of(plan.included_hours))


def _indexed(amount: Money, index: Indexation | None, day: date) -> Money:
    """Each year's index is rounded, because that year's invoices were."""
    if index is None:
        return amount
    factor = 1 + index.percent / 100
    on = index.first_on
    while on <= day:
        amount = Money.rounded(amount.amount * factor, amount.currency)
        if on.year == date.max.year:
            break
        on = _anniversary(index.first_on, on.year + 1)
    return amount


def _anniversary(day: date, year: int) -> date:
    """The same day of another year; of a leap day, the last of February."""
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def _carried_out(plan: RetainerPlan, of_carried: Decimal, of_included: Decimal) -> Decimal:
    if plan.carry_over is CarryOver.NONE:
        return _NONE
    if plan.carry_over is CarryOver.NEXT_PERIOD:
        # Hours carried into this period could be used in it, and no longer.
        return of_included
    return of_carried + of_included


def _two_decimals(number: Decimal) -> Decimal:
    return number.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)

"""Retainers and managed services: a fee by period, included hours, carry-over, overage, index."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import NamedTuple

from contracts.billing.charges import QUANTITY_UNIT, Charge, ChargeKind
from contracts.billing.periods import BillingPeriod
from contracts.model import CarryOver, Contract, Frozen, Indexation, RetainerPlan
from contracts.money import Money

_NONE = Decimal("0.00")


class HoursBill(Frozen):
    """What became of the hours of a period, all at two decimals.

    `included` are the period's own (prorated), `carried_in` those of before. `overage` are the
    hours beyond both; `charge` bills them, if they have a price.
    """

    charge: Charge | None
    used: Decimal
    included: Decimal
    carried_in: Decimal
    overage: Decimal
    carried_out: Decimal


def fee_on(plan: RetainerPlan, day: date) -> Money:
    """The fee of a whole period that starts on `day`, without tax, indexed until then."""
    return _indexed(plan.fee, plan.indexation, day)


def overage_price_on(plan: RetainerPlan, day: date) -> Money | None:
    """The price of an hour beyond the included ones on `day`, without tax, indexed until then."""
    if plan.overage_price is None:
        return None
    return _indexed(plan.overage_price, plan.indexation, day)


def fee_charge(contract: Contract, plan: RetainerPlan, period: BillingPeriod) -> Charge:
    """The fee of a period, in proportion to its days; the index of its first day counts."""
    fee = fee_on(plan, period.period.first)
    return _charge(
        contract,
        plan,
        f"{plan.key}:{period.period.first}",
        ChargeKind.RETAINER,
        period.note,
        _part_of(fee, period.share),
    )


def bill_hours(
    contract: Contract,
    plan: RetainerPlan,
    period: BillingPeriod,
    used: Decimal,
    carried_in: Decimal,
) -> HoursBill:
    """Set the hours of a period against what is included; carried hours are used first.

    `used` may be negative where more was taken back than worked: it then adds to what is left.
    """
    count = count_hours(plan, period, used, carried_in)
    charge = _overage(contract, plan, period, count.overage)
    return HoursBill(charge=charge, **count._asdict())


class HoursCount(NamedTuple):
    """The hours of a period at two decimals: see `HoursBill`."""

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
    share = period.share
    return _two_decimals(plan.included_hours * share.numerator / share.denominator)


def service_credit(
    contract: Contract, plan: RetainerPlan, key: str, reason: str, amount: Money
) -> Charge:
    """A deduction for a breach of the service level; `amount` is what the customer gets, without
    tax. `key` is the charge's. Raises ValueError unless the amount is above zero."""
    if not amount.is_positive:
        raise ValueError(f"a service credit is above zero, not {amount}")
    note = f"service credit: {reason}" if reason else "service credit"
    return _charge(contract, plan, key, ChargeKind.SERVICE_CREDIT, note, -amount)


def unused_fee(
    contract: Contract, plan: RetainerPlan, period: BillingPeriod, last_day: date, billed: Money
) -> Charge | None:
    """The credit for the days after `last_day` of a fee that was billed as `billed`.

    None if the period ends by then, or nothing is to be given back.
    """
    days = period.period.days
    kept = max((last_day - period.period.first).days + 1, 0)
    if kept >= days:
        return None
    credit = billed - _part_of(billed, Fraction(kept, days))
    if not credit.is_positive:
        return None
    note = f"{period.period.name}, {days - kept} of {days} days not used"
    key = f"{plan.key}:{period.period.first}:unused"
    return _charge(contract, plan, key, ChargeKind.RETAINER, note, -credit)


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


def _overage(
    contract: Contract, plan: RetainerPlan, period: BillingPeriod, hours: Decimal
) -> Charge | None:
    price = overage_price_on(plan, period.period.first)
    if price is None or hours <= 0:
        return None
    service = contract.service(plan.service)
    return Charge.of_quantity(
        f"{plan.key}:{period.period.first}:overage",
        ChargeKind.OVERAGE,
        plan.key,
        service.code,
        f"{service.description}, {period.note}: hours beyond the included ones",
        hours,
        price.amount,
        contract.currency,
    )


def _carried_out(plan: RetainerPlan, of_carried: Decimal, of_included: Decimal) -> Decimal:
    if plan.carry_over is CarryOver.NONE:
        return _NONE
    if plan.carry_over is CarryOver.NEXT_PERIOD:
        # Hours carried into this period could be used in it, and no longer.
        return of_included
    return of_carried + of_included


def _charge(
    contract: Contract, plan: RetainerPlan, key: str, kind: ChargeKind, note: str, amount: Money
) -> Charge:
    service = contract.service(plan.service)
    description = f"{service.description}, {note}"
    return Charge.of_amount(key, kind, plan.key, service.code, description, amount)


def _part_of(amount: Money, share: Fraction) -> Money:
    part = amount.amount * share.numerator / share.denominator
    return Money.rounded(part, amount.currency)


def _two_decimals(number: Decimal) -> Decimal:
    return number.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)

"""Entitlements: what the terms and the facts give a right to bill, under each base key.

Nothing here looks at what is billed, but for two things: the version of the terms that a key is
frozen at, and that an hour which moved to another plan waits until its old plan gave it back.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from contracts.billing import keys, retainers, time, usage
from contracts.billing.expenses import markup_of
from contracts.billing.lines import rounded
from contracts.billing.state import BillingState, Freeze
from contracts.billing.terms import (
    after,
    in_advance,
    is_alive,
    latest,
    period_of,
    periods_until,
    terms_for,
    tracks_of,
    versions_for,
)
from contracts.model import ExpensePlan, Rate, RetainerPlan, TimePlan, UsagePlan

ZERO = Decimal(0)
Sums = dict[date, Decimal]
"""Hours or units of a plan by the first day of their period."""


class Entitlement(NamedTuple):
    """What may be billed of a key, in all. `amount` is None where no rate fits."""

    amount: Decimal | None
    measure: Decimal
    due_on: date


class Priced(NamedTuple):
    """The rate of an hour; `label` is the person or the role that the rate is for."""

    price: Decimal
    label: str


def of_base_key(
    billing: BillingState, key: str, frozen: Freeze | None, waits: bool
) -> Entitlement | None:
    """The entitlement of a key that depends on one fact; None if there is no such fact."""
    kind = keys.kind_of(key)
    found = _SINGLE[kind](billing, key, frozen) if kind in _SINGLE else None
    if waits and found is not None:
        return Entitlement(ZERO, ZERO, found.due_on)
    return found


def price_of_hours(billing: BillingState, line: int, frozen: Freeze | None) -> Priced | None:
    """The rate of a timesheet line: of the version in force on the day worked, or of the first
    later one that has a rate for it."""
    fact = billing.hours[line]
    for plan in versions_for(billing, fact.plan, fact.on, frozen):
        found: Rate | None = time.rate(plan, fact) if isinstance(plan, TimePlan) else None
        if found is not None:
            label = fact.person if found.person else fact.role if found.role else ""
            return Priced(found.price.amount, label)
    return None


def _milestone(billing: BillingState, key: str, frozen: Freeze | None) -> Entitlement | None:
    name = keys.plan_of(key)
    item, on = billing.contract.milestone(name), billing.reached.get(name)
    return Entitlement(item.amount.amount, Decimal(1), on) if item and on else None


def _deposit(billing: BillingState, key: str, frozen: Freeze | None) -> Entitlement | None:
    deposit, on = billing.contract.deposit, billing.deposit_on
    return Entitlement(deposit.amount.amount, Decimal(1), on) if deposit and on else None


def _termination(billing: BillingState, key: str, frozen: Freeze | None) -> Entitlement | None:
    end, fee = billing.early_end, billing.contract.termination.fee
    if end is None or not end.fee or fee is None:
        return None
    return Entitlement(fee.amount, Decimal(1), end.on)


def _hours(billing: BillingState, key: str, frozen: Freeze | None) -> Entitlement | None:
    plan, line = keys.plan_of(key), int(keys.rest_of(key))
    fact = billing.hours.get(line)
    if fact is None or fact.plan != plan or not is_alive(billing, plan):
        return None
    period = period_of(billing, plan, fact.on)
    if period is None or not isinstance(latest(billing, plan), TimePlan):
        return None
    priced = price_of_hours(billing, line, frozen) if fact.hours else Priced(ZERO, "")
    amount = None if priced is None else fact.hours * priced.price
    return Entitlement(amount, fact.hours, after(period))


def _expense(billing: BillingState, key: str, frozen: Freeze | None) -> Entitlement | None:
    plan, number = keys.plan_of(key), int(keys.rest_of(key))
    fact = billing.expenses.get(number)
    if fact is None or fact.plan != plan or not is_alive(billing, plan):
        return None
    period = period_of(billing, plan, fact.on)
    terms = terms_for(billing, plan, fact.on, frozen)
    if period is None or not isinstance(terms, ExpensePlan):
        return None
    amount = rounded(fact.cost * markup_of(terms), billing.contract.currency)
    return Entitlement(amount, fact.cost, after(period))


def _service_credit(billing: BillingState, key: str, frozen: Freeze | None) -> Entitlement | None:
    credit = billing.service_credits.get(key)
    return Entitlement(-credit.amount, Decimal(1), credit.on) if credit else None


_SINGLE: dict[str, Callable[[BillingState, str, Freeze | None], Entitlement | None]] = {
    keys.MILESTONE: _milestone,
    keys.DEPOSIT: _deposit,
    keys.TERMINATION: _termination,
    keys.HOURS: _hours,
    keys.EXPENSE: _expense,
    keys.SERVICE_CREDIT: _service_credit,
}


# --- by period --------------------------------------------------------------------------------


def of_periods(
    billing: BillingState,
    plan: str,
    today: date,
    sums: Sums,
    frozen: Callable[[str], Freeze | None],
) -> dict[str, Entitlement]:
    """Every fee, overage or usage of a plan that is due by a day."""
    found: dict[str, Entitlement] = {}
    folded = billing.folded.get(plan)
    for kind in tracks_of(latest(billing, plan)) if is_alive(billing, plan) else ():
        advance = in_advance(latest(billing, plan), kind)
        carried = folded.carried if folded else ZERO
        for period in periods_until(billing, plan, today, in_advance=advance):
            first = period.period.first
            key = keys.by_period(kind, plan, first)
            terms = terms_for(billing, plan, first, frozen(key))
            due = first if advance else after(period)
            quantity = sums.get(first, ZERO)
            if isinstance(terms, UsagePlan):
                amount = usage.amount_of(terms, period, quantity, billing.contract.currency)
                found[key] = Entitlement(amount, quantity, due)
            elif isinstance(terms, RetainerPlan) and kind == keys.FEE:
                days = Decimal(period.period.days)
                found[key] = Entitlement(retainers.fee_of(terms, period), days, due)
            elif isinstance(terms, RetainerPlan):
                count = retainers.count_hours(terms, period, quantity, carried)
                carried, price = count.carried_out, retainers.overage_price_on(terms, first)
                if price is not None and count.overage > 0:
                    found[key] = Entitlement(count.overage * price.amount, count.overage, due)
    return found

"""Entitlements: what the terms and the facts give a right to bill, under each base key.

Nothing here looks at what is billed, but for the version of the terms that a key is frozen at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from contracts.billing import keys, retainers, time, usage
from contracts.billing.expenses import markup_of
from contracts.billing.lines import rounded
from contracts.billing.state import BillingState, Freeze
from contracts.billing.terms import PlanTerms
from contracts.model import ExpensePlan, RetainerPlan, TimePlan, UsagePlan
from contracts.money import Money

ZERO = Decimal(0)
_ONE = Decimal(1)


class Entitlement(NamedTuple):
    """What may be billed of a key, in all. `amount` is None where no rate fits."""

    amount: Decimal | None
    measure: Decimal
    due_on: date


class Priced(NamedTuple):
    """The rate of an hour; `label` is the person or the role that the rate is for."""

    price: Decimal
    label: str


def of_fact(
    state: BillingState, plans: Mapping[str, PlanTerms], key: str, frozen: Freeze | None
) -> Entitlement | None:
    """The entitlement of a key that depends on one fact; None if there is no such fact."""
    of_plan = _OF_PLAN.get(keys.kind_of(key))
    if of_plan is not None:
        terms = plans.get(keys.plan_of(key))
        if terms is None or not terms.is_alive:
            return None
        return of_plan(state, terms, int(keys.rest_of(key)), frozen)
    amount, on = _owed_once(state, key)
    return Entitlement(amount.amount, _ONE, on) if amount and on else None


def price_of_hours(
    state: BillingState, terms: PlanTerms, line: int, frozen: Freeze | None
) -> Priced | None:
    """The rate of a timesheet line: of the version in force on the day worked, or of the first
    later one that has a rate for it."""
    fact = state.hours[line]
    for plan in terms.versions_on(fact.on, frozen):
        found = time.rate(plan, fact) if isinstance(plan, TimePlan) else None
        if found is not None:
            label = fact.person if found.person else fact.role if found.role else ""
            return Priced(found.price.amount, label)
    return None


def _owed_once(state: BillingState, key: str) -> tuple[Money | None, date | None]:
    """What is owed once under a key, and the day since when; a part is None if it is not."""
    contract, kind, end = state.contract, keys.kind_of(key), state.early_end
    if kind == keys.MILESTONE:
        item = contract.milestone(keys.plan_of(key))
        return item.amount if item else None, state.reached.get(keys.plan_of(key))
    if kind == keys.DEPOSIT:
        return contract.deposit.amount if contract.deposit else None, state.deposit_on
    if kind == keys.TERMINATION:
        return contract.termination.fee, end.on if end and end.fee else None
    credit = state.service_credits.get(key)
    if credit is None:
        return None, None
    return Money.exact(-credit.amount, contract.currency), credit.on


def _hours(
    state: BillingState, terms: PlanTerms, line: int, frozen: Freeze | None
) -> Entitlement | None:
    fact = state.hours.get(line)
    if fact is None or fact.plan != terms.key or not isinstance(terms.latest, TimePlan):
        return None
    period = terms.period_of(fact.on)
    if period is None:
        return None
    priced = price_of_hours(state, terms, line, frozen) if fact.hours else Priced(ZERO, "")
    amount = None if priced is None else fact.hours * priced.price
    return Entitlement(amount, fact.hours, period.closes_on)


def _expense(
    state: BillingState, terms: PlanTerms, number: int, frozen: Freeze | None
) -> Entitlement | None:
    fact = state.expenses.get(number)
    if fact is None or fact.plan != terms.key:
        return None
    period, plan = terms.period_of(fact.on), terms.version_on(fact.on, frozen)
    if period is None or not isinstance(plan, ExpensePlan):
        return None
    amount = rounded(fact.cost * markup_of(plan), state.contract.currency)
    return Entitlement(amount, fact.cost, period.closes_on)


_OF_PLAN: dict[str, Callable[[BillingState, PlanTerms, int, Freeze | None], Entitlement | None]] = {
    keys.HOURS: _hours,
    keys.EXPENSE: _expense,
}


# --- by period --------------------------------------------------------------------------------


def of_periods(
    terms: PlanTerms,
    today: date,
    sums: Mapping[date, Decimal],
    frozen: Callable[[str], Freeze | None],
    currency: str,
) -> dict[str, Entitlement]:
    """Every fee, overage or usage of a plan that is due by a day. `sums` are its hours or units by
    the first day of their period."""
    found: dict[str, Entitlement] = {}
    for kind in terms.kinds if terms.is_alive else ():
        advance = terms.in_advance(kind)
        carried = terms.folded.carried if terms.folded else ZERO
        for period in terms.periods_until(today, in_advance=advance):
            first = period.period.first
            key = keys.by_period(kind, terms.key, first)
            plan = terms.version_on(first, frozen(key))
            due = first if advance else period.closes_on
            quantity = sums.get(first, ZERO)
            if isinstance(plan, UsagePlan):
                amount = usage.amount_of(plan, period, quantity, currency)
                found[key] = Entitlement(amount, quantity, due)
            elif isinstance(plan, RetainerPlan) and kind == keys.FEE:
                days = Decimal(period.period.days)
                found[key] = Entitlement(retainers.fee_of(plan, period), days, due)
            elif isinstance(plan, RetainerPlan):
                count = retainers.count_hours(plan, period, quantity, carried)
                carried, price = count.carried_out, retainers.overage_price_on(plan, first)
                if price is not None and count.overage > 0:
                    found[key] = Entitlement(count.overage * price.amount, count.overage, due)
    return found

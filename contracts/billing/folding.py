"""Folding: periods that are long over and settled become sums, so that the state stays small.

The parts of a folded key become parts of one key of its plan on the same lines, so every sum stays
what it was. A later fact for a folded period is refused (usage) or left out (hours, expenses).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from contracts.billing import keys
from contracts.billing.entitlements import ZERO
from contracts.billing.index import Index, changed, index_of
from contracts.billing.lines import ONE, Line
from contracts.billing.retainers import count_hours
from contracts.billing.state import BillingState, Folded, Invoice, Part
from contracts.billing.terms import DAY, latest, period_of, periods_until, terms_for
from contracts.model import RetainerPlan

LATEST_FACT = timedelta(days=400)
"""How long after a period its facts may still change."""


def fold(billing: BillingState, today: date) -> BillingState:
    """The state with the periods that are long over and settled as sums; itself if none is."""
    index = index_of(billing, today)
    until = {plan: _foldable(billing, index, plan, today - LATEST_FACT) for plan in billing.plans}
    ends = {plan: day for plan, day in until.items() if day is not None}
    if not ends:
        return billing
    gone = {key for key in _by_period(billing, index) if _is_until(billing, index, key, ends)}
    invoices = {n: _folded(item, gone) for n, item in billing.invoices.items()}
    lines = {n for n, f in billing.hours.items() if _is_old(billing, f.plan, f.on, ends)}
    spent = {n for n, f in billing.expenses.items() if _is_old(billing, f.plan, f.on, ends)}
    folded = dict(billing.folded)
    for plan, day in ends.items():
        mine = {n for n in lines if billing.hours[n].plan == plan}
        cost = {n for n in spent if billing.expenses[n].plan == plan}
        folded[plan] = _summed(billing, index, plan, day, mine, cost)
    usage, empty = dict(billing.usage), dict(billing.empty)
    for plan, day in ends.items():
        records = usage.get(plan, {}).items()
        usage |= {plan: {name: item for name, item in records if item.on > day}} if records else {}
        for track, days in billing.empty.items():
            if track.partition(":")[0] == plan:
                empty[track] = tuple(item for item in days if item > day)
    return changed(
        billing,
        None,
        invoices=invoices,
        hours={n: fact for n, fact in billing.hours.items() if n not in lines},
        expenses={n: fact for n, fact in billing.expenses.items() if n not in spent},
        usage=usage,
        empty=empty,
        folded=folded,
    )


def _foldable(billing: BillingState, index: Index, plan: str, latest_day: date) -> date | None:
    """The last day of the latest period of a plan that folds now, with all before it."""
    last: date | None = None
    by_end: dict[date, list[str]] = {}
    for key in _by_period(billing, index):
        if keys.plan_of(key) == plan:
            by_end.setdefault(_end_of(billing, index, key) or date.max, []).append(key)
    for period in periods_until(billing, plan, latest_day + DAY, in_advance=False):
        end = period.period.last
        if end > latest_day:
            break
        found = [key for day, items in by_end.items() if day <= end for key in items]
        if any(not _is_settled(billing, index, key) for key in found):
            break
        last = end
    return last if last != billing.folded_until(plan) else None


def _is_settled(billing: BillingState, index: Index, key: str) -> bool:
    """Whether nothing is to be billed of a key, on its way, or held back of it."""
    account = index.account(key)
    if key in index.differences or account.open:
        return False
    if keys.kind_of(key) != keys.HOURS or not account.first:
        return True
    invoice = billing.invoices[account.first]
    return invoice.released or not invoice.retainage_percent


def _by_period(billing: BillingState, index: Index) -> Iterable[str]:
    every = {**index.entitled, **index.accounts}
    return [key for key in every if keys.kind_of(key) in keys.BY_PERIOD]


def _end_of(billing: BillingState, index: Index, key: str) -> date | None:
    """The last day of the period that a key is of; of one without a fact, of its first bill."""
    kind, plan = keys.kind_of(key), keys.plan_of(key)
    if kind in keys.OF_PERIODS:
        day = keys.day_of(key)
    elif kind == keys.HOURS and (fact := billing.hours.get(int(keys.rest_of(key)))):
        day = fact.on
    elif kind == keys.EXPENSE and (spent := billing.expenses.get(int(keys.rest_of(key)))):
        day = spent.on
    else:
        first = index.account(key).first or max(index.invoices_of.get(key, (0,)))
        if first not in billing.invoices:
            return None
        day = billing.invoices[first].due_on - DAY
    period = period_of(billing, plan, day)
    return period.period.last if period else None


def _is_until(billing: BillingState, index: Index, key: str, ends: dict[str, date]) -> bool:
    plan = keys.plan_of(key)
    end = _end_of(billing, index, key) if plan in ends else None
    return end is not None and end <= ends[plan]


def _is_old(billing: BillingState, plan: str, on: date, ends: dict[str, date]) -> bool:
    period = period_of(billing, plan, on) if plan in ends else None
    return period is not None and period.period.last <= ends[plan]


def _summed(
    billing: BillingState, index: Index, plan: str, until: date, lines: set[int], spent: set[int]
) -> Folded:
    before = billing.folded.get(plan, Folded(until=until))
    used, carried = before.used, before.carried
    for key, entitled in index.entitled.items():
        if keys.kind_of(key) == keys.USAGE and keys.plan_of(key) == plan:
            used += (entitled.amount or ZERO) if keys.day_of(key) <= until else ZERO
    if isinstance(latest(billing, plan), RetainerPlan):
        sums = index.sums.get(plan, {})
        for period in periods_until(billing, plan, until + DAY, in_advance=False):
            first = period.period.first
            key = keys.by_period(keys.OVERAGE, plan, first)
            terms = terms_for(billing, plan, first, index.account(key).frozen)
            if isinstance(terms, RetainerPlan) and period.period.last <= until:
                carried = count_hours(terms, period, sums.get(first, ZERO), carried).carried_out
    return Folded(
        until=until,
        carried=carried,
        used=used,
        lines=tuple(sorted({*before.lines, *lines})),
        expenses=tuple(sorted({*before.expenses, *spent})),
    )


def _folded(invoice: Invoice, gone: set[str]) -> Invoice:
    """The invoice with the parts of keys that are gone as one part a line and plan; once all of
    its parts are, with one line for each line of the order."""
    if not any(key in gone for key in invoice.by_key):
        return invoice
    kept = _merged(
        part._replace(key=f"{keys.SETTLED}:{keys.plan_of(part.key)}") if part.key in gone else part
        for part in invoice.parts
    )
    settled = all(keys.kind_of(part.key) in keys.POTS for part in kept)
    new = invoice.model_copy(update={"parts": kept})
    return _short(new) if settled and not invoice.is_open else new


def _merged(parts: Iterable[Part]) -> tuple[Part, ...]:
    """One part for each line and key."""
    found: dict[tuple[int, str], Part] = {}
    for part in parts:
        known = found.get((part.line, part.key), Part(part.line, part.key, ZERO, ZERO))
        sums = (known.amount + part.amount, known.measure + part.measure)
        found[part.line, part.key] = Part(part.line, part.key, *sums)
    return tuple(found.values())


def _short(invoice: Invoice) -> Invoice:
    """One line for each line of the order, with the same sums."""
    merged: dict[str, Line] = {}
    positions: dict[int, int] = {}
    for position, line in enumerate(invoice.lines):
        known = merged.get(line.order_line)
        positions[position] = list({**merged, line.order_line: line}).index(line.order_line)
        amount = line.amount + known.amount if known else line.amount
        quantity = line.quantity + known.quantity if known else line.quantity
        price = abs(amount.amount / quantity) if quantity else amount.amount
        update = {"quantity": quantity, "unit_price": price.quantize(ONE), "amount": amount}
        merged[line.order_line] = (known or line).model_copy(update=update)
    parts = _merged(p._replace(line=positions.get(p.line, p.line)) for p in invoice.parts)
    lines = tuple(merged.values())
    return invoice.model_copy(update={"lines": lines, "parts": parts, "is_folded": True})

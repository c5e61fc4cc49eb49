"""Folding: periods that are long over and settled become sums, so that the state stays small.

The parts of a folded key become parts of one key of its plan on the same lines, so every sum stays
what it was. A later fact for a folded period is refused (usage) or left out (hours, expenses).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from contracts.billing import keys
from contracts.billing.entitlements import ZERO
from contracts.billing.ledger import Ledger
from contracts.billing.lines import ONE, Line
from contracts.billing.periods import DAY
from contracts.billing.posting import changed, ledger_of
from contracts.billing.retainers import count_hours
from contracts.billing.state import BillingState, Folded, Hours, Invoice, Part, Spent
from contracts.billing.terms import LATEST_FACT
from contracts.model import RetainerPlan


def fold(billing: BillingState, today: date) -> BillingState:
    """The state with the periods that are long over and settled as sums; itself if none is."""
    ledger = ledger_of(billing, today)
    by_plan = _ends_of_keys(ledger)
    ends: dict[str, date] = {}
    for plan, found in by_plan.items():
        end = _foldable(ledger, plan, found, today - LATEST_FACT)
        if end is not None and end != billing.folded_until(plan):
            ends[plan] = end
    if not ends:
        return billing
    gone = {key for plan, day in ends.items() for key, end in by_plan[plan].items() if end <= day}
    lines = {n for n, fact in billing.hours.items() if _is_old(ledger, fact, ends)}
    spent = {n for n, fact in billing.expenses.items() if _is_old(ledger, fact, ends)}
    usage = {
        plan: {n: item for n, item in records.items() if item.on > ends.get(plan, date.min)}
        for plan, records in billing.usage.items()
    }
    empty = {
        track: tuple(day for day in days if day > ends.get(track.partition(":")[0], date.min))
        for track, days in billing.empty.items()
    }
    sums = {plan: _summed(ledger, plan, day, lines, spent) for plan, day in ends.items()}
    return changed(
        billing,
        invoices={n: _folded(item, gone) for n, item in billing.invoices.items()},
        hours={n: fact for n, fact in billing.hours.items() if n not in lines},
        expenses={n: fact for n, fact in billing.expenses.items() if n not in spent},
        usage=usage,
        empty=empty,
        folded={**billing.folded, **sums},
    )


def _ends_of_keys(ledger: Ledger) -> dict[str, dict[str, date]]:
    """By plan, what it bills by period, with the last day of the period that each key is of; the
    end of the calendar for one whose day is unknown."""
    found: dict[str, dict[str, date]] = {plan: {} for plan in ledger.index.terms}
    for key in {**ledger.entitled, **ledger.accounts}:
        if keys.kind_of(key) in keys.BY_PERIOD:
            plan, day = keys.plan_of(key), _day_of(ledger, key)
            period = ledger.terms(plan).period_of(day) if day else None
            found[plan][key] = period.period.last if period else date.max
    return found


def _day_of(ledger: Ledger, key: str) -> date | None:
    """The day that a key is of; of one without a fact, the last of what its first bill was for."""
    kind, state = keys.kind_of(key), ledger.state
    if kind in keys.OF_PERIODS:
        return keys.day_of(key)
    facts = state.hours if kind == keys.HOURS else state.expenses
    fact = facts.get(int(keys.rest_of(key)))
    if fact is not None:
        return fact.on
    number = ledger.account(key).first or max(ledger.index.invoices_of.get(key, (0,)))
    invoice = state.invoices.get(number)
    return invoice.due_on - DAY if invoice else None


def _foldable(ledger: Ledger, plan: str, ends_of: dict[str, date], latest_day: date) -> date | None:
    """The last day of the latest period of a plan that folds now, with all before it."""
    left = [end for key, end in ends_of.items() if not _is_settled(ledger, key)]
    first_left = min(left, default=date.max)
    last: date | None = None
    for period in ledger.terms(plan).periods_until(latest_day + DAY, in_advance=False):
        if period.period.last >= first_left:
            break
        last = period.period.last
    return last


def _is_settled(ledger: Ledger, key: str) -> bool:
    """Whether nothing is to be billed of a key, on its way, or held back of it."""
    account = ledger.account(key)
    if key in ledger.differences or account.open:
        return False
    if keys.kind_of(key) != keys.HOURS or not account.first:
        return True
    invoice = ledger.state.invoices[account.first]
    return invoice.released or not invoice.retainage_percent


def _is_old(ledger: Ledger, fact: Hours | Spent, ends: dict[str, date]) -> bool:
    """Whether a fact is of a period that is folded now."""
    period = ledger.terms(fact.plan).period_of(fact.on) if fact.plan in ends else None
    return period is not None and period.period.last <= ends[fact.plan]


def _summed(ledger: Ledger, plan: str, until: date, lines: set[int], spent: set[int]) -> Folded:
    state, terms = ledger.state, ledger.terms(plan)
    before = state.folded.get(plan, Folded(until=until))
    used, carried, sums = before.used, before.carried, ledger.index.sums.get(plan, {})
    prefix = f"{keys.USAGE}:{plan}:"
    for key, entitled in ledger.entitled.items():
        if key.startswith(prefix) and keys.day_of(key) <= until:
            used += entitled.amount or ZERO
    for period in terms.periods_until(until + DAY, in_advance=False):
        first = period.period.first
        frozen = ledger.account(keys.by_period(keys.OVERAGE, plan, first)).frozen
        version = terms.version_on(first, frozen)
        if isinstance(version, RetainerPlan):
            carried = count_hours(version, period, sums.get(first, ZERO), carried).carried_out
    mine = {n for n in lines if state.hours[n].plan == plan}
    cost = {n for n in spent if state.expenses[n].plan == plan}
    return Folded(
        until=until,
        carried=carried,
        used=used,
        lines=tuple(sorted({*before.lines, *mine})),
        expenses=tuple(sorted({*before.expenses, *cost})),
    )


# --- invoices -----------------------------------------------------------------------------------


def _folded(invoice: Invoice, gone: set[str]) -> Invoice:
    """The invoice with the parts of keys that are gone as one part a line and plan; once all of
    its parts are, with one line for each line of the order."""
    if not any(key in gone for key in invoice.by_key):
        return invoice
    parts = _merged(
        part._replace(key=f"{keys.SETTLED}:{keys.plan_of(part.key)}") if part.key in gone else part
        for part in invoice.parts
    )
    settled = all(keys.kind_of(part.key) in keys.POTS for part in parts)
    new = invoice.model_copy(update={"parts": parts})
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
    for line in invoice.lines:
        known = merged.get(line.order_line)
        amount = line.amount + known.amount if known else line.amount
        quantity = line.quantity + known.quantity if known else line.quantity
        price = abs(amount.amount / quantity) if quantity else amount.amount
        fields = {"quantity": quantity, "unit_price": price.quantize(ONE), "amount": amount}
        merged[line.order_line] = (known or line).model_copy(update=fields)
    names = list(merged)
    positions = {at: names.index(line.order_line) for at, line in enumerate(invoice.lines)}
    parts = _merged(p._replace(line=positions.get(p.line, p.line)) for p in invoice.parts)
    short = {"lines": tuple(merged.values()), "parts": parts, "is_folded": True}
    return invoice.model_copy(update=short)

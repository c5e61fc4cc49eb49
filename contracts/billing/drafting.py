"""The lines of differences: what a customer reads, and the parts each line is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from contracts.billing import keys, usage
from contracts.billing.drafts import Draft, Piece, at_price, of_amount, of_measure, once, plain
from contracts.billing.entitlements import ZERO, price_of_hours
from contracts.billing.ledger import Ledger
from contracts.billing.lines import ONE, QUANTITY_UNIT, rounded
from contracts.billing.periods import DAY, Period
from contracts.model import UsagePlan


def milestone(ledger: Ledger, key: str) -> Draft:
    name, before = keys.plan_of(key), ledger.account(key).amount
    item = ledger.state.contract.milestone(name)
    text = titled(ledger, item.name if item else name)
    if before:
        text += f", corrected from {ledger.money(before)}"
    return _owed_once(ledger, name, text, key)


def deposit(ledger: Ledger) -> Draft:
    return _owed_once(ledger, keys.DEPOSIT, titled(ledger, "Down payment"), keys.DEPOSIT)


def waiting(ledger: Ledger, key: str) -> Draft:
    """A fee given back, a service credit, or the fee of an early end."""
    if key == keys.TERMINATION:
        return _owed_once(ledger, keys.TERMINATION, "Fee for ending the contract early", key)
    if keys.kind_of(key) == keys.FEE:
        return _fee(ledger, key)
    credit, plan = ledger.state.service_credits.get(key), keys.plan_of(key)
    note = f"service credit: {credit.reason}" if credit and credit.reason else "service credit"
    return _owed_once(ledger, plan, f"{_name(ledger, plan)}, {note}", key)


def _owed_once(ledger: Ledger, order_line: str, text: str, key: str) -> Draft:
    """What is owed once, or given back."""
    change = ledger.change(key)
    return of_amount(ledger, order_line, text, key, change, ONE.copy_sign(change))


def commitment(ledger: Ledger, plan: str, amount: Decimal) -> Draft:
    terms = ledger.terms(plan).latest
    least = terms.commitment if isinstance(terms, UsagePlan) else None
    note = f"up to the commitment of {least}" if least else "without the commitment"
    text = f"{_name(ledger, plan)}, {note}"
    return of_amount(ledger, plan, text, keys.commitment(plan), amount, ONE)


def room_left(ledger: Ledger, plan: str, amount: Decimal) -> Draft:
    """What a cap leaves to bill after all of what was cut off before."""
    text = f"{_name(ledger, plan)}, cut off before, within the cap now"
    return of_amount(ledger, plan, text, keys.cap(plan), amount)


def titled(ledger: Ledger, text: str) -> str:
    return f"{ledger.state.contract.title} – {text}"


def _name(ledger: Ledger, plan: str) -> str:
    return ledger.state.contract.service(ledger.terms(plan).latest.service).description


# --- what plans bill by period ------------------------------------------------------------------


def plan_lines(ledger: Ledger, plan: str, wanted: Iterable[str]) -> list[Draft]:
    """The lines of a plan's keys: fees, hours, overage, usage, expenses, in that order."""
    by_kind: dict[str, list[str]] = {}
    for key in wanted:
        by_kind.setdefault(keys.kind_of(key), []).append(key)
    drafts: list[Draft] = []
    for kind in keys.BY_PERIOD:
        found = sorted(by_kind.get(kind, ()), key=_in_order)
        if kind == keys.HOURS:
            drafts += _hours(ledger, plan, found)
        elif kind == keys.USAGE:
            # What is new comes before what corrects earlier periods.
            found.sort(key=lambda key: not _is_rated(ledger, key))
            drafts += [line for key in found for line in _usage(ledger, key)]
        else:
            drafts += [_WRITERS[kind](ledger, key) for key in found]
    return drafts


def _in_order(key: str) -> tuple[int, str]:
    rest = keys.rest_of(key)
    return (int(rest), "") if rest.lstrip("-").isdecimal() else (0, rest)


def _text(ledger: Ledger, key: str) -> str:
    """The plan's name, and the period that a key is of."""
    plan = keys.plan_of(key)
    period = ledger.terms(plan).period_of(keys.day_of(key))
    return f"{_name(ledger, plan)}, {period.note if period else keys.rest_of(key)}"


def _fee(ledger: Ledger, key: str) -> Draft:
    plan, before, change = keys.plan_of(key), ledger.account(key), ledger.change(key)
    days, first = ledger.measure(key) - before.measure, keys.day_of(key)
    if before.amount and change < 0 and days < 0:
        billed = Period(first, first + DAY * (int(before.measure) - 1))
        text = f"{_name(ledger, plan)}, {billed.name}, {-days:f} of {billed.days} days not used"
    else:
        text = _text(ledger, key)
        text += f", corrected from {ledger.money(before.amount)}" if before.amount else ""
    return of_amount(ledger, plan, text, key, change, days)


def _overage(ledger: Ledger, key: str) -> Draft:
    text = f"{_text(ledger, key)}: hours beyond the included ones"
    before, now = ledger.account(key).measure, ledger.measure(key)
    if before:
        text += f", {before:.2f} h corrected to {now:.2f} h"
    return of_measure(ledger, keys.plan_of(key), text, key)


def _expense(ledger: Ledger, key: str) -> Draft:
    before, now = ledger.account(key), ledger.measure(key)
    fact = ledger.state.expenses.get(int(keys.rest_of(key)))
    text = fact.text if fact else f"Expense {keys.rest_of(key)}, withdrawn"
    if before.measure or before.amount:
        was = ledger.money(before.measure)
        text += f": cost corrected from {was} to {ledger.money(now)}"
    change = ledger.change(key)
    return of_amount(ledger, keys.plan_of(key), text, key, change, now - before.measure)


_WRITERS = {keys.FEE: _fee, keys.OVERAGE: _overage, keys.EXPENSE: _expense}


def _usage(ledger: Ledger, key: str) -> list[Draft]:
    """A line for each tier used, and one for what is missing to the period's minimum; or one for
    what is corrected."""
    plan, before, change = keys.plan_of(key), ledger.account(key).measure, ledger.change(key)
    now, text, terms = ledger.measure(key), _text(ledger, key), _usage_terms(ledger, key)
    unit = terms.unit if terms else ""
    if terms is None or not _is_rated(ledger, key):
        quantities = f"{usage.as_text(before)} to {usage.as_text(now)}"
        text = f"{text}: corrected from {quantities} {unit}"
        return [of_amount(ledger, plan, text, key, change, now - before)]
    drafts: list[Draft] = []
    for units, price in usage.rated(terms, now):
        tier = f"{text}: {usage.as_text(units)} {unit} at {usage.as_text(price)}"
        exact = rounded(units * price, ledger.currency)
        pieces = (Piece(key, exact, units),)
        shown = units.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
        if shown >= QUANTITY_UNIT and rounded(shown * price, ledger.currency) == exact:
            drafts.append(Draft(plan, tier, shown, plain(price), exact, pieces))
        else:
            # Finer than Odoo's quantities: the text says how many, the amount is exact.
            drafts.append(once(plan, tier, exact, pieces))
        change -= exact
    if change:
        drafts.append(once(plan, f"{text}: up to the minimum", change, [Piece(key, change)]))
    return drafts


def _usage_terms(ledger: Ledger, key: str) -> UsagePlan | None:
    terms, frozen = ledger.terms(keys.plan_of(key)), ledger.account(key).frozen
    found = terms.version_on(keys.day_of(key), frozen)
    return found if isinstance(found, UsagePlan) else None


def _is_rated(ledger: Ledger, key: str) -> bool:
    """Whether a period of usage is billed whole, for the first time."""
    before = ledger.account(key).measure
    return not before and _is_whole(ledger, key) and _usage_terms(ledger, key) is not None


def _is_whole(ledger: Ledger, key: str) -> bool:
    """Whether all that a key is entitled to is billed now."""
    entitled = ledger.entitled.get(key)
    return entitled is not None and ledger.change(key) == entitled.amount


def _hours(ledger: Ledger, plan: str, found: Sequence[str]) -> list[Draft]:
    """A line for each correction; new hours are grouped by price and person or role."""
    corrections: list[Draft] = []
    groups: dict[tuple[str, Decimal], list[str]] = {}
    terms = ledger.terms(plan)
    for key in found:
        before = ledger.account(key)
        if before.amount or before.measure or not _is_whole(ledger, key):
            corrections.append(_corrected_hours(ledger, plan, key))
            continue
        priced = price_of_hours(ledger.state, terms, int(keys.rest_of(key)), before.frozen)
        if priced is not None:
            groups.setdefault((priced.label, priced.price), []).append(key)
    grouped = sorted(groups.items())
    return [*corrections, *(_group(ledger, plan, *of, own) for of, own in grouped)]


def _group(ledger: Ledger, plan: str, label: str, price: Decimal, own: list[str]) -> Draft:
    facts = [ledger.state.hours[int(keys.rest_of(key))] for key in own]
    days = [fact.on for fact in facts]
    worked, name = Period(min(days), max(days)).name, _name(ledger, plan)
    text = f"{name} - {label}, {worked}" if label else f"{name}, {worked}"
    pairs = zip(own, facts, strict=True)
    pieces = [Piece(key, fact.hours * price, fact.hours) for key, fact in pairs]
    return at_price(ledger, plan, text, sum((f.hours for f in facts), ZERO), price, pieces)


def _corrected_hours(ledger: Ledger, plan: str, key: str) -> Draft:
    line, before, now = int(keys.rest_of(key)), ledger.account(key).measure, ledger.measure(key)
    fact = ledger.state.hours.get(line)
    if fact is None or fact.plan != plan:
        note = f"timesheet line {line} of {before:.2f} h removed"
    elif now == before:
        note = f"{fact.person}, {fact.on}, {now:.2f} h priced anew"
    else:
        note = f"{fact.person}, {fact.on}, {before:.2f} h corrected to {now:.2f} h"
    return of_measure(ledger, plan, f"{_name(ledger, plan)} - {note}", key)

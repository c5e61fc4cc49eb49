"""The lines of differences: what a customer reads, and the parts each line is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from contracts.billing import keys, usage
from contracts.billing.entitlements import ZERO, price_of_hours
from contracts.billing.index import Index
from contracts.billing.lines import ONE, PRICE_UNIT, QUANTITY_UNIT, rounded
from contracts.billing.periods import Period
from contracts.billing.state import BillingState
from contracts.billing.terms import DAY, latest, period_of, terms_for
from contracts.model import UsagePlan
from contracts.money import Money

Piece = tuple[str, Decimal, Decimal]
"""A key, and the amount and measure that a line bills of it."""


class Draft(NamedTuple):
    """A line before it is numbered. Its amount is rounded; the pieces add up to it. `is_new` says
    that its keys were never billed before."""

    order_line: str
    text: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    pieces: tuple[Piece, ...]
    is_new: bool = True
    service: str = ""


class Drafter:
    """Writes the lines of one contract's differences."""

    def __init__(self, billing: BillingState, index: Index) -> None:
        self.billing, self.index = billing, index
        self.currency = billing.contract.currency

    def plan_lines(self, plan: str, wanted: Iterable[str]) -> list[Draft]:
        """The lines of a plan's keys: fees, hours, overage, usage, expenses, in that order."""
        by_kind: dict[str, list[str]] = {}
        for key in wanted:
            by_kind.setdefault(keys.kind_of(key), []).append(key)
        drafts: list[Draft] = []
        for kind in keys.BY_PERIOD:
            found = sorted(by_kind.get(kind, ()), key=_in_order)
            if kind == keys.HOURS:
                drafts += self._hours(plan, found)
            elif kind == keys.USAGE:
                lines = [line for key in found for line in self._usage(plan, key)]
                # What is new comes before what corrects earlier periods.
                drafts += sorted(lines, key=lambda line: not line.is_new)
            else:
                drafts += [_WRITERS[kind](self, plan, key) for key in found]
        return drafts

    def milestone(self, key: str) -> Draft:
        name = keys.plan_of(key)
        item = self.billing.contract.milestone(name)
        before, change = self.index.account(key), self._change(key)
        text = f"{self.billing.contract.title} – {item.name if item else name}"
        if before.amount:
            text += f", corrected from {self._money(before.amount)}"
        return self._of_amount(name, text, key, change, _sign(change))

    def deposit(self) -> Draft:
        text = f"{self.billing.contract.title} – Down payment"
        change = self._change(keys.DEPOSIT)
        return self._of_amount(keys.DEPOSIT, text, keys.DEPOSIT, change, _sign(change))

    def termination(self, key: str) -> Draft:
        text = "Fee for ending the contract early"
        change = self._change(key)
        return self._of_amount(keys.TERMINATION, text, key, change, _sign(change))

    def service_credit(self, key: str) -> Draft:
        credit = self.billing.service_credits.get(key)
        note = f"service credit: {credit.reason}" if credit and credit.reason else "service credit"
        plan, change = keys.plan_of(key), self._change(key)
        return self._of_amount(plan, f"{self._name(plan)}, {note}", key, change, _sign(change))

    def commitment(self, plan: str, amount: Decimal) -> Draft:
        terms = latest(self.billing, plan)
        least = terms.commitment if isinstance(terms, UsagePlan) else None
        key = f"{keys.COMMITMENT}:{plan}"
        note = f"up to the commitment of {least}" if least else "without the commitment"
        return self._of_amount(plan, f"{self._name(plan)}, {note}", key, amount, ONE)

    def retainage(self, number: int, amount: Decimal, percent: Decimal) -> Draft:
        text = f"Retainage of {percent:f} % held back"
        if self.index.account(keys.retainage(number)).amount:
            text += ", corrected"
        return self._of_amount(keys.RETAINAGE, text, keys.retainage(number), amount, ZERO)

    def release(self, number: int, amount: Decimal) -> Draft:
        text = f"{self.billing.contract.title} – Retainage released"
        return self._of_amount(keys.RETAINAGE, text, keys.retainage(number), amount, ZERO)

    def deduction(self, text: str, amount: Decimal, share: Decimal) -> Draft:
        """A deduction of the deposit, shown as its share of the deposit."""
        text = f"{self.billing.contract.title} – {text}"
        piece = (keys.DEDUCTED, amount, share)
        return self.shown_as(keys.DEPOSIT, text, amount, share, (piece,))

    def room(self, plan: str, amount: Decimal) -> Draft:
        """What a cap leaves to bill after all of what was cut off before."""
        text = f"{self._name(plan)}, cut off before, within the cap now"
        return self._of_amount(plan, text, f"{keys.CAP}:{plan}", amount, ZERO)

    # --- by period ----------------------------------------------------------------------------

    def _fee(self, plan: str, key: str) -> Draft:
        entitled, before = self.index.entitled.get(key), self.index.account(key)
        change, first = self._change(key), keys.day_of(key)
        now = entitled.measure if entitled else ZERO
        days = now - before.measure
        period = period_of(self.billing, plan, first)
        if before.amount and change < 0 and days < 0:
            billed = Period(first=first, last=first + DAY * (int(before.measure) - 1))
            note = f"{billed.name}, {-days:f} of {billed.days} days not used"
        else:
            note = period.note if period else f"{first}"
            note += f", corrected from {self._money(before.amount)}" if before.amount else ""
        text = f"{self._name(plan)}, {note}"
        return self._of_amount(plan, text, key, change, days, is_new=not before.amount)

    def _overage(self, plan: str, key: str) -> Draft:
        entitled, before = self.index.entitled.get(key), self.index.account(key)
        period = period_of(self.billing, plan, keys.day_of(key))
        note = period.note if period else keys.rest_of(key)
        text = f"{self._name(plan)}, {note}: hours beyond the included ones"
        now = entitled.measure if entitled else ZERO
        if before.measure:
            text += f", {before.measure:.2f} h corrected to {now:.2f} h"
        return self._of_measure(plan, text, key, now)

    def _expense(self, plan: str, key: str) -> Draft:
        entitled, before = self.index.entitled.get(key), self.index.account(key)
        fact = self.billing.expenses.get(int(keys.rest_of(key)))
        text = fact.text if fact else f"Expense {keys.rest_of(key)}, withdrawn"
        now = entitled.measure if entitled else ZERO
        if before.measure or before.amount:
            was = self._money(before.measure)
            text += f": cost corrected from {was} to {self._money(now)}"
        change = self._change(key)
        is_new = not before.amount
        return self._of_amount(plan, text, key, change, now - before.measure, is_new=is_new)

    def _usage(self, plan: str, key: str) -> list[Draft]:
        entitled, before = self.index.entitled.get(key), self.index.account(key)
        first, change = keys.day_of(key), self._change(key)
        period = period_of(self.billing, plan, first)
        terms = terms_for(self.billing, plan, first, before.frozen)
        now = entitled.measure if entitled else ZERO
        unit = terms.unit if isinstance(terms, UsagePlan) else ""
        whole = entitled is not None and change == entitled.amount
        if isinstance(terms, UsagePlan) and period and whole and not before.measure:
            return self._tiers(plan, terms, key, period.note, now, change)
        note = f"{period.note if period else first}: corrected from {usage.as_text(before.measure)}"
        text = f"{self._name(plan)}, {note} to {usage.as_text(now)} {unit}"
        return [self._of_amount(plan, text, key, change, now - before.measure, is_new=False)]

    def _tiers(
        self, plan: str, terms: UsagePlan, key: str, note: str, quantity: Decimal, amount: Decimal
    ) -> list[Draft]:
        """A line for each tier used, and one for what is missing to the period's minimum."""
        drafts: list[Draft] = []
        name, left = self._name(plan), amount
        for units, price in usage.rated(terms, quantity):
            text = f"{name}, {note}: {usage.as_text(units)} {terms.unit} at {usage.as_text(price)}"
            exact = rounded(units * price, self.currency)
            pieces = ((key, exact, units),)
            shown = units.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
            if shown >= QUANTITY_UNIT and rounded(shown * price, self.currency) == exact:
                drafts.append(Draft(plan, text, shown, _plain(price), exact, pieces))
            else:
                # Finer than Odoo's quantities: the text says how many, the amount is exact.
                drafts.append(self.shown_as(plan, text, exact, ONE, pieces))
            left -= exact
        if left:
            text = f"{name}, {note}: up to the minimum"
            drafts.append(self.shown_as(plan, text, left, ONE, ((key, left, ZERO),)))
        return drafts

    # --- hours --------------------------------------------------------------------------------

    def _hours(self, plan: str, found: Sequence[str]) -> list[Draft]:
        """A line for each correction; new hours are grouped by price and person or role."""
        corrections: list[Draft] = []
        groups: dict[tuple[str, Decimal], list[str]] = {}
        for key in found:
            entitled, before = self.index.entitled.get(key), self.index.account(key)
            is_whole = entitled is not None and self._change(key) == entitled.amount
            if before.amount or before.measure or not is_whole:
                corrections.append(self._corrected_hours(plan, key))
                continue
            priced = price_of_hours(self.billing, int(keys.rest_of(key)), before.frozen)
            if priced is not None:
                groups.setdefault((priced.label, priced.price), []).append(key)
        new = [self._group(plan, *group, lines) for group, lines in sorted(groups.items())]
        return [*corrections, *new]

    def _group(self, plan: str, label: str, price: Decimal, found: list[str]) -> Draft:
        facts = [self.billing.hours[int(keys.rest_of(key))] for key in found]
        days = [fact.on for fact in facts]
        worked = Period(first=min(days), last=max(days)).name
        name = self._name(plan)
        text = f"{name} - {label}, {worked}" if label else f"{name}, {worked}"
        pieces = [
            (key, fact.hours * price, fact.hours) for key, fact in zip(found, facts, strict=True)
        ]
        hours = sum((fact.hours for fact in facts), ZERO)
        return self._at_price(plan, text, hours, price, pieces, is_new=True)

    def _corrected_hours(self, plan: str, key: str) -> Draft:
        line, before = int(keys.rest_of(key)), self.index.account(key)
        entitled, fact = self.index.entitled.get(key), self.billing.hours.get(line)
        now = entitled.measure if entitled else ZERO
        if fact is None or fact.plan != plan:
            note = f"timesheet line {line} of {before.measure:.2f} h removed"
        else:
            who = f"{fact.person}, {fact.on}"
            note = f"{who}, {before.measure:.2f} h corrected to {now:.2f} h"
            if now == before.measure:
                note = f"{who}, {now:.2f} h priced anew"
        return self._of_measure(plan, f"{self._name(plan)} - {note}", key, now)

    # --- shapes -------------------------------------------------------------------------------

    def _change(self, key: str) -> Decimal:
        return self.index.differences.get(key) or ZERO

    def _of_amount(
        self,
        order_line: str,
        text: str,
        key: str,
        amount: Decimal,
        measure: Decimal,
        *,
        is_new: bool = True,
    ) -> Draft:
        """A line of an exact amount, as quantity 1."""
        draft = self.shown_as(order_line, text, rounded(amount, self.currency), ONE, ())
        return self._whole(draft._replace(is_new=is_new), [(key, amount, measure)])

    def _of_measure(self, plan: str, text: str, key: str, now: Decimal) -> Draft:
        """The change of a key that has a price an hour; as an amount, if the price changed too."""
        before, change = self.index.account(key), self._change(key)
        hours = now - before.measure
        piece = (key, change, hours)
        is_new = not before.amount
        if hours:
            price = (change / hours).quantize(PRICE_UNIT)
            if price >= 0 and price * hours == change:
                return self._at_price(plan, text, hours, price, [piece], is_new=is_new)
        return self._of_amount(plan, text, key, change, hours, is_new=is_new)

    def _at_price(
        self,
        plan: str,
        text: str,
        quantity: Decimal,
        price: Decimal,
        pieces: list[Piece],
        *,
        is_new: bool,
    ) -> Draft:
        shown = quantity.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
        amount = rounded(shown * price, self.currency)
        draft = Draft(plan, text, shown, _plain(price), amount, (), is_new)
        return self._whole(draft, pieces)

    def _whole(self, draft: Draft, pieces: list[Piece]) -> Draft:
        """The draft with its pieces, and one for what rounding added."""
        added = draft.amount - sum((amount for _, amount, _ in pieces), ZERO)
        if added:
            pieces = [*pieces, (f"{keys.ROUNDING}:{draft.order_line}", added, ZERO)]
        return draft._replace(pieces=tuple(pieces))

    def shown_as(
        self,
        order_line: str,
        text: str,
        amount: Decimal,
        share: Decimal,
        pieces: tuple[Piece, ...],
    ) -> Draft:
        """An amount as a quantity of up to two decimals, with the amount's sign (but for a share,
        which has its own)."""
        quantity = share if share != ONE else ONE.copy_sign(amount or ONE)
        price = (amount / quantity).quantize(PRICE_UNIT)
        return Draft(order_line, text, quantity, _plain(price), amount, pieces)

    def _name(self, plan: str) -> str:
        return self.billing.contract.service(latest(self.billing, plan).service).description

    def _money(self, amount: Decimal) -> Money:
        return Money(rounded(amount, self.currency), self.currency)


_WRITERS = {
    keys.FEE: Drafter._fee,
    keys.OVERAGE: Drafter._overage,
    keys.EXPENSE: Drafter._expense,
}


def smaller(draft: Draft, by: Decimal, cap: str, why: str, drafter: Drafter) -> Draft:
    """The draft nearer to zero by an amount that the cap takes."""
    amount = draft.amount - by if draft.amount > 0 else draft.amount + by
    shown = drafter.shown_as(draft.order_line, f"{draft.text}, {why}", amount, ONE, ())
    pieces = (*draft.pieces, (cap, amount - draft.amount, ZERO))
    return shown._replace(pieces=pieces, is_new=draft.is_new)


def _in_order(key: str) -> tuple[int, str]:
    rest = keys.rest_of(key)
    return (int(rest), "") if rest.lstrip("-").isdecimal() else (0, rest)


def _sign(amount: Decimal) -> Decimal:
    return ONE.copy_sign(amount)


def _plain(number: Decimal) -> Decimal:
    """Without an exponent: 1E+3 and 1000 must give the same text, and so the same hash."""
    return Decimal(f"{number.normalize():f}")

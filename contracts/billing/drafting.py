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
from contracts.billing.state import NO_LINE, BillingState, Invoice
from contracts.billing.terms import DAY, latest, period_of, terms_for
from contracts.model import UsagePlan
from contracts.money import Money

Piece = tuple[str, Decimal, Decimal]
"""A key, and the amount and measure that a line bills of it."""


class Draft(NamedTuple):
    """A line before it is numbered. Its amount is rounded; the pieces add up to it."""

    order_line: str
    text: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    pieces: tuple[Piece, ...]
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
                # What is new comes before what corrects earlier periods.
                found.sort(key=lambda key: not self._is_rated(plan, key))
                drafts += [line for key in found for line in self._usage(plan, key)]
            else:
                drafts += [_WRITERS[kind](self, plan, key) for key in found]
        return drafts

    def milestone(self, key: str) -> Draft:
        name, before = keys.plan_of(key), self.index.account(key)
        item = self.billing.contract.milestone(name)
        text = f"{self.billing.contract.title} – {item.name if item else name}"
        if before.amount:
            text += f", corrected from {self._money(before.amount)}"
        return self._once(name, text, key)

    def deposit(self) -> Draft:
        text = f"{self.billing.contract.title} – Down payment"
        return self._once(keys.DEPOSIT, text, keys.DEPOSIT)

    def waiting(self, key: str) -> Draft:
        """A fee given back, a service credit, or the fee of an early end."""
        if key == keys.TERMINATION:
            return self._once(keys.TERMINATION, "Fee for ending the contract early", key)
        credit, plan = self.billing.service_credits.get(key), keys.plan_of(key)
        if keys.kind_of(key) == keys.FEE:
            return self._fee(plan, key)
        note = f"service credit: {credit.reason}" if credit and credit.reason else "service credit"
        return self._once(plan, f"{self._name(plan)}, {note}", key)

    def _once(self, order_line: str, text: str, key: str) -> Draft:
        """What is owed once, or given back."""
        change = self._change(key)
        return self._of_amount(order_line, text, key, change, ONE.copy_sign(change))

    def commitment(self, plan: str, amount: Decimal) -> Draft:
        terms = latest(self.billing, plan)
        least = terms.commitment if isinstance(terms, UsagePlan) else None
        note = f"up to the commitment of {least}" if least else "without the commitment"
        key = f"{keys.COMMITMENT}:{plan}"
        return self._of_amount(plan, f"{self._name(plan)}, {note}", key, amount, ONE)

    def retainage(self, number: int, amount: Decimal, percent: Decimal) -> Draft:
        key, text = keys.retainage(number), f"Retainage of {percent:f} % held back"
        if self.index.account(key).amount:
            text += ", corrected"
        return self._of_amount(keys.RETAINAGE, text, key, amount, ZERO)

    def releases(self, key: str, invoice: Invoice) -> list[Draft]:
        """What an invoice holds back under a key, line by line with the opposite sign."""
        text, drafts = f"{self.billing.contract.title} – Retainage released", []
        for part in invoice.parts:
            if part.key == key and part.line != NO_LINE:
                line, piece = invoice.lines[part.line], (key, -part.amount, ZERO)
                # Lines of a folded invoice hold more than one part.
                share = -line.quantity if line.amount.amount == part.amount else ONE
                drafts.append(self.shown_as(keys.RETAINAGE, text, -part.amount, share, (piece,)))
        return drafts

    def deduction(self, text: str, amount: Decimal, share: Decimal) -> Draft:
        """A deduction of the deposit, shown as its share of the deposit."""
        text = f"{self.billing.contract.title} – {text}"
        return self.shown_as(keys.DEPOSIT, text, amount, share, ((keys.DEDUCTED, amount, share),))

    def room(self, plan: str, amount: Decimal) -> Draft:
        """What a cap leaves to bill after all of what was cut off before."""
        text = f"{self._name(plan)}, cut off before, within the cap now"
        return self._of_amount(plan, text, f"{keys.CAP}:{plan}", amount, ZERO)

    # --- by period ----------------------------------------------------------------------------

    def _fee(self, plan: str, key: str) -> Draft:
        before, change, first = self.index.account(key), self._change(key), keys.day_of(key)
        days = self._now(key) - before.measure
        if before.amount and change < 0 and days < 0:
            billed = Period(first=first, last=first + DAY * (int(before.measure) - 1))
            note = f"{billed.name}, {-days:f} of {billed.days} days not used"
        else:
            note = self._note(plan, key)
            note += f", corrected from {self._money(before.amount)}" if before.amount else ""
        return self._of_amount(plan, f"{self._name(plan)}, {note}", key, change, days)

    def _overage(self, plan: str, key: str) -> Draft:
        text = f"{self._name(plan)}, {self._note(plan, key)}: hours beyond the included ones"
        before, now = self.index.account(key).measure, self._now(key)
        if before:
            text += f", {before:.2f} h corrected to {now:.2f} h"
        return self._of_measure(plan, text, key)

    def _expense(self, plan: str, key: str) -> Draft:
        before, now = self.index.account(key), self._now(key)
        fact = self.billing.expenses.get(int(keys.rest_of(key)))
        text = fact.text if fact else f"Expense {keys.rest_of(key)}, withdrawn"
        if before.measure or before.amount:
            was = self._money(before.measure)
            text += f": cost corrected from {was} to {self._money(now)}"
        return self._of_amount(plan, text, key, self._change(key), now - before.measure)

    def _usage(self, plan: str, key: str) -> list[Draft]:
        """A line for each tier used, and one for what is missing to the period's minimum; or one
        for what is corrected."""
        before, change, now = self.index.account(key), self._change(key), self._now(key)
        terms = terms_for(self.billing, plan, keys.day_of(key), before.frozen)
        name, note = self._name(plan), self._note(plan, key)
        unit = terms.unit if isinstance(terms, UsagePlan) else ""
        if not isinstance(terms, UsagePlan) or not self._is_rated(plan, key):
            quantities = f"{usage.as_text(before.measure)} to {usage.as_text(now)}"
            text = f"{name}, {note}: corrected from {quantities} {unit}"
            return [self._of_amount(plan, text, key, change, now - before.measure)]
        drafts: list[Draft] = []
        for units, price in usage.rated(terms, now):
            text = f"{name}, {note}: {usage.as_text(units)} {unit} at {usage.as_text(price)}"
            exact = rounded(units * price, self.currency)
            pieces = ((key, exact, units),)
            shown = units.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
            if shown >= QUANTITY_UNIT and rounded(shown * price, self.currency) == exact:
                drafts.append(Draft(plan, text, shown, _plain(price), exact, pieces))
            else:
                # Finer than Odoo's quantities: the text says how many, the amount is exact.
                drafts.append(self.shown_as(plan, text, exact, ONE, pieces))
            change -= exact
        if change:
            text = f"{name}, {note}: up to the minimum"
            drafts.append(self.shown_as(plan, text, change, ONE, ((key, change, ZERO),)))
        return drafts

    def _is_rated(self, plan: str, key: str) -> bool:
        """Whether a period of usage is billed whole, for the first time."""
        before = self.index.account(key)
        terms = terms_for(self.billing, plan, keys.day_of(key), before.frozen)
        return isinstance(terms, UsagePlan) and not before.measure and self._is_whole(key)

    # --- hours --------------------------------------------------------------------------------

    def _hours(self, plan: str, found: Sequence[str]) -> list[Draft]:
        """A line for each correction; new hours are grouped by price and person or role."""
        corrections: list[Draft] = []
        groups: dict[tuple[str, Decimal], list[str]] = {}
        for key in found:
            before = self.index.account(key)
            if before.amount or before.measure or not self._is_whole(key):
                corrections.append(self._corrected_hours(plan, key))
                continue
            priced = price_of_hours(self.billing, int(keys.rest_of(key)), before.frozen)
            if priced is not None:
                groups.setdefault((priced.label, priced.price), []).append(key)
        return [*corrections, *(self._group(plan, *group) for group in sorted(groups.items()))]

    def _group(self, plan: str, priced: tuple[str, Decimal], found: list[str]) -> Draft:
        label, price = priced
        facts = [self.billing.hours[int(keys.rest_of(key))] for key in found]
        days = [fact.on for fact in facts]
        worked, name = Period(first=min(days), last=max(days)).name, self._name(plan)
        text = f"{name} - {label}, {worked}" if label else f"{name}, {worked}"
        pairs = zip(found, facts, strict=True)
        pieces = [(key, fact.hours * price, fact.hours) for key, fact in pairs]
        hours = sum((fact.hours for fact in facts), ZERO)
        return self._at_price(plan, text, hours, price, pieces)

    def _corrected_hours(self, plan: str, key: str) -> Draft:
        line, before, now = int(keys.rest_of(key)), self.index.account(key), self._now(key)
        fact = self.billing.hours.get(line)
        if fact is None or fact.plan != plan:
            note = f"timesheet line {line} of {before.measure:.2f} h removed"
        elif now == before.measure:
            note = f"{fact.person}, {fact.on}, {now:.2f} h priced anew"
        else:
            note = f"{fact.person}, {fact.on}, {before.measure:.2f} h corrected to {now:.2f} h"
        return self._of_measure(plan, f"{self._name(plan)} - {note}", key)

    # --- shapes -------------------------------------------------------------------------------

    def _change(self, key: str) -> Decimal:
        return self.index.differences.get(key) or ZERO

    def _now(self, key: str) -> Decimal:
        """The measure that a key is entitled to."""
        entitled = self.index.entitled.get(key)
        return entitled.measure if entitled else ZERO

    def _is_whole(self, key: str) -> bool:
        """Whether all that a key is entitled to is billed now."""
        entitled = self.index.entitled.get(key)
        return entitled is not None and self._change(key) == entitled.amount

    def _note(self, plan: str, key: str) -> str:
        """The name of the period that a key is of."""
        period = period_of(self.billing, plan, keys.day_of(key))
        return period.note if period else keys.rest_of(key)

    def _of_amount(
        self, order_line: str, text: str, key: str, amount: Decimal, measure: Decimal
    ) -> Draft:
        """A line of an exact amount, as quantity 1."""
        draft = self.shown_as(order_line, text, rounded(amount, self.currency), ONE, ())
        return self._whole(draft, [(key, amount, measure)])

    def _of_measure(self, plan: str, text: str, key: str) -> Draft:
        """The change of a key that has a price an hour; as an amount, if the price changed too."""
        change, hours = self._change(key), self._now(key) - self.index.account(key).measure
        price = (change / hours).quantize(PRICE_UNIT) if hours else ZERO
        if hours and price >= 0 and price * hours == change:
            return self._at_price(plan, text, hours, price, [(key, change, hours)])
        return self._of_amount(plan, text, key, change, hours)

    def _at_price(
        self, plan: str, text: str, quantity: Decimal, price: Decimal, pieces: list[Piece]
    ) -> Draft:
        shown = quantity.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
        amount = rounded(shown * price, self.currency)
        return self._whole(Draft(plan, text, shown, _plain(price), amount, ()), pieces)

    def _whole(self, draft: Draft, pieces: list[Piece]) -> Draft:
        """The draft with its pieces, and one for what rounding added."""
        added = draft.amount - sum((amount for _, amount, _ in pieces), ZERO)
        if added:
            pieces = [*pieces, (f"{keys.ROUNDING}:{draft.order_line}", added, ZERO)]
        return draft._replace(pieces=tuple(pieces))

    def shown_as(
        self, order_line: str, text: str, amount: Decimal, share: Decimal, pieces: tuple[Piece, ...]
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
    return shown._replace(pieces=(*draft.pieces, (cap, amount - draft.amount, ZERO)))


def _in_order(key: str) -> tuple[int, str]:
    rest = keys.rest_of(key)
    return (int(rest), "") if rest.lstrip("-").isdecimal() else (0, rest)


def _plain(number: Decimal) -> Decimal:
    """Without an exponent: 1E+3 and 1000 must give the same text, and so the same hash."""
    return Decimal(f"{number.normalize():f}")

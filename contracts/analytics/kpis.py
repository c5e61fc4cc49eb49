"""Key figures of a legal entity, from sums and counts alone: nothing is kept of a single contract.

Durations are whole days, so that how often each came about is enough for an exact median.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal

from contracts.analytics.contract import ContractFacts
from contracts.analytics.invoices import ZERO, PostedInvoice, month_of
from contracts.analytics.tables import CycleTimes, Kpis
from contracts.analytics.work import fitted, months_until

DSO_DAYS = 90
"""What is open is set against what was billed in so many days."""

PROJECT, STAFFED = "signature_to_project", "signature_to_staffed"
INVOICE, CASH = "earned_to_invoice", "invoice_to_cash"
WAITING = {
    "exceptions_open": frozenset({"exception", "credentials"}),
    "approvals_open": frozenset({"approval"}),
}
"""What is open for people, by what lists say a contract or an invoice waits on."""


def duration(contract: str, measure: str, subject: str, began: date, ended: date) -> CycleTimes:
    """How long something took."""
    return CycleTimes(
        contract=contract,
        measure=measure,
        subject=subject,
        began_on=began,
        ended_on=ended,
        month=month_of(ended),
        days=max((ended - began).days, 0),
    )


def of_contract(
    facts: ContractFacts, invoiced_on: Mapping[int, date], until: date
) -> list[CycleTimes]:
    """How long it took a contract to be set up, to be staffed, and to bill what was earned, of what
    was done by a day; `invoiced_on` are the dates of its invoices, by their ids in Odoo."""
    name, signed = facts.contract_id, facts.signed_on
    found = [
        duration(name, measure, "", signed, day)
        for measure, day in ((PROJECT, facts.provisioned_on), (STAFFED, facts.staffed_on))
        if day is not None
    ]
    found += [
        duration(name, INVOICE, item.title, item.earned_on, invoiced_on[item.invoice_id])
        for item in facts.earned
        if item.invoice_id in invoiced_on
    ]
    return [row for row in found if row.ended_on <= until]


def of_invoice(invoice: PostedInvoice) -> list[CycleTimes]:
    """How long it took from an invoice's date until nothing of it was open any more; of those that
    were only credited or written off, nothing."""
    paid = invoice.paid_on
    if paid is None or invoice.is_credit_note:
        return []
    return [duration(invoice.contract, CASH, invoice.number, invoice.invoiced_on, paid)]


class Tally:
    """Counts what the key figures are made of; `kpis` gives them, of the last thirteen months."""

    def __init__(self, day: date) -> None:
        self._day = day
        self._months = frozenset(months_until(day))
        self._days: dict[tuple[str, date], Counter[int]] = defaultdict(Counter)
        self._waits: dict[str, Counter[int]] = defaultdict(Counter)
        self._ended: dict[date, list[int]] = defaultdict(lambda: [0, 0])
        self._open: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self._billed: dict[str, Decimal] = defaultdict(lambda: ZERO)
        self._invoices: Counter[str] = Counter()

    def took(self, item: CycleTimes) -> None:
        if item.month in self._months:
            self._days[item.measure, item.month][item.days] += 1

    def ended(self, on: date, *, touchless: bool) -> None:
        """A contract was closed or cancelled on a day."""
        if on <= self._day and month_of(on) in self._months:
            counts = self._ended[month_of(on)]
            counts[0] += touchless
            counts[1] += 1

    def waits(self, what: str, since: date) -> None:
        """An exception or an approval is open since a day."""
        self._waits[what][max((self._day - since).days, 0)] += 1

    def invoice(self, item: PostedInvoice) -> None:
        """For days sales outstanding: what is open, and what was billed lately, with tax."""
        self._open[item.currency] += sum((part.open for part in item.parts), ZERO)
        if item.invoiced_on > self._day - timedelta(days=DSO_DAYS):
            self._billed[item.currency] += item.total
            self._invoices[item.currency] += 1

    def kpis(self) -> Iterator[Kpis]:
        for (measure, month), counts in sorted(self._days.items()):
            name = f"{measure}_days"
            yield Kpis(name, month, None, fitted(median(counts)), counts.total())
        now = month_of(self._day)
        for what, counts in sorted(self._waits.items()):
            yield Kpis(f"{what}_days", now, None, fitted(median(counts)), counts.total())
        for currency, billed in sorted(self._billed.items()):
            if billed > 0:
                days = dso(self._open[currency], billed)
                yield Kpis("dso_days", now, currency, days, self._invoices[currency])
        for month, (touchless, ended) in sorted(self._ended.items()):
            share = fitted(Decimal(touchless) / ended)
            yield Kpis("touchless_share", month, None, share, ended)


def dso(open_amount: Decimal, billed: Decimal) -> Decimal:
    """Days sales outstanding: how many days of what was billed in the last ninety are open."""
    return fitted(open_amount / billed * DSO_DAYS)


def median(counts: Counter[int]) -> Decimal:
    """The median of numbers, by how often each comes about; there is at least one."""
    total = counts.total()
    lower, upper = (total - 1) // 2, total // 2
    seen = 0
    found: list[int] = []
    for number in sorted(counts):
        seen += counts[number]
        while len(found) < 2 and seen > (lower, upper)[len(found)]:
            found.append(number)
    return Decimal(sum(found)) / 2

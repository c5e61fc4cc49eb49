"""Who owes what: open parts of posted invoices by how late they are, and what is agreed of them.

A row is an open part of an invoice (with instalments an invoice has several), or of a credit note,
whose amount is negative. Amounts include tax; those of several currencies are never added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from contracts.analytics import invoices
from contracts.analytics.invoices import PostedInvoice
from contracts.identifiers import legal_entity_of
from contracts.money import Money

BUCKETS = (*(name for _, name in invoices.BUCKETS), invoices.OLDEST)
"""How late a part may be, in days: the columns of the aging."""


class Standing(StrEnum):
    """What of the open parts one looks for. But for the first two it is what the invoice waits on:
    one that is disputed and held waits on its dispute."""

    OVERDUE = "overdue"
    NOT_DUE = "not_due"
    DISPUTED = "disputed"
    PROMISED = "promised"
    HELD = "held"
    UNDELIVERED = "undelivered"

    @property
    def words(self) -> str:
        return "not delivered" if self is Standing.UNDELIVERED else self.value.replace("_", " ")


AGREED = {"dispute": Standing.DISPUTED, "promise": Standing.PROMISED, "hold": Standing.HELD}
"""By what lists say that an invoice waits on."""


@dataclass(frozen=True)
class Receivable:
    """An open part. `number` is the invoice's in Odoo; `standings` are all that it is."""

    workflow_id: str
    customer: str
    number: str
    due_on: date
    days_late: int
    bucket: str
    open: Money
    standings: frozenset[Standing] = frozenset()

    @property
    def legal_entity(self) -> str:
        return legal_entity_of(self.workflow_id)


@dataclass(frozen=True)
class Sum:
    """How many parts, and what they come to."""

    count: int
    amount: Money


@dataclass(frozen=True)
class Aging:
    """What is open in one currency, by bucket; one without an open part is not in it."""

    currency: str
    buckets: Mapping[str, Sum]
    total: Sum


def open_parts(invoice: PostedInvoice, day: date) -> list[Receivable]:
    """The open parts of an invoice on a day."""
    return [
        Receivable(
            workflow_id=invoice.workflow_id,
            customer=row.customer,
            number=row.invoice,
            due_on=row.due_on,
            days_late=row.days_late,
            bucket=row.bucket,
            open=Money(row.open, row.currency),
            standings=frozenset({Standing.OVERDUE if row.days_late else Standing.NOT_DUE}),
        )
        for row in invoices.aging(invoice, day)
    ]


def with_agreed(rows: Iterable[Receivable], agreed: Mapping[str, Standing]) -> Iterator[Receivable]:
    """The rows with what is agreed of each, by the invoice's workflow. A credit note that people
    made in Odoo has the workflow of its invoice, and is not what that is."""
    for row in rows:
        found = agreed.get(row.workflow_id)
        if found is None or not row.open.is_positive:
            yield row
        else:
            yield replace(row, standings=row.standings | {found})


def chosen(
    rows: Iterable[Receivable],
    *,
    standing: Standing | None = None,
    bucket: str = "",
    currency: str = "",
    customer: str = "",
) -> list[Receivable]:
    """Those that are meant, the longest overdue first; what is left empty does not narrow.
    `customer` is a part of the name, whatever its case."""
    named = customer.strip().casefold()
    found = [
        row
        for row in rows
        if (standing is None or standing in row.standings)
        and (not bucket or row.bucket == bucket)
        and (not currency or row.open.currency == currency)
        and (not named or named in row.customer.casefold())
    ]
    return sorted(found, key=lambda row: (row.due_on, row.workflow_id, row.number))


def aging(rows: Iterable[Receivable]) -> list[Aging]:
    """The aging, a line for each currency."""
    by_currency: dict[str, list[Receivable]] = {}
    for row in rows:
        by_currency.setdefault(row.open.currency, []).append(row)
    return [
        Aging(
            currency,
            {
                bucket: _sum(these, currency)
                for bucket in BUCKETS
                if (these := [row for row in found if row.bucket == bucket])
            },
            _sum(found, currency),
        )
        for currency, found in sorted(by_currency.items())
    ]


def by_standing(rows: Iterable[Receivable]) -> dict[Standing, list[Sum]]:
    """What is overdue, disputed and so on: of each as many sums as there are currencies."""
    found = list(rows)
    return {
        standing: [line.total for line in aging(chosen(found, standing=standing))]
        for standing in Standing
    }


def _sum(rows: list[Receivable], currency: str) -> Sum:
    return Sum(len(rows), Money.total((row.open for row in rows), currency))

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
from contracts.views.agreed import AgreedCard

BUCKETS = (*(name for _, name in invoices.BUCKETS), invoices.OLDEST)
"""How late a part may be, in days: the columns of the aging."""


class Standing(StrEnum):
    """What of the open parts one looks for; one part may be several of these."""

    OVERDUE = "overdue"
    NOT_DUE = "not_due"
    DISPUTED = "disputed"
    PROMISED = "promised"
    NEW_DATE = "new_date"
    HELD = "held"
    UNDELIVERED = "undelivered"

    @property
    def words(self) -> str:
        return _WORDS.get(self) or self.value.replace("_", " ")


_WORDS = {Standing.UNDELIVERED: "not delivered", Standing.NEW_DATE: "new due date"}


@dataclass(frozen=True)
class Agreed:
    """What an invoice is beside overdue or not due. `on` is the day that counts for people instead
    of Odoo's due date: promised, or agreed later."""

    standings: frozenset[Standing] = frozenset()
    on: date | None = None

    @classmethod
    def of(cls, card: AgreedCard, *, undelivered: bool = False) -> Agreed:
        found = {
            Standing.DISPUTED: card.disputed,
            Standing.PROMISED: card.promised_on is not None,
            Standing.NEW_DATE: card.revised_due_on is not None,
            Standing.HELD: card.held,
            Standing.UNDELIVERED: undelivered,
        }
        return cls(frozenset(item for item, is_so in found.items() if is_so), card.agreed_on)


@dataclass(frozen=True)
class OpenPart:
    """An open part. `number` is the invoice's in Odoo; `standings` are all that it is. It is aged
    by Odoo's due date, as the books are; `agreed_on` is the day that people agreed on instead."""

    workflow_id: str
    customer: str
    number: str
    due_on: date
    days_late: int
    bucket: str
    open: Money
    standings: frozenset[Standing] = frozenset()
    agreed_on: date | None = None

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


def open_parts(invoice: PostedInvoice, day: date) -> list[OpenPart]:
    """The open parts of an invoice on a day."""
    return [
        OpenPart(
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


def with_agreed(rows: Iterable[OpenPart], agreed: Mapping[str, Agreed]) -> Iterator[OpenPart]:
    """The rows with what is agreed of each, by the invoice's workflow. A credit note that people
    made in Odoo has the workflow of its invoice, and is not what that is."""
    for row in rows:
        found = agreed.get(row.workflow_id)
        if found is None or not row.open.is_positive:
            yield row
        else:
            yield replace(row, standings=row.standings | found.standings, agreed_on=found.on)


def chosen(
    rows: Iterable[OpenPart],
    *,
    standing: Standing | None = None,
    bucket: str = "",
    currency: str = "",
    customer: str = "",
) -> list[OpenPart]:
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


def aging(rows: Iterable[OpenPart]) -> list[Aging]:
    """The aging, a line for each currency."""
    by_currency: dict[str, list[OpenPart]] = {}
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


def by_standing(rows: Iterable[OpenPart]) -> dict[Standing, list[Sum]]:
    """What is overdue, disputed and so on: of each as many sums as there are currencies."""
    found = list(rows)
    return {
        standing: [line.total for line in aging(chosen(found, standing=standing))]
        for standing in Standing
    }


def _sum(rows: list[OpenPart], currency: str) -> Sum:
    return Sum(len(rows), Money.total((row.open for row in rows), currency))

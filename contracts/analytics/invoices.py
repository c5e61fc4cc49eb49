"""What posted invoices come to: billed, collected, open by age, and when the open part is expected.

All of it goes by what Odoo has booked. Amounts of an invoice are positive, those of a credit note
negative, and what settles a part has the part's sign: so that what is billed (with tax) is what is
collected, adjusted and open, for each invoice and in any sum of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from statistics import median_high

from contracts.analytics.tables import Adjusted, Aging, Billed, Collected, Forecast, Margin

ZERO = Decimal(0)
BUCKETS = ((0, "not due"), (30, "1-30"), (60, "31-60"), (90, "61-90"))
OLDEST = "over 90"
LATEST_PARTS = 20
"""How many of a customer's latest payments say how late the customer pays."""


class How(StrEnum):
    """What settles a part. `write_off` is an entry of ours, `entry` any other that is no money."""

    PAYMENT = "payment"
    REFUND = "refund"
    CREDIT = "credit"
    WRITE_OFF = "write_off"
    ENTRY = "entry"


MONEY = frozenset({How.PAYMENT, How.REFUND})


@dataclass(frozen=True)
class Settlement:
    """Something that settles a part, or some of it, by a day."""

    how: How
    on: date
    amount: Decimal
    in_books: Decimal


@dataclass(frozen=True)
class Part:
    """What is due of an invoice on one day, and what settles it by the day of the export."""

    due_on: date
    amount: Decimal
    in_books: Decimal
    settlements: tuple[Settlement, ...] = ()

    @property
    def open(self) -> Decimal:
        return self.amount - sum((item.amount for item in self.settlements), ZERO)

    @property
    def open_in_books(self) -> Decimal:
        return self.in_books - sum((item.in_books for item in self.settlements), ZERO)


@dataclass(frozen=True)
class PostedInvoice:
    """A posted invoice or credit note of a contract, in its `currency` and as it is in the legal
    entity's books, which are in the currency `books`. `payer` is the customer's id in Odoo. What
    people made in Odoo has the `workflow_id` of the invoice that it credits."""

    contract: str
    project: str
    payer: int
    customer: str
    number: str
    is_credit_note: bool
    invoiced_on: date
    due_on: date | None
    untaxed: Decimal
    total: Decimal
    currency: str
    untaxed_in_books: Decimal
    books: str
    parts: tuple[Part, ...] = field(default=())
    workflow_id: str = ""

    @property
    def is_open(self) -> bool:
        return any(part.open for part in self.parts)

    @property
    def paid_on(self) -> date | None:
        """The day the last of it was settled; None while anything is open, and where no money came
        for it. Differences of exchange are booked later, and say nothing."""
        found = [item for part in self.parts for item in part.settlements if item.amount]
        if self.is_open or not any(item.how in MONEY for item in found):
            return None
        return max(item.on for item in found)


def month_of(day: date) -> date:
    """The first day of a day's month."""
    return day.replace(day=1)


def billed(invoice: PostedInvoice) -> Billed:
    """What an invoice bills."""
    return Billed(
        contract=invoice.contract,
        project=invoice.project,
        customer=invoice.customer,
        invoice=invoice.number,
        kind="credit_note" if invoice.is_credit_note else "invoice",
        invoiced_on=invoice.invoiced_on,
        month=month_of(invoice.invoiced_on),
        due_on=invoice.due_on,
        untaxed=invoice.untaxed,
        tax=invoice.total - invoice.untaxed,
        total=invoice.total,
        currency=invoice.currency,
        untaxed_in_books=invoice.untaxed_in_books,
        books=invoice.books,
    )


def revenue(invoice: PostedInvoice) -> Margin:
    """An invoice's share in the margin of its month: what it bills without tax, as booked."""
    return Margin(
        contract=invoice.contract,
        project=invoice.project,
        customer=invoice.customer,
        month=month_of(invoice.invoiced_on),
        part="revenue",
        amount=invoice.untaxed_in_books,
        books=invoice.books,
        hours=ZERO,
    )


def collected(invoice: PostedInvoice) -> list[Collected]:
    """The money that settles an invoice."""
    return [
        Collected(
            contract=invoice.contract,
            customer=invoice.customer,
            invoice=invoice.number,
            how=item.how,
            settled_on=item.on,
            month=month_of(item.on),
            amount=item.amount,
            currency=invoice.currency,
            in_books=item.in_books,
            books=invoice.books,
        )
        for item in _settlements(invoice)
        if item.how in MONEY
    ]


def adjusted(invoice: PostedInvoice) -> list[Adjusted]:
    """What settles an invoice and is no money; not what only differs by the exchange rate."""
    return [
        Adjusted(
            contract=invoice.contract,
            customer=invoice.customer,
            invoice=invoice.number,
            how=item.how,
            settled_on=item.on,
            month=month_of(item.on),
            amount=item.amount,
            currency=invoice.currency,
        )
        for item in _settlements(invoice)
        if item.how not in MONEY and item.amount
    ]


def _settlements(invoice: PostedInvoice) -> Iterator[Settlement]:
    for part in invoice.parts:
        yield from part.settlements


def aging(invoice: PostedInvoice, day: date) -> list[Aging]:
    """The open parts of an invoice, by how late they are on a day."""
    return [
        Aging(
            contract=invoice.contract,
            customer=invoice.customer,
            invoice=invoice.number,
            due_on=part.due_on,
            days_late=(late := max((day - part.due_on).days, 0)),
            bucket=bucket(late),
            open=part.open,
            currency=invoice.currency,
            in_books=part.open_in_books,
            books=invoice.books,
        )
        for part in invoice.parts
        if part.open
    ]


def bucket(days_late: int) -> str:
    """The bucket of a part that is so many days late."""
    return next((name for last, name in BUCKETS if days_late <= last), OLDEST)


def usual_delay(paid: Iterable[tuple[date, date]]) -> int:
    """How many days after the due date a customer pays: the median of the latest parts that were
    paid in full, each a due date and the day of its last payment; 0 where there are none. Who pays
    early has a delay below 0."""
    latest = sorted(paid, key=lambda item: item[1])[-LATEST_PARTS:]
    return median_high([(on - due).days for due, on in latest]) if latest else 0


def cash_in(invoice: PostedInvoice, delay: int, day: date) -> list[Forecast]:
    """The money that is expected for an invoice: the delay after each open part is due, and after
    the day of the export. What is open of a credit note is paid back, or set off, as it is due."""
    found = []
    for part in invoice.parts:
        if part.open:
            wait = timedelta(days=0 if invoice.is_credit_note else delay)
            on = max(part.due_on + wait, day + timedelta(days=1))
            found.append(
                Forecast(
                    contract=invoice.contract,
                    customer=invoice.customer,
                    what="cash_in",
                    subject=invoice.number,
                    expected_on=on,
                    month=month_of(on),
                    amount=part.open,
                    currency=invoice.currency,
                )
            )
    return found

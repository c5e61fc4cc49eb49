"""Billed, collected, adjusted and open, by hand-made figures."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.analytics.invoices import (
    ZERO,
    How,
    Part,
    PostedInvoice,
    Settlement,
    adjusted,
    aging,
    billed,
    bucket,
    cash_in,
    collected,
    revenue,
    usual_delay,
)

DAY = date(2026, 6, 30)
DUE = date(2026, 5, 1)


def euros(*amounts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, amounts))


def settled(how: How, amount: str, on: date = DUE, in_books: str = "") -> Settlement:
    return Settlement(how, on, Decimal(amount), Decimal(in_books or amount))


def part(amount: str, *settlements: Settlement, due: date = DUE, in_books: str = "") -> Part:
    return Part(due, Decimal(amount), Decimal(in_books or amount), settlements)


def invoice(*parts: Part, **changes: Any) -> PostedInvoice:
    """An invoice of 1,000.00 with 21 % tax; of dollars where they are named."""
    fields: dict[str, Any] = {
        "contract": "C-1",
        "project": "Roll-out",
        "payer": 7,
        "customer": "Acme",
        "number": "INV/2026/00001",
        "is_credit_note": False,
        "invoiced_on": date(2026, 4, 1),
        "due_on": DUE,
        "untaxed": Decimal("1000.00"),
        "total": Decimal("1210.00"),
        "currency": "EUR",
        "untaxed_in_books": Decimal("1000.00"),
        "books": "EUR",
        "parts": parts or (part("1210.00"),),
    }
    return PostedInvoice(**(fields | changes))


def credit_note(*parts: Part) -> PostedInvoice:
    amounts = {"untaxed": Decimal("-100.00"), "total": Decimal("-121.00")}
    return invoice(
        *parts, number="RINV/2026/00001", is_credit_note=True, **amounts,
        untaxed_in_books=Decimal("-100.00"),
    )  # fmt: skip


def test_what_is_billed_is_the_invoice_with_its_tax() -> None:
    row = billed(invoice())
    assert (row.kind, row.untaxed, row.tax, row.total) == ("invoice", *euros("1000", "210", "1210"))
    assert (row.month, row.project, row.customer) == (date(2026, 4, 1), "Roll-out", "Acme")
    note = billed(credit_note(part("-121.00")))
    assert (note.kind, note.untaxed, note.tax, note.total) == (
        "credit_note",
        *euros("-100", "-21", "-121"),
    )


def test_revenue_is_what_is_billed_without_tax_in_the_books_currency() -> None:
    row = revenue(invoice(currency="USD", untaxed_in_books=Decimal("909.09")))
    assert (row.part, row.amount, row.books, row.hours) == (
        "revenue",
        *euros("909.09"),
        "EUR",
        ZERO,
    )
    assert revenue(credit_note(part("-121.00"))).amount == -100


def test_money_is_collected_and_the_rest_adjusted_and_open() -> None:
    of = invoice(
        part(
            "1210.00",
            settled(How.PAYMENT, "500.00", date(2026, 5, 3)),
            settled(How.CREDIT, "121.00"),
            settled(How.WRITE_OFF, "9.00"),
            settled(How.ENTRY, "0.00", in_books="1.37"),  # a difference of exchange
        )
    )
    [row] = collected(of)
    assert (row.how, row.amount, row.settled_on) == ("payment", *euros("500"), date(2026, 5, 3))
    assert [(row.how, row.amount) for row in adjusted(of)] == [
        ("credit", *euros("121")),
        ("write_off", *euros("9")),
    ]
    [left] = aging(of, DAY)
    assert (left.open, left.days_late, left.bucket) == (*euros("580"), 60, "31-60")
    assert of.total == 500 + 121 + 9 + left.open
    assert left.in_books == Decimal("578.63")


def test_a_refund_counts_against_what_is_collected_and_credits_cancel_out() -> None:
    note = credit_note(
        part("-121.00", settled(How.CREDIT, "-60.00"), settled(How.REFUND, "-61.00"))
    )
    [refund] = collected(note)
    assert (refund.how, refund.amount) == ("refund", *euros("-61"))
    [credited] = adjusted(note)
    assert (credited.how, credited.amount) == ("credit", *euros("-60"))
    assert aging(note, DAY) == []


def test_an_open_credit_note_is_owed_to_the_customer() -> None:
    [row] = aging(credit_note(part("-121.00")), DAY)
    assert (row.open, row.bucket) == (*euros("-121"), "31-60")


@pytest.mark.parametrize(
    ("late", "name"),
    [
        *((0, "not due"), (1, "1-30"), (30, "1-30"), (31, "31-60"), (60, "31-60")),
        *((61, "61-90"), (90, "61-90"), (91, "over 90"), (4000, "over 90")),
    ],
)
def test_buckets_are_of_thirty_days(late: int, name: str) -> None:
    assert bucket(late) == name


def test_instalments_age_each_by_its_own_day() -> None:
    of = invoice(part("605.00", due=DUE), part("605.00", due=DAY + timedelta(days=30)))
    assert [(row.due_on, row.days_late, row.bucket) for row in aging(of, DAY)] == [
        (DUE, 60, "31-60"),
        (date(2026, 7, 30), 0, "not due"),
    ]


def test_an_invoice_is_paid_on_the_day_of_its_last_settlement() -> None:
    last = settled(How.PAYMENT, "1000.00", date(2026, 5, 9))
    assert invoice(part("1210.00", settled(How.CREDIT, "210.00"), last)).paid_on == last.on
    exchange = settled(How.ENTRY, "0.00", date(2026, 5, 31), in_books="1.37")
    assert invoice(part("1000.00", last, exchange)).paid_on == last.on
    assert invoice(part("1210.00", last)).paid_on is None
    assert invoice(part("1210.00", settled(How.CREDIT, "1210.00"))).paid_on is None


def test_a_usual_delay_is_the_median_of_the_latest_payments() -> None:
    def after(*delays: int) -> list[tuple[date, date]]:
        dues = (DUE + timedelta(days=n) for n in range(len(delays)))
        return [(due, due + timedelta(days=delay)) for due, delay in zip(dues, delays, strict=True)]

    assert usual_delay([]) == 0
    assert usual_delay(after(3)) == 3
    assert usual_delay(after(-4, 10, 2)) == 2
    # What was long ago counts no more.
    assert usual_delay(after(*[90] * 30, *[5] * 200)) == 5


def test_cash_is_expected_as_late_as_the_customer_usually_pays() -> None:
    ahead = invoice(part("1210.00", due=DAY + timedelta(days=10)))
    [row] = cash_in(ahead, 7, DAY)
    assert (row.what, row.subject, row.amount) == ("cash_in", ahead.number, *euros("1210"))
    assert (row.expected_on, row.month) == (date(2026, 7, 17), date(2026, 7, 1))
    [early] = cash_in(ahead, -3, DAY)
    assert early.expected_on == date(2026, 7, 7)
    [late] = cash_in(invoice(), 7, DAY)
    assert late.expected_on == date(2026, 7, 1)  # it was to come, and has not
    [back] = cash_in(credit_note(part("-121.00", due=date(2026, 8, 1))), 7, DAY)
    assert (back.expected_on, back.amount) == (date(2026, 8, 1), *euros("-121"))
    assert cash_in(invoice(part("1210.00", settled(How.PAYMENT, "1210.00"))), 7, DAY) == []

"""Figures over time and receivables, by hand-made numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.analytics.contract import EarnedInvoice, Position
from contracts.analytics.invoices import How
from contracts.figures import (
    BY_KEY,
    CASH_DAYS,
    FIGURES,
    MOST_CURRENCIES,
    MOST_DAYS,
    DayFigures,
    DayTally,
    Series,
)
from contracts.receivables import (
    BUCKETS,
    Agreed,
    Standing,
    aging,
    by_standing,
    chosen,
    open_parts,
    with_agreed,
)
from contracts.views.agreed import AgreedCard
from tests.unit.analytics.test_invoices import credit_note, invoice, part, settled
from tests.unit.analytics.test_kpis import told
from tests.unit.examples import euros

DAY = date(2026, 6, 30)
INVOICE = "contract/northwind/C-1/invoice/1"


def day(on: date, **numbers: str) -> DayFigures:
    return DayFigures(day=on, numbers={key: Decimal(text) for key, text in numbers.items()})


@given(st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 9)), max_size=40))
@settings(max_examples=60)
def test_a_series_has_each_day_once_in_order_whatever_the_order_of_arrival(
    measured: list[tuple[int, int]],
) -> None:
    series = Series()
    latest: dict[date, Decimal] = {}
    for after, number in measured:
        on = DAY + timedelta(days=after)
        latest[on] = Decimal(number)
        series = series.with_day(DayFigures(day=on, numbers={"touchless": Decimal(number)}))
    assert dict(zip(series.days, series.columns.get("touchless", []), strict=True)) == latest
    assert series.days == sorted(latest)


def test_a_series_is_bounded_and_forgets_columns_that_have_no_number_left() -> None:
    series = Series().with_day(day(DAY, old="1"))
    for after in range(1, MOST_DAYS + 1):
        series = series.with_day(day(DAY + timedelta(days=after), dso="2"))
    assert (len(series.days), series.days[0]) == (MOST_DAYS, DAY + timedelta(days=1))
    assert list(series.columns) == ["dso"]
    full = {f"aging:EUR:{number}": Decimal("123456789.12") for number in range(40)}
    many = Series(
        days=series.days, columns={key: [value] * MOST_DAYS for key, value in full.items()}
    )
    assert len(many.model_dump_json()) < 1_000_000


def test_the_numbers_of_a_day() -> None:
    tally = DayTally(DAY)
    late = part("1210.00", settled(How.PAYMENT, "210.00", DAY), due=DAY - timedelta(days=45))
    recent = DAY - timedelta(days=60)
    tally.invoice(invoice(late, invoiced_on=recent))
    tally.invoice(invoice(part("50.00", due=DAY + timedelta(days=1)), currency="USD"))
    before = DAY - timedelta(days=CASH_DAYS)
    paid = part("9.00", settled(How.PAYMENT, "9.00", before))
    tally.invoice(invoice(paid, total=Decimal(9), invoiced_on=recent))
    tally.invoice(invoice(paid, total=Decimal(8)))  # too long ago to count as billed
    position = Position(
        order_line="a",
        name="A",
        entitled=euros("10.00"),
        planned=euros("5.00"),
        billed=euros("1.00"),
    )
    one = told(
        signed_on=DAY - timedelta(days=10),
        provisioned_on=DAY - timedelta(days=7),
        earned=(EarnedInvoice(title="A", earned_on=DAY - timedelta(days=9), invoice_id=7),),
        backlog=(position,),
        touchless=True,
    )
    tally.contract(one, {7: DAY - timedelta(days=4)}, DAY)
    tally.contract(one.replace(touchless=False, backlog=()), {}, DAY)
    tally.contract(one, {}, DAY + timedelta(days=1))  # not ended by that day
    found = tally.figures(unread=2)
    assert found.unread == 2
    numbers = found.numbers
    assert numbers["signature_to_project"] == 3
    assert numbers["invoice_cycle_time"] == 5
    assert numbers["touchless"] == Decimal("0.5")
    assert numbers["backlog:EUR"] == 30
    assert numbers["cash_in:EUR"] == 210
    assert numbers["aging:EUR:31-60"] == 1000
    assert numbers["aging:USD:not due"] == 50
    assert numbers["aging:EUR:over 90"] == 0
    assert numbers["dso:EUR"] == (Decimal(1000) / 1219 * 90).quantize(Decimal("0.0001"))
    series = Series().with_day(found)
    shown = {figure.key: series.currencies(figure) for figure in FIGURES}
    assert shown["touchless"] == [""]
    assert shown["aging"] == ["EUR", "USD"]
    lines = series.lines(BY_KEY["aging"], "EUR")
    assert [line.label for line in lines] == list(BUCKETS)
    assert all(line.values and line.currency == "EUR" for line in lines)


def test_of_too_many_currencies_those_with_the_most_invoices_are_measured() -> None:
    tally = DayTally(DAY)
    for number, currency in enumerate(["CHF", "DKK", "GBP", "NOK", "SEK"]):
        for _ in range(number + 1):
            tally.invoice(invoice(currency=currency))
    found = tally.figures()
    assert found.left_out == ("CHF",)
    assert len({key.split(":")[1] for key in found.numbers}) == MOST_CURRENCIES


def test_receivables_are_aged_by_currency_and_opened_by_what_they_are() -> None:
    due = DAY - timedelta(days=70)
    owed = [
        invoice(part("100.00", due=due), workflow_id=INVOICE),
        invoice(part("7.00", due=DAY), customer="Über GmbH"),
        invoice(part("5.00", due=due), currency="USD"),
        # A credit note that people made in Odoo has the invoice's workflow, and not its dispute.
        replace(credit_note(part("-20.00", due=due)), workflow_id=INVOICE),
    ]
    parts = [row for item in owed for row in open_parts(item, DAY)]
    agreed = Agreed.of(AgreedCard(disputed=True, promised_on=DAY))
    rows = list(with_agreed(parts, {INVOICE: agreed}))
    lines = {line.currency: line for line in aging(rows)}
    assert {key: line.total.amount for key, line in lines.items()} == {
        "EUR": euros("87.00"),
        "USD": rows[2].open,
    }
    assert lines["EUR"].buckets["61-90"].count == 2
    assert lines["EUR"].buckets["61-90"].amount == euros("80.00")
    assert list(lines["EUR"].buckets) == ["not due", "61-90"]
    for standing, sums in by_standing(rows).items():
        assert sum(item.count for item in sums) == len(chosen(rows, standing=standing))
    assert [row.workflow_id for row in chosen(rows, standing=Standing.DISPUTED)] == [INVOICE]
    # What is agreed says another day; it is aged by Odoo's all the same.
    assert (rows[0].agreed_on, rows[0].bucket, rows[2].agreed_on) == (DAY, "61-90", None)
    assert chosen(rows, standing=Standing.PROMISED) == [rows[0]]
    assert chosen(rows, customer="über", bucket="not due", currency="EUR") == [rows[1]]
    assert chosen(rows, customer="nobody") == []
    assert rows[0].legal_entity == "northwind"


def test_a_series_whose_columns_are_of_other_days_is_none() -> None:
    with pytest.raises(ValueError, match="a value for each"):
        Series(days=[DAY], columns={"dso": []})
    assert Series(days=[DAY], columns={"dso": [None]}).since(DAY + timedelta(days=1)).days == []

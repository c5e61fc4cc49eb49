"""Key figures, by hand-made figures."""

from __future__ import annotations

import statistics
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from contracts.analytics.contract import ContractFacts, EarnedInvoice, facts
from contracts.analytics.invoices import How
from contracts.analytics.kpis import Tally, dso, duration, median, of_contract, of_invoice
from contracts.analytics.tables import Kpis
from tests.unit.analytics.test_invoices import credit_note, invoice, part, settled
from tests.unit.engagements import mixed

DAY = date(2026, 6, 30)
JUNE = date(2026, 6, 1)


def told(**changes: object) -> ContractFacts:
    [found] = facts(mixed())
    return found.replace(**changes)


@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=60))
def test_a_median_of_counted_days_is_the_median(days: list[int]) -> None:
    assert median(Counter(days)) == Decimal(str(statistics.median(days)))


def test_days_sales_outstanding_sets_what_is_open_against_ninety_days() -> None:
    assert dso(Decimal(500), Decimal(1500)) == 30
    assert dso(Decimal(1), Decimal(3)) == 30


def test_how_long_a_contract_took() -> None:
    signed = date(2026, 1, 5)
    found = told(
        signed_on=signed,
        provisioned_on=date(2026, 1, 7),
        staffed_on=date(2026, 1, 15),
        earned=(
            EarnedInvoice(title="Design", earned_on=date(2026, 3, 1), invoice_id=7),
            EarnedInvoice(title="Build", earned_on=date(2026, 4, 1), invoice_id=8),
        ),
    )
    rows = of_contract(found, {7: date(2026, 3, 4)}, DAY)
    assert [(row.measure, row.subject, row.days) for row in rows] == [
        ("signature_to_project", "", 2),
        ("signature_to_staffed", "", 10),
        ("earned_to_invoice", "Design", 3),
    ]
    assert [row.month for row in rows] == [date(2026, 1, 1), date(2026, 1, 1), date(2026, 3, 1)]
    assert of_contract(told(provisioned_on=None, earned=()), {}, DAY) == []
    assert of_contract(found, {7: date(2026, 3, 4)}, date(2026, 1, 4)) == []


def test_what_ended_before_it_began_took_no_time() -> None:
    assert duration("C-1", "signature_to_project", "", DAY, DAY - timedelta(days=3)).days == 0


def test_an_invoice_took_until_the_last_of_it_was_paid() -> None:
    paid = invoice(part("1210.00", settled(How.PAYMENT, "1210.00", date(2026, 5, 11))))
    [row] = of_invoice(paid)
    assert (row.measure, row.subject, row.days) == ("invoice_to_cash", paid.number, 40)
    assert of_invoice(invoice()) == []
    assert of_invoice(credit_note(part("-121.00", settled(How.REFUND, "-121.00")))) == []


def test_the_key_figures_of_an_entity() -> None:
    tally = Tally(DAY)
    for days in (1, 2, 9):
        began = JUNE + timedelta(days=10 - days)
        tally.took(duration("C", "signature_to_project", "", began, date(2026, 6, 11)))
    tally.took(duration("C", "signature_to_project", "", DAY, date(2020, 1, 1)))
    tally.ended(JUNE, touchless=True)
    tally.ended(DAY, touchless=False)
    tally.ended(DAY, touchless=False)
    tally.ended(date(2020, 1, 1), touchless=True)
    tally.ended(DAY + timedelta(days=1), touchless=True)  # after the day of the export
    for days in (0, 4):
        tally.waits("exceptions_open", DAY - timedelta(days=days))
    half = settled(How.PAYMENT, "605.00")
    tally.invoice(invoice(part("1210.00", half), invoiced_on=DAY))
    tally.invoice(invoice(part("605.00"), invoiced_on=date(2026, 1, 1)))  # before the ninety days
    tally.invoice(invoice(part("100.00"), currency="USD", invoiced_on=date(2026, 1, 1)))
    assert list(tally.kpis()) == [
        Kpis("signature_to_project_days", JUNE, None, Decimal(2), 3),
        Kpis("exceptions_open_days", JUNE, None, Decimal(2), 2),
        Kpis("dso_days", JUNE, "EUR", Decimal(90), 1),
        Kpis("touchless_share", JUNE, None, Decimal("0.3333"), 3),
    ]

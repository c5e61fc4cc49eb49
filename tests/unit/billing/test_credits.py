"""What is taken back: credits in whole and in part, invoices issued anew, proposals rejected."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.billing import account
from contracts.billing.account import NotPossible
from contracts.billing.lines import InvoiceKind
from contracts.money import Money
from tests.unit.billing.desk import Desk
from tests.unit.billing.made import euros

TIME = {"key": "dev", "service": "work", "rates": [{"price": "100"}]}
CARE = {"key": "care", "service": "work", "fee": "310"}
TRAVEL = {"key": "travel", "service": "work", "markup": "10"}
DEPOSIT = {"amount": "300", "service": "fees"}
RETAINAGE = {"percent": "10", "service": "fees"}


def agreed(**terms: Any) -> Desk:
    """Two milestones, a and b, of 1,000 each; a is billed."""
    rows = [
        {"key": key, "name": key.upper(), "service": "work", "amount": "1000"} for key in ("a", "b")
    ]
    desk = Desk(milestones=rows, **terms)
    if "deposit" in terms:
        desk.bills("deposit")
    desk.reaches("a")
    desk.bills("milestone:a")
    return desk


def worked(hours: str = "10", **terms: Any) -> Desk:
    """Hours of January, billed."""
    desk = Desk(time=[TIME], **terms)
    desk.works(1, "2026-01-10", hours)
    desk.on("2026-02-01").bills()
    return desk


def value(desk: Desk) -> Money:
    return account.sums(desk.billing, desk.today).value


# --- credits --------------------------------------------------------------------------------


def test_a_whole_credit_mirrors_every_line() -> None:
    desk = agreed(deposit=DEPOSIT, retainage=RETAINAGE)
    made = desk.credits(2)
    assert (made.kind, made.credited_number) == (InvoiceKind.CREDIT_NOTE, 2)
    assert (made.reason, made.amount) == ("agreed (ana)", euros(-750))
    assert sorted(line.amount.amount for line in made.lines) == [-1000, 100, 150]
    assert desk.creditable(2) == euros(0)
    found = account.sums(desk.billing, desk.today)
    assert (found.deposit_left, found.retained) == (euros(300), euros(0))


def test_a_part_is_taken_off_what_was_earned() -> None:
    desk = worked(retainage=RETAINAGE)
    assert desk.billed == euros(900)
    assert desk.credits(1, "36").amount == euros(-36)
    assert desk.creditable(1) == euros(864)
    desk.credits(1)
    assert desk.creditable(1) == euros(0)
    assert desk.billed == euros(0)


@pytest.mark.parametrize("amount", ["0.00", "-1", "1000.01"])
def test_no_more_is_credited_than_was_billed(amount: str) -> None:
    desk = agreed()
    with pytest.raises(NotPossible, match=r"1000.00 EUR of invoice 1 can still be credited"):
        desk.credits(1, amount)
    with pytest.raises(NotPossible, match=r"can still be credited, not 1\.00 USD"):
        account.request_credit(
            desk.billing, 1, desk.today, "agreed", "ana", Money(1, "USD"), reinvoice=False
        )
    assert desk.billed == euros(1000)


def test_only_an_issued_invoice_can_be_credited() -> None:
    desk = agreed()
    desk.credits(1, "10")
    with pytest.raises(NotPossible, match="is a credit note itself"):
        desk.credits(2)
    desk.reaches("b")
    proposed = desk.proposes().number
    for missing in (proposed, 99):
        with pytest.raises(NotPossible, match=f"invoice {missing} is not issued"):
            desk.credits(missing)


def test_a_credit_on_its_way_counts_and_one_that_was_given_up_does_not() -> None:
    desk = agreed()
    desk.billing = account.request_credit(
        desk.billing, 1, desk.today, "agreed", "ana", None, reinvoice=False
    )
    with pytest.raises(NotPossible, match=r"0.00 EUR of invoice 1 can still be credited"):
        desk.credits(1)
    number = desk.proposes().number
    desk.rejects(number)
    desk.waives(number)
    assert desk.creditable(1) == euros(1000)
    assert desk.credits(1).amount == euros(-1000)


def test_what_was_deducted_of_a_deposit_is_not_credited_with_it() -> None:
    desk = agreed(deposit=DEPOSIT)
    with pytest.raises(NotPossible, match=r"150.00 EUR of invoice 1"):
        desk.credits(1, "200")
    desk.credits(1, "50")
    desk.reaches("b")
    desk.bills_all()
    assert desk.billed == euros(2000), "the last milestone deducts no more than is left"


def test_an_invoice_credited_for_good_is_not_credited_again_by_a_correction() -> None:
    desk = worked()
    desk.credits(1)
    del desk.entries[1]
    assert desk.on("2026-03-01").due() == []
    assert desk.billed == euros(0)


@pytest.mark.parametrize("hours", ["8", "12"])
def test_while_an_invoice_is_being_credited_its_hours_are_not_corrected(hours: str) -> None:
    desk = worked()
    desk.billing = account.request_credit(
        desk.billing, 1, desk.today, "agreed", "ana", None, reinvoice=False
    )
    number = desk.proposes().number
    desk.works(1, "2026-01-10", hours)
    assert desk.on("2026-03-01").due() == []
    desk.rejects(number)
    desk.waives(number)
    assert desk.on("2026-04-01").bills_all() == euros(int(hours) * 100)


# --- issued anew ----------------------------------------------------------------------------


def test_an_invoice_is_issued_anew_once_it_is_credited() -> None:
    desk = agreed(deposit=DEPOSIT, retainage=RETAINAGE)
    desk.billing = account.request_credit(
        desk.billing, 2, desk.today, "wrong address", "ana", None, reinvoice=True
    )
    credit = desk.proposes()
    assert desk.due() == []
    desk.billing = account.issued(desk.billing, credit.number)
    again = desk.bills()
    assert again.amount == desk.proposals[1].amount
    assert not again.as_planned
    assert desk.billed == euros(1050)


def test_if_its_credit_is_given_up_nothing_is_issued_anew() -> None:
    desk = agreed()
    desk.billing = account.request_credit(
        desk.billing, 1, desk.today, "agreed", "ana", None, reinvoice=True
    )
    number = desk.proposes().number
    desk.rejects(number)
    desk.waives(number)
    assert desk.due() == []
    assert desk.billed == euros(1000)


def test_only_a_whole_credit_is_issued_anew() -> None:
    desk = agreed()
    with pytest.raises(NotPossible, match="only an invoice that is credited in whole"):
        desk.credits(1, "10", reinvoice=True)


def test_what_a_credited_invoice_had_deducted_is_still_owed() -> None:
    desk = agreed(retainers=[CARE | {"starts_on": "2026-02-01"}])
    desk.owes("outage", "50")
    desk.reaches("b")
    assert desk.bills("milestone:b").amount == euros(950)
    desk.credits(2)
    assert desk.on("2026-02-01").bills().amount == euros(260)


# --- rejected proposals ---------------------------------------------------------------------


def test_news_of_an_invoice_may_come_twice_late_or_for_nothing() -> None:
    desk = agreed()
    desk.reaches("b")
    number = desk.proposes().number
    for news in (account.rejected, account.rejected, account.issued):
        desk.billing = news(desk.billing, number)
    assert account.undecided(desk.billing) == (number,)
    desk.retries(number)
    second = desk.bills().number
    for news in (account.issued, account.rejected):
        desk.billing = news(desk.billing, second)
    desk.billing = account.issued(desk.billing, 99)
    assert desk.billed == euros(2000)
    assert desk.is_over


def test_a_given_up_period_is_never_billed_nor_credited() -> None:
    desk = Desk(time=[TIME], expenses=[TRAVEL])
    desk.works(1, "2026-01-10", "10")
    desk.spends(1, "2026-01-10", "100")
    number = desk.on("2026-02-01").proposes().number
    desk.rejects(number)
    desk.waives(number)
    given = [item.amount for item in account.unbilled(desk.billing, desk.today)]
    assert Money.total(given, "EUR") == euros(1110)
    assert value(desk) == euros(0)
    del desk.entries[1]
    desk.spends(1, "2026-01-10", "70")
    assert desk.on("2026-03-01").bills_all() == euros(0)


def test_what_a_given_up_invoice_took_along_comes_with_the_next() -> None:
    desk = agreed(retainers=[CARE | {"starts_on": "2026-02-01"}])
    desk.owes("june", "60")
    desk.reaches("b")
    number = desk.proposes("milestone:b").number
    desk.rejects(number)
    desk.waives(number)
    assert desk.on("2026-02-01").bills().amount == euros(250)


def test_a_fee_that_is_given_up_is_not_given_back_by_an_early_end() -> None:
    desk = Desk(retainers=[CARE])
    number = desk.proposes().number
    desk.adopts(ends_on="2026-01-21")
    desk.rejects(number)
    desk.waives(number)
    assert desk.on("2026-02-01").bills_all() == euros(0)
    assert desk.is_over


def test_a_plan_ended_by_change_order_and_prolonged_bills_the_month_once() -> None:
    desk = Desk(retainers=[CARE])
    desk.bills()
    for last in ("2026-01-21", "2026-01-11", "2026-01-31"):
        desk.adopts(ends_on=last)
    assert desk.on("2026-02-01").bills_all() == euros(310)
    assert desk.is_over


@pytest.mark.parametrize("fee", [True, False])
def test_an_early_end_costs_its_fee_where_it_is_asked_for(fee: bool) -> None:
    ending = {"fee": "200", "fee_service": "fees"}
    desk = Desk(retainers=[CARE], termination=ending)
    desk.bills()
    desk.billing = account.end_early(desk.billing, desk.on("2026-01-21").today, fee=fee)
    desk.adopts(ends_on="2026-01-21")
    assert desk.on("2026-01-22").bills_all() == euros(410 if fee else 210)
    assert desk.is_over


# --- figures --------------------------------------------------------------------------------


def test_open_ends_name_what_is_missing() -> None:
    desk = agreed(deposit=DEPOSIT, retainage=RETAINAGE)
    found = "\n".join(account.open_ends(desk.billing, desk.today))
    assert "milestone b is not reached" in found
    assert "150.00 EUR of the deposit" in found
    assert "100.00 EUR is still held back" in found


def test_odoo_learns_of_deliveries_that_it_cannot_count_itself() -> None:
    desk = agreed(deposit=DEPOSIT, retainers=[CARE], time=[TIME])
    desk.bills_all()
    desk.works(1, "2026-02-10", "2")
    desk.on("2026-02-01").bills_all()
    found = account.delivered(desk.billing)
    assert found["care"] == 2
    assert "a" not in found
    assert "dev" not in found

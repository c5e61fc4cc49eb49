"""From facts to invoices and back: proposals, credits, gifts and the end, across all plans."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from contracts.billing import account
from contracts.billing.account import BillingState, NotPossible
from contracts.billing.lines import InvoiceKind
from contracts.billing.posting import ledger_of
from contracts.money import Money
from tests.unit.billing.desk import Desk, rows
from tests.unit.billing.made import euros
from tests.unit.billing.test_milestones import parts, reached, signed

DEV = {"key": "dev", "service": "work", "rates": [{"price": "100"}]}
CARE = {"key": "care", "service": "work", "fee": "310"}
CALLS = {"key": "calls", "service": "work", "unit": "calls", "tiers": [{"price": "2"}]}
TRAVEL = {"key": "travel", "service": "work", "markup": "10"}
NONE = Decimal(0)


def amounts(desk: Desk, number: int) -> list[str]:
    return [row[3] for row in rows(desk.proposals[number - 1])]


# --- proposals ------------------------------------------------------------------------------


def test_what_is_proposed_is_proposed_once() -> None:
    desk = signed("1000", "500")
    desk.reaches("m1")
    desk.reaches("m2")
    other = desk.composes("milestone:m2")
    desk.proposes("milestone:m1")
    with pytest.raises(NotPossible, match="there is nothing to bill for milestone:m1"):
        desk.composes("milestone:m1")
    assert isinstance(other, account.Composition)
    with pytest.raises(NotPossible, match="there is an invoice 1 already"):
        account.propose(desk.billing, other)


def test_news_of_an_invoice_may_come_twice_late_or_for_nothing() -> None:
    desk = signed("1000")
    desk.reaches("m1")
    desk.proposes()
    desk.rejects(1)
    rejected = desk.billing
    desk.rejects(1)
    assert account.issued(desk.billing, 1) == desk.billing == rejected
    desk.retries(1)
    with pytest.raises(NotPossible, match="proposal 1 does not wait for a decision"):
        desk.retries(1)
    desk.bills()
    issued = desk.billing
    desk.rejects(2)
    assert account.issued(desk.billing, 2) == account.issued(desk.billing, 99) == issued
    assert desk.is_over


def test_what_is_committed_is_proposed_or_billed() -> None:
    desk = signed("100", "20", "3")
    reached(desk, "m1")
    desk.reaches("m2")
    desk.proposes()
    desk.reaches("m3")
    found = desk.sums
    assert (found.billed, found.committed, found.to_bill) == (euros(100), euros(120), euros(3))
    assert desk.due() == ["milestone:m3"]


@pytest.mark.parametrize(
    ("act", "value"),
    [
        (lambda desk: None, "1000"),
        (lambda desk: desk.reaches("m1"), "1000"),
        (lambda desk: reached(desk, "m1"), "1000"),
        (lambda desk: (reached(desk, "m1"), desk.asks_credit(2, "10")), "1000"),
        (lambda desk: (reached(desk, "m1"), desk.credits(2, "10")), "990"),
    ],
)
def test_the_value_is_what_everything_comes_to_wherever_it_stands(act: Any, value: str) -> None:
    desk = signed("1000", deposit="300", percent="10")
    act(desk)
    assert desk.sums.value == euros(value)


def everything() -> Desk:
    """Every plan, with facts of January."""
    desk = Desk(
        time=[DEV | {"cap": "500"}],
        retainers=[CARE | {"included_hours": "1", "overage_price": "70"}],
        usage=[CALLS],
        expenses=[TRAVEL],
    )
    desk.bills_all()
    desk.owes("june", "60")
    desk.meters("r1", "2026-01-10", "10")
    desk.works(1, "2026-01-10", "6")
    desk.works(2, "2026-01-10", "3", "care")
    desk.spends(1, "2026-01-10", "100")
    desk.on("2026-02-01").lets_cap_pass()
    return desk


def test_a_rejected_bill_is_composed_anew_the_same() -> None:
    desk = everything()
    first = desk.proposes()
    assert amounts(desk, 2) == ["20.00", "310.00", "140.00", "500.00", "110.00", "-60.00"]
    desk.rejects(first.number)
    assert desk.due() == []
    desk.retries(first.number)
    again = desk.proposes()
    assert rows(again) == rows(first)
    assert desk.unbilled == [("dev", euros(100))]


def test_a_state_survives_being_carried_along_as_text() -> None:
    desk = everything()
    desk.proposes()
    again = BillingState.model_validate_json(desk.billing.model_dump_json())
    assert again == desk.billing
    assert account.check(again, desk.today) == []


def test_odoo_learns_of_deliveries_that_it_cannot_count_itself() -> None:
    desk = signed("1000", deposit="300", time=[DEV], retainers=[CARE])
    reached(desk, "m1")
    desk.works(1, "2026-01-10", "2")
    desk.on("2026-02-01").bills_all()
    assert account.delivered(desk.billing) == {"deposit": 0, "care": 2}


def test_open_ends_name_what_is_missing() -> None:
    desk = signed("1000", "500", deposit="300", percent="10", usage=[CALLS], ends_on="2026-01-31")
    desk.reaches("m1")
    desk.proposes()
    assert desk.open_ends == [
        "milestone m2 is not reached",
        "calls is to be billed for January 2026",
        "Part 1 is proposed",
        "100.00 EUR of the deposit is not deducted",
        "100.00 EUR is still held back",
    ]


@pytest.mark.parametrize("table", ["accounts", "differences", "entitled", "invoices_of", "net"])
def test_a_slip_of_the_index_is_found_before_anything_is_proposed(table: str) -> None:
    desk = everything()
    desk.proposes()
    desk.owes("july", "10")
    kept = getattr(ledger_of(desk.billing, desk.today).index, table)
    key = next(iter(kept))
    del kept[key]
    [found, *_] = account.check(desk.billing, desk.today)
    assert found == f"the index of {table} is not up to date: {key}"


# --- credits --------------------------------------------------------------------------------


def test_a_whole_credit_mirrors_every_line() -> None:
    desk = signed("1000", "1000", deposit="300", percent="10")
    reached(desk, "m1")
    credit = desk.credits(2)
    assert amounts(desk, 3) == ["-1000.00", "150.00", "100.00"]
    assert (credit.kind, credit.credited_number) == (InvoiceKind.CREDIT_NOTE, 2)
    assert credit.amount == euros(-750)
    assert (desk.sums.deposit_left, desk.sums.retained) == (euros(300), euros(0))
    assert desk.creditable(2) == euros(0)


def test_a_part_is_spread_over_what_was_earned() -> None:
    desk = signed("1000", time=[DEV], retainage={"percent": "10", "service": "fees"})
    desk.works(1, "2026-01-10", "3")
    desk.works(2, "2026-01-11", "1")
    desk.on("2026-02-01").bills_all()
    assert desk.credits(1, "36").amount == euros(-36)
    assert desk.sums.value == euros(1364)
    left = desk.creditable(1)
    assert desk.credits(1).amount == -left
    assert desk.creditable(1) == euros(0)
    assert desk.on("2026-03-01").bills_all() == euros(0)


@pytest.mark.parametrize("amount", [Money("1000.01", "EUR"), Money(0, "EUR"), Money(-1, "EUR"),
                                    Money(1, "USD")])  # fmt: skip
def test_no_more_is_credited_than_was_billed(amount: Money) -> None:
    desk = signed("1000")
    reached(desk, "m1")
    with pytest.raises(NotPossible, match=r"1000.00 EUR of invoice 1 can still be credited, not"):
        account.request_credit(desk.billing, 1, desk.today, "", "ana", amount)


def test_only_an_issued_invoice_can_be_credited() -> None:
    desk = signed("1000", "1000")
    reached(desk, "m1")
    desk.credits(1, "10")
    desk.reaches("m2")
    desk.proposes()
    for number, why in (
        (2, "is a credit note itself"),
        (3, "invoice 3 is not issued"),
        (99, "invoice 99 is not issued"),
    ):
        with pytest.raises(NotPossible, match=why):
            account.request_credit(desk.billing, number, desk.today, "", "ana")


def test_a_credit_on_its_way_counts_and_one_that_was_given_up_does_not() -> None:
    desk = signed("1000")
    reached(desk, "m1")
    key = desk.asks_credit(1)
    with pytest.raises(NotPossible, match=r"0.00 EUR of invoice 1 can still be credited"):
        desk.asks_credit(1)
    desk.gives_up(key)
    assert desk.creditable(1) == euros(1000)
    assert desk.due() == []
    assert desk.billed == euros(1000)
    assert desk.is_over


def test_what_was_deducted_of_a_deposit_is_not_credited_with_it() -> None:
    desk = signed("500", "500", deposit="300")
    reached(desk, "m1")
    assert desk.creditable(1) == euros(150)
    with pytest.raises(NotPossible, match=r"150.00 EUR of invoice 1"):
        desk.asks_credit(1, "200")
    desk.credits(1, "50")
    assert desk.sums.value == euros(1000)
    reached(desk, "m2")
    desk.bills_all()
    assert (desk.billed, desk.quantity("deposit")) == (euros(1000), NONE)
    assert desk.is_over


def test_an_invoice_of_zero_is_credited_in_whole_and_its_deposit_is_free_again() -> None:
    desk = signed("500", deposit="500")
    reached(desk, "m1")
    with pytest.raises(NotPossible, match=r"0.00 EUR of invoice 2 can still be credited"):
        desk.asks_credit(2, "1")
    assert desk.credits(2).kind is InvoiceKind.CREDIT_NOTE
    assert (desk.sums.deposit_left, desk.sums.value) == (euros(500), euros(0))
    desk.unreaches("m1")
    assert desk.sums.value == euros(500)


@pytest.mark.parametrize("after", [False, True])
def test_a_credit_and_a_release_leave_nothing_in_either_order(after: bool) -> None:
    desk = signed("1000", percent="10")
    reached(desk, "m1")
    if after:
        desk.releases()
        desk.bills_all()
    desk.credits(1)
    desk.bills_all()
    assert (desk.billed, desk.sums.value, desk.sums.retained) == (euros(0), euros(0), euros(0))
    assert desk.is_over


def test_an_invoice_is_issued_anew_once_it_is_credited() -> None:
    desk = signed("1000", deposit="300", percent="10")
    reached(desk, "m1")
    key = desk.asks_credit(2, reinvoice=True)
    credit = desk.proposes(key)
    assert desk.due() == []
    desk.billing = account.issued(desk.billing, credit.number)
    again = desk.bills("milestone:m1")
    assert again.amount == desk.proposals[1].amount
    assert desk.sums.value == euros(1000)
    assert (desk.sums.retained, desk.sums.deposit_left) == (euros(100), euros(0))


def test_an_invoice_issued_anew_follows_a_change_order() -> None:
    desk = signed("1000")
    reached(desk, "m1")
    desk.credits(1, reinvoice=True)
    desk.adopts(milestones=parts("1200"))
    assert desk.bills_all() == euros(1200)
    assert desk.is_over


def test_an_invoice_is_credited_by_no_more_than_it_billed_when_another_bills_the_same() -> None:
    desk = signed("1000", "1000")
    reached(desk, "m1")
    desk.credits(1, reinvoice=True)
    again = desk.bills("milestone:m1")
    assert desk.creditable(1) == euros(0), "what is issued anew is credited on its own invoice"
    with pytest.raises(NotPossible, match="of invoice 1 can still be credited"):
        desk.asks_credit(1)
    assert desk.credits(again.number).amount == euros(-1000)


def test_a_credit_in_part_is_no_less_after_the_same_hours_are_billed_further() -> None:
    desk = Desk(time=[DEV])
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").bills()
    desk.credits(1, "300")
    desk.works(1, "2026-01-10", "20")
    desk.on("2026-03-01").bills()
    assert (desk.creditable(1), desk.creditable(3)) == (euros(700), euros(1000))
    desk.credits(1)
    assert (desk.creditable(1), desk.creditable(3)) == (euros(0), euros(1000))


def test_an_invoice_that_is_credited_and_folded_is_not_credited_again() -> None:
    desk = Desk(retainers=[CARE], ends_on="2028-12-31")
    desk.on("2026-03-01").bills_all()
    desk.credits(1)
    desk.on("2028-06-01").bills_all()
    desk.billing = account.fold(desk.billing, desk.today)
    assert all(key.startswith("settled:") for key in desk.billing.invoices[1].by_key)
    assert (desk.creditable(1), desk.creditable(2)) == (euros(0), euros(310))


def test_if_its_credit_is_given_up_nothing_is_issued_anew() -> None:
    desk = signed("1000")
    reached(desk, "m1")
    desk.gives_up(desk.asks_credit(1, reinvoice=True))
    assert desk.due() == []
    assert desk.billed == euros(1000)
    assert desk.is_over


@pytest.mark.parametrize("amount", ["10", "1000"])
def test_only_a_whole_credit_is_issued_anew(amount: str) -> None:
    desk = signed("1000", "1000")
    reached(desk, "m1")
    if amount == "1000":
        assert desk.credits(1, amount, reinvoice=True).amount == euros(-1000)
        return
    with pytest.raises(NotPossible, match="only an invoice that is credited in whole"):
        desk.asks_credit(1, amount, reinvoice=True)


@pytest.mark.parametrize("reinvoice", [False, True])
def test_what_a_credited_invoice_had_deducted_is_owed_again(reinvoice: bool) -> None:
    desk = signed("1000", "1000", retainers=[CARE | {"in_advance": False}])
    desk.owes("outage", "50")
    assert reached(desk, "m1") == [["1000.00", "-50.00"]]
    desk.credits(1, reinvoice=reinvoice)
    if reinvoice:
        desk.unreaches("m1")
    assert reached(desk, "m2") == [["1000.00", "-50.00"]]


def test_what_is_on_an_open_credit_waits_for_it() -> None:
    desk = Desk(time=[DEV], expenses=[TRAVEL])
    desk.works(1, "2026-01-10", "10")
    desk.works(2, "2026-01-11", "1")
    desk.spends(1, "2026-01-10", "100")
    desk.on("2026-02-01").bills_all()
    desk.proposes(desk.asks_credit(1))
    desk.works(1, "2026-01-10", "8")
    del desk.entries[2]
    desk.spends(1, "2026-01-10", "200")
    assert desk.on("2026-03-01").due() == []
    desk.rejects(2)
    desk.waives(2)
    assert desk.on("2026-04-01").bills_all() == euros(1020)


def test_what_was_credited_for_good_is_not_credited_again_by_a_correction() -> None:
    desk = Desk(time=[DEV])
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").bills_all()
    desk.credits(1)
    del desk.entries[1]
    assert desk.on("2026-03-01").due() == []
    assert desk.billed == euros(0)


# --- gifts ----------------------------------------------------------------------------------


def of_january(desk: Desk, hours: str, quantity: str, cost: str) -> None:
    desk.works(1, "2026-01-10", hours)
    desk.meters("r1", "2026-01-10", quantity)
    desk.spends(1, "2026-01-10", cost)


@pytest.mark.parametrize(
    ("found", "billed"),
    [
        (("10", "100", "100"), "0"),
        (("8", "80", "60"), "0"),
        (("0", "0", "0"), "0"),
        (("12", "120", "200"), "350"),
    ],
)
def test_of_a_given_up_bill_only_more_is_billed(found: tuple[str, str, str], billed: str) -> None:
    desk = Desk(time=[DEV], usage=[CALLS], expenses=[TRAVEL])
    of_january(desk, "10", "100", "100")
    assert desk.on("2026-02-01").gives_up().amount == euros(1310)
    assert sum((amount.amount for _, amount in desk.unbilled), 0) == 1310
    of_january(desk, *found)
    assert desk.on("2026-03-01").bills_all() == euros(billed)
    assert desk.sums.value == euros(billed)


def test_what_changes_while_a_bill_is_undecided_waits_with_it() -> None:
    desk = Desk(time=[DEV], usage=[CALLS], expenses=[TRAVEL])
    of_january(desk, "10", "100", "100")
    desk.on("2026-02-01").proposes()
    of_january(desk, "8", "80", "80")
    desk.works(2, "2026-02-10", "1")
    assert desk.on("2026-03-01").bills().amount == euros(100), "line 2 alone"
    desk.rejects(1)
    desk.waives(1)
    assert desk.on("2026-04-01").bills_all() == euros(100)
    of_january(desk, "11", "80", "80")
    assert desk.on("2026-05-01").bills_all() == euros(200)


def test_what_a_given_up_bill_took_along_comes_with_the_next() -> None:
    desk = signed("1000", "1000", retainers=[CARE | {"in_advance": False}])
    desk.owes("june", "60")
    desk.reaches("m1")
    assert desk.gives_up().amount == euros(940)
    assert desk.unbilled == [("Part 1", euros(1000))]
    assert reached(desk, "m2") == [["1000.00", "-60.00"]]


def test_a_given_up_settlement_does_not_come_back() -> None:
    desk = Desk(retainers=[CARE], ends_on="2026-01-31")
    desk.bills_all()
    desk.owes("june", "60")
    desk.on("2026-02-01").gives_up("settlement")
    assert desk.is_over
    desk.owes("june", "60")
    assert desk.is_over
    assert desk.billed == euros(310)


def test_a_gift_leaves_its_room_under_the_cap() -> None:
    desk = Desk(time=[DEV | {"cap": "1000"}])
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").gives_up()
    desk.works(2, "2026-02-10", "20")
    desk.on("2026-03-01").lets_cap_pass()
    assert desk.bills_all() == euros(1000)


def test_a_bill_cut_at_its_cap_is_given_up_whole() -> None:
    desk = Desk(expenses=[TRAVEL | {"cap": "110"}])
    desk.spends(1, "2026-01-10", "100")
    desk.spends(2, "2026-01-11", "50")
    desk.on("2026-02-01").lets_cap_pass("travel")
    desk.gives_up()
    desk.spends(1, "2026-01-10", "40")
    assert desk.on("2026-03-01").bills_all() == euros(0)
    assert desk.sums.value == euros(0)


def test_what_an_open_bill_cuts_off_is_billed_by_no_other_before_that_is_issued() -> None:
    desk = Desk(time=[DEV | {"cap": "500"}])
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").lets_cap_pass()
    cut = desk.proposes()
    desk.adopts(time=[DEV | {"cap": "1000"}])
    assert desk.due() == [], "its 500.00 may still be rejected"
    rejected = desk.billing
    desk.billing = account.issued(desk.billing, cut.number)
    assert desk.bills_all() == euros(1000)

    desk.billing = rejected
    desk.rejects(cut.number)
    assert not account.check(desk.billing, desk.today)
    desk.retries(cut.number)
    assert desk.bills_all() == euros(1000)


# --- the end --------------------------------------------------------------------------------


def test_what_is_approved_after_the_last_period_is_billed_before_the_contract_closes() -> None:
    desk = Desk(time=[DEV], expenses=[TRAVEL], retainers=[CARE], ends_on="2026-01-31")
    desk.bills_all()
    desk.works(1, "2026-01-10", "10")
    assert desk.on("2026-02-01").bills_all() == euros(1310)
    assert desk.is_over
    desk.works(2, "2026-01-11", "3")
    desk.spends(1, "2026-01-10", "10")
    desk.looks_once_more()
    assert not desk.is_over
    assert desk.bills_all() == euros(1621)
    desk.looks_once_more()
    assert desk.is_over


@pytest.mark.parametrize("fee", [True, False])
def test_an_early_end_gives_back_what_was_billed_in_advance(fee: bool) -> None:
    desk = Desk(retainers=[CARE], termination={"fee": "200", "fee_service": "fees"})
    desk.bills_all()
    desk.on("2026-01-21").ends("2026-01-21", fee=fee)
    assert desk.on("2026-01-22").bills_all() == euros("410" if fee else "210")
    assert desk.is_over


def test_a_fee_that_is_given_up_is_not_given_back_by_an_early_end() -> None:
    desk = Desk(retainers=[CARE])
    desk.proposes()
    desk.adopts(ends_on="2026-01-21")
    desk.rejects(1)
    desk.waives(1)
    assert desk.on("2026-02-01").bills_all() == euros(0)
    assert desk.is_over


def test_a_plan_ended_by_change_order_and_prolonged_bills_the_month_once() -> None:
    desk = Desk(retainers=[CARE])
    desk.bills()
    for last in ("2026-01-21", "2026-01-11", "2026-01-31"):
        desk.adopts(ends_on=last)
    assert desk.on("2026-02-01").bills_all() == euros(310)
    assert desk.is_over


def test_nothing_is_settled_twice() -> None:
    desk = signed("1000")
    reached(desk, "m1")
    assert desk.due() == []
    assert desk.is_over

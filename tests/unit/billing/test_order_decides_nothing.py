"""The table of docs/billing.md of cases in which the order of things once decided an amount."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.billing import account
from contracts.billing.account import Composition, NotPossible
from contracts.model import Rate
from tests.unit.billing.desk import Desk
from tests.unit.billing.made import euros

RATES = [{"price": "100.00"}]
DEV = {"key": "dev", "service": "work", "rates": RATES}
CARE = {"key": "care", "service": "work", "fee": "0.00", "included_hours": "10"}
CARE |= {"overage_price": "50.00"}
FEES = {"key": "care", "service": "work", "fee": "310.00", "in_advance": False}


def milestones(*amounts: str) -> list[dict[str, str]]:
    return [
        {"key": f"m{n}", "name": f"Part {n}", "service": "work", "amount": amount}
        for n, amount in enumerate(amounts, start=1)
    ]


@pytest.mark.parametrize("late", [False, True])
def test_hours_count_in_the_month_worked_however_late_they_are_approved(late: bool) -> None:
    desk = Desk(retainers=[CARE])
    desk.works(1, "2026-01-10", "8", "care")
    if not late:
        desk.works(2, "2026-01-20", "6", "care")
    desk.on("2026-02-01").bills_all()
    desk.works(2, "2026-01-20", "6", "care")
    desk.works(3, "2026-02-10", "9", "care")
    assert desk.on("2026-03-01").bills_all() == euros("200.00")


@pytest.mark.parametrize("before", [True, False])
def test_overage_is_rated_again_where_hours_are_corrected(before: bool) -> None:
    desk = Desk(retainers=[CARE])
    desk.works(1, "2026-01-10", "10" if before else "14", "care")
    desk.on("2026-02-01").bills_all()
    desk.works(1, "2026-01-10", "10", "care")
    assert desk.on("2026-03-01").bills_all() == euros("0.00")


@pytest.mark.parametrize("before", [True, False])
def test_a_raised_cap_bills_what_was_cut_off(before: bool) -> None:
    desk = Desk(time=[{**DEV, "cap": "1000.00"}])
    desk.works(1, "2026-01-10", "12")
    if before:
        desk.adopts(time=[{**DEV, "cap": "2000.00"}])
    desk.on("2026-02-01").lets_cap_pass()
    desk.bills_all()
    desk.adopts(time=[{**DEV, "cap": "2000.00"}])
    assert desk.on("2026-03-01").bills_all() == euros("1200.00")


def test_at_the_cap_a_person_decides_and_others_are_billed() -> None:
    ops = {"key": "ops", "service": "work", "rates": RATES}
    desk = Desk(time=[{**DEV, "cap": "1000.00"}, ops])
    desk.works(1, "2026-01-10", "12")
    desk.works(2, "2026-01-10", "3", "ops")
    assert desk.on("2026-02-01").due() == ["period:2026-02-01", "period:2026-02-01:dev"]
    found = account.compose(desk.billing, "period:2026-02-01:dev", 1, desk.today)
    assert not isinstance(found, Composition)
    [problem] = found
    assert (problem.code, problem.value) == ("cap_reached", "200.00 EUR")
    assert desk.bills("period:2026-02-01").amount == euros("300.00")
    desk.lets_cap_pass()
    assert desk.bills().amount == euros("1000.00")
    [left] = account.unbilled(desk.billing, desk.today)
    assert (left.what, left.amount) == ("dev", euros("200.00"))


@pytest.mark.parametrize("before", [True, False])
def test_an_hour_costs_what_it_cost_on_its_day(before: bool) -> None:
    desk = Desk(time=[DEV])
    desk.works(1, "2026-01-10", "10")
    if before:
        desk.on("2026-02-01").bills_all()
    desk.on("2026-02-01").adopts(time=[{**DEV, "rates": [{"price": "120.00"}]}])
    desk.bills_all()
    assert desk.on("2026-03-01").bills_all() == euros("1000.00")


@pytest.mark.parametrize("before", [True, False])
def test_a_corrected_role_prices_the_hours_anew(before: bool) -> None:
    rates = [{"price": "100.00"}, {"price": "140.00", "role": "Architect"}]
    desk = Desk(time=[{**DEV, "rates": rates}])
    desk.works(1, "2026-01-10", "10", role="Architect")
    if not before:
        desk.on("2026-02-01").bills_all()
    del desk.entries[1]
    desk.on("2026-02-01").works(2, "2026-01-10", "10", role="Developer")
    desk.bills_all()
    assert desk.on("2026-03-01").bills_all() == euros("1000.00")


@pytest.mark.parametrize("before", [True, False])
def test_a_fee_is_that_of_the_first_day_of_its_period(before: bool) -> None:
    desk = Desk(retainers=[FEES])
    if before:
        desk.on("2026-01-20").adopts(retainers=[{**FEES, "fee": "341.00"}])
    assert desk.on("2026-02-01").bills_all() == euros("310.00")
    if not before:
        desk.adopts(retainers=[{**FEES, "fee": "341.00"}])
    assert desk.on("2026-03-01").bills_all() == euros("651.00")


@pytest.mark.parametrize("amounts", [("80.00", "50.00"), ("50.00", "80.00")])
def test_service_credits_come_off_by_day_and_reference(amounts: tuple[str, str]) -> None:
    desk = Desk(retainers=[{**FEES, "fee": "100.00"}])
    wanted = dict(zip(("a", "b"), ("80.00", "50.00"), strict=True))
    for reference in ("a", "b") if amounts[0] == "80.00" else ("b", "a"):
        desk.owes(reference, wanted[reference])
    assert desk.on("2026-02-01").bills().amount == euros("20.00")


@pytest.mark.parametrize("before", [True, False])
def test_a_deposit_is_deducted_by_what_is_billed_of_all(before: bool) -> None:
    deposit = {"amount": "300.00", "service": "fees"}
    terms: dict[str, Any] = {"milestones": milestones("300.00", "300.00", "300.00")}
    desk = Desk(**terms, deposit=deposit if before else None)
    desk.bills_all()
    desk.reaches("m1")
    desk.bills_all()
    if not before:
        desk.adopts(deposit=deposit)
        desk.bills_all()
    desk.reaches("m2")
    desk.bills_all()
    assert account.sums(desk.billing, desk.today).deposit_left == euros("100.00")


@pytest.mark.parametrize("before", [True, False])
def test_a_credit_in_whole_takes_back_what_is_left(before: bool) -> None:
    desk = Desk(time=[DEV])
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").bills_all()
    if before:
        desk.credits(1)
    desk.works(1, "2026-01-10", "9")
    desk.on("2026-03-01").bills_all()
    if not before:
        assert desk.creditable(1) == euros("900.00")
        desk.credits(1)
    assert desk.on("2026-04-01").bills_all() == euros("0.00")


def test_retainage_that_an_invoice_cannot_bear_is_held_back_of_the_next() -> None:
    desk = Desk(
        milestones=milestones("1000.00", "2000.00"),
        deposit={"amount": "1500.00", "service": "fees"},
        retainage={"percent": "60", "service": "fees"},
    )
    desk.bills_all()
    desk.reaches("m1")
    # 1000.00 less 500.00 of the deposit can bear 500.00 of 600.00.
    assert desk.bills().amount == euros("0.00")
    desk.reaches("m2")
    # 2000.00 less 1000.00 of the deposit can bear 1000.00 of the 1200.00 and 100.00 left.
    assert desk.bills().amount == euros("0.00")
    assert account.sums(desk.billing, desk.today).retained == euros("1500.00")


def test_a_gift_of_hours_is_a_gift_of_so_many() -> None:
    desk = Desk(time=[DEV])
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").proposes()
    desk.rejects(1)
    desk.waives(1)
    desk.works(1, "2026-01-10", "12")
    assert desk.on("2026-03-01").bills_all() == euros("200.00")
    desk.works(1, "2026-01-10", "8")
    assert desk.on("2026-04-01").bills_all() == euros("0.00")


@pytest.mark.parametrize("before", [True, False])
def test_goodwill_and_a_correction_leave_the_same_in_either_order(before: bool) -> None:
    desk = Desk(time=[DEV])
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").bills_all()
    if before:
        desk.credits(1, "100.00")
    desk.works(1, "2026-01-10", "9")
    desk.on("2026-03-01").bills_all()
    if not before:
        desk.credits(1, "100.00")
    assert desk.on("2026-04-01").bills_all() == euros("800.00")


# --- decisions that are relative to what was billed -------------------------------------------


def test_a_refused_correction_stays_as_billed_until_it_changes_again() -> None:
    desk = Desk(time=[DEV])
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").bills_all()
    desk.works(1, "2026-01-10", "8")
    desk.on("2026-03-01").proposes()
    desk.rejects(2)
    desk.waives(2)
    assert desk.on("2026-04-01").bills_all() == euros("1000.00")
    desk.works(1, "2026-01-10", "9")
    assert desk.on("2026-05-01").bills_all() == euros("1000.00")


def test_a_rejected_bill_is_composed_anew_from_what_is_true_then() -> None:
    desk = Desk(time=[DEV])
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").proposes()
    desk.rejects(1)
    assert desk.due() == []
    assert account.undecided(desk.billing) == (1,)
    desk.works(1, "2026-01-10", "6")
    desk.retries(1)
    assert desk.proposes().amount == euros("600.00")


def test_an_invoice_credited_to_be_issued_anew_has_the_terms_and_facts_of_then() -> None:
    desk = Desk(time=[DEV], retainage={"percent": "10", "service": "fees"})
    desk.works(1, "2026-01-10", "10")
    assert desk.on("2026-02-01").bills().amount == euros("900.00")
    desk.works(1, "2026-01-10", "7")
    assert desk.credits(1, reinvoice=True).amount == euros("-900.00")
    again = desk.bills()
    assert again.amount == euros("630.00")
    assert [line.quantity for line in again.lines][:1] == [7]


def test_a_milestone_unreached_after_its_invoice_becomes_a_credit_note() -> None:
    desk = Desk(milestones=milestones("500.00"))
    desk.reaches("m1")
    desk.bills()
    assert account.milestone_invoice(desk.billing, "m1") == 1
    desk.billing = account.unreach(desk.billing, "m1")
    assert desk.bills("milestone:m1").amount == euros("-500.00")
    desk.reaches("m1")
    assert desk.bills("milestone:m1").amount == euros("500.00")


def test_an_unreached_milestone_that_was_credited_for_good_is_billed_when_it_is_reached() -> None:
    desk = Desk(milestones=milestones("500.00"))
    desk.reaches("m1")
    desk.bills()
    desk.credits(1)
    assert desk.due() == []
    desk.billing = account.unreach(desk.billing, "m1")
    desk.reaches("m1")
    assert desk.bills("milestone:m1").amount == euros("500.00")


def test_a_retroactive_version_leaves_alone_what_is_proposed() -> None:
    desk = Desk(time=[DEV])
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").bills_all()
    desk.works(2, "2026-01-11", "1")
    desk.contract = desk.contract.model_copy(
        update={
            "time": (
                desk.contract.time[0].model_copy(update={"rates": (Rate(price=euros("120.00")),)}),
            )
        }
    )
    january = desk.on("2026-01-01").today
    desk.billing = account.adopt(desk.billing, desk.contract, january)
    # Line 1 stays at the price of its version, line 2 has that of the new one.
    assert desk.on("2026-03-01").bills_all() == euros("1120.00")
    [shown] = account.repriced(desk.billing, desk.today)
    assert (shown.number, shown.plan) == (1, "dev")
    assert (shown.billed, shown.at_present) == (euros("1000.00"), euros("1200.00"))
    assert shown.difference == euros("200.00")
    assert desk.credits(1, reinvoice=True).amount == euros("-1000.00")
    # Invoiced anew, line 1 has the terms of then.
    assert desk.bills_all() == euros("1320.00")
    assert account.repriced(desk.billing, desk.today) == ()


def test_a_fee_billed_on_the_day_of_a_change_shows_what_its_re_invoicing_would_change() -> None:
    desk = Desk(retainers=[{**FEES, "in_advance": True}])
    desk.bills_all()
    desk.adopts(retainers=[{**FEES, "in_advance": True, "fee": "341.00"}])
    [shown] = account.repriced(desk.billing, desk.today)
    assert (shown.billed, shown.difference) == (euros("310.00"), euros("31.00"))
    desk.gives_up(desk.asks_credit(1, "10.00"))
    assert account.repriced(desk.billing, desk.today) == (shown,)
    desk.credits(1)
    assert account.repriced(desk.billing, desk.today) == (), "nothing is left to bill again"


def test_who_asked_for_a_credit_is_known_to_its_approval() -> None:
    desk = Desk(milestones=milestones("500.00"))
    desk.reaches("m1")
    desk.bills()
    credit = desk.credits(1, "200.00")
    assert credit.reason == "agreed (ana)"
    assert credit.credited_number == 1
    assert desk.billing.invoices[2].asked_by == "ana"
    assert desk.creditable(1) == euros("300.00")
    with pytest.raises(NotPossible):
        account.request_credit(desk.billing, 1, desk.today, "", "ana", euros("300.01"))
    with pytest.raises(NotPossible):
        account.request_credit(desk.billing, 2, desk.today, "", "ana")


# --- the end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fee", [False, True])
def test_an_early_end_gives_back_the_fee_and_prolonged_again_bills_the_rest(fee: bool) -> None:
    care = {**FEES, "fee": "3090.00", "in_advance": True}
    desk = Desk(
        retainers=[care],
        starts_on="2026-02-01",
        termination={"fee": "500.00", "fee_service": "fees"},
    )
    assert desk.bills().amount == euros("3090.00")
    desk.on("2026-02-10").adopts(ends_on="2026-02-10")
    desk.billing = account.end_early(desk.billing, desk.today, fee=fee)
    assert desk.due() == []
    before = account.sums(desk.billing, desk.today)
    assert before.value == euros("1603.57" if fee else "1103.57")
    settled = desk.on("2026-02-11").bills("settlement")
    assert settled.amount == euros("-1486.43" if fee else "-1986.43")
    assert desk.is_over
    desk.adopts(ends_on="2026-12-31")
    desk.on("2026-03-01").bills_all()
    assert desk.billed == euros("6680.00" if fee else "6180.00")


def test_a_renewed_contract_goes_on() -> None:
    desk = Desk(retainers=[FEES], ends_on="2026-02-28", term={"auto_renew": True})
    desk.on("2026-02-10").adopts(ends_on="2026-04-30")
    desk.on("2026-03-01").bills_all()
    assert not desk.is_over
    assert account.next_day(desk.billing, desk.today) == desk.on("2026-04-01").today
    assert desk.on("2026-05-01").bills_all() == euros("1240.00")
    assert desk.is_over


def test_a_settlement_that_is_given_up_keeps_the_deposit() -> None:
    desk = Desk(
        milestones=milestones("500.00", "500.00"), deposit={"amount": "300.00", "service": "fees"}
    )
    desk.bills_all()
    desk.reaches("m1")
    desk.bills_all()
    desk.adopts(milestones=milestones("500.00"))
    assert desk.due() == ["settlement"]
    assert desk.proposes().amount == euros("-150.00")
    desk.rejects(3)
    desk.waives(3)
    assert desk.is_over
    assert desk.billed == euros("650.00")


def test_retainage_is_forfeited_where_the_terms_of_an_early_end_say_so() -> None:
    desk = Desk(
        milestones=milestones("500.00", "500.00"),
        retainage={"percent": "10", "service": "fees"},
        termination={"retainage": "forfeit"},
    )
    desk.reaches("m1")
    desk.bills_all()
    desk.adopts(milestones=milestones("500.00"))
    desk.billing = account.end_early(desk.billing, desk.today, fee=False)
    assert desk.due() == []
    assert desk.is_over
    assert account.sums(desk.billing, desk.today).value == euros("450.00")
    assert [item.what for item in account.unbilled(desk.billing, desk.today)] == ["retainage"]


def test_hours_that_cost_nothing_are_settled_without_an_invoice() -> None:
    desk = Desk(time=[{**DEV, "rates": [{"price": "0.01"}]}])
    desk.works(1, "2026-01-10", "0.25")
    [key] = desk.on("2026-02-01").due()
    composed = account.compose(desk.billing, key, 1, desk.today)
    assert isinstance(composed, Composition)
    assert composed.proposal is None
    desk.billing = account.propose(desk.billing, composed)
    assert desk.due() == []
    assert not account.check(desk.billing, desk.today)


def test_what_is_credited_of_a_capped_plan_is_not_billed_again_in_its_place() -> None:
    desk = Desk(time=[{**DEV, "cap": "1000.00"}])
    desk.works(1, "2026-01-10", "12")
    desk.on("2026-02-01").lets_cap_pass()
    desk.bills_all()
    desk.credits(1, "100.00")
    assert desk.on("2026-03-01").bills_all() == euros("900.00")


def test_a_lowered_cap_takes_nothing_back() -> None:
    desk = Desk(time=[{**DEV, "cap": "2000.00"}])
    desk.works(1, "2026-01-10", "12")
    desk.on("2026-02-01").bills_all()
    desk.adopts(time=[{**DEV, "cap": "1000.00"}])
    desk.works(2, "2026-02-10", "3")
    desk.on("2026-03-01").lets_cap_pass()
    [key] = desk.due()
    composed = account.compose(desk.billing, key, 2, desk.today)
    assert isinstance(composed, Composition)
    assert composed.proposal is None
    assert desk.billed == euros("1200.00")


def test_a_moved_hour_is_billed_by_its_new_plan_once_the_old_one_gave_it_back() -> None:
    ops = {"key": "ops", "service": "work", "rates": [{"price": "50.00"}]}
    desk = Desk(time=[DEV, {**ops, "every": "2 weeks"}])
    desk.works(1, "2026-01-10", "10")
    desk.on("2026-02-01").bills_all()
    desk.works(1, "2026-01-10", "10", "ops")
    desk.on("2026-02-20").bills_all()
    assert desk.billed == euros("1000.00")
    assert desk.on("2026-03-30").bills_all() == euros("0.00")
    assert desk.on("2026-04-20").bills_all() == euros("500.00")

"""Fees are prorated by days and indexed year by year; hours are used, carried or billed, once."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.billing import account
from contracts.billing.account import NotPossible
from contracts.billing.periods import billing_periods
from contracts.billing.retainers import count_hours, fee_of, fee_on, overage_price_on
from contracts.model import RetainerPlan
from contracts.money import Money
from tests.unit.billing.desk import Desk, Row, rows
from tests.unit.billing.made import cadences, contract, days, euros, month

hours = st.decimals(0, 500, places=2)

CARE = {"key": "care", "service": "work", "fee": "3100"}


def plan_of(currency: str = "EUR", **changes: Any) -> RetainerPlan:
    made = contract(retainers=[CARE | changes], currency=currency, value="0", ends_on=None)
    return made.retainers[0]


def desk_of(starts_on: str = "2026-03-01", ends_on: str = "2026-12-31", **changes: Any) -> Desk:
    return Desk(retainers=[CARE | changes], starts_on=starts_on, ends_on=ends_on)


def lines(desk: Desk) -> list[Row]:
    """The lines of all invoices."""
    return [row for proposal in desk.proposals for row in rows(proposal)]


# --- the fee --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts_on", "text", "amount"),
    [
        ("2026-03-01", "Development, March 2026", "3100"),
        ("2026-03-15", "Development, 2026-03-15 to 2026-03-31 (17 of 31 days)", "1700"),
    ],
)
def test_a_fee_is_billed_in_advance_by_the_days_of_its_period(
    starts_on: str, text: str, amount: str
) -> None:
    desk = desk_of(starts_on)
    proposal = desk.bills()
    assert rows(proposal) == [(text, "1.00", amount, f"{amount}.00")]
    [line] = proposal.lines
    assert (line.order_line, line.service_code) == ("care", "DEVELOPMENT")
    assert proposal.as_planned
    assert desk.due() == []
    assert account.next_day(desk.billing, desk.today) == date(2026, 4, 1)


def test_a_fee_in_arrears_is_due_on_the_day_after_its_period() -> None:
    desk = desk_of(in_advance=False)
    assert desk.due() == []
    assert desk.on("2026-03-31").due() == []
    assert desk.on("2026-04-01").due() == ["period:2026-04-01"]


def test_fees_of_days_that_passed_are_all_billed_oldest_first() -> None:
    desk = desk_of("2026-01-01").on("2026-03-15")
    assert desk.due() == ["period:2026-01-01", "period:2026-02-01", "period:2026-03-01"]
    assert desk.bills_all() == euros(9300)


def test_after_its_last_period_a_plan_bills_nothing() -> None:
    desk = desk_of("2026-01-01", "2026-02-15", fee="310")
    desk.bills_all()
    assert desk.on("2026-02-01").bills_all() == euros("476.07")
    assert desk.on("2026-12-01").due() == []
    assert desk.is_over


def test_a_fee_of_nothing_needs_no_invoice() -> None:
    desk = desk_of("2026-01-31", fee="0.10")
    assert desk.due() == []
    assert account.next_day(desk.billing, desk.today) == date(2026, 2, 1)


@pytest.mark.parametrize(("year", "amount"), [(2026, "1660.71"), (2028, "1603.45")])
def test_a_leap_year_has_its_own_february(year: int, amount: str) -> None:
    assert fee_of(plan_of(), month(year, 2, last=15)) == Decimal(amount)


@given(cadences, days, st.integers(0, 400), st.integers(1, 10**9))
def test_a_fee_never_exceeds_its_whole_period(
    every: str, first: date, length: int, fee: int
) -> None:
    plan = plan_of(fee=str(Money(Decimal(fee).scaleb(-2), "EUR")), every=every)
    for period in billing_periods(every, first, first + timedelta(days=length)):
        found = fee_of(plan, period)
        assert 0 <= found <= plan.fee.amount
        assert found == plan.fee.amount or period.share < 1


@given(st.integers(1, 10**7), st.integers(2, 31))
def test_two_parts_of_a_month_cost_the_month_within_a_cent(fee: int, split: int) -> None:
    plan = plan_of(fee=str(Money(Decimal(fee).scaleb(-2), "EUR")))
    parts = fee_of(plan, month(2026, 3, last=split - 1)) + fee_of(plan, month(2026, 3, first=split))
    assert abs(parts - plan.fee.amount) <= Decimal("0.01")


# --- the index ------------------------------------------------------------------------------

INDEX = {"percent": "3", "first_on": "2027-01-01"}


@pytest.mark.parametrize(
    ("day", "fee"),
    [
        ("2026-12-31", "1000.55"),
        ("2027-01-01", "1030.57"),  # 1030.5665
        ("2027-12-31", "1030.57"),
        ("2028-01-01", "1061.49"),  # 1061.4871; unrounded it would be 1061.48
        ("2029-06-15", "1093.33"),  # 1093.3347
    ],
)
def test_each_index_applies_to_the_rounded_fee_before_it(day: str, fee: str) -> None:
    plan = plan_of(fee="1000.55", indexation=INDEX)
    assert fee_on(plan, date.fromisoformat(day)) == euros(fee)


def test_the_price_of_overage_is_indexed_like_the_fee() -> None:
    plan = plan_of(overage_price="99.99", indexation=INDEX)
    assert overage_price_on(plan, date(2026, 12, 31)) == euros("99.99")
    assert overage_price_on(plan, date(2028, 1, 1)) == euros("106.08")
    assert overage_price_on(plan_of(), date(2028, 1, 1)) is None


def test_an_index_within_a_period_counts_from_the_next_one() -> None:
    plan = plan_of(indexation={"percent": "10", "first_on": "2026-03-15"})
    assert [fee_of(plan, month(2026, n)) for n in (3, 4)] == [3100, 3410]


def test_an_index_on_a_leap_day_falls_on_the_last_of_february_in_other_years() -> None:
    plan = plan_of(fee="100", indexation={"percent": "10", "first_on": "2028-02-29"})
    on = [date(2028, 2, 28), date(2028, 2, 29), date(2029, 2, 27), date(2029, 2, 28)]
    assert [str(fee_on(plan, day)) for day in on] == [
        "100.00 EUR",
        "110.00 EUR",
        "110.00 EUR",
        "121.00 EUR",
    ]
    assert fee_on(plan, date(2032, 2, 28)) == fee_on(plan, date(2031, 3, 1))
    assert fee_on(plan, date(2032, 2, 29)) > fee_on(plan, date(2032, 2, 28))


def test_an_index_is_rounded_to_the_currencys_decimals() -> None:
    plan = plan_of(currency="JPY", fee="1005", indexation=INDEX)
    assert [str(fee_on(plan, date(year, 1, 1))) for year in (2027, 2028)] == [
        "1035 JPY",
        "1066 JPY",
    ]


@given(days, days)
def test_the_indexed_fee_never_falls(one: date, other: date) -> None:
    plan = plan_of(indexation=INDEX)
    assert fee_on(plan, min(one, other)) <= fee_on(plan, max(one, other))


# --- included hours -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carry_over", "used", "carried", "overage", "carried_out"),
    [
        ("none", "15", "0", "0.00", "0.00"),
        ("none", "20", "0", "0.00", "0.00"),
        ("none", "20.01", "0", "0.01", "0.00"),
        ("none", "24.5", "0", "4.50", "0.00"),
        ("next_period", "15", "0", "0.00", "5.00"),
        # Carried hours are used first, so that they do not lapse while others are left.
        ("next_period", "15", "5", "0.00", "10.00"),
        ("next_period", "3", "5", "0.00", "20.00"),
        ("next_period", "26", "5", "1.00", "0.00"),
        ("unlimited", "3", "5", "0.00", "22.00"),
        ("unlimited", "0", "60", "0.00", "80.00"),
        ("unlimited", "81.5", "60", "1.50", "0.00"),
        # Hours taken back add to those that are left.
        ("next_period", "-2", "5", "0.00", "22.00"),
        ("unlimited", "-2", "5", "0.00", "27.00"),
    ],
)
def test_hours_are_used_carried_or_billed(
    carry_over: str, used: str, carried: str, overage: str, carried_out: str
) -> None:
    plan = plan_of(included_hours="20", overage_price="120", carry_over=carry_over)
    found = count_hours(plan, month(2026, 3), Decimal(used), Decimal(carried))
    assert (f"{found.overage}", f"{found.carried_out}") == (overage, carried_out)


def test_a_part_period_includes_a_part_of_the_hours() -> None:
    plan = plan_of(included_hours="20", overage_price="120")
    found = count_hours(plan, month(2026, 3, first=15), Decimal(11), Decimal(0))
    assert (str(found.included), str(found.overage)) == ("10.97", "0.03")


@given(hours, hours, hours, st.sampled_from(["none", "next_period", "unlimited"]))
def test_no_hour_is_lost_or_made(
    included: Decimal, used: Decimal, carried: Decimal, carry_over: str
) -> None:
    plan = plan_of(included_hours=str(included), carry_over=carry_over, overage_price="77.77")
    found = count_hours(plan, month(2026, 3), used, carried)
    available = found.included + found.carried_in
    assert found.overage == max(used - available, 0)
    left = available - (used - found.overage)
    lapsed = left - found.carried_out
    assert 0 <= found.carried_out <= left
    assert carry_over != "unlimited" or lapsed == 0
    assert carry_over != "next_period" or lapsed == max(carried - used, 0)
    assert carry_over != "none" or found.carried_out == 0


@given(st.lists(hours, min_size=1, max_size=12))
def test_over_many_periods_unlimited_carry_over_bills_only_what_was_never_included(
    used: list[Decimal],
) -> None:
    plan = plan_of(included_hours="20", carry_over="unlimited", overage_price="1")
    carried, overage = Decimal(0), Decimal(0)
    for number, worked in enumerate(used, start=1):
        found = count_hours(plan, month(2026, number), worked, carried)
        carried, overage = found.carried_out, overage + found.overage
    assert sum(used) - overage + carried == 20 * len(used)


def worked(story: list[str], **changes: Any) -> list[Row]:
    """What is billed of hours, so many in each month from March on."""
    desk = desk_of(fee="0.00", included_hours="31", **changes)
    for number, spent in enumerate(story, start=3):
        desk.works(number, f"2026-{number:02}-10", spent, "care")
    for number in range(3, 3 + len(story)):
        desk.on(f"2026-{number + 1:02}-01").bills_all()
    return lines(desk)


@pytest.mark.parametrize(
    ("story", "changes", "expected"),
    [
        (["33"], {}, [("March 2026", "2.00", "50", "100.00")]),
        (["33"], {"overage_price": None}, []),
        (["33"], {"indexation": {"percent": "3", "first_on": "2026-02-01"}},
         [("March 2026", "2.00", "51.5", "103.00")]),
        (["21", "43"], {"carry_over": "next_period"}, [("April 2026", "2.00", "50", "100.00")]),
        (["21", "31", "43"], {"carry_over": "next_period"},
         [("May 2026", "2.00", "50", "100.00")]),
        (["21", "5", "64"], {"carry_over": "next_period"},
         [("May 2026", "2.00", "50", "100.00")]),
        (["21", "5", "64"], {"carry_over": "unlimited"}, []),
        (["-2", "34"], {"carry_over": "next_period"}, []),
    ],
)  # fmt: skip
def test_hours_beyond_the_included_and_carried_ones_are_billed(
    story: list[str], changes: dict[str, Any], expected: list[Row]
) -> None:
    found = worked(story, **{"overage_price": "50", **changes})
    assert found == [
        (f"Development, {period}: hours beyond the included ones", *rest)
        for period, *rest in expected
    ]


@pytest.mark.parametrize(("late", "billed"), [("3", "310"), ("6", "410")])
def test_hours_approved_late_use_what_the_last_period_left(late: str, billed: str) -> None:
    desk = desk_of("2026-01-01", "2026-01-31", fee="310", included_hours="10", overage_price="50")
    desk.bills_all()
    desk.works(1, "2026-01-10", "6", "care")
    desk.on("2026-02-01").bills_all()
    desk.works(2, "2026-01-11", late, "care")
    desk.looks_once_more()
    assert desk.bills_all() == euros(billed)
    assert desk.is_over


# --- credits --------------------------------------------------------------------------------


def test_a_service_credit_is_a_deduction_on_the_plans_own_line() -> None:
    desk = desk_of()
    desk.billing, taken = account.credit_service(
        desk.billing, "care", "7", "4 hours down on 3 March", euros(155), desk.today
    )
    assert taken
    proposal = desk.bills()
    text = "Development, service credit: 4 hours down on 3 March"
    assert rows(proposal)[1] == (text, "-1.00", "155", "-155.00")
    assert proposal.lines[1].order_line == "care"
    assert (proposal.amount, proposal.as_planned) == (euros(2945), False)


def test_a_service_credit_counts_once() -> None:
    desk = desk_of()
    for _ in range(2):
        desk.owes("june", "60")
    assert desk.bills_all() == euros(3040)
    again = account.credit_service(desk.billing, "care", "june", "", euros(60), desk.today)
    assert again == (desk.billing, False)


@pytest.mark.parametrize(
    ("plan", "amount", "why"),
    [
        ("calls", euros(60), "no retainer calls"),
        ("care", euros(0), "above zero in EUR"),
        ("care", euros(-1), "above zero in EUR"),
        ("care", Money(1, "USD"), "above zero in EUR"),
    ],
)
def test_a_service_credit_may_be_refused(plan: str, amount: Money, why: str) -> None:
    desk = desk_of()
    with pytest.raises(NotPossible, match=why):
        account.credit_service(desk.billing, plan, "july", "outage", amount, desk.today)


def test_a_service_credit_larger_than_the_invoice_waits_for_the_end() -> None:
    desk = desk_of("2026-01-01", "2026-01-31", fee="310")
    desk.owes("big", "400")
    desk.owes("small", "100")
    assert desk.bills_all() == euros(210)
    assert desk.open_ends == ["service_credit:care:big (-400.00) is not billed"]
    settled = desk.on("2026-02-01").bills("settlement")
    assert settled.kind == "credit_note"
    assert (desk.billed, desk.sums.value) == (euros(-190), euros(-190))
    assert desk.is_over


# --- an early end ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fee", "ends_on", "text", "amount"),
    [
        ("3100", "2026-03-10", "March 2026, 21 of 31 days not used", "-2100.00"),
        # Half a cent is rounded on what is kept, as if only that had been billed.
        ("1000.01", "2026-03-16", "March 2026, 15 of 31 days not used", "-483.88"),
    ],
)
def test_days_after_an_early_end_are_given_back(
    fee: str, ends_on: str, text: str, amount: str
) -> None:
    desk = desk_of(fee=fee)
    desk.bills_all()
    desk.ends(ends_on)
    assert desk.due() == [], "it waits for an invoice that can bear it"
    back = desk.on("2026-04-01").bills("settlement")
    assert [(row[0], row[3]) for row in rows(back)] == [(f"Development, {text}", amount)]
    assert desk.is_over


def test_nothing_is_given_back_of_days_that_were_used_or_never_billed() -> None:
    used, unbilled = desk_of(), desk_of()
    used.bills_all()
    used.ends("2026-03-31")
    assert used.on("2026-04-01").bills_all() == euros(3100)
    unbilled.ends("2026-03-10")
    assert unbilled.bills_all() == euros(1000)


def test_a_fee_that_is_given_up_or_credited_is_not_given_back() -> None:
    given, credited = desk_of(fee="310"), desk_of(fee="310")
    given.gives_up()
    credited.bills_all()
    credited.credits(1)
    for desk in (given, credited):
        desk.ends("2026-03-21")
        assert desk.on("2026-03-22").bills_all() == euros(0)
        assert desk.sums.value == euros(0)
        assert desk.is_over


def test_a_plan_ended_and_prolonged_goes_on_where_it_ended() -> None:
    desk = desk_of("2026-01-01", "2026-12-31", fee="310")
    desk.bills_all()
    for ends_on, value in (("2026-01-21", "210"), ("2026-01-11", "110"), ("2026-01-31", "310")):
        desk.adopts(ends_on=ends_on)
        assert desk.sums.value == euros(value)
    assert desk.on("2026-02-01").bills_all() == euros(310)
    assert desk.is_over


@settings(max_examples=60)
@given(cadences, days, st.integers(0, 400), st.integers(1, 10**8))
def test_billed_in_advance_and_given_back_is_what_the_used_days_cost(
    every: str, first: date, length: int, fee: int
) -> None:
    last = first + timedelta(days=length)
    plan = CARE | {"fee": str(Decimal(fee).scaleb(-2)), "every": every}
    terms: dict[str, Any] = {"retainers": [plan], "starts_on": str(first), "signed_on": str(first)}
    desk = Desk(**terms, ends_on=None)
    desk.bills_all()
    desk.ends(str(last))
    desk.on(str(last + timedelta(days=1))).bills_all()
    made = desk.contract
    used = billing_periods(every, made.first_day, last)
    assert desk.billed.amount == sum(fee_of(made.retainers[0], period) for period in used)
    assert desk.is_over

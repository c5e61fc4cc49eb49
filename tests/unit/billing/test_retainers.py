"""Fees are prorated by days and indexed year by year; hours are used, carried or billed, once."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.billing import account
from contracts.billing.account import NotPossible
from contracts.billing.retainers import HoursCount, count_hours, fee_on, overage_price_on
from contracts.model import RetainerPlan
from contracts.money import Money
from tests.unit.billing.desk import Desk
from tests.unit.billing.made import contract, days, euros, holds_in_odoo, month

CARE = {"key": "care", "service": "work", "fee": "3100"}
HOURS = CARE | {"fee": "0", "included_hours": "20", "overage_price": "120"}

hours = st.decimals(0, 500, places=2)
fees = st.integers(1, 10**9).map(lambda cents: str(Money(Decimal(cents).scaleb(-2), "EUR").amount))


def plan_of(currency: str = "EUR", **changes: Any) -> RetainerPlan:
    made = contract(retainers=[CARE | changes], currency=currency, value="0", ends_on=None)
    return made.retainers[0]


def caring(plan: dict[str, Any], **terms: Any) -> Desk:
    return Desk(retainers=[plan], **terms)


# --- the fee --------------------------------------------------------------------------------


def test_a_whole_period_costs_the_fee() -> None:
    (line,) = caring(CARE).bills().lines
    assert (line.order_line, line.service_code) == ("care", "DEVELOPMENT")
    assert line.description == "Development, January 2026"
    assert (line.quantity, line.unit_price, line.amount) == (Decimal(1), Decimal(3100), euros(3100))


def test_a_start_in_the_middle_of_a_month_is_prorated_by_its_days() -> None:
    (line,) = caring(CARE, starts_on="2026-01-15").bills().lines
    assert line.description == "Development, 2026-01-15 to 2026-01-31 (17 of 31 days)"
    assert (line.quantity, line.amount) == (Decimal(1), euros(1700))


@pytest.mark.parametrize(("year", "amount"), [(2026, "1550.00"), (2028, "1603.45")])
def test_a_leap_year_has_its_own_february(year: int, amount: str) -> None:
    last = 14 if year == 2026 else 15
    desk = caring(CARE, starts_on=f"{year}-02-01", ends_on=f"{year}-02-{last}")
    assert desk.bills().amount == euros(amount)


@given(fees, st.integers(2, 31))
def test_two_parts_of_a_month_cost_the_month_within_a_cent(fee: str, split: int) -> None:
    plan = CARE | {"fee": fee}
    one = caring(plan, ends_on=f"2026-01-{split - 1:02}")
    other = caring(plan, starts_on=f"2026-01-{split:02}")
    both = one.bills_all() + other.bills_all()
    assert abs((both - euros(fee)).amount) <= Decimal("0.01")
    for made in (*one.proposals, *other.proposals):
        assert all(holds_in_odoo(line) for line in made.lines)


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
    desk = caring(CARE | {"indexation": {"percent": "10", "first_on": "2026-01-15"}})
    assert desk.bills().amount == euros(3100)
    assert desk.on("2026-02-01").bills().amount == euros(3410)


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
    found = [str(fee_on(plan, date(year, 1, 1))) for year in (2027, 2028)]
    assert found == ["1035 JPY", "1066 JPY"]


@given(days, days)
def test_the_indexed_fee_never_falls(one: date, other: date) -> None:
    plan = plan_of(indexation=INDEX)
    assert fee_on(plan, min(one, other)) <= fee_on(plan, max(one, other))


# --- included hours -------------------------------------------------------------------------


def counted(used: str | Decimal, carried: str | Decimal = "0", **changes: Any) -> HoursCount:
    plan = plan_of(**{"included_hours": "20", "overage_price": "120"} | changes)
    return count_hours(plan, month(2026, 3), Decimal(used), Decimal(carried))


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
        # What was taken back adds to what is left.
        ("next_period", "-2", "5", "0.00", "22.00"),
        ("unlimited", "-2", "5", "0.00", "27.00"),
    ],
)
def test_hours_are_used_carried_or_beyond(
    carry_over: str, used: str, carried: str, overage: str, carried_out: str
) -> None:
    found = counted(used, carried, carry_over=carry_over)
    assert (str(found.overage), str(found.carried_out)) == (overage, carried_out)


def test_hours_beyond_the_included_ones_are_billed_at_their_price() -> None:
    desk = caring(HOURS)
    desk.works(1, "2026-01-10", "24.5", "care")
    (line,) = desk.on("2026-02-01").bills().lines
    assert (line.quantity, line.unit_price) == (Decimal("4.50"), Decimal(120))
    assert line.description == "Development, January 2026: hours beyond the included ones"


def test_without_a_price_they_are_not_billed() -> None:
    desk = caring(HOURS | {"overage_price": None})
    desk.works(1, "2026-01-10", "25", "care")
    assert desk.on("2026-02-01").due() == []


def test_hours_not_used_are_carried_over() -> None:
    desk = caring(HOURS | {"carry_over": "next_period"})
    desk.works(1, "2026-01-10", "15", "care")
    desk.works(2, "2026-02-10", "26", "care")
    desk.works(3, "2026-03-10", "20", "care")
    assert desk.on("2026-03-01").bills_all() == euros(120), "five were left of January"
    desk.works(2, "2026-02-10", "23", "care")
    assert desk.on("2026-04-01").bills_all() == euros(0), "two are left of February, none over"


def test_a_part_period_includes_a_part_of_the_hours() -> None:
    plan = plan_of(included_hours="20", overage_price="120")
    found = count_hours(plan, month(2026, 3, first=15), Decimal(11), Decimal(0))
    assert (str(found.included), str(found.overage)) == ("10.97", "0.03")


@given(hours, hours, hours, st.sampled_from(["none", "next_period", "unlimited"]))
def test_no_hour_is_lost_or_made(
    included: Decimal, used: Decimal, carried: Decimal, carry_over: str
) -> None:
    found = counted(used, carried, included_hours=str(included), carry_over=carry_over)
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
    carried, overage = Decimal(0), Decimal(0)
    for worked in used:
        found = counted(worked, carried, carry_over="unlimited")
        carried, overage = found.carried_out, overage + found.overage
    assert sum(used) - overage + carried == 20 * len(used)


# --- credits --------------------------------------------------------------------------------


def test_a_service_credit_comes_off_the_next_invoice_once() -> None:
    desk = caring(CARE)
    desk.owes("june", "155")
    desk.owes("june", "155")
    made = desk.bills()
    assert made.amount == euros(2945)
    assert not made.as_planned
    line = made.lines[-1]
    assert line.description == "Development, service credit: outage"
    assert (line.order_line, line.quantity, line.amount) == ("care", Decimal(-1), euros(-155))
    desk.owes("june", "155")
    assert desk.bills_all() == euros(2945)


def test_a_service_credit_is_of_a_retainer_and_above_zero() -> None:
    desk = caring(CARE)
    with pytest.raises(NotPossible, match="no retainer calls"):
        desk.owes("july", "60", plan="calls")
    for wrong in (euros(0), euros(-1), Money(1, "USD")):
        with pytest.raises(NotPossible, match="above zero in EUR"):
            account.credit_service(desk.billing, "care", "july", "outage", wrong, desk.today)


def test_a_service_credit_larger_than_the_invoices_is_given_back_at_the_end() -> None:
    desk = caring(CARE, ends_on="2026-01-31")
    desk.owes("big", "4000")
    assert desk.bills_all() == euros(3100), "an invoice is never made negative by it"
    assert desk.on("2026-02-01").bills_all() == euros(-900)
    assert desk.is_over


@pytest.mark.parametrize(
    ("fee", "last", "kept"),
    [
        ("3100", "2026-01-10", "1000"),
        ("3100", "2026-01-31", "3100"),
        ("1000.01", "2026-01-15", "483.88"),  # 483.8758...
    ],
)
def test_days_after_an_early_end_are_given_back(fee: str, last: str, kept: str) -> None:
    desk = caring(CARE | {"fee": fee})
    desk.bills()
    desk.adopts(ends_on=last)
    assert desk.on("2026-02-01").bills_all() == euros(kept)
    assert desk.is_over


def test_a_credited_fee_is_not_given_back_a_second_time() -> None:
    desk = caring(CARE)
    desk.bills()
    desk.credits(1)
    desk.adopts(ends_on="2026-01-21")
    assert desk.on("2026-02-01").bills_all() == euros(0)


@given(fees, st.integers(1, 31))
def test_billed_in_advance_and_given_back_is_what_the_used_days_cost(fee: str, last: int) -> None:
    plan, ends = CARE | {"fee": fee}, f"2026-01-{last:02}"
    desk = caring(plan)
    desk.bills()
    desk.adopts(ends_on=ends)
    assert desk.on("2026-02-01").bills_all() == caring(plan, ends_on=ends).bills_all()

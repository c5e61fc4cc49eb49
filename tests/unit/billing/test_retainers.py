"""Fees are prorated by days and indexed year by year; hours are used, carried or billed, once."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.billing.charges import ChargeKind, total
from contracts.billing.periods import BillingPeriod, billing_periods
from contracts.billing.retainers import (
    bill_hours,
    fee_charge,
    fee_on,
    overage_price_on,
    service_credit,
    unused_fee,
)
from contracts.model import Contract, RetainerPlan
from contracts.money import Money
from tests.unit.billing.made import cadences, contract, days, euros, holds_in_odoo, month

hours = st.decimals(0, 500, places=2)


def plan_of(currency: str = "EUR", **changes: Any) -> tuple[Contract, RetainerPlan]:
    row = {"key": "care", "service": "work", "fee": "3100"} | changes
    made = contract(retainers=[row], currency=currency, value="0", ends_on=None)
    return made, made.retainers[0]


# --- the fee --------------------------------------------------------------------------------


def test_a_whole_period_costs_the_fee() -> None:
    made, plan = plan_of()
    charge = fee_charge(made, plan, month(2026, 3))
    assert (charge.key, charge.kind) == ("care:2026-03-01", ChargeKind.RETAINER)
    assert (charge.order_line, charge.service_code) == ("care", "DEVELOPMENT")
    assert charge.description == "Development, March 2026"
    assert (charge.quantity, charge.unit_price, charge.amount) == (
        Decimal(1),
        Decimal(3100),
        euros(3100),
    )


def test_a_start_in_the_middle_of_a_month_is_prorated_by_its_days() -> None:
    made, plan = plan_of()
    charge = fee_charge(made, plan, month(2026, 3, first=15))
    assert charge.key == "care:2026-03-15"
    assert charge.description == "Development, 2026-03-15 to 2026-03-31 (17 of 31 days)"
    assert (charge.quantity, charge.amount) == (Decimal(1), euros(1700))


@pytest.mark.parametrize(("year", "amount"), [(2026, "1660.71"), (2028, "1603.45")])
def test_a_leap_year_has_its_own_february(year: int, amount: str) -> None:
    made, plan = plan_of()
    assert fee_charge(made, plan, month(year, 2, last=15)).amount == euros(amount)


@given(cadences, days, st.integers(0, 400), st.integers(1, 10**9))
def test_a_fee_never_exceeds_its_whole_period_and_holds_in_odoo(
    every: str, first: date, length: int, fee: int
) -> None:
    made, plan = plan_of(fee=str(Money(Decimal(fee).scaleb(-2), "EUR")), every=every)
    for period in billing_periods(every, first, first + timedelta(days=length)):
        charge = fee_charge(made, plan, period)
        assert Decimal(0) <= charge.amount.amount <= plan.fee.amount
        assert (charge.amount == plan.fee) or period.share < 1
        assert holds_in_odoo(charge)


@given(st.integers(1, 10**7), st.integers(2, 31))
def test_two_parts_of_a_month_cost_the_month_within_a_cent(fee: int, split: int) -> None:
    made, plan = plan_of(fee=str(Money(Decimal(fee).scaleb(-2), "EUR")))
    parts = [
        fee_charge(made, plan, month(2026, 3, last=split - 1)),
        fee_charge(made, plan, month(2026, 3, first=split)),
    ]
    assert abs((total(parts, "EUR") - plan.fee).amount) <= Decimal("0.01")


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
    _, plan = plan_of(fee="1000.55", indexation=INDEX)
    assert fee_on(plan, date.fromisoformat(day)) == euros(fee)


def test_the_price_of_overage_is_indexed_like_the_fee() -> None:
    _, plan = plan_of(overage_price="99.99", indexation=INDEX)
    assert overage_price_on(plan, date(2026, 12, 31)) == euros("99.99")
    assert overage_price_on(plan, date(2028, 1, 1)) == euros("106.08")
    assert overage_price_on(plan_of()[1], date(2028, 1, 1)) is None


def test_an_index_within_a_period_counts_from_the_next_one() -> None:
    made, plan = plan_of(indexation={"percent": "10", "first_on": "2026-03-15"})
    assert fee_charge(made, plan, month(2026, 3)).amount == euros(3100)
    assert fee_charge(made, plan, month(2026, 4)).amount == euros(3410)


def test_an_index_on_a_leap_day_falls_on_the_last_of_february_in_other_years() -> None:
    _, plan = plan_of(fee="100", indexation={"percent": "10", "first_on": "2028-02-29"})
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
    _, plan = plan_of(currency="JPY", fee="1005", indexation=INDEX)
    assert [str(fee_on(plan, date(year, 1, 1))) for year in (2027, 2028)] == [
        "1035 JPY",
        "1066 JPY",
    ]


@given(days, days)
def test_the_indexed_fee_never_falls(one: date, other: date) -> None:
    _, plan = plan_of(indexation=INDEX)
    assert fee_on(plan, min(one, other)) <= fee_on(plan, max(one, other))


# --- included hours -------------------------------------------------------------------------


def month_of_hours(used: str, carried: str = "0", **changes: Any) -> tuple[str, ...]:
    made, plan = plan_of(**{"included_hours": "20", "overage_price": "120"} | changes)
    found = bill_hours(made, plan, month(2026, 3), Decimal(used), Decimal(carried))
    billed = str(found.charge.amount) if found.charge else ""
    return str(found.overage), str(found.carried_out), billed


@pytest.mark.parametrize(
    ("carry_over", "used", "carried", "expected"),
    [
        ("none", "15", "0", ("0.00", "0.00", "")),
        ("none", "20", "0", ("0.00", "0.00", "")),
        ("none", "20.01", "0", ("0.01", "0.00", "1.20 EUR")),
        ("none", "24.5", "0", ("4.50", "0.00", "540.00 EUR")),
        ("next_period", "15", "0", ("0.00", "5.00", "")),
        # Carried hours are used first, so that they do not lapse while others are left.
        ("next_period", "15", "5", ("0.00", "10.00", "")),
        ("next_period", "3", "5", ("0.00", "20.00", "")),
        ("next_period", "26", "5", ("1.00", "0.00", "120.00 EUR")),
        ("unlimited", "3", "5", ("0.00", "22.00", "")),
        ("unlimited", "0", "60", ("0.00", "80.00", "")),
        ("unlimited", "81.5", "60", ("1.50", "0.00", "180.00 EUR")),
    ],
)
def test_hours_are_used_carried_or_billed(
    carry_over: str, used: str, carried: str, expected: tuple[str, ...]
) -> None:
    assert month_of_hours(used, carried, carry_over=carry_over) == expected


def test_overage_without_a_price_is_only_reported() -> None:
    assert month_of_hours("25", overage_price=None) == ("5.00", "0.00", "")


def test_overage_is_billed_at_the_indexed_price() -> None:
    made, plan = plan_of(included_hours="20", overage_price="120", indexation=INDEX)
    found = bill_hours(made, plan, month(2027, 3), Decimal(22), Decimal(0))
    assert found.charge is not None
    assert (found.charge.key, found.charge.kind) == ("care:2027-03-01:overage", ChargeKind.OVERAGE)
    assert (found.charge.quantity, found.charge.unit_price) == (Decimal(2), Decimal("123.60"))
    assert found.charge.description == "Development, March 2027: hours beyond the included ones"


def test_a_part_period_includes_a_part_of_the_hours() -> None:
    made, plan = plan_of(included_hours="20", overage_price="120")
    found = bill_hours(made, plan, month(2026, 3, first=15), Decimal(11), Decimal(0))
    assert (str(found.included), str(found.overage)) == ("10.97", "0.03")


def test_hours_taken_back_add_to_those_that_are_left() -> None:
    assert month_of_hours("-2", "5", carry_over="next_period") == ("0.00", "22.00", "")
    assert month_of_hours("-2", "5", carry_over="unlimited") == ("0.00", "27.00", "")


@given(hours, hours, hours, st.sampled_from(["none", "next_period", "unlimited"]))
def test_no_hour_is_lost_or_made(
    included: Decimal, used: Decimal, carried: Decimal, carry_over: str
) -> None:
    made, plan = plan_of(included_hours=str(included), carry_over=carry_over, overage_price="77.77")
    found = bill_hours(made, plan, month(2026, 3), used, carried)
    available = found.included + found.carried_in
    assert found.overage == max(used - available, 0)
    left = available - (used - found.overage)
    lapsed = left - found.carried_out
    assert 0 <= found.carried_out <= left
    assert carry_over != "unlimited" or lapsed == 0
    assert carry_over != "next_period" or lapsed == max(carried - used, 0)
    assert carry_over != "none" or found.carried_out == 0
    assert found.charge is None or holds_in_odoo(found.charge)
    assert (found.charge is None) == (found.overage == 0)


@given(st.lists(hours, min_size=1, max_size=12))
def test_over_many_periods_unlimited_carry_over_bills_only_what_was_never_included(
    used: list[Decimal],
) -> None:
    made, plan = plan_of(included_hours="20", carry_over="unlimited", overage_price="1")
    carried, overage = Decimal(0), Decimal(0)
    for number, worked in enumerate(used, start=1):
        found = bill_hours(made, plan, month(2026, number), worked, carried)
        carried, overage = found.carried_out, overage + found.overage
    assert sum(used) - overage + carried == 20 * len(used)


# --- credits --------------------------------------------------------------------------------


def test_a_service_credit_is_a_deduction_on_the_plans_own_line() -> None:
    made, plan = plan_of()
    charge = service_credit(made, plan, "care:credit:7", "4 hours down on 3 March", euros(155))
    assert (charge.key, charge.kind) == ("care:credit:7", ChargeKind.SERVICE_CREDIT)
    assert charge.description == "Development, service credit: 4 hours down on 3 March"
    assert (charge.order_line, charge.quantity, charge.amount) == ("care", Decimal(-1), euros(-155))
    assert holds_in_odoo(charge)


@pytest.mark.parametrize("amount", ["0", "-1"])
def test_a_service_credit_of_nothing_is_refused(amount: str) -> None:
    made, plan = plan_of()
    with pytest.raises(ValueError, match="above zero"):
        service_credit(made, plan, "k", "", euros(amount))


def test_days_after_an_early_end_are_given_back() -> None:
    made, plan = plan_of()
    charge = unused_fee(made, plan, month(2026, 3), date(2026, 3, 10), euros(3100))
    assert charge is not None
    assert charge.key == "care:2026-03-01:unused"
    assert charge.description == "Development, March 2026, 21 of 31 days not used"
    assert charge.amount == euros(-2100)


def test_half_a_cent_is_rounded_on_what_is_kept_as_if_only_that_had_been_billed() -> None:
    made, plan = plan_of(fee="1000.01")
    half = unused_fee(made, plan, month(2026, 4), date(2026, 4, 15), euros("1000.01"))
    assert half is not None
    assert half.amount == euros(-500)
    assert fee_charge(made, plan, month(2026, 4, last=15)).amount == euros("500.01")


def test_nothing_is_given_back_of_days_that_were_used_or_never_billed() -> None:
    made, plan = plan_of()
    march = month(2026, 3)
    assert unused_fee(made, plan, march, date(2026, 3, 31), euros(3100)) is None
    assert unused_fee(made, plan, march, date(2026, 4, 15), euros(3100)) is None
    assert unused_fee(made, plan, march, date(2026, 3, 10), euros(0)) is None


def test_a_period_that_never_began_is_given_back_whole() -> None:
    made, plan = plan_of()
    charge = unused_fee(made, plan, month(2026, 3), date(2026, 1, 31), euros(3100))
    assert charge is not None
    assert charge.amount == euros(-3100)


def cut(period: BillingPeriod, last: date) -> BillingPeriod:
    days = period.period.model_copy(update={"last": last})
    return period.model_copy(update={"period": days})


@given(cadences, days, st.integers(0, 400), st.integers(1, 10**8))
def test_billed_in_advance_and_given_back_is_what_the_used_days_cost(
    every: str, first: date, length: int, fee: int
) -> None:
    made, plan = plan_of(fee=str(Money(Decimal(fee).scaleb(-2), "EUR")), every=every)
    period = next(iter(billing_periods(every, first, None)))
    last = first + timedelta(days=length)
    billed = fee_charge(made, plan, period).amount
    credit = unused_fee(made, plan, period, last, billed)
    kept = billed + credit.amount if credit else billed
    used = fee_charge(made, plan, cut(period, min(last, period.period.last))).amount
    # To the cent for a whole period; a part one was rounded once before.
    assert abs((kept - used).amount) <= (0 if period.share == 1 else Decimal("0.01"))

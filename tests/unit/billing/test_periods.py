"""Periods follow each other without a gap, and their shares are by days."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.billing.periods import (
    BillingPeriod,
    Period,
    billing_period,
    billing_periods,
    life,
    whole_period,
)
from tests.unit.billing.made import MARCH, cadences, contract, days

DAY = timedelta(days=1)


def period(first: str, last: str) -> Period:
    return Period(first=date.fromisoformat(first), last=date.fromisoformat(last))


def billed(cadence: str, first: str, last: str) -> list[BillingPeriod]:
    return list(billing_periods(cadence, date.fromisoformat(first), date.fromisoformat(last)))


# --- one period -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [
        ("2026-03-01", "2026-03-31", "March 2026"),
        ("2028-02-01", "2028-02-29", "February 2028"),
        ("2028-02-01", "2028-02-28", "2028-02-01 to 2028-02-28"),
        ("2026-01-01", "2026-03-31", "2026 Q1"),
        ("2026-10-01", "2026-12-31", "2026 Q4"),
        ("2026-02-01", "2026-04-30", "2026-02-01 to 2026-04-30"),
        ("2026-01-01", "2026-12-31", "2026"),
        ("2026-03-09", "2026-03-22", "2026-03-09 to 2026-03-22"),
        ("2026-03-09", "2026-03-09", "2026-03-09"),
    ],
)
def test_a_period_has_a_name_for_people(first: str, last: str, name: str) -> None:
    assert period(first, last).name == name


def test_both_its_ends_belong_to_it() -> None:
    assert MARCH.days == 31
    assert MARCH.contains(MARCH.first)
    assert MARCH.contains(MARCH.last)
    assert not MARCH.contains(MARCH.first - DAY)
    assert not MARCH.contains(MARCH.last + DAY)


def test_it_cannot_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        period("2026-03-02", "2026-03-01")


# --- whole periods --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cadence", "day", "first", "last"),
    [
        ("month", "2026-02-28", "2026-02-01", "2026-02-28"),
        ("month", "2028-02-29", "2028-02-01", "2028-02-29"),
        ("month", "2026-12-31", "2026-12-01", "2026-12-31"),
        ("quarter", "2026-01-01", "2026-01-01", "2026-03-31"),
        ("quarter", "2026-08-15", "2026-07-01", "2026-09-30"),
        ("quarter", "2026-12-31", "2026-10-01", "2026-12-31"),
        ("year", "2028-02-29", "2028-01-01", "2028-12-31"),
        ("1 week", "2026-03-09", "2026-03-09", "2026-03-15"),
        ("2 weeks", "2026-03-09", "2026-03-09", "2026-03-22"),
        ("2 weeks", "2026-03-22", "2026-03-09", "2026-03-22"),
        ("2 weeks", "2026-03-23", "2026-03-23", "2026-04-05"),
        ("2 weeks", "2026-03-08", "2026-02-23", "2026-03-08"),
        ("52 weeks", "2027-03-08", "2027-03-08", "2028-03-05"),
    ],
)
def test_months_are_the_calendars_and_weeks_count_from_the_anchor(
    cadence: str, day: str, first: str, last: str
) -> None:
    anchor = date(2026, 3, 9)
    assert whole_period(cadence, anchor, date.fromisoformat(day)) == period(first, last)


@given(cadences, days, days)
def test_every_day_is_in_its_period_and_all_its_days_are_in_the_same(
    cadence: str, anchor: date, day: date
) -> None:
    found = whole_period(cadence, anchor, day)
    assert found.contains(day)
    assert whole_period(cadence, anchor, found.first) == found
    assert whole_period(cadence, anchor, found.last) == found
    assert whole_period(cadence, anchor, found.last + DAY).first == found.last + DAY


@pytest.mark.parametrize("cadence", ["day", "0 weeks", "2 months", ""])
def test_what_is_no_cadence_is_refused(cadence: str) -> None:
    with pytest.raises(ValueError, match="is no cadence"):
        whole_period(cadence, MARCH.first, MARCH.first)


# --- billing periods ------------------------------------------------------------------------


def test_a_start_and_an_end_in_the_middle_of_a_month_are_part_periods() -> None:
    found = billed("month", "2026-01-20", "2026-04-10")
    assert [item.period for item in found] == [
        period("2026-01-20", "2026-01-31"),
        period("2026-02-01", "2026-02-28"),
        period("2026-03-01", "2026-03-31"),
        period("2026-04-01", "2026-04-10"),
    ]
    assert [item.share for item in found] == [Fraction(12, 31), 1, 1, Fraction(1, 3)]
    assert found[0].note == "2026-01-20 to 2026-01-31 (12 of 31 days)"
    assert found[1].note == "February 2026"


def test_a_plan_may_live_within_one_period() -> None:
    (only,) = billed("quarter", "2026-02-10", "2026-02-19")
    assert only.period == period("2026-02-10", "2026-02-19")
    assert only.whole == period("2026-01-01", "2026-03-31")
    assert only.share == Fraction(10, 90)


def test_february_of_a_leap_year_has_29_days_to_prorate_by() -> None:
    assert billed("month", "2028-02-29", "2028-03-31")[0].share == Fraction(1, 29)
    assert billed("month", "2026-02-28", "2026-03-31")[0].share == Fraction(1, 28)


def test_two_weeks_start_with_the_plan_so_only_the_last_is_partial() -> None:
    found = billed("2 weeks", "2026-03-04", "2026-04-05")
    assert [item.period.name for item in found] == [
        "2026-03-04 to 2026-03-17",
        "2026-03-18 to 2026-03-31",
        "2026-04-01 to 2026-04-05",
    ]
    assert [item.share for item in found] == [1, 1, Fraction(5, 14)]


def test_nothing_is_billed_of_a_plan_that_ends_before_it_starts() -> None:
    assert billed("month", "2026-03-02", "2026-03-01") == []


def test_without_an_end_periods_go_on() -> None:
    found = list(islice(billing_periods("month", date(2026, 1, 31), None), 14))
    assert found[0].share == Fraction(1, 31)
    assert found[-1].period.name == "February 2027"


@pytest.mark.parametrize("cadence", ["month", "year", "2 weeks"])
def test_the_end_of_the_calendar_is_an_end(cadence: str) -> None:
    found = list(billing_periods(cadence, date(9999, 12, 20), None))
    assert found[-1].period.last == date.max
    assert sum(item.period.days for item in found) == 12


@given(cadences, days, st.integers(0, 1500))
def test_periods_cover_the_plans_life_once(cadence: str, first: date, length: int) -> None:
    last = first + timedelta(days=length)
    found = list(billing_periods(cadence, first, last))
    assert (found[0].period.first, found[-1].period.last) == (first, last)
    assert all(one.period.last + DAY == two.period.first for one, two in pairwise(found))
    assert all(item.share == 1 for item in found[1:-1])
    for item in found:
        assert item.whole.contains(item.period.first)
        assert item.whole.contains(item.period.last)
        assert item.whole == whole_period(cadence, first, item.period.first)
        assert 0 < item.share <= 1


@given(cadences, days, st.integers(0, 400), st.integers(-10, 410))
def test_a_days_period_is_the_one_among_all(
    cadence: str, first: date, length: int, after: int
) -> None:
    last, day = first + timedelta(days=length), first + timedelta(days=after)
    among = [p for p in billing_periods(cadence, first, last) if p.period.contains(day)]
    found = billing_period(cadence, first, last, day)
    assert among == ([found] if found else [])
    assert (found is None) == (not 0 <= after <= length)


@given(cadences, days, st.integers(0, 800), st.integers(0, 800))
def test_an_earlier_end_changes_only_the_last_period(
    cadence: str, first: date, length: int, cut: int
) -> None:
    planned = list(billing_periods(cadence, first, first + timedelta(days=length)))
    ended = list(billing_periods(cadence, first, first + timedelta(days=min(cut, length))))
    assert ended[:-1] == planned[: len(ended) - 1]
    assert ended[-1].period.first == planned[len(ended) - 1].period.first
    assert ended[-1].whole == planned[len(ended) - 1].whole


# --- a plan's life, and when it bills -------------------------------------------------------

RATES = [{"price": "100"}]


def test_a_plan_lives_as_long_as_the_contract_unless_it_says_otherwise() -> None:
    made = contract(
        time=[
            {"key": "a", "service": "work", "rates": RATES},
            {
                "key": "b",
                "service": "work",
                "rates": RATES,
                "starts_on": "2026-02-10",
                "ends_on": "2026-05-31",
            },
        ]
    )
    assert life(made, made.time[0]) == (date(2026, 1, 1), date(2026, 12, 31))
    assert life(made, made.time[1]) == (date(2026, 2, 10), date(2026, 5, 31))


def test_a_contract_that_ends_early_ends_its_plans() -> None:
    plan = {"key": "a", "service": "work", "rates": RATES, "ends_on": "2026-11-30"}
    made = contract(time=[plan], ends_on="2026-06-15")
    assert life(made, made.time[0]) == (date(2026, 1, 1), date(2026, 6, 15))


def test_a_contract_without_an_end_has_plans_without_one() -> None:
    made = contract(time=[{"key": "a", "service": "work", "rates": RATES}], ends_on=None)
    assert life(made, made.time[0]) == (date(2026, 1, 1), None)

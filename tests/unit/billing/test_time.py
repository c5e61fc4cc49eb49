"""Hours by rate card: each billed once, whatever happens to its line, and never above the cap."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.billing import account
from contracts.billing.account import Composition
from contracts.billing.time import TimeEntry, rate
from contracts.model import TimePlan
from tests.unit.billing.desk import Desk
from tests.unit.billing.made import contract, euros, holds_in_odoo

CARD = [
    {"price": "100"},
    {"price": "110", "valid_from": "2026-07-01"},
    {"price": "150", "role": "Architect"},
    {"price": "165", "role": "Architect", "valid_from": "2026-07-01"},
    {"price": "180", "person": "ana@northwind.example"},
    {"price": "200", "person": "Ana Alba", "role": "Architect"},
    {"price": "220", "person": "Zed", "valid_from": "2027-01-01"},
]
DEV = {"key": "dev", "service": "work", "rates": [{"price": "100"}]}
OPS = {"key": "ops", "service": "work", "rates": [{"price": "50"}]}


def plan_of(**changes: Any) -> TimePlan:
    return contract(time=[DEV | changes]).time[0]


def working(**changes: Any) -> Desk:
    return Desk(time=[DEV | changes])


def entry(**changes: Any) -> TimeEntry:
    fields: dict[str, Any] = {
        "line_id": 1,
        "plan": "dev",
        "on": date(2026, 3, 10),
        "hours": Decimal(1),
        "person": "Bob Berg",
        "email": "bob@northwind.example",
        "role": "Developer",
    }
    return TimeEntry(**fields | changes)


def price(plan: TimePlan, worked: TimeEntry) -> Decimal | None:
    found = rate(plan, worked)
    return found.price.amount if found else None


def lines(desk: Desk) -> list[tuple[str, str, str]]:
    """What the next invoice bills: hours, price and amount."""
    found = desk.bills().lines
    return [(str(x.quantity), str(x.unit_price), str(x.amount.amount)) for x in found]


# --- the rate card --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "100"),
        ({"on": date(2026, 6, 30)}, "100"),
        ({"on": date(2026, 7, 1)}, "110"),
        ({"role": "Architect"}, "150"),
        ({"role": " architect "}, "150"),
        ({"role": "Architect", "on": date(2026, 12, 1)}, "165"),
        ({"person": "Ana", "email": "Ana@Northwind.example"}, "180"),
        # A rate for the person goes before a newer one for the role.
        ({"email": "ana@northwind.example", "role": "Architect", "on": date(2026, 7, 1)}, "180"),
        ({"person": "Ana Alba", "role": "Architect"}, "200"),
        ({"person": "Ana Alba", "role": "Developer"}, "100"),
        # One that is not valid yet does not count, however specific.
        ({"person": "Zed", "on": date(2026, 12, 31)}, "110"),
        ({"person": "Zed", "on": date(2027, 1, 1)}, "220"),
        ({"role": ""}, "100"),
    ],
)
def test_the_most_specific_rate_that_is_valid_counts(
    changes: dict[str, Any], expected: str
) -> None:
    assert price(plan_of(rates=CARD), entry(**changes)) == Decimal(expected)


@given(st.permutations(CARD), st.sampled_from(["Architect", "Developer"]), st.dates())
def test_the_order_of_the_rate_card_does_not_matter(
    card: list[dict[str, str]], role: str, on: date
) -> None:
    sample = entry(role=role, on=on)
    assert price(plan_of(rates=card), sample) == price(plan_of(rates=CARD), sample)


def test_there_may_be_no_rate() -> None:
    assert rate(plan_of(rates=[{"price": "150", "role": "Architect"}]), entry()) is None


def test_without_a_rate_nothing_is_billed_and_the_plan_is_named() -> None:
    desk = working(rates=[{"price": "150", "role": "Architect"}])
    desk.works(1, "2026-01-10", "1", role="Architect")
    desk.works(2, "2026-01-10", "1")
    [key] = desk.on("2026-02-01").due()
    found = account.compose(desk.billing, key, 1, desk.today)
    assert not isinstance(found, Composition)
    assert [(item.code, item.field) for item in found] == [("rate_missing", "time.dev.rates")]


# --- new lines ------------------------------------------------------------------------------


def test_hours_are_one_line_for_each_price_and_role_or_person() -> None:
    desk = working(rates=[{"price": "100"}, {"price": "150", "role": "Architect"}])
    desk.works(5, "2026-01-02", "2.5", role="Architect")
    desk.works(1, "2026-01-03", "3")
    desk.works(2, "2026-01-31", "4.25", role="Architect")
    found = desk.on("2026-02-01").bills().lines
    assert [(x.description, str(x.quantity), str(x.amount)) for x in found] == [
        ("Development, 2026-01-03", "3.00", "300.00 EUR"),
        ("Development - Architect, 2026-01-02 to 2026-01-31", "6.75", "1012.50 EUR"),
    ]
    assert {(x.order_line, x.service_code) for x in found} == {("dev", "DEVELOPMENT")}


def test_a_rate_that_rises_within_the_period_makes_two_lines() -> None:
    desk = working(rates=[{"price": "100"}, {"price": "110", "valid_from": "2026-01-15"}])
    desk.works(1, "2026-01-14", "1")
    desk.works(2, "2026-01-15", "1")
    assert lines(desk.on("2026-02-01")) == [
        ("1.00", "100", "100.00"),
        ("1.00", "110", "110.00"),
    ]


def test_hours_are_rounded_by_line_not_by_sum() -> None:
    desk = working()
    for number, worked in enumerate(("0.333", "0.333", "0.335"), start=1):
        desk.works(number, "2026-01-10", worked)
    assert lines(desk.on("2026-02-01")) == [("1.00", "100", "100.00")]


def test_a_line_of_no_time_is_not_billed_and_not_taken_for_billed() -> None:
    desk = working()
    desk.works(1, "2026-01-10", "0.004")
    assert desk.on("2026-02-01").due() == []
    desk.works(1, "2026-01-10", "0.5")
    assert lines(desk.on("2026-03-01")) == [("0.50", "100", "50.00")]


# --- billed lines ---------------------------------------------------------------------------


def test_a_billed_line_is_not_billed_again() -> None:
    desk = working()
    desk.works(1, "2026-01-10", "8")
    desk.on("2026-02-01").bills()
    desk.works(1, "2026-01-10", "8.001")
    assert desk.on("2026-03-01").due() == []


def test_a_late_line_is_billed_with_the_next_period() -> None:
    desk = working()
    desk.works(1, "2026-01-10", "8")
    desk.on("2026-02-01").bills()
    desk.works(2, "2026-01-31", "4")
    assert lines(desk.on("2026-03-01")) == [("4.00", "100", "400.00")]


def test_corrections_are_the_difference_and_may_become_a_credit_note() -> None:
    desk = working(ends_on="2026-03-31")
    desk.works(1, "2026-01-10", "10")
    desk.works(2, "2026-01-10", "4")
    desk.on("2026-02-01").bills()
    desk.works(1, "2026-01-10", "12")
    desk.works(3, "2026-02-10", "1")
    assert desk.on("2026-03-01").bills().amount == euros(300)
    del desk.entries[2]
    made = desk.on("2026-04-01").bills()
    assert made.amount == euros(-400)
    assert made.kind == "credit_note"
    assert not made.as_planned
    assert desk.on("2026-05-01").due() == []


def test_a_line_that_comes_back_is_billed_at_the_price_of_its_day() -> None:
    desk = working()
    desk.works(1, "2026-01-10", "8")
    desk.on("2026-02-01").bills()
    back = desk.entries.pop(1)
    assert desk.on("2026-03-01").bills_all() == euros(0)
    desk.entries[1] = back
    assert desk.on("2026-04-01").bills_all() == euros(800)


def test_a_moved_line_that_is_deleted_is_billed_by_neither_plan() -> None:
    desk = Desk(time=[DEV, OPS])
    desk.works(1, "2026-01-10", "10")
    assert desk.on("2026-02-01").bills_all() == euros(1000)
    desk.works(1, "2026-01-10", "10", plan="ops")
    assert desk.on("2026-03-01").bills_all() == euros(0), "first one gives it back"
    assert desk.on("2026-04-01").bills_all() == euros(500)
    del desk.entries[1]
    assert desk.on("2026-05-01").bills_all() == euros(0)


# --- the cap --------------------------------------------------------------------------------


def capped(desk: Desk, day: str) -> str:
    """What is billed by then, up to the cap."""
    desk.on(day).due()
    desk.lets_cap_pass()
    return str(desk.bills_all().amount)


def test_the_bill_that_passes_the_threshold_warns_once() -> None:
    desk, told = working(cap="1000", warn_at="80"), []
    for number, (worked, day) in enumerate(
        [("7.99", "2026-02-01"), ("0.01", "2026-03-01"), ("1", "2026-04-01")], start=1
    ):
        desk.works(number, "2026-01-10", worked)
        [key] = desk.on(day).due()
        composed = account.compose(desk.billing, key, number, desk.today)
        assert isinstance(composed, Composition)
        told.append(composed.warnings)
        desk.bills()
    assert told == [
        (),
        ("Development: 800.00 EUR of the cap of 1000.00 EUR is used, 80 % (plan dev)",),
        (),
    ]


def test_a_cap_that_is_reached_exactly_is_not_exceeded() -> None:
    desk = working(cap="1000")
    desk.works(1, "2026-01-10", "10")
    assert desk.on("2026-02-01").bills_all() == euros(1000)


def test_up_to_the_cap_the_last_line_is_cut_and_every_hour_is_dealt_with() -> None:
    card = [{"price": "100"}, {"price": "130", "role": "Architect"}]
    desk = working(cap="1000", rates=card)
    desk.works(1, "2026-01-10", "7")
    desk.on("2026-02-01").bills()
    desk.works(2, "2026-02-10", "2")
    desk.works(3, "2026-02-10", "4", role="Architect")
    desk.on("2026-03-01").due()
    desk.lets_cap_pass()
    found = desk.bills().lines
    assert desk.billed == euros(1000)
    assert sum(line.amount.amount for line in found) == 300
    assert any("up to the cap" in line.description for line in found)
    assert [item.amount for item in account.unbilled(desk.billing, desk.today)] == [euros(420)]
    assert desk.on("2026-04-01").due() == []


def test_what_was_never_charged_is_not_credited() -> None:
    desk = working(cap="1000")
    desk.works(1, "2026-01-10", "8")
    desk.works(2, "2026-01-10", "8")
    assert capped(desk, "2026-02-01") == "1000.00"
    # 16 hours were worked, 10 charged: 6 less leave the cap used up, 6 more are credited.
    desk.works(1, "2026-01-10", "4")
    desk.works(2, "2026-01-10", "6")
    assert capped(desk, "2026-03-01") == "1000.00"
    del desk.entries[2]
    assert capped(desk, "2026-04-01") == "400.00"


def test_a_cap_that_was_lowered_below_what_is_billed_holds_back_only_what_is_new() -> None:
    desk = working(cap="1000")
    desk.works(1, "2026-01-10", "9")
    desk.on("2026-02-01").bills()
    desk.adopts(time=[DEV | {"cap": "500"}])
    desk.works(2, "2026-02-10", "1")
    assert capped(desk, "2026-03-01") == "900.00"


hours = st.decimals("0", "30", places=2)
steps = st.lists(
    st.dictionaries(st.integers(1, 6), hours | st.none(), min_size=1, max_size=4),
    min_size=1,
    max_size=6,
)
"""Bill after bill, what each line is found as: so many hours, or gone."""


@given(steps, st.integers(1, 5000), st.sampled_from(["60", "95", "101"]))
def test_the_customer_pays_the_work_or_the_cap_whatever_happens_to_lines(
    story: list[dict[int, Decimal | None]], cap: int, price: str
) -> None:
    desk = working(cap=str(cap), rates=[{"price": price}, {"price": "140", "role": "Architect"}])
    for number, found in enumerate(story, start=2):
        for line, worked in found.items():
            if worked is None:
                desk.entries.pop(line, None)
            else:
                role = "" if line % 2 else "Architect"
                desk.works(line, "2026-01-10", str(worked), role=role)
        capped(desk, f"2026-0{number}-01")
        work = sum(
            (e.hours * (140 if e.role else int(price)) for e in desk.entries.values()), Decimal(0)
        )
        assert desk.billed.amount == min(work, Decimal(cap))
        # The same once more changes nothing: no hour is billed twice.
        assert desk.due() == []
    assert all(holds_in_odoo(line) for made in desk.proposals for line in made.lines)

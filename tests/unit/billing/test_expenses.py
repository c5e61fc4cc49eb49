"""Expenses billed on: each once, at cost plus mark-up, never above the cap."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.billing import account
from contracts.billing.account import Composition
from contracts.billing.lines import rounded
from tests.unit.billing.desk import Desk
from tests.unit.billing.made import euros, holds_in_odoo

TRAVEL = {"key": "travel", "service": "work"}


def spending(**changes: Any) -> Desk:
    return Desk(expenses=[TRAVEL | changes])


def amounts(desk: Desk) -> list[str]:
    return [str(line.amount) for line in desk.bills().lines]


def test_an_expense_is_billed_at_cost_plus_mark_up() -> None:
    desk = spending(markup="12.5")
    desk.spends(2, "2026-01-10", "80")
    desk.spends(1, "2026-01-12", "10.10")
    found = desk.on("2026-02-01").bills().lines
    assert [str(line.amount) for line in found] == ["11.36 EUR", "90.00 EUR"]  # 11.3625
    assert found[0].description == "Train (2026-01-12)"
    assert {(line.order_line, line.service_code) for line in found} == {("travel", "DEVELOPMENT")}


def test_an_expense_is_billed_once() -> None:
    desk = spending()
    desk.spends(1, "2026-01-10", "80")
    desk.on("2026-02-01").bills()
    assert desk.on("2026-03-01").due() == []
    desk.spends(2, "2026-01-20", "5")
    assert amounts(desk.on("2026-04-01")) == ["5.00 EUR"]


def test_an_expense_of_nothing_is_left_alone() -> None:
    desk = spending()
    desk.spends(1, "2026-01-10", "0")
    assert desk.on("2026-02-01").due() == []


def test_a_changed_cost_is_corrected_by_the_difference() -> None:
    desk = spending(markup="10")
    desk.spends(1, "2026-01-10", "80")
    desk.on("2026-02-01").bills()
    desk.spends(1, "2026-01-10", "60")
    (line,) = desk.on("2026-03-01").bills().lines
    assert line.amount == euros(-22)
    assert "80.00 EUR to 60.00 EUR" in line.description
    del desk.expenses[1]
    assert amounts(desk.on("2026-04-01")) == ["-66.00 EUR"]
    assert desk.billed == euros(0)
    assert desk.on("2026-05-01").due() == []


def test_over_the_cap_a_person_decides_and_the_rest_is_listed() -> None:
    desk = spending(cap="100")
    desk.spends(1, "2026-01-10", "70")
    desk.spends(2, "2026-01-11", "50")
    desk.spends(3, "2026-01-12", "5")
    [key] = desk.on("2026-02-01").due()
    found = account.compose(desk.billing, key, 1, desk.today)
    assert not isinstance(found, Composition)
    assert [(item.code, item.value) for item in found] == [("cap_reached", "25.00 EUR")]
    desk.lets_cap_pass("travel")
    assert desk.bills_all() == euros(100)
    assert [item.amount for item in account.unbilled(desk.billing, desk.today)] == [euros(25)]
    assert desk.on("2026-03-01").due() == []


def test_a_cap_that_is_reached_exactly_is_not_exceeded() -> None:
    desk = spending(cap="100")
    desk.spends(1, "2026-01-10", "100")
    assert desk.on("2026-02-01").bills_all() == euros(100)


def test_what_was_never_charged_is_not_credited() -> None:
    desk = spending(cap="100")
    desk.spends(1, "2026-01-10", "70")
    desk.spends(2, "2026-01-11", "50")
    desk.on("2026-02-01").due()
    desk.lets_cap_pass("travel")
    desk.bills_all()
    # 20 were left out: of the first's 30 less, only 10 were ever charged.
    desk.spends(1, "2026-01-10", "40")
    assert desk.on("2026-03-01").bills_all() == euros(90)


costs = st.decimals(0, 500, places=2)
stories = st.lists(
    st.dictionaries(st.integers(1, 5), costs, min_size=1, max_size=4), min_size=1, max_size=5
)


@given(stories, st.integers(1, 1500), st.sampled_from(["0", "7.5", "33.333"]))
def test_the_customer_pays_the_expenses_or_the_cap_whatever_changes(
    story: list[dict[int, Decimal]], cap: int, markup: str
) -> None:
    desk = spending(cap=str(cap), markup=markup)
    factor = (100 + Decimal(markup)) / 100
    known: dict[int, Decimal] = {}
    for number, found in enumerate(story, start=2):
        for expense, cost in found.items():
            desk.spends(expense, "2026-01-10", str(cost))
        known |= {expense: rounded(cost * factor, "EUR") for expense, cost in found.items()}
        desk.on(f"2026-0{number}-01").due()
        desk.lets_cap_pass("travel")
        assert desk.bills_all().amount == min(sum(known.values()), Decimal(cap))
    assert all(holds_in_odoo(line) for made in desk.proposals for line in made.lines)

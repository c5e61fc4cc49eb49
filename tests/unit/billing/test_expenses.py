"""Expenses billed on: each once, at cost plus mark-up, never above the cap."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.billing import account
from contracts.billing.account import Composition
from contracts.money import Money
from tests.unit.billing.desk import Desk, rows
from tests.unit.billing.made import euros

TRAVEL = {"key": "travel", "service": "work"}

Step = dict[int, str | None]
"""What each expense is found at: its cost, or gone."""


def told(story: list[Step], **plan: Any) -> tuple[Desk, list[list[str]]]:
    """What each month bills of expenses of January, up to the cap."""
    desk, found = Desk(expenses=[{**TRAVEL, **plan}]), []
    for month, step in enumerate(story, start=2):
        desk.on(f"2026-{month:02}-01").lets_cap_pass("travel")
        for number, cost in step.items():
            if cost is None:
                del desk.expenses[number]
            else:
                desk.spends(number, "2026-01-10", cost)
        before = len(desk.proposals)
        desk.bills_all()
        new = desk.proposals[before:]
        found.append([row[3] for proposal in new for row in rows(proposal)])
    return desk, found


@pytest.mark.parametrize(
    ("plan", "story", "expected"),
    [
        pytest.param({"markup": "12.5"}, [{2: "80", 1: "10.10"}], [["11.36", "90.00"]], id="both"),
        pytest.param({}, [{1: "80"}, {1: "80"}, {2: "5"}], [["80.00"], [], ["5.00"]], id="once"),
        pytest.param({}, [{1: "0"}], [[]], id="nothing"),
        pytest.param(
            {"markup": "10"},
            [{1: "80"}, {1: "60"}, {1: None}, {1: "60"}],
            [["88.00"], ["-22.00"], ["-66.00"], ["66.00"]],
            id="corrected",
        ),
        pytest.param(
            {"markup": "50"},
            [{1: "0.01"}, {1: "0.02"}, {1: "0.01"}],
            [["0.02"], ["0.01"], ["-0.01"]],
            id="cents",
        ),
        pytest.param(
            {"cap": "100"},
            [{1: "70", 2: "50", 3: "5"}, {1: "70"}],
            [["70.00", "30.00"], []],
            id="the last are cut",
        ),
        pytest.param({"cap": "100"}, [{1: "100"}], [["100.00"]], id="exactly the cap"),
        pytest.param(
            # 20 of the second are above the cap: of the first's 30 less, only 10 were billed.
            {"cap": "100"},
            [{1: "70", 2: "50"}, {1: "40"}],
            [["70.00", "30.00"], ["-10.00"]],
            id="what was never billed is not credited",
        ),
    ],
)
def test_an_expense_is_billed_once_and_its_changes_as_the_difference(
    plan: dict[str, str], story: list[Step], expected: list[list[str]]
) -> None:
    _, found = told(story, **plan)
    assert found == expected


def test_lines_say_what_was_bought_and_what_was_corrected() -> None:
    desk, _ = told([{1: "80"}, {1: "60"}, {1: None}], markup="10")
    assert [rows(proposal)[0][0] for proposal in desk.proposals] == [
        "Train (2026-01-10)",
        "Train (2026-01-10): cost corrected from 80.00 EUR to 60.00 EUR",
        "Train (2026-01-10): cost corrected from 60.00 EUR to 0.00 EUR",
    ]
    lines = [line for proposal in desk.proposals for line in proposal.lines]
    assert {(line.order_line, line.service_code) for line in lines} == {("travel", "DEVELOPMENT")}


def test_who_spent_it_is_named() -> None:
    desk = Desk(expenses=[TRAVEL])
    desk.spends(1, "2026-01-10", "80")
    desk.expenses[1] = desk.expenses[1].model_copy(update={"employee": "Ana Alba"})
    assert rows(desk.on("2026-02-01").bills())[0][0] == "Train (Ana Alba, 2026-01-10)"


def test_an_expense_stays_with_the_plan_that_had_it_first() -> None:
    desk = Desk(expenses=[TRAVEL, {**TRAVEL, "key": "tools"}])
    desk.spends(1, "2026-01-10", "80")
    desk.on("2026-02-01").bills_all()
    known = desk.expenses[1]
    moved = known.model_copy(update={"plan": "tools", "cost": euros(9)})
    again = account.take_expenses(desk.billing, "tools", [moved], (), desk.today)
    assert again.expenses == desk.billing.expenses


def test_over_the_cap_a_person_decides() -> None:
    desk = Desk(expenses=[{**TRAVEL, "cap": "100"}])
    for number, cost in ((1, "70"), (2, "50"), (3, "5")):
        desk.spends(number, "2026-01-10", cost)
    [key] = desk.on("2026-02-01").due()
    found = desk.composes(key)
    assert not isinstance(found, Composition)
    assert [(item.code, item.value) for item in found] == [("cap_reached", "25.00 EUR")]
    desk.lets_cap_pass("travel")
    assert desk.bills_all() == euros(100)
    assert desk.unbilled == [("travel", euros(25))]


def test_a_raised_cap_bills_what_was_cut_off() -> None:
    desk, _ = told([{1: "150"}], cap="100")
    desk.adopts(expenses=[{**TRAVEL, "cap": "500"}])
    assert desk.on("2026-03-01").bills_all() == euros(150)
    assert desk.unbilled == []


costs = st.decimals(0, 500, places=2).map(str)
stories = st.lists(
    st.dictionaries(st.integers(1, 5), costs, min_size=1, max_size=4), min_size=1, max_size=5
)


@settings(max_examples=60)
@given(stories, st.integers(1, 1500), st.sampled_from(["0", "7.5", "33.333"]))
def test_the_customer_pays_the_expenses_or_the_cap_whatever_changes(
    story: list[Step], cap: int, markup: str
) -> None:
    desk = Desk(expenses=[{**TRAVEL, "cap": str(cap), "markup": markup}])
    known: dict[int, Money] = {}
    for month, step in enumerate(story, start=2):
        desk.on(f"2026-{month:02}-01").lets_cap_pass("travel")
        for number, cost in step.items():
            desk.spends(number, "2026-01-10", cost or "0")
            price = Decimal(cost or 0) * (100 + Decimal(markup)) / 100
            known[number] = Money.rounded(price, "EUR")
        desk.bills_all()
        whole = Money.total(known.values(), "EUR")
        assert desk.billed == min(whole, euros(cap))
        above = [amount for _, amount in desk.unbilled]
        assert desk.billed + Money.total(above, "EUR") == whole
        assert desk.due() == []

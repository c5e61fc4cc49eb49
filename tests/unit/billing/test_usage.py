"""Metered quantities: every unit in its tier, the exact amount, and never less than was agreed."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.billing import account
from contracts.billing.account import NotPossible
from contracts.billing.usage import UsageRecord, amount_of, rated
from contracts.model import UsagePlan
from tests.unit.billing.desk import Desk
from tests.unit.billing.made import contract, euros, holds_in_odoo, month

TIERS = [{"up_to": "100", "price": "1"}, {"up_to": "500", "price": "0.8"}, {"price": "0.5"}]
PLAN = {"key": "calls", "service": "work", "unit": "calls", "tiers": TIERS}
MARCH = month(2026, 3)

quantities = st.decimals(0, 10**6, places=2) | st.decimals(0, 10**4, places=6)


def plan_of(**changes: Any) -> UsagePlan:
    return contract(usage=[PLAN | changes]).usage[0]


def costs(quantity: str | Decimal, **changes: Any) -> str:
    """What March comes to."""
    return str(amount_of(plan_of(**changes), MARCH, Decimal(quantity), "EUR"))


def metered(quantity: str, **changes: Any) -> Desk:
    """A desk that is to bill a quantity of January."""
    desk = Desk(usage=[PLAN | changes])
    desk.meters("r1", "2026-01-10", quantity)
    return desk.on("2026-02-01")


def lines(desk: Desk) -> list[tuple[str, str, str]]:
    return [(str(x.quantity), f"{x.unit_price:f}", str(x.amount)) for x in desk.bills().lines]


# --- tiers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "tiered", "volume"),
    [
        ("0", "0", "0"),
        ("0.01", "0.01", "0.01"),
        ("100", "100", "100"),
        ("100.01", "100.01", "80.01"),  # 100 and 0.008; volume: all at 0.8
        ("101", "100.80", "80.80"),
        ("500", "420", "400"),
        ("500.02", "420.01", "250.01"),
        ("600", "470", "300"),
        ("10000", "5170", "5000"),
    ],
)
def test_a_tier_ends_with_its_last_unit(quantity: str, tiered: str, volume: str) -> None:
    assert Decimal(costs(quantity)) == Decimal(tiered)
    assert Decimal(costs(quantity, pricing="volume")) == Decimal(volume)


def test_each_tier_used_is_a_line() -> None:
    found = metered("600").bills().lines
    assert [(x.description, str(x.amount)) for x in found] == [
        ("Development, January 2026: 100 calls at 1", "100.00 EUR"),
        ("Development, January 2026: 400 calls at 0.8", "320.00 EUR"),
        ("Development, January 2026: 100 calls at 0.5", "50.00 EUR"),
    ]
    assert {(x.order_line, x.service_code) for x in found} == {("calls", "DEVELOPMENT")}


def test_volume_prices_all_units_in_one_line() -> None:
    assert lines(metered("600", pricing="volume")) == [("600.00", "0.5", "300.00 EUR")]


@given(quantities, st.sampled_from(["tiered", "volume"]))
def test_every_unit_is_rated_once(quantity: Decimal, pricing: str) -> None:
    found = rated(plan_of(pricing=pricing), quantity)
    assert sum((units for units, _ in found), Decimal(0)) == quantity
    assert all(units > 0 for units, _ in found)
    prices = [price for _, price in found]
    assert prices == sorted(prices, reverse=True)


@given(quantities, quantities)
def test_more_units_by_tier_never_cost_less(one: Decimal, other: Decimal) -> None:
    less, more = sorted([one, other])
    # Each tier is rounded on its own, so a border may cost a cent.
    difference = Decimal(costs(more, minimum="50")) - Decimal(costs(less, minimum="50"))
    assert difference >= Decimal("-0.01")


# --- the exact amount, whatever Odoo's quantities can hold ----------------------------------


def test_a_quantity_finer_than_odoos_is_in_the_text_and_the_amount_exact() -> None:
    (line,) = metered("1.2345", tiers=[{"price": "100"}]).bills().lines
    assert (line.quantity, line.amount) == (Decimal(1), euros("123.45"))
    assert line.description == "Development, January 2026: 1.2345 calls at 100"


def test_a_price_of_six_decimals_counts_in_full() -> None:
    desk = metered("1000000", tiers=[{"price": "0.000125"}])
    assert lines(desk) == [("1000000.00", "0.000125", "125.00 EUR")]


@given(st.decimals(0, 10**9, places=9), st.decimals(0, 10**3, places=6), st.sampled_from([1, 3, 7]))
def test_the_amount_is_the_exact_quantity_times_price(
    quantity: Decimal, price: Decimal, parts: int
) -> None:
    exact = (quantity / parts * price).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    assert Decimal(costs(quantity / parts, tiers=[{"price": str(price)}])) == exact


@given(st.decimals("0.01", 10**6, places=6), st.decimals("0.01", 10**3, places=6))
def test_whatever_is_metered_holds_in_odoo(quantity: Decimal, price: Decimal) -> None:
    desk = metered(f"{quantity:f}", tiers=[{"price": f"{price:f}"}])
    if desk.due():
        assert all(holds_in_odoo(line) for line in desk.bills().lines)


# --- the least of a period ------------------------------------------------------------------


def test_what_is_missing_to_the_minimum_is_a_line_of_its_own() -> None:
    used, topped = metered("100", minimum="150").bills().lines
    assert used.amount == euros(100)
    assert topped.description == "Development, January 2026: up to the minimum"
    assert topped.amount == euros(50)


def test_the_minimum_is_due_without_any_use_and_prorated_by_days() -> None:
    assert Decimal(costs("0", minimum="150")) == 150
    half = amount_of(plan_of(minimum="150"), month(2026, 4, first=16), Decimal(0), "EUR")
    assert half == 75


@given(quantities, st.integers(0, 10**6))
def test_a_period_costs_its_use_or_its_minimum(quantity: Decimal, minimum: int) -> None:
    assert Decimal(costs(quantity, minimum=str(minimum))) == max(Decimal(costs(quantity)), minimum)


# --- corrections ----------------------------------------------------------------------------


def test_usage_counts_once_and_its_last_word_counts() -> None:
    desk = metered("90")
    desk.meters("r1", "2026-01-10", "90")
    desk.bills()
    desk.meters("r1", "2026-01-10", "80")
    desk.meters("late", "2026-01-31", "30")
    (line,) = desk.on("2026-03-01").bills().lines
    assert "corrected from 90 to 110 calls" in line.description
    assert line.amount == euros(18), "at the prices of its own period"


def test_within_the_minimum_a_correction_costs_nothing() -> None:
    desk = metered("10", minimum="150")
    desk.bills()
    desk.meters("r1", "2026-01-10", "150")
    assert desk.on("2026-03-01").bills_all() == euros(300), "the minimum of each month"
    desk.meters("r1", "2026-01-10", "200")
    assert desk.on("2026-04-01").bills_all() == euros(480)


@given(st.lists(st.decimals(0, 10**4, places=2), min_size=2, max_size=5))
def test_after_any_corrections_the_last_quantity_is_what_is_billed(story: list[Decimal]) -> None:
    desk = Desk(usage=[PLAN])
    for number, quantity in enumerate(story, start=2):
        desk.meters("r1", "2026-01-10", str(quantity))
        desk.on(f"2026-0{number}-01").bills_all()
    assert desk.billed.amount == Decimal(costs(story[-1]))
    assert all(holds_in_odoo(line) for made in desk.proposals for line in made.lines)


# --- the least of the term ------------------------------------------------------------------


@pytest.mark.parametrize(("committed", "missing"), [("100", "40.00"), ("60", "0.00")])
def test_what_is_missing_to_the_commitment_is_billed_at_the_end(
    committed: str, missing: str
) -> None:
    desk = Desk(
        usage=[PLAN | {"tiers": [{"price": "2"}], "commitment": committed}], ends_on="2026-01-31"
    )
    desk.meters("r1", "2026-01-10", "30")
    assert desk.on("2026-02-01").bills_all() == euros(60) + euros(missing)
    assert desk.is_over
    if missing != "0.00":
        (line,) = desk.proposals[-1].lines
        assert line.description == f"Development, up to the commitment of {committed}.00 EUR"


def test_what_is_credited_is_not_billed_again_by_way_of_the_commitment() -> None:
    desk = Desk(
        usage=[PLAN | {"tiers": [{"price": "2"}], "commitment": "100"}], ends_on="2026-01-31"
    )
    desk.meters("r1", "2026-01-10", "30")
    desk.on("2026-02-01").bills("period:2026-02-01:calls" if len(desk.due()) > 1 else "")
    desk.credits(1, "10")
    assert desk.bills_all() == euros(90)
    assert desk.is_over


# --- records --------------------------------------------------------------------------------


def test_a_record_is_a_quantity_of_a_day() -> None:
    fields = {"id": "meter-7/2026-03-01", "plan": "api", "on": "2026-03-01", "quantity": "12.5"}
    record = UsageRecord.model_validate(fields)
    assert (record.on, record.quantity) == (date(2026, 3, 1), Decimal("12.5"))
    for changes in ({"id": " "}, {"quantity": -1}, {"quantity": 0.5}, {"on": 20260301}):
        with pytest.raises(ValidationError):
            UsageRecord.model_validate({**fields, **changes})


def test_usage_outside_the_plan_is_refused() -> None:
    desk = Desk(usage=[PLAN | {"ends_on": "2026-06-30"}])
    for on in ("2025-12-31", "2026-07-01"):
        with pytest.raises(NotPossible, match="outside the plan, from 2026-01-01 to 2026-06-30"):
            desk.meters("r1", on, "1")
    with pytest.raises(NotPossible, match="no usage plan dev"):
        desk.meters("r1", "2026-01-10", "1", plan="dev")


def test_a_record_that_says_nothing_new_changes_nothing() -> None:
    desk = Desk(usage=[PLAN])
    record = UsageRecord(id="r1", plan="calls", on=date(2026, 1, 10), quantity=Decimal(10))
    desk.billing, taken = account.record_usage(desk.billing, record)
    assert taken
    billing, taken = account.record_usage(desk.billing, record)
    assert (billing, taken) == (desk.billing, False)

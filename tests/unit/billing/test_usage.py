"""Metered quantities: every unit in its tier, the exact amount, and never less than was agreed."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.billing.charges import ChargeKind, total
from contracts.billing.usage import (
    UsageRecord,
    period_amount,
    rated,
    true_up,
    usage_charges,
    usage_correction,
)
from contracts.model import Contract, UsagePlan
from tests.unit.billing.made import contract, euros, holds_in_odoo, month

TIERS = [{"up_to": "100", "price": "1"}, {"up_to": "500", "price": "0.8"}, {"price": "0.5"}]
MARCH = month(2026, 3)
HALF_APRIL = month(2026, 4, first=16)

quantities = st.decimals(0, 10**6, places=2) | st.decimals(0, 10**4, places=6)


def plan_of(**changes: Any) -> tuple[Contract, UsagePlan]:
    row = {"key": "api", "service": "work", "unit": "calls", "tiers": TIERS} | changes
    made = contract(usage=[row])
    return made, made.usage[0]


def lines(**changes: Any) -> list[tuple[str, str, str]]:
    quantity, period = changes.pop("quantity"), changes.pop("period", MARCH)
    made, plan = plan_of(**changes)
    found = usage_charges(made, plan, period, Decimal(quantity))
    return [(str(c.quantity), str(c.unit_price), str(c.amount)) for c in found]


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
    made, plan = plan_of()
    assert period_amount(made, plan, MARCH, Decimal(quantity)) == euros(tiered)
    made, plan = plan_of(pricing="volume")
    assert period_amount(made, plan, MARCH, Decimal(quantity)) == euros(volume)


def test_each_tier_used_is_a_charge() -> None:
    made, plan = plan_of()
    found = usage_charges(made, plan, MARCH, Decimal(600))
    assert [(c.key, c.description, str(c.amount)) for c in found] == [
        ("api:2026-03-01:1", "Development, March 2026: 100 calls at 1", "100.00 EUR"),
        ("api:2026-03-01:2", "Development, March 2026: 400 calls at 0.8", "320.00 EUR"),
        ("api:2026-03-01:3", "Development, March 2026: 100 calls at 0.5", "50.00 EUR"),
    ]
    assert {(c.kind, c.order_line, c.service_code) for c in found} == {
        (ChargeKind.USAGE, "api", "DEVELOPMENT")
    }


def test_volume_prices_all_units_in_one_charge() -> None:
    assert lines(quantity="600", pricing="volume") == [("600.00", "0.5", "300.00 EUR")]


def test_a_free_tier_is_shown() -> None:
    tiers = [{"up_to": "100", "price": "0"}, {"price": "0.5"}]
    assert lines(quantity="150", tiers=tiers) == [
        ("100.00", "0", "0.00 EUR"),
        ("50.00", "0.5", "25.00 EUR"),
    ]


@given(quantities, st.sampled_from(["tiered", "volume"]))
def test_every_unit_is_rated_once(quantity: Decimal, pricing: str) -> None:
    _, plan = plan_of(pricing=pricing)
    found = rated(plan, quantity)
    assert sum((units for units, _ in found), Decimal(0)) == quantity
    assert all(units > 0 for units, _ in found)
    prices = [price for _, price in found]
    assert prices == sorted(prices, reverse=True)


@given(quantities, quantities)
def test_more_units_by_tier_never_cost_less(one: Decimal, other: Decimal) -> None:
    made, plan = plan_of(minimum="50")
    less, more = sorted([one, other])
    # Each tier is rounded on its own, so a border may cost a cent.
    difference = period_amount(made, plan, MARCH, more) - period_amount(made, plan, MARCH, less)
    assert difference.amount >= Decimal("-0.01")


# --- the exact amount, whatever Odoo's quantities can hold ----------------------------------


def test_a_quantity_finer_than_odoos_is_in_the_text_and_the_amount_exact() -> None:
    made, plan = plan_of(tiers=[{"price": "100"}])
    (charge,) = usage_charges(made, plan, MARCH, Decimal("1.2345"))
    assert (charge.quantity, charge.amount) == (Decimal(1), euros("123.45"))
    assert charge.description == "Development, March 2026: 1.2345 calls at 100"


def test_a_finer_quantity_that_makes_no_difference_stays_a_quantity() -> None:
    assert lines(quantity="1234.5678", tiers=[{"price": "0.0013"}]) == [
        ("1234.57", "0.0013", "1.60 EUR")
    ]


def test_a_price_of_six_decimals_counts_in_full() -> None:
    assert lines(quantity="1000000", tiers=[{"price": "0.000125"}]) == [
        ("1000000.00", "0.000125", "125.00 EUR")
    ]


def test_a_trace_of_a_unit_is_no_quantity_of_zero() -> None:
    assert lines(quantity="0.001", tiers=[{"price": "0.5"}]) == [("1.00", "0", "0.00 EUR")]


@given(st.decimals(0, 10**9, places=9), st.decimals(0, 10**3, places=6), st.sampled_from([1, 3, 7]))
def test_the_amount_is_the_exact_quantity_times_price_and_holds_in_odoo(
    quantity: Decimal, price: Decimal, parts: int
) -> None:
    made, plan = plan_of(tiers=[{"price": str(price)}])
    found = usage_charges(made, plan, MARCH, quantity / parts)
    exact = (quantity / parts * price).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    assert total(found, "EUR").amount == exact
    assert all(holds_in_odoo(charge) for charge in found)


# --- the least of a period ------------------------------------------------------------------


def test_what_is_missing_to_the_minimum_is_a_charge_of_its_own() -> None:
    made, plan = plan_of(minimum="150")
    used, topped = usage_charges(made, plan, MARCH, Decimal(100))
    assert used.amount == euros(100)
    assert (topped.key, topped.kind) == ("api:2026-03-01:minimum", ChargeKind.COMMITMENT)
    assert topped.description == "Development, March 2026: up to the minimum"
    assert topped.amount == euros(50)


def test_the_minimum_is_due_without_any_use_and_prorated_by_days() -> None:
    assert lines(quantity="0", minimum="150") == [("1.00", "150", "150.00 EUR")]
    assert lines(quantity="0", minimum="150", period=HALF_APRIL) == [("1.00", "75", "75.00 EUR")]


def test_a_minimum_that_is_reached_exactly_adds_nothing() -> None:
    assert lines(quantity="100", minimum="100") == [("100.00", "1", "100.00 EUR")]


@given(quantities, st.integers(0, 10**6))
def test_a_period_costs_its_use_or_its_minimum(quantity: Decimal, minimum: int) -> None:
    bare = period_amount(*plan_of(), MARCH, quantity)
    made, plan = plan_of(minimum=str(minimum))
    assert period_amount(made, plan, MARCH, quantity) == max(bare, euros(minimum))


# --- corrections ----------------------------------------------------------------------------


def test_a_late_record_is_billed_at_the_prices_of_its_own_period() -> None:
    made, plan = plan_of()
    found = usage_correction(made, plan, MARCH, Decimal(90), Decimal(110), "2026-05-01")
    assert found is not None
    assert (found.key, found.kind) == ("api:2026-03-01:2026-05-01", ChargeKind.CORRECTION)
    assert found.description == "Development, March 2026: corrected from 90 to 110 calls"
    assert found.amount == euros(18)


def test_within_the_minimum_a_correction_costs_nothing() -> None:
    made, plan = plan_of(minimum="150")
    assert usage_correction(made, plan, MARCH, Decimal(10), Decimal(150), "x") is None
    found = usage_correction(made, plan, MARCH, Decimal(200), Decimal(0), "x")
    assert found is not None
    assert found.amount == euros(-30)


@given(
    st.lists(quantities, min_size=2, max_size=6),
    st.sampled_from(["tiered", "volume"]),
    st.none() | st.integers(1, 1000).map(str),
)
def test_after_any_corrections_the_last_quantity_is_what_is_billed(
    story: list[Decimal], pricing: str, minimum: str | None
) -> None:
    made, plan = plan_of(pricing=pricing, minimum=minimum)
    billed = period_amount(made, plan, MARCH, story[0])
    for number, (before, after) in enumerate(pairwise(story)):
        found = usage_correction(made, plan, MARCH, before, after, f"{number}")
        if found is not None:
            assert holds_in_odoo(found)
            billed += found.amount
    assert billed == period_amount(made, plan, MARCH, story[-1])


# --- the least of the term ------------------------------------------------------------------


def test_what_is_missing_to_the_commitment_is_billed_at_the_end() -> None:
    made, plan = plan_of(commitment="12000")
    found = true_up(made, plan, euros("10500.50"))
    assert found is not None
    assert (found.key, found.kind) == ("api:commitment:2026-12-31", ChargeKind.COMMITMENT)
    assert found.description == "Development, up to the commitment of 12000.00 EUR"
    assert found.amount == euros("1499.50")


def test_a_commitment_that_is_met_adds_nothing() -> None:
    made, plan = plan_of(commitment="12000")
    assert true_up(made, plan, euros("12000")) is None
    assert true_up(made, plan, euros("12000.01")) is None
    assert true_up(*plan_of(), euros(0)) is None


# --- records --------------------------------------------------------------------------------


def test_a_record_is_a_quantity_of_a_day() -> None:
    fields = {"id": "meter-7/2026-03-01", "plan": "api", "on": "2026-03-01", "quantity": "12.5"}
    record = UsageRecord.model_validate(fields)
    assert (record.on, record.quantity) == (date(2026, 3, 1), Decimal("12.5"))
    for changes in ({"id": " "}, {"quantity": -1}, {"quantity": 0.5}, {"on": 20260301}):
        with pytest.raises(ValidationError):
            UsageRecord.model_validate({**fields, **changes})

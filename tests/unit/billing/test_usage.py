"""Metered quantities: every unit in its tier, the exact amount, and never less than was agreed."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.billing import account
from contracts.billing.usage import UsageRecord, amount_of, rated
from contracts.model import UsagePlan
from tests.unit.billing.desk import Desk, Row, rows
from tests.unit.billing.made import contract, euros, month

TIERS = [{"up_to": "100", "price": "1"}, {"up_to": "500", "price": "0.8"}, {"price": "0.5"}]
API = {"key": "api", "service": "work", "unit": "calls", "tiers": TIERS}
MARCH = month(2026, 3)
HALF_APRIL = month(2026, 4, first=16)

quantities = st.decimals(0, 10**6, places=2) | st.decimals(0, 10**4, places=6)


def plan_of(**changes: Any) -> UsagePlan:
    return contract(usage=[API | changes]).usage[0]


def costs(quantity: Decimal | str, **changes: Any) -> Decimal:
    return amount_of(plan_of(**changes), MARCH, Decimal(quantity), "EUR")


def metered(quantity: Decimal | str, starts_on: str = "2026-03-01", **changes: Any) -> Desk:
    """A contract with a quantity in its first month, which is billed after it."""
    desk = Desk(usage=[API | changes], starts_on=starts_on)
    if Decimal(quantity):
        desk.meters("first", desk.contract.first_day.isoformat(), f"{quantity}", "api")
    desk.on("2026-04-01" if starts_on < "2026-04" else "2026-05-01").bills_all()
    return desk


def lines(desk: Desk) -> list[Row]:
    """The lines of the latest invoice; none if there is no invoice."""
    return rows(desk.proposals[-1]) if desk.proposals else []


def figures(desk: Desk) -> list[tuple[str, ...]]:
    return [row[1:] for row in lines(desk)]


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
    assert costs(quantity) == Decimal(tiered)
    assert costs(quantity, pricing="volume") == Decimal(volume)


def test_each_tier_used_is_a_line() -> None:
    desk = metered("600")
    assert lines(desk) == [
        ("Development, March 2026: 100 calls at 1", "100.00", "1", "100.00"),
        ("Development, March 2026: 400 calls at 0.8", "400.00", "0.8", "320.00"),
        ("Development, March 2026: 100 calls at 0.5", "100.00", "0.5", "50.00"),
    ]
    assert {(line.order_line, line.service_code) for line in desk.proposals[0].lines} == {
        ("api", "DEVELOPMENT")
    }


def test_volume_prices_all_units_in_one_line() -> None:
    assert figures(metered("600", pricing="volume")) == [("600.00", "0.5", "300.00")]


def test_a_free_tier_needs_no_line() -> None:
    tiers = [{"up_to": "100", "price": "0"}, {"price": "0.5"}]
    assert figures(metered("150", tiers=tiers)) == [("50.00", "0.5", "25.00")]


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
    assert costs(more, minimum="50") - costs(less, minimum="50") >= Decimal("-0.01")


# --- the exact amount, whatever Odoo's quantities can hold ----------------------------------


@pytest.mark.parametrize(
    ("quantity", "price", "text", "figures"),
    [
        # Finer than Odoo's quantities: it is in the text, and the amount is exact.
        ("1.2345", "100", "1.2345 calls at 100", ("1.00", "123.45", "123.45")),
        # Finer, but it makes no difference.
        ("1234.5678", "0.0013", "1234.5678 calls at 0.0013", ("1234.57", "0.0013", "1.60")),
        # A price of six decimals counts in full.
        ("1000000", "0.000125", "1000000 calls at 0.000125", ("1000000.00", "0.000125", "125.00")),
    ],
)
def test_the_amount_is_exact(
    quantity: str, price: str, text: str, figures: tuple[str, ...]
) -> None:
    found = lines(metered(quantity, tiers=[{"price": price}]))
    assert found == [(f"Development, March 2026: {text}", *figures)]


def test_a_trace_of_a_unit_that_costs_nothing_needs_no_invoice() -> None:
    desk = metered("0.001", tiers=[{"price": "0.5"}])
    assert desk.proposals == []
    assert desk.due() == []


@settings(max_examples=60)
@given(st.decimals(0, 10**7, places=9), st.decimals(0, 10**3, places=6), st.sampled_from([1, 3, 7]))
def test_the_amount_is_the_exact_quantity_times_price(
    quantity: Decimal, price: Decimal, parts: int
) -> None:
    desk = metered(quantity / parts, tiers=[{"price": str(price)}])
    exact = (quantity / parts * price).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    assert desk.billed.amount == exact


# --- the least of a period ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "starts_on", "expected"),
    [
        ("100", "2026-03-01", [("100.00", "1", "100.00"), ("1.00", "50", "50.00")]),
        ("0", "2026-03-01", [("1.00", "150", "150.00")]),
        ("0", "2026-04-16", [("1.00", "75", "75.00")]),
    ],
)
def test_what_is_missing_to_the_minimum_is_a_line_of_its_own(
    quantity: str, starts_on: str, expected: list[tuple[str, ...]]
) -> None:
    desk = metered(quantity, starts_on, minimum="150")
    assert figures(desk) == expected
    assert lines(desk)[-1][0].endswith(": up to the minimum")


def test_a_minimum_that_is_reached_exactly_adds_nothing() -> None:
    assert figures(metered("100", minimum="100")) == [("100.00", "1", "100.00")]


@given(quantities, st.integers(0, 10**6))
def test_a_period_costs_its_use_or_its_minimum(quantity: Decimal, minimum: int) -> None:
    assert costs(quantity, minimum=str(minimum)) == max(costs(quantity), Decimal(minimum))


def test_the_minimum_is_prorated_by_days() -> None:
    assert amount_of(plan_of(minimum="150"), HALF_APRIL, Decimal(0), "EUR") == Decimal("75.00")


# --- corrections ----------------------------------------------------------------------------


def test_a_late_record_is_billed_at_the_prices_of_its_own_period() -> None:
    desk = metered("90")
    desk.meters("late", "2026-03-20", "20", "api")
    desk.on("2026-05-01").bills_all()
    text = "Development, March 2026: corrected from 90 to 110 calls"
    assert lines(desk) == [(text, "1.00", "18", "18.00")]


def test_within_the_minimum_a_correction_costs_nothing() -> None:
    desk = metered("10", minimum="150", ends_on="2026-03-31")
    desk.meters("first", "2026-03-01", "150", "api")
    assert desk.due() == []
    desk.meters("first", "2026-03-01", "200", "api")
    assert desk.on("2026-05-01").bills_all() == euros(180)
    desk.meters("first", "2026-03-01", "0", "api")
    assert desk.bills_all() == euros(150)


@settings(max_examples=60)
@given(
    st.lists(quantities, min_size=2, max_size=5),
    st.sampled_from(["tiered", "volume"]),
    st.integers(0, 1000).map(str),
)
def test_after_any_corrections_the_last_quantity_is_what_is_billed(
    story: list[Decimal], pricing: str, minimum: str
) -> None:
    terms = {"pricing": pricing, "minimum": minimum, "ends_on": "2026-03-31"}
    desk = metered(story[0], **terms)
    for quantity in story[1:]:
        desk.meters("first", "2026-03-01", f"{quantity}", "api")
        desk.bills_all()
        assert desk.billed.amount == costs(quantity, pricing=pricing, minimum=minimum)


# --- the least of the term ------------------------------------------------------------------


@pytest.mark.parametrize(("used", "billed"), [("0", "12000"), ("10500.50", "12000")])
def test_what_is_missing_to_the_commitment_is_billed_at_the_end(used: str, billed: str) -> None:
    price = [{"price": "1"}]
    desk = metered(used, tiers=price, commitment="12000", ends_on="2026-03-31")
    assert desk.billed == euros(billed)
    text, _, _, amount = lines(desk)[-1]
    assert text == "Development, up to the commitment of 12000.00 EUR"
    assert Decimal(amount) == 12000 - Decimal(used)
    assert desk.is_over


@pytest.mark.parametrize("used", ["12000", "12000.01"])
def test_a_commitment_that_is_met_adds_nothing(used: str) -> None:
    price = [{"price": "1"}]
    desk = metered(used, tiers=price, commitment="12000", ends_on="2026-03-31")
    assert desk.billed == euros(used)
    assert desk.is_over


def test_use_that_was_given_away_counts_towards_the_commitment() -> None:
    terms: dict[str, Any] = {
        "tiers": [{"price": "2"}],
        "commitment": "100",
        "ends_on": "2026-03-31",
    }
    desk = metered("30", **terms)
    assert desk.billed == euros(100)
    desk.credits(1, "10")
    assert desk.bills_all() == euros(90), "what was credited is not billed again"
    assert desk.is_over
    given = Desk(usage=[API | terms], starts_on="2026-03-01")
    given.meters("first", "2026-03-01", "30", "api")
    given.on("2026-04-01").gives_up()
    assert given.gives_up("settlement").amount == euros(40)
    assert given.is_over
    assert (given.billed, given.sums.value) == (euros(0), euros(0))


def test_usage_reported_after_the_last_period_is_settled_at_the_end() -> None:
    desk = metered("5", ends_on="2026-03-31")
    assert desk.is_over
    for name, billed in (("late", "12"), ("later", "13")):
        desk.meters(name, "2026-03-20", "7" if name == "late" else "1", "api")
        assert not desk.is_over
        assert desk.due() == ["settlement"]
        assert desk.bills_all() == euros(billed)
        assert desk.is_over


# --- records --------------------------------------------------------------------------------


def test_a_record_is_a_quantity_of_a_day() -> None:
    fields = {"id": "meter-7/2026-03-01", "plan": "api", "on": "2026-03-01", "quantity": "12.5"}
    record = UsageRecord.model_validate(fields)
    assert (record.on, record.quantity) == (date(2026, 3, 1), Decimal("12.5"))
    for changes in ({"id": " "}, {"quantity": -1}, {"quantity": 0.5}, {"on": 20260301}):
        with pytest.raises(ValidationError):
            UsageRecord.model_validate({**fields, **changes})


def record(name: str, quantity: str, on: str = "2026-01-10", plan: str = "api") -> UsageRecord:
    return UsageRecord(id=name, plan=plan, on=date.fromisoformat(on), quantity=Decimal(quantity))


def test_usage_counts_once_and_its_last_word_counts() -> None:
    desk = Desk(usage=[API])
    billing, news = desk.billing, []
    for item in (record("r1", "10"), record("r1", "10"), record("r1", "12"), record("r2", "1.5")):
        billing, taken, known, _ = account.record_usage(billing, [item])
        news.append((taken, known))
    assert news == [(1, 0), (0, 1), (1, 0), (1, 0)]
    desk.billing = billing
    assert desk.on("2026-02-01").bills_all() == euros("13.50")
    desk.meters("late", "2026-01-10", "2", "api")
    desk.meters("r1", "2026-01-10", "2", "api")
    assert desk.on("2026-03-01").bills_all() == euros("5.50")


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (record("r", "1", "2025-12-31"), "outside the plan, from 2026-01-01 to 2026-06-30"),
        (record("r", "1", "2026-07-01"), "outside the plan, from 2026-01-01 to 2026-06-30"),
        (record("r", "1", plan="dev"), "no usage plan dev"),
        (record("r3", "1"), "2 usage records are kept at most"),
    ],
)
def test_usage_may_be_refused(
    found: UsageRecord, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contracts.billing.facts.MAX_USAGE_RECORDS", 2)
    desk = Desk(
        usage=[API | {"ends_on": "2026-06-30"}],
        time=[{"key": "dev", "service": "work", "rates": [{"price": "1"}]}],
    )
    desk.meters("r1", "2026-01-10", "1", "api")
    desk.meters("r2", "2026-01-10", "1", "api")
    before = desk.billing
    recorded = account.record_usage(desk.billing, [found])
    assert why in recorded.refused[0]
    assert recorded.billing is before
    desk.meters("r2", "2026-01-10", "2", "api")
    assert before.usage["api"].keys() == desk.billing.usage["api"].keys() == {"r1", "r2"}

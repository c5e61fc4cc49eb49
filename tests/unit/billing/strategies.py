"""Random valid contracts of mixed billing models, and the small things that happen to them."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from contracts.model import Contract, JsonObject
from contracts.money import Money
from contracts.validation import validate
from tests.unit.examples import MINOR_UNITS

SIGNED = date(2026, 1, 12)
PEOPLE = ("ann@northwind.example", "ben@northwind.example", "cas@northwind.example")
"""The first has a rate of her own, the second one by his role, the third maybe none."""
ROLES = ("Developer", "Architect", "Trainee")

currencies = st.sampled_from(sorted(MINOR_UNITS))
HOURS = tuple(Decimal(text) for text in ("0.25", "0.333", "1", "3.005", "7.5", "12"))
QUANTITIES = tuple(Decimal(text) for text in ("0", "0.004", "1", "12.5", "99", "1000"))
_cadences = st.sampled_from(["month", "month", "2 weeks", "6 weeks", "quarter"])
_percents = st.sampled_from(["5", "10", "33.5", "100"])


def in_units(count: int, currency: str) -> str:
    """So many of the smallest amounts, as the document states them."""
    return f"{count * MINOR_UNITS[currency]:f}"


def money(count: int, currency: str) -> Money:
    return Money(in_units(count, currency), currency)


@st.composite
def documents(draw: DrawFn) -> JsonObject:
    """A contract's document: some milestones, some plans, and the terms that go with them."""
    currency = draw(currencies)
    counts = draw(st.lists(st.integers(1, 900_000), max_size=4))
    chosen = draw(st.integers(0, 15)) or (0 if counts else 1)
    ends_on = draw(st.none() | st.integers(20, 300).map(lambda n: SIGNED + timedelta(days=n)))
    document: JsonObject = {
        "contract_id": "C-1",
        "legal_entity": "northwind",
        "source": {"system": "file", "id": "1"},
        "title": "Platform",
        "customer": {
            "key": "acme",
            "name": "Acme NV",
            "country": "BE",
            "billing_email": "ap@acme.example",
        },
        "currency": currency,
        "value": in_units(sum(counts), currency),
        "signed_on": str(SIGNED),
        "services": [
            {
                "key": "work",
                "code": "DEVELOPMENT",
                "description": "Development",
                "amount": in_units(sum(counts), currency),
            },
            {"key": "fees", "code": "DEPOSIT", "description": "Terms", "amount": "0"},
        ],
        "milestones": [
            milestone(f"m{number}", count, currency) for number, count in enumerate(counts, start=1)
        ],
        "time": [draw(time_plans(currency, "dev"))] if chosen & 1 else [],
        "retainers": [draw(_retainers(currency))] if chosen & 2 else [],
        "usage": [draw(_usage(currency, ends_on))] if chosen & 4 else [],
        "expenses": [draw(_expenses(currency))] if chosen & 8 else [],
    }
    if chosen & 1 and draw(st.booleans()):
        document["time"].append(draw(time_plans(currency, "ops")))
    if ends_on is not None:
        document["ends_on"] = str(ends_on)
    document |= draw(_terms(currency, sum(counts), bool(chosen), ends_on))
    return document


def contracts() -> st.SearchStrategy[Contract]:
    """Contracts as they come through the door."""
    return documents().map(validate)


def milestone(key: str, count: int, currency: str) -> JsonObject:
    return {
        "key": key,
        "name": f"Part {key}",
        "service": "work",
        "amount": in_units(count, currency),
    }


@st.composite
def time_plans(draw: DrawFn, currency: str, key: str) -> JsonObject:
    """A rate card for the first person, the first role and, sometimes, all the others."""
    rates: list[JsonObject] = [
        {"price": in_units(draw(st.integers(1, 20_000)), currency), "person": PEOPLE[0]},
        {"price": in_units(draw(st.integers(100, 20_000)), currency), "role": ROLES[1]},
    ]
    if draw(st.integers(0, 3)):
        rates.append({"price": in_units(draw(st.integers(100, 20_000)), currency)})
    plan: JsonObject = {
        "key": key,
        "service": "work",
        "every": draw(_cadences),
        "rates": rates,
    }
    if draw(st.booleans()):
        plan["cap"] = in_units(draw(st.integers(1_000, 600_000)), currency)
    return plan


@st.composite
def _retainers(draw: DrawFn, currency: str) -> JsonObject:
    plan: JsonObject = {
        "key": "care",
        "service": "work",
        "every": draw(_cadences),
        "fee": in_units(draw(st.integers(1, 300_000)), currency),
        "in_advance": draw(st.booleans()),
        "included_hours": draw(st.sampled_from(["0", "4", "10.5"])),
        "carry_over": draw(st.sampled_from(["none", "next_period", "unlimited"])),
    }
    if draw(st.booleans()):
        plan["overage_price"] = in_units(draw(st.integers(1, 20_000)), currency)
    if draw(st.booleans()):
        plan["indexation"] = {"percent": "2.5", "first_on": str(SIGNED + timedelta(days=80))}
    return plan


@st.composite
def _usage(draw: DrawFn, currency: str, ends_on: date | None) -> JsonObject:
    first, *others = draw(st.lists(st.integers(1, 9_000_000), min_size=1, max_size=3))
    tiers: list[JsonObject] = [
        {"up_to": str(number * 50), "price": _price(count)}
        for number, count in enumerate(others, start=1)
    ]
    plan: JsonObject = {
        "key": "calls",
        "service": "work",
        "unit": "calls",
        "every": draw(_cadences),
        "pricing": draw(st.sampled_from(["tiered", "volume"])),
        "tiers": [*tiers, {"price": _price(first)}],
    }
    if draw(st.booleans()):
        plan["minimum"] = in_units(draw(st.integers(1, 50_000)), currency)
    if ends_on is not None and draw(st.booleans()):
        plan["commitment"] = in_units(draw(st.integers(1, 900_000)), currency)
    return plan


def _price(millionths: int) -> str:
    return f"{Decimal(millionths).scaleb(-6):f}"


@st.composite
def _expenses(draw: DrawFn, currency: str) -> JsonObject:
    plan: JsonObject = {
        "key": "travel",
        "service": "work",
        "every": draw(_cadences),
        "markup": draw(st.sampled_from(["0", "10", "12.345"])),
    }
    if draw(st.booleans()):
        plan["cap"] = in_units(draw(st.integers(100, 100_000)), currency)
    return plan


@st.composite
def _terms(
    draw: DrawFn, currency: str, fixed: int, has_plans: bool, ends_on: date | None
) -> dict[str, Any]:
    chosen = draw(st.integers(0, 15))
    terms: dict[str, Any] = {"termination": {"retainage": draw(_forfeits)}}
    if chosen & 1 and fixed:
        count = max(fixed * draw(st.sampled_from([1, 30, 100])) // 100, 1)
        terms["deposit"] = {"amount": in_units(count, currency), "service": "fees"}
    if chosen & 2:
        terms["retainage"] = {"percent": draw(_percents), "service": "fees"}
        if draw(st.booleans()):
            release = SIGNED + timedelta(days=draw(st.integers(0, 200)))
            terms["retainage"]["release_on"] = str(release)
    if chosen & 4:
        fee = in_units(draw(st.integers(1, 90_000)), currency)
        terms["termination"] |= {"fee": fee, "fee_service": "fees"}
    if chosen & 8 and has_plans and ends_on is not None:
        terms["term"] = {"auto_renew": True, "renew_months": 2, "notice_days": 10}
    return terms


_forfeits = st.sampled_from(["release", "forfeit"])

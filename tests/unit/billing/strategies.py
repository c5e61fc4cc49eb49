"""Random valid contracts of mixed billing models.

They are drawn from a `Random`, so that a test may draw thousands by seeds, and Hypothesis those
that it shrinks.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import strategies as st

from contracts.model import Contract, JsonObject
from contracts.money import Money
from contracts.validation import validate
from tests.unit.examples import MINOR_UNITS

SIGNED = date(2026, 1, 12)
PEOPLE = ("ann@northwind.example", "ben@northwind.example", "cas@northwind.example")
"""The first has a rate of her own, the second one by his role, the third maybe none."""
ROLES = ("Developer", "Architect", "Trainee")
HOURS = tuple(Decimal(text) for text in ("0.25", "0.333", "1", "3.005", "7.5", "12"))
QUANTITIES = tuple(Decimal(text) for text in ("0", "0.004", "1", "12.5", "99", "1000"))
_CADENCES = ("month", "month", "2 weeks", "6 weeks", "quarter")
_PERCENTS = ("5", "10", "33.5", "100")


def in_units(count: int, currency: str) -> str:
    """So many of the smallest amounts, as the contract data states them."""
    return f"{count * MINOR_UNITS[currency]:f}"


def money(count: int, currency: str) -> Money:
    return Money(in_units(count, currency), currency)


def contracts() -> st.SearchStrategy[Contract]:
    """Contracts as they come through the door."""
    return st.randoms(use_true_random=False).map(lambda random: validate(contract_data(random)))


def contract_data(random: Random) -> JsonObject:
    """Contract data: some milestones, some plans, and the terms that go with them."""
    currency = random.choice(sorted(MINOR_UNITS))
    counts = [random.randint(1, 900_000) for _ in range(random.choice((0, 1, 2, 3, 4)))]
    chosen = random.randint(0, 15) or (0 if counts else 1)
    ends_on = SIGNED + timedelta(days=random.randint(20, 300)) if random.random() < 0.6 else None
    result: JsonObject = {
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
        "time": [_time_plan(random, currency, "dev")] if chosen & 1 else [],
        "retainers": [_retainer(random, currency)] if chosen & 2 else [],
        "usage": [_usage(random, currency, ends_on)] if chosen & 4 else [],
        "expenses": [_expenses(random, currency)] if chosen & 8 else [],
    }
    if chosen & 1 and random.random() < 0.5:
        result["time"].append(_time_plan(random, currency, "ops"))
    if ends_on is not None:
        result["ends_on"] = str(ends_on)
    return result | _terms(random, currency, sum(counts), bool(chosen), ends_on)


def milestone(key: str, count: int, currency: str) -> JsonObject:
    return {
        "key": key,
        "name": f"Part {key}",
        "service": "work",
        "amount": in_units(count, currency),
    }


def _time_plan(random: Random, currency: str, key: str) -> JsonObject:
    """A rate card for the first person, one role and, mostly, all the others."""
    prices = [in_units(random.randint(1, 20_000), currency) for _ in range(3)]
    rates: list[JsonObject] = [
        {"price": prices[0], "person": PEOPLE[0]},
        {"price": prices[1], "role": ROLES[1]},
    ]
    if random.random() < 0.75:
        rates.append({"price": prices[2]})
    plan: JsonObject = {
        "key": key,
        "service": "work",
        "every": random.choice(_CADENCES),
        "rates": rates,
    }
    if random.random() < 0.4:
        plan["cap"] = in_units(random.randint(1_000, 600_000), currency)
    return plan


def _retainer(random: Random, currency: str) -> JsonObject:
    plan: JsonObject = {
        "key": "care",
        "service": "work",
        "every": random.choice(_CADENCES),
        "fee": in_units(random.choice((1, 99, 300_000, random.randint(1, 300_000))), currency),
        "in_advance": random.random() < 0.5,
        "included_hours": random.choice(("0", "4", "10.5")),
        "carry_over": random.choice(("none", "next_period", "unlimited")),
    }
    if random.random() < 0.5:
        plan["overage_price"] = in_units(random.randint(1, 20_000), currency)
    if random.random() < 0.5:
        plan["indexation"] = {"percent": "2.5", "first_on": str(SIGNED + timedelta(days=80))}
    return plan


def _usage(random: Random, currency: str, ends_on: date | None) -> JsonObject:
    prices = [_price(random.randint(1, 9_000_000)) for _ in range(random.choice((1, 2, 3)))]
    limits = [{"up_to": str(number * 50)} for number in range(1, len(prices))]
    plan: JsonObject = {
        "key": "calls",
        "service": "work",
        "unit": "calls",
        "every": random.choice(_CADENCES),
        "pricing": random.choice(("tiered", "volume")),
        "tiers": [
            {"price": price} | limit for price, limit in zip(prices, [*limits, {}], strict=True)
        ],
    }
    if random.random() < 0.5:
        plan["minimum"] = in_units(random.randint(1, 50_000), currency)
    if ends_on is not None and random.random() < 0.5:
        plan["commitment"] = in_units(random.randint(1, 900_000), currency)
    return plan


def _price(millionths: int) -> str:
    return f"{Decimal(millionths).scaleb(-6):f}"


def _expenses(random: Random, currency: str) -> JsonObject:
    plan: JsonObject = {
        "key": "travel",
        "service": "work",
        "every": random.choice(_CADENCES),
        "markup": random.choice(("0", "10", "12.345")),
    }
    if random.random() < 0.4:
        plan["cap"] = in_units(random.randint(100, 100_000), currency)
    return plan


def _terms(
    random: Random, currency: str, fixed: int, has_plans: bool, ends_on: date | None
) -> dict[str, Any]:
    terms: dict[str, Any] = {"termination": {"retainage": random.choice(("release", "forfeit"))}}
    if fixed and random.random() < 0.6:
        count = max(fixed * random.choice((1, 30, 100)) // 100, 1)
        terms["deposit"] = {"amount": in_units(count, currency), "service": "fees"}
    if random.random() < 0.5:
        terms["retainage"] = {"percent": random.choice(_PERCENTS), "service": "fees"}
        if random.random() < 0.3:
            release = SIGNED + timedelta(days=random.randint(0, 200))
            terms["retainage"]["release_on"] = str(release)
    if random.random() < 0.4:
        fee = in_units(random.randint(1, 90_000), currency)
        terms["termination"] |= {"fee": fee, "fee_service": "fees"}
    if has_plans and ends_on is not None and random.random() < 0.5:
        terms["term"] = {"auto_renew": True, "renew_months": 2, "notice_days": 10}
    return terms

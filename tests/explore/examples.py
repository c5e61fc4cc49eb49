"""The contracts that are explored: small ones of each billing model, and large random ones."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from contracts.model import JsonObject
from tests.explore.world import Budget, World, begun
from tests.unit.billing import strategies

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def _contract(**terms: Any) -> JsonObject:
    return {
        "contract_id": "C-1",
        "legal_entity": "northwind",
        "source": {"system": "file", "id": "9001"},
        "title": "ERP roll-out",
        "customer": {
            "key": "acme",
            "name": "Acme NV",
            "country": "BE",
            "billing_email": "ap@acme.example",
        },
        "currency": "EUR",
        "value": "0.00",
        "signed_on": "2026-03-01",
        "starts_on": "2026-03-01",
        "requested_by": "sam@northwind.example",
        "purchase_order": "PO-77",
        "services": [{"key": "work", "code": "DEV", "description": "Work", "amount": "0.00"}],
    } | terms


def _milestones(*amounts: str, **terms: Any) -> JsonObject:
    value = f"{sum(int(amount) for amount in amounts)}.00"
    fees = {"key": "fees", "code": "FEES", "description": "Terms", "amount": "0.00"}
    work = {"key": "work", "code": "DEV", "description": "Work", "amount": value}
    milestones = [
        {"key": f"m{place}", "name": f"Part {place}", "service": "work", "amount": amount}
        for place, amount in enumerate(amounts, start=1)
    ]
    return _contract(value=value, services=[work, fees], milestones=milestones, **terms)


def _plan(kind: str, **plan: Any) -> JsonObject:
    plans = [{"service": "work", **plan}]
    return _contract(ends_on="2026-04-30", **{kind: plans})


SMALL: dict[str, JsonObject] = {
    "one milestone": _milestones("1000"),
    "a deposit": _milestones("1000", deposit={"amount": "200.00", "service": "fees"}),
    "retainage": _milestones("1000", retainage={"percent": "10", "service": "fees"}),
    "two milestones": _milestones("1000", "500"),
    "time": _plan("time", key="dev", rates=[{"price": "100.00"}]),
    "a retainer": _plan("retainers", key="care", fee="300.00"),
    "usage": _plan("usage", key="calls", unit="calls", tiers=[{"price": "2.00"}]),
    "expenses": _plan("expenses", key="travel"),
}
BUDGETS: tuple[Budget, ...] = (
    Budget(faults=1, messages=1, days=2),
    Budget(faults=1, messages=2),
    Budget(messages=3, days=1, renewals=1),
    Budget(faults=2, messages=1, copies=1, early=1),
)
_AMPLE = Budget(faults=12, messages=60, days=60, renewals=4, copies=4, early=12)


def small(name: str, budget: Budget) -> World:
    """A small contract at its beginning."""
    return begun(SMALL[name], budget, START)


def large(seed: int) -> World:
    """A random contract at its beginning, with room for much to happen."""
    random = Random(seed)  # noqa: S311 - to repeat
    system = random.choice(("file", "hubspot"))
    if random.random() < 0.4:
        name = random.choice(sorted(SMALL))
        return begun(SMALL[name], _AMPLE, START, system)
    return begun(strategies.contract_data(random), _AMPLE, START, system)

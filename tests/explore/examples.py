"""The contracts that are explored: small ones of each billing model, and large random ones."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

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


def _with_hours(**plan: Any) -> JsonObject:
    """A milestone, which is billed at once, and hours."""
    hours = {"time": [{"service": "work", **plan}], "ends_on": "2026-04-30"}
    return _milestones("1000") | hours


class Small(NamedTuple):
    """A small contract: its data, the system it comes from, and whether who works has a rate,
    and the service whose envelope it waits for."""

    data: JsonObject
    system: str = "file"
    has_rate: bool = True
    signature: str = ""


_HOURS = {"key": "dev", "rates": [{"price": "100.00"}]}
_CARE = {"key": "care", "fee": "300.00"}
_STAFF = [{"task": "m1", "role": "Developer", "hours": "40"}]
SMALL: dict[str, Small] = {
    "one milestone": Small(_milestones("1000")),
    "a hand-over": Small(
        _milestones("1000", handover={"manager": "pia@northwind.example", "people": _STAFF})
    ),
    "a deposit": Small(_milestones("1000", deposit={"amount": "200.00", "service": "fees"})),
    "retainage": Small(_milestones("1000", retainage={"percent": "10", "service": "fees"})),
    "retainage until a day": Small(
        _milestones(
            "1000", retainage={"percent": "10", "service": "fees", "release_on": "2026-09-30"}
        )
    ),
    "two milestones": Small(_milestones("1000", "500")),
    "a deal": Small(_milestones("1000"), system="hubspot"),
    "an envelope": Small(_milestones("1000"), system="hubspot", signature="docusign"),
    "a purchase order": Small(_milestones("400", "500", purchase_order_limit="500.00")),
    "time": Small(_plan("time", **_HOURS)),
    "a long time": Small(_plan("time", **_HOURS, every="quarter") | {"ends_on": "2027-12-31"}),
    "a cap": Small(_with_hours(**_HOURS, cap="500.00")),
    "no rate": Small(
        _with_hours(key="dev", rates=[{"price": "100.00", "role": "Developer"}]), has_rate=False
    ),
    "a retainer": Small(_plan("retainers", **_CARE)),
    "a term": Small(
        _plan("retainers", **_CARE)
        | {"term": {"auto_renew": True, "renew_months": 1, "notice_days": 10}}
    ),
    "usage": Small(_plan("usage", key="calls", unit="calls", tiers=[{"price": "2.00"}])),
    "expenses": Small(_plan("expenses", key="travel")),
}
BUDGETS: tuple[Budget, ...] = (
    Budget(faults=1, messages=1, days=2),
    Budget(faults=1, messages=2),
    Budget(messages=3, days=1),
    Budget(faults=1, messages=1, renewals=2),
    Budget(faults=2, messages=1, copies=1, early=1),
)
AMPLE = Budget(faults=12, messages=60, days=60, renewals=4, copies=4, early=12)


def small(name: str, budget: Budget) -> World:
    """A small contract at its beginning."""
    found = SMALL[name]
    return begun(
        found.data,
        budget,
        START,
        found.system,
        has_rate=found.has_rate,
        signature=found.signature,
    )


def large(seed: int) -> World:
    """A random contract at its beginning, with room for much to happen."""
    random = Random(seed)  # noqa: S311 - to repeat
    system = random.choice(("file", "hubspot"))
    signature = "docusign" if system != "file" and random.random() < 0.3 else ""
    if random.random() < 0.4:
        found = SMALL[random.choice(sorted(SMALL))]
        return begun(found.data, AMPLE, START, system, has_rate=found.has_rate, signature=signature)
    data = strategies.contract_data(random)
    # Left out, its first day would be that of its signature, which its other days may not bear.
    data = {"starts_on": data["signed_on"], **data}
    return begun(data, AMPLE, START, system, signature=signature)

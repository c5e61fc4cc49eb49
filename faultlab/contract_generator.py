"""What is signed in a campaign: small contracts of every kind, drawn from a seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Any

from contracts.model import JsonObject
from faultlab.books import CUSTOMER

ENTITY = "northwind"
SELLER = "sam@northwind.example"
HANDED_OVER = 4
"""One contract of so many is handed over to delivery."""
_HANDOVER: JsonObject = {
    "manager": "pm@northwind.example",
    "documents": [{"name": "Statement of work", "url": "https://docs.northwind.example/sow"}],
    "people": [{"task": "m1", "person": "accountant@northwind.example", "hours": "8"}],
}


class Flavour(StrEnum):
    """What is special about a scenario."""

    PLAIN = "plain"
    HOURS = "hours"
    RETAINER = "retainer"
    EXPENSES = "expenses"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    CREDITED = "credited"
    CHANGED = "changed"
    WRITTEN_OFF = "written_off"
    ONLINE = "online"
    """Its invoices are paid through a payment processor, where some of the money comes back."""
    OVERDUE = "overdue"
    """Its clock is moved: approvers are reminded, then the customer, until work stops."""


_WEIGHTS = {
    Flavour.PLAIN: 48,
    Flavour.HOURS: 8,
    Flavour.RETAINER: 8,
    Flavour.EXPENSES: 6,
    Flavour.CANCELLED: 6,
    Flavour.REJECTED: 6,
    Flavour.CREDITED: 6,
    Flavour.CHANGED: 5,
    Flavour.WRITTEN_OFF: 5,
    Flavour.OVERDUE: 5,
    Flavour.ONLINE: 8,
}
_COUNTS = {Flavour.CHANGED: 3, Flavour.OVERDUE: 1}
"""How many milestones it takes: an invoice beside one that is overdue would need an address."""
_DEALS = 0.5
"""The share of plain contracts that come from the CRM."""


@dataclass(frozen=True)
class GeneratedContract:
    """A contract before anything has happened to it.

    `worth` is what it must have been invoiced less credited at its close, in EUR without tax.
    """

    seed: int
    flavour: Flavour
    contract_data: JsonObject
    deal: JsonObject | None
    worth: Decimal
    amounts: tuple[Decimal, ...]


def drawn(
    seed: int, flavour: Flavour | None = None, *, deal: bool | None = None
) -> GeneratedContract:
    """The contract of a seed; always the same one."""
    random = Random(seed)  # noqa: S311 - to repeat, not to keep a secret
    drawn_flavour = random.choices(list(_WEIGHTS), weights=list(_WEIGHTS.values()))[0]
    from_crm = random.random() < _DEALS
    flavour = flavour or drawn_flavour
    drawn_count = random.choices((1, 2, 3), weights=(8, 2, 1))[0]
    count = _COUNTS.get(flavour, drawn_count)
    amounts = tuple(Decimal(random.randint(100_00, 900_00)).scaleb(-2) for _ in range(count))
    contract_data = _contract_data(seed, amounts)
    worth = sum(amounts, Decimal(0)) + _plans(contract_data, flavour, random)
    won = None
    if flavour is Flavour.PLAIN and (from_crm if deal is None else deal):
        won = _deal(seed, amounts)
    return GeneratedContract(seed, flavour, contract_data, won, worth, amounts)


def customer_name(seed: int) -> str:
    return f"{CUSTOMER}{seed}"


def last_month() -> tuple[date, date]:
    """The first and last day of the month that was over yesterday: its bills are due at once. On
    the first of a month those of the month before are due when the business day opens."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    last = yesterday.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


def vat_number(seed: int) -> str:
    """A valid Belgian VAT number of the seed's own: seven digits and two check digits."""
    digest = hashlib.sha256(f"vat {seed}".encode()).digest()
    digits = 2_000_000 + int.from_bytes(digest[:6], "big") % 7_000_000
    return f"BE0{digits}{97 - digits % 97:02d}"


def _contract_data(seed: int, amounts: tuple[Decimal, ...]) -> JsonObject:
    first, _ = last_month()
    value = f"{sum(amounts, Decimal(0)):f}"
    handover = {"handover": _HANDOVER} if seed % HANDED_OVER == 0 else {}
    return handover | {
        "contract_id": f"scenario-{seed}",
        "legal_entity": ENTITY,
        "title": "Roll-out",
        "customer": {
            "key": f"customer-{seed}",
            "name": customer_name(seed),
            "country": "BE",
            "vat_number": vat_number(seed),
            "billing_email": f"ap-{seed}@acme.example.com",
        },
        "currency": "EUR",
        "value": value,
        "signed_on": str(first),
        "requested_by": SELLER,
        "services": [_service("build", "BUILD", value)],
        "milestones": [milestone(n, amount) for n, amount in enumerate(amounts, start=1)],
    }


def milestone(number: int, amount: Decimal) -> JsonObject:
    """As contract data has it."""
    return {
        "key": f"m{number}",
        "name": f"Part {number}",
        "service": "build",
        "amount": f"{amount:f}",
    }


def _service(key: str, code: str, amount: str = "0.00") -> JsonObject:
    return {"key": key, "code": code, "description": code.title(), "amount": amount}


HOURS, RATE, COST = Decimal("7.50"), Decimal("80.00"), Decimal("61.40")
"""What is worked, at which price, and what is spent, where a scenario has such a plan."""


def _plans(contract_data: JsonObject, flavour: Flavour, random: Random) -> Decimal:
    """Add the flavour's plan for the month that is over; returns what it will come to."""
    first, last = last_month()
    term = {"starts_on": str(first), "ends_on": str(last)}
    plan: dict[str, Any]
    if flavour is Flavour.HOURS:
        plan = {"key": "dev", "service": "dev", "rates": [{"price": f"{RATE:f}"}]}
        contract_data |= term | {"time": [plan]}
        contract_data["services"].append(_service("dev", "DEVELOPMENT"))
        return HOURS * RATE
    if flavour is Flavour.RETAINER:
        fee = Decimal(random.randint(100_00, 500_00)).scaleb(-2)
        contract_data |= term | {
            "retainers": [{"key": "care", "service": "care", "fee": f"{fee:f}"}]
        }
        contract_data["services"].append(_service("care", "RETAINER"))
        return fee
    if flavour is Flavour.EXPENSES:
        contract_data |= term | {"expenses": [{"key": "travel", "service": "travel"}]}
        contract_data["services"].append(_service("travel", "EXPENSES"))
        return COST
    return Decimal(0)


def _deal(seed: int, amounts: tuple[Decimal, ...]) -> JsonObject:
    """The same contract as the CRM has it."""
    value = f"{sum(amounts, Decimal(0)):f}"
    milestones = "; ".join(f"Part {n} {amount:f}" for n, amount in enumerate(amounts, start=1))
    return {
        "name": "Roll-out",
        "amount": value,
        "company": {
            "name": customer_name(seed),
            "hs_country_code": "BE",
            "vat_number": vat_number(seed),
            "address": "Quay 1",
            "city": "Antwerp",
            "zip": "2000",
        },
        "contacts": [{"email": f"ap-{seed}@acme.example.com", "label": "Billing"}],
        "owner_email": SELLER,
        "line_items": [
            {
                "name": "Build",
                "hs_sku": "BUILD",
                "quantity": "1",
                "price": value,
                "c2c_milestones": milestones,
                "hs_position_on_quote": "0",
            }
        ],
    }

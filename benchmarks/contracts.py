"""The signed contracts that every contender is given."""

from __future__ import annotations

import secrets

from contracts.model import JsonObject

ENTITY = "northwind"
APPROVERS = ("ana@northwind.example", "bob@northwind.example")
AMOUNT = 1000
"""Of each milestone, in euro and without tax."""


def tag() -> str:
    """What the names of one batch of contracts have in common, and those of no other."""
    return f"B{secrets.token_hex(4).upper()}"


def signed(tag: str, count: int, *, milestones: int, amount: int = AMOUNT) -> list[JsonObject]:
    """So many fixed-price contracts, each of a customer of its own; `amount` EUR a milestone.

    Within what one person of finance may approve; the customers are Swiss without a number, so
    that nobody's check of VAT numbers is measured.
    """
    return [_signed(f"{tag}-{number}", milestones, amount) for number in range(count)]


def _signed(contract_id: str, milestones: int, amount: int) -> JsonObject:
    value = f"{milestones * amount}.00"
    return {
        "contract_id": contract_id,
        "legal_entity": ENTITY,
        "title": "Roll-out",
        "customer": {
            "key": contract_id,
            "name": f"Customer {contract_id}",
            "country": "CH",
            "billing_email": f"{contract_id.lower()}@customer.example.com",
            "street": "1 Lake Street",
            "city": "Zurich",
            "zip": "8001",
        },
        "currency": "EUR",
        "value": value,
        "signed_on": "2026-01-05",
        "requested_by": "sam@northwind.example",
        "services": [{"key": "build", "code": "BUILD", "description": "Build", "amount": value}],
        "milestones": [
            {
                "key": f"m{number}",
                "name": f"Part {number}",
                "service": "build",
                "amount": f"{amount}.00",
            }
            for number in range(1, milestones + 1)
        ],
    }

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
    that nobody's check of VAT numbers is measured, and each has a domain and a house of its own.
    """
    return [_signed(tag, number, milestones, amount) for number in range(count)]


def _signed(tag: str, number: int, milestones: int, amount: int) -> JsonObject:
    contract_id = f"{tag}-{number}"
    value = f"{milestones * amount}.00"
    return {
        "contract_id": contract_id,
        "legal_entity": ENTITY,
        "title": "Roll-out",
        "customer": {
            "key": contract_id,
            "name": f"Customer {tag} {number:06}",
            "country": "CH",
            "billing_email": f"ap@{contract_id.lower()}.example.com",
            "street": f"{number} Lake Street",
            "city": "Zurich",
            "zip": str(1000 + number % 9000),
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

"""A contract that bills in every way there is, for the activities to carry out."""

from __future__ import annotations

from typing import Any

from contracts.model import JsonObject
from tests.world import contract_data


def mixed(**changes: Any) -> JsonObject:
    """Milestones with deposit and retainage, hours, a retainer with hours, use and expenses."""
    contract = contract_data()
    contract["services"] += [
        {"key": "hours", "code": "DEVELOPMENT", "description": "Development", "amount": "0.00"},
        {"key": "desk", "code": "RETAINER", "description": "Service desk", "amount": "0.00"},
        {"key": "calls", "code": "USAGE", "description": "Calls", "amount": "0.00"},
        {"key": "travel", "code": "EXPENSES", "description": "Travel", "amount": "0.00"},
        {"key": "advance", "code": "DEPOSIT", "description": "Deposit", "amount": "0.00"},
        {"key": "held", "code": "RETAINAGE", "description": "Retainage", "amount": "0.00"},
    ]
    return (
        contract
        | {
            "ends_on": "2027-01-04",
            "time": [{"key": "dev", "service": "hours", "rates": [{"price": "120.00"}]}],
            "retainers": [
                {
                    "key": "support",
                    "service": "desk",
                    "fee": "500.00",
                    "included_hours": "10",
                    "overage_price": "100.00",
                }
            ],
            "usage": [
                {
                    "key": "api",
                    "service": "calls",
                    "unit": "call",
                    "tiers": [{"price": "0.123456"}],
                }
            ],
            "expenses": [{"key": "costs", "service": "travel"}],
            "deposit": {"amount": "900.00", "service": "advance"},
            "retainage": {"percent": "10", "service": "held"},
        }
        | changes
    )


def taxed(**changes: Any) -> JsonObject:
    """The same for a customer in the firm's own country, whose invoices bear tax."""
    contract = mixed(**changes)
    contract["customer"] |= {"country": "US", "vat_number": None}
    return contract

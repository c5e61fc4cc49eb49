"""A round of approval by rules of a small firm."""

from __future__ import annotations

from datetime import date
from typing import Any

from contracts.approvals import ApprovalKind, ApprovalPolicy, ApprovalRound, ApprovalTier, Subject
from contracts.calendar import BusinessCalendar
from contracts.money import Money

ANA, BOB = "ana@northwind.example", "bob@northwind.example"
CLEO, DORA = "cleo@northwind.example", "dora@northwind.example"
MONDAY = date(2026, 3, 2)
POLICY = ApprovalPolicy(
    groups={"finance": (ANA, BOB), "directors": (CLEO, DORA)},
    tiers=(
        ApprovalTier(kinds=(ApprovalKind.WRITE_OFF,), group="finance", second_group="directors"),
        ApprovalTier(up_to=Money(10_000, "EUR"), group="finance"),
        ApprovalTier(group="directors"),
    ),
    escalation_group="directors",
)


def round_of(number: int = 1, amount: str = "3000.00 EUR", **changes: Any) -> ApprovalRound:
    fields: dict[str, Any] = {
        "kind": ApprovalKind.INVOICE,
        "title": f"invoice {number} of C-1 for Acme NV",
        "amount": Money.parse(amount),
        "content_hash": f"{number}" * 64,
        "details": ("Design: 3000.00 EUR",),
        "customer_key": "acme",
        "customer_name": "Acme NV",
        "requested_by": ("sam@northwind.example",),
    }
    return ApprovalRound.begin(POLICY, BusinessCalendar(), Subject(**fields | changes), MONDAY)

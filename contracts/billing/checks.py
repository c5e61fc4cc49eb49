"""What must hold of every billing state; asked before each proposal."""

from __future__ import annotations

from datetime import date

from contracts.billing.state import BillingState


def check(billing: BillingState, today: date) -> list[str]:
    return []

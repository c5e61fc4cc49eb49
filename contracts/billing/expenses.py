"""Expenses billed on: at cost plus mark-up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from contracts.model import ExpensePlan, Frozen, Key
from contracts.money import Money


class Expense(Frozen):
    """An approved expense; `cost` is without tax, in the contract's currency."""

    expense_id: int
    plan: Key
    on: date
    description: str
    employee: str
    cost: Money


def markup_of(plan: ExpensePlan) -> Decimal:
    """What a cost is multiplied by."""
    return (100 + plan.markup) / 100

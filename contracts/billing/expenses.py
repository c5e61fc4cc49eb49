"""Expenses billed on: at cost plus mark-up, up to a cap, each once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from pydantic import Field

from contracts.billing.caps import Line, under_cap
from contracts.billing.charges import Charge, ChargeKind
from contracts.model import Contract, ExpensePlan, Frozen, Key
from contracts.money import Money


class Expense(Frozen):
    """An approved expense; `cost` is without tax, in the contract's currency.

    One that was billed and is no longer approved comes with a cost of zero.
    """

    expense_id: int
    plan: Key
    on: date
    description: str
    employee: str
    cost: Money


class BilledExpense(Frozen):
    """What an expense was billed with: the cost known then, and what was charged for it.

    `charge` is the key of the charge that touched it last. `uncharged` is what a cap left out.
    """

    cost: Money
    billed: Money
    charge: str
    uncharged: Money | None = None


class ExpenseBill(Frozen):
    """What approved expenses come to; `billed` are the ledger's rows to put, each the whole new
    value. `over_cap` is how much the charges exceed the cap, or (up to the cap) was cut off."""

    charges: tuple[Charge, ...] = ()
    billed: dict[int, BilledExpense] = Field(default_factory=dict)
    over_cap: Money


def markup_of(plan: ExpensePlan) -> Decimal:
    """What a cost is multiplied by."""
    return (100 + plan.markup) / 100


def price_of(plan: ExpensePlan, cost: Money) -> Money:
    """What an expense is billed for: its cost plus the mark-up."""
    return Money.rounded(cost.amount * markup_of(plan), cost.currency)


def bill_expenses(
    contract: Contract,
    plan: ExpensePlan,
    expenses: Iterable[Expense],
    ledger: Mapping[int, BilledExpense],
    spent: Money,
    occasion: str,
    *,
    up_to_cap: bool = False,
) -> ExpenseBill:
    """Bill the expenses that are new, and the difference where a billed one's cost changed.

    Of an expense that comes twice the last counts. `spent` is what the plan has billed before.
    Raises CurrencyMismatch.
    """
    latest = {item.expense_id: item for item in expenses if item.plan == plan.key}
    mine = {key: row for key, row in ledger.items() if _is_of(plan, row)}
    lines: list[Line] = []
    rows: dict[int, BilledExpense] = {}
    for expense_id, item in sorted(latest.items()):
        row = ledger.get(expense_id)
        if not _is_news(plan, item, row):
            continue
        line = _line(contract, plan, item, row, occasion)
        lines += [] if line.charge.amount.is_zero else [line]
        rows[expense_id] = BilledExpense(
            cost=item.cost,
            billed=price_of(plan, item.cost),
            charge=line.charge.key,
            uncharged=row.uncharged if row else None,
        )
    before = {key: row.uncharged for key, row in mine.items() if row.uncharged}
    capped = under_cap(lines, plan.cap, spent, before, up_to_cap=up_to_cap)
    for expense_id in capped.uncharged.keys() - rows.keys():
        row = mine[expense_id]
        rows[expense_id] = row.model_copy(update={"billed": _full(row)})
    return ExpenseBill(
        charges=capped.charges,
        billed={key: _charged(row, capped.uncharged.get(key)) for key, row in sorted(rows.items())},
        over_cap=capped.over,
    )


def _is_news(plan: ExpensePlan, item: Expense, row: BilledExpense | None) -> bool:
    if row is None:
        return not item.cost.is_zero
    # A row of another plan was billed there, and nothing is billed twice.
    return _is_of(plan, row) and row.cost != item.cost


def _is_of(plan: ExpensePlan, row: BilledExpense) -> bool:
    return row.charge.startswith(f"{plan.key}:")


def _full(row: BilledExpense) -> Money:
    """What an expense would have been billed for without a cap."""
    return row.billed + row.uncharged if row.uncharged else row.billed


def _charged(row: BilledExpense, changed: Money | None) -> BilledExpense:
    """The row with what the cap left out, now or before, taken off what it was billed for."""
    uncharged = changed or row.uncharged
    if uncharged is None:
        return row
    return row.model_copy(update={"billed": row.billed - uncharged, "uncharged": uncharged})


def _line(
    contract: Contract,
    plan: ExpensePlan,
    item: Expense,
    row: BilledExpense | None,
    occasion: str,
) -> Line:
    amount = price_of(plan, item.cost)
    by = f"{item.employee}, {item.on}" if item.employee else f"{item.on}"
    what = f"{item.description} ({by})"
    if row is not None:
        what = f"{what}: cost corrected from {row.cost} to {item.cost}"
        amount -= _full(row)
    charge = Charge.of_amount(
        f"{plan.key}:{occasion}:{item.expense_id}",
        ChargeKind.EXPENSE if row is None else ChargeKind.CORRECTION,
        plan.key,
        contract.service(plan.service).code,
        what,
        amount,
    )
    return Line(charge, {item.expense_id: charge.amount})

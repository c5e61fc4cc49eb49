"""Approved expenses of a project, from Odoo, in batched reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from temporalio import activity

from activities.failures import BusinessRefusal
from activities.odoo.needs import EXPENSES, Need
from activities.odoo.readings import MAX_TEXT, Reading, ReadingRequest, read
from contracts.billing.expenses import Expense
from contracts.model import Key
from contracts.money import Currency, Money
from gateways.fields import names
from gateways.odoo import OdooClient

_EXPENSE = "hr.expense"
_APPROVED = ["approved", "posted", "in_payment", "paid"]
_FIELDS = names("""
    name date employee_id analytic_distribution write_date
    currency_id company_currency_id untaxed_amount_currency untaxed_amount
""")

NEEDS = (
    Need(
        _EXPENSE,
        (*_FIELDS, "state"),
        access=EXPENSES,
        only_for="contracts that bill expenses on",
    ),
)


class ExpensesRequest(ReadingRequest):
    """The expenses of a project, by its analytic account; `currency` is the contract's."""

    plan: Key
    analytic_account_id: int
    currency: Currency


ExpenseReading = Reading[Expense]


class OdooExpenses:
    """An activity on the `odoo-finance` task queue: expenses that are billed on."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    @activity.defn
    def read_expenses(self, request: ExpensesRequest) -> ExpenseReading:
        """A page of the approved expenses of the project; with the last, which known ones are
        billable no more.

        Refuses (`expense_currency`) one in a currency that neither it nor its company keeps in
        the contract's.
        """
        scope = [
            ("analytic_distribution", "in", [request.analytic_account_id]),
            ("state", "in", _APPROVED),
        ]
        return read(
            ExpenseReading,
            self._odoo,
            _EXPENSE,
            scope,
            _FIELDS,
            request,
            lambda rows: [_expense(row, request) for row in rows],
        )


def _expense(row: Mapping[str, Any], request: ExpensesRequest) -> Expense:
    shares = row["analytic_distribution"] or {}
    account = str(request.analytic_account_id)
    # A key may name accounts of several analytic plans: "12,15".
    ours = [share for accounts, share in shares.items() if account in accounts.split(",")]
    percent = sum((Decimal(str(share)) for share in ours), Decimal(0))
    cost = _cost(row, request.currency) * percent / 100
    return Expense(
        expense_id=row["id"],
        plan=request.plan,
        on=date.fromisoformat(row["date"]),
        description=row["name"][:MAX_TEXT],
        employee=row["employee_id"][1] if row["employee_id"] else "",
        cost=Money.rounded(cost, request.currency),
    )


def _cost(row: Mapping[str, Any], currency: str) -> Decimal:
    """The cost without tax in the contract's currency: as it was paid, or as the company books
    it."""
    paid, booked = row["currency_id"][1], row["company_currency_id"][1]
    if paid == currency:
        return Decimal(str(row["untaxed_amount_currency"]))
    if booked == currency:
        return Decimal(str(row["untaxed_amount"]))
    raise BusinessRefusal(
        "expense_currency",
        f"expense {row['name']} ({row['id']}) is in {paid}, its company books in {booked}, and the "
        f"contract is in {currency}; enter it in {currency} in Odoo",
        field="expense.currency_id",
        value=paid,
    )

"""Expenses of employees, from draft to approved."""

from __future__ import annotations

from decimal import Decimal

from sandbox.odoo import pricing
from sandbox.odoo.companies import company_currency, company_values, current_company
from sandbox.odoo.errors import UserError
from sandbox.odoo.masterdata import currency_decimals, currency_name
from sandbox.odoo.messages import Thread
from sandbox.odoo.pricing import exact
from sandbox.odoo.records import Domain, Model, Row, Values, on_records

ALL_APPROVER = "Expenses/All Approver"
NOBODY: Domain = [["id", "=", 0]]


class Expense(Thread):
    def rule(self) -> Domain:
        """Everybody's for who approves them all; the others here have none of their own."""
        return super().rule() if ALL_APPROVER in self.env.groups else NOBODY

    def defaults(self, values: Values) -> Values:
        company = values.get("company_id") or current_company(self.env)
        currency = company_values(self.env, company)["currency_id"]
        return {"date": str(self.env.today), "company_id": company, "currency_id": currency}

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        for row in self.rows(ids):
            self._check_company(row)
        self.env.touch("hr.expense", ids)

    def _check_company(self, row: Row) -> None:
        employee = self.env["hr.employee"].row(row["employee_id"])
        if employee["company_id"] == row["company_id"]:
            return
        company = company_values(self.env, row["company_id"])["name"]
        raise UserError(
            "Uh-oh! You’ve got some company inconsistencies here:\n"
            f"- “{row['name']}” belongs to company “{company}” while “Employee”"
            f" (employee_id: {employee['name']!r}) belongs to another company.\n"
            "To avoid a mess, no company crossover is allowed!"
        )

    def recompute(self, record_id: int) -> None:
        """Amounts without the taxes they include, and all of them in the company's currency."""
        row = self.row(record_id)
        paid = exact(row["total_amount_currency"])
        own = company_currency(self.env, row["company_id"])
        total = pricing.convert(paid, currency_name(self.env, row["currency_id"]), own, 2)
        quantity = exact(row["quantity"]) or Decimal(1)
        taxes = self.env["account.tax"].rows(self.links(record_id, "tax_ids"))
        decimals = currency_decimals(self.env, row["currency_id"])
        paid_net = pricing.quantized(pricing.untaxed(paid, taxes), decimals)
        net = pricing.quantized(pricing.untaxed(total, taxes), 2)
        self.settle(
            record_id,
            {
                "total_amount": float(total),
                "untaxed_amount": float(net),
                "tax_amount": float(total - net),
                "untaxed_amount_currency": float(paid_net),
                "tax_amount_currency": float(paid - paid_net),
                "price_unit": float(pricing.quantized(total / quantity, 2)),
            },
        )

    @on_records
    def action_submit(self, ids: list[int]) -> None:
        """Submit; an approver's own submission is approved at once, as nobody else is named."""
        approver = ALL_APPROVER in self.env.groups
        self._move_on(ids, ("draft",), "approved" if approver else "submitted")

    @on_records
    def action_approve(self, ids: list[int]) -> None:
        self._move_on(ids, ("submitted",), "approved")

    @on_records
    def action_reset(self, ids: list[int]) -> None:
        self._move_on(ids, ("submitted", "approved", "refused"), "draft")

    def _move_on(self, ids: list[int], sources: tuple[str, ...], state: str) -> None:
        self.check_access("write")
        self.check_rule(ids, "write")
        approved = state == "approved"
        values: Values = {
            "state": state,
            "approval_state": False if state == "draft" else state,
            "approval_date": self.env.timestamp[:19] if approved else False,
            "manager_id": self.env.uid if approved else False,
        }
        for row in self.rows(self.existing(ids)):
            if row["state"] in sources:
                self.put([row["id"]], values)
        self.env.flush()


MODELS: dict[str, type[Model]] = {"hr.expense": Expense}

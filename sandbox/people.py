"""What the firm's people do in Odoo itself during the demo: work, spend, take payments."""

from __future__ import annotations

from datetime import date

from contracts.contract.state import ContractState
from contracts.money import Money
from gateways.odoo import OdooClient

PETRA, CONRAD = "petra@northwind.example", "conrad@northwind.example"


def log_hours(
    odoo: OdooClient, state: ContractState, plan: str, who: str, hours: str, on: date
) -> None:
    """Approved hours of an employee (by work e-mail) on a plan's task."""
    row = {
        "project_id": state.odoo.project_id,
        "task_id": state.odoo.task_ids[plan],
        "employee_id": _employee(odoo, who),
        "date": on,
        "unit_amount": float(hours),
        "name": "Work",
        "x_approved": True,
    }
    odoo.create("account.analytic.line", [row])


def spend(odoo: OdooClient, state: ContractState, who: str, what: str, cost: str, on: date) -> None:
    """An expense of an employee on the contract's project, approved at once; without tax."""
    [product] = odoo.search_read("product.product", [("default_code", "=", "EXP_GEN")], ["id"])
    row = {
        "name": what,
        "employee_id": _employee(odoo, who),
        "product_id": product["id"],
        "total_amount_currency": float(cost),
        "date": on,
        "analytic_distribution": {str(state.odoo.analytic_account_id): 100},
    }
    [expense] = odoo.create("hr.expense", [row])
    odoo.call("hr.expense", "action_submit", [expense])


def documents(odoo: OdooClient, state: ContractState) -> list[str]:
    """The names of the PDF files on the contract's order."""
    domain = [
        ("res_model", "=", "sale.order"),
        ("res_id", "=", state.odoo.order_id),
        ("mimetype", "=", "application/pdf"),
    ]
    return [row["name"] for row in odoo.search_read("ir.attachment", domain, ["name"])]


def register_payment(
    odoo: OdooClient, invoice_id: int, number: str, amount: Money, on: date | None
) -> None:
    """An accountant registers a payment, or pays a credit note out."""
    context = {"active_model": "account.move", "active_ids": [invoice_id]}
    values = {
        "amount": amount.amount,
        "payment_date": on,
        "communication": f"transfer for {number}",
    }
    [register] = odoo.create("account.payment.register", [values], context=context)
    odoo.call("account.payment.register", "action_create_payments", [register], context=context)


def _employee(odoo: OdooClient, work_email: str) -> int:
    [employee] = odoo.search_read("hr.employee", [("work_email", "=", work_email)], ["id"])
    return int(employee["id"])

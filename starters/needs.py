"""What the activities need of Odoo: every model they touch, with the fields and the rights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Need:
    """What the activities do with one Odoo model, and the module and group that give it.

    `only_for` names the contracts that need it at all; empty: every contract does.
    """

    fields: tuple[str, ...]
    module: str
    group: str
    rights: tuple[str, ...] = ()
    only_for: str = ""


_ACCOUNT = ("account", "Accounting / Invoicing")
_SALES = ("sale_management", "Sales / Administrator")
_PROJECT = ("sale_project", "Project / Administrator")
_TIME = ("sale_timesheet", "Timesheets / all")
_CONTACTS = ("base", "Contact Creation")
_USER = ("base", "Internal User")
_MAIL = ("mail", "Internal User")
_UPSERT = ("create", "write")

NEEDS: Mapping[str, Need] = {
    "res.company": Need(("name", "currency_id"), *_USER),
    "res.currency": Need(("name",), *_USER),
    "res.country": Need(("code",), *_USER),
    "res.users": Need(("email",), *_USER),
    "res.partner": Need(
        (
            "name",
            "display_name",
            "is_company",
            "parent_id",
            "email",
            "vat",
            "country_id",
            "street",
            "city",
            "zip",
        ),
        *_CONTACTS,
        _UPSERT,
    ),
    "product.product": Need(("default_code", "type", "service_type", "uom_id"), *_SALES),
    "product.pricelist": Need(("currency_id", "company_id", "sequence"), *_SALES),
    "sale.order": Need(
        (
            "name",
            "state",
            "origin",
            "partner_id",
            "company_id",
            "project_id",
            "project_account_id",
            "pricelist_id",
            "client_order_ref",
            "payment_term_id",
            "order_line",
            "amount_untaxed",
            "currency_id",
            "invoice_ids",
        ),
        *_SALES,
        _UPSERT,
    ),
    "sale.order.line": Need(
        (
            "order_id",
            "product_id",
            "name",
            "display_type",
            "product_uom_qty",
            "qty_delivered",
            "qty_invoiced",
            "price_unit",
            "invoice_lines",
        ),
        *_SALES,
        _UPSERT,
    ),
    "project.project": Need(
        (
            "name",
            "partner_id",
            "company_id",
            "allow_milestones",
            "allow_billable",
            "account_id",
            "active",
        ),
        *_PROJECT,
        _UPSERT,
    ),
    "project.milestone": Need(
        (
            "name",
            "project_id",
            "deadline",
            "sale_line_id",
            "quantity_percentage",
            "is_reached",
            "reached_date",
            "create_date",
            "write_date",
            "write_uid",
        ),
        *_PROJECT,
        (*_UPSERT, "unlink"),
    ),
    "project.task": Need(
        (
            "name",
            "project_id",
            "parent_id",
            "milestone_id",
            "sale_line_id",
            "date_deadline",
            "active",
        ),
        *_PROJECT,
        _UPSERT,
    ),
    "project.update": Need(("project_id", "name", "status", "description"), *_PROJECT, _UPSERT),
    "account.analytic.line": Need(
        (
            "task_id",
            "so_line",
            "employee_id",
            "date",
            "unit_amount",
            "product_uom_id",
            "name",
            "write_date",
        ),
        *_TIME,
    ),
    "hr.employee.public": Need(("name", "work_email", "job_title"), "hr", "Internal User"),
    "hr.expense": Need(
        (
            "name",
            "state",
            "date",
            "employee_id",
            "currency_id",
            "company_currency_id",
            "untaxed_amount_currency",
            "untaxed_amount",
            "analytic_distribution",
            "write_date",
        ),
        "hr_expense",
        "Expenses / All Approver",
        only_for="contracts that bill expenses on",
    ),
    "account.payment.term": Need(("name",), *_ACCOUNT),
    "account.journal": Need(("type", "company_id", "sequence"), *_ACCOUNT),
    "account.account": Need(("code",), *_ACCOUNT),
    "account.move": Need(
        (
            "name",
            "state",
            "move_type",
            "payment_state",
            "partner_id",
            "company_id",
            "journal_id",
            "currency_id",
            "date",
            "invoice_date",
            "invoice_date_due",
            "invoice_payment_term_id",
            "invoice_origin",
            "ref",
            "invoice_line_ids",
            "line_ids",
            "amount_untaxed",
            "amount_tax",
            "amount_total",
            "amount_residual",
            "show_payment_term_details",
            "is_move_sent",
            "message_ids",
            "reversal_move_ids",
            "reversed_entry_id",
            "tax_lock_date_message",
            "write_date",
        ),
        *_ACCOUNT,
        _UPSERT,
    ),
    "account.move.line": Need(
        (
            "move_id",
            "move_type",
            "display_type",
            "product_id",
            "name",
            "quantity",
            "price_unit",
            "sale_line_ids",
            "tax_line_id",
            "account_id",
            "partner_id",
            "currency_id",
            "amount_currency",
            "amount_residual_currency",
            "reconciled",
            "payment_id",
            "parent_state",
        ),
        *_ACCOUNT,
        _UPSERT,
    ),
    "account.move.send.wizard": Need(("move_id",), *_ACCOUNT, ("create",)),
    "account.move.send.batch.wizard": Need(("move_ids",), *_ACCOUNT, ("create",)),
    "account.payment": Need(
        (
            "memo",
            "state",
            "date",
            "amount",
            "payment_type",
            "partner_type",
            "partner_id",
            "journal_id",
            "payment_method_line_id",
            "currency_id",
            "destination_account_id",
            "invoice_ids",
            "reconciled_invoice_ids",
        ),
        *_ACCOUNT,
        ("create", "write"),
    ),
    "account.payment.register": Need(
        (
            "amount",
            "payment_date",
            "communication",
            "company_id",
            "partner_id",
            "currency_id",
            "journal_id",
            "payment_method_line_id",
            "payment_type",
            "payment_difference_handling",
            "line_ids",
        ),
        *_ACCOUNT,
        ("create",),
    ),
    "ir.attachment": Need(("name", "res_model", "res_id", "mimetype"), *_USER, _UPSERT),
    "mail.activity": Need(
        ("res_model_id", "res_id", "activity_type_id", "summary", "note", "date_deadline"),
        *_MAIL,
        _UPSERT,
    ),
    "mail.message": Need(("model", "res_id", "subject", "notification_ids"), *_MAIL, ("create",)),
    "mail.notification": Need(
        (
            "mail_message_id",
            "notification_type",
            "notification_status",
            "failure_type",
            "failure_reason",
        ),
        *_MAIL,
    ),
}
"""Every model the activities touch. A test holds it against the calls they make."""

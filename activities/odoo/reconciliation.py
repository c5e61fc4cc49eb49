"""What a payment, a credit note or an entry has open is reconciled with a posted invoice."""

from __future__ import annotations

from typing import Any

from activities.odoo.buttons import unless_done
from activities.odoo.needs import ACCOUNTING, Need
from gateways.fields import names
from gateways.odoo import OdooClient

NEEDS = (
    Need(
        "account.move.line",
        names("move_id account_id partner_id display_type amount_currency reconciled"),
        access=ACCOUNTING,
    ),
    Need("account.move", (), access=ACCOUNTING, methods=("js_assign_outstanding_line",)),
)


def reconcile(odoo: OdooClient, invoice: int, credit: int) -> None:
    """Reconcile what is still open of a credit note or an entry with the invoice."""
    found = odoo.search_read(
        "account.move.line",
        [
            ("move_id", "=", credit),
            ("account_id", "=", receivable_line(odoo, invoice)["account_id"][0]),
            ("amount_currency", "<", 0),
            ("reconciled", "=", False),
        ],
        ["id"],
        order="id",
        limit=1,
    )
    for line in found:
        assign(odoo, invoice, line["id"])


def receivable_line(odoo: OdooClient, invoice: int) -> dict[str, Any]:
    """The line that says what the customer owes, and on which account."""
    return odoo.search_read(
        "account.move.line",
        [("move_id", "=", invoice), ("display_type", "=", "payment_term")],
        ["account_id", "partner_id"],
        order="id",
        limit=1,
    )[0]


def assign(odoo: OdooClient, invoice: int, line: int) -> None:
    """Reconcile a journal item with the invoice. Odoo refuses it where nothing of either is open:
    then the call has arrived twice, or somebody was first."""

    def is_reconciled() -> bool:
        [row] = odoo.read("account.move.line", [line], ["reconciled"])
        return bool(row["reconciled"])

    unless_done(
        lambda: odoo.call("account.move", "js_assign_outstanding_line", [invoice], line_id=line),
        is_reconciled,
    )

"""What settles a posted invoice in Odoo: payments, and what credit notes and entries give it."""

from __future__ import annotations

from typing import Any

from activities import metrics
from activities import odoo_records as records
from activities.odoo_buttons import unless_done
from contracts.invoice.messages import PaymentReceived
from gateways.odoo import OdooClient

Row = dict[str, Any]

_PAYMENT, _WIZARD = "account.payment", "account.payment.register"
_WAYS = {"inbound": "Receive", "outbound": "Send"}
_PROPOSED: dict[str, Any] = {
    "company_id": {},
    "partner_id": {},
    "currency_id": {},
    "journal_id": {},
    "payment_method_line_id": {},
    "payment_type": {},
    "payment_difference_handling": {},
    "line_ids": {"fields": {"account_id": {}}},
}
"""What the wizard says of the payment it would make."""
_WITH_A_DIFFERENCE = "reconcile"
"""How the wizard handles what is paid too little where the payment term gives a discount for it."""


def register_payment(odoo: OdooClient, invoice: int, payment: PaymentReceived) -> None:
    """Book a payment of a posted invoice and give it to it, once for each reference.

    On a credit note it is a refund, an outgoing payment. Odoo's wizard books as often as it is
    asked, so it only says what it would book: the payment is loaded by an external id, which
    Odoo keeps apart even from a call that arrives in the same instant. Raises GatewayError
    `odoo_refused` where nothing is open.
    """
    found = _booked(odoo, invoice, payment)
    if found is None:
        found = _book(odoo, invoice, payment)
        metrics.payments_registered.add(1, {"currency": payment.amount.currency})
    if found is not None:
        _give_payment(odoo, invoice, found)


def _booked(odoo: OdooClient, invoice: int, payment: PaymentReceived) -> Row | None:
    """The payment of the invoice under this reference, whoever booked it. A draft is none yet."""
    found = odoo.search_read(
        _PAYMENT,
        [
            ("memo", "=", payment.reference),
            ("state", "not in", ("canceled", "rejected", "draft")),
            ("reconciled_invoice_ids", "in", [invoice]),
        ],
        ["destination_account_id"],
        order="id",
        limit=1,
    )
    return (
        {"id": found[0]["id"], "account": found[0]["destination_account_id"][0]} if found else None
    )


def _book(odoo: OdooClient, invoice: int, payment: PaymentReceived) -> Row | None:
    """A new payment, posted; None where the wizard gave it to the invoice already."""
    context = {"active_model": "account.move", "active_ids": [invoice]}
    values = {
        "amount": payment.amount.amount,
        "payment_date": payment.paid_on,
        "communication": payment.reference,
    }
    [wizard] = odoo.call(_WIZARD, "web_save", context=context, vals=values, specification=_PROPOSED)
    if wizard["payment_difference_handling"] == _WITH_A_DIFFERENCE:
        # Only the wizard books the discount with the payment. It is not kept from doing so twice
        # in the same instant; after that, what it booked is found by its reference.
        odoo.call(_WIZARD, "action_create_payments", [wizard["id"]], context=context)
        return None
    account = wizard["line_ids"][0]["account_id"]
    books = odoo.with_company(wizard["company_id"])
    [booked] = books.load(
        _PAYMENT,
        [
            {
                "id": records.payment_id(invoice, payment.reference),
                "invoice_ids/.id": invoice,
                "partner_id/.id": wizard["partner_id"],
                "journal_id/.id": wizard["journal_id"],
                "payment_method_line_id/.id": wizard["payment_method_line_id"],
                "currency_id/.id": wizard["currency_id"],
                "destination_account_id/.id": account,
                "payment_type": _WAYS[wizard["payment_type"]],
                "partner_type": "Customer",
                "amount": payment.amount.amount,
                "date": payment.paid_on,
                "memo": payment.reference,
            }
        ],
        create_once=True,
    )
    books.press(_PAYMENT, "action_post", [booked], context={"skip_sale_auto_invoice_send": True})
    return {"id": booked, "account": account}


def _give_payment(odoo: OdooClient, invoice: int, payment: Row) -> None:
    """Give the invoice what is open of the payment. One without an entry of its own has nothing
    to give: Odoo shows the invoice as in payment until the bank statement is reconciled."""
    open_lines = odoo.find(
        "account.move.line",
        "payment_id",
        [payment["id"]],
        ["id"],
        also=[
            ("account_id", "=", payment["account"]),
            ("reconciled", "=", False),
            ("parent_state", "=", "posted"),
        ],
        order="id",
    )
    for line in open_lines:
        _assign(odoo, invoice, line["id"])


def reconcile(odoo: OdooClient, invoice: int, credit: int) -> None:
    """Give the invoice what is still open of a credit note or an entry."""
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
        _assign(odoo, invoice, line["id"])


def receivable_line(odoo: OdooClient, invoice: int) -> Row:
    """The line that says what the customer owes, and on which account."""
    return odoo.search_read(
        "account.move.line",
        [("move_id", "=", invoice), ("display_type", "=", "payment_term")],
        ["account_id", "partner_id"],
        order="id",
        limit=1,
    )[0]


def _assign(odoo: OdooClient, invoice: int, line: int) -> None:
    """Reconcile a line with the invoice. Odoo refuses it where nothing of either is open: then
    the call has arrived twice, or somebody was first."""

    def is_reconciled() -> bool:
        [row] = odoo.read("account.move.line", [line], ["reconciled"])
        return bool(row["reconciled"])

    unless_done(
        lambda: odoo.call("account.move", "js_assign_outstanding_line", [invoice], line_id=line),
        is_reconciled,
    )

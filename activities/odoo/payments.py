"""What settles a posted invoice in Odoo: payments that are registered, credit notes reconciled."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities import metrics
from activities.failures import BusinessRefusal, after_effect
from activities.odoo import external_ids
from activities.odoo.balances import balance_of
from activities.odoo.clearing import Clearing, clearing
from activities.odoo.needs import ACCOUNTING, UPSERT, Need
from activities.odoo.reconciliation import assign, reconcile
from contracts.invoice.answers import Reconciled
from contracts.invoice.messages import InvoiceBalance, PaymentReceived
from gateways.fields import names
from gateways.odoo import OdooClient

Row = dict[str, Any]

_PAYMENT, _WIZARD = "account.payment", "account.payment.register"
_WAYS = {"inbound": "Receive", "outbound": "Send"}
_PROPOSED: dict[str, Any] = {
    "line_ids": {"fields": {"account_id": {}}},
    **{
        name: {}
        for name in names("""
            company_id partner_id currency_id journal_id payment_method_line_id
            payment_type payment_difference_handling
        """)
    },
}
"""What the wizard says of the payment it would make."""
_WITH_A_DIFFERENCE = "reconcile"
"""How the wizard handles what is paid too little where the payment term gives a discount for it."""

NEEDS = (
    Need(
        _PAYMENT,
        names("""
            invoice_ids partner_id journal_id payment_method_line_id currency_id
            destination_account_id outstanding_account_id payment_type partner_type amount date memo
            state reconciled_invoice_ids
        """),
        access=ACCOUNTING,
        rights=UPSERT,
        methods=("action_post",),
    ),
    Need(
        _WIZARD,
        (*_PROPOSED, "amount", "payment_date", "communication"),
        access=ACCOUNTING,
        rights=("create",),
        methods=("action_create_payments",),
    ),
    Need("account.move", ("company_id",), access=ACCOUNTING),
    Need(
        "account.move.line",
        names("payment_id account_id reconciled parent_state"),
        access=ACCOUNTING,
    ),
)


class ReconcileRequest(BaseModel):
    """A posted credit note, and the posted invoice to reconcile it with."""

    invoice_id: int
    credit_note_id: int


class PaymentRequest(BaseModel):
    invoice_id: int
    payment: PaymentReceived


class OdooPayments:
    """Activities on the `odoo-finance` task queue: the money of one invoice or credit note."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    @activity.defn
    def register_payment(self, request: PaymentRequest) -> InvoiceBalance:
        """Register a payment known from outside, or a refund on a credit note: once for each
        reference, however often it is asked for."""
        register_payment(self._odoo, request.invoice_id, request.payment)
        with after_effect():
            return balance_of(self._odoo, request.invoice_id)

    @activity.defn
    def reconcile_credit(self, request: ReconcileRequest) -> Reconciled:
        """Reconcile a posted credit note with a posted invoice, as far as both are open."""
        invoice = balance_of(self._odoo, request.invoice_id)
        credit = balance_of(self._odoo, request.credit_note_id)
        for balance in (invoice, credit):
            if not balance.posted:
                raise BusinessRefusal(
                    "credit_not_posted",
                    f"invoice {balance.invoice_id} is not posted in Odoo, so nothing can be "
                    "reconciled with it",
                    field="invoice.state",
                    value=str(balance.invoice_id),
                )
        if invoice.residual.is_positive and credit.residual.is_positive:
            reconcile(self._odoo, request.invoice_id, request.credit_note_id)
            with after_effect():
                invoice = balance_of(self._odoo, request.invoice_id)
                credit = balance_of(self._odoo, request.credit_note_id)
        return Reconciled(invoice=invoice, credit_note=credit)


def register_payment(odoo: OdooClient, invoice: int, payment: PaymentReceived) -> None:
    """Book a payment of a posted invoice and reconcile it, once for each reference.

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
        _reconcile_payment(odoo, invoice, found)


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
    """A new payment, posted; None where the wizard has reconciled it with the invoice already.

    In a journal of its own it goes to that journal's account: the processor has the money.
    """
    through = _clearing(odoo, invoice, payment.journal) if payment.journal else None
    context = {"active_model": "account.move", "active_ids": [invoice]}
    values = {
        "amount": payment.amount.amount,
        "payment_date": payment.paid_on,
        "communication": payment.reference,
        **({"journal_id": through.journal} if through else {}),
    }
    [wizard] = odoo.call(_WIZARD, "web_save", context=context, vals=values, specification=_PROPOSED)
    if wizard["payment_difference_handling"] == _WITH_A_DIFFERENCE:
        if through is not None:
            raise _discounted(payment)
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
                "id": external_ids.payment_id(invoice, payment.reference),
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
    if through is not None:
        keep_on_account(books, booked, through.account)
    books.press(_PAYMENT, "action_post", [booked], context={"skip_sale_auto_invoice_send": True})
    return {"id": booked, "account": account}


def _discounted(payment: PaymentReceived) -> BusinessRefusal:
    """Odoo's wizard, which alone books a discount, does not let the payment be on the account of
    its journal: what the processor holds would not be there."""
    return BusinessRefusal(
        "discount_in_clearing",
        f"payment {payment.reference} of {payment.amount} takes the discount for paying early, "
        f"which cannot be booked through the journal {payment.journal}: register it in Odoo under "
        "this reference, on the account of that journal, and retry",
        field="payment.amount",
        value=str(payment.amount),
    )


def keep_on_account(books: OdooClient, payment: int, account: int) -> None:
    """Let the entry of a draft payment be on this account. Odoo forgets what a new payment says of
    it, for the account of its way to pay, or one of the company's own."""
    books.write(_PAYMENT, [payment], {"outstanding_account_id": account})


def _clearing(odoo: OdooClient, invoice: int, code: str) -> Clearing:
    [row] = odoo.read("account.move", [invoice], ["company_id"])
    return clearing(odoo, row["company_id"][0], code)


def _reconcile_payment(odoo: OdooClient, invoice: int, payment: Row) -> None:
    """Reconcile what is open of the payment with the invoice. A payment without an entry of its
    own has nothing open: Odoo shows the invoice as in payment until the bank statement is
    reconciled."""
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
        assign(odoo, invoice, line["id"])

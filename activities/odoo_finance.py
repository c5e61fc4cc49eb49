"""Odoo's finance records: orders, invoices, their delivery, payments and reminders."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities import metrics
from activities import odoo_records as records
from activities.failures import BusinessRefusal
from activities.odoo_master import Done
from contracts.billing import InvoiceProposal
from contracts.identifiers import contract_workflow_id, receivable_workflow_id
from contracts.model import Contract
from contracts.money import Money
from contracts.ownership import create_once
from contracts.receivable import InvoiceBalance, PaymentReceived
from contracts.sweeps import ChangedInvoice, OdooChanges, ReachedMilestone, SweepWindow
from gateways.odoo import OdooClient

_BALANCE_FIELDS = [
    "name",
    "state",
    "payment_state",
    "currency_id",
    "amount_untaxed",
    "amount_total",
    "amount_residual",
    "invoice_date_due",
    "is_move_sent",
    "reversal_move_ids",
    "invoice_origin",
    "write_date",
]
_DATETIME = "%Y-%m-%d %H:%M:%S"
SWEEP_OVERLAP = timedelta(minutes=5)
"""How far a sweep looks back behind its watermark: `write_date` is when a transaction began, so a
long one becomes visible with an old date."""


class OrderRequest(BaseModel):
    contract: Contract
    company_id: int
    partner_id: int
    project_id: int


class OrderRef(BaseModel):
    order_id: int
    name: str


class ConfirmRequest(BaseModel):
    """`value` is the contract's, without tax: the order must say the same."""

    order_id: int
    value: Money


class OrderCancel(BaseModel):
    order_id: int


class InvoiceRequest(BaseModel):
    """`invoice_on` is the invoice date in the legal entity's zone."""

    proposal: InvoiceProposal
    company_id: int
    partner_id: int
    invoice_on: date


class InvoiceDraft(BaseModel):
    invoice_id: int


class PostRequest(BaseModel):
    """`amount` is the approved amount, without tax; it was proposed on `proposed_on`."""

    invoice_id: int
    legal_entity: str
    amount: Money
    proposed_on: date


class InvoiceRef(BaseModel):
    invoice_id: int


class PaymentRequest(BaseModel):
    invoice_id: int
    payment: PaymentReceived


class ReminderRequest(BaseModel):
    """One reminder; `subject` and `text` are filled in, and the subject names invoice and level,
    so that no two reminders of an invoice share one."""

    invoice_id: int
    partner_id: int
    subject: str
    text: str


class Notification(BaseModel):
    """A note for people of the firm, by e-mail address; `subject` is unique on the order."""

    order_id: int
    people: tuple[str, ...]
    subject: str
    text: str


class CloseOutRequest(BaseModel):
    """The contract's order and value, to compare with Odoo's own figures."""

    order_id: int
    value: Money


class CloseOut(BaseModel):
    """What stands against closing, in sentences; empty if nothing does."""

    differences: list[str]


class OdooFinance:
    """Activities on the `odoo-finance` task queue."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    # --- orders -----------------------------------------------------------------------------

    @activity.defn
    def create_order(self, request: OrderRequest) -> OrderRef:
        """Create the sales order with one line a milestone (quantity 1, the milestone's amount)."""
        contract = request.contract
        keys = (contract.legal_entity, contract.contract_id)
        header: dict[str, Any] = {
            "id": records.order_id(*keys),
            "partner_id/.id": request.partner_id,
            "company_id/.id": request.company_id,
            "project_id/.id": request.project_id,
            "pricelist_id/.id": self._price_list(contract.currency, request.company_id),
            "client_order_ref": contract.purchase_order,
            "origin": contract_workflow_id(*keys),
            "payment_term_id": contract.payment_term,
        }
        products = self._products({line.code for line in contract.services})
        rows = []
        for index, item in enumerate(contract.milestones):
            line = {
                "order_line/id": records.order_line_id(*keys, item.key),
                "order_line/product_id/.id": products[contract.service(item.service).code],
                "order_line/name": item.name,
                "order_line/product_uom_qty": 1,
                "order_line/price_unit": str(item.amount.amount),
            }
            rows.append({**header, **line} if index == 0 else line)
        once = create_once("order.terms")
        [order] = self._odoo.load("sale.order", rows, create_once=once)
        [row] = self._odoo.read("sale.order", [order], ["name"])
        return OrderRef(order_id=order, name=row["name"])

    @activity.defn
    def confirm_order(self, request: ConfirmRequest) -> Done:
        """Confirm the order; refuses (`order_total_differs`) if its total is not the value."""
        [order] = self._odoo.read(
            "sale.order", [request.order_id], ["state", "amount_untaxed", "currency_id"]
        )
        total = Money.rounded(order["amount_untaxed"], order["currency_id"][1])
        if total != request.value:
            raise BusinessRefusal(
                "order_total_differs",
                f"the order in Odoo totals {total} without tax, the contract {request.value}",
                field="order.amount_untaxed",
                value=str(total),
            )
        if order["state"] == "cancel":
            raise BusinessRefusal("order_cancelled", "the order was cancelled in Odoo")
        if order["state"] not in ("sale", "done"):
            self._odoo.call("sale.order", "action_confirm", [request.order_id])
            metrics.orders_confirmed.add(1, {"currency": request.value.currency})
        return Done()

    @activity.defn
    def cancel_order(self, request: OrderCancel) -> Done:
        """Cancel the order, as compensation; an order already cancelled is a success."""
        [order] = self._odoo.read("sale.order", [request.order_id], ["state"])
        if order["state"] != "cancel":
            self._odoo.call(
                "sale.order",
                "action_cancel",
                [request.order_id],
                context={"disable_cancel_warning": True},
            )
        return Done()

    # --- invoices ---------------------------------------------------------------------------

    @activity.defn
    def create_invoice(self, request: InvoiceRequest) -> InvoiceDraft:
        """Create the draft invoice, its lines tied to the order's; rewrites a draft's lines."""
        proposal = request.proposal
        keys = (proposal.legal_entity, proposal.contract_id)
        origin = receivable_workflow_id(contract_workflow_id(*keys), proposal.number)
        existing = self._odoo.search_read(
            "account.move",
            [("invoice_origin", "=", origin), ("state", "!=", "draft"), _INVOICES],
            ["id"],
            limit=1,
        )
        if existing:
            return InvoiceDraft(invoice_id=existing[0]["id"])
        header: dict[str, Any] = {
            "id": records.invoice_id(*keys, proposal.number),
            "move_type": "Customer Invoice",
            "partner_id/.id": request.partner_id,
            "company_id/.id": request.company_id,
            "currency_id/id": f"base.{proposal.amount.currency}",
            "invoice_date": request.invoice_on.isoformat(),
            "invoice_payment_term_id": proposal.payment_term,
            "invoice_origin": origin,
            "ref": proposal.purchase_order,
        }
        products = self._products({line.service_code for line in proposal.lines})
        rows = []
        for index, item in enumerate(proposal.lines):
            line = {
                "invoice_line_ids/id": records.invoice_line_id(*keys, proposal.number, item.key),
                "invoice_line_ids/product_id/.id": products[item.service_code],
                "invoice_line_ids/name": item.description,
                "invoice_line_ids/quantity": 1,
                "invoice_line_ids/price_unit": str(item.amount.amount),
                "invoice_line_ids/sale_line_ids/id": records.order_line_id(*keys, item.key),
            }
            rows.append({**header, **line} if index == 0 else line)
        once = create_once("draft_invoice.lines", "draft_invoice.references", "draft_invoice.date")
        [invoice] = self._odoo.load("account.move", rows, create_once=once)
        return InvoiceDraft(invoice_id=invoice)

    @activity.defn
    def post_invoice(self, request: PostRequest) -> InvoiceBalance:
        """Post the invoice after comparing it once more with what was approved."""
        balance = self._balance(request.invoice_id)
        if balance.untaxed != request.amount:
            raise BusinessRefusal(
                "invoice_differs_from_approval",
                f"the invoice in Odoo totals {balance.untaxed} without tax, "
                f"approved was {request.amount}",
                field="invoice.amount_untaxed",
                value=str(balance.untaxed),
            )
        if balance.cancelled:
            raise BusinessRefusal("invoice_cancelled", "the invoice was cancelled in Odoo")
        if balance.posted:
            return balance
        invoice_on = self._post_in_its_period(request.invoice_id)
        labels = {"legal_entity": request.legal_entity, "currency": request.amount.currency}
        metrics.invoices_posted.add(1, labels)
        metrics.amount_invoiced.add(float(request.amount.amount), labels)
        metrics.invoice_cycle_days.record((invoice_on - request.proposed_on).days, labels)
        return self._balance(request.invoice_id)

    def _post_in_its_period(self, invoice_id: int) -> date:
        """Post on the invoice's own date, which is returned, or refuse (`period_locked`).

        Into a locked period Odoo posts on another date and says nothing, unless the lock
        reaches that one too: so what it warns people of before they post is read first. That
        knows every kind of lock, whom it does not bind, and whether the tax lock concerns us.
        """
        fields = ["invoice_date", "tax_lock_date_message"]
        [move] = self._odoo.read("account.move", [invoice_id], fields)
        invoice_on = str(move["invoice_date"])
        if move["tax_lock_date_message"]:
            raise BusinessRefusal(
                "period_locked",
                f"the invoice is of {invoice_on}, a locked period in Odoo, which says: "
                f"{move['tax_lock_date_message']} Unlock the period there, or amend invoice_on",
                field="invoice_on",
                value=invoice_on,
            )
        self._odoo.call("account.move", "action_post", [invoice_id])
        return date.fromisoformat(invoice_on)

    @activity.defn
    def send_invoice(self, ref: InvoiceRef) -> Done:
        """Send the posted invoice by e-mail from Odoo, as PDF; one already sent is a success.

        `is_move_sent` only says that it was tried: what the mail server said stands in the
        notifications of the invoice's messages.
        """
        status, reason = self._notified(ref.invoice_id)
        if status != "sent":
            [wizard] = self._odoo.create("account.move.send.wizard", [{"move_id": ref.invoice_id}])
            self._odoo.call("account.move.send.wizard", "action_send_and_print", [wizard])
            status, reason = self._notified(ref.invoice_id)
        if status in ("", "exception", "bounce", "canceled"):
            raise BusinessRefusal(
                "invoice_not_delivered",
                f"Odoo could not mail the invoice: {reason or 'no mail was made'}; "
                "check the customer's e-mail address and Odoo's mail server",
                field="customer.billing_email",
            )
        return Done()

    def _notified(self, invoice_id: int) -> tuple[str, str]:
        """How the newest mail about an invoice fared: status and the reason of a failure."""
        found = self._odoo.search_read(
            "mail.notification",
            [
                ("mail_message_id.model", "=", "account.move"),
                ("mail_message_id.res_id", "=", invoice_id),
                ("notification_type", "=", "email"),
            ],
            ["notification_status", "failure_type", "failure_reason"],
            order="id desc",
            limit=1,
        )
        if not found:
            return "", ""
        row = found[0]
        return row["notification_status"], row["failure_reason"] or row["failure_type"] or ""

    @activity.defn
    def read_balance(self, ref: InvoiceRef) -> InvoiceBalance:
        """What Odoo says about the invoice now."""
        return self._balance(ref.invoice_id)

    @activity.defn
    def register_payment(self, request: PaymentRequest) -> InvoiceBalance:
        """Register a payment known from outside; its reference makes a repeat a success."""
        reference = request.payment.reference
        domain = [
            ("memo", "=", reference),
            ("state", "not in", ("canceled", "rejected", "draft")),
            ("reconciled_invoice_ids", "in", [request.invoice_id]),
        ]
        if not self._odoo.search_read("account.payment", domain, ["id"], limit=1):
            context = {"active_model": "account.move", "active_ids": [request.invoice_id]}
            values = {
                "amount": float(request.payment.amount.amount),
                "payment_date": request.payment.paid_on.isoformat(),
                "communication": reference,
            }
            [register] = self._odoo.create("account.payment.register", [values], context=context)
            self._odoo.call(
                "account.payment.register", "action_create_payments", [register], context=context
            )
            metrics.payments_registered.add(1, {"currency": request.payment.amount.currency})
        return self._balance(request.invoice_id)

    @activity.defn
    def send_reminder(self, request: ReminderRequest) -> Done:
        """Mail a reminder from the invoice's record; its subject is its key, so it goes once."""
        self._post_once(
            "account.move",
            request.invoice_id,
            subject=request.subject,
            body=request.text,
            partner_ids=[request.partner_id],
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
        )
        metrics.reminders_sent.add(1)
        return Done()

    @activity.defn
    def notify(self, request: Notification) -> Done:
        """Leave a note on the order, mailed to those of the people who are known to Odoo."""
        people = self._odoo.search_read(
            "res.partner", [("email", "in", sorted(request.people))], ["id"]
        )
        self._post_once(
            "sale.order",
            request.order_id,
            subject=request.subject,
            body=request.text,
            partner_ids=[row["id"] for row in people],
            message_type="comment",
            subtype_xmlid="mail.mt_note",
        )
        return Done()

    def _post_once(self, model: str, record: int, *, subject: str, **message: Any) -> None:
        """Post a message unless one with this subject is there already: a retry is silent."""
        domain = [("model", "=", model), ("res_id", "=", record), ("subject", "=", subject)]
        if not self._odoo.search_read("mail.message", domain, ["id"], limit=1):
            self._odoo.call(model, "message_post", [record], subject=subject, **message)

    @activity.defn
    def check_close_out(self, request: CloseOutRequest) -> CloseOut:
        """Compare Odoo's own figures with the contract: order total, invoices less credits."""
        [order] = self._odoo.read(
            "sale.order",
            [request.order_id],
            ["amount_untaxed", "currency_id", "invoice_ids", "state"],
        )
        moves = self._odoo.search_read(
            "account.move",
            [("id", "in", order["invoice_ids"])],
            ["name", "state", "move_type", "amount_untaxed", "amount_residual", "currency_id"],
        )
        currency = request.value.currency
        posted = [row for row in moves if row["state"] == "posted"]
        invoiced = Money.zero(currency)
        for row in posted:
            amount = Money.rounded(row["amount_untaxed"], currency)
            invoiced = invoiced - amount if row["move_type"] == "out_refund" else invoiced + amount
        total = Money.rounded(order["amount_untaxed"], currency)
        differences = []
        if total != request.value:
            differences.append(f"the order totals {total}, the contract {request.value}")
        if invoiced != request.value:
            differences.append(
                f"invoices less credit notes come to {invoiced}, the contract to {request.value}"
            )
        differences += [
            f"{row['name']} is still a draft" for row in moves if row["state"] == "draft"
        ]
        differences += [
            f"{row['name']} has {Money.rounded(row['amount_residual'], currency)} open"
            for row in posted
            if row["amount_residual"]
        ]
        return CloseOut(differences=differences)

    # --- sweeps -----------------------------------------------------------------------------

    @activity.defn
    def read_changes(self, window: SweepWindow) -> OdooChanges:
        """What changed in our invoices and milestones since the watermark: one query for each.

        The watermark is Odoo's own clock (`write_date`), so that two machines' clocks never
        matter.
        """
        since = (window.since - SWEEP_OVERLAP).astimezone(UTC).strftime(_DATETIME)
        moves = self._odoo.search_read(
            "account.move",
            [
                ("invoice_origin", "=like", "contract/%/invoice/%"),
                _INVOICES,
                ("write_date", ">=", since),
            ],
            _BALANCE_FIELDS,
            order="write_date, id",
        )
        credits = self._credits(moves)
        milestones = self._odoo.search_read(
            "project.milestone",
            [
                ("is_reached", "=", True),
                ("write_date", ">=", since),
                ("sale_line_id.order_id.origin", "=like", "contract/%"),
            ],
            ["reached_date", "sale_line_id", "write_date"],
            order="write_date, id",
        )
        dates = [_utc(row["write_date"]) for row in [*moves, *milestones]]
        return OdooChanges(
            invoices=[
                ChangedInvoice(
                    workflow_id=row["invoice_origin"],
                    balance=_balance(row, credits),
                )
                for row in moves
            ],
            milestones=self._reached(milestones),
            watermark=max([window.since, *dates]),
        )

    def _reached(self, milestones: list[dict[str, Any]]) -> list[ReachedMilestone]:
        if not milestones:
            return []
        lines = self._odoo.search_read(
            "sale.order.line",
            [("id", "in", [row["sale_line_id"][0] for row in milestones])],
            ["order_id"],
        )
        orders = {row["id"]: row["order_id"][0] for row in lines}
        found = self._odoo.search_read(
            "sale.order", [("id", "in", sorted(set(orders.values())))], ["origin"]
        )
        origins = {row["id"]: row["origin"] for row in found}
        return [
            ReachedMilestone(
                workflow_id=origins[orders[row["sale_line_id"][0]]],
                milestone_id=row["id"],
                reached_on=date.fromisoformat(row["reached_date"]) if row["reached_date"] else None,
                changed_at=_utc(row["write_date"]),
            )
            for row in milestones
        ]

    # --- shared -----------------------------------------------------------------------------

    def _price_list(self, currency: str, company_id: int) -> int:
        """A price list in the currency: in Odoo an order has its currency from nowhere else."""
        found = self._odoo.search_read(
            "product.pricelist",
            [("currency_id.name", "=", currency), ("company_id", "in", [company_id, False])],
            ["id"],
            order="sequence, id",
            limit=1,
        )
        if not found:
            raise BusinessRefusal(
                "price_list_missing",
                f"Odoo has no price list in {currency}; add one (its prices do not matter)",
                field="currency",
                value=currency,
            )
        return int(found[0]["id"])

    def _products(self, codes: set[str]) -> dict[str, int]:
        """Product ids by internal reference; a missing or ambiguous one is a business failure."""
        found = self._odoo.search_read(
            "product.product", [("default_code", "in", sorted(codes))], ["default_code"]
        )
        for code in sorted(codes):
            count = sum(row["default_code"] == code for row in found)
            if count != 1:
                raise BusinessRefusal(
                    "service_code_ambiguous" if count else "service_code_unknown",
                    f"Odoo has {count} products with the internal reference {code}, not one",
                    field="services.code",
                    value=code,
                )
        return {row["default_code"]: row["id"] for row in found}

    def _balance(self, invoice_id: int) -> InvoiceBalance:
        rows = self._odoo.read("account.move", [invoice_id], _BALANCE_FIELDS)
        return _balance(rows[0], self._credits(rows))

    def _credits(self, moves: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
        ids = sorted({credit for row in moves for credit in row["reversal_move_ids"]})
        if not ids:
            return {}
        fields = ["state", "move_type", "amount_untaxed", "amount_total"]
        found = self._odoo.search_read("account.move", [("id", "in", ids)], fields)
        return {row["id"]: row for row in found}


_INVOICES = ("move_type", "=", "out_invoice")


def _utc(text: str) -> datetime:
    return datetime.strptime(text, _DATETIME).replace(tzinfo=UTC)


def _balance(row: Mapping[str, Any], credits: Mapping[int, Mapping[str, Any]]) -> InvoiceBalance:
    currency = row["currency_id"][1]
    posted = [
        credits[credit]
        for credit in row["reversal_move_ids"]
        if credit in credits
        and credits[credit]["state"] == "posted"
        and credits[credit]["move_type"] == "out_refund"
    ]

    def credited(field: str) -> Money:
        return Money.total((Money.rounded(item[field], currency) for item in posted), currency)

    return InvoiceBalance(
        invoice_id=row["id"],
        as_of=_utc(row["write_date"]),
        number=row["name"] if row["state"] == "posted" else "",
        posted=row["state"] == "posted",
        cancelled=row["state"] == "cancel",
        in_payment=row["payment_state"] == "in_payment",
        sent=bool(row["is_move_sent"]),
        due_on=date.fromisoformat(row["invoice_date_due"]) if row["invoice_date_due"] else None,
        untaxed=Money.rounded(row["amount_untaxed"], currency),
        total=Money.rounded(row["amount_total"], currency),
        residual=Money.rounded(row["amount_residual"], currency),
        credited=credited("amount_total"),
        credited_untaxed=credited("amount_untaxed"),
    )

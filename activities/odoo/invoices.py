"""Invoices and credit notes in Odoo: drafted, discarded, posted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities import metrics
from activities.done import Done
from activities.failures import BusinessRefusal, after_effect
from activities.odoo import entries, invoice_rows
from activities.odoo.balances import (
    INVOICE_FIELDS,
    balance_of,
    balances_of,
    read_invoice,
)
from activities.odoo.buttons import press
from activities.odoo.catalogue import Catalogue
from activities.odoo.contexts import UNTRACKED
from activities.odoo.invoice_rows import DraftRequest, amount_in_odoo, origin_of
from activities.odoo.milestones import mark_reached
from activities.odoo.needs import ACCOUNTING, Need
from activities.policies import Policies, PolicyRequest
from contracts import ownership
from contracts.billing.lines import InvoiceKind, InvoiceProposal
from contracts.invoice.messages import InvoiceBalance
from contracts.invoice.results import Draft
from contracts.money import Money
from contracts.odoo_totals import OdooTotals, TaxAmount
from gateways.odoo import OdooClient

_TYPES = {InvoiceKind.INVOICE: "out_invoice", InvoiceKind.CREDIT_NOTE: "out_refund"}
_FIELDS_TO_POST = (*INVOICE_FIELDS, "tax_lock_date_message")
"""Before it is posted; to see whether a lock concerns it costs Odoo more than all of the rest."""
_TAX_FIELDS = ("move_id", "tax_line_id", "amount_currency", "move_type")
_DISCARD_FIELDS = ("state", "name")

NEEDS = (
    *invoice_rows.NEEDS,
    Need(
        "account.move",
        (*_DISCARD_FIELDS, "invoice_origin", "move_type"),
        access=ACCOUNTING,
        methods=("button_cancel",),
    ),
    Need("account.move", _FIELDS_TO_POST, access=ACCOUNTING),
    Need(
        "account.move.line",
        (*_TAX_FIELDS, "display_type"),
        access=ACCOUNTING,
        # The lines of a draft are replaced where they come to another sum than was proposed.
        rights=("unlink",),
    ),
)


class DiscardRequest(BaseModel):
    """The draft of an invoice that is not to be: by its id in Odoo, or where making it failed
    before that was known, by the workflow of the invoice (`origin`)."""

    origin: str
    invoice_id: int | None = None


class PostRequest(BaseModel):
    """`odoo_totals` is what was approved; it was proposed on `proposed_on`."""

    invoice_id: int
    legal_entity: str
    kind: InvoiceKind = InvoiceKind.INVOICE
    odoo_totals: OdooTotals
    proposed_on: date


class OdooInvoices:
    """Activities on the `odoo-finance` task queue: an invoice or credit note until it is posted."""

    def __init__(
        self, odoo: OdooClient, policies: Policies, catalogue: Catalogue | None = None
    ) -> None:
        """`catalogue` is the one of the worker's other activities, if they share it."""
        self._odoo = odoo
        self._policies = policies
        self._catalogue = catalogue or Catalogue(odoo)

    @activity.defn
    def create_draft(self, request: DraftRequest) -> Draft:
        """Create the draft, its lines tied to the order's, and read what it comes to with Odoo's
        taxes; rewrites its own draft, and leaves a posted or cancelled invoice as it is.

        Refuses `legal_entity_unknown` (the configuration has no rules for it), and
        `draft_differs_from_proposal` if Odoo's total without tax is not the proposal's.
        """
        policy = self._policies.entity_policy(
            PolicyRequest(legal_entity=request.proposal.legal_entity, today=request.invoice_on)
        )
        if request.reached:
            mark_reached(self._odoo, request.reached)
        invoice, odoo_totals = self._write_draft(request)
        return Draft(
            invoice_id=invoice,
            invoice_on=request.invoice_on,
            odoo_totals=odoo_totals,
            policy=policy,
        )

    def _write_draft(self, request: DraftRequest) -> tuple[int, OdooTotals]:
        """The draft's id, and what Odoo says it comes to."""
        issued = self._issued(request.proposal) if request.rewrites else None
        if issued is not None:
            return issued, self._odoo_totals(read_invoice(self._odoo, issued))
        # A repeat of the first attempt finds its own draft, or what people made of it.
        invoice = self._load(request, create_once=not request.rewrites)
        found, wanted = read_invoice(self._odoo, invoice), amount_in_odoo(request.proposal)
        odoo_totals = self._odoo_totals(found)
        if found["state"] != "draft":
            return invoice, odoo_totals
        if odoo_totals.untaxed != wanted:
            # Odoo rounds the sum of the lines, not each line; or somebody added lines of their own.
            self._odoo.write("account.move", [invoice], {"invoice_line_ids": [[5, 0, 0]]})
            invoice = self._load(request, exact=True)
            odoo_totals = self._odoo_totals(read_invoice(self._odoo, invoice))
        if odoo_totals.untaxed != wanted:
            raise BusinessRefusal(
                "draft_differs_from_proposal",
                f"the draft in Odoo totals {odoo_totals.untaxed} without tax, "
                f"the proposal {wanted}; look at the taxes of its products there: prices must be "
                "without tax",
                field="invoice.amount_untaxed",
                value=str(odoo_totals.untaxed),
            )
        return invoice, odoo_totals

    def _issued(self, proposal: InvoiceProposal) -> int | None:
        """The id of the invoice of this number if it is no longer a draft."""
        found = self._odoo.find(
            "account.move",
            "invoice_origin",
            [origin_of(proposal)],
            ["invoice_origin"],
            also=[("move_type", "=", _TYPES[proposal.kind]), ("state", "!=", "draft")],
            order="id",
        )
        return int(found[0]["id"]) if found else None

    def _load(
        self, request: DraftRequest, *, exact: bool = False, create_once: bool = False
    ) -> int:
        products = self._catalogue.product_ids(
            {line.service_code for line in request.proposal.lines}
        )
        once = create_once or ownership.create_once(
            "draft_invoice.lines", "draft_invoice.references", "draft_invoice.date"
        )
        [invoice] = self._odoo.load(
            "account.move",
            invoice_rows.invoice_rows(request, products, exact=exact),
            create_once=once,
            context=UNTRACKED,
        )
        return invoice

    def _odoo_totals(self, row: Mapping[str, Any]) -> OdooTotals:
        currency = row["currency_id"][1]
        return OdooTotals(
            untaxed=Money.rounded(row["amount_untaxed"], currency),
            taxes=self._taxes(row["id"], currency) if row["amount_tax"] else (),
            total=Money.rounded(row["amount_total"], currency),
        )

    def _taxes(self, invoice_id: int, currency: str) -> tuple[TaxAmount, ...]:
        lines = self._odoo.find(
            "account.move.line",
            "move_id",
            [invoice_id],
            _TAX_FIELDS,
            also=[("display_type", "=", "tax")],
            order="id",
        )
        taxes: dict[str, Money] = {}
        for line in lines:
            amount = Money.rounded(line["amount_currency"], currency)
            shown = amount if line["move_type"] == "out_refund" else -amount
            name = line["tax_line_id"][1]
            taxes[name] = taxes.get(name, Money.zero(currency)) + shown
        return tuple(TaxAmount(name=name, amount=amount) for name, amount in taxes.items())

    @activity.defn
    def discard_draft(self, request: DiscardRequest) -> Done:
        """Cancel a draft that was not approved; refuses (`invoice_posted`) what is posted.

        One already cancelled, deleted by a person or never made is a success.
        """
        for row in self._drafts(request):
            if row["state"] == "posted":  # Odoo itself would cancel that too
                raise BusinessRefusal(
                    "invoice_posted",
                    f"{row['name']} is posted in Odoo already; only a credit note takes it back",
                    field="invoice.state",
                    value=row["name"],
                )
            if row["state"] == "draft":
                self._cancel(row["id"])
        return Done()

    def _drafts(self, request: DiscardRequest) -> Sequence[Mapping[str, Any]]:
        if request.invoice_id is not None:
            return self._odoo.find("account.move", "id", [request.invoice_id], _DISCARD_FIELDS)
        return self._odoo.find(
            "account.move",
            "invoice_origin",
            [request.origin],
            ["invoice_origin", *_DISCARD_FIELDS],
            also=[("move_type", "in", list(_TYPES.values()))],
            order="id",
        )

    def _cancel(self, move_id: int) -> None:
        press(
            self._odoo,
            "account.move",
            "button_cancel",
            move_id,
            is_pressed=lambda: entries.state_of(self._odoo, move_id) == "cancel",
        )

    @activity.defn
    def post_invoice(self, request: PostRequest) -> InvoiceBalance:
        """Post it after comparing it once more with what was approved, with and without tax.

        Odoo reconciles a credit note with the invoice that it credits by itself.
        """
        [move] = self._odoo.read("account.move", [request.invoice_id], _FIELDS_TO_POST)
        [balance] = balances_of(self._odoo, [move])
        _refuse_if_changed(request, balance)
        if balance.cancelled:
            raise BusinessRefusal(
                "invoice_cancelled",
                f"the {_name(request.kind)} was cancelled in Odoo; reset it to draft there",
                field="invoice.state",
            )
        if balance.posted:
            return balance
        invoice_on = self._post_in_its_period(move, _name(request.kind))
        with after_effect():
            _record_metrics(request, invoice_on)
            return balance_of(self._odoo, request.invoice_id)

    def _post_in_its_period(self, move: Mapping[str, Any], what: str) -> date:
        """Post on the invoice's own date, which is returned, or refuse (`period_locked`).

        In a locked period Odoo posts on another date without saying so, unless that date is locked
        too. So Odoo's own warning, which people see before they post, is read first: it considers
        every kind of lock, whom it does not bind, and whether the tax lock concerns the invoice.
        """
        invoice_on = str(move["invoice_date"])
        if move["tax_lock_date_message"]:
            raise BusinessRefusal(
                "period_locked",
                f"the {what} is of {invoice_on}, a locked period in Odoo, which says: "
                f"{move['tax_lock_date_message']} Unlock the period there, or amend invoice_on",
                field="invoice_on",
                value=invoice_on,
            )
        entries.post(self._odoo, move["id"])
        return date.fromisoformat(invoice_on)


def _refuse_if_changed(request: PostRequest, balance: InvoiceBalance) -> None:
    """Refuse (`invoice_differs_from_approval`) what is no longer what was approved."""
    odoo_totals = request.odoo_totals
    for what, found, approved in (
        ("amount_untaxed", balance.untaxed, odoo_totals.untaxed),
        ("amount_total", balance.total, odoo_totals.total),
    ):
        if found != approved:
            tax = "without" if what == "amount_untaxed" else "with"
            raise BusinessRefusal(
                "invoice_differs_from_approval",
                f"the {_name(request.kind)} in Odoo totals {found} {tax} tax, "
                f"approved was {approved}",
                field=f"invoice.{what}",
                value=str(found),
            )


def _record_metrics(request: PostRequest, invoice_on: date) -> None:
    untaxed = request.odoo_totals.untaxed
    labels = {"legal_entity": request.legal_entity, "currency": untaxed.currency}
    if request.kind is InvoiceKind.CREDIT_NOTE:
        metrics.credit_notes_posted.add(1, labels)
        metrics.amount_credited.add(float(untaxed.amount), labels)
        return
    metrics.invoices_posted.add(1, labels)
    metrics.amount_invoiced.add(float(untaxed.amount), labels)
    metrics.invoice_cycle_days.record((invoice_on - request.proposed_on).days, labels)


def _name(kind: InvoiceKind) -> str:
    return "credit note" if kind is InvoiceKind.CREDIT_NOTE else "invoice"

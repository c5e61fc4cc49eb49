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
from activities.odoo.balances import balances_of
from activities.odoo.buttons import press
from activities.odoo.catalogue import Catalogue
from activities.odoo.contexts import UNTRACKED
from activities.odoo.given_up import discard_payment, discard_reversal, discard_write_off
from activities.odoo.invoice_content import LOCK_WARNING, WholeInvoice, read_whole
from activities.odoo.invoice_rows import DraftRequest, amount_in_odoo, origin_of
from activities.odoo.milestones import mark_reached
from activities.odoo.needs import ACCOUNTING, Need
from activities.odoo.partners import for_partner
from activities.policies import Policies, PolicyRequest
from contracts import ownership
from contracts.billing.lines import InvoiceKind, InvoiceProposal
from contracts.contract.state import require_id
from contracts.invoice.answers import Draft
from contracts.invoice.content import InvoiceContent, differences, in_words, posted_differences
from contracts.invoice.messages import InvoiceBalance
from contracts.money import Money
from contracts.problems import Problem
from gateways.odoo import OdooClient

_TYPES = {InvoiceKind.INVOICE: "out_invoice", InvoiceKind.CREDIT_NOTE: "out_refund"}
_STATES = {"draft": "draft", "posted": "posted invoice", "cancel": "cancelled invoice"}
_DISCARD_FIELDS = ("state", "name")
_SHOWN_PROBLEMS = 50

NEEDS = (
    *invoice_rows.COLUMNS,
    Need(
        "account.move",
        (*_DISCARD_FIELDS, "invoice_origin", "move_type"),
        access=ACCOUNTING,
        methods=("button_cancel",),
    ),
    # The lines of a draft are replaced where they come to another sum than was proposed.
    Need("account.move.line", (), access=ACCOUNTING, rights=("unlink",)),
)


class DiscardRequest(BaseModel):
    """The draft of an invoice that is not to be: by its id in Odoo, or where making it failed
    before that was known, by its origin. Or what was to be booked on that invoice: `payment` is the
    reference of a payment, `reversal` of what undoes one, `write_off` the key of an entry."""

    origin: str
    invoice_id: int | None = None
    payment: str = ""
    reversal: str = ""
    write_off: str = ""


class PostRequest(BaseModel):
    """`approved` is what was approved; it was proposed on `proposed_on`."""

    invoice_id: int
    legal_entity: str
    kind: InvoiceKind = InvoiceKind.INVOICE
    approved: InvoiceContent
    proposed_on: date


class OdooInvoices:
    """Activities on the `odoo-finance` task queue: an invoice or credit note until it is posted."""

    def __init__(self, odoo: OdooClient, policies: Policies, catalogue: Catalogue) -> None:
        self._odoo = odoo
        self._policies = policies
        self._catalogue = catalogue

    @activity.defn
    def create_draft(self, request: DraftRequest) -> Draft:
        """Create the draft, its lines tied to the order's, and read back what it says in Odoo;
        rewrites its own draft, and leaves a posted or cancelled invoice as it is.

        Refuses `legal_entity_unknown` (the configuration has no rules for it), and
        `draft_differs_from_proposal` if Odoo's total without tax is not the proposal's, of a draft
        as of what people have posted or cancelled.
        """
        policy = self._policies.entity_policy(
            PolicyRequest(legal_entity=request.proposal.legal_entity, today=request.invoice_on)
        )
        if request.reached:
            mark_reached(self._odoo, request.reached)
        draft = self._write_draft(request)
        return Draft(
            invoice_id=draft.id,
            invoice_on=request.invoice_on,
            content=draft.content,
            policy=policy,
        )

    def _write_draft(self, request: DraftRequest) -> WholeInvoice:
        """The draft as Odoo has it; or the invoice of its number that is no draft any more."""
        issued = self._issued(request.proposal) if request.rewrites else None
        # A repeat of the first attempt finds its own draft, or what people made of it.
        found = issued or self._load(request, create_once=not request.rewrites)
        invoice = read_whole(self._odoo, found)
        wanted = amount_in_odoo(request.proposal)
        if invoice.state == "draft" and invoice.content.totals.untaxed != wanted:
            # Odoo rounds the sum of the lines, not each line; or somebody added lines of their own.
            self._odoo.write("account.move", [invoice.id], {"invoice_line_ids": [[5, 0, 0]]})
            invoice = read_whole(self._odoo, self._load(request, exact=True))
        _refuse_another_amount(invoice, wanted)
        return invoice

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
        codes = {line.service_code for line in request.proposal.lines}
        products = self._catalogue.product_ids(codes)
        once = create_once or ownership.create_once(
            "draft_invoice.lines", "draft_invoice.references", "draft_invoice.date"
        )

        def load(partner: int) -> int:
            asked = request.model_copy(update={"partner_id": partner})
            rows = invoice_rows.invoice_rows(asked, products, exact=exact)
            [loaded] = self._odoo.load("account.move", rows, create_once=once, context=UNTRACKED)
            return loaded

        of = ("sale.order", request.order_id)
        return for_partner(self._odoo, request.partner_id, of, load)

    @activity.defn
    def discard_draft(self, request: DiscardRequest) -> Done:
        """Cancel a draft that was not approved, or that a person has given up after Odoo did not
        post it; refuses (`invoice_posted`, `booking_left`) what is posted.

        One already cancelled, deleted by a person or never made is a success.
        """
        if request.payment:
            discard_payment(self._odoo, require_id(request.invoice_id), request.payment)
        elif request.reversal:
            discard_reversal(self._odoo, request.reversal)
        elif request.write_off:
            discard_write_off(self._odoo, request.origin, request.write_off)
        else:
            self._discard_invoice(request)
        return Done()

    def _discard_invoice(self, request: DiscardRequest) -> None:
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
        """Post it if it says in Odoo what was approved.

        It is compared in the call before the one that posts it, and again in the one behind that,
        before anybody mails it: Odoo has no call that posts an invoice only as it was seen. Odoo
        reconciles a credit note with the invoice that it credits by itself.
        """
        found = read_whole(self._odoo, request.invoice_id, LOCK_WARNING)
        _refuse_if_changed(request, found)
        if found.state == "cancel":
            raise BusinessRefusal(
                "invoice_cancelled",
                f"the {_name(request.kind)} was cancelled in Odoo; reset it to draft there",
                field="invoice.state",
            )
        if found.state != "posted":
            invoice_on = self._post_in_its_period(found.row, _name(request.kind))
            with after_effect():
                _record_metrics(request, invoice_on)
                found = read_whole(self._odoo, request.invoice_id)
            # It is posted by now, for certain, and may have been changed right before that.
            _refuse_if_changed(request, found)
        with after_effect():
            [balance] = balances_of(self._odoo, [found.row])
        return balance

    def _post_in_its_period(self, move: Mapping[str, Any], what: str) -> date:
        """Post on the invoice's own date, which is returned, or refuse (`period_locked`).

        In a locked period Odoo posts on another date without saying so, unless that date is locked
        too. So Odoo's own warning, which people see before they post, is read first: it considers
        every kind of lock, whom it does not bind, and whether the tax lock concerns the invoice.
        """
        invoice_on = str(move["invoice_date"])
        if move[LOCK_WARNING]:
            raise BusinessRefusal(
                "period_locked",
                f"the {what} is of {invoice_on}, a locked period in Odoo, which says: "
                f"{move[LOCK_WARNING]} Unlock the period there, or amend invoice_on",
                field="invoice_on",
                value=invoice_on,
            )
        entries.post(self._odoo, move["id"])
        return date.fromisoformat(invoice_on)


def _refuse_another_amount(invoice: WholeInvoice, wanted: Money) -> None:
    """Refuse (`draft_differs_from_proposal`) what nobody may be asked to approve: it is shown, and
    its approvers are chosen, by what the proposal comes to."""
    untaxed = invoice.content.totals.untaxed
    if untaxed == wanted:
        return
    remedy = "look at the taxes of its products there: prices must be without tax"
    if invoice.state != "draft":
        remedy = "reset it to draft there, and it is written again"
    raise BusinessRefusal(
        "draft_differs_from_proposal",
        f"the {_STATES[invoice.state]} in Odoo totals {untaxed} without tax, the proposal {wanted};"
        f" {remedy}",
        field="invoice.amount_untaxed",
        value=str(untaxed),
    )


def _refuse_if_changed(request: PostRequest, invoice: WholeInvoice) -> None:
    """Refuse (`invoice_differs_from_approval`) what is no longer what was approved."""
    is_posted = invoice.state == "posted"
    compare = posted_differences if is_posted else differences
    found = compare(request.approved, invoice.content)
    if found:
        what = f"{_name(request.kind)}, which is posted," if is_posted else _name(request.kind)
        raise BusinessRefusal(
            "invoice_differs_from_approval",
            f"the {what} is not in Odoo what was approved (approved -> now): {in_words(found)}",
            field=f"invoice.{found[0].field}",
            value=found[0].now,
            problems=[
                Problem(
                    code="invoice_differs_from_approval",
                    field=f"invoice.{item.field}",
                    value=item.now,
                    expected=f"{item.before or 'nothing'}, as approved",
                )
                for item in found[:_SHOWN_PROBLEMS]
            ],
        )


def _record_metrics(request: PostRequest, invoice_on: date) -> None:
    untaxed = request.approved.totals.untaxed
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

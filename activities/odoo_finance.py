"""One invoice or credit note in Odoo: its draft, delivery, money and reminders."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities import metrics
from activities import odoo_messages as messages
from activities import odoo_records as records
from activities import odoo_settlements as settlements
from activities.failures import BusinessRefusal, after_effect
from activities.odoo_balances import FIELDS, balances_of
from activities.odoo_buttons import press
from activities.odoo_catalogue import Catalogue
from activities.odoo_master import Done
from activities.odoo_work import mark_reached
from activities.policies import Policies, PolicyRequest
from contracts import ownership
from contracts.billing.lines import InvoiceKind, InvoiceProposal, Line
from contracts.currencies import EXPONENTS
from contracts.identifiers import contract_workflow_id, invoice_workflow_id
from contracts.invoice.messages import InvoiceBalance, PaymentReceived
from contracts.invoice.results import Draft, Reconciled
from contracts.money import Money
from contracts.odoo_totals import OdooTotals, TaxAmount
from gateways.odoo import FAILED, OdooClient

_TYPES = {InvoiceKind.INVOICE: "out_invoice", InvoiceKind.CREDIT_NOTE: "out_refund"}
_LABELS = {InvoiceKind.INVOICE: "Customer Invoice", InvoiceKind.CREDIT_NOTE: "Customer Credit Note"}
_MAX_PRICE_DECIMALS = 12
_FIELDS = [*FIELDS, "amount_tax", "invoice_date"]
"""What is read of an invoice, whatever for: only reads of the same fields share calls."""
_FIELDS_TO_POST = [*_FIELDS, "tax_lock_date_message"]
"""Before it is posted; to see whether a lock concerns it costs Odoo more than all of the rest."""


class DraftRequest(BaseModel):
    """`invoice_on` is the invoice's date in the legal entity's zone. `credited_invoice_id` is the
    posted invoice that a credit note takes back (none: no one in particular). `rewrites` says that
    there may be an earlier draft, whose content has changed since. `reached` are milestones (ids in
    Odoo) to mark reached before: the invoice bills them."""

    proposal: InvoiceProposal
    company_id: int
    partner_id: int
    invoice_on: date
    credited_invoice_id: int | None = None
    rewrites: bool = False
    reached: tuple[int, ...] = ()


class PostRequest(BaseModel):
    """`odoo_totals` is what was approved; it was proposed on `proposed_on`."""

    invoice_id: int
    legal_entity: str
    kind: InvoiceKind = InvoiceKind.INVOICE
    odoo_totals: OdooTotals
    proposed_on: date


class InvoiceRef(BaseModel):
    """An invoice or a credit note, by its id in Odoo. `must_be_posted`: somebody cancelled it there
    or reset it, and nothing goes on before it is posted again."""

    invoice_id: int
    must_be_posted: bool = False


class DiscardRequest(BaseModel):
    """The draft of an invoice that is not to be: by its id in Odoo, or where making it failed
    before that was known, by the workflow of the invoice (`origin`)."""

    origin: str
    invoice_id: int | None = None


class ReconcileRequest(BaseModel):
    """A posted credit note, and the posted invoice to set it off against."""

    invoice_id: int
    credit_note_id: int


class PaymentRequest(BaseModel):
    invoice_id: int
    payment: PaymentReceived


class WriteOffRequest(BaseModel):
    """`amount` (with tax) of invoice `number` is lost, for a `reason`, on a date of the legal
    entity. `account_code` is the account that bears the loss; `key` tells a second write-off of
    the same invoice apart."""

    legal_entity: str
    contract_id: str
    number: int
    key: str
    invoice_id: int
    company_id: int
    account_code: str
    amount: Money
    reason: str
    written_off_on: date


class ReminderRequest(BaseModel):
    """One reminder; `subject` and `text` are filled in, and the subject names invoice and level,
    so that no two reminders of an invoice share one."""

    invoice_id: int
    partner_id: int
    subject: str
    text: str


class TodoRequest(BaseModel):
    """A task for one of the people (by e-mail address; the first known to Odoo); `summary` is
    unique on the invoice."""

    invoice_id: int
    people: tuple[str, ...]
    summary: str
    text: str
    due_on: date


class OdooFinance:
    """Activities on the `odoo-finance` and `odoo-mail` task queues: one invoice each."""

    def __init__(
        self, odoo: OdooClient, policies: Policies, catalogue: Catalogue | None = None
    ) -> None:
        """`catalogue` is the one of the worker's other activities, if they share it."""
        self._odoo = odoo
        self._policies = policies
        self._catalogue = catalogue or Catalogue(odoo)

    # --- draft ------------------------------------------------------------------------------

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
        invoice, odoo_totals = self._drafted(request)
        return Draft(
            invoice_id=invoice,
            invoice_on=request.invoice_on,
            odoo_totals=odoo_totals,
            policy=policy,
        )

    def _drafted(self, request: DraftRequest) -> tuple[int, OdooTotals]:
        issued = self._issued(request.proposal) if request.rewrites else None
        if issued is not None:
            return issued, self._odoo_totals(self._stands(issued))
        # A repeat of the first attempt finds its own draft, or what people made of it.
        invoice = self._load(request, create_once=not request.rewrites)
        stands, wanted = self._stands(invoice), _as_shown(request.proposal)
        odoo_totals = self._odoo_totals(stands)
        if stands["state"] != "draft":
            return invoice, odoo_totals
        if odoo_totals.untaxed != wanted:
            # Odoo rounds the sum of the lines, not each line; or somebody added lines of their own.
            self._odoo.write("account.move", [invoice], {"invoice_line_ids": [[5, 0, 0]]})
            invoice = self._load(request, exact=True)
            odoo_totals = self._odoo_totals(self._stands(invoice))
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
        """The invoice of this number if it is a draft no more."""
        found = self._odoo.find(
            "account.move",
            "invoice_origin",
            [_origin(proposal)],
            ["invoice_origin"],
            also=[("move_type", "=", _TYPES[proposal.kind]), ("state", "!=", "draft")],
            order="id",
        )
        return int(found[0]["id"]) if found else None

    def _load(
        self, request: DraftRequest, *, exact: bool = False, create_once: bool = False
    ) -> int:
        proposal = request.proposal
        keys = (proposal.legal_entity, proposal.contract_id)
        header: dict[str, Any] = {
            "id": records.invoice_id(*keys, proposal.number),
            "move_type": _LABELS[proposal.kind],
            "partner_id/.id": request.partner_id,
            "company_id/.id": request.company_id,
            "currency_id/id": f"base.{proposal.amount.currency}",
            "invoice_date": request.invoice_on.isoformat(),
            "invoice_origin": _origin(proposal),
            "ref": proposal.purchase_order,
        }
        if proposal.kind is InvoiceKind.INVOICE:
            header["invoice_payment_term_id"] = proposal.payment_term
        else:
            header["reversed_entry_id/.id"] = request.credited_invoice_id
        products = self._catalogue.product_ids({line.service_code for line in proposal.lines})
        rows = []
        for index, item in enumerate(proposal.lines):
            line = {
                "invoice_line_ids/id": records.invoice_line_id(*keys, proposal.number, item.key),
                "invoice_line_ids/product_id/.id": products[item.service_code],
                "invoice_line_ids/name": item.description,
                "invoice_line_ids/quantity": _quantity_as_shown(proposal, item),
                "invoice_line_ids/price_unit": exact_price(item) if exact else item.unit_price,
                "invoice_line_ids/sale_line_ids/id": records.order_line_id(*keys, item.order_line),
            }
            rows.append({**header, **line} if index == 0 else line)
        once = create_once or ownership.create_once(
            "draft_invoice.lines", "draft_invoice.references", "draft_invoice.date"
        )
        [invoice] = self._odoo.load(
            "account.move", rows, create_once=once, context=records.UNTRACKED
        )
        return invoice

    def _stands(self, invoice_id: int, fields: Sequence[str] = _FIELDS) -> dict[str, Any]:
        """The invoice as it stands in Odoo: its state, amounts and dates."""
        [row] = self._odoo.read("account.move", [invoice_id], fields)
        return row

    def _balance(self, invoice_id: int) -> InvoiceBalance:
        return balances_of(self._odoo, [self._stands(invoice_id)])[0]

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
            ["move_id", "tax_line_id", "amount_currency", "move_type"],
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

    def _cancel(self, move_id: int) -> None:
        press(
            self._odoo,
            "account.move",
            "button_cancel",
            move_id,
            is_pressed=lambda: self._state(move_id) == "cancel",
        )

    def _drafts(self, request: DiscardRequest) -> Sequence[Mapping[str, Any]]:
        fields = ["state", "name"]
        if request.invoice_id is not None:
            return self._odoo.find("account.move", "id", [request.invoice_id], fields)
        return self._odoo.find(
            "account.move",
            "invoice_origin",
            [request.origin],
            ["invoice_origin", *fields],
            also=[("move_type", "in", list(_TYPES.values()))],
            order="id",
        )

    # --- posting ----------------------------------------------------------------------------

    @activity.defn
    def post_invoice(self, request: PostRequest) -> InvoiceBalance:
        """Post it after comparing it once more with what was approved, with and without tax.

        Odoo sets a credit note off against the invoice it credits by itself.
        """
        move = self._stands(request.invoice_id, _FIELDS_TO_POST)
        [balance] = balances_of(self._odoo, [move])
        odoo_totals = request.odoo_totals
        for what, stands, approved in (
            ("amount_untaxed", balance.untaxed, odoo_totals.untaxed),
            ("amount_total", balance.total, odoo_totals.total),
        ):
            if stands != approved:
                tax = "without" if what == "amount_untaxed" else "with"
                raise BusinessRefusal(
                    "invoice_differs_from_approval",
                    f"the {_name(request.kind)} in Odoo totals {stands} {tax} tax, "
                    f"approved was {approved}",
                    field=f"invoice.{what}",
                    value=str(stands),
                )
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
            self._measure(request, invoice_on)
            return self._balance(request.invoice_id)

    def _measure(self, request: PostRequest, invoice_on: date) -> None:
        untaxed = request.odoo_totals.untaxed
        labels = {"legal_entity": request.legal_entity, "currency": untaxed.currency}
        if request.kind is InvoiceKind.CREDIT_NOTE:
            metrics.credit_notes_posted.add(1, labels)
            metrics.amount_credited.add(float(untaxed.amount), labels)
            return
        metrics.invoices_posted.add(1, labels)
        metrics.amount_invoiced.add(float(untaxed.amount), labels)
        metrics.invoice_cycle_days.record((invoice_on - request.proposed_on).days, labels)

    def _post_in_its_period(self, move: Mapping[str, Any], what: str) -> date:
        """Post on the invoice's own date, which is returned, or refuse (`period_locked`).

        Into a locked period Odoo posts on another date and says nothing, unless the lock
        reaches that one too: so what it warns people of before they post is read first. That
        knows every kind of lock, whom it does not bind, and whether the tax lock concerns us.
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
        self._post(move["id"])
        return date.fromisoformat(invoice_on)

    def _post(self, move_id: int) -> None:
        press(
            self._odoo,
            "account.move",
            "action_post",
            move_id,
            is_pressed=lambda: self._state(move_id) == "posted",
            context=records.UNTRACKED,
        )

    def _state(self, move_id: int) -> str:
        [move] = self._odoo.read("account.move", [move_id], ["state"])
        return str(move["state"])

    @activity.defn
    def reconcile_credit(self, request: ReconcileRequest) -> Reconciled:
        """Set a posted credit note off against a posted invoice, as far as both are open."""
        invoice = self._balance(request.invoice_id)
        credit = self._balance(request.credit_note_id)
        for balance in (invoice, credit):
            if not balance.posted:
                raise BusinessRefusal(
                    "credit_not_posted",
                    f"invoice {balance.invoice_id} is not posted in Odoo, so nothing can be "
                    "set off against it",
                    field="invoice.state",
                    value=str(balance.invoice_id),
                )
        if invoice.residual.is_positive and credit.residual.is_positive:
            settlements.reconcile(self._odoo, request.invoice_id, request.credit_note_id)
            with after_effect():
                invoice = self._balance(request.invoice_id)
                credit = self._balance(request.credit_note_id)
        return Reconciled(invoice=invoice, credit_note=credit)

    # --- delivery ---------------------------------------------------------------------------

    @activity.defn
    def send_invoice(self, ref: InvoiceRef) -> Done:
        """Send the posted invoice by e-mail from Odoo, as PDF; one already sent is a success.

        `is_move_sent` only says that it was tried: what the mail server said stands in the
        notifications of the invoice's messages.
        """
        again = activity.in_activity() and activity.info().attempt > 1
        mailed = self._odoo.mail(ref.invoice_id, again=again)
        if not mailed.went_out:
            raise BusinessRefusal(
                "invoice_not_delivered",
                f"Odoo could not mail the invoice: {mailed.reason or 'no mail was made'}; "
                "check the customer's e-mail address and Odoo's mail server",
                field="customer.billing_email",
            )
        return Done()

    # --- money ------------------------------------------------------------------------------

    @activity.defn
    def read_balance(self, ref: InvoiceRef) -> InvoiceBalance:
        """What Odoo says about the invoice now. Refuses `invoice_not_posted` if it must be."""
        balance = self._balance(ref.invoice_id)
        if ref.must_be_posted and not balance.posted:
            raise BusinessRefusal(
                "invoice_not_posted",
                "the invoice was cancelled or reset to draft in Odoo; post it again there",
            )
        return balance

    @activity.defn
    def register_payment(self, request: PaymentRequest) -> InvoiceBalance:
        """Register a payment known from outside, or a refund on a credit note: once for each
        reference, however often it is asked for."""
        settlements.register_payment(self._odoo, request.invoice_id, request.payment)
        with after_effect():
            return self._balance(request.invoice_id)

    @activity.defn
    def write_off(self, request: WriteOffRequest) -> InvoiceBalance:
        """Book the loss by a journal entry and set it off against the invoice: once per key.

        Refuses `write_off_too_large` (more than is open), `account_unknown`, and
        `write_off_cancelled` where the entry was cancelled in Odoo.
        """
        entry = self._write_off_entry(request)
        [row] = self._odoo.read("account.move", [entry], ["state", "name"])
        if row["state"] == "cancel":
            raise BusinessRefusal(
                "write_off_cancelled",
                "the entry that writes the invoice off was cancelled in Odoo",
                field="write_off.key",
                value=request.key,
            )
        if row["state"] == "draft":
            self._refuse_to_lose_more_than_is_open(request)
            self._post(entry)
            currency = request.amount.currency
            metrics.amount_written_off.add(
                float(request.amount.amount),
                {"legal_entity": request.legal_entity, "currency": currency},
            )
        with after_effect():
            balance = self._balance(request.invoice_id)
            if balance.residual.is_positive:
                settlements.reconcile(self._odoo, request.invoice_id, entry)
                balance = self._balance(request.invoice_id)
            return balance

    def _refuse_to_lose_more_than_is_open(self, request: WriteOffRequest) -> None:
        residual = self._balance(request.invoice_id).residual
        if request.amount > residual or not request.amount.is_positive:
            raise BusinessRefusal(
                "write_off_too_large",
                f"{request.amount} cannot be written off: {residual} is open in Odoo",
                field="write_off.amount",
                value=str(request.amount),
            )

    def _write_off_entry(self, request: WriteOffRequest) -> int:
        """The entry, created as a draft if it is not there: loss against receivable."""
        keys = (request.legal_entity, request.contract_id, request.number, request.key)
        currency = request.amount.currency
        receivable = settlements.receivable_line(self._odoo, request.invoice_id)
        origin = contract_workflow_id(request.legal_entity, request.contract_id)
        header: dict[str, Any] = {
            "id": records.write_off_id(*keys),
            "move_type": "Journal Entry",
            "company_id/.id": request.company_id,
            "journal_id/.id": self._general_journal(request.company_id),
            "date": request.written_off_on.isoformat(),
            "ref": f"Write-off: {request.reason}",
            # Leads from the entry to the invoice it takes from; see odoo_balances.
            "invoice_origin": invoice_workflow_id(origin, request.number),
            "currency_id/id": f"base.{currency}",
        }
        sides = (
            ("loss", self._account(request), request.amount),
            ("receivable", receivable["account_id"][0], -request.amount),
        )
        rows = []
        for index, (side, account, amount) in enumerate(sides):
            line = {
                "line_ids/id": records.write_off_line_id(*keys, side),
                "line_ids/account_id/.id": account,
                "line_ids/partner_id/.id": receivable["partner_id"][0],
                "line_ids/name": request.reason,
                "line_ids/currency_id/id": f"base.{currency}",
                "line_ids/amount_currency": amount.amount,
            }
            rows.append({**header, **line} if index == 0 else line)
        # Posted it is Odoo's, and may not be written any more.
        [entry] = self._odoo.load("account.move", rows, create_once=True)
        return entry

    def _general_journal(self, company_id: int) -> int:
        found = self._odoo.search_read(
            "account.journal",
            [("type", "=", "general"), ("company_id", "=", company_id)],
            ["id"],
            order="sequence, id",
            limit=1,
        )
        if not found:
            raise BusinessRefusal(
                "journal_missing",
                "the company has no journal for miscellaneous entries in Odoo; add one",
                field="company_id",
                value=str(company_id),
            )
        return int(found[0]["id"])

    def _account(self, request: WriteOffRequest) -> int:
        code = request.account_code
        # An account has a code of its own in each company.
        found = self._odoo.with_company(request.company_id).search_read(
            "account.account", [("code", "=", code)], ["id"], limit=2
        )
        if len(found) != 1:
            raise BusinessRefusal(
                "account_unknown",
                f"Odoo has {len(found)} accounts with the code {code} in this company, not one; "
                "set write_off_account of the legal entity",
                field="write_off_account",
                value=code,
            )
        return int(found[0]["id"])

    # --- reminders --------------------------------------------------------------------------

    @activity.defn
    def send_reminder(self, request: ReminderRequest) -> Done:
        """Mail a reminder from the invoice's record; its subject is its key, so it goes once.

        Refuses `email_missing` and, where Odoo's mail server refused it, `reminder_not_delivered`;
        one that failed is sent again by a repeat.
        """
        [partner] = self._odoo.read("res.partner", [request.partner_id], ["email", "name"])
        if not partner["email"]:
            raise BusinessRefusal(
                "email_missing",
                f"{partner['name']} has no e-mail address in Odoo; add one there",
                field="customer.billing_email",
            )
        status, _ = self._reminded(request)
        if status and status not in FAILED:
            return Done()
        message: dict[str, Any] = {
            "subject": request.subject,
            "body": request.text,
            "partner_ids": [request.partner_id],
            "message_type": "comment",
            "subtype_xmlid": "mail.mt_comment",
        }
        if status:
            self._odoo.call("account.move", "message_post", [request.invoice_id], **message)
        else:
            messages.post_once(self._odoo, "account.move", request.invoice_id, **message)
        with after_effect():
            status, reason = self._reminded(request)
        if status in FAILED:
            raise BusinessRefusal(
                "reminder_not_delivered",
                f"Odoo could not mail the reminder: {reason}; check the customer's e-mail "
                "address and Odoo's mail server",
                field="customer.billing_email",
                value=partner["email"],
            )
        metrics.reminders_sent.add(1)
        return Done()

    def _reminded(self, request: ReminderRequest) -> tuple[str, str]:
        return messages.mailed(self._odoo, "account.move", request.invoice_id, request.subject)

    @activity.defn
    def create_todo(self, request: TodoRequest) -> Done:
        """Put a to-do on the invoice, for what only a person can do; once per summary."""
        row: dict[str, Any] = {
            "id": records.todo_id(request.invoice_id, request.summary),
            "res_model_id/id": "account.model_account_move",
            "res_id": request.invoice_id,
            "activity_type_id/id": "mail.mail_activity_data_todo",
            "summary": request.summary,
            "note": f"<p>{html.escape(request.text)}</p>",
            "date_deadline": request.due_on.isoformat(),
            "user_id/.id": self._user(request.people),
        }
        # What a person did with it stays.
        self._odoo.load("mail.activity", [row], create_once=True)
        return Done()

    def _user(self, people: Sequence[str]) -> int | None:
        if not people:
            return None
        anyone = [*["|"] * (len(people) - 1), *(("email", "=ilike", item) for item in people)]
        found = self._odoo.search_read("res.users", anyone, ["email"], order="id")
        by_email = {str(row["email"]).lower(): int(row["id"]) for row in found}
        return next((by_email[item.lower()] for item in people if item.lower() in by_email), None)


def _origin(proposal: InvoiceProposal) -> str:
    contract = contract_workflow_id(proposal.legal_entity, proposal.contract_id)
    return invoice_workflow_id(contract, proposal.number)


def _name(kind: InvoiceKind) -> str:
    return "credit note" if kind is InvoiceKind.CREDIT_NOTE else "invoice"


def _as_shown(proposal: InvoiceProposal) -> Money:
    """The proposal's amount as Odoo has it: a credit note's is positive there."""
    return -proposal.amount if proposal.kind is InvoiceKind.CREDIT_NOTE else proposal.amount


def _quantity_as_shown(proposal: InvoiceProposal, charge: Line) -> Decimal:
    return -charge.quantity if proposal.kind is InvoiceKind.CREDIT_NOTE else charge.quantity


def exact_price(charge: Line) -> Decimal:
    """The unit price with as many decimals as it takes to hit the charge's amount.

    Odoo by default rounds the sum of an invoice's lines and not each line: lines of parts of a
    cent then come to another sum than their amounts do. The contract's price stays wherever it
    hits the amount already.
    """
    unit = Decimal(1).scaleb(-EXPONENTS[charge.amount.currency])
    # Hundreds of lines together must stay below half a unit.
    tolerance = unit / 10_000
    price = charge.unit_price
    decimals = 2
    while abs(charge.quantity * price - charge.amount.amount) > tolerance:
        if decimals > _MAX_PRICE_DECIMALS or not charge.quantity:
            break
        step = Decimal(1).scaleb(-decimals)
        price = (charge.amount.amount / charge.quantity).quantize(step)
        decimals += 1
    return price

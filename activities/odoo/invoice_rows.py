"""A proposed invoice or credit note as rows to load into Odoo."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from activities.odoo import external_ids
from activities.odoo.needs import ACCOUNTING, UPSERT, Need
from contracts.billing.lines import InvoiceKind, InvoiceProposal, Line
from contracts.currencies import EXPONENTS
from contracts.identifiers import contract_workflow_id, invoice_origin, invoice_workflow_id
from contracts.money import Money
from gateways.fields import names

_LABELS = {InvoiceKind.INVOICE: "Customer Invoice", InvoiceKind.CREDIT_NOTE: "Customer Credit Note"}
_MAX_PRICE_DECIMALS = 12

COLUMNS = (
    Need(
        "account.move",
        names("""
            move_type partner_id company_id currency_id invoice_date invoice_origin ref
            invoice_payment_term_id invoice_date_due reversed_entry_id invoice_line_ids
        """),
        access=ACCOUNTING,
        rights=UPSERT,
    ),
    Need(
        "account.move.line",
        names("product_id name quantity price_unit sale_line_ids"),
        access=ACCOUNTING,
        rights=UPSERT,
    ),
)
"""What the rows below take to be loaded."""


class DraftRequest(BaseModel):
    """`invoice_on` is the invoice's date in the legal entity's zone. `partner_id` is whom the order
    was made for; where that one was merged in Odoo since, whose the order is now is billed.
    `credited_invoice_id` is the posted invoice that a credit note takes back (none: no one in
    particular). `rewrites` says that there may be an earlier draft, whose content has changed
    since. `reached` are milestones (ids in Odoo) to mark reached before: the invoice bills them."""

    proposal: InvoiceProposal
    company_id: int
    order_id: int
    partner_id: int
    invoice_on: date
    credited_invoice_id: int | None = None
    rewrites: bool = False
    reached: tuple[int, ...] = ()


def invoice_rows(
    request: DraftRequest, products: Mapping[str, int], *, exact: bool = False
) -> list[dict[str, Any]]:
    """The invoice and its lines, each tied to its order line; `products` are ids by service code.
    `exact` gives unit prices with as many decimals as it takes to hit the lines' amounts."""
    proposal = request.proposal
    keys = (proposal.legal_entity, proposal.contract_id)
    rows: list[dict[str, Any]] = []
    for item in proposal.lines:
        row = {
            "invoice_line_ids/id": external_ids.invoice_line_id(*keys, proposal.number, item.key),
            "invoice_line_ids/product_id/.id": products[item.service_code],
            "invoice_line_ids/name": item.description,
            "invoice_line_ids/quantity": _quantity_in_odoo(proposal, item),
            "invoice_line_ids/price_unit": exact_price(item) if exact else item.unit_price,
            "invoice_line_ids/sale_line_ids/id": external_ids.order_line_id(*keys, item.order_line),
        }
        rows.append(row if rows else {**_header(request), **row})
    return rows


def _header(request: DraftRequest) -> dict[str, Any]:
    proposal = request.proposal
    header: dict[str, Any] = {
        "id": external_ids.invoice_id(proposal.legal_entity, proposal.contract_id, proposal.number),
        "move_type": _LABELS[proposal.kind],
        "partner_id/.id": request.partner_id,
        "company_id/.id": request.company_id,
        "currency_id/id": f"base.{proposal.amount.currency}",
        "invoice_date": request.invoice_on.isoformat(),
        "invoice_origin": origin_of(proposal),
        "ref": proposal.purchase_order,
    }
    if proposal.kind is InvoiceKind.INVOICE and proposal.payment_term:
        return {**header, "invoice_payment_term_id": proposal.payment_term}
    if proposal.kind is InvoiceKind.INVOICE:
        # Without a term Odoo keeps the due date it has, whatever the invoice's date becomes.
        at_once = request.invoice_on.isoformat()
        return {**header, "invoice_payment_term_id": "", "invoice_date_due": at_once}
    return {**header, "reversed_entry_id/.id": request.credited_invoice_id}


def origin_of(proposal: InvoiceProposal) -> str:
    """What an invoice in Odoo names as its origin."""
    contract = contract_workflow_id(proposal.legal_entity, proposal.contract_id)
    return invoice_origin(invoice_workflow_id(contract, proposal.number))


def amount_in_odoo(proposal: InvoiceProposal) -> Money:
    """The proposal's amount as Odoo has it: a credit note's is positive there."""
    return -proposal.amount if proposal.kind is InvoiceKind.CREDIT_NOTE else proposal.amount


def _quantity_in_odoo(proposal: InvoiceProposal, line: Line) -> Decimal:
    return -line.quantity if proposal.kind is InvoiceKind.CREDIT_NOTE else line.quantity


def exact_price(line: Line) -> Decimal:
    """The unit price with as many decimals as it takes to hit the line's amount.

    Odoo by default rounds the sum of an invoice's lines and not each line: lines of parts of a
    cent then come to another sum than their amounts do. The contract's price stays wherever it
    hits the amount already.
    """
    unit = Decimal(1).scaleb(-EXPONENTS[line.amount.currency])
    # Hundreds of lines together must stay below half a unit.
    tolerance = unit / 10_000
    price = line.unit_price
    decimals = 2
    while abs(line.quantity * price - line.amount.amount) > tolerance:
        if decimals > _MAX_PRICE_DECIMALS or not line.quantity:
            break
        step = Decimal(1).scaleb(-decimals)
        price = (line.amount.amount / line.quantity).quantize(step)
        decimals += 1
    return price

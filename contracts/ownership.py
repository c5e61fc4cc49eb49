"""Who owns which field. Each canonical field has one owner; every write honours this page.

Before signature the CRM owns everything it sends; after it the contract workflow owns the terms;
Odoo owns the customer's financial record, the project, the invoices and the payments. A record
with a field of Odoo's is written once, when it is created, and never again by a repeat: what
people edit there stays.
"""

from __future__ import annotations

from enum import StrEnum


class Owner(StrEnum):
    CRM = "crm"
    CONTRACT = "contract"
    ODOO = "odoo"


OWNERS: dict[str, Owner] = {
    "deal.stage": Owner.CRM,
    "deal.amount": Owner.CRM,
    "deal.c2c_status": Owner.CONTRACT,
    "contract.value": Owner.CONTRACT,
    "contract.services": Owner.CONTRACT,
    "contract.milestones": Owner.CONTRACT,
    "contract.payment_term": Owner.CONTRACT,
    "contract.purchase_order": Owner.CONTRACT,
    "customer.identity": Owner.CRM,
    "customer.name": Owner.ODOO,
    "customer.vat_number": Owner.ODOO,
    "customer.address": Owner.ODOO,
    "customer.billing_email": Owner.ODOO,
    "order.terms": Owner.ODOO,
    "order.state": Owner.ODOO,
    "project.name": Owner.ODOO,
    "project.archived": Owner.CONTRACT,
    "task.name": Owner.ODOO,
    "milestone.name": Owner.ODOO,
    "milestone.deadline": Owner.ODOO,
    "milestone.reached": Owner.CONTRACT,
    "draft_invoice.lines": Owner.CONTRACT,
    "draft_invoice.references": Owner.CONTRACT,
    "draft_invoice.date": Owner.CONTRACT,
    "invoice.number": Owner.ODOO,
    "invoice.due_on": Owner.ODOO,
    "invoice.balance": Owner.ODOO,
    "payment": Owner.ODOO,
}
"""Canonical field to owner. An invoice is the contract's until it is posted, then Odoo's."""


def create_once(*fields: str) -> bool:
    """Whether a write of these fields may only create: true if Odoo owns any of them.

    Raises KeyError for a field without an owner: write its owner down first.
    """
    return any(OWNERS[field] is Owner.ODOO for field in fields)

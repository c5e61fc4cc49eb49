"""Who owns which field. Each canonical field has one owner; every write honours this page.

Before signature the CRM owns everything it sends; after it the contract workflow owns the terms;
Odoo owns the customer's financial record, the project, the invoices and the payments. A field
owned by Odoo is written once, when its record is created, and never again: what people edit there
stays.
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
    "customer.key": Owner.CRM,
    "customer.name": Owner.ODOO,
    "customer.vat_number": Owner.ODOO,
    "customer.country": Owner.ODOO,
    "customer.street": Owner.ODOO,
    "customer.city": Owner.ODOO,
    "customer.zip": Owner.ODOO,
    "customer.billing_email": Owner.ODOO,
    "contract.value": Owner.CONTRACT,
    "contract.services": Owner.CONTRACT,
    "contract.milestones": Owner.CONTRACT,
    "contract.payment_term": Owner.CONTRACT,
    "contract.purchase_order": Owner.CONTRACT,
    "deal.c2c_status": Owner.CONTRACT,
    "order.lines": Owner.CONTRACT,
    "order.state": Owner.ODOO,
    "project.name": Owner.ODOO,
    "project.tasks": Owner.ODOO,
    "project.milestones": Owner.ODOO,
    "milestone.reached": Owner.ODOO,
    "invoice.lines": Owner.CONTRACT,
    "invoice.number": Owner.ODOO,
    "invoice.due_on": Owner.ODOO,
    "invoice.balance": Owner.ODOO,
    "payment": Owner.ODOO,
}


def created_once(record: str) -> bool:
    """Whether Odoo owns a record's fields after creation, so that a repeat must not overwrite.

    Raises KeyError for a record no line of OWNERS speaks of: give it an owner first.
    """
    owners = {owner for field, owner in OWNERS.items() if field.split(".")[0] == record}
    if not owners:
        raise KeyError(f"no owner is written down for {record!r}; add it to OWNERS")
    return Owner.ODOO in owners

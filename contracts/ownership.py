"""Who owns which field. Each canonical field has one owner; every write honours this page.

Before signature the CRM owns everything it sends; after it the contract workflow owns the terms;
Odoo owns the customer's financial record, the project, the time and expenses booked there, the
invoices and the payments. The service for signatures owns the day of the signature, a time system
the hours that come from it. A record with a field of Odoo's is written once, when it is created,
and never again by a repeat: what people edit there stays.

What the CRM changes after signature counts where the CRM is the owner. Elsewhere it is shown to a
person: terms change by a change order, the customer's record in Odoo.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from contracts.changes import summary
from contracts.contract_rules import total_of
from contracts.model import Contract, Customer, JsonObject
from contracts.problems import problems_of, show
from contracts.validation import resolve_milestones


class Owner(StrEnum):
    CRM = "crm"
    CONTRACT = "contract"
    ODOO = "odoo"
    ESIGN = "esign"
    TIME = "time"


OWNERS: dict[str, Owner] = {
    "deal.stage": Owner.CRM,
    "deal.amount": Owner.CRM,
    "deal.c2c_status": Owner.CONTRACT,
    "contract.requested_by": Owner.CRM,
    "contract.title": Owner.CONTRACT,
    "contract.dates": Owner.CONTRACT,
    "contract.signed_on": Owner.ESIGN,
    "contract.value": Owner.CONTRACT,
    "contract.services": Owner.CONTRACT,
    "contract.milestones": Owner.CONTRACT,
    "contract.payment_term": Owner.CONTRACT,
    "contract.purchase_order": Owner.CONTRACT,
    "contract.handover": Owner.CONTRACT,
    "customer.identity": Owner.CRM,
    "customer.name": Owner.ODOO,
    "customer.vat_number": Owner.ODOO,
    "customer.address": Owner.ODOO,
    "customer.billing_email": Owner.ODOO,
    "customer.parent": Owner.ODOO,
    "order.terms": Owner.ODOO,
    "order.state": Owner.ODOO,
    "order.lines": Owner.CONTRACT,
    "order_line.delivered": Owner.CONTRACT,
    "project.name": Owner.ODOO,
    "project.status": Owner.CONTRACT,
    "project.archived": Owner.CONTRACT,
    "project.staffing": Owner.CONTRACT,
    "project.documents": Owner.ODOO,
    "project.todo": Owner.ODOO,
    "project.tags": Owner.ODOO,
    "task.name": Owner.ODOO,
    "task.staffing": Owner.CONTRACT,
    "milestone.name": Owner.ODOO,
    "milestone.deadline": Owner.ODOO,
    "milestone.rescheduled": Owner.CONTRACT,
    "milestone.reached": Owner.CONTRACT,
    "employee": Owner.ODOO,
    "timesheet": Owner.ODOO,
    "timesheet.approval": Owner.ODOO,
    "timesheet.imported": Owner.TIME,
    "expense": Owner.ODOO,
    "draft_invoice.lines": Owner.CONTRACT,
    "draft_invoice.references": Owner.CONTRACT,
    "draft_invoice.date": Owner.CONTRACT,
    "credit_note.lines": Owner.CONTRACT,
    "write_off": Owner.CONTRACT,
    "closing_record": Owner.CONTRACT,
    "signed_document": Owner.ODOO,
    "tax": Owner.ODOO,
    "invoice.number": Owner.ODOO,
    "invoice.due_on": Owner.ODOO,
    "invoice.balance": Owner.ODOO,
    "payment": Owner.ODOO,
    "bank_line": Owner.ODOO,
    "bank_statement": Owner.ODOO,
    "customer.account": Owner.ODOO,
}
"""Canonical field to owner. An invoice or credit note is the contract's until it is posted, then
Odoo's. A milestone's deadline is written once; only a change order that reschedules it writes it
again. The day of signature is the envelope's, in the legal entity's zone: it counts in place of the
day that the CRM says, which is when the deal was won. Without an envelope the CRM's day stays.
Staffing (manager, days, people and hours) is the contract's until people edit it in Odoo:
what they have edited is theirs."""

IN_A_DEAL = {
    "requested_by": "contract.requested_by",
    "title": "contract.title",
    "value": "contract.value",
    "payment_term": "contract.payment_term",
    "purchase_order": "contract.purchase_order",
    "signed_on": "contract.signed_on",
    "starts_on": "contract.dates",
    "ends_on": "contract.dates",
    "services": "contract.services",
    "milestones": "contract.milestones",
    "customer.key": "customer.identity",
    "customer.name": "customer.name",
    "customer.country": "customer.address",
    "customer.street": "customer.address",
    "customer.city": "customer.address",
    "customer.zip": "customer.address",
    "customer.vat_number": "customer.vat_number",
    "customer.billing_email": "customer.billing_email",
    "customer.parent": "customer.parent",
}
"""What a deal says again after signature, and the canonical field that is."""


def _reader(path: str) -> TypeAdapter[Any]:
    """Reads one field of the contract, or of its customer, as the model does."""
    head, _, rest = path.partition(".")
    field = Customer.model_fields[rest] if rest else Contract.model_fields[head]
    return TypeAdapter(field.rebuild_annotation())


_READERS = {path: _reader(path) for path in IN_A_DEAL}

_WHERE_INSTEAD = {
    Owner.ODOO: "Odoo's: change it there",
    Owner.CONTRACT: "needs a change order",
    Owner.ESIGN: "the signature's: it stays",
}


def create_once(*fields: str) -> bool:
    """Whether a write of these fields may only create: true if Odoo owns any of them.

    Raises KeyError for a field without an owner: write its owner down first.
    """
    return any(OWNERS[field] is Owner.ODOO for field in fields)


class Refreshed(NamedTuple):
    """A contract after its deal was read again: what was taken, and what was not, for people."""

    contract: Contract
    changes: tuple[str, ...]
    ignored: tuple[str, ...]


def refreshed(contract: Contract, deal_contract_data: JsonObject) -> Refreshed:
    """What a changed deal still changes in a signed contract: the fields the CRM owns.

    `ignored` tells each other difference, the same every time: callers note what is new. What the
    deal leaves out changes nothing. A deal that was given to another customer (neither VAT number
    nor name is the same) changes nothing of the customer: a signed contract keeps its party.
    Never raises, whatever the contract data holds.
    """
    deal, ignored = _comparable(contract, deal_contract_data)
    overlaid: dict[Owner, Contract] = dict.fromkeys(Owner, contract)
    for path, field in IN_A_DEAL.items():
        value = _at(deal, path)
        if value is None:
            continue
        owner = OWNERS[field]
        try:
            seen = _overlaid(overlaid[owner], path, value)
        except ValidationError as error:
            ignored += _problems_at(path, error)
            continue
        if _has_one_currency(seen):
            overlaid[owner] = seen
        else:
            expected = f"amounts in {contract.currency} that add up"
            ignored.append(f"{path}: expected {expected} (in the CRM)")
    taken = overlaid[Owner.CRM]
    for owner, instead in _WHERE_INSTEAD.items():
        ignored += [f"{line} ({instead})" for line in summary(contract, overlaid[owner])]
    return Refreshed(taken, tuple(summary(contract, taken)), tuple(ignored))


def _comparable(contract: Contract, deal: JsonObject) -> tuple[JsonObject, list[str]]:
    """The deal without what cannot be set against the contract, and sentences that say so."""
    deal, told = dict(deal), []
    currency = deal.get("currency")
    if currency is not None and currency != contract.currency:
        told.append(f"currency: {contract.currency} -> {show(currency)} (cannot be changed)")
        for name in ("value", "services", "milestones"):
            deal.pop(name, None)
    deal, unresolved = resolve_milestones({**deal, "currency": contract.currency})
    if unresolved:
        told += [f"{problem} (in the CRM)" for problem in unresolved]
        deal.pop("milestones")
    customer = deal.get("customer")
    if isinstance(customer, dict) and not _same_party(contract.customer, customer):
        name = show(customer.get("name"))
        told.append(f"customer: {contract.customer.name} -> {name} (a contract keeps its party)")
        deal.pop("customer")
    return deal, told


def _same_party(customer: Customer, stated: JsonObject) -> bool:
    """Whether the deal's customer is the contract's: by key, VAT number or name."""
    ours, theirs = _letters(customer.vat_number), _letters(stated.get("vat_number"))
    return (
        stated.get("key") in (None, customer.key)
        or (bool(ours) and ours == theirs)
        or _letters(stated.get("name")) == _letters(customer.name)
    )


def _letters(text: Any) -> str:
    return "".join(ch for ch in text if ch.isalnum()).casefold() if isinstance(text, str) else ""


def _at(contract_data: JsonObject, path: str) -> Any:
    head, _, rest = path.partition(".")
    node = contract_data.get(head)
    if rest:
        return node.get(rest) if isinstance(node, dict) else None
    return node


def _overlaid(contract: Contract, path: str, value: Any) -> Contract:
    """The contract with one of the deal's values. Raises ValidationError if it cannot be read."""
    read: Any = _READERS[path].validate_python(value, context={"currency": contract.currency})
    head, _, rest = path.partition(".")
    if rest:
        read = getattr(contract, head).model_copy(update={rest: read})
    return contract.model_copy(update={head: read})


def _problems_at(path: str, error: ValidationError) -> list[str]:
    """What cannot be read of a deal's field, with the whole path."""
    found = []
    for problem in problems_of(error):
        field = path if problem.field == "contract_data" else f"{path}.{problem.field}"
        found.append(f"{problem.model_copy(update={'field': field})} (in the CRM)")
    return found


def _has_one_currency(contract: Contract) -> bool:
    """Whether the amounts can be set against those of the contract."""
    services = [line.amount for line in contract.services]
    milestones = [item.amount for item in contract.milestones]
    amounts = [contract.value, *services, *milestones]
    same = all(amount.currency == contract.currency for amount in amounts)
    return same and (not milestones or total_of(milestones) is not None)

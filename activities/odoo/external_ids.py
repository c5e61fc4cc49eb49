"""How our business keys name Odoo's records: external ids make creation safe to repeat."""

from __future__ import annotations

from contracts.identifiers import external_id


def customer_id(system: str, customer_key: str) -> str:
    """A customer is one partner across its contracts."""
    return external_id("customer", system, customer_key)


def project_id(entity: str, contract: str) -> str:
    return external_id("project", entity, contract)


def project_update_id(entity: str, contract: str, key: str) -> str:
    """One a suspension or resumption."""
    return external_id("project-update", entity, contract, key)


def order_id(entity: str, contract: str) -> str:
    return external_id("order", entity, contract)


def order_line_id(entity: str, contract: str, line: str) -> str:
    """By the key of the order's line: a milestone's, a plan's, or such as `deposit`."""
    return external_id("order-line", entity, contract, line)


def milestone_id(entity: str, contract: str, milestone: str) -> str:
    return external_id("milestone", entity, contract, milestone)


def task_id(entity: str, contract: str, key: str) -> str:
    """By the key of its milestone or plan."""
    return external_id("task", entity, contract, key)


def invoice_id(entity: str, contract: str, number: int) -> str:
    """Of an invoice or a credit note: they share one count."""
    return external_id("invoice", entity, contract, number)


def invoice_line_id(entity: str, contract: str, number: int, line: str) -> str:
    return external_id("invoice-line", entity, contract, number, line)


def write_off_id(entity: str, contract: str, number: int, key: str) -> str:
    """The journal entry that writes an invoice off; `key` tells a second one apart."""
    return external_id("write-off", entity, contract, number, key)


def write_off_line_id(entity: str, contract: str, number: int, key: str, side: str) -> str:
    return external_id("write-off-line", entity, contract, number, key, side)


def payment_id(invoice: int, reference: str) -> str:
    """A payment of an invoice (its id in Odoo), by the reference under which it came in."""
    return external_id("payment", invoice, reference)


def todo_id(invoice: int, summary: str) -> str:
    return external_id("todo", invoice, summary)


def audit_id(entity: str, contract: str) -> str:
    return external_id("audit", entity, contract)

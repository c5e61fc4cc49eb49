"""How our business keys name Odoo's records: the external ids that make creation safe to repeat."""

from __future__ import annotations

from contracts.identifiers import external_id


def customer_id(system: str, customer_key: str) -> str:
    """A customer is one partner across its contracts."""
    return external_id("customer", system, customer_key)


def project_id(entity: str, contract: str) -> str:
    return external_id("project", entity, contract)


def order_id(entity: str, contract: str) -> str:
    return external_id("order", entity, contract)


def order_line_id(entity: str, contract: str, milestone: str) -> str:
    return external_id("order-line", entity, contract, milestone)


def milestone_id(entity: str, contract: str, milestone: str) -> str:
    return external_id("milestone", entity, contract, milestone)


def task_id(entity: str, contract: str, milestone: str) -> str:
    return external_id("task", entity, contract, milestone)


def invoice_id(entity: str, contract: str, number: int) -> str:
    return external_id("invoice", entity, contract, number)


def invoice_line_id(entity: str, contract: str, number: int, line: str) -> str:
    return external_id("invoice-line", entity, contract, number, line)

"""Contracts that the core's tests live through."""

from __future__ import annotations

from typing import Any

from contracts.model import JsonObject


def _contract(**fields: Any) -> JsonObject:
    return {
        "contract_id": "C-1",
        "legal_entity": "northwind",
        "source": {"system": "file", "id": "9001"},
        "title": "ERP roll-out",
        "customer": {
            "key": "acme",
            "name": "Acme NV",
            "country": "BE",
            "vat_number": "BE0477472701",
            "billing_email": "ap@acme.example",
        },
        "currency": "EUR",
        "signed_on": "2026-02-10",
        "requested_by": "sam@northwind.example",
        "purchase_order": "PO-77",
    } | fields


def fixed_price(**fields: Any) -> JsonObject:
    """10,000 EUR in three milestones of one service."""
    milestones = [
        {"key": "design", "name": "Design", "service": "build", "amount": "3000.00"},
        {"key": "build", "name": "Build", "service": "build", "amount": "6000.00"},
        {"key": "live", "name": "Go-live", "service": "build", "amount": "1000.00"},
    ]
    service = {"key": "build", "code": "BUILD", "description": "Build", "amount": "10000.00"}
    fields = {"services": [service]} | fields
    return _contract(value="10000.00", milestones=milestones, **fields)


def hourly(
    *, second: bool = False, cap: str | None = None, rates: Any = None, **fields: Any
) -> JsonObject:
    """Development by the hour from March on at 120 EUR; a second plan at 80 EUR."""
    plan: JsonObject = {
        "key": "dev",
        "service": "work",
        "rates": rates or [{"price": "120.00"}],
    }
    if cap:
        plan["cap"] = cap
    plans = [plan]
    if second:
        plans.append({"key": "ops", "service": "work", "rates": [{"price": "80.00"}]})
    service = {"key": "work", "code": "DEV", "description": "Work", "amount": "5000.00"}
    fields = {"starts_on": "2026-03-01", "ends_on": "2026-12-31"} | fields
    return _contract(value="5000.00", services=[service], time=plans, **fields)


def retained(**fields: Any) -> JsonObject:
    """A service desk for 1,000 EUR a month in advance, from March on."""
    service = {"key": "desk", "code": "RETAINER", "description": "Desk", "amount": "2000.00"}
    plan = {"key": "care", "service": "desk", "fee": "1000.00"}
    fields = {"starts_on": "2026-03-01", "ends_on": "2026-04-30"} | fields
    return _contract(value="2000.00", services=[service], retainers=[plan], **fields)

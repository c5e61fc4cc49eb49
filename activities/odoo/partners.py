"""The customer as a partner in Odoo: found, or created once."""

from __future__ import annotations

from typing import Any

from activities.failures import BusinessRefusal
from activities.odoo import external_ids
from activities.odoo.contexts import UNTRACKED
from activities.odoo.needs import CONTACTS, UPSERT, Need
from contracts.model import Customer, Source
from contracts.ownership import create_once
from gateways.crm import odoo_crm
from gateways.errors import GatewayError
from gateways.odoo import OdooClient

NEEDS = (
    Need(
        "res.partner",
        (
            "name",
            "display_name",
            "is_company",
            "parent_id",
            "email",
            "vat",
            "country_id",
            "street",
            "city",
            "zip",
        ),
        access=CONTACTS,
        rights=UPSERT,
    ),
)

_CONTRACT_FIELDS = {
    "vat": "customer.vat_number",
    "email": "customer.billing_email",
    "country_id": "customer.country",
}
"""Fields that Odoo may refuse, by what they are called in the contract, where they are amended."""


def find_or_create_customer(odoo: OdooClient, customer: Customer, source: Source) -> int:
    """The customer's partner: found by VAT number, or created once.

    Odoo's own CRM names the partner itself: it is taken as it is, or is `record_missing`.
    A business failure `customer_ambiguous` names the partners where several have the number.
    """
    if source.system == odoo_crm.SYSTEM:
        named = odoo_crm.partner_id(customer.key)
        if named is not None:
            odoo.read("res.partner", [named], ["name"])
            return named
    found = _with_vat_number(odoo, customer.vat_number) if customer.vat_number else None
    return _create(odoo, customer, source) if found is None else found


def _with_vat_number(odoo: OdooClient, vat_number: str) -> int | None:
    found = odoo.find(
        "res.partner",
        "vat",
        [vat_number],
        ["vat", "display_name"],
        also=[("parent_id", "=", False)],
    )
    if len(found) > 1:
        names = ", ".join(f"{row['display_name']} (id {row['id']})" for row in found[:5])
        raise BusinessRefusal(
            "customer_ambiguous",
            f"several customers in Odoo have this VAT number: {names}; merge them there",
            field="customer.vat_number",
            value=vat_number,
        )
    return int(found[0]["id"]) if found else None


def _create(odoo: OdooClient, customer: Customer, source: Source) -> int:
    row: dict[str, Any] = {
        "id": external_ids.customer_id(source.system, customer.key),
        "name": customer.name,
        "is_company": True,
        "email": customer.billing_email,
        "vat": customer.vat_number or "",
        "country_id/id": f"base.{_country_xml_id(customer.country)}",
        "street": customer.street,
        "city": customer.city,
        "zip": customer.zip,
    }
    once = create_once("customer.name", "customer.vat_number", "customer.address")
    try:
        [partner] = odoo.load("res.partner", [row], create_once=once, context=UNTRACKED)
    except GatewayError as refusal:
        refusal.field = _CONTRACT_FIELDS.get(refusal.field, refusal.field)
        raise
    return partner


def _country_xml_id(country: str) -> str:
    # Odoo names its country records by the ISO code in lower case, but for the United Kingdom.
    return "uk" if country == "GB" else country.lower()

"""The customer as a partner in Odoo: found, or created once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from activities.failures import BusinessRefusal
from activities.odoo import external_ids, vat
from activities.odoo.contexts import UNTRACKED
from activities.odoo.needs import CONTACTS, UPSERT, Need
from contracts.model import Customer, Source
from contracts.ownership import create_once
from gateways.crm.odoo_crm.crm import partner_id
from gateways.errors import GatewayError
from gateways.fields import names
from gateways.odoo import OdooClient

NEEDS = (
    Need(
        "res.partner",
        names("""
            name display_name is_company parent_id email vat active
            country_id country_code street city zip
        """),
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

    A key such as `odoo-partner-7`, as Odoo's own CRM gives it, names the partner itself: it is
    taken as it is, or is `record_missing`.
    A business failure `customer_ambiguous` names the partners where several have the number, or
    one that is archived.
    """
    named = partner_id(customer.key)
    if named is not None:
        odoo.read("res.partner", [named], ["name"])
        return named
    found = _with_vat_number(odoo, customer) if customer.vat_number else None
    return _create(odoo, customer, source) if found is None else found


def _with_vat_number(odoo: OdooClient, customer: Customer) -> int | None:
    """The one partner with this VAT number, however people have written it; asks where several
    have it. An archived one is asked about where there is no other: a new one would be a double."""
    number = customer.vat_number or ""
    wanted = vat.normalised(number, customer.country)
    rows = odoo.search_read(
        "res.partner",
        [
            ("vat", "=ilike", vat.pattern(wanted)),
            ("parent_id", "=", False),
            ("active", "in", [True, False]),
        ],
        ["vat", "display_name", "active", "country_code"],
        order="id",
    )
    found = [
        row
        for row in rows
        if vat.normalised(row["vat"], row["country_code"] or customer.country) == wanted
    ]
    if not found:
        return None
    active = [row for row in found if row["active"]]
    if len(active) > 1:
        raise _ambiguous("several customers in Odoo have this VAT number", active, number)
    if not active:
        raise _ambiguous("the customer with this VAT number is archived in Odoo", found, number)
    return int(active[0]["id"])


def _ambiguous(why: str, found: Sequence[Mapping[str, Any]], number: str) -> BusinessRefusal:
    names = ", ".join(
        f"{row['display_name']} (id {row['id']}{'' if row['active'] else ', archived'})"
        for row in found[:5]
    )
    archived = not any(row["active"] for row in found)
    what = "restore it there, or take its number off it" if archived else "merge them there"
    return BusinessRefusal(
        "customer_ambiguous",
        f"{why}: {names}; {what}",
        field="customer.vat_number",
        value=number,
    )


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

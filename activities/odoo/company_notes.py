"""Notes on the firm's own company in Odoo: in the chatter of its contact, where people look."""

from __future__ import annotations

from activities.failures import BusinessRefusal
from activities.odoo.chatter import post_once
from activities.odoo.needs import USER, Need
from gateways.odoo import OdooClient

NEEDS = (Need("res.company", ("name", "partner_id"), access=USER),)


def note_on_company(odoo: OdooClient, company: str, *, subject: str, text: str) -> None:
    """Leave a note on the company of that name, once under its subject.

    Refuses `company_unknown` where Odoo does not have exactly one.
    """
    found = odoo.search_read("res.company", [("name", "=", company)], ["partner_id"], limit=2)
    if len(found) != 1:
        message = f"Odoo has {len(found)} companies named {company}"
        raise BusinessRefusal("company_unknown", message, field="odoo_company", value=company)
    post_once(
        odoo,
        "res.partner",
        int(found[0]["partner_id"][0]),
        subject=subject,
        body=text,
        message_type="comment",
        subtype_xmlid="mail.mt_note",
    )

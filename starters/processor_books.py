"""Whether Odoo has the journal and the accounts that a payment processor is configured with."""

from __future__ import annotations

from collections.abc import Iterator

from activities.failures import BusinessRefusal
from activities.odoo.clearing import account, clearing
from gateways.errors import GatewayError
from gateways.odoo import OdooClient
from gateways.settings import PaymentsSettings
from starters.findings import Area, Finding
from wiring.settings import Settings


def check(odoo: OdooClient, settings: Settings) -> Iterator[Finding]:
    """One finding for each processor. A company that Odoo has not is told of at its legal
    entity."""
    for name, processor in settings.payments.items():
        company = settings.entities[processor.legal_entity].odoo_company
        domain = [("name", "=", company)]
        found = odoo.search_read("res.company", domain, ["id"], limit=2)
        if len(found) == 1:
            yield _books(odoo, Area(f"Payments {name}"), processor, int(found[0]["id"]))


def _books(odoo: OdooClient, area: Area, processor: PaymentsSettings, company: int) -> Finding:
    subject = "books in Odoo"
    try:
        through = clearing(odoo, company, processor.journal)
        account(odoo, company, processor.fee_account, "fee_account")
        account(odoo, company, processor.payout_account, "payout_account")
    except BusinessRefusal as refusal:
        remedy = "see docs/connectors/payments.md, set it up"
        return area.missing(subject, refusal.detail.message, remedy)
    except GatewayError as error:
        return area.missing(subject, error.message, "see what is said about Odoo above")
    return area.ok(subject, f"journal {processor.journal}, clearing account {through.account}")

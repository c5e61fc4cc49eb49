"""Whether Odoo has the journals and the account that a bank's files are configured with."""

from __future__ import annotations

from collections.abc import Iterator

from activities.failures import BusinessRefusal
from activities.odoo.bank_books import bank_journal
from activities.odoo.clearing import account
from gateways.errors import GatewayError
from gateways.odoo import OdooClient
from gateways.settings import BankSettings
from starters.findings import Area, Finding
from wiring.settings import Settings


def check(odoo: OdooClient, settings: Settings) -> Iterator[Finding]:
    """One finding for each place of a bank's files. A company that Odoo has not is told of at its
    legal entity."""
    for name, bank in settings.bank.items():
        company = settings.entities[bank.legal_entity].odoo_company
        found = odoo.search_read("res.company", [("name", "=", company)], ["id"], limit=2)
        if len(found) == 1:
            yield _journals(odoo, Area(f"Bank {name}"), bank, int(found[0]["id"]))


def _journals(odoo: OdooClient, area: Area, bank: BankSettings, company: int) -> Finding:
    subject = "journals in Odoo"
    try:
        journals = {
            number: bank_journal(odoo, company, code) for number, code in bank.accounts.items()
        }
        if bank.difference_account:
            account(odoo, company, bank.difference_account, "difference_account")
    except BusinessRefusal as refusal:
        return area.missing(subject, refusal.detail.message, "see docs/bank.md, set it up")
    except GatewayError as error:
        return area.missing(subject, error.message, "see what is said about Odoo above")
    told = ", ".join(f"{number} in {item.currency}" for number, item in journals.items())
    return area.ok(subject, told)

"""The books of a payment processor in Odoo, as an accountant sets them up: its journal with the
clearing account, its fees, and what is on its way to the bank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateways.odoo import OdooClient

JOURNAL, CLEARING, FEES, TRANSFER = "PSP", "101950", "652900", "101960"
_ACCOUNTS = {
    CLEARING: ("Processor Clearing", "asset_current", False),
    FEES: ("Processor Fees", "expense", False),
    TRANSFER: ("Processor Payouts", "asset_current", True),
}


@dataclass(frozen=True)
class ClearingBooks:
    """Ids in Odoo of the accounts, by their codes."""

    journal: int
    accounts: dict[str, int]

    def balance(self, odoo: OdooClient, code: str) -> float:
        """What stands on an account."""
        domain = [("account_id", "=", self.accounts[code]), ("parent_state", "=", "posted")]
        lines = odoo.search_read("account.move.line", domain, ["balance"])
        return round(sum(float(line["balance"]) for line in lines), 2)


def clearing_books(admin: OdooClient, company: int = 1) -> ClearingBooks:
    """Set up by an administrator, once for each Odoo and company."""
    books = admin.with_company(company)
    accounts = {code: _account(books, company, code) for code in _ACCOUNTS}
    own = [("code", "=", JOURNAL), ("company_id", "=", company)]
    found = books.search_read("account.journal", own, ["id"])
    if found:
        return ClearingBooks(found[0]["id"], accounts)
    journal: dict[str, Any] = {"name": "Processor", "type": "bank", "code": JOURNAL}
    journal |= {"company_id": company, "default_account_id": accounts[CLEARING]}
    [made] = books.create("account.journal", [journal])
    return ClearingBooks(made, accounts)


def _account(books: OdooClient, company: int, code: str) -> int:
    found = books.search_read("account.account", [("code", "=", code)], ["id"])
    if found:
        return int(found[0]["id"])
    name, kind, reconcile = _ACCOUNTS[code]
    values: dict[str, Any] = {"name": name, "code": code, "account_type": kind}
    values |= {"company_ids": [(6, 0, [company])], "reconcile": reconcile}
    [made] = books.create("account.account", [values])
    return made

"""The journal in Odoo that a payment processor's money goes through, and the accounts around it."""

from __future__ import annotations

from typing import NamedTuple

from activities.failures import BusinessRefusal
from activities.odoo.needs import ACCOUNTING, Need
from gateways.odoo import OdooClient

NEEDS = (
    Need("account.journal", ("code", "company_id", "default_account_id"), access=ACCOUNTING),
    Need("account.account", ("code",), access=ACCOUNTING),
)


class Clearing(NamedTuple):
    """A journal, and its own account: what the processor holds for the firm."""

    journal: int
    account: int


def clearing(odoo: OdooClient, company: int, code: str) -> Clearing:
    """The company's journal of this code. Refuses `journal_unknown` and
    `clearing_account_missing`."""
    found = odoo.search_read(
        "account.journal",
        [("code", "=", code), ("company_id", "=", company)],
        ["default_account_id"],
        limit=2,
    )
    if len(found) != 1:
        raise BusinessRefusal(
            "journal_unknown",
            f"Odoo has {len(found)} journals with the code {code} in this company, not one; set "
            "journal of the payments connector",
            field="journal",
            value=code,
        )
    account = found[0]["default_account_id"]
    if not account:
        raise BusinessRefusal(
            "clearing_account_missing",
            f"the journal {code} has no account of its own in Odoo; give it one",
            field="journal",
            value=code,
        )
    return Clearing(int(found[0]["id"]), int(account[0]))


def account(odoo: OdooClient, company: int, code: str, field: str) -> int:
    """The company's account of this code, which the setting `field` names. Refuses
    `account_unknown`."""
    # An account has a code of its own in each company.
    found = odoo.with_company(company).search_read(
        "account.account", [("code", "=", code)], ["id"], limit=2
    )
    if len(found) != 1:
        raise BusinessRefusal(
            "account_unknown",
            f"Odoo has {len(found)} accounts with the code {code} in this company, not one; "
            f"correct {field}",
            field=field,
            value=code,
        )
    return int(found[0]["id"])

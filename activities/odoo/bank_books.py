"""Where the lines of a bank account are booked in Odoo: its journal, and what closes its periods.

Odoo dates what falls into a closed period on today's date, and says nothing. So that is looked at
before, and refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from activities.failures import BusinessRefusal
from activities.odoo.needs import ACCOUNTING, USER, Need
from gateways.fields import names
from gateways.odoo import OdooClient

_JOURNAL = names("code type company_id default_account_id suspense_account_id currency_id")
_COMPANY = names("currency_id tax_exigibility user_fiscalyear_lock_date user_hard_lock_date")

NEEDS = (
    Need("account.journal", _JOURNAL, access=ACCOUNTING),
    Need("res.company", _COMPANY, access=USER),
)


class BankJournal(NamedTuple):
    """A journal of the type bank. `account` is the bank's own, `suspense` has what is not applied;
    `own_currency` is the company's.
    `is_plain`: it is in the company's currency, and no tax is due only once it is paid; then Odoo
    books nothing beside what a line says."""

    id: int
    company: int
    account: int
    suspense: int
    currency: str
    own_currency: str
    is_plain: bool
    closed_until: date


def bank_journal(odoo: OdooClient, company: int, code: str) -> BankJournal:
    """The company's bank journal of this code. Refuses `bank_journal_unknown` and
    `bank_account_missing`."""
    domain = [("code", "=", code), ("company_id", "=", company), ("type", "=", "bank")]
    found = odoo.search_read("account.journal", domain, _JOURNAL, limit=2)
    if len(found) != 1:
        raise BusinessRefusal(
            "bank_journal_unknown",
            f"Odoo has {len(found)} journals of the type bank with the code {code} in this company,"
            " not one; correct accounts of the bank connector",
            field="accounts",
            value=code,
        )
    [row] = found
    if not row["default_account_id"] or not row["suspense_account_id"]:
        raise BusinessRefusal(
            "bank_account_missing",
            f"the journal {code} lacks its own account or its suspense account in Odoo; set both",
            field="accounts",
            value=code,
        )
    [books] = odoo.read("res.company", [company], _COMPANY)
    own = books["currency_id"][1]
    currency = row["currency_id"][1] if row["currency_id"] else own
    return BankJournal(
        id=row["id"],
        company=company,
        account=row["default_account_id"][0],
        suspense=row["suspense_account_id"][0],
        currency=currency,
        own_currency=own,
        is_plain=currency == own and not books["tax_exigibility"],
        closed_until=max(_day(books[name]) for name in _COMPANY[2:]),
    )


def refuse_closed(journal: BankJournal, days: Iterable[date]) -> None:
    """Refuse `bank_period_locked` where one of the days lies in a closed period."""
    closed = sorted({day for day in days if day <= journal.closed_until})
    if closed:
        raise BusinessRefusal(
            "bank_period_locked",
            f"lines of {closed[0]} lie in a period that is closed in Odoo until "
            f"{journal.closed_until}; open it there, then retry, or refuse the file",
            field="booked_on",
            value=str(closed[0]),
        )


def _day(written: str | bool) -> date:
    """Odoo's first day, 1-01-01, is none that `date` reads."""
    if not isinstance(written, str):
        return date.min
    year, month, day = (int(part) for part in written.split("-"))
    return date(year, month, day)

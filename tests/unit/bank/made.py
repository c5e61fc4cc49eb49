"""Bank lines, statements and open invoices as tests write them."""

from __future__ import annotations

from datetime import date
from typing import Any

from contracts.bank.statement import BankLine, BankStatement
from contracts.money import Money

ACCOUNT = "BE68539007547034"
PAYER = "DE89370400440532013000"
DAY = date(2026, 11, 27)


def euros(amount: str) -> Money:
    return Money(amount, "EUR")


def line(amount: str = "1210.00", *, reference: str = "BANK-1", **facts: Any) -> BankLine:
    """A payment of a single entry."""
    key = facts.pop("entry_key", f"{ACCOUNT}/{DAY}/{reference}")
    known = {"key": f"{key}/0", "entry_key": key, "account": ACCOUNT, "booked_on": DAY}
    return BankLine(**{**known, "amount": euros(amount), **facts})


def statement(*lines: BankLine, **facts: Any) -> BankStatement:
    """A statement whose totals are right."""
    opening = facts.pop("opening", euros("500.00"))
    known = {
        "statement_id": "ST-1",
        "account": ACCOUNT,
        "currency": opening.currency,
        "sequence": 1,
        "from_date": DAY,
        "to_date": DAY,
        "opening": opening,
        "closing": opening + Money.total((item.amount for item in lines), opening.currency),
        "lines": lines,
    }
    return BankStatement(**{**known, **facts})

"""Bank lines, statements and open invoices as tests write them."""

from __future__ import annotations

from datetime import date
from typing import Any

from contracts.bank.statement import BankLine, BankStatement
from contracts.bank.verdicts import CashPolicy, OpenItem
from contracts.money import Money

ACCOUNT = "BE68539007547034"
PAYER = "DE89370400440532013000"
DAY = date(2026, 11, 27)


def euros(amount: str) -> Money:
    return Money(amount, "EUR")


def line(amount: str = "1210.00", *, reference: str = "BANK-1", **facts: Any) -> BankLine:
    """A payment of a single entry."""
    key = facts.pop("entry_key", f"{ACCOUNT}/{DAY}/{reference}/{euros(amount).amount}")
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


def invoice(move: int, number: str, amount: str = "1210.00", **facts: Any) -> OpenItem:
    """An open invoice of Acme, or as the facts say."""
    money = facts.pop("money", None) or euros(amount)
    known = {"partner": 1, "partner_name": "Acme Logistics NV", "company": 1, "due_on": DAY}
    shared = {"move": move, "number": number, "open": money, "total": money}
    return OpenItem(**{**known, **shared, **facts})


POLICY = CashPolicy(company=1, tolerance=(euros("1.00"),), difference_account="658000")

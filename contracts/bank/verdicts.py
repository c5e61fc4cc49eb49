"""What a bank line is compared with, and what becomes of it."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from contracts.model import Value
from contracts.money import Money
from contracts.problems import Problem

MAX_COMBINED = 12
"""Invoices that one payment may pay together without naming them."""
MAX_CANDIDATES = 10


class OpenItem(Value):
    """A posted invoice (positive) or credit note (negative) of a customer, and what is open of it.

    Settled ones are given as well, with nothing open, as far back as payers may repeat a payment:
    by them a payment that comes twice differs from one that pays something else. `reference` is
    Odoo's payment reference; `ids` are what our own orders and payment links carry: end-to-end ids
    of direct debits, payment intents. `ibans` are the partner's known accounts. `partner` is the
    id of the customer in Odoo (its commercial partner), `company` the id of the company.
    """

    move: int
    number: str = Field(min_length=1, max_length=64)
    partner: int
    partner_name: str = Field(default="", max_length=300)
    company: int
    open: Money
    total: Money
    reference: str = Field(default="", max_length=140)
    due_on: date
    ibans: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


class Part(Value):
    """What of an invoice's open amount is paid; negative of a credit note that is set against."""

    move: int
    amount: Money


class SettledLine(Value):
    """A bank line that was booked: a return names it, and undoing it opens its invoices again."""

    line: str
    amount: Money
    booked_on: date
    parts: tuple[Part, ...]
    end_to_end_id: str = ""
    counterparty_iban: str = ""


class CashPolicy(Value):
    """The rules of a company. `tolerance`: up to these amounts, one a currency, more or less than
    what is open still settles it, and the difference goes to the account of this code. Without an
    account nothing is tolerated."""

    company: int
    tolerance: tuple[Money, ...] = ()
    difference_account: str = ""

    def tolerates(self, difference: Money) -> bool:
        return bool(self.difference_account) and any(
            limit.currency == difference.currency and abs(difference.amount) <= limit.amount
            for limit in self.tolerance
        )


class Rule(StrEnum):
    """Why a line is booked without a person, the surest first."""

    REFERENCE = "reference"
    """A structured reference with check digits."""
    END_TO_END_ID = "end_to_end_id"
    """The id that our own direct debit or payment link carried."""
    NUMBER = "number"
    """Invoice numbers in the text; short ones of a payer who is known."""
    NUMBER_MISSPELT = "number_misspelt"
    """An invoice number with one slip, of a payer who is known, and its exact amount."""
    KNOWN_IBAN = "known_iban"
    """An account of the partner and an amount that only one of its invoices has open."""
    PERSON = "person"
    """A person decided."""


class Difference(Value):
    """What is paid more (positive) or less than the parts; goes to the account of this code."""

    amount: Money
    account: str


class LearnedIban(Value):
    """An account that from now on is known to be the partner's."""

    partner: int
    iban: str


class Booked(Value):
    """The line pays these invoices; parts and difference add up to the line."""

    kind: Literal["booked"] = "booked"
    line: str
    rule: Rule
    parts: tuple[Part, ...] = Field(min_length=1)
    difference: Difference | None = None
    learned: LearnedIban | None = None


class Returned(Value):
    """The line takes back an earlier one, `undoes`, whose parts are open again. `difference` is
    what the bank kept for it."""

    kind: Literal["returned"] = "returned"
    line: str
    undoes: str
    parts: tuple[Part, ...]
    reason: str = ""
    difference: Difference | None = None


class Hint(StrEnum):
    """Why something is a candidate."""

    REFERENCE = "reference"
    NUMBER = "number"
    NUMBER_SHORTENED = "number_shortened"
    NUMBER_MISSPELT = "number_misspelt"
    IBAN = "iban"
    NAME = "name"
    AMOUNT = "amount"
    SUM = "sum"
    SHARE = "share"
    OLDEST = "oldest"
    RETURNED = "returned"


class Candidate(Value):
    """Invoices that a parked line may pay, in the order in which they would be paid; of a return,
    the line that it may undo."""

    parts: tuple[Part, ...]
    hints: tuple[Hint, ...] = ()
    undoes: str = ""


class Parked(Value):
    """A person decides; the likeliest candidates first."""

    kind: Literal["parked"] = "parked"
    line: str
    problem: Problem
    candidates: tuple[Candidate, ...] = Field(default=(), max_length=MAX_CANDIDATES)


class NotOursReason(StrEnum):
    OUTGOING = "outgoing"
    """Money that we paid, also one that came back."""
    BANK = "bank"
    """The bank's own charges and interest."""


class NotOurs(Value):
    """The line pays no invoice of ours; it is left to the accountants."""

    kind: Literal["not_ours"] = "not_ours"
    line: str
    reason: NotOursReason


Verdict = Annotated[Booked | Returned | Parked | NotOurs, Field(discriminator="kind")]

"""Bank statements and their lines as every source gives them, and what can be wrong with them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from contracts.model import Value
from contracts.money import Currency, Money
from contracts.problems import Problem, finding

MAX_LINES = 50_000
"""Of one statement; a bank's largest customers receive a file a day with fewer."""
MAX_REFERENCES, MAX_TEXTS = 20, 40
"""Of one line."""


def compact(number: str) -> str:
    """The number of an account as it is compared: capitals and digits."""
    return re.sub(r"[^A-Z0-9]", "", number.upper())[:40]


AccountNumber = Annotated[str, AfterValidator(compact), Field(min_length=1)]
"""An IBAN, or what the bank calls an account that has none."""

_Short = Annotated[str, StringConstraints(max_length=140)]
_Long = Annotated[str, StringConstraints(max_length=500)]


class Details(StrEnum):
    """How much the bank says about who paid what in an entry.

    `AWAITED`: the entry sums several payments, and a notification (CAMT.054) has them. `DIFFERENT`:
    the payments that it lists do not add up to the entry, so a person looks at it.
    """

    COMPLETE = "complete"
    AWAITED = "awaited"
    DIFFERENT = "different"


class BankLine(Value):
    """One payment on a bank account. A positive amount came in, a negative one went out.

    `key` is the same however often and in whichever file the bank sends the line; lines of one
    entry share `entry_key`. `references` are structured references as they were written, `texts`
    the lines of free text. `end_to_end_id` is what the payer's or our own order carried, ""
    where it carried none. `original` is the amount that was ordered, where it is not the amount.
    `is_returned`: a payment that did not go through and came back, with the bank's
    `return_reason`, such as AM04. `is_reversal`: the bank takes back an entry of its own. `code`
    is the bank's word for the kind of transaction, such as `PMNT/RCDT/ESCT`.
    """

    key: str = Field(min_length=1, max_length=300)
    entry_key: str = Field(min_length=1, max_length=290)
    account: str = Field(max_length=40)
    booked_on: date
    value_on: date | None = None
    amount: Money
    counterparty: _Short = ""
    counterparty_iban: str = Field(default="", max_length=40)
    references: tuple[_Short, ...] = Field(default=(), max_length=MAX_REFERENCES)
    texts: tuple[_Long, ...] = Field(default=(), max_length=MAX_TEXTS)
    end_to_end_id: str = Field(default="", max_length=140)
    original: Money | None = None
    is_returned: bool = False
    return_reason: str = Field(default="", max_length=40)
    is_reversal: bool = False
    code: str = Field(default="", max_length=60)
    details: Details = Details.COMPLETE


class BankStatement(Value):
    """The lines of an account over some days. The balances are the account's before the first and
    after the last line; None where the bank does not state them.

    `sequence` counts the statements of an account, mostly from 1 each year. `page` tells the parts
    apart in which a bank sends one long statement.
    """

    statement_id: str = Field(min_length=1, max_length=100)
    account: str = Field(min_length=1, max_length=40)
    currency: Currency
    sequence: int | None = None
    page: int = 1
    from_date: date
    to_date: date
    opening: Money | None = None
    closing: Money | None = None
    lines: tuple[BankLine, ...] = Field(default=(), max_length=MAX_LINES)

    @cached_property
    def digest(self) -> str:
        """The same for the same lines and balances, whatever the file is called."""
        content = [self.account, str(self.opening), str(self.closing)]
        content += [f"{line.key} {line.amount}" for line in self.lines]
        return hashlib.sha256("\n".join(content).encode()).hexdigest()

    @property
    def mark(self) -> StatementMark:
        kept = {name: getattr(self, name) for name in StatementMark.model_fields}
        return StatementMark(**kept)


class StatementMark(Value):
    """What is remembered of a statement, to compare the next ones with."""

    statement_id: str
    account: str
    sequence: int | None = None
    page: int = 1
    from_date: date
    to_date: date
    opening: Money | None = None
    closing: Money | None = None
    digest: str


class Notification(Value):
    """Details of entries that a statement has or will have (CAMT.054); nothing is booked by it."""

    account: str = Field(min_length=1, max_length=40)
    lines: tuple[BankLine, ...] = Field(default=(), max_length=MAX_LINES)


class BankFile(Value):
    """What one file holds."""

    message_id: str = Field(default="", max_length=140)
    statements: tuple[BankStatement, ...] = ()
    notifications: tuple[Notification, ...] = ()


# --- what is wrong with it ------------------------------------------------------------------------


def totals_problems(statement: BankStatement) -> list[Problem]:
    """What does not add up within a statement; with these none of its lines may be booked."""
    problems = [
        finding(
            "line_currency_differs",
            f"lines.{index}.amount",
            str(line.amount),
            f"an amount in {statement.currency}, the account's currency",
        )
        for index, line in enumerate(statement.lines)
        if line.amount.currency != statement.currency
    ]
    if problems:
        return problems
    for name in ("opening", "closing"):
        balance = getattr(statement, name)
        if balance is None:
            problems.append(finding("balance_missing", name, "", f"the {name} booked balance"))
        elif balance.currency != statement.currency:
            expected = f"a balance in {statement.currency}, the account's currency"
            problems.append(finding("line_currency_differs", name, str(balance), expected))
    if problems or statement.opening is None:
        return problems
    moved = Money.total((line.amount for line in statement.lines), statement.currency)
    wanted = statement.opening + moved
    if wanted != statement.closing:
        expected = f"{wanted}, the opening balance {statement.opening} and its lines {moved}"
        return [finding("statement_totals_differ", "closing", str(statement.closing), expected)]
    return []


def is_repeat(statement: BankStatement, known: Collection[StatementMark]) -> bool:
    """Whether the statement was read before: the same lines and balances."""
    return any(mark.digest == statement.digest for mark in known)


def sequence_problems(statement: BankStatement, known: Collection[StatementMark]) -> list[Problem]:
    """What does not fit the statements of the account that were read before: one with the same id
    and other content, or a gap before this one. Empty for a repeated one and for the first."""
    ours = [mark for mark in known if mark.account == statement.account]
    if is_repeat(statement, ours):
        return []
    same = [mark for mark in ours if _names(mark) == _names(statement)]
    if same:
        return [_changed(statement)]
    before = [
        mark for mark in ours if (mark.to_date, mark.page) <= (statement.to_date, statement.page)
    ]
    if not before:
        return []
    last = max(before, key=lambda mark: (mark.to_date, mark.sequence or 0, mark.page))
    return _gap(last, statement)


def _names(of: BankStatement | StatementMark) -> tuple[str, int | None, int, date, date]:
    # Some banks give every statement of an account the same id.
    return (of.statement_id, of.sequence, of.page, of.from_date, of.to_date)


def _changed(statement: BankStatement) -> Problem:
    expected = "the lines and balances that were read before under this id"
    return finding("statement_changed", "statement_id", statement.statement_id, expected)


def _gap(last: StatementMark, statement: BankStatement) -> list[Problem]:
    fits = last.closing is None or statement.opening is None or last.closing == statement.opening
    if not fits:
        expected = f"{last.closing}, the closing balance of statement {last.statement_id}"
        return [finding("statement_gap", "opening", str(statement.opening), expected)]
    if last.sequence is None or statement.sequence is None:
        return []
    if statement.to_date.year == last.to_date.year and statement.sequence > last.sequence + 1:
        expected = f"{last.sequence + 1}, the number that follows statement {last.statement_id}"
        return [finding("statement_skipped", "sequence", statement.sequence, expected)]
    return []


# --- lines that come twice, and details that come later -------------------------------------------


def new_lines(statement: BankStatement, known: Collection[str]) -> tuple[BankLine, ...]:
    """The lines whose entries were not read before; `known` are entry keys."""
    return tuple(line for line in statement.lines if line.entry_key not in known)


def details_of(line: BankLine, found: Collection[BankLine]) -> tuple[BankLine, ...] | None:
    """The payments that make up a line whose details are awaited, of the lines of notifications;
    None where they have not come. Where they do not add up, the line itself, marked so."""
    parts = {item.key: item for item in found if item.entry_key == line.entry_key}
    details = tuple(item for item in parts.values() if item.details is Details.COMPLETE)
    if line.details is not Details.AWAITED or not details:
        return None
    currencies = {item.amount.currency for item in details}
    if currencies != {line.amount.currency}:
        return (line.replace(details=Details.DIFFERENT),)
    if Money.total((item.amount for item in details), line.amount.currency) != line.amount:
        return (line.replace(details=Details.DIFFERENT),)
    return details

"""A place for a bank's files in memory, and files made for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from contracts.bank.file import FileRef
from contracts.bank.statement import BankLine, BankStatement, compact
from contracts.money import Money
from contracts.problems import Problem
from gateways.bank.protocol import SourceFile
from gateways.errors import business
from sandbox.bank_files import statement_file
from tests.world import ENTITY, unique

BANK = "main"
ACCOUNT = compact(unique("account"))
"""Not in an Odoo that earlier tests filled."""
FIRST_DAY = date(2026, 3, 2)


@dataclass
class FilesInMemory:
    """A BankSource. `put_away` and `refused` say what became of its files."""

    system: str = BANK
    waiting: dict[str, bytes] = field(default_factory=dict)
    put_away: dict[str, bytes] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def files(self) -> list[SourceFile]:
        now = datetime.now(UTC)
        return [
            SourceFile(name=name, size=len(content), modified=now)
            for name, content in self.waiting.items()
        ]

    def read(self, name: str, sha256: str = "") -> bytes:
        found = self.waiting.get(name) or self.put_away.get(name)
        if found is None:
            raise business(self.system, "bank_file_missing", f"there is no file {name}")
        return found

    def add(self, name: str, content: bytes) -> None:
        self.waiting[name] = content

    def done(self, name: str, sha256: str) -> None:
        if name in self.waiting:
            assert hashlib.sha256(self.waiting[name]).hexdigest() == sha256
            self.put_away[name] = self.waiting.pop(name)

    def refuse(self, name: str, sha256: str, reason: str) -> None:
        self.refused[name] = reason
        self.waiting.pop(name, None)

    def missing_setup(self) -> list[Problem]:
        return []

    def ensure_setup(self) -> list[Problem]:
        return []

    def take(self, statement: BankStatement) -> FileRef:
        """A file with this statement."""
        return self.take_bytes(statement_file([statement]))

    def take_bytes(self, content: bytes) -> FileRef:
        name = f"{unique('file')}.xml"
        self.add(name, content)
        sha256 = hashlib.sha256(content).hexdigest()
        return FileRef(bank=self.system, legal_entity=ENTITY, name=name, sha256=sha256)


def paid(
    amount: str,
    text: str = "",
    payer: str = "",
    account: str = "",
    *,
    currency: str = "EUR",
    id: str = "",
    returned: str = "",
    on: date = FIRST_DAY,
    own: str = ACCOUNT,
) -> BankLine:
    """A line of a bank reference that nobody used before."""
    key = f"{own}/{on}/{unique('ref')}/{Money(amount, currency).amount}"
    return BankLine(
        key=f"{key}/0",
        entry_key=key,
        account=own,
        booked_on=on,
        amount=Money(amount, currency),
        counterparty=payer,
        counterparty_iban=account,
        texts=(text,) if text else (),
        end_to_end_id=id,
        is_returned=bool(returned),
        return_reason=returned,
        code="PMNT/RCDT/ESCT",
    )


class Account:
    """Statements of one account, each opening with the balance that the one before closed with."""

    def __init__(self, number: str = ACCOUNT, currency: str = "EUR") -> None:
        self.number = number
        self._balance = Money("5000.00", currency)
        self._day = FIRST_DAY - timedelta(days=1)

    def statement(self, *lines: BankLine) -> BankStatement:
        lines = tuple(self._own(line) for line in lines)
        opening, currency = self._balance, self._balance.currency
        moved = sum((line.amount.amount for line in lines), Decimal(0))
        self._balance = Money(opening.amount + moved, currency)
        self._day += timedelta(days=1)
        return BankStatement(
            statement_id=unique("statement"),
            account=self.number,
            currency=currency,
            from_date=self._day,
            to_date=self._day,
            opening=opening,
            closing=self._balance,
            lines=lines,
        )

    def _own(self, line: BankLine) -> BankLine:
        """The line as one of this account."""
        key, entry = (it.replace(ACCOUNT, self.number) for it in (line.key, line.entry_key))
        return line.replace(key=key, entry_key=entry, account=self.number)

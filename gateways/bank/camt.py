"""Reads bank statements (CAMT.053) and notifications (CAMT.054) of every version and dialect.

A file is read as a stream: one payment is in memory at a time, whatever its size. Documents with a
DOCTYPE are refused, so there are no entities to expand and nothing outside the file to fetch.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from functools import cached_property
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from pydantic import ValidationError

from contracts.bank.statement import MAX_LINES, BankFile, BankLine, BankStatement, Notification
from contracts.money import Money
from contracts.problems import expectation
from gateways.bank import camt_lines as entries
from gateways.bank.camt_lines import SYSTEM, Payment, Place, children, day_of, local, text
from gateways.errors import GatewayError, business

MAX_BYTES = 100_000_000
_MAX_DEPTH = 40
_MAX_STATEMENTS = 1_000
_MAX_HEADER = 2_000
"""Elements beside the entries in one statement: the account, balances, sums."""
_MAX_ELEMENTS = 100_000
"""Of one payment, or of an entry beside its payments: what is in memory at a time."""
_CHUNK_BYTES = 65_536
_PARTS = {"Stmt": "BkToCstmrStmt", "Ntfctn": "BkToCstmrDbtCdtNtfctn"}
"""What is read of a file, and what each is in; the first version has its number behind that."""


def read(source: BinaryIO, *, max_bytes: int = MAX_BYTES) -> BankFile:
    """Read one file whole. Raises GatewayError of kind business where it is no CAMT.053 or .054,
    is not well-formed, is too large, or has a value that cannot be read."""
    reader = _Reader()
    parser = XMLParser(target=reader)  # noqa: S314 - a DOCTYPE is refused as soon as it begins
    size = 0
    try:
        while chunk := source.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > max_bytes:
                raise _too_large(f"more than {max_bytes:,} bytes")
            parser.feed(chunk)
        parser.close()
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False)
        field = ".".join(map(str, first["loc"]))
        raise entries.malformed(field, str(first["input"]), expectation(first)) from None
    except (ParseError, LookupError, ValueError) as error:
        # The last two: an encoding that does not exist, or that is not read.
        message = f"the file is not well-formed XML: {error}"
        raise business(SYSTEM, "bank_file_malformed", message) from None
    return reader.found()


def _too_large(what: str) -> GatewayError:
    return business(SYSTEM, "bank_file_too_large", f"the file has {what}")


class _Reader:
    """What the parser tells: it keeps the file's header, each statement's, and lines."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._builder: TreeBuilder | None = None
        self._kept_depth = self._elements = 0
        self._payments: list[Payment] = []
        self._part: _Part | None = None
        self._message_id = self._made_at = ""
        self._statements: list[BankStatement] = []
        self._notifications: list[Notification] = []

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        message = "the file has a DOCTYPE, which no bank statement has"
        raise business(SYSTEM, "bank_file_malformed", message)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2]
        self._path.append(name)
        if len(self._path) > _MAX_DEPTH:
            raise _too_large(f"elements nested more than {_MAX_DEPTH} deep")
        if self._builder is not None:
            self._elements += 1
            if self._elements > _MAX_ELEMENTS:
                raise _too_large(f"more than {_MAX_ELEMENTS:,} elements in one entry")
            self._builder.start(name, attributes)
        elif len(self._path) > 1:
            self._begin(name, self._path[-2], attributes)

    def _begin(self, name: str, parent: str, attributes: dict[str, str]) -> None:
        if parent.startswith(_PARTS.get(name, "-")):
            number = len(self._statements) + len(self._notifications) + 1
            self._part = _Part(name, number, self._made_at)
        elif self._part is not None or name == "GrpHdr":
            self._kept_depth, self._elements = len(self._path), 0
            self._builder = TreeBuilder()
            self._builder.start(name, attributes)

    def data(self, data: str) -> None:
        if self._builder is not None:
            self._builder.data(data)

    def end(self, tag: str) -> None:
        name = self._path[-1]
        if self._builder is not None:
            element = self._builder.end(name)
            if name == "TxDtls":
                self._payments.append(entries.payment(element))
                element.clear()
                self._elements = 0
            if len(self._path) == self._kept_depth:
                self._builder = None
                self._keep(element)
        elif self._part is not None and name in _PARTS:
            self._end_part(self._part)
            self._part = None
        self._path.pop()

    def _keep(self, element: Element) -> None:
        payments, self._payments = self._payments, []
        if self._part is None:
            self._message_id = text(element, "MsgId")[:140]
            self._made_at = text(element, "CreDtTm", "CreDt")
        elif local(element) == "Ntry":
            self._part.add(element, payments)
        else:
            self._part.keep(element)

    def _end_part(self, part: _Part) -> None:
        if len(self._statements) + len(self._notifications) >= _MAX_STATEMENTS:
            raise _too_large(f"more than {_MAX_STATEMENTS:,} statements")
        if part.name == "Stmt":
            self._statements.append(part.statement())
        else:
            self._notifications.append(part.notification())

    def close(self) -> None:
        """Nothing is left to do."""

    def found(self) -> BankFile:
        if not self._statements and not self._notifications:
            message = "the file holds no bank statement (CAMT.053) and no notification (CAMT.054)"
            raise business(SYSTEM, "bank_file_unknown", message)
        return BankFile(
            message_id=self._message_id,
            statements=tuple(self._statements),
            notifications=tuple(self._notifications),
        )


class _Part:
    """One statement or notification while it is read: what is before its entries comes first."""

    def __init__(self, name: str, number: int, made_at: str) -> None:
        self.name = name
        self._field = f"{name}.{number}"
        self._made_at = made_at
        self._header = Element(name)
        self._lines: list[BankLine] = []
        self._entries = 0
        self._seen: Counter[str] = Counter()

    def keep(self, element: Element) -> None:
        if len(self._header) >= _MAX_HEADER:
            raise _too_large(f"more than {_MAX_HEADER:,} elements beside a statement's entries")
        self._header.append(element)

    def add(self, entry: Element, payments: list[Payment]) -> None:
        self._entries += 1
        if not entries.is_booked(entry):
            return
        field = f"{self._field}.Ntry.{self._entries}"
        try:
            booked_on = entries.booked_on(entry) or self._made_on
            amount = entries.whole(entry)
            key = self._key(entries.bank_reference(entry, payments), booked_on, amount)
            place = Place(self._account, self._owner, key, booked_on)
            self._lines += entries.lines(entry, amount, payments, place)
        except GatewayError as error:
            message, where = f"{field}: {error.message}", f"{field}.{error.field}"
            raise business(SYSTEM, error.code, message, field=where, value=error.value) from None
        if len(self._lines) > MAX_LINES:
            raise _too_large(f"more than {MAX_LINES:,} payments in a statement")

    def _key(self, reference: str, booked_on: date, amount: Money) -> str:
        """The same however often the bank sends the entry, and in whichever order. Its reference
        counts within a day, as some banks begin again each day or year; the amount tells apart
        what has one reference, as a payment and its charges. What has no reference is known by its
        statement."""
        place = f"#{self._id}.{self._page}" if self._page > 1 else f"#{self._id}"
        key = f"{self._account}/{booked_on}/{reference[:100] or place}/{amount.amount}"
        self._seen[key] += 1
        return key if self._seen[key] == 1 else f"{key}#{self._seen[key]}"

    @cached_property
    def _account(self) -> str:
        number = entries.account(self._header, "Acct")
        if not number:
            raise entries.malformed("Acct.Id", "", "the account, before the first entry")
        return number

    @cached_property
    def _owner(self) -> str:
        return text(self._header, "Acct/Ownr/Nm", "Acct/Ownr/Pty/Nm", "Acct/Nm")

    @cached_property
    def _id(self) -> str:
        return text(self._header, "Id")[:100]

    @cached_property
    def _page(self) -> int:
        written = text(self._header, "StmtPgntn/PgNb", "NtfctnPgntn/PgNb")
        return int(written) if written.isdecimal() and len(written) < 6 else 1

    @cached_property
    def _made_on(self) -> date:
        return day_of(text(self._header, "CreDtTm", "CreDt") or self._made_at, "CreDtTm")

    def notification(self) -> Notification:
        return Notification(account=self._account, lines=tuple(self._lines))

    def statement(self) -> BankStatement:
        number = self._account
        balances = sorted(children(self._header, "Bal"), key=_balance_day)
        opening = _balance(balances, ("OPBD", "PRCD"), "ITBD")
        closing = _balance(balances[::-1], ("CLBD",), "ITBD")
        first, last = self._days(balances)
        sequence = text(self._header, "ElctrncSeqNb", "LglSeqNb")
        return BankStatement(
            statement_id=self._id or f"{number}-{first}-{last}",
            account=number,
            currency=self._currency(opening or closing),
            sequence=int(sequence) if sequence.isdecimal() and len(sequence) < 19 else None,
            page=self._page,
            from_date=first,
            to_date=last,
            opening=opening,
            closing=closing,
            lines=tuple(self._lines),
        )

    def _currency(self, balance: Money | None) -> str:
        stated = text(self._header, "Acct/Ccy")
        of_balance = "" if balance is None else balance.currency
        return stated or of_balance or (self._lines[0].amount.currency if self._lines else "")

    def _days(self, balances: list[Element]) -> tuple[date, date]:
        """From and to: as stated, else those of the balances, the lines, the file."""
        stated = [
            text(self._header, f"FrToDt/{name}DtTm", f"FrToDt/{name}Dt") for name in ("Fr", "To")
        ]
        if all(stated):
            first, last = (day_of(item, f"{self._field}.FrToDt") for item in stated)
        else:
            known = [_balance_day(item) for item in balances]
            known += [line.booked_on for line in self._lines]
            known = [item for item in known if item != date.min] or [self._made_on]
            first, last = min(known), max(known)
        return min(first, last), last


def _balance_day(balance: Element) -> date:
    return entries.day(balance, "Dt") or date.min


def _balance(balances: list[Element], wanted: tuple[str, ...], interim: str) -> Money | None:
    """The first of the wanted kinds; on a page of a longer statement, the interim balance."""
    for kind in (*wanted, interim):
        for item in balances:
            if text(item, "Tp/CdOrPrtry/Cd", "Tp/CdOrPrtry/Prtry", "Tp/Cd") == kind:
                amount = entries.money(item)
                return amount if amount is None else entries.signed(amount, entries.sign(item))
    return None

"""Writes bank statements and notifications as a bank would: CAMT.053 and .054, in any version and
in the ways in which banks differ.

It stands for the bank: the demo, the benchmarks and the tests make files with it, and the official
schemas judge them. Nothing that it writes comes from anybody's real statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

import stdnum.iban

from contracts.bank.statement import BankLine, BankStatement, Details, Notification
from contracts.money import Money

VERSIONS = range(1, 15)
_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.{kind}.001.{version:02}"
_FIRST_WITH_ENTRY_DETAILS = 2
_FIRST_WITH_AMOUNT_OF_PAYMENT = 3
_FIRST_WITH_STATUS_CODE = _FIRST_WITH_PARTY_CHOICE = 7
_MAX_ISO_REASON = 4


@dataclass(frozen=True)
class Dialect:
    """How a bank writes. `prefix` is before each name, `in_moments` writes dates with a time,
    `reference_in_payment` the bank's reference where a single payment is described, and
    `opens_with` calls the opening balance by its other name, the balance that closed the day
    before. `new_message` is the id of the file, which is new each time it is sent."""

    version: int = 8
    prefix: str = ""
    in_moments: bool = False
    reference_in_payment: bool = False
    opens_with: str = "OPBD"
    new_message: str = "MSG-1"
    made_at: str = "2026-11-30T18:00:00+01:00"


def statement_file(statements: Sequence[BankStatement], dialect: Dialect = Dialect()) -> bytes:
    """A CAMT.053 with these statements."""
    root, top = _document("053", "BkToCstmrStmt", dialect)
    for statement in statements:
        _statement(top, statement, dialect)
    return _written(root, "053", dialect)


def notification_file(found: Sequence[Notification], dialect: Dialect = Dialect()) -> bytes:
    """A CAMT.054 with these notifications."""
    root, top = _document("054", "BkToCstmrDbtCdtNtfctn", dialect)
    for number, notification in enumerate(found, start=1):
        part = SubElement(top, "Ntfctn")
        _text(part, "Id", f"{dialect.new_message}-{number}")
        _text(part, "CreDtTm", dialect.made_at)
        _account(part, notification.account, "")
        _entries(part, notification.lines, dialect)
    return _written(root, "054", dialect)


def _document(kind: str, name: str, dialect: Dialect) -> tuple[Element, Element]:
    root = Element("Document")
    top = SubElement(root, f"{name}V01" if dialect.version == 1 else name)
    header = SubElement(top, "GrpHdr")
    _text(header, "MsgId", dialect.new_message)
    _text(header, "CreDtTm", dialect.made_at)
    return root, top


def _written(root: Element, kind: str, dialect: Dialect) -> bytes:
    space = _NAMESPACE.format(kind=kind, version=dialect.version)
    register_namespace(dialect.prefix, space)
    for element in root.iter():
        element.tag = f"{{{space}}}{element.tag}"
    file: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return file


def _statement(top: Element, statement: BankStatement, dialect: Dialect) -> None:
    part = SubElement(top, "Stmt")
    _text(part, "Id", statement.statement_id)
    if statement.page > 1:
        page = SubElement(part, "StmtPgntn")
        _text(page, "PgNb", str(statement.page))
        _text(page, "LastPgInd", "true")
    if statement.sequence is not None:
        _text(part, "ElctrncSeqNb", str(statement.sequence))
    _text(part, "CreDtTm", dialect.made_at)
    days = SubElement(part, "FrToDt")
    _text(days, "FrDtTm", f"{statement.from_date}T00:00:00")
    _text(days, "ToDtTm", f"{statement.to_date}T23:59:59")
    _account(part, statement.account, statement.currency)
    balances = (
        (dialect.opens_with, statement.opening, statement.from_date),
        ("CLBD", statement.closing, statement.to_date),
    )
    for kind, balance, day in balances:
        if balance is not None:
            _balance(part, kind, balance, day, dialect)
    _entries(part, statement.lines, dialect)


def _account(part: Element, number: str, currency: str) -> None:
    account = SubElement(part, "Acct")
    _account_id(account, number)
    if currency:
        _text(account, "Ccy", currency)


def _account_id(account: Element, number: str) -> None:
    place = SubElement(account, "Id")
    if stdnum.iban.is_valid(number, check_country=False):
        _text(place, "IBAN", number)
    else:
        _text(SubElement(place, "Othr"), "Id", number)


def _balance(part: Element, kind: str, balance: Money, day: date, dialect: Dialect) -> None:
    element = SubElement(part, "Bal")
    outer = SubElement(element, "Tp")
    _text(outer if dialect.version == 1 else SubElement(outer, "CdOrPrtry"), "Cd", kind)
    _amount(element, balance)
    _direction(element, balance)
    _day(element, "Dt", day, dialect)


# --- entries --------------------------------------------------------------------------------------


def _entries(part: Element, lines: Iterable[BankLine], dialect: Dialect) -> None:
    for key, found in groupby(lines, key=lambda line: line.entry_key):
        _entry(part, key, list(found), dialect)


def _entry(part: Element, key: str, lines: list[BankLine], dialect: Dialect) -> None:
    first = lines[0]
    total = Money.total((line.amount for line in lines), first.amount.currency)
    entry = SubElement(part, "Ntry")
    _amount(entry, total)
    _direction(entry, total)
    if first.is_reversal:
        _text(entry, "RvslInd", "true")
    status = entry if dialect.version < _FIRST_WITH_STATUS_CODE else SubElement(entry, "Sts")
    _text(status, "Sts" if status is entry else "Cd", "BOOK")
    _day(entry, "BookgDt", first.booked_on, dialect)
    if first.value_on is not None:
        _day(entry, "ValDt", first.value_on, dialect)
    reference = "" if "/#" in key else key.split("/", 2)[2].rpartition("/")[0]
    is_described = first.details is Details.COMPLETE
    apart = dialect.reference_in_payment and len(lines) == 1 and is_described
    if reference and not apart:
        _text(entry, "AcctSvcrRef", reference)
    _code(entry, first.code)
    if is_described:
        _payments(entry, lines, reference if apart else "", dialect)
    else:
        _batch(_details(entry, dialect), count=2)
        for text in first.texts:
            _text(entry, "AddtlNtryInf", text)


def _details(entry: Element, dialect: Dialect) -> Element:
    inside = dialect.version >= _FIRST_WITH_ENTRY_DETAILS
    return SubElement(entry, "NtryDtls") if inside else entry


def _batch(details: Element, count: int) -> None:
    _text(SubElement(details, "Btch"), "NbOfTxs", str(count))


def _payments(entry: Element, lines: list[BankLine], reference: str, dialect: Dialect) -> None:
    details = _details(entry, dialect)
    if len(lines) > 1:
        _batch(details, len(lines))
    for line in lines:
        _payment(details, line, reference, dialect)


def _payment(details: Element, line: BankLine, reference: str, dialect: Dialect) -> None:
    payment = SubElement(details, "TxDtls")
    references = SubElement(payment, "Refs")
    if reference:
        _text(references, "AcctSvcrRef", reference)
    _text(references, "EndToEndId", line.end_to_end_id or "NOTPROVIDED")
    if dialect.version >= _FIRST_WITH_AMOUNT_OF_PAYMENT:
        _amount(payment, line.amount)
        _direction(payment, line.amount)
    amounts = SubElement(payment, "AmtDtls")
    if line.original is not None:
        _amount(SubElement(amounts, "InstdAmt"), line.original)
    _amount(SubElement(amounts, "TxAmt"), line.amount)
    _code(payment, line.code)
    _parties(payment, line, dialect)
    _remittance(payment, line, dialect)
    if line.is_returned:
        _returned(payment, line.return_reason, dialect)


def _parties(payment: Element, line: BankLine, dialect: Dialect) -> None:
    # A payment that came back is described with the parties of the one that failed.
    role = "Dbtr" if (line.amount.amount > 0) != line.is_returned else "Cdtr"
    if not (line.counterparty or line.counterparty_iban):
        return
    parties = SubElement(payment, "RltdPties")
    if line.counterparty:
        party = SubElement(parties, role)
        choice = dialect.version >= _FIRST_WITH_PARTY_CHOICE
        _text(SubElement(party, "Pty") if choice else party, "Nm", line.counterparty)
    if line.counterparty_iban:
        _account_id(SubElement(parties, f"{role}Acct"), line.counterparty_iban)


def _remittance(payment: Element, line: BankLine, dialect: Dialect) -> None:
    if not (line.texts or line.references):
        return
    remittance = SubElement(payment, "RmtInf")
    for text in line.texts:
        _text(remittance, "Ustrd", text)
    for reference in line.references:
        structured = SubElement(SubElement(remittance, "Strd"), "CdtrRefInf")
        _text(structured, "CdtrRef" if dialect.version == 1 else "Ref", reference)


def _returned(payment: Element, reason: str, dialect: Dialect) -> None:
    returned = SubElement(payment, "RtrInf")
    if reason:
        why = SubElement(returned, "RtrRsn" if dialect.version == 1 else "Rsn")
        _text(why, "Cd" if len(reason) <= _MAX_ISO_REASON else "Prtry", reason)


# --- values ---------------------------------------------------------------------------------------


def _text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = text


def _amount(parent: Element, amount: Money) -> None:
    element = SubElement(parent, "Amt", Ccy=amount.currency)
    element.text = f"{abs(amount.amount):f}"


def _direction(parent: Element, amount: Money) -> None:
    _text(parent, "CdtDbtInd", "DBIT" if amount.amount < 0 else "CRDT")


def _day(parent: Element, name: str, day: date, dialect: Dialect) -> None:
    element = SubElement(parent, name)
    if dialect.in_moments:
        _text(element, "DtTm", f"{day}T23:30:00+01:00")
    else:
        _text(element, "Dt", day.isoformat())


def _code(parent: Element, code: str) -> None:
    element = SubElement(parent, "BkTxCd")
    if not code:
        return
    if code.count("/") != 2:
        _text(SubElement(element, "Prtry"), "Cd", code)
        return
    domain, family, sub_family = code.split("/")
    outer = SubElement(element, "Domn")
    _text(outer, "Cd", domain)
    inner = SubElement(outer, "Fmly")
    _text(inner, "Cd", family)
    _text(inner, "SubFmlyCd", sub_family)


# --- what is written ------------------------------------------------------------------------------


def made_line(account: str, on: date, reference: str, amount: Money, **facts: Any) -> BankLine:
    """A payment of an entry of its own, by the bank's reference; `facts` are of BankLine."""
    entry = f"{account}/{on}/{reference}/{amount.amount}"
    return BankLine(
        key=f"{entry}/0", entry_key=entry, account=account, booked_on=on, amount=amount, **facts
    )


def made_statement(
    statement_id: str, lines: Sequence[BankLine], opening: Money, *, sequence: int | None = None
) -> BankStatement:
    """A statement of these lines, of one account and in order, which adds up."""
    moved = Money.total((line.amount for line in lines), opening.currency)
    return BankStatement(
        statement_id=statement_id,
        account=lines[0].account,
        currency=opening.currency,
        sequence=sequence,
        from_date=lines[0].booked_on,
        to_date=lines[-1].booked_on,
        opening=opening,
        closing=opening + moved,
        lines=tuple(lines),
    )

"""The lines of bank statements in Odoo, and how they are booked there.

A line is loaded once, by its external id. Where it is clear what it pays, it is loaded with the
items that settle that, and Odoo matches them as it posts the line: the line is there and applied,
or not there at all.

    bank       100.00
    receivable -100.00   marked Ic2c-160, as item 160 of the invoice is: Odoo matches both

Odoo matches marked items without differences of exchange rates and without taxes that are due on
payment. Where these may be, and for lines that are on suspense already, the suspense item is
replaced, and each item matched by a call of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from activities.odoo import external_ids
from activities.odoo.bank_books import BankJournal
from activities.odoo.bank_ledger import ITEM, MOVE, STATEMENT_LINE, Target, exact
from activities.odoo.buttons import unless_done
from activities.odoo.contexts import UNTRACKED
from activities.odoo.needs import ACCOUNTING, BANK_STATEMENTS, UPSERT, Need
from activities.odoo.paging import batches
from contracts.bank.statement import BankLine, BankStatement, StatementMark
from contracts.money import Money
from gateways.errors import FailureKind, GatewayError, business
from gateways.fields import names
from gateways.odoo import OdooClient
from gateways.odoo.errors import SYSTEM

Row = Mapping[str, Any]

LINES_A_CALL = 80
"""Of lines that Odoo makes, posts and matches in one transaction."""
_MATCHED = UNTRACKED | {"skip_invoice_sync": True}
_MARKED_ONLY = _MATCHED | {"skip_invoice_line_sync": True, "check_move_validity": False}
"""Contexts in which Odoo does not work invoices out anew, whose amounts stay as they are: a third
of the time. That a line's items are balanced it checks all the same."""
_STATEMENT = "account.bank.statement"
_LINE_FIELDS = names("ref move_id amount is_reconciled statement_id partner_id")
_CONTENT = names("date amount payment_ref account_number partner_name transaction_type")
_MARK = "Ic2c-"
_MARKED = ("matching_number", "=like", f"{_MARK}%")
_MAX_LABEL = 200
_PLACE = ": "
"""Behind the place of a payment in its entry, with which the labels of its items begin."""

NEEDS = (
    Need(
        _STATEMENT,
        names("name reference balance_start balance_end_real journal_id"),
        access=BANK_STATEMENTS,
        only_for="banks' files",
        rights=UPSERT,
    ),
    Need(
        STATEMENT_LINE,
        (
            *_LINE_FIELDS,
            *names("""
                journal_id date payment_ref account_number partner_name transaction_type line_ids
            """),
        ),
        access=BANK_STATEMENTS,
        only_for="banks' files",
        rights=UPSERT,
        methods=("action_undo_reconciliation",),
    ),
    Need(
        ITEM,
        names("""
            move_id account_id name partner_id balance amount_currency currency_id matching_number
            statement_line_id reconciled
        """),
        access=ACCOUNTING,
        rights=UPSERT,
        methods=("reconcile", "remove_move_reconcile"),
    ),
    Need(MOVE, ("line_ids",), access=ACCOUNTING, rights=("write",)),
)


@dataclass
class Share:
    """How much of a target a line settles; the target's sign."""

    target: Target
    amount: Decimal


@dataclass
class Entry:
    """A line and what it settles: nothing, where it goes to suspense. `rest` is what the shares
    leave of the amount: it goes to `rest_account`. `is_within`: it is one of several payments that
    a line sums."""

    line: BankLine
    statement: int | None = None
    shares: list[Share] = field(default_factory=list)
    rest: Decimal = Decimal(0)
    rest_account: int | None = None
    is_within: bool = False

    @property
    def partner(self) -> int | None:
        partners = {share.target.partner for share in self.shares}
        return partners.pop() if len(partners) == 1 else None

    @property
    def label(self) -> str:
        line = self.line
        words = (*line.texts, *line.references)
        said = " ".join(words) or line.counterparty or line.code or line.end_to_end_id or line.key
        place = f"{place_of(line)}{_PLACE}" if self.is_within else ""
        return f"{place}{' '.join(said.split())}"[:_MAX_LABEL]


@dataclass(frozen=True)
class KnownLine:
    """A line that Odoo has. `is_open`: it is on suspense. `is_unfinished`: it was loaded or edited
    to settle something, and did not."""

    id: int
    key: str
    entry: int
    amount: Decimal
    statement: int | None
    partner: int | None
    is_open: bool
    is_unfinished: bool

    @property
    def is_waiting(self) -> bool:
        return self.is_open or self.is_unfinished


class BankLines:
    """The lines of one journal."""

    def __init__(self, odoo: OdooClient, journal: BankJournal) -> None:
        self._odoo = odoo.with_company(journal.company)
        self._journal = journal

    # --- what is there ----------------------------------------------------------------------------

    def known(self, keys: Iterable[str]) -> dict[str, KnownLine]:
        """The lines that Odoo has of these keys."""
        own = [("journal_id", "=", self._journal.id)]
        wanted = sorted(set(keys))
        rows = [
            row
            for some in batches(wanted, 500)
            for row in self._odoo.search_read(
                STATEMENT_LINE, [*own, ("ref", "in", list(some))], _LINE_FIELDS
            )
        ]
        marked = self._unfinished([row["id"] for row in rows])
        return {row["ref"]: _known(row, row["id"] in marked) for row in rows}

    def _unfinished(self, lines: Sequence[int]) -> set[int]:
        rows = self._odoo.find(
            ITEM, "statement_line_id", list(lines), ["statement_line_id"], also=[_MARKED]
        )
        return {row["statement_line_id"][0] for row in rows}

    def read(self, known: KnownLine) -> BankLine:
        """A line as Odoo keeps it: all that a person's decision is about."""
        [row] = self._odoo.read(STATEMENT_LINE, [known.id], _CONTENT)
        amount = Money.rounded(exact(row["amount"]), self._journal.currency)
        return BankLine(
            key=known.key,
            entry_key=known.key[:290],
            account=known.key.partition("/")[0],
            booked_on=row["date"],
            amount=amount,
            counterparty=(row["partner_name"] or "")[:140],
            counterparty_iban=row["account_number"] or "",
            texts=(row["payment_ref"] or "",),
            end_to_end_id=row["transaction_type"] or "",
        )

    def marks(self, but_of: str) -> list[StatementMark]:
        """The newest statements of the journal that we loaded, but those of the file with this
        hash."""
        rows = self._odoo.search_read(
            _STATEMENT,
            [("journal_id", "=", self._journal.id), ("reference", "=like", f"{_REFERENCE}%")],
            names("name reference balance_start balance_end_real"),
            order="id desc",
            limit=_MARKS,
        )
        others = [row for row in rows if not str(row["reference"]).endswith(but_of)]
        return [mark for row in others if (mark := self._mark(row)) is not None]

    def _mark(self, row: Row) -> StatementMark | None:
        words = str(row["reference"]).split()
        if len(words) != _REFERENCE_WORDS:
            return None
        _, account, first, last, sequence, page, digest, _ = words
        currency = self._journal.currency
        return StatementMark(
            statement_id=row["name"],
            account=account,
            sequence=None if sequence == "-" else int(sequence),
            page=int(page),
            from_date=first,
            to_date=last,
            opening=Money.rounded(exact(row["balance_start"]), currency),
            closing=Money.rounded(exact(row["balance_end_real"]), currency),
            digest=digest,
        )

    # --- loading ----------------------------------------------------------------------------------

    def load_statement(self, statement: BankStatement, sha256: str) -> int:
        """The statement, once for the same content."""
        opening, closing = statement.opening, statement.closing
        row = {
            "id": external_ids.bank_statement_id(self._journal.id, statement.digest),
            "name": statement.statement_id,
            "reference": _reference(statement, sha256),
            "balance_start": opening.amount if opening else "",
            "balance_end_real": closing.amount if closing else "",
        }
        [found] = self._odoo.load(_STATEMENT, [row], create_once=True)
        return found

    def load_open(self, entries: Sequence[Entry]) -> None:
        """Load lines that nothing is known of: they go to suspense."""
        for some in batches(entries, LINES_A_CALL):
            rows = [self._header(entry) for entry in some]
            self._odoo.load(STATEMENT_LINE, rows, create_once=True, context=UNTRACKED)

    def load_settled(self, entries: Sequence[Entry]) -> set[str]:
        """Load at most LINES_A_CALL lines with what they settle; returns the keys of those whose
        targets were settled by something else meanwhile: they are back on suspense."""
        items = {share.target.item for entry in entries for share in entry.shares}
        marks = [{".id": item, "matching_number": _mark_of(item)} for item in sorted(items)]
        self._odoo.load(ITEM, marks, context=_MARKED_ONLY)
        rows = [row for entry in entries for row in self._rows(entry)]
        ids = self._odoo.load(STATEMENT_LINE, rows, create_once=True, context=_MATCHED)
        keys = {line: entry.line.key for line, entry in zip(ids, entries, strict=True)}
        unsettled = sorted(self._unfinished(ids))
        for line in unsettled:
            self.reset(line)
        return {keys[line] for line in unsettled}

    def is_loadable(self, entry: Entry) -> bool:
        """Whether it may be loaded with what it settles: whole items that nothing is matched with
        yet, in books in which Odoo adds nothing."""
        return self._journal.is_plain and all(
            share.amount == share.target.whole
            and (not share.target.mark or share.target.mark.startswith(_MARK))
            for share in entry.shares
        )

    def _rows(self, entry: Entry) -> Iterator[dict[str, Any]]:
        """The line with its items: the bank's, one for each share, one for the rest."""
        for place, item in enumerate(self._items(entry)):
            columns = {f"line_ids/{name}": value for name, value in item.items()}
            yield {**self._header(entry), **columns} if not place else columns

    def _items(self, entry: Entry) -> Iterator[dict[str, Any]]:
        amount = entry.line.amount.amount
        own = {"account_id/.id": self._journal.account, "partner_id/.id": entry.partner}
        yield {**own, **_amounts(amount), "name": entry.label, "matching_number": ""}
        for share in entry.shares:
            yield {
                "account_id/.id": share.target.account,
                "partner_id/.id": share.target.partner,
                **_amounts(-share.amount),
                "name": entry.label,
                "matching_number": _mark_of(share.target.item),
            }
        if entry.rest:
            yield {
                "account_id/.id": entry.rest_account,
                "partner_id/.id": entry.partner,
                **_amounts(-entry.rest),
                "name": entry.label,
                "matching_number": "",
            }

    def _header(self, entry: Entry) -> dict[str, Any]:
        line = entry.line
        return {
            "id": external_ids.bank_line_id(self._journal.id, line.key),
            "journal_id/.id": self._journal.id,
            "statement_id/.id": entry.statement,
            "date": line.booked_on,
            "payment_ref": entry.label,
            "ref": line.key,
            "amount": line.amount.amount,
            "partner_id/.id": entry.partner,
            "partner_name": line.counterparty,
            "account_number": line.counterparty_iban,
            "transaction_type": line.end_to_end_id,
        }

    # --- lines on suspense ------------------------------------------------------------------------

    def settle(self, known: KnownLine, entry: Entry) -> None:
        """Let a line that is on suspense settle its shares. Whatever is refused of it, it is on
        suspense again."""
        try:
            self.settle_within(known, [entry])
        except GatewayError as error:
            if error.kind is FailureKind.BUSINESS:
                self.reset(known.id)
            raise

    def settle_within(self, known: KnownLine, entries: Sequence[Entry]) -> None:
        """Let payments that a line sums settle their shares; the rest of it stays on suspense."""
        self._replace_suspense(known, entries)
        self.match(known, [share for entry in entries for share in entry.shares])

    def finish_within(self, known: KnownLine) -> set[str]:
        """The places, within their entry, of the payments that were applied of a line that is on
        suspense with its rest. What an attempt before did not come to match is matched now."""
        others = [("account_id", "not in", [self._journal.account, self._journal.suspense])]
        fields = ("name", "matching_number")
        rows = self._odoo.find(ITEM, "move_id", [known.entry], fields, also=others, order="id")
        for row in rows:
            mark = str(row["matching_number"] or "")
            if mark.startswith(_MARK):
                self._reconcile(row["id"], int(mark.removeprefix(_MARK)))
        return {str(row["name"]).partition(_PLACE)[0] for row in rows}

    def reset(self, line: int) -> None:
        """Take back what a line settles: it is on suspense, and its targets are open."""
        self._odoo.press(STATEMENT_LINE, "action_undo_reconciliation", [line])

    def _replace_suspense(self, known: KnownLine, entries: Sequence[Entry]) -> None:
        [entry, *others] = entries
        if not others and not entry.is_within and entry.partner and entry.partner != known.partner:
            # By itself: with anything else Odoo makes the items anew.
            self._odoo.write(STATEMENT_LINE, [known.id], {"partner_id": entry.partner})
        fields = names("account_id balance amount_currency currency_id")
        items = self._odoo.find(ITEM, "move_id", [known.entry], fields)
        [suspense] = [row for row in items if row["account_id"][0] == self._journal.suspense]
        wanted = [item for entry in entries for item in _replacing(entry)]
        left = exact(suspense["amount_currency"]) - sum(
            (item["amount_currency"] for item in wanted), Decimal(0)
        )
        if left:
            account = {"account_id": self._journal.suspense, "partner_id": False}
            wanted.append({**account, "amount_currency": left, "name": entry.label})
        _add_balances(wanted, suspense, self._journal.own_currency)
        first, *more = wanted
        commands: list[Any] = [[1, suspense["id"], first]]
        currency = suspense["currency_id"][0]
        commands += [[0, 0, {**item, "currency_id": currency}] for item in more]
        self._odoo.call(
            MOVE,
            "write",
            [known.entry],
            vals={"line_ids": commands},
            context={"skip_readonly_check": True},
        )

    def match(self, known: KnownLine, shares: Sequence[Share]) -> None:
        """Match the marked items of a line with their targets."""
        rows = self._odoo.find(
            ITEM, "move_id", [known.entry], ["matching_number"], also=[_MARKED], order="id"
        )
        items: dict[str, list[int]] = {}
        for row in rows:
            items.setdefault(row["matching_number"], []).append(row["id"])
        for share in shares:
            item = items[_mark_of(share.target.item)].pop(0)
            if share.target.frees:
                self._odoo.call(ITEM, "remove_move_reconcile", [share.target.item])
            self._reconcile(item, share.target.item)

    def _reconcile(self, item: int, target: int) -> None:
        """Match an item of a line with its target, all of it: refuses `payment_overtaken` where
        less was open than the item is to settle."""

        def is_done() -> bool:
            [row] = self._odoo.read(ITEM, [item], ["reconciled"])
            return bool(row["reconciled"])

        unless_done(lambda: self._odoo.call(ITEM, "reconcile", [item, target]), is_done)
        if not is_done():
            text = "the invoice was settled by something else in the same moment"
            raise business(SYSTEM, "payment_overtaken", text, field="amount")


def _replacing(entry: Entry) -> Iterator[dict[str, Any]]:
    """What takes the place of the suspense item, without balances."""
    for share in entry.shares:
        yield {
            "account_id": share.target.account,
            "partner_id": share.target.partner,
            "matching_number": _mark_of(share.target.item),
            "amount_currency": -share.amount,
            "name": entry.label,
        }
    if entry.rest:
        yield {
            "account_id": entry.rest_account,
            "partner_id": entry.partner,
            "amount_currency": -entry.rest,
            "name": entry.label,
        }


_REFERENCE, _REFERENCE_WORDS, _MARKS = "c2c ", 8, 400


def _reference(statement: BankStatement, sha256: str) -> str:
    """What is remembered of a statement beside Odoo's own fields; the last word is its file."""
    sequence = "-" if statement.sequence is None else statement.sequence
    days = f"{statement.from_date} {statement.to_date}"
    kept = f"{statement.account} {days} {sequence} {statement.page}"
    return f"{_REFERENCE}{kept} {statement.digest} {sha256}"


def place_of(line: BankLine) -> str:
    """Which payment of its entry it is."""
    return line.key.rpartition("/")[2]


def _mark_of(item: int) -> str:
    return f"{_MARK}{item}"


def _amounts(amount: Decimal) -> dict[str, Decimal]:
    return {"balance": amount, "amount_currency": amount}


def _known(row: Row, is_marked: bool) -> KnownLine:
    return KnownLine(
        id=row["id"],
        key=row["ref"],
        entry=row["move_id"][0],
        amount=exact(row["amount"]),
        statement=row["statement_id"][0] if row["statement_id"] else None,
        partner=row["partner_id"][0] if row["partner_id"] else None,
        is_open=not row["is_reconciled"],
        is_unfinished=is_marked,
    )


def _add_balances(items: Sequence[dict[str, Any]], suspense: Row, currency: str) -> None:
    """Share the suspense item's balance in the company's currency out, to the last cent."""
    balance, whole = exact(suspense["balance"]), exact(suspense["amount_currency"])
    left = balance
    for item in items[:-1]:
        part = Money.rounded(balance * item["amount_currency"] / whole, currency).amount
        item["balance"] = part
        left -= part
    items[-1]["balance"] = left

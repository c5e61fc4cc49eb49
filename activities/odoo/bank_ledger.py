"""Reads what bank lines are compared with: open and recently settled invoices, who pays from which
account, payments that were registered and are not on a statement yet, and lines booked before.

A payment that was registered before its money came stands on an outstanding account. The bank line
settles it there; on the customer's account it would count twice. So for the bank an invoice is open
as far as its payments are not on a statement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from activities.failures import BusinessRefusal
from activities.odoo.bank_books import BankJournal
from activities.odoo.needs import ACCOUNTING, BANK_STATEMENTS, CONTACTS, Need
from contracts.bank.ledger import MAX_ITEMS, Ledger
from contracts.bank.statement import BankLine, compact
from contracts.bank.verdicts import OpenItem, Part, SettledLine
from contracts.currencies import EXPONENTS
from contracts.money import Money
from gateways.fields import names
from gateways.odoo import OdooClient

Row = Mapping[str, Any]

MOVE, ITEM, STATEMENT_LINE = "account.move", "account.move.line", "account.bank.statement.line"
_PAYMENT, _PARTIAL, _BANK = "account.payment", "account.partial.reconcile", "res.partner.bank"

ROWS_A_PAGE = 2_000
MAX_ACCOUNTS = 500_000
SETTLED_DAYS = 180
"""How far back settled invoices are known: what is paid again names one of them."""
RETURNED_DAYS = 400
"""How long a payment may come back: a direct debit without a mandate, 13 months."""
REPEATED_DAYS = 21
_MOST_LINES = 5_000

_MOVE_FIELDS = names("""
    name move_type state company_id commercial_partner_id currency_id amount_total amount_residual
    payment_reference invoice_date invoice_date_due
""")
_LINE_FIELDS = names(
    "ref date amount account_number transaction_type move_id is_reconciled journal_id"
)
_ITEM_FIELDS = names("""
    move_id account_id partner_id payment_id amount_residual amount_residual_currency
    date_maturity matching_number
""")
RECEIVABLE = ("asset_receivable", "liability_payable")

NEEDS = (
    Need(MOVE, _MOVE_FIELDS, access=ACCOUNTING),
    Need(
        ITEM,
        (
            *_ITEM_FIELDS,
            *names("parent_state reconciled journal_id amount_currency"),
        ),
        access=ACCOUNTING,
    ),
    Need("account.account", ("account_type", "reconcile"), access=ACCOUNTING),
    Need(_PAYMENT, ("memo", "reconciled_invoice_ids", "currency_id"), access=ACCOUNTING),
    Need(
        _PARTIAL,
        names("debit_move_id credit_move_id debit_amount_currency credit_amount_currency"),
        access=ACCOUNTING,
    ),
    Need(STATEMENT_LINE, _LINE_FIELDS, access=BANK_STATEMENTS, only_for="banks' files"),
    Need(_BANK, ("sanitized_acc_number", "partner_id"), access=CONTACTS),
    Need("res.partner", ("commercial_partner_id",), access=CONTACTS),
)


@dataclass
class Target:
    """A journal item that a bank line settles, or part of it: what an invoice has open, or a
    payment on its outstanding account. `whole` is what it has open, positive of what is owed to
    the firm; `left` is what no line takes yet. `mark` is how Odoo calls the group that it is
    matched in. `frees`: what it is matched with is undone before."""

    item: int
    account: int
    partner: int | None
    whole: Decimal
    left: Decimal
    mark: str = ""
    frees: bool = False


@dataclass
class OpenBooks:
    """The ledger of a moment. `outstanding` are the payments on their way to the bank, by the
    invoice that they paid."""

    ledger: Ledger
    outstanding: dict[int, list[Target]] = field(default_factory=dict)


def read_books(odoo: OdooClient, journal: BankJournal, lines: Sequence[BankLine]) -> OpenBooks:
    """Everything that these lines, all of one account, are compared with."""
    first = min(line.booked_on for line in lines)
    items, outstanding = _open_items(odoo, journal, first - timedelta(days=SETTLED_DAYS))
    settled = _settled_lines(odoo, journal, lines, first)
    return OpenBooks(Ledger(items, settled), outstanding)


# --- invoices -------------------------------------------------------------------------------------


def _open_items(
    odoo: OdooClient, journal: BankJournal, since: date
) -> tuple[list[OpenItem], dict[int, list[Target]]]:
    posted = [("move_type", "in", ["out_invoice", "out_refund"]), ("state", "=", "posted")]
    open_or_new = ["|", ("amount_residual", "!=", 0), ("invoice_date", ">=", str(since))]
    moves = list(_pages(odoo, MOVE, [*posted, *open_or_new], _MOVE_FIELDS, MAX_ITEMS))
    payments, outstanding = _outstanding(odoo, journal)
    known = {row["id"] for row in moves}
    moves += odoo.by_id(MOVE, outstanding.keys() - known, _MOVE_FIELDS).values()
    ibans = _accounts(odoo, {row["commercial_partner_id"][0] for row in moves})
    items = []
    for row in moves:
        currency = row["currency_id"][1]
        if currency not in EXPONENTS:
            continue  # One that is no more: no line of a bank pays it.
        sign = -1 if row["move_type"] == "out_refund" else 1
        on_way = sum((target.left for target in outstanding.get(row["id"], ())), Decimal(0))
        partner = row["commercial_partner_id"]
        items.append(
            OpenItem(
                move=row["id"],
                number=row["name"],
                partner=partner[0],
                partner_name=partner[1][:300],
                company=row["company_id"][0],
                open=Money.rounded(sign * exact(row["amount_residual"]) + on_way, currency),
                total=Money.rounded(sign * exact(row["amount_total"]), currency),
                reference=(row["payment_reference"] or "")[:140],
                due_on=row["invoice_date_due"] or row["invoice_date"],
                ibans=tuple(ibans.get(partner[0], ())),
                ids=tuple(payments.get(row["id"], ())),
            )
        )
    return items, outstanding


def _outstanding(
    odoo: OdooClient, journal: BankJournal
) -> tuple[dict[int, list[str]], dict[int, list[Target]]]:
    """Payments of this journal that are not on a statement yet, each by the one invoice that it
    paid: their references, and their journal items. Of several invoices a person has to say."""
    open_items = [
        ("journal_id", "=", journal.id),
        ("payment_id", "!=", False),
        ("account_id.account_type", "not in", list(RECEIVABLE)),
        ("account_id.reconcile", "=", True),
        ("reconciled", "=", False),
        ("parent_state", "=", "posted"),
    ]
    rows = list(_pages(odoo, ITEM, open_items, _ITEM_FIELDS, MAX_ITEMS))
    fields = ("memo", "reconciled_invoice_ids", "currency_id")
    payments = odoo.by_id(_PAYMENT, {row["payment_id"][0] for row in rows}, fields)
    references: defaultdict[int, list[str]] = defaultdict(list)
    targets: defaultdict[int, list[Target]] = defaultdict(list)
    for row in rows:
        payment = payments.get(row["payment_id"][0], {})
        invoices = payment.get("reconciled_invoice_ids", [])
        if len(invoices) != 1 or payment["currency_id"][1] != journal.currency:
            continue
        targets[invoices[0]].append(_target(row))
        if payment["memo"]:
            references[invoices[0]].append(str(payment["memo"])[:140])
    return dict(references), dict(targets)


def _accounts(odoo: OdooClient, partners: Collection[int]) -> dict[int, list[str]]:
    """By customer, the accounts that are known to be its own or its contacts'."""
    fields = ("sanitized_acc_number", "partner_id")
    rows = list(_pages(odoo, _BANK, [], fields, MAX_ACCOUNTS))
    others = {row["partner_id"][0] for row in rows} - set(partners)
    firms = odoo.by_id("res.partner", others, ("commercial_partner_id",))
    found: defaultdict[int, list[str]] = defaultdict(list)
    for row in rows:
        owner = row["partner_id"][0]
        firm = firms[owner]["commercial_partner_id"][0] if owner in firms else owner
        if row["sanitized_acc_number"]:
            found[firm].append(compact(row["sanitized_acc_number"]))
    return found


def receivables(odoo: OdooClient, moves: Iterable[int]) -> dict[int, list[Target]]:
    """What these invoices have open on the customers' accounts, instalment by instalment."""
    rows = odoo.find(
        ITEM,
        "move_id",
        sorted(set(moves)),
        _ITEM_FIELDS,
        also=[
            ("account_id.account_type", "=", "asset_receivable"),
            ("reconciled", "=", False),
            ("parent_state", "=", "posted"),
        ],
        order="date_maturity, id",
    )
    found: defaultdict[int, list[Target]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["date_maturity"] or "", row["id"])):
        found[row["move_id"][0]].append(_target(row))
    return found


def _target(row: Row, *, frees: bool = False) -> Target:
    """`frees`: the item as it is once what it is matched with is undone."""
    whole = exact(row["amount_currency" if frees else "amount_residual_currency"])
    return Target(
        item=row["id"],
        account=row["account_id"][0],
        partner=row["partner_id"][0] if row["partner_id"] else None,
        whole=whole,
        left=whole,
        mark=row["matching_number"] or "",
        frees=frees,
    )


# --- lines that were booked -----------------------------------------------------------------------


def _settled_lines(
    odoo: OdooClient, journal: BankJournal, lines: Sequence[BankLine], first: date
) -> list[SettledLine]:
    """Those that these lines may repeat, or take back."""
    back = [line for line in lines if line.is_returned or line.is_reversal]
    found = _repeated(odoo, journal, lines, first)
    if back:
        found |= _returnable(odoo, journal, back, first)
    return list(found.values())


def _repeated(
    odoo: OdooClient, journal: BankJournal, lines: Sequence[BankLine], first: date
) -> dict[str, SettledLine]:
    ibans = sorted({line.counterparty_iban for line in lines if line.counterparty_iban})
    if not ibans:
        return {}
    domain = [
        ("journal_id", "=", journal.id),
        ("is_reconciled", "=", True),
        ("date", ">=", str(first - timedelta(days=REPEATED_DAYS))),
        ("account_number", "in", ibans),
    ]
    rows = odoo.search_read(
        STATEMENT_LINE, domain, _LINE_FIELDS, order="date desc", limit=_MOST_LINES
    )
    return {row["ref"]: _settled(row, journal, ()) for row in rows if row["ref"]}


def _returnable(
    odoo: OdooClient, journal: BankJournal, back: Sequence[BankLine], first: date
) -> dict[str, SettledLine]:
    """With what they settled; without those that were taken back already."""
    ids = sorted({line.end_to_end_id for line in back if line.end_to_end_id})
    ibans = sorted({line.counterparty_iban for line in back if line.counterparty_iban})
    domain = [
        ("journal_id", "=", journal.id),
        ("is_reconciled", "=", True),
        ("date", ">=", str(first - timedelta(days=RETURNED_DAYS))),
        ("amount", ">", 0),
        *("|", ("transaction_type", "in", ids), ("account_number", "in", ibans)),
    ]
    rows = odoo.search_read(
        STATEMENT_LINE, domain, _LINE_FIELDS, order="date desc", limit=_MOST_LINES
    )
    settled = settled_by(odoo, journal, [row["move_id"][0] for row in rows])
    return {
        row["ref"]: _settled(row, journal, settled[row["move_id"][0]].parts)
        for row in rows
        if row["ref"] and settled[row["move_id"][0]].is_returnable
    }


def _settled(row: Row, journal: BankJournal, parts: tuple[Part, ...]) -> SettledLine:
    return SettledLine(
        line=row["ref"],
        amount=Money.rounded(exact(row["amount"]), journal.currency),
        booked_on=row["date"],
        parts=parts,
        end_to_end_id=row["transaction_type"] or "",
        counterparty_iban=row["account_number"] or "",
    )


_Paid = list[tuple[int, Decimal]]
"""Invoices, and how much of each is paid."""


@dataclass
class SettledBy:
    """What the entry of a bank line settled: parts of invoices, and the journal items that a return
    is set against."""

    parts: tuple[Part, ...] = ()
    items: list[Target] = field(default_factory=list)

    @property
    def is_returnable(self) -> bool:
        return bool(self.items)


def settled_by(
    odoo: OdooClient, journal: BankJournal, entries: Sequence[int]
) -> dict[int, SettledBy]:
    """By the entry of a bank line, what it settled. What a return was set against already is not
    among it."""
    found: dict[int, SettledBy] = {entry: SettledBy() for entry in entries}
    fields = (*_ITEM_FIELDS, "amount_currency")
    accounts = [("account_id", "not in", [journal.account, journal.suspense])]
    own = {row["id"]: row for row in odoo.find(ITEM, "move_id", entries, fields, also=accounts)}
    pairs = _pairs(odoo, own)
    others = odoo.by_id(ITEM, {other for _, other, _ in pairs}, _ITEM_FIELDS)
    owed = _owed_by(odoo, {row["payment_id"][0] for row in others.values() if row["payment_id"]})
    invoices = _invoices(odoo, {row["move_id"][0] for row in others.values()})
    for item, row in own.items():
        entry = found[row["move_id"][0]]
        parts: list[Part] = []
        for mine, other, amount in pairs:
            if mine != item:
                continue
            there = others[other]
            if there["payment_id"]:
                known = {target.item for target in entry.items}
                for target, paid in owed.get(there["payment_id"][0], []):
                    if target.item not in known:
                        entry.items.append(target)
                        parts += _parts(paid, journal)
            elif there["move_id"][0] in invoices:
                parts += _parts([(there["move_id"][0], amount)], journal)
                if not any(known.item == item for known in entry.items):
                    entry.items.append(_target(row, frees=True))
        is_open = not any(mine == item for mine, _, _ in pairs) and exact(
            row["amount_residual_currency"]
        )
        if is_open and row["partner_id"]:
            # Freed by an attempt that went no further, or by a person.
            entry.items.append(_target(row))
        entry.parts = (*entry.parts, *parts)
    return found


def _parts(paid: _Paid, journal: BankJournal) -> list[Part]:
    return [
        Part(move=move, amount=Money.rounded(amount, journal.currency)) for move, amount in paid
    ]


def _pairs(odoo: OdooClient, own: Collection[int]) -> list[tuple[int, int, Decimal]]:
    """What the items are matched with: item, the other one, how much of an invoice it settles."""
    fields = names("debit_move_id credit_move_id debit_amount_currency credit_amount_currency")
    pairs = []
    for mine, other, amount in (
        ("credit_move_id", "debit_move_id", "debit_amount_currency"),
        ("debit_move_id", "credit_move_id", "credit_amount_currency"),
    ):
        for row in odoo.find(_PARTIAL, mine, sorted(own), fields):
            sign = 1 if mine == "credit_move_id" else -1
            pairs.append((row[mine][0], row[other][0], sign * exact(row[amount])))
    return pairs


def _owed_by(odoo: OdooClient, payments: Collection[int]) -> dict[int, list[tuple[Target, _Paid]]]:
    """By payment, its items on the customer's account, each with what it pays of invoices: a return
    takes those back. What a return was set against already is not among them."""
    rows = odoo.find(
        ITEM,
        "payment_id",
        sorted(payments),
        (*_ITEM_FIELDS, "amount_currency"),
        also=[
            ("account_id.account_type", "=", "asset_receivable"),
            ("parent_state", "=", "posted"),
        ],
    )
    pairs = _pairs(odoo, [row["id"] for row in rows])
    others = odoo.by_id(ITEM, {other for _, other, _ in pairs}, ("move_id",))
    moves = {item: row["move_id"][0] for item, row in others.items()}
    invoices = _invoices(odoo, set(moves.values()))
    found: defaultdict[int, list[tuple[Target, _Paid]]] = defaultdict(list)
    for row in rows:
        paid = [(moves[other], amount) for mine, other, amount in pairs if mine == row["id"]]
        if all(move in invoices for move, _ in paid):
            found[row["payment_id"][0]].append((_target(row, frees=True), paid))
    return found


def _invoices(odoo: OdooClient, moves: Collection[int]) -> set[int]:
    rows = odoo.by_id(MOVE, moves, ("move_type",))
    return {move for move, row in rows.items() if row["move_type"] in ("out_invoice", "out_refund")}


# --- reading --------------------------------------------------------------------------------------


def exact(value: Any) -> Decimal:
    """An amount of Odoo's, a float in JSON, as it is written."""
    return Decimal(str(value or 0))


def _pages(
    odoo: OdooClient, model: str, domain: Sequence[Any], fields: Sequence[str], most: int
) -> Iterator[dict[str, Any]]:
    """All records that match, page by page; more than `most` are refused."""
    after, count = 0, 0
    while True:
        behind = [*domain, ("id", ">", after)] if after else domain
        rows = odoo.search_read(model, behind, fields, order="id", limit=ROWS_A_PAGE)
        count += len(rows)
        if count > most:
            text = f"Odoo has more than {most:,} records of {model} to compare bank lines with"
            raise BusinessRefusal("bank_ledger_too_large", text, field=model)
        yield from rows
        if len(rows) < ROWS_A_PAGE:
            return
        after = rows[-1]["id"]

"""What Odoo says about invoices and credit notes: read for one, or in one go for a whole sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities.failures import BusinessRefusal
from activities.odoo.clock import utc
from activities.odoo.needs import ACCOUNTING, Need
from contracts.identifiers import workflow_of_origin
from contracts.invoice.messages import Instalment, InvoiceBalance
from contracts.money import Money
from contracts.odoo_totals import OdooTotals
from gateways.fields import names
from gateways.odoo import OdooClient

Row = Mapping[str, Any]

FIELDS = names("""
    name state payment_state currency_id amount_untaxed amount_total amount_residual
    show_payment_term_details invoice_date_due is_move_sent reversal_move_ids
    invoice_origin write_date
""")
"""What a balance is made of."""
INVOICE_FIELDS = (*FIELDS, "amount_tax", "invoice_date")
"""What is read of one invoice, whatever for: only reads of the same fields share calls."""
_CREDIT_FIELDS = ("state", "move_type", "invoice_origin", "amount_untaxed", "amount_total")
_ENTRY_LINE_FIELDS = ("move_id", "amount_currency", "amount_residual_currency")
_INSTALMENT_FIELDS = ("move_id", "date_maturity", "amount_residual_currency")

NEEDS = (
    Need("account.move", (*INVOICE_FIELDS, *_CREDIT_FIELDS), access=ACCOUNTING),
    Need(
        "account.move.line",
        (*_ENTRY_LINE_FIELDS, *_INSTALMENT_FIELDS, "display_type"),
        access=ACCOUNTING,
    ),
)


class InvoiceRef(BaseModel):
    """An invoice or a credit note, by its id in Odoo. `approved`: somebody cancelled it there,
    reset it or changed it, and nothing goes on before it is posted again with these amounts."""

    invoice_id: int
    approved: OdooTotals | None = None


class OdooBalances:
    """An activity on the `odoo-finance` task queue: what Odoo says about one invoice."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    @activity.defn
    def read_balance(self, ref: InvoiceRef) -> InvoiceBalance:
        """What Odoo says about the invoice now. Refuses `invoice_not_posted` and
        `invoice_differs_from_approval` if it must be posted as it was approved."""
        balance = balance_of(self._odoo, ref.invoice_id)
        if ref.approved is not None:
            _refuse_unless_restored(balance, ref.approved)
        return balance


def _refuse_unless_restored(balance: InvoiceBalance, approved: OdooTotals) -> None:
    if not balance.posted:
        raise BusinessRefusal(
            "invoice_not_posted",
            "the invoice was cancelled or reset to draft in Odoo; post it again there",
        )
    if not approved.are_those_of(balance.untaxed, balance.total):
        raise BusinessRefusal(
            "invoice_differs_from_approval",
            f"the posted invoice was changed in Odoo: it totals {balance.untaxed} without tax and "
            f"{balance.total} with it, and {approved.untaxed} and {approved.total} were approved; "
            "restore it there. What is to change is credited and billed again",
            field="invoice.totals",
            value=str(balance.total),
        )


def read_invoice(odoo: OdooClient, invoice_id: int) -> dict[str, Any]:
    """An invoice as it is in Odoo: its state, amounts and dates."""
    [row] = odoo.read("account.move", [invoice_id], INVOICE_FIELDS)
    return row


def balance_of(odoo: OdooClient, invoice_id: int) -> InvoiceBalance:
    """The balance of one invoice, read now."""
    return balances_of(odoo, [read_invoice(odoo, invoice_id)])[0]


def balances_of(odoo: OdooClient, moves: Sequence[Row]) -> list[InvoiceBalance]:
    """The balances of invoices whose FIELDS were read, in their order: a few queries more at
    most, however many there are."""
    credits, written_off = _posted_credits(odoo, moves), _written_off(odoo, moves)
    parts = _instalments(odoo, moves)
    return [_balance(row, credits, written_off, parts.get(row["id"], [])) for row in moves]


def is_ours(origin: Any, reversed_origin: Any = "") -> bool:
    """Whether c2c made an invoice, by its origin and by that of the one it credits, if any.

    A credit note that people make in Odoo takes the origin of its invoice over.
    """
    return bool(workflow_of_origin(origin or "")) and origin != reversed_origin


@dataclass(frozen=True)
class _Credit:
    origin: str
    untaxed: Any
    total: Any


def _posted_credits(odoo: OdooClient, moves: Sequence[Row]) -> dict[int, _Credit]:
    """The posted credit notes of these invoices, by their ids."""
    ids = {credit for row in moves for credit in row["reversal_move_ids"]}
    return {
        key: _Credit(row["invoice_origin"] or "", row["amount_untaxed"], row["amount_total"])
        for key, row in odoo.by_id("account.move", ids, _CREDIT_FIELDS).items()
        if row["state"] == "posted" and row["move_type"] == "out_refund"
    }


def _written_off(odoo: OdooClient, moves: Sequence[Row]) -> dict[str, list[Any]]:
    """By origin of the invoice, what our write-off entries take off it as long as they are
    reconciled with it (whatever their state: that is what Odoo's residual goes by). They carry the
    origin of the invoice they write off."""
    origins = {row["invoice_origin"] for row in moves if _is_reduced(row) and row["invoice_origin"]}
    entries = odoo.find(
        "account.move",
        "invoice_origin",
        sorted(origins),
        ["invoice_origin"],
        also=[("move_type", "=", "entry")],
    )
    if not entries:
        return {}
    by_entry = {row["id"]: row["invoice_origin"] for row in entries}
    lines = odoo.search_read(
        "account.move.line",
        [("move_id", "in", sorted(by_entry)), ("amount_currency", "<", 0)],
        _ENTRY_LINE_FIELDS,
    )
    found: dict[str, list[Any]] = {}
    for line in lines:
        taken = line["amount_residual_currency"] - line["amount_currency"]
        found.setdefault(by_entry[line["move_id"][0]], []).append(taken)
    return found


def _instalments(odoo: OdooClient, moves: Sequence[Row]) -> dict[int, list[Row]]:
    """By invoice, its open parts by due date, of those whose payment term has several."""
    ids = sorted(row["id"] for row in moves if _may_have_instalments(row))
    found: dict[int, list[Row]] = {}
    for line in odoo.find(
        "account.move.line",
        "move_id",
        ids,
        _INSTALMENT_FIELDS,
        also=[("display_type", "=", "payment_term")],
        order="date_maturity, id",
    ):
        found.setdefault(line["move_id"][0], []).append(line)
    return {move: lines for move, lines in found.items() if len(lines) > 1}


def _may_have_instalments(row: Row) -> bool:
    """Whether it is worth a look; Odoo shows the details of terms with several parts, or with a
    discount, of invoices that are open."""
    is_open = row["state"] == "posted" and row["amount_residual"]
    shows = row["show_payment_term_details"] or row["payment_state"] not in ("not_paid", "partial")
    return bool(is_open and shows)


def _is_reduced(row: Row) -> bool:
    """Whether something was taken off the invoice at all."""
    return bool(row["state"] == "posted" and row["amount_residual"] != row["amount_total"])


def _balance(
    row: Row,
    credits: Mapping[int, _Credit],
    written_off: Mapping[str, list[Any]],
    parts: Sequence[Row],
) -> InvoiceBalance:
    currency = row["currency_id"][1]
    posted = row["state"] == "posted"

    def money(amount: Any) -> Money:
        return Money.rounded(amount, currency)

    posted_credits = [credits[credit] for credit in row["reversal_move_ids"] if credit in credits]
    # Ours are invoices with a balance of their own.
    theirs = [item for item in posted_credits if not is_ours(item.origin, row["invoice_origin"])]
    lost = Money.total(map(money, written_off.get(row["invoice_origin"] or "", [])), currency)
    return InvoiceBalance(
        invoice_id=row["id"],
        as_of=utc(row["write_date"]),
        number=row["name"] if posted else "",
        posted=posted,
        cancelled=row["state"] == "cancel",
        in_payment=row["payment_state"] == "in_payment",
        sent=bool(row["is_move_sent"]),
        due_on=date.fromisoformat(row["invoice_date_due"]) if row["invoice_date_due"] else None,
        instalments=tuple(
            Instalment(
                due_on=date.fromisoformat(part["date_maturity"]),
                residual=money(part["amount_residual_currency"]),
            )
            for part in parts
            if part["amount_residual_currency"] > 0
        ),
        untaxed=money(row["amount_untaxed"]),
        total=money(row["amount_total"]),
        residual=money(row["amount_residual"]),
        credited=Money.total((money(item.total) for item in theirs), currency),
        credited_untaxed=Money.total((money(item.untaxed) for item in theirs), currency),
        written_off=None if lost.is_zero else lost,
    )

"""What undoes a registered payment in Odoo: a payment the other way, and the invoice open again.

    invoice 100 -- payment 100            a refund of 40 comes:
    payment -- refund 40                  the refund is reconciled with the payment,
    invoice 100 -- what is left: 60       and only what is left of that with the invoice

What made good an earlier reversal of the payment counts with it: all of them are what is undone.

The payment itself stays as it was booked, so that this may happen long after its period is closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities.failures import BusinessRefusal, after_effect
from activities.odoo import external_ids
from activities.odoo.balances import balance_of
from activities.odoo.buttons import press
from activities.odoo.needs import ACCOUNTING, UPSERT, Need
from activities.odoo.payments import keep_on_account
from activities.odoo.reconciliation import assign
from contracts.invoice.messages import InvoiceBalance
from contracts.money import Money
from gateways.fields import names
from gateways.odoo import OdooClient

Row = dict[str, Any]

_PAYMENT, _LINE = "account.payment", "account.move.line"
_VOID = ("canceled", "rejected", "draft")
_BOOKS = names("""
    company_id partner_id journal_id currency_id outstanding_account_id destination_account_id
    move_id
""")
_NOT_LOADED = ("company_id", "move_id", "outstanding_account_id")

NEEDS = (
    Need(
        _PAYMENT,
        (*_BOOKS, *names("memo state payment_type partner_type amount date")),
        access=ACCOUNTING,
        rights=UPSERT,
        methods=("action_post",),
    ),
    Need(
        _LINE,
        names(
            "payment_id account_id amount_currency amount_residual_currency reconciled parent_state"
        ),
        access=ACCOUNTING,
        methods=("remove_move_reconcile",),
    ),
)


class ReversalRequest(BaseModel):
    """What undoes `amount` of the payment with this reference, on a day. `key` is the reference it
    is booked under, `others` are those under which the same payment was undone before, `restored`
    those of the payments that made that good."""

    invoice_id: int
    payment: str
    key: str
    others: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    amount: Money
    on: date


class OdooReversals:
    """An activity on the `odoo-finance` task queue: what undoes a payment of one invoice."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    @activity.defn
    def reverse_payment(self, request: ReversalRequest) -> InvoiceBalance:
        """Book a payment the other way, reconcile it with the payment that it undoes, and leave
        the invoice open by what is missing: once for each key.

        Refuses `payment_missing` where Odoo has no posted payment of the reference.
        """
        reverse_payment(self._odoo, request)
        with after_effect():
            return balance_of(self._odoo, request.invoice_id)


def reverse_payment(odoo: OdooClient, request: ReversalRequest) -> None:
    """The same, for a caller that reads the balance itself."""
    original = _original(odoo, request.payment)
    reversal = _booked(odoo, request, original)
    incoming = [original, *_posted(odoo, request.restored, "inbound")]
    undoing = [reversal, *_posted(odoo, request.others, "outbound")]
    reconcile_undone(odoo, request.invoice_id, incoming, undoing)


def _original(odoo: OdooClient, reference: str) -> Row:
    found = _posted(odoo, [reference], "inbound")
    if not found:
        raise BusinessRefusal(
            "payment_missing",
            f"Odoo has no posted payment {reference} that could be undone; book there what became "
            "of the money, and skip this",
            field="payment.reference",
            value=reference,
        )
    return found[0]


def _posted(odoo: OdooClient, references: Sequence[str], way: str) -> list[Row]:
    return odoo.find(
        _PAYMENT,
        "memo",
        list(references),
        [*_BOOKS, "memo"],
        also=[("state", "not in", _VOID), ("payment_type", "=", way)],
        order="id",
    )


def _booked(odoo: OdooClient, request: ReversalRequest, original: Row) -> Row:
    """The payment the other way, posted, in the same books as the one that it undoes."""
    books = odoo.with_company(original["company_id"][0])
    row = {
        "id": external_ids.reversal_id(request.invoice_id, request.key),
        "payment_type": "Send",
        "partner_type": "Customer",
        "amount": request.amount.amount,
        "date": request.on.isoformat(),
        "memo": request.key,
        **{
            f"{name}/.id": original[name][0]
            for name in _BOOKS
            if name not in _NOT_LOADED and original[name]
        },
    }
    [booked] = books.load(_PAYMENT, [row], create_once=True)

    def is_posted() -> bool:
        [now] = books.read(_PAYMENT, [booked], ["state"])
        return now["state"] not in _VOID

    if not is_posted():
        if original["outstanding_account_id"]:
            keep_on_account(books, booked, original["outstanding_account_id"][0])
        press(books, _PAYMENT, "action_post", booked, is_pressed=is_posted)
    [found] = books.read(_PAYMENT, [booked], _BOOKS)
    return found


def reconcile_undone(
    odoo: OdooClient, invoice: int, incoming: Sequence[Row], undoing: Sequence[Row]
) -> None:
    """Free the payments of what they paid, take off them what undoes them, and give the invoice the
    rest. All of them are on the account of the first.

    What was reconciled before an attempt was lost is not touched again.
    """
    account = incoming[0]["destination_account_id"][0]
    lines = _lines(odoo, [*incoming, *undoing], account)
    paid = [lines[item["id"]] for item in incoming if item["id"] in lines]
    if not paid:
        return  # A payment without an entry: the bank statement decides.
    if not all(lines[item["id"]]["reconciled"] for item in undoing):
        for line in paid:
            if line["amount_residual_currency"] != line["amount_currency"]:
                odoo.call(_LINE, "remove_move_reconcile", [line["id"]])
        lines = _lines(odoo, [*incoming, *undoing], account)
    for item in undoing:
        if not lines[item["id"]]["reconciled"]:
            _take_off(odoo, item, lines[item["id"]]["id"], paid)
    for line in paid:
        if not _is_reconciled(odoo, line["id"]) and balance_of(odoo, invoice).residual.is_positive:
            assign(odoo, invoice, line["id"])


def _take_off(odoo: OdooClient, undoing: Row, undoing_line: int, paid: Sequence[Row]) -> None:
    """Reconcile what undoes with the payments, the first that has something left first."""
    for line in paid:
        if not _is_reconciled(odoo, line["id"]):
            assign(odoo, undoing["move_id"][0], line["id"])
            if _is_reconciled(odoo, undoing_line):
                return


def _is_reconciled(odoo: OdooClient, line: int) -> bool:
    [row] = odoo.read(_LINE, [line], ["reconciled"])
    return bool(row["reconciled"])


def _lines(odoo: OdooClient, payments: Sequence[Row], account: int) -> dict[int, Row]:
    """By payment, its line on what customers owe."""
    found = odoo.find(
        _LINE,
        "payment_id",
        [item["id"] for item in payments],
        ["payment_id", "amount_currency", "amount_residual_currency", "reconciled"],
        also=[("account_id", "=", account), ("parent_state", "=", "posted")],
        order="id",
    )
    return {row["payment_id"][0]: row for row in found}

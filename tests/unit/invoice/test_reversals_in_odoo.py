"""How payments, what undid them and what made that good are reconciled: with the least of Odoo's
books that this needs."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from activities.odoo import reversals
from activities.odoo.reversals import reconcile_undone
from contracts.money import Money
from gateways.odoo import OdooClient

INVOICE, ACCOUNT = 1, 400
Row = dict[str, Any]


class Books:
    """Lines of one account: the invoice of 100 is move 1. A payment, its move and its line have the
    same number."""

    def __init__(self) -> None:
        self.amounts: dict[int, int] = {INVOICE: 100}
        self.pairs: list[tuple[int, int, int]] = []

    def booked(self, amount: int) -> Row:
        number = len(self.amounts) + 1
        self.amounts[number] = amount
        return {"id": number, "move_id": [number, ""], "destination_account_id": [ACCOUNT, ""]}

    def open(self, line: int) -> int:
        amount = self.amounts[line]
        used = sum(much for debit, credit, much in self.pairs if line in (debit, credit))
        return amount - used if amount > 0 else amount + used

    # --- what is asked of Odoo --------------------------------------------------------------------

    def find(self, model: str, field: str, values: Sequence[int], *_: Any, **__: Any) -> list[Row]:
        return [
            {
                "id": key,
                "payment_id": [key, ""],
                "amount_currency": self.amounts[key],
                "amount_residual_currency": self.open(key),
                "reconciled": self.open(key) == 0,
            }
            for key in values
        ]

    def read(self, model: str, ids: Sequence[int], fields: Sequence[str]) -> list[Row]:
        return [{"reconciled": self.open(key) == 0} for key in ids]

    def call(self, model: str, method: str, ids: list[int], *, line_id: int = 0) -> None:
        if method == "remove_move_reconcile":
            self.pairs = [pair for pair in self.pairs if ids[0] not in pair[:2]]
            return
        much = min(self.open(ids[0]), -self.open(line_id))
        assert much > 0, "Odoo refuses to reconcile what is not open"
        self.pairs.append((ids[0], line_id, much))


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    made = Books()

    def balance_of(odoo: object, invoice: int) -> SimpleNamespace:
        return SimpleNamespace(residual=Money(str(made.open(invoice)), "EUR"))

    monkeypatch.setattr(reversals, "balance_of", balance_of)
    return made


def paid(books: Books, amount: int) -> Row:
    payment = books.booked(-amount)
    books.call("account.move", "js_assign_outstanding_line", [INVOICE], line_id=payment["id"])
    return payment


def undone(books: Books, incoming: list[Row], undoing: list[Row]) -> None:
    for _ in range(2):
        reconcile_undone(cast(OdooClient, books), INVOICE, incoming, undoing)


def test_a_refund_leaves_the_invoice_open_by_it(books: Books) -> None:
    payment, refund = paid(books, 100), books.booked(40)
    undone(books, [payment], [refund])
    assert [books.open(item) for item in (INVOICE, payment["id"], refund["id"])] == [40, 0, 0]


def test_what_stands_again_after_it_was_made_good_opens_the_invoice_once_more(books: Books) -> None:
    payment, failure = paid(books, 100), books.booked(100)
    undone(books, [payment], [failure])
    again = paid(books, 100)
    assert books.open(INVOICE) == 0
    second = books.booked(100)
    undone(books, [payment, again], [second, failure])
    assert [books.open(line) for line in books.amounts] == [100, 0, 0, 0, 0]


def test_a_chargeback_undoes_what_a_failed_refund_gave_back_too(books: Books) -> None:
    payment, refund = paid(books, 100), books.booked(40)
    undone(books, [payment], [refund])
    returned, chargeback = paid(books, 40), books.booked(100)
    undone(books, [payment, returned], [chargeback, refund])
    assert [books.open(line) for line in books.amounts] == [100, 0, 0, 0, 0]


def test_more_undone_than_was_paid_stays_open_on_the_customer_s_account(books: Books) -> None:
    payment, refund = paid(books, 100), books.booked(40)
    undone(books, [payment], [refund])
    chargeback = books.booked(100)
    undone(books, [payment], [chargeback, refund])
    assert books.open(INVOICE) == 100
    assert books.open(refund["id"]) + books.open(chargeback["id"]) == 40

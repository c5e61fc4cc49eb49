"""The campaign notices what the processor's books have twice, too little, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.money import Money
from faultlab.books import PostedPayment
from faultlab.online import OnlineCustomer, wrong_books
from sandbox.clearing_books import CLEARING, ClearingBooks
from sandbox.stripe import StripeStore

INVOICE = "contract/northwind/C-1/invoice/1"
CENT = Decimal("0.01")


class Kept:
    """The books as they must be: of 100, refunded by 10, and a payout that came back."""

    def __init__(self) -> None:
        self.store = StripeStore()
        self.payment = self.store.charge(10_000, "eur")
        self.refund = self.store.refund(self.payment, 1_000)
        self.payout = self.store.pay_out("eur")
        self.store.fail_payout(self.payout)
        self.payments = [
            PostedPayment(self.payment, "inbound", Decimal("100.00")),
            PostedPayment(self.refund, "outbound", Decimal("10.00")),
        ]
        words = ("Payout", "Return of payout")
        self.refs = Counter(f"{word} {self.payout} of stripe" for word in words)
        self.held = Decimal("87.00")
        self.events: list[Any] = []

    def wrong(self) -> list[str]:
        books: Any = SimpleNamespace(
            processor_payments=lambda journal: self.payments,
            entries=lambda journal: self.refs,
            balance=lambda account: self.held,
        )
        return list(wrong_books(self.store, books, ClearingBooks(1, {CLEARING: 2}), self.events))


def twice(kept: Kept) -> None:
    kept.payments.append(kept.payments[0])


def without_refund(kept: Kept) -> None:
    kept.payments.pop()


def without_return(kept: Kept) -> None:
    kept.refs[f"Return of payout {kept.payout} of stripe"] = 0


def won(kept: Kept) -> None:
    kept.store.fail_refund(kept.refund)


def foreign(kept: Kept) -> None:
    kept.payments.append(PostedPayment("pi_other", "inbound", Decimal(1)))


def a_cent_less(kept: Kept) -> None:
    kept.held -= CENT


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (twice, "stands 2 times"),
        (without_refund, "(0, 0)"),
        (without_return, "0 entries 'Return of payout'"),
        (won, "failed, stands (1, 0)"),
        (foreign, "the processor has not"),
        (a_cent_less, "the clearing account holds 8699 cents, the processor 8700"),
    ],
)
def test_what_is_wrong_in_the_books_is_noticed(change: Callable[[Kept], None], words: str) -> None:
    kept = Kept()
    assert kept.wrong() == []
    change(kept)
    assert words in " ".join(kept.wrong())


def test_what_an_event_leaves_to_a_person_is_not_lost() -> None:
    kept = Kept()
    without_refund(kept)
    kept.held += 10
    kept.events = [SimpleNamespace(outcome="refused", why=f"book in Odoo: {kept.refund}")]
    assert kept.wrong() == []


@pytest.mark.parametrize("seed", range(8))
def test_an_online_customer_owes_what_the_processor_has_not(seed: int) -> None:
    store, total = StripeStore(), Money("121.01", "EUR")
    customer = OnlineCustomer(store, INVOICE, total, Random(seed))  # noqa: S311 - to repeat
    while customer.go_on(at_once=False):
        assert customer.owed <= total
    assert customer.owed > Money("0.00", "EUR")
    [event] = customer.pay_rest("INV/1")
    assert event["type"] == "payment_intent.succeeded"
    assert customer.owed.is_zero

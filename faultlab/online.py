"""Payments through a processor: what customers and their banks do there, and what Odoo's books must
then say.

The processor is Stripe's stand-in, in the campaign's own process: it is a stranger, and is not
killed. What it says is the truth that the books are held to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from contracts.events import EventOutcome
from contracts.money import Money
from contracts.processors import minor_units, of_minor_units, restoring
from faultlab.books import Books
from faultlab.webhooks import STRIPE
from gateways.payments.objects import INVOICE_FIELD
from sandbox.clearing_books import CLEARING, ClearingBooks
from sandbox.stripe import StripeStore
from starters.client.event_rows import EventRow

CURRENCY = "EUR"
_FAILED, _WON = "failed", "won"
_NUMBERED = 0.5
"""The share of customers who pay what is left by themselves, and name the invoice by its number."""

Json = dict[str, Any]


class OnlineCustomer:
    """Pays an invoice in two parts. The first comes back, in part or as a whole, by a refund and a
    dispute; then the rest is paid."""

    def __init__(self, store: StripeStore, invoice: str, total: Money, random: Random) -> None:
        self._store = store
        self._invoice = invoice
        self._total = minor_units(total)
        self._random = random
        self._life = self._lived()
        self.payments: list[str] = []

    @property
    def owed(self) -> Money:
        """What is open by what the processor says."""
        paid = sum(standing(self._store, payment) for payment in self.payments)
        return of_minor_units(self._total - paid, CURRENCY)

    def go_on(self, *, at_once: bool) -> list[Json]:
        """Let happen what happens next, or everything at once; its events. None: all has."""
        events = []
        for happened in self._life:
            events.append(self._store.event(happened))
            if not at_once:
                break
        return events

    def pay_rest(self, number: str) -> list[Json]:
        """Pay what is owed; the event of that."""
        rest = minor_units(self.owed)
        if self._random.random() < _NUMBERED:
            return [self._paid(rest, text=f"Your invoice {number}, thank you")]
        return [self._paid(rest, {INVOICE_FIELD: self._invoice})]

    def ask_back(self) -> list[Json]:
        """A cent of the last payment is given back; the event of that."""
        return [self._store.event(self._store.refund(self.payments[-1], 1))]

    def _lived(self) -> Iterator[str]:
        """The ids of what something happened to, one after the other."""
        store, half = self._store, self._total // 2
        back = half // 3
        self._paid(half, {INVOICE_FIELD: self._invoice})
        payment = self.payments[-1]
        yield payment
        if back:
            refund = store.refund(payment, back)
            yield refund
            if self._random.random() < 0.5:
                store.fail_refund(refund)
                yield refund
        dispute = store.dispute(payment, half - back)
        yield dispute
        payout = store.pay_out(CURRENCY.lower())
        yield payout
        if (status := self._random.choice((_WON, "lost", ""))) != "":
            store.decide(dispute, status)
            yield dispute
        if self._random.random() < 0.5:
            store.fail_payout(payout)
            yield payout

    def _paid(self, amount: int, metadata: Json | None = None, text: str = "") -> Json:
        payment = self._store.charge(amount, CURRENCY.lower(), metadata, text or None)
        self.payments.append(payment)
        return self._store.event(payment)


def standing(store: StripeStore, payment: str) -> int:
    """What is left of a payment as money, in cents."""
    rows = (*store.rows("refunds"), *store.rows("disputes"))
    undone = sum(row["amount"] for row in rows if row["payment_intent"] == payment and _stands(row))
    return int(store.find("payment_intents", payment)["amount"] - undone)


def _stands(row: Json) -> bool:
    return row["status"] not in (_FAILED, _WON)


# --- what must be true ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Booked:
    """A payment in Odoo, by its reference; amounts in cents."""

    reference: str
    way: str
    amount: int


def wrong_books(
    store: StripeStore, books: Books, clearing: ClearingBooks, events: Iterable[EventRow]
) -> Iterator[str]:
    """What the books of the processor say otherwise than it does: each payment, refund, dispute and
    payout stands there once, and the clearing account holds what it has not paid out."""
    rows = books.processor_payments(clearing.journal)
    found = Counter(Booked(row.reference, row.way, int(row.amount * 100)) for row in rows)
    left = {row.why for row in events if row.outcome == EventOutcome.REFUSED}

    def is_left(reference: str) -> bool:
        """It came too late, and an event that waits for a person says so."""
        return any(reference in why for why in left)

    known: set[Booked] = set()
    held = 0
    unheard = set()
    for payment in store.rows("payment_intents"):
        came = Booked(payment["id"], "inbound", payment["amount"])
        known.add(came)
        # What was undone before anybody heard of it was never money here.
        if not found[came] and not standing(store, payment["id"]):
            unheard.add(payment["id"])
            continue
        held += payment["amount"]
        if found[came] != 1:
            yield f"payment {came.reference} stands {found[came]} times in Odoo"
    for row in (*store.rows("refunds"), *store.rows("disputes")):
        went = Booked(row["id"], "outbound", row["amount"])
        again = Booked(restoring(row["id"]), "inbound", row["amount"])
        known |= {went, again}
        counts = found[went], found[again]
        right = {(1, 0)} if _stands(row) else {(0, 0), (1, 1)}
        if is_left(row["id"]) or row["payment_intent"] in unheard:
            right = {(0, 0)}
        elif _stands(row):
            held -= row["amount"]
        if counts not in right:
            yield f"{row['object']} {row['id']}, {row['status']}, stands {counts} times in Odoo"
    for extra in found.keys() - known:
        yield f"Odoo has a payment that the processor has not: {extra}"
    yield from _wrong_payouts(store, books, clearing, held)


def _wrong_payouts(
    store: StripeStore, books: Books, clearing: ClearingBooks, held: int
) -> Iterator[str]:
    entries = books.entries(clearing.journal)
    for payout in store.rows("payouts"):
        rows = [row for row in store.rows("balance_transactions") if row["payout"] == payout["id"]]
        fees, net = sum(row["fee"] for row in rows), payout["amount"]
        held -= fees + net
        is_back = payout["status"] == _FAILED
        held += net if is_back else 0
        for words, wanted in (("Payout", True), ("Return of payout", is_back)):
            count = entries[f"{words} {payout['id']} of {STRIPE}"]
            if count != (wanted and bool(net or (fees and words == "Payout"))):
                yield f"payout {payout['id']}, {payout['status']}: {count} entries {words!r}"
    balance = int(books.balance(clearing.accounts[CLEARING]) * 100)
    if balance != held:
        yield f"the clearing account holds {balance} cents, the processor {held}"

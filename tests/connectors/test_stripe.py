"""Stripe, held to the conformance kit; and to its own client: it reads the stand-in, and signs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

import pytest
import stripe

from contracts.money import Money
from contracts.processors import LinkRequest, ObjectKind, minor_units, of_minor_units
from gateways.payments.account import link_key
from gateways.payments.objects import INVOICE_FIELD
from gateways.payments.stripe import CONNECTOR
from gateways.payments.stripe.api import PAGE
from gateways.payments.stripe.payments import SPECIAL
from gateways.webhooks import schemes
from gateways.webhooks.schemes import SignedRequest
from sandbox.conformance.gateway import built
from sandbox.conformance.payments import PaymentsConformance, PaymentsRemote
from sandbox.conformance.remote import Answer, Delivery
from sandbox.conformance.serving import served
from sandbox.proxy import Request
from sandbox.stripe import StripeStore, signed, stripe_app
from tests.standins.recorder import Recorder

KEY, WRONG = "rk_test_kit", "rk_test_wrong"


class StripeRemote(PaymentsRemote):
    connector = CONNECTOR
    page_size = PAGE
    cannot: ClassVar = {
        "end_sessions": "a key has no session",
        "fail": "a payment that fails later has a dispute",
    }

    def __init__(self, address: str, store: StripeStore) -> None:
        self._address, self.store = address, store

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        store = StripeStore(KEY)
        with served(stripe_app(store)) as address:
            yield cls(address, store)

    @property
    def address(self) -> str:
        return self._address

    def settings(self, address: str) -> dict[str, Any]:
        books = {"journal": "PSP", "fee_account": "652900", "payout_account": "101960"}
        return {"url": address, "api_key": KEY, **books}

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return {**self.settings(address), "api_key": WRONG}

    def secrets(self) -> list[str]:
        return [KEY, WRONG]

    def rate_limited(self, seconds: int, request: Request) -> Answer:
        body = {"error": {"type": "invalid_request_error", "code": "rate_limit"}}
        return Answer(429, {"Retry-After": str(seconds)}, json.dumps(body).encode())

    @contextmanager
    def without_setup(self) -> Iterator[Self]:
        with type(self).running() as bare:
            bare.store.denied = {"payouts", "disputes"}
            yield bare

    def webhook(self, record_id: str, secret: str) -> Delivery:
        body, headers = signed(self.store.event(record_id), secret)
        return Delivery(body, headers)

    # --- what customers and banks do --------------------------------------------------------------

    def pay(self, amount: Money, invoice: str = "", text: str = "") -> str:
        metadata = {INVOICE_FIELD: invoice} if invoice else {}
        units = minor_units(amount, SPECIAL)
        return self.store.charge(units, amount.currency.lower(), metadata, text or None)

    def begin(self, amount: Money) -> str:
        return self.store.begin(minor_units(amount, SPECIAL), amount.currency.lower())

    def refund(self, payment_id: str, amount: Money) -> str:
        return self.store.refund(payment_id, minor_units(amount, SPECIAL))

    def fail_refund(self, refund_id: str) -> None:
        self.store.fail_refund(refund_id)

    def charge_back(self, payment_id: str) -> None:
        self.store.dispute(payment_id)

    def win(self, payment_id: str) -> None:
        self.store.decide(self._dispute(payment_id), "won")

    def inquire(self, payment_id: str) -> None:
        self.store.dispute(payment_id, inquiry=True)
        self.store.decide(self._dispute(payment_id), "warning_closed")

    def _dispute(self, payment_id: str) -> str:
        rows = self.store.rows("disputes")
        return next(str(row["id"]) for row in rows if row["payment_intent"] == payment_id)

    def pay_out(self, currency: str) -> tuple[str, Money, Money]:
        payout_id = self.store.pay_out(currency.lower())
        rows = [
            row for row in self.store.rows("balance_transactions") if row["payout"] == payout_id
        ]
        net = self.store.find("payouts", payout_id)["amount"]
        fees = sum(row["fee"] for row in rows)
        return payout_id, of_minor_units(net, currency), of_minor_units(fees, currency)

    def return_payout(self, payout_id: str) -> None:
        self.store.fail_payout(payout_id)

    def pay_link(self, url: str) -> str:
        return self.store.pay(url.rpartition("/")[2])


@pytest.fixture(scope="class")
def served_stripe() -> Iterator[StripeRemote]:
    with StripeRemote.running() as remote:
        yield remote


class TestStripe(PaymentsConformance[StripeRemote]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls) -> Iterator[StripeRemote]:
        with StripeRemote.running() as remote:
            yield remote


# --- Stripe's own client --------------------------------------------------------------------------


def client(address: str, **more: Any) -> stripe.StripeClient:
    return stripe.StripeClient(KEY, base_addresses={"api": address}, max_network_retries=0, **more)


def test_its_client_reads_the_stand_in(served_stripe: StripeRemote) -> None:
    store, api = served_stripe.store, client(served_stripe.address).v1
    intent_id = store.charge(12100, "eur", {INVOICE_FIELD: "x"})
    refund_id = store.refund(intent_id, 2100)
    dispute_id = store.dispute(intent_id, 10000)
    intent = api.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]})
    assert (intent.amount_received, intent.status) == (12100, "succeeded")
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert [row.id for row in api.refunds.list({"payment_intent": intent_id})] == [refund_id]
    assert [row.id for row in api.disputes.list({"payment_intent": intent_id})] == [dispute_id]
    payout_id = store.pay_out("eur")
    payout = api.payouts.retrieve(payout_id)
    moved = api.balance_transactions.list({"payout": payout_id, "limit": 100}).data
    assert payout.amount == sum(row.net for row in moved if row.type != "payout")
    kinds = {event.type for event in api.events.list({"limit": 100}).auto_paging_iter()}
    assert {"payment_intent.succeeded", "charge.dispute.created", "payout.paid"} <= kinds
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.refunds.retrieve("re_none")
    assert refused.value.code == "resource_missing"
    with pytest.raises(stripe.AuthenticationError):
        stripe.StripeClient(WRONG, base_addresses={"api": served_stripe.address}).v1.payouts.list()


def test_our_requests_are_those_of_its_client(served_stripe: StripeRemote) -> None:
    """The same paths and parameters; we say which version, and the key of what is made once."""
    store = served_stripe.store
    intent_id = store.charge(12100, "eur")
    link = LinkRequest(
        invoice="contract/n/C/invoice/1",
        number="INV/1",
        customer="Acme",
        amount=Money("121.00", "EUR"),
    )
    named = {INVOICE_FIELD: link.invoice, "invoice_number": link.number}
    recorder = Recorder(stripe_app(store))
    with served(recorder) as address:
        with built(StripeRemote(address, store), address) as ours:
            ours.read_payment(ObjectKind.PAYMENT, intent_id)
            made = ours.create_link(link)
        mine = list(recorder.requests)
        api = client(address).v1
        api.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]})
        api.refunds.list({"payment_intent": intent_id, "limit": PAGE})
        api.disputes.list({"payment_intent": intent_id, "limit": PAGE})
        theirs_made = api.payment_links.create(
            {
                "line_items": [
                    {
                        "price_data": {
                            "currency": "eur",
                            "unit_amount": 12100,
                            "product_data": {"name": "INV/1"},
                        },
                        "quantity": 1,
                    }
                ],
                "restrictions": {"completed_sessions": {"limit": 1}},
                "payment_intent_data": {"description": "INV/1", "metadata": named},
                "metadata": named,
            },
            {"idempotency_key": link_key(link)},
        )
        theirs = recorder.requests[len(mine) :]
    assert made.url == theirs_made.url, "the same form, under the same key"
    assert len(mine) == len(theirs) == 4
    for one, other in zip(mine, theirs, strict=True):
        assert (one.method, one.path, one.body) == (other.method, other.path, other.body)
        assert sorted(one.query) == sorted((_plain(name), value) for name, value in other.query)
        for header in ("authorization", "stripe-version"):
            assert one.headers[header] == other.headers[header]
    assert mine[-1].headers["idempotency-key"] == theirs[-1].headers["idempotency-key"]


def _plain(name: str) -> str:
    """Its client numbers the items of a list, which Stripe reads as one that is not numbered."""
    return re.sub(r"\[\d+\]$", "[]", name)


def test_its_own_signature_is_right() -> None:
    now = datetime.now(UTC)
    body = b'{"id":"evt_1"}'
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), "whsec_1")
    request = SignedRequest("POST", "/", {"stripe-signature": header}, body)
    schemes.stripe(request, ["whsec_0", "whsec_1"], now)
    sent, headers = signed({"id": "evt_2"}, "whsec_1")
    found = stripe.Webhook.construct_event(sent, headers["Stripe-Signature"], "whsec_1")
    assert found.id == "evt_2"

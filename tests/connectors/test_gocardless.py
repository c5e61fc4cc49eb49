"""GoCardless, held to the conformance kit; and to its own client, which reads the stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar, Self

import gocardless_pro
import pytest
from gocardless_pro import webhooks

from contracts.money import Money
from contracts.processors import LinkRequest, ObjectKind, minor_units, of_minor_units
from gateways.payments.account import link_key
from gateways.payments.gocardless import CONNECTOR
from gateways.payments.gocardless.api import PAGE
from gateways.payments.objects import INVOICE_FIELD
from sandbox.conformance.gateway import built
from sandbox.conformance.payments import PaymentsConformance, PaymentsRemote
from sandbox.conformance.remote import Answer, Delivery
from sandbox.conformance.serving import served
from sandbox.gocardless import GoCardlessStore, gocardless_app, signed
from sandbox.proxy import Request
from tests.standins.recorder import Recorder

TOKEN, WRONG = "sandbox_kit", "sandbox_wrong"


class GoCardlessRemote(PaymentsRemote):
    connector = CONNECTOR
    page_size = PAGE
    cannot: ClassVar = {
        "end_sessions": "a token has no session",
        "inquire": "banks that only ask are not told of",
    }

    def __init__(self, address: str, store: GoCardlessStore) -> None:
        self._address, self.store = address, store

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        store = GoCardlessStore(TOKEN)
        with served(gocardless_app(store)) as address:
            yield cls(address, store)

    @property
    def address(self) -> str:
        return self._address

    def settings(self, address: str) -> dict[str, Any]:
        books = {"journal": "PSP", "fee_account": "652900", "payout_account": "101960"}
        return {"url": address, "api_key": TOKEN, **books}

    def wrong_settings(self, address: str) -> dict[str, Any]:
        return {**self.settings(address), "api_key": WRONG}

    def secrets(self) -> list[str]:
        return [TOKEN, WRONG]

    def rate_limited(self, seconds: int, request: Request) -> Answer:
        until = self.now() + timedelta(seconds=seconds)
        body = {"error": {"type": "invalid_api_usage", "code": 429, "message": "Rate limit"}}
        headers = {"ratelimit-reset": format_datetime(until, usegmt=True)}
        return Answer(429, headers, json.dumps(body).encode())

    @contextmanager
    def without_setup(self) -> Iterator[Self]:
        with type(self).running() as bare:
            bare.store.denied = {"payouts"}
            yield bare

    def webhook(self, record_id: str, secret: str) -> Delivery:
        body, headers = signed([self.store.event(record_id)], secret)
        return Delivery(body, headers)

    # --- what customers and banks do --------------------------------------------------------------

    def pay(self, amount: Money, invoice: str = "", text: str = "") -> str:
        metadata = {INVOICE_FIELD: invoice} if invoice else {}
        payment_id = self.store.charge(minor_units(amount), amount.currency, metadata, text)
        self.store.set_status(payment_id, "confirmed")
        return payment_id

    def begin(self, amount: Money) -> str:
        return self.store.charge(minor_units(amount), amount.currency)

    def refund(self, payment_id: str, amount: Money) -> str:
        return self.store.refund(payment_id, minor_units(amount))

    def fail_refund(self, refund_id: str) -> None:
        self.store.return_refund(refund_id)

    def charge_back(self, payment_id: str) -> None:
        self.store.set_status(payment_id, "charged_back")

    def win(self, payment_id: str) -> None:
        self.store.set_status(payment_id, "paid_out", "chargeback_cancelled")

    def fail(self, payment_id: str) -> None:
        self.store.set_status(payment_id, "failed")

    def pay_out(self, currency: str) -> tuple[str, Money, Money]:
        payout_id = self.store.pay_out(currency)
        found = self.store.find("payouts", payout_id)
        amounts = found["amount"], found["deducted_fees"]
        net, fees = (of_minor_units(item, currency) for item in amounts)
        return payout_id, net, fees

    def return_payout(self, payout_id: str) -> None:
        self.store.bounce(payout_id)

    def pay_link(self, url: str) -> str:
        return self.store.pay(url.rpartition("/")[2])


class TestGoCardless(PaymentsConformance[GoCardlessRemote]):
    @pytest.fixture(scope="class")
    @classmethod
    def remote(cls) -> Iterator[GoCardlessRemote]:
        with GoCardlessRemote.running() as remote:
            yield remote


# --- GoCardless' own client -----------------------------------------------------------------------


def client(address: str, token: str = TOKEN) -> Any:
    return gocardless_pro.Client(access_token=token, base_url=address)


def test_its_client_reads_the_stand_in() -> None:
    with GoCardlessRemote.running() as remote:
        store, api = remote.store, client(remote.address)
        payment_id = remote.pay(Money("121.00", "EUR"), "x", "y")
        refund_id = store.refund(payment_id, 2100)
        payment = api.payments.get(payment_id)
        assert (payment.amount, payment.status, payment.currency) == (12100, "confirmed", "EUR")
        assert payment.metadata == {INVOICE_FIELD: "x"}
        refunds = api.refunds.list(params={"payment": payment_id}).records
        assert [(row.id, row.links.payment) for row in refunds] == [(refund_id, payment_id)]
        payout = api.payouts.get(store.pay_out("EUR"))
        assert payout.amount + payout.deducted_fees == 10000
        assert payout.status == "paid"
        kinds = {(row.resource_type, row.action) for row in api.events.all()}
        assert {("payments", "confirmed"), ("refunds", "created"), ("payouts", "paid")} <= kinds
        with pytest.raises(gocardless_pro.errors.InvalidApiUsageError):
            api.payouts.get("PO0")
        with pytest.raises(gocardless_pro.errors.AuthenticationError):
            client(remote.address, WRONG).payouts.list()


def test_our_requests_are_those_of_its_client() -> None:
    store = GoCardlessStore(TOKEN)
    payment_id = store.charge(12100, "EUR")
    store.set_status(payment_id, "confirmed")
    link = LinkRequest(
        invoice="contract/n/C/invoice/1",
        number="INV/1",
        customer="Acme",
        amount=Money("121.00", "EUR"),
    )
    named = {INVOICE_FIELD: link.invoice, "invoice_number": link.number}
    recorder = Recorder(gocardless_app(store))
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    with served(recorder) as address:
        with built(GoCardlessRemote(address, store), address) as ours:
            ours.read_payment(ObjectKind.PAYMENT, payment_id)
            ours.changed(since)
            made = ours.create_link(link)
        mine = list(recorder.requests)
        api = client(address)
        api.payments.get(payment_id)
        api.refunds.list(params={"limit": PAGE, "payment": payment_id})
        at = "2026-01-02T03:04:05.000000Z"
        api.events.list(params={"limit": PAGE, "created_at[gte]": at})
        fields = {
            "name": "INV/1",
            "payment_request_amount": "12100",
            "payment_request_currency": "EUR",
            "payment_request_description": "INV/1",
            "payment_request_metadata": named,
            "metadata": named,
        }
        key = {"Idempotency-Key": link_key(link)}
        again = api.billing_request_templates.create(params=fields, headers=key)
        theirs = recorder.requests[len(mine) :]
    assert again.authorisation_url == made.url, "under the same key it is the same page"
    for one, other in zip(mine, theirs, strict=False):
        assert (one.method, one.path, one.body) == (other.method, other.path, other.body)
        assert sorted(one.query) == sorted(other.query)
        for header in ("authorization", "gocardless-version"):
            assert one.headers[header] == other.headers[header]
    assert (len(mine), len(theirs)) == (4, 5), "its client reads the one that is there already"


def test_its_own_check_takes_the_stand_in_s_signature() -> None:
    body, headers = signed([{"id": "EV1", "resource_type": "payments"}], "secret-1")
    found = webhooks.parse_with_meta(body, "secret-1", headers["Webhook-Signature"])
    assert [event.id for event in found.events] == ["EV1"]
    with pytest.raises(gocardless_pro.errors.InvalidSignatureError):
        webhooks.parse_with_meta(body, "secret-2", headers["Webhook-Signature"])

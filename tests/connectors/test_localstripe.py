"""Stripe's gateway against localstripe, a server of Stripe's API that is not ours.

It speaks an API of years ago: it has no disputes, and its intents do not say what of them was
received; both answers are given in its place here. It narrows no events and pays nothing out.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.events import ForPayment
from contracts.money import Money
from contracts.processors import ObjectKind, ReversalKind
from gateways.errors import GatewayError
from gateways.payments.objects import INVOICE_FIELD
from gateways.payments.stripe import CONNECTOR
from gateways.payments.stripe.api import StripeApi
from gateways.payments.stripe.payments import Stripe
from gateways.secrets import Secret
from gateways.webhooks.schemes import NotVerified, SignedRequest
from sandbox.conformance.remote import Delivery
from sandbox.conformance.serving import served
from sandbox.conformance.webhooks import events_of
from sandbox.real_odoo.mailbox import free_port
from sandbox.real_odoo.process import Process

KEY, SECRET, INVOICE = "sk_test_of_the_kit", "whsec_of_the_kit", "contract/n/C/invoice/1"
WITHIN_SECONDS = 150.0
_SERVE = (
    "import sys; from aiohttp import web; from localstripe.server import app; "
    "web.run_app(app, host='127.0.0.1', port=int(sys.argv[1]), print=None)"
)
"""Its own command listens on every address of the machine."""


class _Today(httpx.HTTPTransport):
    """What Stripe answers today, and localstripe does not."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/disputes":
            return httpx.Response(200, json={"object": "list", "data": [], "has_more": False})
        answer = super().handle_request(request)
        if not request.url.path.startswith("/v1/payment_intents/"):
            return answer
        intent = json.loads(answer.read())
        if intent.get("status") == "succeeded":
            intent["amount_received"] = sum(row["amount"] for row in intent["charges"]["data"])
        return httpx.Response(answer.status_code, json=intent)


@dataclass
class LocalStripe:
    """The server, with what its customers do, and the webhooks that it has posted."""

    url: str
    posted: list[Delivery] = field(default_factory=list)

    def do(self, path: str, **form: str) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/v1/{path}", data=form, auth=(KEY, ""), trust_env=False)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def pay(self, amount: int, currency: str) -> str:
        """A payment with a card; the intent's id."""
        card = {"number": "4242424242424242", "exp_month": "12", "exp_year": "2039", "cvc": "123"}
        described = {f"card[{name}]": text for name, text in card.items()}
        method = self.do("payment_methods", type="card", **described)
        customer = self.do("customers", email="ap@acme.example")
        self.do(f"payment_methods/{method['id']}/attach", customer=customer["id"])
        intent = self.do(
            "payment_intents",
            amount=str(amount),
            currency=currency,
            customer=customer["id"],
            payment_method=method["id"],
            confirm="true",
            **{f"metadata[{INVOICE_FIELD}]": INVOICE},
        )
        return str(intent["id"])

    @contextmanager
    def gateway(self) -> Iterator[Stripe]:
        http = httpx.Client(base_url=self.url, transport=_Today(), trust_env=False)
        api = StripeApi(http, Secret.of(KEY), system="stripe", version="2026-10-28.endive")
        gateway = Stripe(api, system="stripe", time_zone="UTC", link_words="Pay")
        yield gateway
        gateway.close()

    async def told(self, kind: str, object_id: str) -> Delivery:
        """The webhook of this type about an object, once it was posted."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while True:
                for sent in self.posted:
                    event = json.loads(sent.body)
                    if (event["type"], event["data"]["object"]["id"]) == (kind, object_id):
                        return sent
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStripe]:
    folder, port = tmp_path_factory.mktemp("localstripe"), free_port()
    server = LocalStripe(f"http://127.0.0.1:{port}")

    async def take(request: Request) -> Response:
        server.posted.append(Delivery(await request.body(), dict(request.headers)))
        return Response()

    command = [sys.executable, "-c", _SERVE, str(port)]
    process = Process(command, log=folder / "log", environment=os.environ)
    try:
        with served(Starlette(routes=[Route("/", take, methods=["POST"])])) as receiver:
            _configure(server.url, {"url": receiver, "secret": SECRET})
            yield server
    finally:
        process.stop()


def _configure(url: str, webhook: dict[str, str]) -> None:
    """Where it posts, as soon as it answers."""
    transport = httpx.HTTPTransport(retries=8)
    with httpx.Client(transport=transport, trust_env=False) as http:
        http.post(f"{url}/_config/webhooks/kit", json=webhook).raise_for_status()


def test_an_intent_and_its_refunds_are_read(local: LocalStripe) -> None:
    intent = local.pay(12_100, "eur")
    parts = ("2100", "500")
    refunds = [local.do("refunds", payment_intent=intent, amount=part)["id"] for part in parts]
    local.do("refunds", payment_intent=local.pay(900, "eur"))
    with local.gateway() as gateway:
        for kind, object_id in ((ObjectKind.PAYMENT, intent), (ObjectKind.REFUND, refunds[0])):
            found = gateway.read_payment(kind, object_id)
            assert found is not None
            assert (found.payment_id, found.amount) == (intent, Money("121.00", "EUR"))
            assert (found.is_money, found.invoice) == (True, INVOICE)
            assert {item.id for item in found.reversals} == set(refunds), "of this payment only"
            assert {item.kind for item in found.reversals} == {ReversalKind.REFUND}
            assert found.rest == Money("95.00", "EUR")
            assert abs(found.paid_on - datetime.now(UTC).date()).days <= 1


def test_yen_have_no_cents_and_what_is_not_there_is_said(local: LocalStripe) -> None:
    intent = local.pay(500, "jpy")
    with local.gateway() as gateway:
        found = gateway.read_payment(ObjectKind.PAYMENT, intent)
        assert found is not None
        assert found.amount == Money("500", "JPY")
        with pytest.raises(GatewayError) as refused:
            gateway.read_payment(ObjectKind.REFUND, "re_none")
    assert refused.value.code == "payment_not_found"


async def test_its_signed_webhooks_are_verified_and_understood(local: LocalStripe) -> None:
    intent = await asyncio.to_thread(local.pay, 4_200, "eur")
    sent = await local.told("payment_intent.succeeded", intent)
    declared, headers = CONNECTOR.webhook, {k.lower(): v for k, v in sent.headers.items()}
    assert declared is not None
    request = SignedRequest("POST", "/", headers, sent.body)
    declared.verify(request, ["whsec_old", SECRET], datetime.now(UTC))
    with pytest.raises(NotVerified):
        declared.verify(request, ["whsec_old"], datetime.now(UTC))
    [event] = events_of(declared, sent)
    assert isinstance(event.task, ForPayment)
    assert (event.task.kind, event.task.object_id) == (ObjectKind.PAYMENT, intent)

"""Answers of Stripe and GoCardless that the kit cannot make their stand-ins give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from contracts.processors import MAX_REVERSALS, ObjectKind
from gateways.errors import GatewayError
from gateways.http import pooled_client
from gateways.payments.gocardless.api import GoCardlessApi
from gateways.payments.gocardless.payments import GoCardless
from gateways.payments.stripe.api import StripeApi
from gateways.payments.stripe.payments import Stripe
from gateways.secrets import Secret

INTENT = {
    "id": "pi_1",
    "status": "succeeded",
    "amount": 10_000,
    "amount_received": 10_000,
    "currency": "eur",
    "created": 1_767_225_600,
}
PAYMENT = {
    "id": "PM1",
    "status": "confirmed",
    "amount": 10_000,
    "currency": "EUR",
    "charge_date": "2026-01-02",
}


def _http(home: str, answers: Mapping[str, Any]) -> httpx.Client:
    """A processor that gives these answers, by their paths."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answers[request.url.path])

    return pooled_client(home, transport=httpx.MockTransport(answer))


def stripe(answers: Mapping[str, Any]) -> Stripe:
    http = _http("https://stripe.example", {f"/v1/{path}": it for path, it in answers.items()})
    api = StripeApi(http, Secret.of("key"), system="stripe", version="x", calls_per_second=1e6)
    return Stripe(api, system="stripe", time_zone="UTC", link_words="Pay")


def gocardless(answers: Mapping[str, Any]) -> GoCardless:
    http = _http("https://gocardless.example", {f"/{path}": it for path, it in answers.items()})
    api = GoCardlessApi(http, Secret.of("key"), system="gocardless", calls_per_second=1e6)
    return GoCardless(api, system="gocardless", link_words="Pay")


def _refunds(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"id": f"re_{number}", "amount": 100, **fields} for number in range(count)]


def test_more_refunds_than_are_kept_are_refused_and_none_is_forgotten() -> None:
    """One that is left out would look as if it was undone, and be booked as money again."""
    of_stripe: dict[str, Any] = {"status": "succeeded", "currency": "eur", "created": 1_767_225_600}
    most = _refunds(MAX_REVERSALS // 2, **of_stripe)
    answers = {"payment_intents/pi_1": INTENT, "disputes": {"data": []}}
    found = stripe({**answers, "refunds": {"data": most}}).read_payment(ObjectKind.PAYMENT, "pi_1")
    assert found is not None
    assert len(found.reversals) == len(most)
    more = stripe({**answers, "refunds": {"data": [*most, {**most[0], "id": "re_x"}]}})
    with pytest.raises(GatewayError, match="more than 50 refunds"):
        more.read_payment(ObjectKind.PAYMENT, "pi_1")
    refunds = _refunds(MAX_REVERSALS, status="paid", currency="EUR", created_at="2026-01-03")
    many = gocardless({"payments/PM1": {"payments": PAYMENT}, "refunds": {"refunds": refunds}})
    with pytest.raises(GatewayError, match="more than 99 refunds"):
        many.read_payment(ObjectKind.PAYMENT, "PM1")

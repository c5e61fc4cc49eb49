"""Answers of Stripe and GoCardless that the kit cannot make their stand-ins give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from contracts.processors import MAX_REVERSALS, ObjectKind, PayoutStatus
from gateways.errors import GatewayError
from gateways.http import pooled_client
from gateways.payments.gocardless.api import GoCardlessApi
from gateways.payments.gocardless.payments import GoCardless
from gateways.payments.stripe.api import StripeApi
from gateways.payments.stripe.events import change_of
from gateways.payments.stripe.payments import Stripe
from gateways.secrets import Secret

INTENT: dict[str, Any] = {
    "id": "pi_1",
    "status": "succeeded",
    "amount": 10_000,
    "amount_received": 10_000,
    "currency": "eur",
    "created": 1_767_225_600,
}
PAYMENT: dict[str, Any] = {
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
    answers: dict[str, Any] = {"payment_intents/pi_1": INTENT, "disputes": {"data": []}}
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


@pytest.mark.parametrize(
    ("status", "is_taken"),
    [
        ("needs_response", True),
        ("under_review", True),
        ("lost", True),
        ("appeal_needs_response", True),
        ("appeal_under_review", True),
        ("won", False),
        ("prevented", False),
        ("warning_needs_response", False),
        ("warning_under_review", False),
        ("warning_closed", False),
    ],
)
def test_a_dispute_that_is_appealed_has_given_no_money_back(status: str, is_taken: bool) -> None:
    found = _disputed(status).read_payment(ObjectKind.PAYMENT, "pi_1")
    assert found is not None
    assert [item.id for item in found.reversals] == (["du_1"] if is_taken else [])


def test_what_nobody_knows_of_a_dispute_is_not_guessed() -> None:
    with pytest.raises(GatewayError, match="du_1 is reconsidered"):
        _disputed("reconsidered").read_payment(ObjectKind.PAYMENT, "pi_1")


def _disputed(status: str) -> Stripe:
    dispute = {"id": "du_1", "amount": 10_000, "currency": "eur", "created": 1_767_225_600}
    answers: dict[str, Any] = {"payment_intents/pi_1": INTENT, "refunds": {"data": []}}
    return stripe({**answers, "disputes": {"data": [{**dispute, "status": status}]}})


@pytest.mark.parametrize(
    ("reconciliation", "status"),
    [("in_progress", PayoutStatus.PENDING), ("completed", PayoutStatus.PAID)],
)
def test_a_payout_is_booked_once_all_its_fees_are_listed(
    reconciliation: str, status: PayoutStatus
) -> None:
    """It is booked once: fees that were not listed yet would never be."""
    payout: dict[str, Any] = {
        "id": "po_1",
        "amount": 9_710,
        "currency": "eur",
        "arrival_date": 1_767_225_600,
    }
    payout |= {"automatic": True, "status": "paid", "reconciliation_status": reconciliation}
    fees = {"data": [{"id": "txn_1", "type": "charge", "fee": 290, "currency": "eur"}]}
    found = stripe({"payouts/po_1": payout, "balance_transactions": fees}).read_payout("po_1")
    assert found.status is status
    event: dict[str, Any] = {"id": "evt_1", "created": 1_767_225_600, "data": {"object": payout}}
    change = change_of({**event, "type": "payout.reconciliation_completed"})
    assert change is not None
    assert (change.kind, change.object_id) == (ObjectKind.PAYOUT, "po_1")


def test_what_undid_a_payment_and_does_no_more_is_named() -> None:
    of_stripe: dict[str, Any] = {"currency": "eur", "created": 1_767_225_600, "amount": 100}
    answers: dict[str, Any] = {
        "payment_intents/pi_1": INTENT,
        "refunds": {"data": [{"id": "re_1", "status": "failed", **of_stripe}]},
        "disputes": {"data": [{"id": "du_1", "status": "won", **of_stripe}]},
    }
    found = stripe(answers).read_payment(ObjectKind.PAYMENT, "pi_1")
    assert found is not None
    assert (found.reversals, found.revoked) == ((), ("re_1", "du_1"))
    refund = {"id": "RF1", "status": "bounced", "amount": 100, "currency": "EUR"}
    both: dict[str, Any] = {"payments/PM1": {"payments": PAYMENT}, "refunds": {"refunds": [refund]}}
    other = gocardless(both).read_payment(ObjectKind.PAYMENT, "PM1")
    assert other is not None
    assert (other.reversals, other.revoked) == ((), ("PM1 chargeback", "PM1 failure", "RF1"))
    taken = {"payments": {**PAYMENT, "status": "charged_back"}}
    third = gocardless({**both, "payments/PM1": taken}).read_payment(ObjectKind.PAYMENT, "PM1")
    assert third is not None
    assert [item.id for item in third.reversals] == ["PM1 chargeback"]
    assert third.revoked == ("PM1 failure", "RF1")


def test_what_is_taken_back_in_another_currency_is_for_a_person() -> None:
    """An invoice could not even say what is left of such a payment."""
    dispute = {"id": "du_1", "status": "lost", "amount": 900, "currency": "usd", "created": 1}
    answers = {
        "payment_intents/pi_1": INTENT,
        "refunds": {"data": []},
        "disputes": {"data": [dispute]},
    }
    taken = r"du_1 takes 9\.00 USD back of a payment of 100\.00 EUR"
    with pytest.raises(GatewayError, match=taken):
        stripe(answers).read_payment(ObjectKind.PAYMENT, "pi_1")


@pytest.mark.parametrize(
    ("status", "fees"),
    [("failed", "0.30"), ("canceled", "0.00")],
)
def test_a_payout_that_came_back_has_cost_its_fees(status: str, fees: str) -> None:
    payout = {"id": "po_1", "status": status, "amount": 970, "currency": "eur", "automatic": True}
    moved = {"type": "charge", "amount": 1000, "fee": 30, "currency": "eur", "id": "txn_1"}
    answers = {
        "payouts/po_1": {**payout, "arrival_date": 1_767_225_600},
        "balance_transactions": {"data": [moved]},
    }
    found = stripe(answers).read_payout("po_1")
    assert str(found.fees) == f"{fees} EUR"
    assert found.status is (PayoutStatus.FAILED if status == "failed" else PayoutStatus.CANCELLED)

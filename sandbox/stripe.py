"""A stand-in for Stripe: payments by link, refunds, disputes, payouts, limits, and signed events.

Held to Stripe's own client (tests/unit/test_stripe.py). It is a model of what we use, no more: no
card is asked for, and what customers and banks do is said by `pay`, `dispute` and `decide`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from threading import RLock
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.endpoints import ApiError, endpoint

Json = dict[str, Any]

FEE_PERCENT, DISPUTE_FEE = 3, 1500
"""What is kept of each payment, and of each dispute in the smallest unit."""
_PART = re.compile(r"\[([^\]]*)\]")
_LISTS = {
    "refunds": ("payment_intent", "charge"),
    "disputes": ("payment_intent", "charge"),
    "balance_transactions": ("payout",),
    "payment_intents": (),
    "payouts": (),
    "events": (),
    "payment_links": (),
}
"""What each list can be narrowed by."""


class StripeError(ApiError):
    """An error as Stripe answers it."""

    def __init__(self, status: int, kind: str, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": kind, "message": message, "code": code or None}}


class StripeStore:
    """One account, in memory. Thread-safe. `calls_left` is what is left of the calls; None: no
    limit. What is in `denied` the key may not read."""

    def __init__(
        self, api_key: str = "", *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.api_key = api_key or f"rk_test_{secrets.token_hex(12)}"
        self.calls_left: int | None = None
        self.denied: set[str] = set()
        self.now = now
        self._objects: dict[str, list[Json]] = {kind: [] for kind in (*_LISTS, "charges")}
        self._keys: dict[str, tuple[Json, Json]] = {}
        self._lock = RLock()

    # --- what customers and banks do --------------------------------------------------------------

    def pay(self, link_id: str) -> str:
        """Pay what a payment link asks for; the payment intent's id."""
        with self._lock:
            link = self.find("payment_links", link_id)
            restricted = link["restrictions"]
            if restricted and link["paid"] >= restricted["completed_sessions"]["limit"]:
                raise StripeError(400, "invalid_request_error", "This link was used already.")
            link["paid"] += 1
            intent = link["payment_intent_data"]
            amount, currency = link["amount"], link["currency"]
            return self.charge(amount, currency, intent["metadata"], intent["description"])

    def charge(
        self,
        amount: int,
        currency: str,
        metadata: Mapping[str, str] | None = None,
        description: str | None = None,
    ) -> str:
        """A payment that succeeds; the payment intent's id."""
        with self._lock:
            intent_id, charge_id = _id("pi"), _id("ch")
            charge = self._add(
                "charges", charge_id, object="charge", amount=amount, currency=currency
            )
            charge |= {"payment_intent": intent_id, "status": "succeeded", "paid": True}
            intent = self._add("payment_intents", intent_id, object="payment_intent")
            intent |= {"amount": amount, "amount_received": amount, "currency": currency}
            intent |= {"status": "succeeded", "latest_charge": charge_id}
            intent |= {"metadata": dict(metadata or {}), "description": description}
            self._balance("charge", amount, amount * FEE_PERCENT // 100, currency, charge_id)
            self._happened("payment_intent.succeeded", intent)
            return intent_id

    def begin(self, amount: int, currency: str, metadata: Mapping[str, str] | None = None) -> str:
        """A payment that is not there yet."""
        with self._lock:
            intent = self._add("payment_intents", _id("pi"), object="payment_intent")
            intent |= {"amount": amount, "amount_received": 0, "currency": currency}
            intent |= {"status": "processing", "latest_charge": None, "description": None}
            intent["metadata"] = dict(metadata or {})
            return str(intent["id"])

    def refund(self, intent_id: str, amount: int | None = None) -> str:
        """Give a payment back, or a part of it."""
        with self._lock:
            intent = self.find("payment_intents", intent_id)
            back = amount or intent["amount"]
            refund = self._of_payment("refunds", "re", "refund", intent, back)
            refund |= {"status": "succeeded", "reason": "requested_by_customer"}
            self._balance("refund", -back, 0, intent["currency"], refund["id"])
            self._happened("refund.created", refund)
            return str(refund["id"])

    def fail_refund(self, refund_id: str) -> None:
        """The customer's bank does not take it."""
        with self._lock:
            refund = self.find("refunds", refund_id)
            refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
            amount, currency = refund["amount"], refund["currency"]
            self._balance("refund_failure", amount, 0, currency, refund_id)
            self._happened("refund.failed", refund)

    def dispute(self, intent_id: str, amount: int | None = None, *, inquiry: bool = False) -> str:
        """The customer's bank takes a payment back, or only asks about it."""
        with self._lock:
            intent = self.find("payment_intents", intent_id)
            taken = amount or intent["amount"]
            dispute = self._of_payment("disputes", "du", "dispute", intent, taken)
            status = "warning_needs_response" if inquiry else "needs_response"
            dispute |= {"status": status, "reason": "fraudulent"}
            if not inquiry:
                self._balance("adjustment", -taken, DISPUTE_FEE, intent["currency"], dispute["id"])
            self._happened("charge.dispute.created", dispute)
            return str(dispute["id"])

    def decide(self, dispute_id: str, status: str) -> None:
        """The bank decides: `won`, `lost` or `warning_closed`."""
        with self._lock:
            dispute = self.find("disputes", dispute_id)
            dispute["status"] = status
            if status == "won":
                amount, currency = dispute["amount"], dispute["currency"]
                self._balance("adjustment", amount, 0, currency, dispute_id)
            self._happened("charge.dispute.closed", dispute)

    def pay_out(self, currency: str) -> str:
        """Pay out all that is left in a currency; the payout's id."""
        with self._lock:
            payout_id = _id("po")
            rows = [
                row
                for row in self._objects["balance_transactions"]
                if row["payout"] is None and row["currency"] == currency
            ]
            net = sum(row["net"] for row in rows)
            for row in rows:
                row["payout"] = payout_id
            payout = self._add("payouts", payout_id, object="payout", automatic=True)
            payout |= {"amount": net, "currency": currency, "status": "paid"}
            payout |= {"arrival_date": payout["created"], "statement_descriptor": "NORTHWIND"}
            moved = self._balance("payout", -net, 0, currency, payout_id)
            moved["payout"] = payout_id
            self._happened("payout.paid", payout)
            return payout_id

    def fail_payout(self, payout_id: str) -> None:
        """The bank returns it."""
        with self._lock:
            payout = self.find("payouts", payout_id)
            payout |= {"status": "failed", "failure_code": "account_closed"}
            self._happened("payout.failed", payout)

    # --- what is kept -----------------------------------------------------------------------------

    def find(self, kind: str, object_id: str) -> Json:
        with self._lock:
            found = next((row for row in self._objects[kind] if row["id"] == object_id), None)
        if found is None:
            text = f"No such {kind.removesuffix('s')}: '{object_id}'"
            raise StripeError(404, "invalid_request_error", text, "resource_missing")
        return found

    def rows(self, kind: str) -> list[Json]:
        """The newest first."""
        with self._lock:
            return list(reversed(self._objects[kind]))

    def add_link(self, form: Mapping[str, str], key: str) -> Json:
        """A payment link, once for each key."""
        given = _nested(form)
        with self._lock:
            if key in self._keys:
                asked, answer = self._keys[key]
                if asked != given:
                    text = "Keys for idempotent requests can only be used with the same parameters"
                    raise StripeError(400, "idempotency_error", text)
                return answer
            link = self._link(given)
            if key:
                self._keys[key] = (given, link)
            return link

    def _link(self, given: Json) -> Json:
        items = given.get("line_items") or {}
        price = (items.get("0") or {}).get("price_data") or {}
        amount, currency = str(price.get("unit_amount", "")), str(price.get("currency", ""))
        if not amount.isdigit() or not currency:
            text = "Missing required param: line_items[0][price_data]."
            raise StripeError(400, "invalid_request_error", text, "parameter_missing")
        limit = (given.get("restrictions") or {}).get("completed_sessions")
        intent = given.get("payment_intent_data") or {}
        link_id = _id("plink")
        link = self._add("payment_links", link_id, object="payment_link", active=True)
        link |= {"url": f"https://buy.stripe.com/{link_id}", "metadata": given.get("metadata", {})}
        link |= {"amount": int(amount), "currency": currency, "paid": 0}
        link["restrictions"] = (
            {"completed_sessions": {"limit": int(limit["limit"])}} if limit else None
        )
        link["payment_intent_data"] = {
            "metadata": intent.get("metadata", {}),
            "description": intent.get("description"),
        }
        return link

    def count(self) -> None:
        """Raises StripeError for a call beyond the limit."""
        with self._lock:
            if self.calls_left is None:
                return
            if self.calls_left <= 0:
                raise StripeError(429, "invalid_request_error", "Too many requests", "rate_limit")
            self.calls_left -= 1

    # --- events -----------------------------------------------------------------------------------

    def event(self, object_id: str) -> Json:
        """The newest event about an object."""
        for event in self.rows("events"):
            if event["data"]["object"]["id"] == object_id:
                return event
        raise LookupError(object_id)

    def _happened(self, kind: str, about: Json) -> None:
        event = self._add("events", _id("evt"), object="event", type=kind)
        event |= {"data": {"object": json.loads(json.dumps(about))}, "api_version": None}
        event |= {"pending_webhooks": 1, "request": {"id": None, "idempotency_key": None}}

    def _of_payment(self, kind: str, prefix: str, name: str, intent: Json, amount: int) -> Json:
        made = self._add(kind, _id(prefix), object=name, amount=amount)
        made |= {"currency": intent["currency"], "payment_intent": intent["id"]}
        made |= {"charge": intent["latest_charge"], "metadata": {}}
        return made

    def _balance(self, kind: str, amount: int, fee: int, currency: str, source: str) -> Json:
        made = self._add("balance_transactions", _id("txn"), object="balance_transaction")
        made |= {"type": kind, "amount": amount, "fee": fee, "net": amount - fee}
        made |= {"currency": currency, "source": source, "payout": None, "status": "available"}
        return made

    def _add(self, kind: str, object_id: str, **fields: Any) -> Json:
        created = int(self.now().timestamp())
        made: Json = {"id": object_id, "created": created, "livemode": False, **fields}
        self._objects[kind].append(made)
        return made


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def _nested(form: Mapping[str, str]) -> Json:
    """What a form's names such as `a[0][b]` mean."""
    found: Json = {}
    for name, value in form.items():
        head, *rest = [name.partition("[")[0], *_PART.findall(name)]
        place = found
        for part in [head, *rest][:-1]:
            place = place.setdefault(part, {})
        place[[head, *rest][-1]] = value
    return found


def signed(event: Json, secret: str, at: datetime | None = None) -> tuple[bytes, dict[str, str]]:
    """An event as Stripe posts it: body and headers."""
    body = json.dumps(event).encode()
    seconds = int((at or datetime.now(UTC)).timestamp())
    digest = hmac.digest(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    header = f"t={seconds},v1={digest.hex()},v0=test"
    return body, {"Content-Type": "application/json", "Stripe-Signature": header}


# --- HTTP -----------------------------------------------------------------------------------------


def stripe_app(store: StripeStore) -> Starlette:
    """The API of version 1."""

    route = partial(endpoint, store, _check)
    return Starlette(
        routes=[
            route("/v1/payment_links", _create_link, "POST"),
            route("/v1/{kind}", _list),
            route("/v1/{kind}/{id}", _read),
        ]
    )


def _check(store: StripeStore, request: Request) -> None:
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {store.api_key}".encode()):
        raise StripeError(401, "invalid_request_error", "Invalid API Key provided")
    kind = request.path_params.get("kind", "payment_links")
    if kind not in _LISTS:
        raise StripeError(404, "invalid_request_error", f"Unrecognized request URL (/{kind})")
    if kind in store.denied:
        text = f"The provided key does not have the required permissions for {kind}."
        raise StripeError(403, "invalid_request_error", text)


async def _read(store: StripeStore, request: Request) -> Response:
    found = dict(store.find(request.path_params["kind"], request.path_params["id"]))
    asked = [value for name, value in request.query_params.multi_items() if "expand[" in name]
    if asked == ["latest_charge"] and found["latest_charge"]:
        found["latest_charge"] = store.find("charges", found["latest_charge"])
    return JSONResponse(found)


async def _list(store: StripeStore, request: Request) -> Response:
    kind, query = request.path_params["kind"], request.query_params
    size = int(query.get("limit", "10"))
    if not 1 <= size <= 100:
        raise StripeError(400, "invalid_request_error", "limit must be between 1 and 100")
    since = int(query.get("created[gte]", "0"))
    types = [value for name, value in query.multi_items() if name.startswith("types[")]
    found = [
        row
        for row in store.rows(kind)
        if row["created"] >= since
        and all(query.get(name) in (None, row.get(name)) for name in _LISTS[kind])
        and (not types or row["type"] in types)
    ]
    after = query.get("starting_after")
    if after:
        ids = [row["id"] for row in store.rows(kind)]
        if after not in ids:
            raise StripeError(400, "invalid_request_error", f"No such object: '{after}'")
        behind = set(ids[ids.index(after) + 1 :])
        found = [row for row in found if row["id"] in behind]
    page = {"object": "list", "url": request.url.path, "has_more": len(found) > size}
    return JSONResponse({**page, "data": found[:size]})


async def _create_link(store: StripeStore, request: Request) -> Response:
    form = {name: str(value) for name, value in (await request.form()).items()}
    return JSONResponse(store.add_link(form, request.headers.get("idempotency-key", "")))

"""A stand-in for GoCardless: payments by page, refunds, chargebacks, payouts, limits, events.

Held to GoCardless' own client (tests/connectors/test_gocardless.py). It is a model of what we use,
no more: nobody signs a mandate, and what customers and banks do is said by `pay`, `set_status` and
`pay_out`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from threading import RLock
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.endpoints import ApiError, endpoint

Json = dict[str, Any]

VERSION = "2015-07-06"
FEE_PERCENT = 1
_LISTS = {
    "payments": (),
    "refunds": ("payment",),
    "payouts": (),
    "events": (),
    "billing_request_templates": (),
}
"""What each list can be narrowed by."""
_PREFIXES = {
    "payments": "PM",
    "refunds": "RF",
    "payouts": "PO",
    "events": "EV",
    "billing_request_templates": "BRT",
}
_LONGEST_KEY = 128
_MINUTE = timedelta(minutes=1)


class GoCardlessError(ApiError):
    """An error as GoCardless answers it."""

    def __init__(
        self, status: int, kind: str, message: str, *, links: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        reason = {"reason": kind, "message": message, **({"links": links} if links else {})}
        self.body = {
            "error": {
                "message": message,
                "errors": [reason],
                "type": "invalid_state" if links else kind,
                "code": status,
                "request_id": secrets.token_hex(8),
                "documentation_url": "https://developer.gocardless.com/#errors",
            }
        }


class GoCardlessStore:
    """One creditor, in memory. Thread-safe. `calls_left` is what is left of the minute's calls;
    None: no limit. What is in `denied` the token may not read."""

    def __init__(
        self, token: str = "", *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.token = token or f"sandbox_{secrets.token_hex(12)}"
        self.calls_left: int | None = None
        self.denied: set[str] = set()
        self.now = now
        self._objects: dict[str, list[Json]] = {kind: [] for kind in _LISTS}
        self._keys: dict[str, str] = {}
        self._lock = RLock()

    # --- what customers and banks do --------------------------------------------------------------

    def pay(self, template_id: str) -> str:
        """Pay on the page of a template; the payment's id."""
        template = self.find("billing_request_templates", template_id)
        payment_id = self.charge(
            int(template["payment_request_amount"]),
            template["payment_request_currency"],
            template["payment_request_metadata"],
            template["payment_request_description"],
        )
        self.set_status(payment_id, "confirmed")
        return payment_id

    def charge(
        self,
        amount: int,
        currency: str,
        metadata: Mapping[str, str] | None = None,
        description: str = "",
    ) -> str:
        """A payment that is on its way."""
        with self._lock:
            payment = self._add(
                "payments",
                amount=amount,
                amount_refunded=0,
                currency=currency,
                charge_date=str(self.now().date()),
                description=description or None,
                metadata=dict(metadata or {}),
                reference=None,
                status="pending_submission",
                links={"creditor": "CR123", "mandate": "MD123"},
            )
            self._happened("payments", payment, "created")
            return str(payment["id"])

    def set_status(self, payment_id: str, status: str, action: str = "") -> None:
        """What became of a payment: `confirmed`, `failed`, `charged_back`, `paid_out`..."""
        with self._lock:
            payment = self.find("payments", payment_id)
            payment["status"] = status
            self._happened("payments", payment, action or status)

    def refund(self, payment_id: str, amount: int) -> str:
        """Give a part of a payment back."""
        with self._lock:
            payment = self.find("payments", payment_id)
            payment["amount_refunded"] += amount
            refund = self._add(
                "refunds",
                amount=amount,
                currency=payment["currency"],
                metadata={},
                reference=None,
                status="submitted",
                links={"payment": payment_id, "mandate": "MD123"},
            )
            self._happened("refunds", refund, "created")
            return str(refund["id"])

    def return_refund(self, refund_id: str) -> None:
        """The customer's bank does not take it."""
        with self._lock:
            refund = self.find("refunds", refund_id)
            refund["status"] = "funds_returned"
            self._happened("refunds", refund, "funds_returned")

    def pay_out(self, currency: str) -> str:
        """Pay out all payments that are confirmed in a currency, less their refunds and the fees;
        the payout's id."""
        with self._lock:
            paid = [
                row
                for row in self._objects["payments"]
                if row["status"] == "confirmed" and row["currency"] == currency
            ]
            gross = sum(row["amount"] - row["amount_refunded"] for row in paid)
            fees = max(gross * FEE_PERCENT // 100, 1)
            payout = self._add(
                "payouts",
                amount=gross - fees,
                deducted_fees=fees,
                currency=currency,
                arrival_date=str(self.now().date()),
                payout_type="merchant",
                reference="NORTHWIND-GC",
                status="paid",
                metadata={},
                links={"creditor": "CR123", "creditor_bank_account": "BA123"},
            )
            for row in paid:
                self.set_status(row["id"], "paid_out")
            self._happened("payouts", payout, "paid")
            return str(payout["id"])

    def bounce(self, payout_id: str) -> None:
        """The bank returns a payout."""
        with self._lock:
            payout = self.find("payouts", payout_id)
            payout["status"] = "bounced"
            self._happened("payouts", payout, "bounced")

    # --- what is kept -----------------------------------------------------------------------------

    def find(self, kind: str, object_id: str) -> Json:
        with self._lock:
            found = next((row for row in self._objects[kind] if row["id"] == object_id), None)
        if found is None:
            raise GoCardlessError(404, "invalid_api_usage", "Resource not found")
        return found

    def rows(self, kind: str) -> list[Json]:
        """The newest first."""
        with self._lock:
            return list(reversed(self._objects[kind]))

    def add_template(self, given: Json, key: str) -> Json:
        """A page to pay on, once for each key."""
        with self._lock:
            if len(key) > _LONGEST_KEY:
                raise GoCardlessError(400, "invalid_api_usage", "Idempotency-Key is too long")
            if key and key in self._keys:
                text = "A resource has already been created with this idempotency key"
                links = {"conflicting_resource_id": self._keys[key]}
                raise GoCardlessError(409, "idempotent_creation_conflict", text, links=links)
            amount = str(given.get("payment_request_amount", ""))
            if not amount.isdigit() or not given.get("payment_request_currency"):
                raise GoCardlessError(422, "validation_failed", "Validation failed")
            for metadata in (given.get("metadata"), given.get("payment_request_metadata")):
                _check_metadata(metadata or {})
            template = self._add("billing_request_templates", **given)
            template["authorisation_url"] = f"https://pay.gocardless.com/{template['id']}"
            if key:
                self._keys[key] = template["id"]
            return template

    def count(self) -> None:
        """Raises GoCardlessError for a call beyond the limit."""
        with self._lock:
            if self.calls_left is None:
                return
            if self.calls_left <= 0:
                raise GoCardlessError(429, "invalid_api_usage", "Rate limit exceeded")
            self.calls_left -= 1

    # --- events -----------------------------------------------------------------------------------

    def event(self, object_id: str) -> Json:
        """The newest event about an object."""
        for event in self.rows("events"):
            if object_id in event["links"].values():
                return event
        raise LookupError(object_id)

    def _happened(self, kind: str, about: Json, action: str) -> None:
        self._add(
            "events",
            resource_type=kind,
            action=action,
            links={kind.removesuffix("s"): about["id"]},
            details={"origin": "gocardless", "cause": f"{kind}_{action}", "description": action},
            metadata={},
            resource_metadata={},
        )

    def _add(self, kind: str, **fields: Any) -> Json:
        object_id = f"{_PREFIXES[kind]}{secrets.token_hex(8).upper()}"
        created = self.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        made: Json = {"id": object_id, "created_at": created, **fields}
        self._objects[kind].append(made)
        return made


def _check_metadata(metadata: Mapping[str, str]) -> None:
    """Up to three, of 50 and 500 characters."""
    is_right = len(metadata) <= 3 and all(
        len(name) <= 50 and isinstance(text, str) and len(text) <= 500
        for name, text in metadata.items()
    )
    if not is_right:
        raise GoCardlessError(422, "validation_failed", "metadata is invalid")


def signed(events: Sequence[Json], secret: str) -> tuple[bytes, dict[str, str]]:
    """Events as GoCardless posts them: body and headers."""
    webhook = {"events": list(events), "meta": {"webhook_id": f"WB{secrets.token_hex(6)}"}}
    body = json.dumps(webhook).encode()
    digest = hmac.digest(secret.encode(), body, hashlib.sha256)
    return body, {"Content-Type": "application/json", "Webhook-Signature": digest.hex()}


# --- HTTP -----------------------------------------------------------------------------------------


def gocardless_app(store: GoCardlessStore) -> Starlette:
    """The API of the version of 2015."""

    route = partial(endpoint, store, _check, limits=_limits)
    return Starlette(
        routes=[
            route("/billing_request_templates", _create, "POST"),
            route("/{kind}", _list),
            route("/{kind}/{id}", _read),
        ]
    )


def _limits(store: GoCardlessStore) -> dict[str, str]:
    reset = format_datetime(datetime.now(UTC) + _MINUTE, usegmt=True)
    left = 999 if store.calls_left is None else max(store.calls_left, 0)
    return {
        "ratelimit-limit": "1000",
        "ratelimit-remaining": str(left),
        "ratelimit-reset": reset,
    }


def _check(store: GoCardlessStore, request: Request) -> None:
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {store.token}".encode()):
        raise GoCardlessError(401, "invalid_api_usage", "The access token you've used is not valid")
    if request.headers.get("gocardless-version") != VERSION:
        raise GoCardlessError(400, "invalid_api_usage", "Version header not found")
    kind = request.path_params.get("kind", "billing_request_templates")
    if kind not in _LISTS:
        raise GoCardlessError(404, "invalid_api_usage", "Path not found")
    if kind in store.denied:
        raise GoCardlessError(403, "invalid_api_usage", "Forbidden request")


async def _read(store: GoCardlessStore, request: Request) -> Response:
    kind = request.path_params["kind"]
    found = store.find(kind, request.path_params["id"])
    return JSONResponse({kind: found}, headers=_limits(store))


async def _list(store: GoCardlessStore, request: Request) -> Response:
    kind, query = request.path_params["kind"], request.query_params
    size = int(query.get("limit", "50"))
    if not 1 <= size <= 500:
        raise GoCardlessError(422, "validation_failed", "limit must be between 1 and 500")
    since = datetime.fromisoformat(query.get("created_at[gte]", "1970-01-01T00:00:00Z"))
    found = [
        row
        for row in store.rows(kind)
        if datetime.fromisoformat(row["created_at"]) >= since
        and all(query.get(name) in (None, row["links"].get(name)) for name in _LISTS[kind])
    ]
    after = query.get("after")
    if after:
        ids = [row["id"] for row in found]
        found = found[ids.index(after) + 1 :] if after in ids else []
    more = found[size - 1]["id"] if len(found) > size else None
    meta = {"cursors": {"before": None, "after": more}, "limit": size}
    return JSONResponse({kind: found[:size], "meta": meta}, headers=_limits(store))


async def _create(store: GoCardlessStore, request: Request) -> Response:
    kind = "billing_request_templates"
    given = (await request.json()).get(kind) or {}
    made = store.add_template(given, request.headers.get("idempotency-key", ""))
    return JSONResponse({kind: made}, 201, headers=_limits(store))

"""Signs requests as each sender does, for tests: written from the senders' pages, not from ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateways.webhooks.schemes import SignedRequest

SECRET = "test_secret_123"
BODY = b'{"id":"evt_1","type":"invoice.paid"}'
AT = datetime.fromtimestamp(1767225600, UTC)
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
URL = "https://c2c.example/webhooks/hubspot"


def mac(secret: str | bytes, signed: bytes) -> bytes:
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.new(key, signed, hashlib.sha256).digest()


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def standard_headers(
    body: bytes, at: datetime, *, id: str = "msg_1", secret: str = STANDARD_SECRET
) -> dict[str, str]:
    seconds = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = b64(mac(key, f"{id}.{seconds}.".encode() + body))
    return {
        "webhook-id": id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{signature}",
    }


def hubspot_headers(
    body: bytes, at: datetime, url: str = URL, secret: str = SECRET
) -> dict[str, str]:
    stamp = str(int(at.timestamp() * 1000))
    signed = b"POST" + url.encode() + body + stamp.encode()
    return {
        "x-hubspot-request-timestamp": stamp,
        "x-hubspot-signature-v3": b64(mac(secret, signed)),
    }


@dataclass(frozen=True)
class Signed:
    """How one sender signs: the headers (and the address) of a body at a time."""

    secret: str
    headers: Callable[[bytes, datetime, str], dict[str, str]]
    url: Callable[[str], str] = lambda secret: URL
    body: bytes = BODY

    def request(
        self, *, body: bytes | None = None, at: datetime = AT, secret: str = ""
    ) -> SignedRequest:
        used = secret or self.secret
        sent = self.body if body is None else body
        return SignedRequest("POST", self.url(used), self.headers(sent, at, used), sent)


def _stripe(body: bytes, at: datetime, secret: str) -> dict[str, str]:
    seconds = str(int(at.timestamp()))
    digest = mac(secret, f"{seconds}.".encode() + body).hex()
    return {"stripe-signature": f"t={seconds},v1={digest}"}


def dropbox_body(secret: str, time: str = "1767225600") -> bytes:
    kind = "signature_request_all_signed"
    event = {
        "event_time": time,
        "event_type": kind,
        "event_hash": mac(secret, (time + kind).encode()).hex(),
    }
    return json.dumps({"event": event}).encode()


SENDERS = {
    "standard_webhooks": Signed(
        STANDARD_SECRET, lambda body, at, secret: standard_headers(body, at, secret=secret)
    ),
    "stripe": Signed(SECRET, _stripe),
    "gocardless": Signed(
        SECRET, lambda body, at, secret: {"webhook-signature": mac(secret, body).hex()}
    ),
    "hubspot": Signed(SECRET, lambda body, at, secret: hubspot_headers(body, at, secret=secret)),
    "docusign": Signed(
        SECRET, lambda body, at, secret: {"x-docusign-signature-1": b64(mac(secret, body))}
    ),
    "shared_token": Signed(SECRET, lambda body, at, secret: {"clockify-signature": secret}),
    "secret_in_url": Signed(
        SECRET,
        lambda body, at, secret: {},
        url=lambda secret: f"https://c2c.example/x?secret={secret}",
    ),
}

"""Who sent a webhook: one function for each way of signing.

A scheme takes the request as it came, the secrets of which any may have been used (so that they
can be changed without a gap), and the time. It returns nothing, or raises NotVerified: for a wrong
signature, one that is missing or unreadable, and a time that is more than TOLERANCE away, in the
past or in the future. Signatures are compared in constant time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

TOLERANCE = timedelta(minutes=5)
STANDARD_PREFIX = "whsec_"


class NotVerified(Exception):
    """The request does not prove who sent it; the message is for our log only."""


@dataclass(frozen=True)
class SignedRequest:
    """A request as it is signed: `url` is the public one, `headers` have names in lower case,
    `body` is exactly what was received."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        value = self.headers.get(name.lower(), "")
        if not value:
            raise NotVerified(f"no {name}")
        return value


Scheme = Callable[[SignedRequest, Sequence[str], datetime], None]


def standard_webhooks(request: SignedRequest, secrets: Sequence[str], now: datetime) -> None:
    """Standard Webhooks: `v1,` and base64 HMAC of `id.timestamp.body`; several are separated by
    blanks. A secret is `whsec_` and base64."""
    sent_at = request.header("webhook-timestamp")
    _check_age(sent_at, now)
    signed = f"{request.header('webhook-id')}.{sent_at}.".encode() + request.body
    given = [
        signature.removeprefix("v1,")
        for signature in request.header("webhook-signature").split(" ")
        if signature.startswith("v1,")
    ]
    keys = [key for secret in secrets if (key := standard_key(secret)) is not None]
    _check(given, (_base64(_mac(key, signed)) for key in keys))


def stripe(request: SignedRequest, secrets: Sequence[str], now: datetime) -> None:
    """Stripe: `t=<seconds>,v1=<hex>` with several `v1` while a secret is changed; HMAC of
    `t.body`."""
    pairs = [part.strip().partition("=") for part in request.header("stripe-signature").split(",")]
    sent_at = next((value for name, _, value in pairs if name == "t"), "")
    _check_age(sent_at, now)
    signed = f"{sent_at}.".encode() + request.body
    given = [value for name, _, value in pairs if name == "v1"]
    _check(given, (_mac(secret.encode(), signed).hex() for secret in secrets))


def gocardless(request: SignedRequest, secrets: Sequence[str], now: datetime) -> None:
    """GoCardless: hex HMAC of the body; it signs no time."""
    given = [request.header("webhook-signature")]
    _check(given, (_mac(secret.encode(), request.body).hex() for secret in secrets))


def hubspot(request: SignedRequest, secrets: Sequence[str], now: datetime) -> None:
    """HubSpot, version 3: base64 HMAC of method, public address, body and time (milliseconds)."""
    sent_at = request.header("x-hubspot-request-timestamp")
    _check_age(sent_at, now, per_second=1000)
    signed = f"{request.method}{request.url}".encode() + request.body + sent_at.encode()
    given = [request.header("x-hubspot-signature-v3")]
    _check(given, (_base64(_mac(secret.encode(), signed)) for secret in secrets))


def docusign(request: SignedRequest, secrets: Sequence[str], now: datetime) -> None:
    """DocuSign Connect: base64 HMAC of the body, one numbered header for each of its keys."""
    prefix = "x-docusign-signature-"
    given = [value for name, value in request.headers.items() if name.startswith(prefix)]
    _check(given, (_base64(_mac(secret.encode(), request.body)) for secret in secrets))


def dropbox_sign(request: SignedRequest, secrets: Sequence[str], now: datetime) -> None:
    """Dropbox Sign: hex HMAC of time and type, which stand in the form field `json` beside it.

    It does not sign the rest of the body: the object itself has to be fetched. `body` is that
    field's text. Its time is not checked: it repeats an event for 20 hours with the first time.
    """
    try:
        event = json.loads(request.body)["event"]
        given, signed = str(event["event_hash"]), f"{event['event_time']}{event['event_type']}"
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotVerified("no event in the body") from error
    _check([given], (_mac(secret.encode(), signed.encode()).hex() for secret in secrets))


def shared_token(header: str) -> Scheme:
    """A fixed token in a header, as Clockify and Dataverse send it."""

    def verify(request: SignedRequest, secrets: Sequence[str], now: datetime) -> None:
        _check([request.header(header)], secrets)

    return verify


def secret_in_url(parameter: str) -> Scheme:
    """A secret in the address, for a sender that can do nothing better, as Odoo."""

    def verify(request: SignedRequest, secrets: Sequence[str], now: datetime) -> None:
        query = parse_qsl(urlsplit(request.url).query)
        _check([value for name, value in query if name == parameter], secrets)

    return verify


def _check(given: Iterable[str], expected: Iterable[str]) -> None:
    """Raise unless one of the given signatures is one of those expected; all are compared."""
    wanted = [item.encode() for item in expected if item]
    is_right = False
    for signature in given:
        for item in wanted:
            is_right |= hmac.compare_digest(signature.encode("utf-8", "replace"), item)
    if not is_right:
        raise NotVerified("no signature is right")


def _check_age(sent_at: str, now: datetime, *, per_second: int = 1) -> None:
    if not (sent_at.isascii() and sent_at.isdigit() and len(sent_at) <= 15):
        raise NotVerified("the time is not a number")
    try:
        at = datetime.fromtimestamp(int(sent_at) / per_second, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise NotVerified("the time is no time") from error
    if abs(now - at) > TOLERANCE:
        raise NotVerified(f"sent at {at:%Y-%m-%d %H:%M:%S}, which is too far from now")


def _mac(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, hashlib.sha256)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def standard_key(secret: str) -> bytes | None:
    """The key in a secret of Standard Webhooks; None where it holds none."""
    try:
        return base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True) or None
    except (binascii.Error, ValueError):
        return None

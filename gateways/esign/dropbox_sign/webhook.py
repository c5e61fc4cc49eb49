"""Dropbox Sign's events: a form whose field `json` has the event, which alone is signed.

The signature covers the event's time and type, and nothing of the request that it is about: it is
a hint, and the request is read from Dropbox Sign.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_form

from contracts.events import ForEnvelope, InboundEvent
from contracts.signatures import EnvelopeStatus
from gateways.webhooks import schemes
from gateways.webhooks.received import Received, invalid
from gateways.webhooks.schemes import NotVerified, SignedRequest

_EVENTS = {
    "signature_request_sent": EnvelopeStatus.SENT,
    # All have signed a moment before; then there is no document yet.
    "signature_request_downloadable": EnvelopeStatus.COMPLETED,
    "signature_request_declined": EnvelopeStatus.DECLINED,
    "signature_request_canceled": EnvelopeStatus.VOIDED,
    "signature_request_expired": EnvelopeStatus.VOIDED,
}
_ID = re.compile(r"[A-Za-z0-9]{1,64}")


def verify(request: SignedRequest, secrets: Sequence[str], now: datetime) -> None:
    """The event's own hash, by the account's API key."""
    text = _field(request.headers, request.body)
    if text is None:
        raise NotVerified("no form with the field json")
    schemes.dropbox_sign(replace(request, body=text), secrets, now)


def parse(received: Received) -> list[InboundEvent]:
    """The event of a form; none for what a contract need not know, such as the test of an address.
    Raises InvalidContract for what cannot come from Dropbox Sign.

    The key is the request and how it stands: the sweep gives what it finds the same one.
    """
    payload = _payload(received)
    event = payload.get("event")
    kind = str(event.get("event_type")) if isinstance(event, dict) else ""
    status = _EVENTS.get(kind)
    if status is None:
        return []
    request_id = _request_id(payload.get("signature_request"))
    task = ForEnvelope(system=received.source, envelope_id=request_id, status=status)
    return [received.event(f"{request_id}-{status}", kind, task)]


def _payload(received: Received) -> dict[str, Any]:
    text = _field(received.headers, received.body)
    try:
        payload = json.loads(text or b"")
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise invalid("not_an_object", "json", "an object with event and signature_request")
    return payload


def _request_id(found: Any) -> str:
    value = found.get("signature_request_id") if isinstance(found, dict) else None
    if not isinstance(value, str) or not _ID.fullmatch(value):
        expected = "a signature request's id"
        raise invalid("value_malformed", "signature_request.signature_request_id", expected)
    return value


def _field(headers: Mapping[str, str], body: bytes) -> bytes | None:
    """The text of the form's field `json`; None where there is no such form."""
    found: list[bytes] = []

    def keep(field: Any) -> None:
        if field.field_name == b"json":
            found.append(field.value or b"")

    content_type = headers.get("content-type", "").encode("utf-8", "replace")
    try:
        parse_form({"Content-Type": content_type}, io.BytesIO(body), keep, lambda _: None)
    except (FormParserError, ValueError):
        return None
    return found[0] if found else None

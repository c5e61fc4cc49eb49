"""DocuSign Connect's messages: hints, which name an envelope and say what happened."""

from __future__ import annotations

import re
from typing import Any

from contracts.events import ForEnvelope, InboundEvent
from contracts.signatures import EnvelopeStatus
from gateways.webhooks.received import Received, invalid

_EVENTS = {
    "envelope-sent": EnvelopeStatus.SENT,
    "envelope-completed": EnvelopeStatus.COMPLETED,
    "envelope-declined": EnvelopeStatus.DECLINED,
    "envelope-voided": EnvelopeStatus.VOIDED,
}
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


def parse(received: Received) -> list[InboundEvent]:
    """The event of a message (its JSON in the form that DocuSign calls SIM); none for what a
    contract need not know. Raises InvalidContract for what cannot come from DocuSign.

    The key is the envelope and how it stands: the sweep gives what it finds the same one.
    """
    payload = received.json()
    if not isinstance(payload, dict):
        raise invalid("not_an_object", "", "an object with event and data")
    status = _EVENTS.get(str(payload.get("event")))
    if status is None:
        return []
    envelope_id = _envelope_id(payload.get("data"))
    task = ForEnvelope(system=received.source, envelope_id=envelope_id, status=status)
    return [received.event(f"{envelope_id}-{status}", str(payload["event"]), task)]


def _envelope_id(data: Any) -> str:
    found = data.get("envelopeId") if isinstance(data, dict) else None
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise invalid("value_malformed", "data.envelopeId", "an envelope's id")
    return found

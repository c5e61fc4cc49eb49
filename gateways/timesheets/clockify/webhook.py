"""Clockify's webhooks: hints, as a fixed token signs nothing of them. What changed is read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from contracts.events import ForTime, InboundEvent
from gateways.webhooks.received import Received, invalid

LOOK_BACK = timedelta(minutes=10)
"""How long before its webhook a change may have happened."""


def parse(received: Received) -> list[InboundEvent]:
    """The approval request that a webhook is about; none for what concerns no hours. Raises
    InvalidContract for what cannot come from Clockify."""
    payload = received.json()
    if not isinstance(payload, dict):
        raise invalid("not_an_object", "", "an object with an approval request")
    status = payload.get("status")
    if not isinstance(status, dict):
        return []
    request_id, state = payload.get("id"), status.get("state")
    if not isinstance(request_id, str) or not isinstance(state, str):
        raise invalid("value_malformed", "id", "an approval request's id and state")
    task = ForTime(system=received.source, since=received.at - LOOK_BACK)
    key = f"{request_id}-{state}-{_text(status.get('updatedAt'))}"
    return [received.event(key, f"approval request {state}", task)]


def _text(value: Any) -> str:
    return str(value or "")

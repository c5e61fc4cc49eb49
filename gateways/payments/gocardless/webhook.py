"""What GoCardless' webhooks mean: hints at objects, which are read as they are."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.events import InboundEvent
from gateways.payments.events import events_of
from gateways.payments.gocardless.events import change_of
from gateways.webhooks.received import Received, invalid

MAX_EVENTS = 500
"""GoCardless sends up to 250 in a request."""


def parse(received: Received) -> Sequence[InboundEvent]:
    """The events of the request that change what is booked."""
    body = received.json()
    rows = body.get("events") if isinstance(body, dict) else None
    if not isinstance(rows, list) or len(rows) > MAX_EVENTS:
        raise invalid("file_malformed", "events", f"a list of at most {MAX_EVENTS} events")
    return events_of(received, [change_of(row) for row in rows if isinstance(row, dict)])

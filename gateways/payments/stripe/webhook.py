"""What Stripe's webhooks mean: hints at objects, which are read as they are."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.events import InboundEvent
from gateways.payments.events import events_of
from gateways.payments.stripe.events import change_of
from gateways.webhooks.received import Received, invalid


def parse(received: Received) -> Sequence[InboundEvent]:
    """The one event of the request; none where it changes nothing that is booked."""
    body = received.json()
    if not isinstance(body, dict) or body.get("object") != "event":
        raise invalid("file_malformed", "", "an event of Stripe")
    return events_of(received, [change_of(body)])

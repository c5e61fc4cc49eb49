"""What processors' events become: each has the key that a sweep gives it too."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.events import ForPayment, InboundEvent
from contracts.processors import Change
from gateways.webhooks.received import Received


def events_of(received: Received, changes: Iterable[Change | None]) -> list[InboundEvent]:
    """The events of a webhook."""
    return [
        received.event(item.event_id, item.what, task_of(received.source, item))
        for item in changes
        if item is not None
    ]


def task_of(system: str, change: Change) -> ForPayment:
    return ForPayment(system=system, kind=change.kind, object_id=change.object_id)

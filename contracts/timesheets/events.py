"""What keeps hours from their place, as an event that waits for a person."""

from __future__ import annotations

import hashlib
from datetime import datetime

from contracts.events import ForTime, InboundEvent
from contracts.timesheets.entries import Unplaced


def unplaced_event(system: str, found: Unplaced, now: datetime) -> InboundEvent:
    """One event a subject, however many hours it keeps: it has the subject's key."""
    content = found.model_dump_json().encode()
    return InboundEvent(
        source=system,
        key=str(found.subject),
        kind=f"sweep: {found.code}",
        received_at=now,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        task=ForTime(system=system, since=found.since, unplaced=found),
    )

"""What keeps hours from their place, as an event that waits for a person."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime

from contracts.events import ForTime, InboundEvent
from contracts.timesheets.entries import MAX_WHY, Subject, SubjectKind, Unplaced


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


def uncompared(system: str, first: date, why: str) -> Unplaced:
    """A week whose hours cannot be compared."""
    return Unplaced(
        subject=Subject(kind=SubjectKind.DAYS, id=str(first)),
        code="time_week_uncompared",
        message=f"the hours of {system} in the week from {first} are not compared: {why[:MAX_WHY]}",
        since=datetime(first.year, first.month, first.day, tzinfo=UTC),
    )

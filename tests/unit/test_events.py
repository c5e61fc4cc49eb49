"""How long an event that cannot be applied yet is tried, and when people are shown it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.events import (
    SHOWN_AFTER,
    TRIED_FOR,
    Delivery,
    EventOutcome,
    EventRecord,
    ForOdoo,
    InboundEvent,
)
from contracts.sweeps import Kind

AT = datetime(2026, 5, 4, 10, tzinfo=UTC)


def record(outcome: EventOutcome = EventOutcome.WAITING) -> EventRecord:
    event = InboundEvent(
        source="odoo",
        key="k",
        kind="account.move",
        received_at=AT,
        sha256="ab",
        size=1,
        task=ForOdoo(kind=Kind.INVOICES, id=1),
    )
    return EventRecord(event=event, delivery=Delivery(outcome=outcome), since=AT)


def test_what_waits_is_tried_ever_less_often_and_at_last_by_people_only() -> None:
    waiting, now, waits = record(), AT, list[timedelta]()
    while (wait := waiting.next_attempt_in(now)) is not None:
        waits.append(wait)
        now += wait
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(seconds=2), timedelta(hours=1))
    assert 150 < len(waits) < 250
    assert now - AT >= TRIED_FOR
    assert waiting.needs_person(now)


def test_people_are_shown_what_waits_for_a_day() -> None:
    assert not record().needs_person(AT + SHOWN_AFTER - timedelta(seconds=1))
    assert record().needs_person(AT + SHOWN_AFTER)


def test_what_is_refused_is_shown_at_once_and_not_tried_again_by_itself() -> None:
    refused = record(EventOutcome.REFUSED)
    assert refused.needs_person(AT)
    assert refused.next_attempt_in(AT) is None
    assert refused.is_open


def test_what_is_parked_is_shown_at_once_and_tried_for_as_long_as_it_takes() -> None:
    parked = record(EventOutcome.PARKED)
    assert parked.is_open
    assert parked.needs_person(AT)
    assert parked.next_attempt_in(AT) == timedelta(seconds=2)
    assert parked.next_attempt_in(AT + 10 * TRIED_FOR) == timedelta(hours=1)


@pytest.mark.parametrize(
    "outcome",
    [
        EventOutcome.APPLIED,
        EventOutcome.NOTHING_TO_DO,
        EventOutcome.AFTER_CLOSE,
        EventOutcome.DISMISSED,
    ],
)
def test_what_is_done_with_needs_nobody(outcome: EventOutcome) -> None:
    done = record(outcome)
    assert not done.is_open
    assert not done.needs_person(AT + timedelta(days=30))
    assert done.next_attempt_in(AT) is None

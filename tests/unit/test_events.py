"""How long an event that cannot be applied yet is tried, and when people are shown it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.events import (
    ENVELOPE_TRIED_FOR,
    SHOWN_AFTER,
    TRIED_FOR,
    Delivery,
    EventOutcome,
    EventRecord,
    ForEnvelope,
    ForOdoo,
    InboundEvent,
    Task,
)
from contracts.signatures import EnvelopeStatus
from contracts.sweeps import Kind

AT = datetime(2026, 5, 4, 10, tzinfo=UTC)


DAY = timedelta(days=1)
SIGNED = ForEnvelope(system="docusign", envelope_id="e1", status=EnvelopeStatus.COMPLETED)


def record(
    outcome: EventOutcome = EventOutcome.WAITING,
    task: Task = ForOdoo(kind=Kind.INVOICES, id=1),  # noqa: B008 (frozen)
) -> EventRecord:
    event = InboundEvent(
        source="odoo",
        key="k",
        kind="account.move",
        received_at=AT,
        sha256="ab",
        size=1,
        task=task,
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


def test_a_signature_waits_a_year_for_its_deal() -> None:
    """After a week it is tried once a day: deals are won months after they are signed."""
    waiting, now, waits = record(task=SIGNED), AT, list[timedelta]()
    while (wait := waiting.next_attempt_in(now)) is not None:
        waits.append(wait)
        now += wait
    assert waits == sorted(waits)
    assert waits[-1] == DAY
    assert waits.count(DAY) == (ENVELOPE_TRIED_FOR - TRIED_FOR).days
    assert waiting.needs_person(AT + DAY)


def test_an_envelope_on_its_way_is_looked_at_each_day_and_needs_nobody() -> None:
    followed = record(EventOutcome.FOLLOWED, SIGNED)
    assert followed.is_open
    assert followed.next_attempt_in(AT + timedelta(days=100)) == DAY
    assert not followed.needs_person(AT + timedelta(days=100))


def test_people_are_shown_what_waits_for_a_day() -> None:
    assert not record().needs_person(AT + SHOWN_AFTER - timedelta(seconds=1))
    assert record().needs_person(AT + SHOWN_AFTER)


def test_what_is_refused_is_shown_at_once_and_not_tried_again_by_itself() -> None:
    refused = record(EventOutcome.REFUSED)
    assert refused.needs_person(AT)
    assert refused.next_attempt_in(AT) is None
    assert refused.is_open


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

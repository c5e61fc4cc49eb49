"""What webhooks of services for signatures did not tell: envelopes that came to an end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from functools import partial

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.esign import ChangedRequest, EsignActivities
    from contracts.events import ForEnvelope, InboundEvent
    from contracts.signatures import Envelopes, EnvelopeStatus
    from contracts.sweeps import ConnectorSweep, ConnectorSweepProgress, ConnectorSweepResult
    from workflows import options
    from workflows.received import receive
    from workflows.sweeps import Found, FoundPage, in_time, looked_through


@workflow.defn
class EsignSweepWorkflow:
    """Each envelope that came to an end becomes the event that its webhook would have been, under
    the same key: what was received already is not received again."""

    @workflow.run
    async def run(self, sweep: ConnectorSweep) -> ConnectorSweepResult:
        async def read(progress: ConnectorSweepProgress) -> FoundPage:
            since, after = progress.since, progress.after
            config = options.esign(f"envelopes that ended since {since:%Y-%m-%d %H:%M}")
            page = await workflow.execute_activity_method(
                EsignActivities.changed_envelopes,
                ChangedRequest(system=sweep.system, since=since, after=after),
                **in_time(config, progress.began_at),
            )
            return FoundPage(list(_found(sweep.system, page)), page.as_of, page.next)

        return await looked_through(sweep, read)


def _found(system: str, page: Envelopes) -> Iterator[Found]:
    """The envelopes of a page as events. One that names no deal is nobody's business here; one that
    cannot be read becomes an event that says so to people, once."""
    for item in page.envelopes:
        if item.deal is not None:
            content = item.model_dump_json()
            yield _event(
                system, item.envelope_id, item.status, item.status, content, item.changed_at
            )
    for envelope_id in page.unreadable:
        status = EnvelopeStatus.SENT  # How it stands is read when the event is delivered.
        yield _event(system, envelope_id, "unreadable", status, envelope_id, page.as_of)


def _event(
    system: str, envelope_id: str, kind: str, status: EnvelopeStatus, content: str, at: datetime
) -> Found:
    event = InboundEvent(
        source=system,
        key=f"{envelope_id}-{kind}",
        kind=f"sweep: {kind}",
        received_at=workflow.now(),
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        size=len(content.encode()),
        task=ForEnvelope(system=system, envelope_id=envelope_id, status=status),
    )
    return Found(event.key, at, partial(receive, event))

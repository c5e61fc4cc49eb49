"""What webhooks of services for signatures did not tell: envelopes that came to an end."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import partial

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.esign import ChangedRequest, EsignActivities
    from contracts.events import ForEnvelope, InboundEvent
    from contracts.signatures import Envelope
    from contracts.sweeps import ConnectorSweep, ConnectorSweepResult
    from workflows import options
    from workflows.events import receive
    from workflows.sweeps import Found, FoundPage, looked_through


@workflow.defn
class EsignSweepWorkflow:
    """Each envelope that came to an end becomes the event that its webhook would have been, under
    the same key: what was received already is not received again."""

    @workflow.run
    async def run(self, sweep: ConnectorSweep) -> ConnectorSweepResult:
        async def read(since: datetime, after: str) -> FoundPage:
            page = await workflow.execute_activity_method(
                EsignActivities.changed_envelopes,
                ChangedRequest(system=sweep.system, since=since, after=after),
                **options.esign(f"envelopes that ended since {since:%Y-%m-%d %H:%M}"),
            )
            # One that names no deal is nobody's business here.
            found = [_found(sweep.system, item) for item in page.envelopes if item.deal is not None]
            return FoundPage(found, page.as_of, page.next)

        return await looked_through(sweep, read)


def _found(system: str, envelope: Envelope) -> Found:
    event = _event(system, envelope, workflow.now())
    return Found(event.key, envelope.changed_at, partial(receive, event))


def _event(system: str, envelope: Envelope, now: datetime) -> InboundEvent:
    content = envelope.model_dump_json().encode()
    return InboundEvent(
        source=system,
        key=f"{envelope.envelope_id}-{envelope.status}",
        kind=f"sweep: {envelope.status}",
        received_at=now,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        task=ForEnvelope(system=system, envelope_id=envelope.envelope_id, status=envelope.status),
    )

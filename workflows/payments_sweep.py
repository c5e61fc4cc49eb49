"""What webhooks of payment processors did not tell."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import partial

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.processors import EventsRequest, ProcessorActivities
    from contracts.events import ForPayment, InboundEvent
    from contracts.processors import Change
    from contracts.sweeps import ConnectorSweep, ConnectorSweepProgress, ConnectorSweepResult
    from workflows import options
    from workflows.received import receive
    from workflows.sweeps import Found, FoundPage, in_time, looked_through


@workflow.defn
class PaymentsSweepWorkflow:
    """Each event of a processor becomes the one that its webhook would have been, under the same
    key: what was received already is not received again."""

    @workflow.run
    async def run(self, sweep: ConnectorSweep) -> ConnectorSweepResult:
        async def read(progress: ConnectorSweepProgress) -> FoundPage:
            since, after = progress.since, progress.after
            config = options.payments(f"events since {since:%Y-%m-%d %H:%M}")
            page = await workflow.execute_activity_method(
                ProcessorActivities.changed_payments,
                EventsRequest(system=sweep.system, since=since, after=after),
                **in_time(config, progress.began_at),
            )
            found = [_found(sweep.system, item) for item in page.changes]
            return FoundPage(found, page.as_of, page.next)

        return await looked_through(sweep, read)


def _found(system: str, change: Change) -> Found:
    event = _event(system, change, workflow.now())
    return Found(event.key, change.changed_at, partial(receive, event))


def _event(system: str, change: Change, now: datetime) -> InboundEvent:
    content = change.model_dump_json().encode()
    return InboundEvent(
        source=system,
        key=change.event_id,
        kind=f"sweep: {change.what}"[:100],
        received_at=now,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        task=ForPayment(system=system, kind=change.kind, object_id=change.object_id),
    )

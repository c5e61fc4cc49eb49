"""Once a day for each legal entity: the ends of all chains of the audit record are anchored."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.audit import Anchored, AnchorRequest, AuditActivities
    from activities.done import Done
    from contracts.audit.anchors import AnchorDue
    from workflows import options

_CALLS = 40
"""So many times as long as a single call an anchor may take: it lists all records."""


@workflow.defn
class AuditAnchorWorkflow:
    """Anchor, have it stamped, note it in Odoo. What is broken, and what cannot be done, fails the
    run, once all the rest is done."""

    @workflow.run
    async def run(self, due: AnchorDue) -> Anchored:
        at = workflow.now().isoformat(timespec="seconds")
        anchored = await workflow.execute_activity_method(
            AuditActivities.anchor,
            AnchorRequest(legal_entity=due.legal_entity, at=at),
            **options.records("anchor the audit record", calls=_CALLS),
        )
        # Each by itself: an authority that does not answer for hours keeps no note from Odoo.
        ended = await asyncio.gather(*_follow_up(anchored), return_exceptions=True)
        for failure in ended:
            if isinstance(failure, BaseException):
                raise failure
        return anchored


def _follow_up(anchored: Anchored) -> Iterator[Awaitable[Done]]:
    """What is to be done with an anchor, the gravest failure first."""
    if anchored.broken:
        yield workflow.execute_activity_method(
            AuditActivities.report_broken, anchored, **options.records("report what is broken")
        )
    if anchored.number and anchored.is_noted:
        yield workflow.execute_activity_method(
            AuditActivities.note_anchor, anchored, **options.records("note in Odoo")
        )
    if anchored.number and anchored.is_stamped:
        yield workflow.execute_activity_method(
            AuditActivities.stamp, anchored, **options.records("time stamp")
        )

"""Once a day for each legal entity: the ends of all chains of the audit record are anchored."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.audit import Anchored, AnchorRequest, AuditActivities
    from contracts.audit.anchors import AnchorDue
    from workflows import options

_CALLS = 40
"""So many times as long as a single call an anchor may take: it lists all records."""


@workflow.defn
class AuditAnchorWorkflow:
    """Anchor, have it stamped, note it in Odoo. What is broken fails the run, once the rest is
    anchored."""

    @workflow.run
    async def run(self, due: AnchorDue) -> Anchored:
        at = workflow.now().isoformat(timespec="seconds")
        anchored = await workflow.execute_activity_method(
            AuditActivities.anchor,
            AnchorRequest(legal_entity=due.legal_entity, at=at),
            **options.records("anchor the audit record", calls=_CALLS),
        )
        if anchored.number and anchored.is_stamped:
            await workflow.execute_activity_method(
                AuditActivities.stamp, anchored, **options.records("time stamp")
            )
        if anchored.number and anchored.is_noted:
            await workflow.execute_activity_method(
                AuditActivities.note_anchor, anchored, **options.records("note in Odoo")
            )
        if anchored.broken:
            await workflow.execute_activity_method(
                AuditActivities.report_broken, anchored, **options.records("report what is broken")
            )
        return anchored

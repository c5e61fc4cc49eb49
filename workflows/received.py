"""Events that sweeps find are received as those that webhooks bring."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from contracts.events import EventRecord, InboundEvent
    from workflows import options, search_attributes
    from workflows.events import EventWorkflow


async def receive(event: InboundEvent, *, again: bool = False) -> int:
    """Keep an event that a sweep found, and have it delivered; 0 where it was received before.
    `again`: one that is done with comes once more."""
    allowed = WorkflowIDReusePolicy.ALLOW_DUPLICATE
    try:
        await workflow.start_child_workflow(
            EventWorkflow.run,
            EventRecord(event=event, since=event.received_at),
            id=event.workflow_id,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            id_reuse_policy=allowed if again else WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=search_attributes.of_event(""),
            task_timeout=options.TASK_TIMEOUT,
            static_summary=f"{event.source}: {event.kind}"[:200],
            memo={"event": event.model_dump(mode="json", exclude={"task"})},
        )
    except WorkflowAlreadyStartedError:
        return 0
    return 1

"""Which invoices' workflows were ended by force: a contract that has begun another run since it
started them hears nothing of that."""

from __future__ import annotations

from pydantic import BaseModel
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus

_ENDED_BY_FORCE = (
    "WorkflowType = 'InvoiceWorkflow' "
    "AND ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut', 'Canceled')"
)
_MOST = 500
"""Looked at in one call; it happens by hand, and seldom."""


class LostRequest(BaseModel):
    """`known` are runs that were found before."""

    known: list[str]


class LostInvoice(BaseModel):
    """An invoice's workflow, and the run of it that was ended."""

    workflow_id: str
    run_id: str


class LostInvoices(BaseModel):
    found: list[LostInvoice]


@activity.defn
async def find_lost_invoices(request: LostRequest) -> LostInvoices:
    """The invoices whose workflows have ended by force, except known ones. The list of workflows
    may be late: each is looked at, as it may have been reset and run on."""
    client, known, found = activity.client(), set(request.known), []
    async for item in client.list_workflows(_ENDED_BY_FORCE, limit=_MOST):
        if item.run_id in known:
            continue
        now = await client.get_workflow_handle(item.id).describe()
        if now.status is not WorkflowExecutionStatus.RUNNING:
            found.append(LostInvoice(workflow_id=item.id, run_id=item.run_id))
    return LostInvoices(found=found)

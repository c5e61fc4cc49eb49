"""The figures of a legal entity over time, as its daily schedule has left them."""

from __future__ import annotations

from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    WorkflowExecutionStatus,
    WorkflowHandle,
)
from temporalio.service import RPCError, RPCStatusCode

from contracts.figures import Series
from starters.client.errors import NotFound
from starters.client.names import FIGURES_SCHEDULE


def schedule_id(entity: str) -> str:
    """The id of the schedule that measures a legal entity."""
    return f"{FIGURES_SCHEDULE}{entity}"


async def series(client: Client, entity: str) -> Series:
    """The series that the latest run has left; empty before the first. Raises NotFound where there
    is no schedule, and RPCError."""
    try:
        described = await client.get_schedule_handle(schedule_id(entity)).describe()
    except RPCError as error:
        raise _explained(error, entity) from error
    for item in reversed(described.info.recent_actions):
        if not isinstance(item.action, ScheduleActionExecutionStartWorkflow):
            continue
        handle: WorkflowHandle[object, Series] = client.get_workflow_handle(
            item.action.workflow_id,
            run_id=item.action.first_execution_run_id,
            result_type=Series,
        )
        if (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED:
            return await handle.result()
    return Series()


async def measure_now(client: Client, entity: str) -> None:
    """Let the schedule run now, beside its times. Raises NotFound and RPCError."""
    try:
        await client.get_schedule_handle(schedule_id(entity)).trigger()
    except RPCError as error:
        raise _explained(error, entity) from error


def _explained(error: RPCError, entity: str) -> Exception:
    if error.status is RPCStatusCode.NOT_FOUND:
        return NotFound(f"no schedule measures the figures of {entity}: run c2c setup")
    return error

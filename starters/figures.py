"""The figures of a legal entity over time, as its daily schedule has left them."""

from __future__ import annotations

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from contracts.figures import Series
from starters.client.errors import NotFound
from starters.client.names import FIGURES_SCHEDULE


def schedule_id(entity: str) -> str:
    """The id of the schedule that measures a legal entity."""
    return f"{FIGURES_SCHEDULE}{entity}"


async def series(client: Client, entity: str) -> Series:
    """The series that the latest run has left that did not fail; empty before the first. Raises
    NotFound where there is no schedule, and RPCError.

    Lists remember such a run as long as Temporal keeps what has ended, and the schedule itself only
    its last few, of which each may have failed.
    """
    name = schedule_id(entity)
    try:
        await client.get_schedule_handle(name).describe()
    except RPCError as error:
        raise _explained(error, entity) from error
    where = f"TemporalScheduledById = '{name}' AND ExecutionStatus = 'Completed'"
    async for run in client.list_workflows(where, limit=1):
        handle: WorkflowHandle[object, Series] = client.get_workflow_handle(
            run.id, run_id=run.run_id, result_type=Series
        )
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

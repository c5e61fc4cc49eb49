"""Months in seconds: moves the clock of one workflow forward, on a server that allows it.

The local stack's server does, and the tests'. Each workflow has a clock of its own: moving a
contract's leaves its invoices where they are. No server skips time while a child of the workflow
is pending, so a contract is asked to continue as new first: children do not follow that.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from contracts.identifiers import is_invoice_workflow_id
from starters.client import calls
from workflows.contract import ContractWorkflow

BY_HAND = TimeSkippingConfig(enabled=False, disable_propagation=True)
"""For a TimeSkipper: time is moved by hand only, and a workflow's children keep their own."""

_SKIP_SECONDS = 2
_REST_SECONDS = 60
_POLL_SECONDS = 0.05
_CLOSE_ENOUGH = timedelta(seconds=1)


class NeverAtRest(Exception):
    """A contract was asked to continue as new and did not; the message names it."""


async def forward(clocks: TimeSkipper, workflow_id: str, duration: timedelta) -> None:
    """Move a contract's or an invoice's clock forward, as far as it lives. Raises NeverAtRest."""
    target = await now(clocks, workflow_id) + duration
    has_children = not is_invoice_workflow_id(workflow_id)
    # Asked twice the server skips twice: only what a child may stop is asked again soon.
    patience = _SKIP_SECONDS if has_children else _REST_SECONDS
    handle = clocks.client.get_workflow_handle(workflow_id)
    while (left := target - await now(clocks, workflow_id)) > _CLOSE_ENOUGH:
        try:
            if has_children and not await _renewed(handle):
                return  # it has ended on the way
            async with asyncio.timeout(patience):
                await clocks.fast_forward(handle, left)
        except TimeoutError:
            continue  # a child that started on the way stops the skipping: look again
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND and "already completed" in error.message:
                return  # it has ended on the way
            if calls.NOT_YET not in error.message:
                raise
            await asyncio.sleep(_POLL_SECONDS)  # the new run has yet to begin


async def now(clocks: TimeSkipper, workflow_id: str) -> datetime:
    """The workflow's own time (aware, UTC), as of its latest event."""
    history = await clocks.client.get_workflow_handle(workflow_id).fetch_history()
    latest = history.events[-1]
    if latest.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED:
        # The event that moves the clock carries the time before; one that only ends the skipping
        # has no target.
        skipped = latest.workflow_execution_time_skipping_transitioned_event_attributes
        if skipped.HasField("target_time"):
            return skipped.target_time.ToDatetime(UTC)
    return latest.event_time.ToDatetime(UTC)


async def _renewed(handle: WorkflowHandle[Any, Any]) -> bool:
    """Let the contract continue as new if it has pending children; False if it has ended."""
    before = await handle.describe()
    if not before.raw_description.pending_children:
        return True
    await handle.signal(ContractWorkflow.renew_run)
    deadline = time.monotonic() + _REST_SECONDS
    while (seen := await handle.describe()).run_id == before.run_id:
        if seen.status is not WorkflowExecutionStatus.RUNNING:
            return False  # the signal came with its last step
        if time.monotonic() > deadline:
            raise NeverAtRest(f"{handle.id} does not come to rest")
        await asyncio.sleep(_POLL_SECONDS)
    return True

"""F8: what comes while no worker is there arrives in one workflow task, and replays the same."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.update.v1 import UpdateRef
from temporalio.api.workflowservice.v1 import PollWorkflowExecutionUpdateRequest
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from contracts.contract.messages import CancelRequest
from contracts.contract.state import ContractOutcome, ContractStage
from faultlab import processes
from starters.client import C2C
from tests.temporal import temporal_server
from tests.world import contract_data
from wiring.settings import Settings
from workers import worker
from workers.worker import WORKFLOWS
from workflows import task_queues
from workflows.contract import ContractWorkflow


@pytest.fixture(scope="module")
async def alone() -> AsyncIterator[Client]:
    """A server that no other worker polls."""
    async with temporal_server() as environment:
        yield environment.client


async def has_come_to(client: Client, workflow_id: str, stage: ContractStage) -> None:
    while True:
        state = await C2C(client).contract(workflow_id).state()
        if state.stage is stage:
            return
        await asyncio.sleep(0.05)


async def is_held(client: Client, workflow_id: str, update_id: str) -> None:
    """Wait until the server holds an Update for whichever worker comes."""
    request = PollWorkflowExecutionUpdateRequest(namespace=client.namespace)
    request.update_ref.CopyFrom(UpdateRef(update_id=update_id))
    request.update_ref.workflow_execution.workflow_id = workflow_id
    while True:
        with contextlib.suppress(RPCError):
            await client.workflow_service.poll_workflow_execution_update(request)
            return
        await asyncio.sleep(0.05)


def of_one_task(history: WorkflowHistory, *kinds: str) -> bool:
    """Whether events of all these kinds lie between two starts of workflow tasks."""
    found: set[str] = set()
    for event in history.events:
        kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_WORKFLOW_EXECUTION_")
        if kind == "EVENT_TYPE_WORKFLOW_TASK_STARTED" and "UPDATE_ACCEPTED" in found:
            break
        found.add(kind)
    return found >= set(kinds)


@pytest.mark.parametrize("stage", [ContractStage.VALIDATING, ContractStage.ACTIVE])
async def test_a_signal_and_two_updates_that_cancel_in_one_task_replay(
    alone: Client, sandbox_settings: Settings, stage: ContractStage
) -> None:
    is_under_way = stage is not ContractStage.ACTIVE
    async with contextlib.AsyncExitStack() as first:
        await first.enter_async_context(
            worker.running(alone, sandbox_settings, processes.WORKFLOWS)
        )
        if not is_under_way:
            await first.enter_async_context(
                worker.running(alone, sandbox_settings, task_queues.REMOTES)
            )
        workflow_id = (await C2C(alone).start(contract_data())).workflow_id
        await has_come_to(alone, workflow_id, stage)
    handle = alone.get_workflow_handle_for(ContractWorkflow.run, workflow_id)
    requests = [CancelRequest(by=f"{name}@northwind.example") for name in ("sam", "pia", "ana")]
    await handle.signal("cancel_requested", requests[0])
    told: list[asyncio.Task[ContractOutcome]] = []
    for number, request in enumerate(requests[1:], start=1):
        update = handle.execute_update(
            ContractWorkflow.request_cancel, request, id=f"cancel-{number}"
        )
        told.append(asyncio.create_task(update))
        await is_held(alone, workflow_id, f"cancel-{number}")
    async with worker.running(alone, sandbox_settings):
        await asyncio.gather(*told)  # neither is refused: it is what they want already
        assert (await handle.result()).stage is ContractStage.CANCELLED
    history = await handle.fetch_history()
    assert of_one_task(history, "SIGNALED", "UPDATE_ACCEPTED", "UPDATE_COMPLETED")
    replayer = Replayer(
        workflows=WORKFLOWS,
        data_converter=pydantic_data_converter,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    await replayer.replay_workflow(history)

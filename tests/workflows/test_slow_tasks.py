"""A workflow task that takes long, as on a busy machine, ends and is not interrupted."""

from __future__ import annotations

import asyncio
import time

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.worker import Worker

from tests.world import unique
from workers.slow_tasks import PATIENCE_SECONDS, be_patient
from workers.worker import workflow_runner
from workflows import options

SECONDS = 2.5
"""Longer than the SDK waits if nobody says otherwise."""


@workflow.defn(sandboxed=False)
class Slow:
    @workflow.run
    async def run(self) -> str:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            sum(range(1_000))
        return "done"


@pytest.mark.long
async def test_a_workflow_task_that_takes_long_is_not_interrupted(temporal_client: Client) -> None:
    name = unique("slow")
    worker = Worker(
        temporal_client, task_queue=name, workflows=[Slow], workflow_runner=workflow_runner()
    )
    be_patient(worker)
    async with worker:
        handle = await temporal_client.start_workflow(Slow.run, id=name, task_queue=name)
        async with asyncio.timeout(30):
            assert await handle.result() == "done"
    events = [event.event_type for event in (await handle.fetch_history()).events]
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in events


def test_the_engine_gives_a_task_up_before_it_is_taken_for_endless() -> None:
    assert options.TASK_TIMEOUT.total_seconds() < PATIENCE_SECONDS

"""Every activity beats: a long one is not taken for dead, and stops nobody else."""

from __future__ import annotations

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.heartbeat import HeartbeatInterceptor

_HEARTBEAT = timedelta(seconds=1)
_SLOW_SECONDS = 4.0


@activity.defn
def slow() -> int:
    """Blocks its thread for several heartbeat timeouts, as a call to a busy remote does."""
    time.sleep(_SLOW_SECONDS)
    return activity.info().attempt


@activity.defn
async def patient() -> int:
    """Waits in the event loop, as an activity does that asks the engine."""
    await asyncio.sleep(_SLOW_SECONDS)
    return activity.info().attempt


@workflow.defn
class Slow:
    @workflow.run
    async def run(self, name: str) -> int:
        attempt: int = await workflow.execute_activity(
            name,
            result_type=int,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=_HEARTBEAT,
        )
        return attempt


@pytest.mark.long
@pytest.mark.parametrize("name", ["slow", "patient"])
async def test_a_long_activity_is_not_tried_again_and_the_loop_stays_free(
    temporal_client: Client, name: str
) -> None:
    queue = f"liveness-{uuid.uuid4().hex[:6]}"
    with ThreadPoolExecutor(2) as pool:
        async with Worker(
            temporal_client,
            task_queue=queue,
            workflows=[Slow],
            activities=[slow, patient],
            activity_executor=pool,
            interceptors=[HeartbeatInterceptor()],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            running = asyncio.create_task(
                temporal_client.execute_workflow(Slow.run, name, id=queue, task_queue=queue)
            )
            longest, before = 0.0, time.monotonic()
            while not running.done():
                await asyncio.sleep(0.05)
                longest, before = max(longest, time.monotonic() - before), time.monotonic()
            assert await running == 1
    assert longest < _SLOW_SECONDS / 2, "a beat held the event loop up"

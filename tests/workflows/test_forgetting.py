"""What a worker forgets is gone from memory, without a search for garbage; and it is read again."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from tests.world import unique
from workers.forgetting import let_go
from workers.query_cache_guard import keep_behind
from workers.worker import workflow_runner

CACHED, STARTED = 3, 12


@workflow.defn(sandboxed=False)
class Waiting:
    """Waits for a Signal, with all that makes parts of a workflow refer to each other."""

    alive: ClassVar[weakref.WeakSet[Waiting]] = weakref.WeakSet()

    def __init__(self) -> None:
        Waiting.alive.add(self)
        self.is_over = False

    @workflow.run
    async def run(self) -> str:
        async def beside() -> None:
            await workflow.sleep(timedelta(days=30))

        task = asyncio.create_task(beside())
        await workflow.wait_condition(lambda: self.is_over)
        task.cancel()
        return "over"

    @workflow.signal
    def end(self) -> None:
        self.is_over = True

    @workflow.query
    def waits(self) -> bool:
        return not self.is_over


@pytest.fixture
def without_search() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_search")
async def test_what_is_forgotten_is_gone_and_read_again(temporal_client: Client) -> None:
    queue = unique("forgetting")
    worker = Worker(
        temporal_client,
        task_queue=queue,
        workflows=[Waiting],
        max_cached_workflows=CACHED,
        workflow_runner=workflow_runner(sandboxed=False),
    )
    keep_behind(worker)
    let_go(worker)
    async with worker:
        handles = [
            await temporal_client.start_workflow(
                Waiting.run, id=f"{queue}-{number}", task_queue=queue
            )
            for number in range(STARTED)
        ]
        for handle in [*handles, *handles]:
            assert await handle.query(Waiting.waits)
        assert len(Waiting.alive) <= CACHED + 1
        for handle in handles:
            await handle.signal(Waiting.end)
        assert {await handle.result() for handle in handles} == {"over"}

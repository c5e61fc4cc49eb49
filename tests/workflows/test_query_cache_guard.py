"""A Query never puts what a worker has in memory ahead of the workflow's history."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest
from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.client import Client
from temporalio.worker import Worker

from tests.world import unique
from workers.query_cache_guard import Ahead, keep_behind
from workers.worker import workflow_runner

ROUNDS = 12


@workflow.defn(sandboxed=False)
class Counter:
    """Counts Signals; ends when there were enough."""

    made: ClassVar[int] = 0
    """How often it was read from its history, or begun."""

    def __init__(self) -> None:
        self.signals = 0
        Counter.made += 1

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.signals >= ROUNDS)
        return self.signals

    @workflow.signal
    def count(self) -> None:
        self.signals += 1

    @workflow.query
    def counted(self) -> int:
        return self.signals


def told(kind: str, length: int, second: int) -> WorkflowActivation:
    activation = WorkflowActivation(run_id="run", history_length=length)
    activation.timestamp.FromSeconds(second)
    getattr(activation.jobs.add(), kind).SetInParent()
    return activation


@pytest.mark.parametrize(
    ("activations", "forgotten"),
    [
        ([("initialize_workflow", 3, 1), ("signal_workflow", 6, 1), ("query_workflow", 6, 1)], 1),
        ([("initialize_workflow", 3, 1), ("signal_workflow", 7, 2), ("query_workflow", 7, 2)], 0),
        # A local activity's result comes within its task.
        ([("initialize_workflow", 3, 1), ("resolve_activity", 3, 1), ("query_workflow", 3, 1)], 0),
        (
            [
                ("initialize_workflow", 3, 1),
                ("signal_workflow", 6, 1),
                ("query_workflow", 6, 1),
                ("remove_from_cache", 6, 1),
                ("initialize_workflow", 3, 1),
                ("query_workflow", 3, 1),
            ],
            1,
        ),
    ],
)
def test_new_events_at_an_unchanged_time_are_ahead_of_the_history(
    activations: list[tuple[str, int, int]], forgotten: int
) -> None:
    runs: list[str] = []
    ahead = Ahead(runs.append)
    for kind, length, second in activations:
        ahead.see(told(kind, length, second))
    assert runs == ["run"] * forgotten


@pytest.mark.long
async def test_a_workflow_that_a_query_put_ahead_is_read_anew(
    temporal_client: Client,
) -> None:
    """A Query waits for a worker, and meanwhile a Signal comes: whichever is served first."""
    queue = unique("ahead")

    def worker() -> Worker:
        made = Worker(
            temporal_client,
            task_queue=queue,
            workflows=[Counter],
            workflow_runner=workflow_runner(sandboxed=False),
        )
        keep_behind(made)
        return made

    async with worker():
        handle = await temporal_client.start_workflow(Counter.run, id=queue, task_queue=queue)
        assert await handle.query(Counter.counted) == 0
    made = []
    for _ in range(ROUNDS):
        Counter.made = 0
        asked = asyncio.create_task(handle.query(Counter.counted))
        await asyncio.sleep(0.3)  # it is sent, and waits for a worker
        await handle.signal(Counter.count)
        async with worker():
            await asked
            await handle.query(Counter.counted)
        made.append(Counter.made)
    async with worker():
        assert await handle.result() == ROUNDS
    # Once where its task came first, and once more where the Query did; at the end in any case.
    assert 2 in made[:-1]

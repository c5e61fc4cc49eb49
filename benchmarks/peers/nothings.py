"""Our engine alone: workflows of five activities that do nothing, in a program like the peers'."""

from __future__ import annotations

import asyncio
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from benchmarks.peers.serving import serve

QUEUE = "nothings"
THREADS = 100


@activity.defn
def do_nothing(number: int) -> int:
    return number


@workflow.defn
class FiveNothings:
    """What the engine alone costs."""

    @workflow.run
    async def run(self) -> None:
        for number in range(5):
            await workflow.execute_activity(
                do_nothing, number, start_to_close_timeout=timedelta(seconds=30)
            )


async def run_nothings(client: Client, count: int) -> None:
    """Start that many workflows at once, and wait for all."""
    batch = uuid.uuid4().hex
    await asyncio.gather(
        *(
            client.execute_workflow(FiveNothings.run, id=f"{batch}-{number}", task_queue=QUEUE)
            for number in range(count)
        )
    )


async def main() -> None:
    loop = asyncio.get_running_loop()
    address, namespace = os.environ["TEMPORAL_ADDRESS"], os.environ["TEMPORAL_NAMESPACE"]
    client = await Client.connect(address, namespace=namespace)

    def run(count: int) -> None:
        asyncio.run_coroutine_threadsafe(run_nothings(client, count), loop).result()

    with ThreadPoolExecutor(THREADS) as threads:
        async with Worker(
            client,
            task_queue=QUEUE,
            workflows=[FiveNothings],
            activities=[do_nothing],
            activity_executor=threads,
            max_concurrent_activities=THREADS,
        ):
            await asyncio.to_thread(serve, {"nothings": run})


if __name__ == "__main__":
    asyncio.run(main())

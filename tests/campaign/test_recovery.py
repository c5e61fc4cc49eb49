"""How long it takes until the next event is served: after a worker or a server was killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from contracts.contract.state import ContractStage
from faultlab import lab as labs
from faultlab.contract_generator import Flavour, drawn
from faultlab.lab import Lab
from faultlab.ledger import patiently
from faultlab.processes import NAMESPACE, WORKFLOWS, Worker
from faultlab.stall_monitor import StallMonitor
from workflows import task_queues

pytestmark = pytest.mark.timeout(600)

DRAINED_SECONDS = 1.0
WORKER_SECONDS = 5.0
SERVER_SECONDS = 15.0
ROUNDS, MOST_ROUNDS = 3, 6
LATER_SECONDS = 0.1


@pytest.fixture(scope="module")
async def lab(folder: Path) -> AsyncIterator[Lab]:
    async with labs.running(folder) as lab:
        yield lab


@pytest.fixture(scope="module")
async def contract(lab: Lab) -> str:
    """A contract that is active and waits, in the cache of the worker that served it."""
    contract_data = drawn(1, Flavour.HOURS).contract_data
    workflow_id = (await lab.c2c.start(contract_data)).workflow_id
    while True:
        state = await lab.c2c.contract(workflow_id).state()
        if state.stage is ContractStage.ACTIVE:
            return workflow_id
        await lab.changes.of(workflow_id, 1)


async def served(lab: Lab, workflow_id: str) -> None:
    """An event is taken: an Update that changes nothing any more."""
    contract = lab.c2c.contract(workflow_id)
    await patiently(lambda: contract.reach_milestone("m1", by="pia@northwind.example"))


async def seconds_after(lab: Lab, workflow_id: str, kill: Callable[[], Awaitable[object]]) -> float:
    """From the kill until the next event is served, in the best of some rounds: what else the
    machine has to do makes others slower, and nothing makes one faster than it can be."""
    taken = []
    for _ in range(ROUNDS):
        await served(lab, workflow_id)
        began = time.monotonic()
        await kill()
        await served(lab, workflow_id)
        taken.append(time.monotonic() - began)
    print(f"served after {', '.join(f'{item:.1f} s' for item in taken)}")
    return min(taken)


async def is_polled_by(lab: Lab, pid: int | None) -> None:
    """Wait until a worker asks for workflows."""
    request = DescribeTaskQueueRequest(
        namespace=NAMESPACE,
        task_queue=TaskQueue(name=task_queues.CONTRACTS),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    while True:
        described = await lab.client.workflow_service.describe_task_queue(request)
        if any(poller.identity.startswith(f"{pid}@") for poller in described.pollers):
            return
        await asyncio.sleep(0.1)


async def test_after_a_worker_was_asked_to_end_the_other_serves_the_next_event_at_once(
    lab: Lab, contract: str, folder: Path
) -> None:
    """SIGTERM, as in a release: the new one serves already when the old one is asked to end.

    What is handed to the old one in the very moment in which it stops asking, a few milliseconds,
    is lost on the way and handed out again after 4 s (the SDK alone does so too). An event right
    behind the signal may meet that, later and later ones do not.
    """
    taken: list[float] = []
    while not taken or (min(taken) > DRAINED_SECONDS and len(taken) < MOST_ROUNDS):
        new = Worker(WORKFLOWS, lab.environment, folder / "workflow_workers.log")
        try:
            await served(lab, contract)
            await new.start()
            await is_polled_by(lab, new.pid)
            began = time.monotonic()
            old = lab.workflow_workers.first.terminate()
            await asyncio.sleep(LATER_SECONDS * len(taken))
            await served(lab, contract)
            taken.append(time.monotonic() - began)
            await asyncio.to_thread(old.join, 30)
            assert old.exitcode == 0
        finally:
            new.stop()
            await lab.workflow_workers.first.start()
    print(f"served after {', '.join(f'{item:.1f} s' for item in taken)}")
    assert min(taken) <= DRAINED_SECONDS


async def test_after_a_worker_is_killed_another_serves_the_next_event(
    lab: Lab, contract: str
) -> None:
    assert await seconds_after(lab, contract, lab.workflow_workers.first.replace) <= WORKER_SECONDS


async def test_after_temporal_was_killed_and_started_again(lab: Lab, contract: str) -> None:
    assert await seconds_after(lab, contract, lab.restart_temporal) <= SERVER_SECONDS


async def test_after_odoo_was_killed_and_started_again(lab: Lab, contract: str) -> None:
    """The next event that needs Odoo: a contract is signed and validated against it."""
    numbers = iter(range(2, 2 + 2 * ROUNDS))

    async def validated() -> None:
        contract_data = drawn(next(numbers), Flavour.PLAIN, deal=False).contract_data
        started = await lab.c2c.start(contract_data)
        while True:
            state = await patiently(lambda: lab.c2c.contract(started.workflow_id).state())
            if state.contract is not None:
                return
            await lab.changes.of(started.workflow_id, 0.5)

    taken = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        await lab.restart_odoo()
        await validated()
        taken.append(time.monotonic() - began)
    assert min(taken) <= SERVER_SECONDS


async def test_a_workflow_that_stands_still_and_waits_for_nobody_is_noticed(
    lab: Lab, contract: str
) -> None:
    """A workflow that nobody serves is noticed, one that waits for people is not."""
    unserved = "contract/northwind/unserved"
    await lab.client.start_workflow("Unserved", id=unserved, task_queue="nobody")
    stall_monitor = StallMonitor(lab.client, lab.changes, listed_seconds=0.5)
    while not stall_monitor.wrong:
        await stall_monitor.look()
        await asyncio.sleep(0.2)
    await lab.client.get_workflow_handle(unserved).terminate()
    assert contract in lab.changes.unchanged_for(0.25)
    assert stall_monitor.wrong.keys() == {unserved}

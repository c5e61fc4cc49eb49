"""F14: no room under Temporal's database, and none under our own log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from temporalio.service import RPCError

from faultlab import lab as labs
from faultlab.contract_generator import drawn
from faultlab.invariants import examine
from faultlab.processes import WORKFLOWS, Worker
from faultlab.scenario import Scenario
from workflows import task_queues

pytestmark = pytest.mark.timeout(600)

SCENARIOS = 4
FULL_SECONDS = 5.0
ANSWER_SECONDS = 5.0
MOST_ACCEPTED, BALLAST_BYTES = 1_000, 200_000


async def run_scenarios(lab: labs.Lab, count: int) -> list[str]:
    """Run some scenarios to their end; what is wrong with them."""
    scenarios = [Scenario(lab, drawn(seed)) for seed in range(1, count + 1)]
    ended = await asyncio.gather(*(scenario.run() for scenario in scenarios))
    findings, _ = await examine(lab.client, lab.books, ended, lab.ledger.acknowledged)
    return [text for found in findings.wrong.values() for text in found]


async def started_until_refused(lab: labs.Lab) -> list[str]:
    """Start workflows that nobody serves until no more are accepted; the ids of those that were.

    The database has some room in its files, so that it takes a few before it notices.
    """
    accepted: list[str] = []
    while len(accepted) < MOST_ACCEPTED:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await lab.client.start_workflow(
                    "Ballast",
                    "x" * BALLAST_BYTES,
                    id=f"ballast-{len(accepted)}",
                    task_queue="nobody",
                )
        except (RPCError, TimeoutError):
            return accepted
        accepted.append(f"ballast-{len(accepted)}")
    raise AssertionError("the disk is not full")


async def test_a_full_disk_under_temporal_loses_nothing_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    """While there is no room nothing is accepted; once there is, everything goes on."""
    async with labs.running(tmp_path) as lab:
        scenarios = asyncio.create_task(run_scenarios(lab, SCENARIOS))
        await lab.changes.of("contract/northwind/scenario-1", 60)
        lab.temporal.fill_disk()
        accepted = await started_until_refused(lab)
        await asyncio.sleep(FULL_SECONDS)
        lab.temporal.clear_disk()
        assert await scenarios == []
        for workflow_id in accepted:
            await lab.client.get_workflow_handle(workflow_id).describe()


async def test_workers_whose_log_has_no_room_go_on(tmp_path: Path) -> None:
    async with labs.running(tmp_path / "lab") as lab:
        for workers in (lab.workflow_workers, lab.activity_workers):
            workers.stop()
        full = Path("/dev/full")
        mute = [
            Worker(queues, lab.environment, full) for queues in (WORKFLOWS, task_queues.REMOTES)
        ]
        try:
            for worker in mute:
                await worker.start()
            assert await run_scenarios(lab, 2) == []
            assert all(worker.is_running for worker in mute)
        finally:
            for worker in mute:
                worker.stop()

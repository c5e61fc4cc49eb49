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
from faultlab.scenario import Life
from workflows import task_queues

pytestmark = pytest.mark.timeout(600)

LIVES = 4
FULL_SECONDS = 5.0
ANSWER_SECONDS = 5.0
MOST_TAKEN, BALLAST_BYTES = 1_000, 200_000


async def led(lab: labs.Lab, count: int) -> list[str]:
    """Lead some lives to their end; what is wrong with them."""
    lives = [Life(lab, drawn(seed)) for seed in range(1, count + 1)]
    ended = await asyncio.gather(*(life.lead() for life in lives))
    findings, _ = await examine(lab.client, lab.books, ended, lab.ledger.told)
    return [text for found in findings.wrong.values() for text in found]


async def told_until_refused(lab: labs.Lab) -> list[str]:
    """Start workflows that nobody serves until no more are taken; the ids of those that were.

    The database has some room in its files, so that it takes a few before it notices.
    """
    taken: list[str] = []
    while len(taken) < MOST_TAKEN:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await lab.client.start_workflow(
                    "Ballast", "x" * BALLAST_BYTES, id=f"ballast-{len(taken)}", task_queue="nobody"
                )
        except (RPCError, TimeoutError):
            return taken
        taken.append(f"ballast-{len(taken)}")
    raise AssertionError("the disk is not full")


async def test_a_full_disk_under_temporal_loses_nothing_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    """While there is no room nothing is taken; once there is, everything goes on."""
    async with labs.running(tmp_path) as lab:
        lives = asyncio.create_task(led(lab, LIVES))
        await lab.news.of("contract/northwind/life-1", 60)
        lab.temporal.fill_disk()
        taken = await told_until_refused(lab)
        await asyncio.sleep(FULL_SECONDS)
        lab.temporal.clear_disk()
        assert await lives == []
        for workflow_id in taken:
            await lab.client.get_workflow_handle(workflow_id).describe()


async def test_workers_whose_log_has_no_room_go_on(tmp_path: Path) -> None:
    async with labs.running(tmp_path / "lab") as lab:
        for worker in (lab.decider, lab.hands):
            worker.stop()
        full = Path("/dev/full")
        mute = [
            Worker(queues, lab.environment, full) for queues in (WORKFLOWS, task_queues.REMOTES)
        ]
        try:
            for worker in mute:
                await worker.start()
            assert await led(lab, 2) == []
            assert all(worker.is_running for worker in mute)
        finally:
            for worker in mute:
                worker.stop()

"""Two releases beside each other: each serves what it began, and contracts go on to the next.

The commands are those of docs/upgrade.md, as they stand there but for the build.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkipper, WorkflowEnvironment
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from sandbox import clock
from sandbox.server import Sandbox
from sandbox.stack import temporal_binary
from tests.conftest import settings_for
from tests.servers import SandboxServer
from tests.temporal import temporal_server
from tests.workflows.other_release import OtherContractWorkflow
from tests.world import World, odoo_invoices, single
from wiring.settings import Settings
from workers import replays, worker
from workers.errors import DoesNotReplay
from workflows.contract import ContractWorkflow

PAGE = Path(__file__).parents[2] / "docs" / "upgrade.md"
COMMANDS: list[str] = re.findall(
    r"^```sh release\n(.*?)\n```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
)
CURRENT, LEFT, RENEW, DRAINED = COMMANDS
WITHIN_SECONDS = 60.0
OLD, NEW = "1.4.0", "1.5.0"
OTHER_WORKFLOWS = [
    OtherContractWorkflow if item is ContractWorkflow else item for item in worker.WORKFLOWS
]


@pytest.fixture(scope="module")
async def alone() -> AsyncIterator[WorkflowEnvironment]:
    """A server to itself: once a release is current, workers without a name get nothing there."""
    async with temporal_server() as environment:
        yield environment


@pytest.fixture(scope="module")
def world(alone: WorkflowEnvironment, sandbox: Sandbox) -> World:
    skipper = TimeSkipper(alone.client, config=clock.BY_HAND)
    return World(client=skipper.client, time=skipper, server=SandboxServer(sandbox))


def release(world: World, build: str) -> Settings:
    settings = settings_for(world.server)
    limits = settings.worker.model_copy(update={"deployment": "c2c", "build_id": build})
    return settings.model_copy(update={"worker": limits})


async def shell(world: World, command: str) -> str:
    """Type a command of the page; returns what it printed. Repeated until it succeeds: the server
    learns of new workers, and lists workflows, with a moment's delay."""
    program = command.replace("temporal", temporal_binary(), 1)
    address = f"--address {world.client.service_client.config.target_host}"
    deadline = time.monotonic() + WITHIN_SECONDS
    while True:
        process = await asyncio.create_subprocess_shell(
            f"{program} {address}",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode == 0:
            return output.decode()
        assert time.monotonic() < deadline, output.decode()
        await asyncio.sleep(0.2)


async def build_of(handle: WorkflowHandle[Any, Any]) -> str:
    """The build that the newest run is pinned to."""
    info = (await handle.describe()).raw_description.workflow_execution_info
    return info.versioning_info.deployment_version.build_id


async def until_on(handle: WorkflowHandle[Any, Any], build: str) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while (found := await build_of(handle)) != build:
        assert time.monotonic() < deadline, f"{handle.id} is on {found}, not on {build}"
        await asyncio.sleep(0.05)


async def test_what_began_before_releases_had_names_goes_on_with_the_first_that_has_one(
    world: World,
) -> None:
    async with worker.running(world.client, settings_for(world.server)):
        invoice = await world.proposed(single())
        await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    async with worker.running(world.client, release(world, "1.3.0")):
        await shell(world, CURRENT.replace(NEW, "1.3.0"))
        await world.approve(invoice)
        await world.invoice(invoice, InvoiceStage.OPEN)
        handle = world.client.get_workflow_handle(invoice)
        assert await build_of(handle) == "1.3.0"


@pytest.mark.long
async def test_two_releases_serve_beside_each_other_until_the_old_one_is_drained(
    world: World,
) -> None:
    """The new release does one thing more, and nothing in its code guards it."""
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(worker.running(world.client, release(world, OLD)))
        await shell(world, CURRENT.replace(NEW, OLD))
        invoice = await world.proposed(single())
        await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
        quiet = world.client.get_workflow_handle(await world.active(single()))
        busy = world.client.get_workflow_handle(invoice.removesuffix("/invoice/1"))
        issuing = world.client.get_workflow_handle(invoice)
        first_run = (await busy.describe()).run_id

        await stack.enter_async_context(
            worker.running(world.client, release(world, NEW), workflows=OTHER_WORKFLOWS)
        )
        await shell(world, CURRENT)
        newest = world.client.get_workflow_handle(await world.active(single()))
        assert await build_of(newest) == NEW
        assert [await build_of(item) for item in (busy, issuing, quiet)] == [OLD] * 3

        # What happens next is still served by the old one, which then hands the contract over.
        await world.approve(invoice)
        await world.invoice(invoice, InvoiceStage.OPEN)
        await until_on(busy, NEW)
        await until_on(issuing, NEW)
        assert await build_of(quiet) == OLD

        # What nothing happens to is asked to go on.
        assert "Total: 1" in await shell(world, LEFT)
        await shell(world, RENEW)
        await until_on(quiet, NEW)
        assert "Total: 0" in await shell(world, LEFT)
        assert "drain" in await shell(world, DRAINED)

        # And back: a release that turned out to be bad is left in the same way.
        await shell(world, CURRENT.replace(NEW, OLD))
        await quiet.signal(ContractWorkflow.renew_run)
        await until_on(quiet, OLD)
        await shell(world, CURRENT)

        # The rest of the contract's life is the new release's.
        await world.pay(invoice)
        await world.sweep()
        await world.invoice(invoice, InvoiceStage.PAID)
        assert (await world.contract(busy.id)).stage is ContractStage.CLOSING
    assert len(odoo_invoices(world.admin, busy.id)) == 1

    # Without the pin, the old run would have stopped with the new release.
    began = world.client.get_workflow_handle(busy.id, run_id=first_run)
    history = await began.fetch_history()
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    assert failed not in {event.event_type for event in history.events}
    replayer = Replayer(
        workflows=OTHER_WORKFLOWS,
        workflow_runner=worker.workflow_runner(),
        data_converter=pydantic_data_converter,
    )
    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(history)


@pytest.mark.long
async def test_a_release_looks_only_at_what_it_would_serve(world: World) -> None:
    mine, another = release(world, "2.0.0"), release(world, "2.1.0")
    async with worker.running(world.client, mine, workflows=OTHER_WORKFLOWS):
        await shell(world, CURRENT.replace(NEW, "2.0.0"))
        workflow_id = await world.active(single())
    listed = f"WorkflowId = '{workflow_id}' AND TemporalWorkerDeploymentVersion = 'c2c:2.0.0'"
    deadline = time.monotonic() + WITHIN_SECONDS
    while (await world.client.count_workflows(listed)).count == 0:
        assert time.monotonic() < deadline, f"{workflow_id} is not listed"
        await asyncio.sleep(0.05)
    # The code at hand lacks what the other one did: it may not take over, and need not.
    await replays.look(world.client, another.worker)
    with pytest.raises(DoesNotReplay, match=workflow_id):
        await replays.look(world.client, mine.worker)
    # It looks for a bounded time, and not at all where it is told so.
    await replays.look(
        world.client, mine.worker.model_copy(update={"replay_check_seconds": 0.000_001})
    )
    await replays.look(world.client, mine.worker.model_copy(update={"replay_check_count": 0}))


@pytest.mark.long
async def test_a_worker_looks_at_the_newest_and_the_oldest_runs_and_at_each_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = release(world, "3.0.0")
    async with worker.running(world.client, limits):
        await shell(world, CURRENT.replace(NEW, "3.0.0"))
        started = [await world.active(single()) for _ in range(3)]
        first, second = [
            (await world.client.get_workflow_handle(item).describe()).start_time
            for item in started[:2]
        ]
        listed = "TemporalWorkerDeploymentVersion = 'c2c:3.0.0'"
        deadline = time.monotonic() + WITHIN_SECONDS
        while (await world.client.count_workflows(listed)).count < len(started):
            assert time.monotonic() < deadline, "they are not listed"
            await asyncio.sleep(0.05)
    # Two of each type: the newest, and the newest of those that are older than the second.
    monkeypatch.setattr(replays, "_AGES", (datetime.now(UTC) - first - (second - first) / 2,))
    few = limits.worker.model_copy(update={"replay_check_count": 8})
    looked_at = [item.workflow_id async for item in replays._sample(world.client, few)]
    assert looked_at == [started[2], started[0]]
    many = limits.worker.model_copy(update={"replay_check_count": 80})
    looked_at = [item.workflow_id async for item in replays._sample(world.client, many)]
    assert sorted(looked_at) == sorted(started)

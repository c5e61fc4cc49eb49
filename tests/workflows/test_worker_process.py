"""Worker processes end cleanly, lose nothing, do nothing twice, and look before they serve."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.testing import TimeSkipper, WorkflowEnvironment

from contracts.contract.messages import Hold, HoldKind, HoldRequest
from contracts.invoice.state import InvoiceStage
from contracts.sweeps import ConnectorSweep
from sandbox import clock
from sandbox.server import Sandbox
from starters import environment as bindings
from starters.cli.errors import ExitCode
from starters.client import messages
from tests.conftest import settings_for
from tests.processes import WorkerProcess, environment
from tests.servers import SandboxServer
from tests.temporal import temporal_server
from tests.workflows.other_release import OtherContractWorkflow
from tests.world import ANA, ENTITY, World, odoo_invoices, single, unique
from workers import worker
from workflows import task_queues
from workflows.contract import ContractWorkflow
from workflows.sweeps import CrmSweepWorkflow

WITHIN_SECONDS = 30.0
HANDED_OUT_SECONDS = 0.5
POSTING = "/json/2/account.move/action_post$"

Start = Callable[..., WorkerProcess]


@pytest.fixture(scope="module")
async def alone() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server that no other worker of the session serves."""
    async with temporal_server() as environment:
        yield environment


@pytest.fixture(scope="module")
async def world(alone: WorkflowEnvironment, sandbox: Sandbox) -> World:
    """The verbs, without a worker: the tests start them."""
    skipper, server = TimeSkipper(alone.client, config=clock.BY_HAND), SandboxServer(sandbox)
    server.unbind()
    await bindings.bind(skipper.client, settings_for(server))
    return World(client=skipper.client, time=skipper, server=server)


@pytest.fixture
def start(world: World, sandbox: Sandbox, tmp_path: Path) -> Iterator[Start]:
    """Starts worker processes; none of them is left behind."""
    started: list[WorkerProcess] = []
    numbers = itertools.count(1)

    def one(**settings: object) -> WorkerProcess:
        told = environment(world.client, world.server, **settings) | {
            "C2C_CRM__HUBSPOT__URL": f"{sandbox.url}/hubspot",
            "C2C_CRM__HUBSPOT__API_KEY_FILE": str(sandbox.key_file("hubspot")),
            "C2C_CRM__HUBSPOT__LEGAL_ENTITY": ENTITY,
            "C2C_CRM__HUBSPOT__CLOSED_SINCE": "2020-01-01",
        }
        process = WorkerProcess(told, tmp_path / f"worker-{next(numbers)}.log")
        started.append(process)
        return process

    yield one
    for process in started:
        process.kill()
    sandbox.faults.clear()


async def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not happened():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


async def seconds_of(work: Awaitable[object]) -> float:
    began = time.monotonic()
    await work
    return time.monotonic() - began


async def attempts(handle: WorkflowHandle[Any, Any], activity: str) -> list[int]:
    """How often each activity of a name was tried until it ended well."""
    history = await handle.fetch_history()
    wanted = {
        event.event_id
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == activity
    }
    return [
        event.activity_task_started_event_attributes.attempt
        for event in history.events
        if event.activity_task_started_event_attributes.scheduled_event_id in wanted
        and event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    ]


def slow(sandbox: Sandbox, path: str, seconds: float) -> Callable[[], int]:
    """Let these requests to Odoo take long; returns how many have come."""
    sandbox.faults.configure([{"kind": "latency", "path": path, "seconds": seconds}])
    return lambda: int(sandbox.faults.report()[0]["seen"])


async def approved(world: World) -> str:
    """An invoice that was approved just now: its posting begins."""
    invoice = await world.proposed(single())
    await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    await world.approve(invoice)
    return invoice


# --- the end of a process -------------------------------------------------------------------


@pytest.mark.long
async def test_sigterm_lets_a_call_under_way_end_and_the_process_ends_with_0(
    world: World, sandbox: Sandbox, start: Start
) -> None:
    first = await start().serving()
    posts = slow(sandbox, POSTING, 2.5)
    invoice = await approved(world)
    await until(lambda: posts() == 1)
    first.send(signal.SIGTERM)
    assert await first.ended(15) == ExitCode.OK, first.said()
    assert "draining" in first.said()
    sandbox.faults.configure([{"kind": "latency", "path": POSTING, "seconds": 0}])
    second = await start().serving()
    await world.invoice(invoice, InvoiceStage.OPEN)
    assert await second.stop() == ExitCode.OK
    # Not lost: it counted. Not done twice: nobody asked Odoo again.
    handle = world.client.get_workflow_handle(invoice)
    assert await attempts(handle, "post_invoice") == [1]
    assert sandbox.faults.report()[0]["seen"] == 0
    assert len(odoo_invoices(world.admin, invoice.removesuffix("/invoice/1"))) == 1


@pytest.mark.long
async def test_a_call_longer_than_the_grace_is_left_and_done_again_by_the_next_worker(
    world: World, sandbox: Sandbox, start: Start
) -> None:
    first = await start(graceful_shutdown_seconds=1).serving()
    posts = slow(sandbox, POSTING, 20)
    invoice = await approved(world)
    await until(lambda: posts() == 1)
    took = await seconds_of(first.stop())
    # Who waits for Odoo, obeys: the call itself is a thread's of its own.
    assert await first.ended() == ExitCode.OK, first.said()
    assert took < 10
    sandbox.faults.clear()
    second = await start().serving()
    await world.invoice(invoice, InvoiceStage.OPEN)
    assert await second.stop() == ExitCode.OK
    assert len(odoo_invoices(world.admin, invoice.removesuffix("/invoice/1"))) == 1


@pytest.mark.long
async def test_a_call_that_cannot_be_left_is_cut_short(
    world: World, sandbox: Sandbox, start: Start
) -> None:
    first = await start(graceful_shutdown_seconds=1).serving()
    reads = slow(sandbox, "^/hubspot/", 20)
    # A sweep's call is its own thread's; those that contracts share are left.
    sweep = ConnectorSweep(system="hubspot", legal_entity=ENTITY, overlap=timedelta(minutes=5))
    await world.client.start_workflow(
        CrmSweepWorkflow.run, sweep, id=unique("sweep"), task_queue=task_queues.CONTRACTS
    )
    await until(lambda: reads() >= 1)
    took = await seconds_of(first.stop())
    assert await first.ended() == ExitCode.CUT_SHORT, first.said()
    assert took < 10


@pytest.mark.long
async def test_a_second_signal_ends_it_at_once(
    world: World, sandbox: Sandbox, start: Start
) -> None:
    process = await start().serving()
    posts = slow(sandbox, POSTING, 20)
    await approved(world)
    await until(lambda: posts() == 1)
    process.send(signal.SIGTERM)
    await until(lambda: "draining" in process.said())
    process.send(signal.SIGINT)
    assert await process.ended(3) == 128 + signal.SIGINT
    assert "SIGINT again: ended at once" in process.said()


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda item: item.name)
async def test_starts_and_stops_in_a_row_all_end_with_0(
    world: World, start: Start, number: signal.Signals
) -> None:
    for _ in range(3):
        process = await start().serving()
        process.send(number)
        assert await process.ended() == ExitCode.OK, process.said()


# --- the next event -------------------------------------------------------------------------


async def hold(world: World, workflow_id: str) -> None:
    """An event of a contract: an Update that a worker has to answer."""
    held = Hold(by=ANA, reason="audit")
    request = HoldRequest(kind=HoldKind.BILLING, by=ANA, hold=held)
    await world.tell(workflow_id, messages.SET_HOLD, request)


async def two_workers(world: World, start: Start) -> tuple[WorkerProcess, WorkerProcess, str]:
    """One that has a contract in memory, one that stands by, and the contract's workflow id."""
    first = await start().serving()
    workflow_id = await world.active(single())
    return first, await start().serving(), workflow_id


@pytest.mark.long
async def test_the_next_event_after_sigterm_is_served_within_a_second(
    world: World, start: Start
) -> None:
    first, second, workflow_id = await two_workers(world, start)
    # To its end: a workflow task that the server hands to a poll which is just being given up
    # waits for its timeout.
    assert await first.stop() == ExitCode.OK
    took = await seconds_of(hold(world, workflow_id))
    print(f"next event after SIGTERM: {took:.2f} s")
    assert took < 1
    assert await second.stop() == ExitCode.OK


@pytest.mark.long
async def test_the_next_event_after_sigkill_is_served_within_5_seconds(
    world: World, start: Start
) -> None:
    first, second, workflow_id = await two_workers(world, start)
    first.kill()
    took = await seconds_of(hold(world, workflow_id))
    print(f"next event after SIGKILL: {took:.2f} s")
    assert took < 5
    assert await second.stop() == ExitCode.OK


@pytest.mark.long
async def test_an_event_in_the_hands_of_a_killed_worker_is_served_within_5_seconds(
    world: World, start: Start
) -> None:
    first, second, workflow_id = await two_workers(world, start)
    # Its polls stay open, so that Temporal hands the event to it.
    first.send(signal.SIGSTOP)
    served = asyncio.create_task(seconds_of(hold(world, workflow_id)))
    await asyncio.sleep(HANDED_OUT_SECONDS)
    assert not served.done()
    first.kill()
    took = await served
    print(f"an event in the hands of a killed worker: {took:.2f} s")
    assert HANDED_OUT_SECONDS < took < 5
    assert await second.stop() == ExitCode.OK


@pytest.mark.long
async def test_a_call_under_way_at_sigkill_is_done_again_within_5_seconds(
    world: World, sandbox: Sandbox, start: Start
) -> None:
    first = await start().serving()
    posts = slow(sandbox, POSTING, 15)
    invoice = await approved(world)
    await until(lambda: posts() == 1)
    # It has no part in what is under way, and takes what comes from now on.
    second = await start().serving()
    asked = slow(sandbox, "/account.move/", 0)
    first.kill()
    took = await seconds_of(until(lambda: asked() > 0))
    print(f"a call under way at SIGKILL is done again after {took:.2f} s")
    assert took < 5
    await world.invoice(invoice, InvoiceStage.OPEN)
    assert await second.stop() == ExitCode.OK
    assert len(odoo_invoices(world.admin, invoice.removesuffix("/invoice/1"))) == 1


# --- before it serves -----------------------------------------------------------------------


OTHER_WORKFLOWS = [
    OtherContractWorkflow if item is ContractWorkflow else item for item in worker.WORKFLOWS
]


async def of_another_release(world: World) -> str:
    """A contract that is open, parked, and was served by another release so far."""
    contract = single()
    contract["services"][0]["code"] = "NOPE"
    settings = settings_for(world.server)
    async with worker.running(world.client, settings, workflows=OTHER_WORKFLOWS):
        workflow_id = await world.start(contract)
        await world.parked(workflow_id)
    deadline = time.monotonic() + WITHIN_SECONDS
    while not await world.client.count_workflows(f"WorkflowId = '{workflow_id}'"):
        assert time.monotonic() < deadline, "it is not listed"
        await asyncio.sleep(0.05)
    return workflow_id


async def stands(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until a workflow task has failed."""
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    deadline = time.monotonic() + WITHIN_SECONDS
    while not any(event.event_type == failed for event in (await handle.fetch_history()).events):
        assert time.monotonic() < deadline, "no workflow task has failed"
        await asyncio.sleep(0.05)


@pytest.mark.long
async def test_a_worker_does_not_start_where_an_open_workflow_would_stop(
    world: World, start: Start
) -> None:
    workflow_id = await of_another_release(world)
    refused = start()
    assert await refused.ended() == ExitCode.DOES_NOT_REPLAY, refused.said()
    assert f"does not replay {workflow_id} (ContractWorkflow" in refused.said()
    assert "c2c replay --running" in refused.said()
    assert "serving" not in refused.said()

    # Switched off it starts, and the workflow stands, as was to be feared.
    careless = await start(replay_check_count=0).serving()
    handle = world.client.get_workflow_handle(workflow_id)
    await handle.signal(ContractWorkflow.renew_run)
    await stands(handle)
    assert await careless.stop() == ExitCode.OK

    # One that stands already is no reason to stop all the others too.
    wiser = await start().serving()
    assert f"{workflow_id} stands and does not replay" in wiser.said()
    assert await world.active(single()) != workflow_id
    assert await wiser.stop() == ExitCode.OK
    await handle.terminate("told")

"""Where a queue has more to do than its workers can: what people wait for first, fair shares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import Priority
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from contracts.identifiers import contract_workflow_id
from tests.temporal import temporal_server
from tests.world import ENTITY, World, single, unique
from workflows import options, task_queues
from workflows.contract import ContractWorkflow
from workflows.options import Urgency

AMONG_THE_FIRST = 20
"""Of two hundred: the last may just be coming into the order the server keeps."""
WITHIN_SECONDS = 60.0


@dataclass
class Load:
    """So many activities of one urgency."""

    name: str
    count: int
    urgency: Urgency


@workflow.defn
class Loading:
    @workflow.run
    async def run(self, load: Load) -> None:
        touched = (
            workflow.execute_activity(
                "touch", load.name, **options.odoo_finance(load.name, load.urgency)
            )
            for _ in range(load.count)
        )
        await asyncio.gather(*touched)


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[Client]:
    """Of a server to itself: its queue of finance is this test's."""
    async with temporal_server() as environment:
        yield environment.client


async def worked_off(client: Client, loads: Sequence[tuple[str, Load]]) -> list[str]:
    """Queue loads of legal entities one after the other, then let one slot work them off; returns
    the names in the order they were done."""
    done: list[str] = []

    @activity.defn
    def touch(name: str) -> None:
        done.append(name)

    async with Worker(
        client,
        task_queue=task_queues.CONTRACTS,
        workflows=[Loading],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        handles, queued = [], 0
        for entity, load in loads:
            workflow_id = contract_workflow_id(entity, unique("L"))
            handles.append(
                await client.start_workflow(
                    Loading.run, load, id=workflow_id, task_queue=task_queues.CONTRACTS
                )
            )
            queued += load.count
            await _backlog(client, queued)
        with ThreadPoolExecutor(1) as pool:
            async with Worker(
                client,
                task_queue=task_queues.ODOO_FINANCE,
                activities=[touch],
                activity_executor=pool,
                max_concurrent_activities=1,
            ):
                await asyncio.gather(*(handle.result() for handle in handles))
    return done


async def _backlog(client: Client, expected: int) -> None:
    """Wait until so many tasks wait in the queue of finance."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queues.ODOO_FINANCE),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        report_stats=True,
    )
    deadline = time.monotonic() + WITHIN_SECONDS
    while True:
        answer = await client.workflow_service.describe_task_queue(request)
        if answer.stats.approximate_backlog_count >= expected:
            return
        assert time.monotonic() < deadline, f"{answer.stats} of {expected}"
        await asyncio.sleep(0.1)


@pytest.mark.long
async def test_posting_what_was_approved_overtakes_a_backlog(client: Client) -> None:
    bulk = Load("reminder", 200, Urgency.BACKGROUND)
    posting = Load("posting", 1, Urgency.AWAITED)
    done = await worked_off(client, [(ENTITY, bulk), (ENTITY, posting)])
    print(f"the posting came after {done.index('posting')} of {bulk.count} reminders")
    assert done.index("posting") < AMONG_THE_FIRST


@pytest.mark.long
async def test_a_legal_entity_with_much_to_do_does_not_starve_another(client: Client) -> None:
    many = Load("many", 200, Urgency.ONWARD)
    one = Load("one", 1, Urgency.ONWARD)
    done = await worked_off(client, [("northwind", many), ("northwind-uk", one)])
    print(f"the other entity's came after {done.index('one')} of {many.count}")
    assert done.index("one") < AMONG_THE_FIRST


async def test_every_activity_of_a_contract_says_how_urgent_it_is_and_whose(world: World) -> None:
    invoice = await world.open(single())
    contract = invoice.removesuffix("/invoice/1")
    found: dict[str, Priority] = {}
    for workflow_id in (contract, invoice):
        history = await world.client.get_workflow_handle(workflow_id).fetch_history()
        for event in history.events:
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_id:
                found[scheduled.activity_type.name] = scheduled.priority
    assert {item.fairness_key for item in found.values()} == {ENTITY}
    urgency = {name: Urgency(item.priority_key) for name, item in found.items()}
    assert urgency["post_invoice"] is Urgency.AWAITED
    assert urgency["create_draft"] is Urgency.ONWARD
    assert urgency["provision"] is Urgency.ONWARD
    assert urgency["send_invoice"] is Urgency.OUTGOING


async def test_share_and_task_timeout_stay_with_a_contract_s_next_runs_and_invoices(
    world: World,
) -> None:
    invoice = await world.open(single())
    handle = world.client.get_workflow_handle(invoice.removesuffix("/invoice/1"))
    first = await handle.describe()
    await handle.signal(ContractWorkflow.renew_run)
    deadline = time.monotonic() + WITHIN_SECONDS
    while (now := await handle.describe()).run_id == first.run_id:
        assert time.monotonic() < deadline, "it does not continue as new"
        await asyncio.sleep(0.05)
    issuing = await world.client.get_workflow_handle(invoice).describe()
    for item in (first, now, issuing):
        described = item.raw_description
        assert described.workflow_execution_info.priority.fairness_key == ENTITY
        timeout = described.execution_config.default_workflow_task_timeout
        assert timeout.ToTimedelta() == options.TASK_TIMEOUT

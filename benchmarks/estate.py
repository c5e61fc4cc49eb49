"""Thousands of contracts in Temporal that are like one that went the whole way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from benchmarks.contracts import ENTITY
from benchmarks.frame import Bench
from benchmarks.product import NAMESPACE, Product
from contracts.contract.state import ContractInput, ContractState
from starters.client import calls
from workflows import options, search_attributes, task_queues
from workflows.contract import ContractWorkflow

_BATCH = 1_000
_DRAINED_WITHIN_SECONDS = 1_800

Own = Callable[[int, ContractState], ContractState]
"""What else is a contract's own, by its number: as it is in the model's state it is no one's."""


async def grow(
    bench: Bench,
    ours: Product,
    state: ContractState,
    there: int,
    size: int,
    *,
    tag: str,
    own: Own = lambda _, state: state,
) -> None:
    """Start contracts until there are so many, and wait until the worker has seen each. Each is
    named by the tag and its number."""
    handle = ours.client.get_workflow_handle(f"contract/{ENTITY}/{state.contract_id}")
    known = (await handle.describe()).typed_search_attributes
    shown = [pair for pair in known if pair.key != search_attributes.CONTRACT_ID]
    text = ContractInput(
        contract_id=state.contract_id, legal_entity=ENTITY, source=state.source, state=state
    ).model_dump_json()

    async def start(number: int) -> None:
        new = f"{tag}-{number}"
        begun = ContractInput.model_validate_json(text.replace(state.contract_id, new))
        if begun.state is not None:
            begun = begun.model_copy(update={"state": own(number, begun.state)})
        await _start(ours, begun, shown, new)

    started = time.monotonic()
    for first in range(there, size, _BATCH):
        numbers = range(first, min(first + _BATCH, size))
        await calls.at_once([start(number) for number in numbers])
        await ours.until(
            "a drained queue", lambda: _is_drained(ours), seconds=_DRAINED_WITHIN_SECONDS
        )
        rate = (numbers.stop - there) / (time.monotonic() - started)
        bench.say(f"{numbers.stop} of {size} contracts are open, {rate:.0f} a second")


async def _start(
    ours: Product, start: ContractInput, shown: list[SearchAttributePair[Any]], name: str
) -> None:
    """Start a contract from the state of another one, under a name of its own."""
    mine = SearchAttributePair(search_attributes.CONTRACT_ID, name)
    await ours.client.start_workflow(
        ContractWorkflow.run,
        start,
        id=f"contract/{ENTITY}/{name}",
        task_queue=task_queues.CONTRACTS,
        task_timeout=options.TASK_TIMEOUT,
        search_attributes=TypedSearchAttributes([*shown, mine]),
    )


async def _is_drained(ours: Product) -> bool:
    """Nothing waits for a worker."""
    answer = await ours.client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=NAMESPACE,
            task_queue=TaskQueue(name=task_queues.CONTRACTS),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            report_stats=True,
        )
    )
    return answer.stats.approximate_backlog_count == 0

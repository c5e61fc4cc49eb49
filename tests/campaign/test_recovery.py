"""How long it takes until the next event is served: after a worker or a server was killed."""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from contracts.state import ContractStage, MilestoneReached
from starters import operations
from starters.faultlab import lab as labs
from starters.faultlab.lab import Lab
from starters.faultlab.ledger import patiently
from starters.faultlab.signing import Flavour, drawn
from workflows.contract import ContractWorkflow

pytestmark = pytest.mark.timeout(600)

WORKER_SECONDS = 5.0
SERVER_SECONDS = 15.0
ROUNDS = 3


@pytest.fixture(scope="module")
async def lab(folder: Path) -> AsyncIterator[Lab]:
    async with labs.running(folder) as lab:
        yield lab


@pytest.fixture(scope="module")
async def contract(lab: Lab) -> str:
    """A contract that is active and waits, in the cache of the worker that served it."""
    document = drawn(1, Flavour.HOURS).document
    workflow_id = (await operations.start_document(lab.client, document)).workflow_id
    while True:
        state = await operations.contract_state(lab.client, workflow_id)
        if state.stage is ContractStage.ACTIVE:
            return workflow_id
        await lab.news.of(workflow_id, 1)


async def served(lab: Lab, workflow_id: str) -> None:
    """An event is taken: an Update that changes nothing any more."""
    reached = MilestoneReached(milestone="m1", by="pia@northwind.example")
    await patiently(
        lambda: operations.update(
            lab.client, workflow_id, ContractWorkflow.reach_milestone, reached
        )
    )


async def seconds_after(lab: Lab, workflow_id: str, blow: Callable[[], Awaitable[object]]) -> float:
    """The median of some rounds: from the blow until the next event is served."""
    taken = []
    for _ in range(ROUNDS):
        await served(lab, workflow_id)
        began = time.monotonic()
        await blow()
        await served(lab, workflow_id)
        taken.append(time.monotonic() - began)
    print(f"served after {', '.join(f'{item:.1f} s' for item in taken)}")
    return statistics.median(taken)


async def test_after_a_worker_is_killed_another_serves_the_next_event(
    lab: Lab, contract: str
) -> None:
    assert await seconds_after(lab, contract, lab.decider.replace) <= WORKER_SECONDS


async def test_after_temporal_was_killed_and_started_again(lab: Lab, contract: str) -> None:
    assert await seconds_after(lab, contract, lab.restart_temporal) <= SERVER_SECONDS


async def test_after_odoo_was_killed_and_started_again(lab: Lab, contract: str) -> None:
    """The next event that needs Odoo: a contract is signed and validated against it."""
    numbers = iter(range(2, 2 + 2 * ROUNDS))

    async def validated() -> None:
        document = drawn(next(numbers), Flavour.PLAIN, deal=False).document
        started = await operations.start_document(lab.client, document)
        while True:
            state = await patiently(
                lambda: operations.contract_state(lab.client, started.workflow_id)
            )
            if state.contract is not None:
                return
            await lab.news.of(started.workflow_id, 0.5)

    taken = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        await lab.restart_odoo()
        await validated()
        taken.append(time.monotonic() - began)
    assert statistics.median(taken) <= SERVER_SECONDS

"""Sweeps miss nothing and repeat nothing, whatever the clocks say."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import (
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    ScheduleSpec,
    ScheduleState,
    WorkflowHandle,
)
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from contracts.invoice.state import InvoiceStage
from contracts.sweeps import OdooChanges, OdooSweepResult, ReachedMilestone, SweepWindow
from sandbox.server import Sandbox
from tests.world import World, eur, single, unique
from workflows import options, task_queues
from workflows.sweeps import AT_ONCE, OdooSweepWorkflow


@pytest.fixture
async def sweeps(world: World) -> AsyncIterator[ScheduleHandle]:
    """A schedule that sweeps only when it is triggered; results pass on as in production."""
    name = unique("sweeps")
    action = ScheduleActionStartWorkflow(
        OdooSweepWorkflow.run, id=name, task_queue=task_queues.CONTRACTS
    )
    handle = await world.client.create_schedule(
        name,
        Schedule(action=action, spec=ScheduleSpec(), state=ScheduleState(paused=True)),
    )
    yield handle
    await handle.delete()


async def swept(world: World, sweeps: ScheduleHandle, times: int) -> OdooSweepResult:
    """Trigger one more sweep, the `times`-th, and wait for what it did."""
    await sweeps.trigger()
    while True:
        recent = (await sweeps.describe()).info.recent_actions
        if len(recent) >= times:
            break
    action = recent[-1].action
    assert isinstance(action, ScheduleActionExecutionStartWorkflow)
    handle: WorkflowHandle[OdooSweepWorkflow, OdooSweepResult] = world.client.get_workflow_handle(
        action.workflow_id, run_id=action.first_execution_run_id, result_type=OdooSweepResult
    )
    return await handle.result()


async def test_two_payments_within_the_same_second_are_both_told(
    world: World, sandbox: Sandbox, sweeps: ScheduleHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = await world.open(single())
    frozen = datetime.now(UTC)
    monkeypatch.setattr(sandbox.odoo, "clock", lambda: frozen)
    for times, left in ((1, "900.00"), (2, "800.00"), (3, "700.00")):
        await world.pay(invoice, "100.00")
        await swept(world, sweeps, times)
        state = await world.invoice(invoice, InvoiceStage.PARTIALLY_PAID)
        assert state.balance is not None
        assert state.balance.residual == eur(left)


async def test_a_sweep_repeats_nothing_its_predecessor_told(
    world: World, sweeps: ScheduleHandle
) -> None:
    invoice = await world.open(single())
    await world.pay(invoice, "100.00")
    first = await swept(world, sweeps, 1)
    second = await swept(world, sweeps, 2)
    assert first.signalled > 0
    assert second.signalled == 0
    assert second.watermark == first.watermark


async def test_an_invoice_whose_workflow_is_gone_is_reported_and_stops_nothing(
    world: World, sweeps: ScheduleHandle
) -> None:
    gone = await world.open(single())
    alive = await world.open(single())
    await world.pay(gone)
    await world.client.get_workflow_handle(gone).terminate("a test")
    await world.pay(alive)
    result = await swept(world, sweeps, 1)
    assert gone in result.named
    await world.invoice(alive, InvoiceStage.PAID)


async def test_a_month_end_is_told_in_many_workflow_tasks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is short, however much has changed: one that takes long would never be completed."""
    queue, count = unique("month-end"), 2 * AT_ONCE + 1
    finance = options.odoo_finance

    @activity.defn
    async def read_changes(_: SweepWindow) -> OdooChanges:
        now = datetime.now(UTC)
        reached = [
            ReachedMilestone(
                workflow_id=f"{queue}-{n}", milestone_id=n, reached_on=None, changed_at=now
            )
            for n in range(count)
        ]
        return OdooChanges(milestones=reached, watermark=now)

    def here(summary: str, *urgency: Any, **more: Any) -> workflow.ActivityConfig:
        config = finance(summary, *urgency, **more)
        if summary.startswith("changes since"):
            config["task_queue"] = queue
        return config

    monkeypatch.setattr(options, "odoo_finance", here)
    async with Worker(
        world.client,
        task_queue=queue,
        workflows=[OdooSweepWorkflow],
        activities=[read_changes],
        # The sandbox would import its own options.
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        handle = await world.client.start_workflow(
            OdooSweepWorkflow.run, id=queue, task_queue=queue
        )
        result = await handle.result()
    assert result.unknown == count
    tasks = Counter(
        sent.workflow_task_completed_event_id
        for event in (await handle.fetch_history()).events
        if event.HasField("signal_external_workflow_execution_initiated_event_attributes")
        for sent in [event.signal_external_workflow_execution_initiated_event_attributes]
    )
    assert tasks.total() == count
    assert max(tasks.values()) <= AT_ONCE

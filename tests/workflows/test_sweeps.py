"""Sweeps miss nothing and repeat nothing, whatever the clocks say."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
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
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.done import Done
from activities.odoo.delivery import TodoRequest
from activities.odoo.sweeps import SWEEP_OVERLAP
from contracts.invoice.state import InvoiceStage
from contracts.sweeps import (
    ChangedInvoice,
    Kind,
    OdooChanges,
    OdooSweepProgress,
    OdooSweepResult,
    PageMark,
    ReachedMilestone,
    SweepWindow,
    Unfollowed,
)
from sandbox.server import Sandbox
from tests.unit.examples import balance
from tests.world import World, eur, single, unique
from workflows import options, task_queues
from workflows.sweeps import AT_ONCE, LOST, MOST_LEFT, MOST_NAMED, MOST_SEEN, OdooSweepWorkflow


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


class Changes:
    """Activities of a sweep that read what a test says, and refuse what it says."""

    def __init__(self, *pages: OdooChanges) -> None:
        self._pages = pages
        self.windows: list[SweepWindow] = []
        self.todos: list[str] = []
        self.refused: set[int] = set()

    @activity.defn(name="read_changes")
    async def read_changes(self, window: SweepWindow) -> OdooChanges:
        self.windows.append(window)
        number = window.after.id if window.after else 0
        more = number + 1 < len(self._pages)
        mark = PageMark(kind=Kind.INVOICES, id=number + 1)
        return self._pages[number].model_copy(update={"next": mark if more else None})

    @activity.defn(name="create_todo")
    async def create_todo(self, request: TodoRequest) -> Done:
        if request.invoice_id in self.refused:
            raise ApplicationError("no", type="business", non_retryable=True)
        self.todos.append(request.summary)
        return Done()


@contextlib.asynccontextmanager
async def sweeping(
    world: World, monkeypatch: pytest.MonkeyPatch, changes: Changes
) -> AsyncIterator[str]:
    """The sweep on a queue of its own, with these activities only."""
    queue = unique("sweep")
    finance = options.odoo_finance

    def here(summary: str, *urgency: Any, **more: Any) -> workflow.ActivityConfig:
        config = finance(summary, *urgency, **more)
        if summary.startswith(("changes since", "to-do")):
            config["task_queue"] = queue
        return config

    monkeypatch.setattr(options, "odoo_finance", here)
    async with Worker(
        world.client,
        task_queue=queue,
        workflows=[OdooSweepWorkflow],
        activities=[changes.read_changes, changes.create_todo],
        # The sandbox would import its own options.
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield queue


def reached(name: str, numbers: range) -> list[ReachedMilestone]:
    at = now()
    return [
        ReachedMilestone(workflow_id=f"{name}-{n}", milestone_id=n, reached_on=None, changed_at=at)
        for n in numbers
    ]


def left_open(name: str, number: int) -> ChangedInvoice:
    """An open invoice whose workflow has ended long ago."""
    found = balance(invoice_id=number, number=f"INV/{number}", as_of=datetime.now(UTC))
    return ChangedInvoice(workflow_id=f"{name}-{number}", balance=found)


async def test_a_month_end_is_told_in_many_workflow_tasks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is short, however much has changed: one that takes long would never be completed."""
    count = 2 * AT_ONCE + 1
    name = unique("month-end")
    changes = Changes(OdooChanges(milestones=reached(name, range(count)), watermark=now()))
    async with sweeping(world, monkeypatch, changes) as queue:
        handle = await world.client.start_workflow(OdooSweepWorkflow.run, id=name, task_queue=queue)
        result = await handle.result()
    assert result.unknown == count
    tasks = Counter(
        sent.workflow_task_completed_event_id
        for event in (await handle.fetch_history()).events
        if event.HasField("signal_external_workflow_execution_initiated_event_attributes")
        for sent in [event.signal_external_workflow_execution_initiated_event_attributes]
        if sent.signal_name != LOST  # of other tests
    )
    assert tasks.total() == count
    assert max(tasks.values()) <= AT_ONCE


def now() -> datetime:
    return datetime.now(UTC)


async def test_a_to_do_that_is_refused_fails_alone_and_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique("refused")
    invoices = [left_open(name, number) for number in range(1, 2 * AT_ONCE)]
    page = OdooChanges(
        invoices=invoices, milestones=reached(name, range(1_000, 1_010)), watermark=now()
    )
    changes = Changes(page)
    changes.refused = {1}
    async with sweeping(world, monkeypatch, changes) as queue:
        schedule = await world.client.create_schedule(
            name,
            Schedule(
                action=ScheduleActionStartWorkflow(
                    OdooSweepWorkflow.run, id=name, task_queue=queue
                ),
                spec=ScheduleSpec(),
                state=ScheduleState(paused=True),
            ),
        )
        first = await swept(world, schedule, 1)
        assert [item.invoice_id for item in first.left] == [1]
        assert len(changes.todos) == len(invoices) - 1, "all others have theirs"
        assert first.unknown == len(invoices) + 10, "nobody was left out"
        changes.refused.clear()
        second = await swept(world, schedule, 2)
        assert second.left == []
        assert any(item.startswith("INV/1:") for item in changes.todos)
        assert second.signalled == second.unknown == 0, "nothing is told twice"
        await schedule.delete()


async def test_a_sweep_goes_on_in_another_run_until_all_pages_are_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique("pages")
    pages = [
        OdooChanges(milestones=reached(name, range(10 * n, 10 * n + 10)), watermark=now())
        for n in range(4)
    ]
    changes = Changes(*pages)
    # As if its history had grown.
    monkeypatch.setattr(workflow.Info, "is_continue_as_new_suggested", lambda _: True)
    async with sweeping(world, monkeypatch, changes) as queue:
        schedule = await world.client.create_schedule(
            name,
            Schedule(
                action=ScheduleActionStartWorkflow(
                    OdooSweepWorkflow.run, id=name, task_queue=queue
                ),
                spec=ScheduleSpec(),
                state=ScheduleState(paused=True),
            ),
        )
        first = await swept(world, schedule, 1)
        assert first.unknown == 40
        assert first.watermark == pages[0].watermark, "of the first page"
        # The next one starts from there.
        second = await swept(world, schedule, 2)
        assert changes.windows[len(pages)].since == first.watermark
        assert second.unknown == 0
        await schedule.delete()


def test_what_was_read_late_enough_is_not_read_once_more() -> None:
    """The overlap is for what becomes visible with an old date: that takes minutes, not days."""
    at = now()
    for minutes, settled in ((0, False), (5, False), (6, True)):
        result = OdooSweepResult(
            watermark=at, marked_at=at, read_at=at + timedelta(minutes=minutes)
        )
        assert result.is_settled(SWEEP_OVERLAP) is settled


def test_a_result_of_a_sweep_is_small_however_much_it_told() -> None:
    long = "contract/" + "x" * 64 + "/" + "y" * 64 + "/invoice/12345"
    unfollowed = Unfollowed(
        workflow_id=long, invoice_id=10**9, number="INV/2026/00007", residual=eur("1234567.89")
    )
    result = OdooSweepResult(
        watermark=now(),
        marked_at=now(),
        read_at=now(),
        seen=["a" * 8] * MOST_SEEN,
        named=[long] * MOST_NAMED,
        unfollowed=[long] * MOST_NAMED,
        left=[unfollowed] * MOST_LEFT,
    )
    told = result.model_copy(update={"named": [], "unfollowed": [], "left": []})
    progress = OdooSweepProgress(before=told, result=result, window=SweepWindow(since=now()))
    assert len(result.model_dump_json()) < 1.0e6
    assert len(progress.model_dump_json()) < 1.5e6

"""Sweeps miss nothing and repeat nothing, whatever the clocks say."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from temporalio import activity, workflow
from temporalio.client import (
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    ScheduleSpec,
    ScheduleState,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.crm import WonDealsRequest
from activities.done import Done
from activities.failures import FailureDetail
from activities.odoo.delivery import TodoRequest
from activities.odoo.sweeps import SWEEP_OVERLAP
from contracts.contract.messages import MilestoneReachedInOdoo
from contracts.crm import WonDeal, WonDeals
from contracts.invoice.state import InvoiceStage
from contracts.model import Source
from contracts.sweeps import (
    FIRST_LOOK_BACK,
    ChangedInvoice,
    ConnectorSweep,
    ConnectorSweepResult,
    Kind,
    OdooChanges,
    OdooSweepProgress,
    OdooSweepResult,
    OdooUnread,
    PageMark,
    ReachedMilestone,
    SweepWindow,
    Unfollowed,
)
from sandbox.server import Sandbox
from tests.unit.examples import balance
from tests.world import World, eur, single, unique
from workflows import options, task_queues
from workflows import sweeps as sweeping_module
from workflows.sweeps import (
    AT_ONCE,
    LOST,
    MOST_LEFT,
    MOST_NAMED,
    MOST_SEEN,
    CrmSweepWorkflow,
    OdooSweepWorkflow,
)

R = TypeVar("R")


@pytest.fixture
async def sweeps(world: World) -> AsyncIterator[ScheduleHandle]:
    handle = await scheduled(world, unique("sweeps"), task_queues.CONTRACTS)
    yield handle
    await handle.delete()


async def scheduled(
    world: World, name: str, queue: str, crm: ConnectorSweep | None = None
) -> ScheduleHandle:
    """A schedule that sweeps Odoo, or a CRM, only when it is triggered; results pass on as in
    production."""
    workflow_name, arguments = ("CrmSweepWorkflow", [crm]) if crm else ("OdooSweepWorkflow", [])
    action = ScheduleActionStartWorkflow(workflow_name, args=arguments, id=name, task_queue=queue)
    schedule = Schedule(action=action, spec=ScheduleSpec(), state=ScheduleState(paused=True))
    return await world.client.create_schedule(name, schedule)


async def swept(world: World, sweeps: ScheduleHandle, times: int) -> OdooSweepResult:
    """Trigger one more sweep, the `times`-th, and wait for what it did."""
    return await result_of(world, sweeps, times, OdooSweepResult)


async def result_of(world: World, sweeps: ScheduleHandle, times: int, model: type[R]) -> R:
    await sweeps.trigger()
    while True:
        recent = (await sweeps.describe()).info.recent_actions
        if len(recent) >= times:
            break
    action = recent[-1].action
    assert isinstance(action, ScheduleActionExecutionStartWorkflow)
    handle: WorkflowHandle[Any, R] = world.client.get_workflow_handle(
        action.workflow_id, run_id=action.first_execution_run_id, result_type=model
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
        ReachedMilestone(
            workflow_id=f"{name}-{n}", mark=MilestoneReachedInOdoo(milestone_id=n, as_of=at)
        )
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
        schedule = await scheduled(world, name, queue)
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


async def test_a_to_do_too_many_to_be_noted_is_tried_again_as_well(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The 501st was lost: a sweep's result notes 500, and its watermark moved on."""
    name = unique("held")
    invoices = [left_open(name, number) for number in range(1, 11)]
    told = reached(name, range(1_000, 1_003))
    changes = Changes(OdooChanges(invoices=invoices, milestones=told, watermark=now()))
    changes.refused = set(range(1, 8))
    monkeypatch.setattr(sweeping_module, "MOST_LEFT", 3)
    async with sweeping(world, monkeypatch, changes) as queue:
        schedule = await scheduled(world, name, queue)
        first = await swept(world, schedule, 1)
        assert (len(first.left), first.held, len(first.unfollowed)) == (3, 4, 3)
        assert first.watermark < now() - timedelta(days=6), "it stays where it was"
        assert not first.is_settled(SWEEP_OVERLAP)
        changes.refused = {7}
        second = await swept(world, schedule, 2)
        assert changes.windows[1].since == first.watermark
        assert second.unknown == 4, "only what was held is told again"
        assert sorted(item.partition(":")[0] for item in set(changes.todos)) == sorted(
            f"INV/{number}" for number in range(1, 11) if number != 7
        )
        assert ([item.invoice_id for item in second.left], second.held) == ([7], 0)
        assert second.watermark > first.watermark
        changes.refused.clear()
        third = await swept(world, schedule, 3)
        assert (third.left, third.held, third.unknown) == ([], 0, 0)
        assert any(item.startswith("INV/7:") for item in changes.todos)
        await schedule.delete()


@pytest.mark.long
async def test_a_sweep_of_a_crm_goes_on_in_another_run_until_all_pages_are_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, at = unique("deals"), now()
    started: list[str] = []

    @activity.defn(name="won_deals")
    async def won_deals(request: WonDealsRequest) -> WonDeals:
        number = int(request.after or 0)
        deals = [WonDeal(deal_id=str(number + n), modified_at=at) for n in range(1, 4)]
        return WonDeals(deals=deals, as_of=at, next=str(number + 3) if number < 9 else "")

    async def start(source: Source, legal_entity: str) -> int:
        started.append(source.id)
        return 1

    def here(summary: str, *urgency: Any) -> workflow.ActivityConfig:
        return workflow.ActivityConfig(task_queue=name, start_to_close_timeout=timedelta(minutes=1))

    monkeypatch.setattr(sweeping_module, "start_contract", start)
    monkeypatch.setattr(options, "crm", here)
    # As if its history had grown.
    monkeypatch.setattr(workflow.Info, "is_continue_as_new_suggested", lambda _: True)
    async with Worker(
        world.client,
        task_queue=name,
        workflows=[CrmSweepWorkflow],
        activities=[won_deals],
        workflow_runner=UnsandboxedWorkflowRunner(),
        # Replayed, a run would count its deals again.
        max_cached_workflows=10,
    ):
        result = await world.client.execute_workflow(
            CrmSweepWorkflow.run,
            ConnectorSweep(system="crm", legal_entity="northwind", overlap=SWEEP_OVERLAP),
            id=name,
            task_queue=name,
        )
    assert started == [str(number) for number in range(1, 13)]
    assert (result.started, result.watermark, len(result.seen)) == (12, at, 12)


@contextlib.asynccontextmanager
async def crm_of_pages(
    world: World, monkeypatch: pytest.MonkeyPatch, last: int, fails: Callable[[str], str | None]
) -> AsyncIterator[tuple[ScheduleHandle, list[str], list[str]]]:
    """A CRM of this many pages of one deal each, and its sweep: the schedule, the marks that were
    asked for, and the deals that were started. `fails` says what kind of failure a mark is."""
    name, at = unique("deals"), now()
    asked, started = list[str](), list[str]()

    @activity.defn(name="won_deals")
    async def won_deals(request: WonDealsRequest) -> WonDeals:
        asked.append(request.after)
        if kind := fails(request.after):
            detail = FailureDetail(code="crm_refused", message="no")
            raise ApplicationError("no", detail, type=kind, non_retryable=True)
        number = int(request.after or 0) + 1
        deals = [WonDeal(deal_id=str(number), modified_at=at)]
        return WonDeals(deals=deals, as_of=at, next=str(number) if number < last else "")

    async def start(source: Source, legal_entity: str) -> int:
        started.append(source.id)
        return 1

    def here(summary: str, *urgency: Any) -> workflow.ActivityConfig:
        return workflow.ActivityConfig(task_queue=name, start_to_close_timeout=timedelta(minutes=1))

    monkeypatch.setattr(sweeping_module, "start_contract", start)
    monkeypatch.setattr(options, "crm", here)
    async with Worker(
        world.client,
        task_queue=name,
        workflows=[CrmSweepWorkflow],
        activities=[won_deals],
        workflow_runner=UnsandboxedWorkflowRunner(),
        # Replayed, a run would count its deals again.
        max_cached_workflows=10,
    ):
        sweep = ConnectorSweep(system="crm", legal_entity="northwind", overlap=SWEEP_OVERLAP)
        schedule = await scheduled(world, name, name, sweep)
        yield schedule, asked, started
        await schedule.delete()


async def test_a_sweep_that_takes_long_ends_and_the_next_one_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping_module, "is_time_up", lambda began_at: True)
    async with crm_of_pages(world, monkeypatch, 3, lambda mark: None) as (schedule, asked, started):
        first, second, third, fourth = [
            await result_of(world, schedule, times, ConnectorSweepResult) for times in range(1, 5)
        ]
    assert asked == ["", "1", "2", ""]
    assert started == ["1", "2", "3"]
    assert [item.unread is None for item in (first, second, third)] == [False, False, True]
    assert [item.started for item in (first, second, third, fourth)] == [1, 1, 1, 0]
    assert third.watermark == first.watermark
    assert third.seen.keys() == {"1", "2", "3"}


async def test_a_sweep_whose_later_page_fails_keeps_what_it_has_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = {"2"}

    def fails(mark: str) -> str | None:
        return "credentials" if mark in away else None

    async with crm_of_pages(world, monkeypatch, 3, fails) as (schedule, asked, started):
        first = await result_of(world, schedule, 1, ConnectorSweepResult)
        assert first.unread is not None
        assert (first.unread.after, first.started) == ("2", 2)
        away.clear()
        second = await result_of(world, schedule, 2, ConnectorSweepResult)
    assert second.unread is None
    assert asked == ["", "1", "2", "2"]
    assert started == ["1", "2", "3"]


async def test_a_mark_that_is_refused_later_begins_the_sweep_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A remote may forget where a page begins."""
    refused = {"2"}

    def fails(mark: str) -> str | None:
        if mark in refused and asked.count(mark) <= 2:
            return "defect"
        return None

    async with crm_of_pages(world, monkeypatch, 3, fails) as (schedule, asked, started):
        await result_of(world, schedule, 1, ConnectorSweepResult)
        second = await result_of(world, schedule, 2, ConnectorSweepResult)
    assert second.unread is None
    assert asked == ["", "1", "2", "2", "", "1", "2"]
    assert set(started) == {"1", "2", "3"}


async def test_a_page_that_fails_again_and_again_fails_the_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(mark: str) -> str | None:
        return "defect" if mark == "2" else None

    async with crm_of_pages(world, monkeypatch, 3, fails) as (schedule, _, _):
        await result_of(world, schedule, 1, ConnectorSweepResult)
        with pytest.raises(WorkflowFailureError):
            await result_of(world, schedule, 2, ConnectorSweepResult)


async def test_the_first_sweep_of_a_day_looks_back_further(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, at = unique("daily"), now()
    days = [date(2026, 5, 4), date(2026, 5, 4), date(2026, 5, 5), date(2026, 5, 5)]
    asked: list[timedelta] = []

    @activity.defn(name="won_deals")
    async def won_deals(request: WonDealsRequest) -> WonDeals:
        asked.append(at - request.since)
        return WonDeals(deals=[], as_of=at)

    def here(summary: str, *urgency: Any) -> workflow.ActivityConfig:
        return workflow.ActivityConfig(task_queue=name, start_to_close_timeout=timedelta(minutes=1))

    monkeypatch.setattr(options, "crm", here)
    monkeypatch.setattr(ConnectorSweep, "day_of", lambda *_: days[len(asked)])
    sweep = ConnectorSweep(
        system="crm",
        legal_entity="northwind",
        overlap=timedelta(minutes=15),
        nightly=timedelta(days=1),
    )
    async with Worker(
        world.client,
        task_queue=name,
        workflows=[CrmSweepWorkflow],
        activities=[won_deals],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        schedule = await scheduled(world, name, name, sweep)
        results = [
            await result_of(world, schedule, times, ConnectorSweepResult)
            for times in range(1, len(days) + 1)
        ]
        await schedule.delete()
    assert asked[0] > FIRST_LOOK_BACK
    assert asked[1:] == [timedelta(minutes=15), timedelta(days=1), timedelta(minutes=15)]
    assert [result.day for result in results] == days
    assert {result.watermark for result in results} == {at}


@pytest.mark.long
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
        schedule = await scheduled(world, name, queue)
        first = await swept(world, schedule, 1)
        assert first.unknown == 40
        assert first.watermark == pages[0].watermark, "of the first page"
        # The next one starts from there.
        second = await swept(world, schedule, 2)
        assert changes.windows[len(pages)].since == first.watermark
        assert second.unknown == 0
        await schedule.delete()


async def test_a_sweep_of_odoo_that_takes_long_ends_and_the_next_one_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique("pages")
    pages = [
        OdooChanges(milestones=reached(name, range(10 * n, 10 * n + 10)), watermark=now())
        for n in range(3)
    ]
    changes = Changes(*pages)
    monkeypatch.setattr(sweeping_module, "is_time_up", lambda began_at: True)
    async with sweeping(world, monkeypatch, changes) as queue:
        schedule = await scheduled(world, name, queue)
        results = [await swept(world, schedule, times) for times in (1, 2, 3, 4)]
        await schedule.delete()
    assert [item.unread is None for item in results[:3]] == [False, False, True]
    assert [item.unknown for item in results] == [10, 10, 10, 0], "each told once"
    assert {item.watermark for item in results[:3]} == {pages[0].watermark}
    assert [window.after is None for window in changes.windows] == [True, False, False, True]


@pytest.mark.parametrize(
    ("minutes", "limit", "is_up", "left"),
    [
        (19, timedelta(minutes=30), False, timedelta(minutes=6)),
        (20, timedelta(minutes=30), True, timedelta(minutes=5)),
        (20, timedelta(days=1), False, timedelta(hours=19, minutes=40)),
        (29, timedelta(minutes=30), True, timedelta(seconds=30)),
        (500, None, False, timedelta(hours=2)),
    ],
)
def test_a_sweep_ends_by_itself_before_its_schedule_ends_it(
    monkeypatch: pytest.MonkeyPatch,
    minutes: int,
    limit: timedelta | None,
    is_up: bool,
    left: timedelta,
) -> None:
    began_at = now()
    info = SimpleNamespace(execution_timeout=limit)
    monkeypatch.setattr(workflow, "info", lambda: info)
    monkeypatch.setattr(workflow, "now", lambda: began_at + timedelta(minutes=minutes))
    assert sweeping_module.is_time_up(began_at) is is_up
    config = workflow.ActivityConfig(schedule_to_close_timeout=timedelta(hours=2))
    assert sweeping_module.in_time(config, began_at)["schedule_to_close_timeout"] == left
    assert sweeping_module.in_time(config, None) == config


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
    window = SweepWindow(since=now())
    progress = OdooSweepProgress(before=told, result=result, window=window, began_at=now())
    result.unread = OdooUnread(window=window, watermark=now(), seen=result.seen)
    assert len(result.model_dump_json()) < 1.6e6
    result.unread = None
    assert len(result.model_dump_json()) < 1.0e6
    assert len(progress.model_dump_json()) < 1.5e6

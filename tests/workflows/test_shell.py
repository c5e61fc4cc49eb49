"""The shell around a pure core, on a real server: what no rule may stop, and what it costs."""

from __future__ import annotations

import ast
import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

with workflow.unsafe.imports_passed_through():
    from activities.failures import BusinessRefusal, FailureInterceptor
    from activities.proofs import Proofs, Proven
    from contracts.actors import NOBODY_SIGNS
    from contracts.agenda.actions import Action, Event, SignalReceived
    from contracts.parking import Action as Choice
    from contracts.parking import Resolution, StepException
    from tests.temporal import temporal_server
    from tests.unit.agenda.toy import AGENDA, Ask, Break, Errand, ToyState
    from workflows import options, shell, task_queues
    from workflows.handlers import message, signal_only
    from workflows.shell import Core, Shell

ROOT = Path(__file__).parents[2]
VERIFIES = Proofs(NOBODY_SIGNS).verify_signatures


@activity.defn
async def run_errand(name: str) -> str:
    if name.startswith("refused"):
        raise BusinessRefusal("not_so", f"{name} is refused")
    return name


def _errand(state: ToyState, action: Action) -> Awaitable[Any]:
    if action.key == "unbuilt":
        raise ZeroDivisionError("the request cannot be built")
    return workflow.start_activity(run_errand, action.key, **options.odoo_finance(action.key))


def _cancelled(_: ToyState) -> Event:
    return SignalReceived(Errand(name="cancelled"), "to cancel")


@workflow.defn
class ToyWorkflow(Shell[ToyState]):
    core = Core(
        agenda=AGENDA,
        perform={"errand": _errand},
        cancelled=_cancelled,
        details=lambda state: f"done: {', '.join(state.done)}",
        attributes=lambda _: {},
        following=lambda state: state,
    )

    @workflow.init
    def __init__(self, state: ToyState) -> None:
        self.begin(state)

    @workflow.run
    async def run(self, state: ToyState) -> ToyState:
        return await self.perform_agenda()

    @message(signal="errand_added", words="errand {message.name}")
    def add_errand(self, errand: Errand) -> str:
        """Something more to do."""
        return self.answered(errand)  # type: ignore[no-any-return]

    @message(signal="broken")
    def break_it(self, broken: Break) -> str:
        """Something the rules have a mistake about."""
        return self.answered(broken)  # type: ignore[no-any-return]

    @message(signal="exception_resolved")
    def resolve_exception(self, resolution: Resolution) -> StepException:
        """A person's decision."""
        return self.answered(resolution)  # type: ignore[no-any-return]

    @signal_only(words="a question")
    def asked(self, ask: Ask) -> None:
        """Something to decide."""

    @workflow.query
    def known(self) -> ToyState:
        return self.state


Handle = WorkflowHandle[ToyWorkflow, ToyState]


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    async with temporal_server() as environment:
        yield environment


@pytest.fixture(scope="module")
async def client(server: WorkflowEnvironment) -> AsyncIterator[Client]:
    workers = (
        Worker(
            server.client,
            task_queue=task_queues.CONTRACTS,
            workflows=[ToyWorkflow],
            activities=[VERIFIES],
            # Outside the sandbox, which would load the modules anew, and unpatched.
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
        Worker(
            server.client,
            task_queue=task_queues.ODOO_FINANCE,
            activities=[run_errand],
            interceptors=[FailureInterceptor()],
        ),
    )
    async with workers[0], workers[1]:
        yield server.client


async def started(client: Client, name: str, *errands: str) -> Handle:
    state = ToyState(clock=datetime.now(UTC), open=tuple(Errand(name=item) for item in errands))
    return await client.start_workflow(
        ToyWorkflow.run, state, id=name, task_queue=task_queues.CONTRACTS
    )


async def until(handle: Handle, enough: Callable[[ToyState], bool]) -> ToyState:
    async with asyncio.timeout(30):
        while True:
            found = await handle.query(ToyWorkflow.known)
            if enough(found):
                return found
            await asyncio.sleep(0.05)


async def events(handle: Handle) -> list[int]:
    return [event.event_type for event in (await handle.fetch_history()).events]


async def refusal(handle: Handle, update: Any, argument: Any) -> ApplicationError:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await handle.execute_update(update, argument)
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause


async def test_errands_are_performed_and_the_workflow_ends(client: Client) -> None:
    handle = await started(client, "errands", "a", "b")
    assert await handle.execute_update(ToyWorkflow.add_errand, Errand(name="last")) == "last"
    ended = await handle.result()
    assert sorted(ended.done) == ["a", "b", "last"]
    assert ended.running == {}


async def test_what_is_refused_reaches_the_sender_and_leaves_no_trace(client: Client) -> None:
    handle = await started(client, "refusing", "a")
    await until(handle, lambda found: found.done == ("a",))
    before = len(await events(handle))
    refused = await refusal(handle, ToyWorkflow.add_errand, Errand(name="a"))
    assert (refused.type, refused.message) == ("refused", "a is done already")
    assert len(await events(handle)) == before
    await handle.signal("errand_added", Errand(name="a"))
    found = await until(handle, lambda state: bool(state.journal.entries))
    assert found.journal.entries[0].text == "Refused errand a: a is done already"


async def test_signals_that_cannot_be_read_are_noted_and_stop_nothing(client: Client) -> None:
    handle = await started(client, "unread", "a")
    await handle.signal("errand_added", {"nam": "x"})
    await handle.signal("errand_added", args=[])
    await handle.signal("errand_aded", Errand(name="x"))
    found = await until(handle, lambda state: len(state.journal.entries) == 3)
    told = " ".join(entry.text for entry in found.journal.entries)
    assert "name" in told
    assert "one message is expected" in told
    assert "there is none of that name" in told


async def test_a_mistake_of_ours_parks_and_never_fails_a_workflow_task(client: Client) -> None:
    handle = await started(client, "mistaken", "a", "unbuilt")
    defect = await refusal(handle, ToyWorkflow.break_it, Break(why="an Update"))
    assert (defect.type, defect.message) == ("defect", "a defect: an Update")
    await handle.signal("broken", Break(why="a Signal"))
    found = await until(handle, lambda state: len(state.exceptions) == 2 and bool(state.done))
    parked = {item.step: item.message for item in found.exceptions}
    assert parked == {
        "unbuilt": "ZeroDivisionError: the request cannot be built",
        "message:1": "ZeroDivisionError: a Signal",
    }
    assert found.done == ("a",)
    # Everything else goes on.
    for step in parked:
        skip = Resolution(action=Choice.SKIP, by="olga", step=step, reason="not needed")
        await handle.execute_update(ToyWorkflow.resolve_exception, skip)
    await handle.execute_update(ToyWorkflow.add_errand, Errand(name="last"))
    ended = await handle.result()
    assert ended.done == ("a", "last")
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in await events(handle)


async def test_temporals_own_cancel_is_a_message(client: Client) -> None:
    handle = await started(client, "cancelling", "a")
    await until(handle, lambda found: found.done == ("a",))
    await handle.cancel()
    await until(handle, lambda found: "cancelled" in found.done)
    await handle.signal("errand_added", Errand(name="last"))
    assert (await handle.result()).done == ("a", "cancelled", "last")


async def test_a_run_gives_way_at_rest_with_what_is_parked(client: Client) -> None:
    handle = await started(client, "renewing", "a", "refused")
    await until(handle, lambda found: bool(found.exceptions) and bool(found.done))
    first = (await handle.describe()).run_id
    await handle.signal(ToyWorkflow.renew_run)
    async with asyncio.timeout(30):
        while (await handle.describe()).run_id == first:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    found = await until(handle, lambda _: True)
    assert [item.step for item in found.exceptions] == ["refused"]
    assert found.done == ("a",)
    # It is not tried again by the new run: a person decides.
    scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    assert scheduled not in await events(client.get_workflow_handle(handle.id))


@pytest.mark.long
async def test_beyond_many_events_nothing_begins_before_the_run_has_given_way(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "TOO_MANY_EVENTS", 12)
    monkeypatch.setattr(shell, "MANY_EVENTS", 12)
    errands = [Errand(name=f"e{number}", lane="one") for number in range(8)]
    handle = await started(client, "draining")
    for item in errands:
        await handle.signal("errand_added", item)
    found = await until(handle, lambda state: len(state.done) == len(errands))
    assert found.done == tuple(item.name for item in errands)
    first = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    seen = await events(first)
    begun = seen.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    assert begun < len(errands), "the first run did not do it all"
    assert (await handle.describe()).run_id != handle.first_execution_run_id


async def test_a_workflow_task_takes_a_bounded_number_of_steps_and_loses_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 11, number 18: what came while no worker was there came in one task, and so did all
    that followed from it. One that takes two seconds is given up, and so is each attempt at it."""
    monkeypatch.setattr(shell, "MOST_STEPS", 4)
    queue, count = "bounded", 30
    state = ToyState(clock=datetime.now(UTC))
    handle = await client.start_workflow(ToyWorkflow.run, state, id=queue, task_queue=queue)
    for number in range(count):
        await handle.signal("errand_added", Errand(name=f"e{number}"))
    await handle.signal("errand_added", Errand(name="last"))
    runner = UnsandboxedWorkflowRunner()
    async with Worker(
        client,
        task_queue=queue,
        workflows=[ToyWorkflow],
        activities=[VERIFIES],
        workflow_runner=runner,
    ):
        ended = await handle.result()
    assert sorted(ended.done) == sorted([*(f"e{number}" for number in range(count)), "last"])
    begun: Counter[int] = Counter(
        event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
        for event in (await handle.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    )
    assert begun.total() == count + 1
    assert max(begun.values()) <= 3 * shell.MOST_STEPS
    replayer = Replayer(
        workflows=[ToyWorkflow],
        workflow_runner=runner,
        data_converter=pydantic_data_converter,
    )
    await replayer.replay_workflow(await handle.fetch_history())


@activity.defn(name="verify_signatures")
async def verify_slowly(tokens: list[str]) -> list[Proven]:
    """One token is no good; and it takes a while to see that."""
    await asyncio.sleep(0.5)
    return [Proven(refusal="it is forged" if token == "forged" else "") for token in tokens]


async def test_a_signal_keeps_its_place_while_it_is_verified_and_the_run_waits_for_it(
    client: Client,
) -> None:
    queue = "slowly"
    state = ToyState(clock=datetime.now(UTC))
    handle = await client.start_workflow(ToyWorkflow.run, state, id=queue, task_queue=queue)
    runner = UnsandboxedWorkflowRunner()
    async with Worker(
        client,
        task_queue=queue,
        workflows=[ToyWorkflow],
        activities=[verify_slowly],
        workflow_runner=runner,
    ):
        await handle.signal("errand_added", Errand(name="a", lane="one"))
        await handle.signal("errand_added", Errand(name="b", lane="one", actor="forged"))
        await handle.signal("asked", Ask(name="c"))
        await handle.signal("errand_added", Errand(name="d", lane="one"))
        await handle.signal(ToyWorkflow.renew_run)
        found = await until(handle, lambda state: len(state.done) == 2)
        assert found.done == ("a", "d")
        assert [item.key for item in found.exceptions] == ["ask:c"]
        [told] = [entry.text for entry in found.journal.entries if "Refused" in entry.text]
        assert told == "Refused errand b: it is forged"
        async with asyncio.timeout(30):
            while (await handle.describe()).run_id == handle.first_execution_run_id:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        first = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        signalled = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
        assert (await events(first)).count(signalled) == 5
        await handle.signal("errand_added", Errand(name="last"))
        skip = Resolution(action=Choice.SKIP, by="olga", step="ask:c", reason="not needed")
        await handle.execute_update(ToyWorkflow.resolve_exception, skip)
        assert (await handle.result()).done == ("a", "d", "last")
    replayer = Replayer(
        workflows=[ToyWorkflow], workflow_runner=runner, data_converter=pydantic_data_converter
    )
    await replayer.replay_workflow(await first.fetch_history())


# --- the code itself --------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["workflows/invoice.py", "workflows/shell.py"])
def test_no_handler_is_async_and_each_is_a_line(file: str) -> None:
    """No message waits for another, so that nothing is pending when a run gives way."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    marks = {"message", "signal_only", "signal", "update", "query"}
    handlers = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and marks & {name for mark in node.decorator_list for name in _names(mark)}
    ]
    assert handlers
    for node in handlers:
        assert isinstance(node, ast.FunctionDef), f"{node.name} is async"
        body = [line for line in node.body if not _is_docstring(line)]
        assert len(body) <= 1, f"{node.name} is more than a line"


def _names(mark: ast.expr) -> list[str]:
    return [
        item.attr if isinstance(item, ast.Attribute) else item.id
        for item in ast.walk(mark)
        if isinstance(item, ast.Attribute | ast.Name)
    ]


def _is_docstring(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)

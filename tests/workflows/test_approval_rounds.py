"""Approval rounds in a workflow of their own: messages, reminders, escalation, continue-as-new."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from temporalio import activity, workflow
from temporalio.client import (
    Client,
    WorkflowContinuedAsNewError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.testing import TimeSkipper, TimeSkippingConfig, WorkflowEnvironment
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel, Field

    from activities.done import Done
    from activities.failures import BusinessRefusal, FailureInterceptor
    from activities.odoo.chatter import Notification
    from contracts.approvals import (
        ApprovalDecision,
        ApprovalKind,
        ApprovalPolicy,
        ApprovalRound,
        ApprovalTier,
        Decision,
        Subject,
    )
    from contracts.calendar import BusinessCalendar
    from contracts.journal import Journal
    from contracts.money import Money
    from contracts.parking import Action, Resolution, StepException
    from tests.temporal import temporal_server
    from workflows import task_queues
    from workflows.approval import ApprovalMessages, ApprovalProcess
    from workflows.steps import Steps

ANA, BOB = "ana@northwind.example", "bob@northwind.example"
CLEO, DORA = "cleo@northwind.example", "dora@northwind.example"
CALENDAR = BusinessCalendar(time_zone="Europe/Brussels")
POLICY = ApprovalPolicy(
    groups={"finance": (ANA, BOB), "directors": (CLEO, DORA)},
    tiers=(ApprovalTier(group="finance"),),
    auto_approve_up_to=(Money(50, "EUR"),),
    # A week apart at the least, whatever day the test runs on.
    remind_after_business_days=2,
    escalate_after_business_days=15,
    escalation_group="directors",
)


class Asked(BaseModel):
    """What the workflow below asks for, and what it carries over."""

    rounds: list[ApprovalRound]
    answers: list[bool] = Field(default_factory=list)
    journal: Journal = Field(default_factory=Journal)
    exceptions: list[StepException] = Field(default_factory=list)


@workflow.defn
class AskingWorkflow(ApprovalMessages):
    """Has several things approved, one after the other."""

    @workflow.init
    def __init__(self, asked: Asked) -> None:
        self.state = asked
        self._renew = self._withdrawn = False
        steps = Steps(asked.exceptions, self.noted, changed=lambda: None)
        self._steps = steps
        self._approving = ApprovalProcess(steps, rest=self._rest, note=self.noted)

    @workflow.run
    async def run(self, asked: Asked) -> Asked:
        asking = asyncio.create_task(self._ask())
        await workflow.wait_condition(lambda: self._renew or asking.done())
        if self._renew:
            workflow.continue_as_new(self.state)
        await asking
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.state

    async def _ask(self) -> None:
        while len(self.state.answers) < len(self.state.rounds):
            answer = await self._approving.run(
                self._current, self._keep, CALENDAR, order_id=7, obsolete=lambda: self._withdrawn
            )
            self.state.answers.append(answer)

    def _current(self) -> ApprovalRound:
        return self.state.rounds[len(self.state.answers)]

    def _keep(self, after: ApprovalRound) -> None:
        self.keep_round(self._current(), after)

    @workflow.query
    def parked(self) -> list[StepException]:
        return self.state.exceptions

    @workflow.signal
    def resolve(self, resolution: Resolution) -> None:
        self._steps.resolve(resolution)

    @workflow.signal
    def renew(self) -> None:
        self._renew = True

    @workflow.signal
    def withdraw(self) -> None:
        self._withdrawn = True

    def approval_rounds(self) -> list[ApprovalRound]:
        return self.state.rounds

    def keep_round(self, before: ApprovalRound, after: ApprovalRound) -> None:
        self.state.rounds[self.state.rounds.index(before)] = after

    def noted(self, text: str) -> None:
        self.state.journal = self.state.journal.noted(workflow.now(), text)

    async def _rest(
        self, until: Callable[[], bool], deadline: datetime | None, summary: str
    ) -> None:
        timeout = max(deadline - workflow.now(), timedelta(0)) if deadline else None
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(until, timeout=timeout, timeout_summary=summary)


@dataclass
class Desk:
    """A server, the workflow above on it, and what approvers were told."""

    time: TimeSkipper
    told: list[Notification] = field(default_factory=list)
    odoo_refuses: bool = False
    started: int = 0

    @property
    def client(self) -> Client:
        return self.time.client

    async def ask(self, *subjects: Subject) -> WorkflowHandle[AskingWorkflow, Asked]:
        self.started += 1
        today = CALENDAR.today(datetime.now().astimezone())
        rounds = [ApprovalRound.begin(POLICY, CALENDAR, item, today) for item in subjects]
        return await self.client.start_workflow(
            AskingWorkflow.run,
            Asked(rounds=rounds),
            id=f"asking-{self.started}",
            task_queue=task_queues.CONTRACTS,
        )

    async def skip(self, handle: WorkflowHandle[AskingWorkflow, Asked], days: int) -> None:
        await self.time.fast_forward(handle, timedelta(days=days))


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    """Not the session's: the world's workers would take these activities for theirs."""
    async with temporal_server() as environment:
        yield environment


@pytest.fixture(scope="module")
async def desk(server: WorkflowEnvironment) -> AsyncIterator[Desk]:
    found = Desk(TimeSkipper(server.client, config=TimeSkippingConfig(enabled=False)))

    @activity.defn(name="notify")
    async def notify(request: Notification) -> Done:
        if found.odoo_refuses:
            raise BusinessRefusal("order_missing", "the order is not in Odoo")
        found.told.append(request)
        return Done()

    workers = (
        Worker(server.client, task_queue=task_queues.CONTRACTS, workflows=[AskingWorkflow]),
        Worker(
            server.client,
            task_queue=task_queues.ODOO_FINANCE,
            activities=[notify],
            interceptors=[FailureInterceptor()],
        ),
    )
    async with workers[0], workers[1]:
        yield found


def subject(number: int = 1, amount: str = "900.00", **changes: object) -> Subject:
    fields: dict[str, object] = {
        "kind": ApprovalKind.CHANGE_ORDER,
        "title": f"change order {number} of C-1",
        "amount": Money(amount, "EUR"),
        "content_hash": f"{number:064x}"[::-1],
        "requested_by": (ANA,),
    }
    return Subject.model_validate(fields | changes)


def yes(by: str, about: Subject, **changes: object) -> ApprovalDecision:
    fields: dict[str, object] = {
        "by": by,
        "content_hash": about.content_hash[:12],
        "amount": about.amount,
    }
    return ApprovalDecision.model_validate(fields | changes)


async def refused(handle: WorkflowHandle[AskingWorkflow, Asked], decision: ApprovalDecision) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await handle.execute_update(AskingWorkflow.decide_approval, decision)
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause.message


async def test_an_update_answers_at_once_and_with_the_reason(desk: Desk) -> None:
    about = subject()
    handle = await desk.ask(about)
    assert "segregation" in await refused(handle, yes(ANA, about))
    assert "names content" in await refused(handle, yes(BOB, about, content_hash="f" * 12))
    after = await handle.execute_update(AskingWorkflow.decide_approval, yes(BOB, about))
    assert after.is_met
    assert [item.by for item in after.approvals] == [BOB]
    assert (await handle.result()).answers == [True]


async def test_a_signal_counts_the_same_and_its_refusal_is_noted(desk: Desk) -> None:
    about = subject()
    handle = await desk.ask(about)
    await handle.signal(AskingWorkflow.approval_decided, yes(CLEO, about))
    no = yes(BOB, about, decision=Decision.REJECT, comment="not agreed")
    await handle.signal(AskingWorkflow.approval_decided, no)
    ended = await handle.result()
    assert ended.answers == [False]
    notes = [entry.text for entry in ended.journal.entries]
    assert notes[0].startswith(f"Refused a decision of {CLEO}: {CLEO} may not decide this")
    assert notes[1] == f"Rejected change order 1 of C-1: {BOB}: not agreed"


async def test_several_open_things_are_told_apart_by_their_content(desk: Desk) -> None:
    first, second = subject(1), subject(2)
    handle = await desk.ask(first, second)
    told = await refused(handle, yes(BOB, first, content_hash=""))
    assert "several things await approval" in told
    assert "change order 1 of C-1" in told
    assert "change order 2 of C-1" in told
    await handle.execute_update(AskingWorkflow.decide_approval, yes(BOB, second))
    [left] = await handle.query(AskingWorkflow.open_approvals)
    assert left.subject == first
    # One alone needs no hash to be rejected.
    no = ApprovalDecision(decision=Decision.REJECT, by=BOB, comment="no")
    await handle.execute_update(AskingWorkflow.decide_approval, no)
    assert (await handle.result()).answers == [False, True]


async def test_approvers_are_reminded_once_and_then_directors_decide(desk: Desk) -> None:
    about = subject(details=("Build: 100.00 EUR -> 1000.00 EUR",))
    handle = await desk.ask(about)
    before = len(desk.told)
    assert "may not decide" in await refused(handle, yes(CLEO, about))
    await desk.skip(handle, days=7)
    await desk.skip(handle, days=21)
    await handle.execute_update(AskingWorkflow.decide_approval, yes(CLEO, about))
    assert (await handle.result()).answers == [True]
    told = desk.told[before:]
    assert [item.subject.split(":")[0] for item in told] == ["Reminder", "Escalated"]
    # Ana asked for it: she has nothing to approve.
    assert [item.people for item in told] == [(BOB,), (BOB, CLEO, DORA)]
    assert len({item.subject for item in told}) == 2
    assert all(item.order_id == 7 for item in told)
    assert "Build: 100.00 EUR -> 1000.00 EUR" in told[0].text
    assert f"c2c approvals approve {handle.id}" in told[0].text


async def test_a_round_goes_on_where_it_was_after_continue_as_new(desk: Desk) -> None:
    first, second = subject(1), subject(2)
    handle = await desk.ask(first, second)
    before = len(desk.told)
    await handle.execute_update(AskingWorkflow.decide_approval, yes(BOB, second))
    await desk.skip(handle, days=7)
    await handle.signal(AskingWorkflow.renew)
    with pytest.raises(WorkflowContinuedAsNewError):
        await handle.result(follow_runs=False)
    latest = desk.client.get_workflow_handle(handle.id, result_type=Asked)
    await latest.execute_update(AskingWorkflow.decide_approval, yes(BOB, first))
    ended = await latest.result()
    assert ended.answers == [True, True]
    # Reminded in the first run, not again in the second.
    assert len(desk.told) == before + 1


async def test_a_reminder_that_is_parked_stays_so_after_continue_as_new(desk: Desk) -> None:
    about = subject()
    handle = await desk.ask(about)
    before, desk.odoo_refuses = len(desk.told), True
    await desk.skip(handle, days=7)
    assert await parked(handle) == "notify:change_order"
    desk.odoo_refuses = False
    await handle.signal(AskingWorkflow.renew)
    with pytest.raises(WorkflowContinuedAsNewError):
        await handle.result(follow_runs=False)
    latest = desk.client.get_workflow_handle(handle.id, result_type=Asked)
    assert await parked(latest) == "notify:change_order"
    await latest.signal(AskingWorkflow.resolve, Resolution(action=Action.RETRY, by="olga"))
    while len(desk.told) == before:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert desk.told[-1].subject.startswith("Reminder: change order of 900.00 EUR awaits approval")
    await latest.execute_update(AskingWorkflow.decide_approval, yes(BOB, about))
    ended = await latest.result()
    assert (ended.answers, ended.exceptions) == ([True], [])


async def parked(handle: WorkflowHandle[AskingWorkflow, Asked]) -> str:
    """The one step that is parked, once one is."""
    while not (found := await handle.query(AskingWorkflow.parked)):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    [step] = found
    return step.step


async def test_what_is_approved_by_rule_asks_nobody(desk: Desk) -> None:
    about = subject(kind=ApprovalKind.INVOICE, amount="50.00", as_planned=True)
    handle = await desk.ask(about)
    ended = await handle.result()
    assert ended.answers == [True]
    [note] = [entry.text for entry in ended.journal.entries]
    assert note == "change order 1 of C-1: as planned and up to 50.00 EUR: approved by rule"


async def test_what_is_withdrawn_is_not_approved(desk: Desk) -> None:
    handle = await desk.ask(subject())
    await handle.signal(AskingWorkflow.withdraw)
    assert (await handle.result()).answers == [False]

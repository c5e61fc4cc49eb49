"""The real workflows beside the pure cores: each hears what the other hears, and both must agree.

`contracts` say what is decided; `workflows` perform it. Here a workflow is driven as a worker
drives it: it is handed activations (a start, messages, results, timers), and gives commands. Acts
are held until the explorer ends them, and time is what the explorer says. No server is needed, so
that hundreds of ways take a minute; what they cost there is measured elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import RetryState
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto import child_workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.common import MetricMeter, Priority, TypedSearchAttributes
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ActivityError, ApplicationError, FailureError
from temporalio.exceptions import RetryState as Retried
from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker._workflow_instance import WorkflowInstance, WorkflowInstanceDetails

from activities.crm import DealData
from activities.failures import FailureDetail
from activities.odoo.burn import BurnFound
from activities.odoo.expenses import ExpenseReading
from activities.odoo.handover import HandoverResult
from activities.odoo.milestones import Marked
from activities.odoo.orders import OrderRef
from activities.odoo.projects import AmendedProject
from activities.odoo.timesheets import TimeReading
from activities.odoo.validation import Accepted
from activities.proofs import Proven
from contracts.agenda.actions import Action, ClockRang, Done, Failed, Result
from contracts.contract import (
    amendments,
    delivery,
    handing_over,
    holds,
    invoices,
    proposing,
    provisioning,
    reading,
    signing,
    write_back,
)
from contracts.contract import endings as contract_endings
from contracts.contract.messages import (
    CancelRequest,
    InvoiceEnded,
    InvoiceLost,
    MilestoneReachedInOdoo,
)
from contracts.contract.state import ContractInput
from contracts.identifiers import invoice_workflow_id
from contracts.invoice import acts
from contracts.invoice.messages import ContractRenewed
from contracts.invoice.rules import AGENDA
from contracts.sweeps import OdooChanges, ReachedMilestone, UnreachedMilestone
from tests.explore.chance import chosen
from tests.explore.coverage import Coverage
from tests.explore.digests import LEFT_OUT, digest
from tests.explore.examples import AMPLE, SMALL, large, small
from tests.explore.messages import Sent, everything
from tests.explore.moves import Answer, Kill, Move, Renewal, Rings
from tests.explore.world import CONTRACT, Mail, World, performed, refusal, told, wake_of
from tests.recorded import written
from workflows.contract import ContractWorkflow
from workflows.invoice import InvoiceWorkflow

_CONVERTER = pydantic_data_converter.payload_converter
_FAILURES = pydantic_data_converter.failure_converter
_START = "start_child_workflow_execution"
CONTRACT_ID = "contract/northwind/C-1"
_numbers = count(1)
_DISTURBED = 0.1

# --- names of acts and messages -----------------------------------------------------------------

_CONTRACT_ACTS = {
    provisioning.READ_DEAL: "read_deal",
    provisioning.VALIDATE: "validate_contract",
    provisioning.PROVISION: "provision",
    signing.ATTACH_SIGNED: "attach_signed",
    reading.READ_TIME: "read_time",
    reading.READ_EXPENSES: "read_expenses",
    delivery.MARK_MILESTONE: "mark_milestone",
    delivery.LOOK_UP: "read_changes",
    delivery.SET_DELIVERED: "set_delivered",
    proposing.START_INVOICE: _START,
    proposing.WARN: "notify",
    holds.DUNNING_HOLD: "contract_dunning_hold",
    invoices.CONTRACT_RENEWED: "contract_renewed",
    amendments.POLICY: "entity_policy",
    amendments.NOTIFY: "notify",
    amendments.AMEND_ORDER: "amend_order",
    amendments.AMEND_PROJECT: "amend_project",
    amendments.PROJECT_STATUS: "set_project_status",
    handing_over.HAND_OVER: "hand_over",
    handing_over.READ_BURN: "read_burn",
    write_back.REFRESH: "read_deal",
    write_back.WRITE_STATUS: "write_status",
    contract_endings.CLOSE_OUT: "close_out",
    contract_endings.CANCEL_ORDER: "cancel_order",
    contract_endings.ARCHIVE_PROJECT: "archive_project",
}
_INVOICE_ACTS = {
    acts.CREATE: "create_draft",
    acts.POST: "post_invoice",
    acts.DISCARD: "discard_draft",
    acts.NOTIFY: "notify",
    acts.DELIVER: "send_invoice",
    acts.BALANCE: "read_balance",
    acts.REGISTER_PAYMENT: "register_payment",
    acts.REVERSE_PAYMENT: "reverse_payment",
    acts.PAYMENT_LINK: "create_payment_link",
    acts.TAKE_BACK: "discard_draft",
    acts.RECONCILE: "reconcile_credit",
    acts.REMIND: "send_reminder",
    acts.TODO: "create_todo",
    acts.WRITE_OFF: "write_off",
    acts.TELL_CONTRACT: "invoice_changed",
    acts.ASK_CREDIT: "credit_requested",
    acts.TELL_INVOICE: "credit_applied",
}
"""The name of the command by which each act is begun: an activity's, a Signal's, or the start of a
child."""
_SIGNALS = {
    "MilestoneReached": "milestone_reached",
    "MilestoneReachedInOdoo": "milestone_reached_in_odoo",
    "MilestoneUnreachedInOdoo": "milestone_unreached_in_odoo",
    "InvoiceReport": "invoice_changed",
    "CreditRequested": "credit_requested",
    "CancelRequest": "cancel_requested",
    "SignatureReported": "signature_reported",
    "PaymentNotice": "payment_received",
    "PaymentReported": "payment_reported",
    "InvoiceBalance": "balance_changed",
    "CreditApplied": "credit_applied",
    "ContractHoldChange": "contract_dunning_hold",
    "ContractRenewed": "contract_renewed",
}
_ANSWERS: Mapping[str, Callable[[Any], Any]] = {
    provisioning.READ_DEAL: lambda deal: DealData(
        contract_data=deal.contract_data, signature=deal.signature
    ),
    write_back.REFRESH: lambda deal: DealData(
        contract_data=deal.contract_data, signature=deal.signature
    ),
    signing.ATTACH_SIGNED: lambda attached: attached,
    provisioning.VALIDATE: lambda found: Accepted(
        contract=found.contract, company_id=found.company_id, time_zone=found.time_zone
    ),
    provisioning.PROVISION: lambda refs: refs,
    reading.READ_TIME: lambda read: TimeReading(
        found=list(read.found), gone=list(read.gone), as_of=read.as_of
    ),
    reading.READ_EXPENSES: lambda read: ExpenseReading(
        found=list(read.found), gone=list(read.gone), as_of=read.as_of
    ),
    delivery.MARK_MILESTONE: lambda as_of: Marked(as_of=as_of),
    delivery.LOOK_UP: lambda shown: _changes(*shown),
    amendments.POLICY: lambda policy: policy,
    amendments.AMEND_PROJECT: lambda found: AmendedProject(
        milestone_ids=found.milestone_ids, task_ids=found.task_ids, reached=list(found.reached)
    ),
    handing_over.HAND_OVER: lambda found: HandoverResult(
        plan=found.plan,
        tasks=found.task_ids,
        copied=found.template_tasks,
        kept=list(found.kept),
        staffed=found.staffed,
    ),
    handing_over.READ_BURN: lambda found: BurnFound(burn=found.burn, staffed=found.staffed),
    amendments.AMEND_ORDER: lambda lines: OrderRef(order_id=5, lines=lines),
    acts.CREATE: lambda draft: draft,
    acts.POST: lambda balance: balance,
    acts.BALANCE: lambda balance: balance,
    acts.REGISTER_PAYMENT: lambda balance: balance,
    acts.REVERSE_PAYMENT: lambda balance: balance,
    acts.PAYMENT_LINK: lambda link: link,
    acts.RECONCILE: lambda found: found,
    acts.WRITE_OFF: lambda balance: balance,
}
"""What the activity of an act answers, from what the rules take; nothing for the others."""


def _changes(mark: delivery.Mark) -> OdooChanges:
    """A milestone as it is read in Odoo."""
    found = OdooChanges(watermark=mark.as_of)
    if isinstance(mark, MilestoneReachedInOdoo):
        found.milestones = [ReachedMilestone(workflow_id=CONTRACT_ID, mark=mark)]
    else:
        found.unreached = [UnreachedMilestone(workflow_id=CONTRACT_ID, mark=mark)]
    return found


# --- one run of a workflow ------------------------------------------------------------------------


@dataclass
class Run:
    """A run of a workflow: `acts` are the numbers of the commands that are under way, by the keys
    of their acts; `timers` say when each rings."""

    kind: type
    workflow_id: str
    argument: Payload
    instance: WorkflowInstance = field(init=False)
    acts: dict[str, WorkflowCommand] = field(default_factory=dict)
    children: dict[int, int] = field(default_factory=dict)
    timers: dict[int, datetime] = field(default_factory=dict)
    tape: list[tuple[WorkflowActivation, list[bytes]]] = field(default_factory=list)
    is_over: bool = False
    _begun: list[WorkflowCommand] = field(default_factory=list)

    def begin(self, now: datetime) -> None:
        self.instance = _instance(self.kind, self.workflow_id, now)
        job = WorkflowActivationJob()
        job.initialize_workflow.workflow_type = self.kind.__name__
        job.initialize_workflow.workflow_id = self.workflow_id
        job.initialize_workflow.arguments.append(self.argument)
        self.activate(now, job)

    @property
    def state(self) -> Any:
        return self.instance._object.state  # type: ignore[attr-defined]

    def activate(self, now: datetime, *jobs: WorkflowActivationJob) -> list[WorkflowCommand]:
        """Hand it what has happened; its commands."""
        activation = WorkflowActivation(run_id="run", jobs=jobs)
        activation.timestamp.FromDatetime(now)
        commands = _commands(self.instance, activation)
        for command in commands:
            self._note(command, now)
        self.tape.append((activation, _as_bytes(commands)))
        self.record(now)
        return commands

    def _note(self, command: WorkflowCommand, now: datetime) -> None:
        if command.HasField("start_timer"):
            delay = command.start_timer.start_to_fire_timeout.ToTimedelta()
            self.timers[command.start_timer.seq] = now + delay
        elif command.HasField("cancel_timer"):
            self.timers.pop(command.cancel_timer.seq, None)
        elif command.HasField("complete_workflow_execution"):
            self.is_over = True
        elif _name_of(command):
            self._begun.append(command)

    def record(self, now: datetime) -> None:
        """What happens beside the acts is answered at once, as in the world."""
        while found := next(self._beside(), None):
            command, answer = found
            self._begun.remove(command)
            job = WorkflowActivationJob()
            answer(self, command, job)
            self.activate(now, job)

    def _beside(self) -> Iterator[tuple[WorkflowCommand, Beside]]:
        for command in self._begun:
            answer = _BESIDE.get(_beside_of(command))
            if answer is not None:
                yield command, answer

    def matched(self, actions: Mapping[str, Action], names: Mapping[str, str]) -> None:
        """Find the commands by which new acts were begun."""
        for key, action in actions.items():
            if key in self.acts:
                continue
            name = names[action.kind]
            found = [c for c in self._begun if _name_of(c) == name]
            assert found, f"{key} was not begun: {[_name_of(c) for c in self._begun]}"
            self._begun.remove(found[0])
            self.acts[key] = found[0]
        assert not self._begun, f"more was begun: {[_name_of(c) for c in self._begun]}"

    # --- what it hears

    def signal(self, now: datetime, name: str, *messages: Any) -> list[WorkflowCommand]:
        job = WorkflowActivationJob()
        job.signal_workflow.signal_name = name
        job.signal_workflow.originating_event_id = next(_numbers)
        job.signal_workflow.input.extend(_CONVERTER.to_payloads(messages))
        return self.activate(now, job)

    def update(self, now: datetime, message: Any) -> str:
        """Send an Update; why it is refused, or nothing."""
        job = WorkflowActivationJob()
        job.do_update.id = job.do_update.protocol_instance_id = f"update-{next(_numbers)}"
        job.do_update.name = _updates_of(self.kind)[type(message)]
        job.do_update.input.extend(_CONVERTER.to_payloads([message]))
        job.do_update.run_validator = True
        commands = self.activate(now, job)
        answers = [c.update_response for c in commands if c.HasField("update_response")]
        refusals = [item.rejected.message for item in answers if item.HasField("rejected")]
        if refusals:
            self.tape.pop()  # A history knows nothing of what a validator refuses.
            return str(refusals[0])
        assert any(item.HasField("completed") for item in answers), "an Update has no answer"
        return ""

    def cancel(self, now: datetime) -> None:
        job = WorkflowActivationJob()
        job.cancel_workflow.SetInParent()
        self.activate(now, job)

    def ring(self, now: datetime) -> None:
        due = [seq for seq, at in self.timers.items() if at <= now]
        for seq in due:
            del self.timers[seq]
            job = WorkflowActivationJob()
            job.fire_timer.seq = seq
            self.activate(now, job)

    def answered(self, now: datetime, key: str, action: Action, result: Result) -> None:
        """An act ends: the activity, the Signal or the start by which it was begun."""
        command = self.acts.pop(key)
        self.activate(now, _resolution(command, action, result))

    def child_ended(self, now: datetime, number: int, report: Any) -> None:
        job = WorkflowActivationJob()
        job.resolve_child_workflow_execution.seq = self.children.pop(number)
        found = job.resolve_child_workflow_execution.result
        if report is None:
            found.failed.failure.CopyFrom(_failure(ApplicationError("terminated")))
        else:
            found.completed.result.CopyFrom(_CONVERTER.to_payload(report))
        self.activate(now, job)

    def renewed(self, now: datetime) -> Run:
        """The run that goes on where this one gives way."""
        for command in self.signal(now, "renew_run"):
            if command.HasField("continue_as_new_workflow_execution"):
                [argument] = command.continue_as_new_workflow_execution.arguments
                return Run(self.kind, self.workflow_id, argument)
        raise AssertionError("it does not continue as new")


def replayed(run: Run) -> None:
    """Hand a fresh instance the same activations: the commands must be the same."""
    instance = _instance(run.kind, run.workflow_id, _time_of(run.tape[0][0]))
    for activation, commands in run.tape:
        activation.is_replaying = True
        for job in activation.jobs:
            if job.HasField("do_update"):
                job.do_update.run_validator = False
        found = _as_bytes(_commands(instance, activation))
        assert found == commands, "a replay differs"


def _time_of(activation: WorkflowActivation) -> datetime:
    return activation.timestamp.ToDatetime(tzinfo=UTC)


def _commands(instance: WorkflowInstance, activation: WorkflowActivation) -> list[WorkflowCommand]:
    completion = instance.activate(activation)
    assert not completion.HasField("failed"), completion.failed.failure.message
    return list(completion.successful.commands)


def _as_bytes(commands: Sequence[WorkflowCommand]) -> list[bytes]:
    return [command.SerializeToString(deterministic=True) for command in commands]


def _updates_of(kind: type) -> dict[type, str]:
    definition = workflow._Definition.must_from_class(kind)
    return {
        item.arg_types[0]: name
        for name, item in definition.updates.items()
        if name and item.arg_types
    }


Beside = Callable[[Run, WorkflowCommand, WorkflowActivationJob], None]
"""Answers what a run has begun beside its acts."""


def _written(run: Run, command: WorkflowCommand, job: WorkflowActivationJob) -> None:
    """What it begins to write of its audit record is written."""
    job.resolve_activity.seq = command.schedule_activity.seq
    answer = _CONVERTER.to_payload(written(run.state).value)
    job.resolve_activity.result.completed.result.CopyFrom(answer)


def _verified(run: Run, command: WorkflowCommand, job: WorkflowActivationJob) -> None:
    """It is known who sent what it hears: nobody signs here."""
    scheduled = command.schedule_local_activity
    [tokens] = _CONVERTER.from_payloads(list(scheduled.arguments), [list[str]])
    job.resolve_activity.seq, job.resolve_activity.is_local = scheduled.seq, True
    answer = _CONVERTER.to_payload([Proven() for _ in tokens])
    job.resolve_activity.result.completed.result.CopyFrom(answer)


def _mailed(run: Run, command: WorkflowCommand, job: WorkflowActivationJob) -> None:
    """What mails an escalation to our own people has started."""
    started = job.resolve_child_workflow_execution_start
    started.seq = command.start_child_workflow_execution.seq
    started.succeeded.run_id = "mail"


_BESIDE: Mapping[str, Beside] = {
    "write_entries": _written,
    "verify_signatures": _verified,
    "MailWorkflow": _mailed,
}


def _beside_of(command: WorkflowCommand) -> str:
    """The name under which it is among what happens beside the acts: a child's is its type."""
    if command.HasField("start_child_workflow_execution"):
        return command.start_child_workflow_execution.workflow_type
    return _name_of(command)


def _name_of(command: WorkflowCommand) -> str:
    """Which act a command begins; nothing for one that begins none."""
    if command.HasField("schedule_activity"):
        return command.schedule_activity.activity_type
    if command.HasField("schedule_local_activity"):
        return command.schedule_local_activity.activity_type
    if command.HasField("signal_external_workflow_execution"):
        return command.signal_external_workflow_execution.signal_name
    return _START if command.HasField(_START) else ""  # type: ignore[arg-type]


def _resolution(command: WorkflowCommand, action: Action, result: Result) -> WorkflowActivationJob:
    job = WorkflowActivationJob()
    if command.HasField("signal_external_workflow_execution"):
        sent = job.resolve_signal_external_workflow
        sent.seq = command.signal_external_workflow_execution.seq
        if isinstance(result, Failed):
            sent.failure.CopyFrom(_failure(ApplicationError("no such workflow")))
        return job
    if command.HasField("start_child_workflow_execution"):
        assert isinstance(result, Done)
        started = job.resolve_child_workflow_execution_start
        started.seq = command.start_child_workflow_execution.seq
        if result.value:
            started.succeeded.run_id = "run"
        else:
            started.failed.cause = child_workflow.StartChildWorkflowExecutionFailedCause.Value(
                "START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS"
            )
        return job
    is_local = command.HasField("schedule_local_activity")
    scheduled = command.schedule_local_activity if is_local else command.schedule_activity
    job.resolve_activity.seq, job.resolve_activity.is_local = scheduled.seq, is_local
    if isinstance(result, Failed):
        job.resolve_activity.result.failed.failure.CopyFrom(_activity_failure(result))
        return job
    answer = _ANSWERS.get(action.kind)
    job.resolve_activity.result.completed.SetInParent()
    found = answer(result.value) if answer else None
    if found is not None:
        job.resolve_activity.result.completed.result.CopyFrom(_CONVERTER.to_payload(found))
    return job


def _activity_failure(failed: Failed) -> Failure:
    detail = FailureDetail(
        step=failed.part,
        code=failed.code,
        message=failed.message,
        field=failed.field,
        value=failed.value,
        problems=list(failed.problems),
        maybe_done=failed.maybe_done,
    )
    facts = [] if failed.facts is None else [failed.facts]
    error = ActivityError(
        "failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type="act",
        activity_id="1",
        retry_state=Retried(RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE),
    )
    error.__cause__ = ApplicationError(
        failed.message, detail, *facts, type=failed.kind, non_retryable=True
    )
    return _failure(error)


def _failure(error: FailureError) -> Failure:
    failure = Failure()
    _FAILURES.to_failure(error, _CONVERTER, failure)
    return failure


def _instance(kind: type, workflow_id: str, now: datetime) -> WorkflowInstance:
    """A workflow as a worker makes it, outside the sandbox."""
    info = workflow.Info(
        attempt=1,
        continued_run_id=None,
        cron_schedule=None,
        execution_timeout=None,
        first_execution_run_id="run",
        headers={},
        namespace="default",
        original_execution_run_id="run",
        parent=None,
        root=None,
        priority=Priority.default,
        raw_memo={},
        retry_policy=None,
        run_id="run",
        run_timeout=None,
        search_attributes={},
        start_time=now,
        task_queue="contracts",
        task_timeout=timedelta(seconds=10),
        typed_search_attributes=TypedSearchAttributes([]),
        workflow_id=workflow_id,
        workflow_start_time=now,
        workflow_type=kind.__name__,
    )
    details = WorkflowInstanceDetails(
        payload_converter_factory=lambda: _CONVERTER,
        failure_converter_class=type(_FAILURES),
        interceptor_classes=[],
        defn=workflow._Definition.must_from_class(kind),
        info=info,
        randomness_seed=1,
        extern_functions={
            "__temporal_get_metric_meter": lambda: MetricMeter.noop,
            "__temporal_assert_local_activity_valid": lambda name: None,
        },
        disable_eager_activity_execution=False,
        worker_level_failure_exception_types=[],
        patch_activation_callback=None,
        last_completion_result=Payloads(),
        last_failure=None,
    )
    return asyncio.run(_created(details))


async def _created(details: WorkflowInstanceDetails) -> WorkflowInstance:
    """Made in a loop, as a worker does; its activations have a loop of their own."""
    return UnsandboxedWorkflowRunner().create_instance(details)


# --- both together --------------------------------------------------------------------------------


@dataclass
class Company:
    """The workflows of a contract and its invoices, beside the world of the cores."""

    runs: dict[int, Run] = field(default_factory=dict)
    ended: list[Run] = field(default_factory=list)

    def begin(self, world: World) -> None:
        start = ContractInput(
            contract_id=world.contract.contract_id,
            legal_entity=world.contract.legal_entity,
            source=world.contract.source,
            contract_data=world.deal if world.contract.source.system == "file" else {},
        )
        self._enter(
            CONTRACT, Run(ContractWorkflow, CONTRACT_ID, _CONVERTER.to_payload(start)), world
        )
        self.compare(world)

    def follow(self, before: World, move: Move) -> World:
        """Go a move; the world after it, which the workflows must be in, too."""
        after = move.after()
        if isinstance(move.heard, Rings):
            after = self._rung(before, after)
        self._found(before, after)
        self._hear(before, after, move.heard)
        self.compare(after)
        return after

    def _rung(self, before: World, after: World) -> World:
        """A timer that something was put off from rings all the same, which changes little."""
        for who, run in self.runs.items():
            wake = wake_of(before, who)
            rings = any(at <= after.clock for at in run.timers.values())
            if rings and (wake is None or wake > after.clock):
                after = told(after, who, ClockRang())
        return after

    def _enter(self, who: int, run: Run, world: World) -> None:
        self.runs[who] = run
        run.begin(world.clock)
        self._matched(who, world)

    def _found(self, before: World, after: World) -> None:
        """Begin the workflows of invoices that were started; their starter may not know it yet."""
        for number in after.invoices:
            if number not in before.invoices:
                starter = self.runs[CONTRACT]
                command = starter.acts[proposing.start_key(number)].start_child_workflow_execution
                assert command.workflow_id == invoice_workflow_id(CONTRACT_ID, number)
                [argument] = command.input
                self._enter(number, Run(InvoiceWorkflow, command.workflow_id, argument), after)

    def _hear(self, before: World, after: World, heard: Any) -> None:
        now = after.clock
        if isinstance(heard, Answer):
            self._answered(before, heard, now)
        elif isinstance(heard, Mail):
            self._arrived(heard, now)
        elif isinstance(heard, Sent):
            self._sent(heard, now)
        elif isinstance(heard, Rings):
            for run in self.runs.values():
                run.ring(now)
        elif isinstance(heard, Renewal):
            old = self.runs[heard.who]
            self.ended.append(old)
            self._enter(heard.who, old.renewed(now), after)
        elif isinstance(heard, Kill):
            self.ended.append(self.runs.pop(heard.number))

    def _answered(self, before: World, answer: Answer, now: datetime) -> None:
        who, key = answer.who, answer.key
        action = before.state_of(who).running[key]
        result = answer.result
        if result is None:
            _, result = performed(before, who, action)
        run = self.runs[who]
        if action.kind == proposing.START_INVOICE and result == Done(value=True):
            command = run.acts[key].start_child_workflow_execution
            run.children[int(action.subject)] = command.seq
        run.answered(now, key, action, result)

    def _arrived(self, mail: Mail, now: datetime) -> None:
        run, message = self.runs.get(mail.to), mail.message
        if run is None:
            return  # It has ended meanwhile.
        if isinstance(message, InvoiceEnded):
            run.child_ended(now, message.report.number, message.report)
        elif isinstance(message, InvoiceLost):
            run.child_ended(now, message.number, None)
        else:
            self._signalled(run, message, now)

    def _sent(self, sent: Sent, now: datetime) -> None:
        run, message = self.runs[sent.who], sent.message
        if not sent.is_signal:
            refused = run.update(now, message)
            assert not refused, f"{sent.label}: refused, {refused}"
        elif isinstance(message, CancelRequest):
            run.cancel(now)
        else:
            self._signalled(run, message, now)

    def _signalled(self, run: Run, message: Any, now: datetime) -> None:
        payload = [] if isinstance(message, ContractRenewed) else [message]
        run.signal(now, _SIGNALS[type(message).__name__], *payload)

    def refuses(self, world: World, sent: Sent, because: str) -> None:
        """An Update that the rules refuse the workflow refuses too, in the same words."""
        refused = self.runs[sent.who].update(world.clock, sent.message)
        assert refused == because, f"{sent.label}: {refused!r} is not {because!r}"
        self.compare(world)

    def cannot_read(self, world: World, who: int) -> None:
        """A Signal that cannot be read changes nothing."""
        name = "payment_received" if who else "usage_reported"
        self.runs[who].signal(world.clock, name, {"nonsense": 1})
        self.compare(world)

    def compare(self, world: World) -> None:
        """Everybody is where the cores say they are."""
        for who, run in list(self.runs.items()):
            assert run.is_over is not world.is_alive(who), f"{who} has ended, or goes on"
            self._matched(who, world)
            ours, theirs = world.state_of(who), run.state
            assert digest(ours) == digest(theirs), f"{who}: {_difference(ours, theirs)}"
            if run.is_over:
                self.ended.append(self.runs.pop(who))

    def _matched(self, who: int, world: World) -> None:
        names = _INVOICE_ACTS if who else _CONTRACT_ACTS
        self.runs[who].matched(world.state_of(who).running, names)

    def replay(self) -> None:
        """Each run once more, from its history."""
        for run in (*self.ended, *self.runs.values()):
            replayed(run)


def _difference(ours: Any, theirs: Any) -> str:
    names = [name for name in type(ours).model_fields if name not in LEFT_OUT]
    found = [name for name in names if digest(getattr(ours, name)) != digest(getattr(theirs, name))]
    return "; ".join(f"{n}: {getattr(ours, n)!r} is not {getattr(theirs, n)!r}" for n in found)


# --- a way --------------------------------------------------------------------------------------


def led_along(seed: int, most: int) -> int:
    """Go a random way with both, and replay it; how many moves it had."""
    random = Random(seed)  # noqa: S311 - to repeat
    names = sorted(SMALL)
    world = small(names[seed % len(names)], AMPLE) if seed % 4 else large(seed)
    company, moves = Company(), 0
    company.begin(world)
    while moves < most and not world.is_over:
        _disturb(company, world, random)
        move = chosen(world, random, Coverage())
        if move is None:
            break
        moves += 1
        if _may_be(move, world) and not _waits_to_end(move.after()):
            try:
                world = company.follow(world, move)
            except AssertionError as error:
                raise AssertionError(f"way {seed}, {move.label}: {error}") from error
    company.replay()
    return moves


def _disturb(company: Company, world: World, random: Random) -> None:
    """Now and then something comes that is refused, or cannot be read."""
    if random.random() < _DISTURBED:
        sent = random.choice([item for item in everything(world) if not item.is_signal])
        because = refusal(world, sent.who, sent.message)
        if because is not None:
            company.refuses(world, sent, because)
    if random.random() < _DISTURBED:
        company.cannot_read(world, random.choice(list(company.runs)))


def _waits_to_end(world: World) -> bool:
    """Whether an invoice has to hear a Signal before it ends, which here comes by a move."""
    return any(
        AGENDA.has_ended(item.state) and not item.is_ended for item in world.invoices.values()
    )


def _may_be(move: Move, before: World) -> bool:
    """Whether the engine itself lets this happen: a child starts, or is there already; and its
    result comes once."""
    heard = move.heard
    if isinstance(heard, Answer) and isinstance(heard.result, Failed):
        action: Action = before.state_of(heard.who).running[heard.key]
        return action.kind != proposing.START_INVOICE
    is_result = isinstance(heard, Mail) and isinstance(heard.message, InvoiceEnded | InvoiceLost)
    return not (is_result and move.label.endswith("twice"))

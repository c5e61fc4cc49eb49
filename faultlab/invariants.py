"""What must be true whatever happened, held against Odoo's database and Temporal's histories."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from contracts.approvals import HASH_PREFIX
from contracts.contract.state import ContractOutcome
from contracts.identifiers import contract_of
from contracts.invoice.state import InvoiceReport
from faultlab.books import Books, Move
from faultlab.contract_generator import customer_name
from faultlab.ledger import Acknowledged, canonical, patiently
from faultlab.scenario import ScenarioResult
from workers.worker import WORKFLOWS

_DECISIONS = ("decide_approval", "approval_decided")
_POSTING = "post_invoice"
_LONGEST = 300
"""Characters of a failure that are shown."""


@dataclass
class HistorySummary:
    """What a workflow's histories say, over all its runs."""

    started: bool = False
    completed: bool = False
    signals: Counter[tuple[str, str]] = field(default_factory=Counter)
    updates: Counter[tuple[str, str]] = field(default_factory=Counter)
    approvals: list[str] = field(default_factory=list)
    """Decisions that came before the invoice was posted (for the last time, if several)."""
    result: Any = None
    retried: list[Retried] = field(default_factory=list)


@dataclass(frozen=True)
class Retried:
    """An activity that took more than one attempt, and the seconds from when it was asked for
    until it was done: by the workflow's own clock, which may have been moved.

    Where its next attempt failed and its step tried anew, that is what did it; and where its
    workflow came to its end without it, the sweep had reported what it did.
    """

    activity: str
    activity_id: str
    seconds: float


@dataclass
class Findings:
    """What is wrong, by the seed of the scenario it concerns; and what was looked at."""

    wrong: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    histories: int = 0
    acknowledged: int = 0
    events: int = 0
    deliveries: int = 0
    """Webhooks that were acknowledged, repeats included."""

    def add(self, seed: int, text: str) -> None:
        self.wrong[seed].append(text)


# --- histories ---------------------------------------------------------------------------------


async def summaries_of(
    client: Client, workflow_ids: Sequence[str]
) -> AsyncIterator[tuple[str, HistorySummary, list[WorkflowHistory]]]:
    """The summaries of these workflows with the histories they were read from."""
    for workflow_id in workflow_ids:
        histories = await patiently(lambda: histories_of(client, workflow_id))  # noqa: B023
        yield workflow_id, summary_of(histories), histories


async def histories_of(client: Client, workflow_id: str) -> list[WorkflowHistory]:
    """Of all runs, the oldest first."""
    found: list[WorkflowHistory] = []
    run_id: str | None = None
    while True:
        handle = client.get_workflow_handle(workflow_id, run_id=run_id)
        history = await handle.fetch_history()
        found.insert(0, history)
        started = history.events[0].workflow_execution_started_event_attributes
        run_id = started.continued_execution_run_id
        if not run_id:
            return found


def summary_of(histories: Iterable[WorkflowHistory]) -> HistorySummary:
    """What a workflow's runs say, the oldest first."""
    summary = HistorySummary(started=True)
    decisions: list[str] = []
    # Of each activity those whose next attempt failed, with when they were asked for: a step that
    # waits may try anew in the next run only.
    failed: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for history in histories:
        scheduled: dict[int, Any] = {}
        asked_at: dict[int, float] = {}
        attempts: dict[int, int] = {}
        for event in history.events:
            match event.event_type:
                case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
                    signal = event.workflow_execution_signaled_event_attributes
                    argument = _first(signal.input.payloads)
                    summary.signals[signal.signal_name, argument] += 1
                    decisions += [argument] * (signal.signal_name in _DECISIONS)
                case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                    accepted = event.workflow_execution_update_accepted_event_attributes
                    asked = accepted.accepted_request.input
                    argument = _first(asked.args.payloads)
                    summary.updates[asked.name, argument] += 1
                    decisions += [argument] * (asked.name in _DECISIONS)
                case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                    planned = event.activity_task_scheduled_event_attributes
                    scheduled[event.event_id] = planned
                    asked_at[event.event_id] = event.event_time.ToNanoseconds() / 1e9
                    if planned.activity_type.name == _POSTING:
                        summary.approvals = list(decisions)
                case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                    begun = event.activity_task_started_event_attributes
                    attempts[begun.scheduled_event_id] = begun.attempt
                case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                    number = event.activity_task_completed_event_attributes.scheduled_event_id
                    planned, at = scheduled[number], event.event_time.ToNanoseconds() / 1e9
                    name = planned.activity_type.name
                    again = failed.pop(name, [])
                    if attempts[number] > 1:
                        again.append((planned.activity_id, asked_at[number]))
                    summary.retried += [Retried(name, key, at - since) for key, since in again]
                case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                    number = event.activity_task_failed_event_attributes.scheduled_event_id
                    if attempts[number] > 1:
                        planned = scheduled[number]
                        failed[planned.activity_type.name].append(
                            (planned.activity_id, asked_at[number])
                        )
                case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
                    at = event.event_time.ToNanoseconds() / 1e9
                    summary.retried += [
                        Retried(name, key, at - since)
                        for name, left in failed.items()
                        for key, since in left
                    ]
                    done = event.workflow_execution_completed_event_attributes
                    summary.completed = True
                    summary.result = json.loads(done.result.payloads[0].data)
    return summary


def _first(payloads: Sequence[Any]) -> str:
    return canonical(json.loads(payloads[0].data)) if payloads else ""


async def unreplayable(histories: Sequence[WorkflowHistory]) -> list[tuple[str, str]]:
    """The workflow ids whose histories this code does not replay, and why."""
    replayer = Replayer(
        workflows=WORKFLOWS,
        workflow_runner=UnsandboxedWorkflowRunner(),
        data_converter=pydantic_data_converter,
        # The SDK's core would log each failure, between the lines of the report.
        runtime=Runtime(telemetry=TelemetryConfig(logging=None)),
    )

    async def each() -> AsyncIterator[WorkflowHistory]:
        for history in histories:
            yield history

    failed = []
    async with replayer.workflow_replay_iterator(each()) as results:
        async for item in results:
            if item.replay_failure is not None:
                failed.append((item.history.workflow_id, str(item.replay_failure)[:_LONGEST]))
    return failed


# --- what is held against them -------------------------------------------------------------------


@dataclass
class Evidence:
    """What Odoo's database holds, read in one go."""

    moves: dict[str, list[Move]]
    orders: dict[str, int]
    projects: dict[str, int]
    customers: dict[str, int]
    payments: dict[str, int]
    closings: dict[str, int]
    documents: dict[str, int] = field(default_factory=dict)
    handovers: dict[str, int] = field(default_factory=dict)


def gather(books: Books) -> Evidence:
    moves: dict[str, list[Move]] = defaultdict(list)
    for move in books.moves():
        moves[move.workflow_id].append(move)
    return Evidence(
        moves=moves,
        orders=books.orders(),
        projects=books.projects(),
        customers=books.customers(),
        payments=books.payments(),
        closings=books.closing_records(),
        documents=books.documents(),
        handovers=books.handovers(),
    )


def only_one_of_each(scenario: ScenarioResult, evidence: Evidence) -> Iterable[str]:
    """At most one customer, order, project and closing record a contract; of one handed over,
    one link and one to-do."""
    contract_id = scenario.workflow_id.rpartition("/")[2]
    for what, count in (
        ("customers", evidence.customers.get(customer_name(scenario.generated.seed), 0)),
        ("orders", evidence.orders.get(scenario.workflow_id, 0)),
        ("projects", evidence.projects.get(f"Roll-out ({contract_id})", 0)),
        ("closing records", evidence.closings.get(f"{contract_id}-closing.json", 0)),
    ):
        if count > 1:
            yield f"{count} {what}"
        elif count < 1 and scenario.closed and (what != "closing records" or scenario.worth):
            yield f"no {what}"
    project = f"Roll-out ({contract_id})"
    for what, found in (("links", evidence.documents), ("hand-overs", evidence.handovers)):
        if found.get(project, 0) > 1:
            yield f"{found[project]} {what}"


def one_invoice_an_obligation(scenario: ScenarioResult, evidence: Evidence) -> Iterable[str]:
    """One invoice in Odoo for each that the contract proposed."""
    for origin, moves in invoices_of(scenario, evidence.moves):
        if len(moves) > 1:
            kinds = ", ".join(f"{move.kind} {move.state} {move.untaxed}" for move in moves)
            yield f"{origin} stands {len(moves)} times in Odoo: {kinds}"


def one_payment_a_reference(
    scenarios: Mapping[int, ScenarioResult], evidence: Evidence, into: Findings
) -> None:
    """A payment that was reported three times is money that came once."""
    for reference, count in evidence.payments.items():
        seed = int(reference.split("-")[1])
        if count > 1 and seed in scenarios:
            into.add(seed, f"payment {reference} stands {count} times in Odoo")


def exact_to_the_cent(scenario: ScenarioResult, evidence: Evidence) -> Iterable[str]:
    """Invoiced less credited is what was agreed, and nothing is owed."""
    posted = [
        move
        for _, moves in invoices_of(scenario, evidence.moves)
        for move in moves
        if move.state == "posted"
    ]
    invoiced = sum((move.signed for move in posted), Decimal(0))
    if invoiced > scenario.worth or (scenario.closed and invoiced != scenario.worth):
        yield f"Odoo has invoiced {invoiced}, agreed was {scenario.worth}"
    if scenario.closed and any(move.residual for move in posted):
        yield f"closed with {sum(move.residual for move in posted)} open in Odoo"


def invoices_of(
    scenario: ScenarioResult, moves: Mapping[str, list[Move]]
) -> Iterable[tuple[str, list[Move]]]:
    for origin, found in moves.items():
        if origin.startswith(f"{scenario.workflow_id}/invoice/"):
            yield origin, found


def nothing_posted_unapproved(
    scenario: ScenarioResult, evidence: Evidence, summaries: Mapping[str, HistorySummary]
) -> Iterable[str]:
    """Every posted invoice was approved before, its content and its amount, by its history."""
    for origin, moves in invoices_of(scenario, evidence.moves):
        summary = summaries.get(origin)
        for move in moves:
            if move.state == "posted" and (summary is None or not _is_approved(move, summary)):
                yield f"{move.number} ({origin}) of {move.untaxed} is posted and nobody approved it"


def _is_approved(move: Move, summary: HistorySummary) -> bool:
    content = InvoiceReport.model_validate(summary.result).content_hash if summary.result else ""
    for argument in summary.approvals:
        said = json.loads(argument)
        # A credit note's amount has no sign where people see it.
        amount = abs(Decimal(str(said["amount"] or "0").split()[0]))
        named = said["content_hash"]
        # Before it has ended only the amount shows what was posted.
        of_this = len(named) >= HASH_PREFIX and content.startswith(named) if content else True
        if said["decision"] == "approve" and amount == move.untaxed and of_this:
            return True
    return False


def views_agree(
    scenario: ScenarioResult, evidence: Evidence, summaries: Mapping[str, HistorySummary]
) -> Iterable[str]:
    """What the workflows say at their end is what Odoo has."""
    contract = summaries.get(scenario.workflow_id)
    if contract is None or contract.result is None:
        return
    outcome = ContractOutcome.model_validate(contract.result)
    if outcome.money is None:
        return
    posted = [
        m for _, ms in invoices_of(scenario, evidence.moves) for m in ms if m.state == "posted"
    ]
    ours = outcome.money.invoiced.amount - outcome.money.credited.amount
    theirs = sum((move.signed for move in posted), Decimal(0))
    if ours != theirs:
        yield f"the contract says {ours} is invoiced, Odoo {theirs}"
    for origin, moves in invoices_of(scenario, evidence.moves):
        summary = summaries.get(origin)
        if summary is None or summary.result is None:
            yield f"{origin} stands in Odoo and its workflow has not ended"
            continue
        yield from _invoice_agrees(origin, moves, InvoiceReport.model_validate(summary.result))


def _invoice_agrees(origin: str, moves: list[Move], report: InvoiceReport) -> Iterable[str]:
    move = moves[0]
    if report.untaxed is None:
        if move.state != "cancel":
            yield f"{origin} is {report.stage} and {move.state} in Odoo"
        return
    ours = (report.odoo_number, report.untaxed.amount, "posted")
    theirs = (move.number, move.untaxed, move.state)
    if ours != theirs:
        yield f"{origin} is {ours} to its workflow and {theirs} in Odoo"
    if report.residual is not None and report.residual.amount != move.residual:
        yield f"{origin} has {report.residual} open, in Odoo {move.residual}"


def all_acknowledged_is_kept(
    acknowledged: Iterable[Acknowledged], summaries: Mapping[str, HistorySummary]
) -> Iterable[tuple[str, str]]:
    """Every acknowledged message stands in a history as often as it was acknowledged; yields the
    workflow's id and what lacks."""
    counted = Counter(acknowledged)
    for item, count in counted.items():
        summary = summaries.get(item.workflow_id, HistorySummary())
        if item.kind == "start":
            found = int(summary.started) * count
        else:
            kept = summary.signals if item.kind == "signal" else summary.updates
            found = kept[item.name, item.argument]
        if found < count:
            yield (
                item.workflow_id,
                f"{item.kind} {item.name} was acknowledged {count} times and stands in the "
                f"history {found} times: {item.argument[:200]}",
            )


async def examine(
    client: Client,
    books: Books,
    scenarios: Sequence[ScenarioResult],
    acknowledged: Sequence[Acknowledged],
) -> tuple[Findings, dict[str, HistorySummary]]:
    """Hold everything against these scenarios' evidence."""
    findings, evidence = Findings(acknowledged=len(acknowledged)), gather(books)
    summaries: dict[str, HistorySummary] = {}
    seeds: dict[str, int] = {}
    whole: list[WorkflowHistory] = []
    mine = {scenario.generated.seed: scenario for scenario in scenarios}
    by_contract = {
        scenario.workflow_id: scenario.generated.seed
        for scenario in scenarios
        if scenario.workflow_id
    }
    ids = [item.id async for item in client.list_workflows("WorkflowType != ''")]
    wanted = [
        workflow_id for workflow_id in dict.fromkeys(ids) if contract_of(workflow_id) in by_contract
    ]
    async for workflow_id, summary, histories in summaries_of(client, wanted):
        summaries[workflow_id] = summary
        seeds[workflow_id] = by_contract[contract_of(workflow_id)]
        whole += histories
        if len(whole) >= _AT_ONCE:
            await _replay(whole, seeds, findings)
            whole = []
    await _replay(whole, seeds, findings)
    for scenario in scenarios:
        seed = scenario.generated.seed
        for text in (
            *scenario.wrong,
            *only_one_of_each(scenario, evidence),
            *one_invoice_an_obligation(scenario, evidence),
            *exact_to_the_cent(scenario, evidence),
            *nothing_posted_unapproved(scenario, evidence, summaries),
            *views_agree(scenario, evidence, summaries),
        ):
            findings.add(seed, text)
    one_payment_a_reference(mine, evidence, findings)
    for workflow_id, text in all_acknowledged_is_kept(acknowledged, summaries):
        findings.add(by_contract.get(contract_of(workflow_id), -1), text)
    return findings, summaries


_AT_ONCE = 200
"""Histories held in memory together."""


async def _replay(
    histories: Sequence[WorkflowHistory], seeds: Mapping[str, int], into: Findings
) -> None:
    into.histories += len(histories)
    for workflow_id, reason in await unreplayable(histories):
        into.add(seeds[workflow_id], f"the history of {workflow_id} does not replay: {reason}")

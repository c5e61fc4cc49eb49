"""What people and programs do with contracts, as functions on a Temporal client.

The command line is a thin layer over these; engineers import them. Each names its workflow by
business key. A refusal by the workflow comes back as `Refused`, an unknown id as `NotFound`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.workflow import UpdateMethodMultiParam

from contracts.approvals import ApprovalDecision, ApprovalRound, Decision
from contracts.contract.messages import (
    CancelRequest,
    MilestoneReached,
    MilestoneUnreached,
    UsageReport,
    UsageTaken,
)
from contracts.contract.state import FILE_SOURCE, ContractInput, ContractOutcome, ContractState
from contracts.identifiers import (
    contract_of,
    contract_workflow_id,
    deal_contract_id,
    is_invoice_workflow_id,
)
from contracts.invoice.messages import PaymentReceived
from contracts.invoice.state import InvoiceReport, InvoiceState
from contracts.model import JsonObject, Source
from contracts.money import Money
from contracts.parking import Resolution, StepException
from contracts.problems import InvalidContract, problems_of
from contracts.validation import payload_problems
from workflows import options, search_attributes, task_queues
from workflows.contract import ContractWorkflow
from workflows.invoice import InvoiceWorkflow

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

MAX_LISTED = 500
_CONTRACTS_A_QUERY = 100
_AT_ONCE = 20
"""How many workflows are asked at the same time when a list needs their state."""
NOT_YET = "task is not scheduled yet"
"""What the server says of a run that has continued as new and not begun."""
_BETWEEN_RUNS = (0.1, 0.3, 0.6, 1.0, 2.0, 4.0)
"""Seconds to wait for a run that has just continued as new: the server lets it begin a little
later, and until then it answers nothing."""
_TOO_SLOW = ("TMPRL1101", "Expected workflow input")
"""In the failure of a query: its worker took too long to rebuild the workflow, or has just given
it up for that. The workflow itself is as it was."""
_ANSWER_WITHIN = timedelta(seconds=20)
"""How long a worker has to answer; without a limit an Update waits for one for ever."""


class Refused(Exception):
    """The workflow said no; the message says why."""


class NotFound(Exception):
    """No such contract or invoice."""


class NoAnswer(Exception):
    """No worker answered in time. What was asked may still be carried out."""


Unreadable = Callable[[str, Exception], None]
"""Told the id of each workflow whose state a list could not get, and why."""


@dataclass(frozen=True)
class Started:
    """A contract's workflow; `new` is false where it had been started before."""

    workflow_id: str
    run_id: str
    new: bool


@dataclass(frozen=True)
class Exceptional:
    """A parked step and the workflow it is parked in."""

    workflow_id: str
    exception: StepException


@dataclass(frozen=True)
class ContractRow:
    """A contract as lists show it: from visibility, a moment behind the workflow itself.

    `value` is without tax, `due` (what the customer owes now) with it; both are None before the
    contract is validated.
    """

    workflow_id: str
    contract_id: str
    legal_entity: str
    customer: str
    stage: str
    waiting_on: str
    waiting_since: datetime | None
    value: Money | None
    due: Money | None
    started_at: datetime


# --- contracts --------------------------------------------------------------------------------


async def start_from_data(client: Client, contract_data: JsonObject) -> Started:
    """Start the contract that the data describes; starting it again changes nothing.

    The data's own problems park the workflow, where people see them; only what the workflow's
    identity needs, and what no workflow could hold, is refused here (InvalidContract).
    """
    problems = payload_problems(contract_data)
    if problems:
        raise InvalidContract(problems)
    stated = {
        "contract_id": contract_data.get("contract_id"),
        "legal_entity": contract_data.get("legal_entity"),
        "source": contract_data.get("source")
        or {"system": FILE_SOURCE, "id": contract_data.get("contract_id")},
        "contract_data": contract_data,
    }
    try:
        return await start(client, ContractInput.model_validate(stated))
    except ValidationError as error:
        raise InvalidContract(problems_of(error)) from error


async def start_deal(client: Client, system: str, deal_id: str, legal_entity: str) -> Started:
    """Start the contract of a won deal; the workflow reads it from the CRM."""
    contract_id = deal_contract_id(system, deal_id)
    try:
        source = Source(system=system, id=deal_id)
        contract = ContractInput(contract_id=contract_id, legal_entity=legal_entity, source=source)
    except ValidationError as error:
        raise InvalidContract(problems_of(error)) from error
    return await start(client, contract)


async def start(client: Client, contract: ContractInput) -> Started:
    """Start a contract's workflow under its business key."""
    workflow_id = contract_workflow_id(contract.legal_entity, contract.contract_id)
    try:
        handle = await client.start_workflow(
            ContractWorkflow.run,
            contract,
            id=workflow_id,
            task_queue=task_queues.CONTRACTS,
            # Once closed, the same key is not a new contract either.
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            search_attributes=search_attributes.at_start(
                contract.contract_id, contract.legal_entity
            ),
            task_timeout=options.TASK_TIMEOUT,
            priority=options.share_of(contract.legal_entity),
            static_summary=f"{contract.legal_entity} {contract.contract_id}",
        )
    except WorkflowAlreadyStartedError as error:
        return Started(workflow_id, error.run_id or "", new=False)
    return Started(workflow_id, handle.result_run_id or "", new=True)


async def contract_state(client: Client, workflow_id: str) -> ContractState:
    """Everything a contract's workflow knows; works for closed ones within their retention."""
    return await query(client, workflow_id, ContractWorkflow.contract)


async def contract_ids(client: Client, *, where: str = "", limit: int = MAX_LISTED) -> list[str]:
    """Workflow ids of contracts, newest first; `where` is a visibility condition."""
    return [item async for item in workflow_ids(client, "ContractWorkflow", where, limit)]


async def contract_rows(
    client: Client, *, where: str = "", limit: int = MAX_LISTED
) -> list[ContractRow]:
    """The contracts found, newest first; no worker is needed."""
    found = [item async for item in _runs(client, "ContractWorkflow", where, limit)]
    due = await _amounts_due(client, found)
    return [_row(item, due.get(item.id, 0.0)) for item in found]


async def _amounts_due(client: Client, contracts: Sequence[WorkflowExecution]) -> dict[str, float]:
    """What is owed on the invoices of these contracts, by the contracts' workflow ids."""
    due: dict[str, float] = defaultdict(float)
    for start in range(0, len(contracts), _CONTRACTS_A_QUERY):
        some = contracts[start : start + _CONTRACTS_A_QUERY]
        names = [item.typed_search_attributes.get(search_attributes.CONTRACT_ID) for item in some]
        wanted = ", ".join(f"'{name}'" for name in names if name)
        where = (
            f"WorkflowType = 'InvoiceWorkflow' AND ExecutionStatus = 'Running' "
            f"AND {search_attributes.AMOUNT_DUE.name} != 0 "
            f"AND {search_attributes.CONTRACT_ID.name} IN ({wanted})"
        )
        async for invoice in client.list_workflows(where):
            amount = invoice.typed_search_attributes.get(search_attributes.AMOUNT_DUE)
            due[contract_of(invoice.id)] += amount or 0.0
    return due


async def contract_states(
    client: Client, *, where: str = "", limit: int = MAX_LISTED
) -> list[ContractState]:
    """States of the contracts found, newest first."""
    there = await contract_ids(client, where=where, limit=limit)
    return await at_once([contract_state(client, item) for item in there])


async def reach_milestone(
    client: Client, workflow_id: str, reached: MilestoneReached
) -> ContractOutcome:
    return await update(client, workflow_id, ContractWorkflow.reach_milestone, reached)


async def unreach_milestone(
    client: Client, workflow_id: str, unreached: MilestoneUnreached
) -> ContractOutcome:
    """A milestone is not reached after all. Once its invoice is proposed, a person reviews it."""
    return await update(client, workflow_id, ContractWorkflow.unreach_milestone, unreached)


async def record_usage(client: Client, workflow_id: str, report: UsageReport) -> UsageTaken:
    """Metered records, each id once; says how many were taken, known, and which were refused."""
    return await update(client, workflow_id, ContractWorkflow.record_usage, report)


async def cancel_contract(
    client: Client, workflow_id: str, request: CancelRequest
) -> ContractOutcome:
    return await update(client, workflow_id, ContractWorkflow.request_cancel, request)


# --- invoices ---------------------------------------------------------------------------------


async def invoice_state(client: Client, workflow_id: str) -> InvoiceState:
    """Everything an invoice's workflow knows."""
    return await query(client, workflow_id, InvoiceWorkflow.invoice)


async def approve(client: Client, workflow_id: str, *, by: str, comment: str = "") -> ApprovalRound:
    """Approve the one thing that awaits approval in an invoice or a contract, as it stands now.

    Raises Refused where nothing does, or several things do: `starters.approving` tells them apart.
    """
    subject = (await _open_round(client, workflow_id)).subject
    decision = ApprovalDecision(
        by=by, content_hash=subject.content_hash, amount=subject.amount, comment=comment
    )
    return await update(client, workflow_id, ContractWorkflow.decide_approval, decision)


async def reject(client: Client, workflow_id: str, *, by: str, comment: str) -> ApprovalRound:
    """Reject the one thing that awaits approval; the comment says why. Raises Refused."""
    subject = (await _open_round(client, workflow_id)).subject
    decision = ApprovalDecision(
        decision=Decision.REJECT, by=by, content_hash=subject.content_hash, comment=comment
    )
    return await update(client, workflow_id, ContractWorkflow.decide_approval, decision)


async def _open_round(client: Client, workflow_id: str) -> ApprovalRound:
    found = await query(client, workflow_id, ContractWorkflow.open_approvals)
    if len(found) != 1:
        titles = "; ".join(item.subject.title for item in found) or "nothing"
        raise Refused(f"{workflow_id}: {titles} awaits approval, not exactly one thing")
    return found[0]


async def record_payment(
    client: Client, workflow_id: str, payment: PaymentReceived
) -> InvoiceReport:
    """A payment known outside Odoo; registered there once, by its reference."""
    return await update(client, workflow_id, InvoiceWorkflow.record_payment, payment)


# --- exceptions -------------------------------------------------------------------------------


async def exceptions(
    client: Client, *, limit: int = MAX_LISTED, unreadable: Unreadable | None = None
) -> list[Exceptional]:
    """Every parked step, oldest first.

    With `unreadable` one workflow that gives no answer does not hide the others.
    """
    where = f"{search_attributes.WAITING_ON.name} IN ('exception', 'credentials')"
    running = "ExecutionStatus = 'Running'"
    found: list[Exceptional] = []
    for workflow_type in ("ContractWorkflow", "InvoiceWorkflow"):
        condition = f"{where} AND {running}"
        there = [item async for item in workflow_ids(client, workflow_type, condition, limit)]
        lists = await each(client, there, parked_steps, unreadable)
        found += [Exceptional(workflow_id, item) for workflow_id, items in lists for item in items]
    return sorted(found, key=lambda item: item.exception.since)


async def parked_steps(client: Client, workflow_id: str) -> Sequence[StepException]:
    """The parked steps of one contract or invoice."""
    if is_invoice_workflow_id(workflow_id):
        return (await invoice_state(client, workflow_id)).exceptions
    return (await contract_state(client, workflow_id)).exceptions


async def resolve(client: Client, workflow_id: str, resolution: Resolution) -> StepException:
    """A person's word on a parked step of a contract or an invoice. Raises InvalidContract for
    changes that could not even be sent."""
    problems = payload_problems(resolution.changes)
    if problems:
        raise InvalidContract(problems)
    if is_invoice_workflow_id(workflow_id):
        return await update(client, workflow_id, InvoiceWorkflow.resolve_exception, resolution)
    return await update(client, workflow_id, ContractWorkflow.resolve_exception, resolution)


# --- shared -----------------------------------------------------------------------------------


async def workflow_ids(
    client: Client, workflow_type: str, where: str, limit: int
) -> AsyncIterator[str]:
    """Ids of the workflows of a type that fulfil a visibility condition, newest first."""
    async for item in _runs(client, workflow_type, where, limit):
        yield item.id


async def _runs(
    client: Client, workflow_type: str, where: str, limit: int
) -> AsyncIterator[WorkflowExecution]:
    # Each run of a continued workflow is listed; the newest stands for all.
    conditions = [f"WorkflowType = '{workflow_type}'", "ExecutionStatus != 'ContinuedAsNew'"]
    wanted = " AND ".join([*conditions, where] if where else conditions)
    seen: set[str] = set()
    async for item in client.list_workflows(wanted, limit=limit):
        # Visibility lags: between two runs both may be listed as the newest for a moment.
        if item.id not in seen:
            seen.add(item.id)
            yield item


def _row(item: WorkflowExecution, due: float) -> ContractRow:
    known = item.typed_search_attributes
    currency = known.get(search_attributes.CURRENCY)

    def amount(value: float | None) -> Money | None:
        return None if value is None or currency is None else Money.rounded(value, currency)

    return ContractRow(
        workflow_id=item.id,
        contract_id=known.get(search_attributes.CONTRACT_ID) or "",
        legal_entity=known.get(search_attributes.LEGAL_ENTITY) or "",
        customer=known.get(search_attributes.CUSTOMER) or "",
        stage=known.get(search_attributes.CONTRACT_STAGE) or "",
        waiting_on=known.get(search_attributes.WAITING_ON) or "",
        waiting_since=known.get(search_attributes.WAITING_SINCE),
        value=amount(known.get(search_attributes.CONTRACT_VALUE)),
        due=amount(due),
        started_at=item.start_time,
    )


async def each(
    client: Client,
    asked: list[str],
    ask: Callable[[Client, str], Coroutine[Any, Any, T]],
    unreadable: Unreadable | None,
) -> list[tuple[str, T]]:
    """Ask every workflow; one that gives no answer goes to `unreadable`, or its error is raised."""

    async def one(workflow_id: str) -> tuple[str, T] | None:
        try:
            return workflow_id, await ask(client, workflow_id)
        except (Refused, NotFound, NoAnswer, RPCError) as error:
            if unreadable is None:
                raise
            unreadable(workflow_id, error)
            return None

    return [item for item in await at_once([one(item) for item in asked]) if item is not None]


async def at_once(calls: list[Coroutine[Any, Any, T]]) -> list[T]:
    """The answers of all calls, in their order; only so many are under way at a time."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(call: Coroutine[Any, Any, T]) -> T:
        async with gate:
            return await call

    return list(await asyncio.gather(*(one(call) for call in calls)))


async def query(client: Client, workflow_id: str, question: Callable[[Any], T]) -> T:
    """Ask a workflow. Raises NotFound, NoAnswer, Refused."""
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id)
    for wait in (*_BETWEEN_RUNS, None):
        try:
            return await handle.query(question, rpc_timeout=_ANSWER_WITHIN)
        except RPCError as error:
            if wait is None or NOT_YET not in error.message:
                raise _explained(error, workflow_id) from error
            await asyncio.sleep(wait)
        except WorkflowQueryFailedError as error:
            if any(sign in str(error) for sign in _TOO_SLOW):
                raise _no_answer(workflow_id) from error
            raise Refused(str(error)) from error
    raise AssertionError("the last attempt returns or raises")


async def update(
    client: Client,
    workflow_id: str,
    message: UpdateMethodMultiParam[[Any, M], T],
    argument: M,
    *,
    update_id: str | None = None,
) -> T:
    """Tell a workflow something, and wait for its word. Said again with the same `update_id` it
    counts once, and is answered with the first word. Raises Refused, NotFound, NoAnswer."""
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id)
    try:
        async with asyncio.timeout(_ANSWER_WITHIN.total_seconds()):
            return await handle.execute_update(message, argument, id=update_id)
    except WorkflowUpdateFailedError as error:
        raise Refused(_reason(error.cause)) from error
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        raise _no_answer(workflow_id) from error
    except RPCError as error:
        raise _explained(error, workflow_id) from error


def _reason(cause: BaseException | None) -> str:
    """What an Update says when it fails: the workflow's refusal, or that of a call it made."""
    while isinstance(cause, ActivityError) and cause.cause is not None:
        cause = cause.cause
    return cause.message if isinstance(cause, ApplicationError) else str(cause)


def _explained(error: RPCError, workflow_id: str) -> Exception:
    if error.status is RPCStatusCode.NOT_FOUND and "amespace" not in error.message:
        if "already completed" in error.message:
            return Refused(f"{workflow_id} has ended: nothing can be changed any more")
        return NotFound(f"nothing is known under {workflow_id}")
    if error.status in (RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED):
        return _no_answer(workflow_id)
    return error


def _no_answer(workflow_id: str) -> NoAnswer:
    return NoAnswer(
        f"no worker answered for {workflow_id} within {_ANSWER_WITHIN.total_seconds():.0f} s; "
        "see that one runs (c2c worker, c2c check)"
    )

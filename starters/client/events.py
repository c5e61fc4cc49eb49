"""Inbound events: received, listed, shown, delivered again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecution,
    WorkflowHandle,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from contracts.actors import Sign
from contracts.events import (
    Dismissal,
    EventOutcome,
    EventRecord,
    ForContract,
    ForDeal,
    InboundEvent,
    Redelivery,
)
from contracts.identifiers import EVENT_PREFIX, KEY, contract_workflow_id, deal_contract_id
from starters.client.calls import query, update, update_or_start
from starters.client.connection import Connection, Remote
from starters.client.errors import NotFound
from starters.client.event_rows import EventRow
from starters.client.listing import Listed
from starters.client.names import EVENT_WORKFLOW, MAX_LISTED
from starters.client.protocol import Query, Update, built
from starters.client.references import BadReference
from workflows import options, search_attributes, task_queues

EVENT = Query("event", EventRecord)
DELIVER_AGAIN = Update("deliver_again", Redelivery, str)
DISMISS = Update("dismiss", Dismissal, str)
OF_EVENTS: tuple[Update[Any, Any], ...] = (DELIVER_AGAIN, DISMISS)
_ENVELOPE = "event"
"""In the memo: what lists show of the event itself."""
_DAY = timedelta(days=1)


class Away(Exception):
    """Temporal did not accept an event in time: it is to be sent again."""


async def receive(client: Client, event: InboundEvent, *, within_seconds: float) -> bool:
    """Keep an event and have it delivered; False where it was received before. Raises Away."""
    try:
        async with asyncio.timeout(within_seconds):
            record = EventRecord(event=event, since=event.received_at)
            await client.start_workflow(
                EVENT_WORKFLOW,
                record,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                **_started(event),
            )
    except WorkflowAlreadyStartedError:
        return False
    except (TimeoutError, RPCError, RuntimeError) as error:  # as the SDK says it
        raise Away(f"{type(error).__name__}: {error}") from error
    return True


async def deliver_again(
    client: Connection,
    reference: str,
    *,
    by: str,
    request_id: str | None = None,
    sign: Sign | None = None,
) -> str:
    """Deliver an event again, whether it waits or is done with; returns its id.

    What it did already it does not do twice. Raises NotFound, Refused, NoAnswer, InvalidContract.
    """
    workflow_id, asked = _workflow_id(reference), built(Redelivery, by=by)
    if isinstance(client, Remote):
        await update(client, workflow_id, DELIVER_AGAIN, asked, request_id=request_id)
        return _id(workflow_id)
    event = await _original(client, workflow_id)

    def start() -> WithStartWorkflowOperation[Any, Any]:
        return WithStartWorkflowOperation(
            EVENT_WORKFLOW,
            EventRecord(event=event, since=datetime.now(UTC)),
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            **_started(event),
        )

    await update_or_start(
        client, event.workflow_id, DELIVER_AGAIN, asked, start, request_id=request_id, sign=sign
    )
    return _id(event.workflow_id)


async def dismiss(
    client: Connection,
    reference: str,
    *,
    by: str,
    reason: str,
    request_id: str | None = None,
    sign: Sign | None = None,
) -> str:
    """Let nothing come of an event that waits; returns its id. Raises NotFound, Refused where it is
    done with, NoAnswer, InvalidContract."""
    workflow_id = _workflow_id(reference)
    dismissal = built(Dismissal, by=by, reason=reason)
    await update(client, workflow_id, DISMISS, dismissal, request_id=request_id, sign=sign)
    return _id(workflow_id)


async def show(client: Connection, reference: str) -> EventRecord:
    """An event and what became of it. Raises NotFound, NoAnswer."""
    return await query(client, _workflow_id(reference), EVENT)


async def listed(
    client: Connection,
    *,
    source: str = "",
    outcome: EventOutcome | str = "",
    needs_person: bool = False,
    day: date | None = None,
    limit: int = MAX_LISTED,
) -> Listed[EventRow]:
    """Events as `rows` has them, and whether there are more; over the API at most as many as it
    lists at a time. Raises BadReference for words that cannot be."""
    if isinstance(client, Remote):
        _conditions(source, str(outcome), needs_person, day)
        return await client.events(
            source=source,
            outcome=str(outcome),
            needs_person=needs_person,
            day=day,
            limit=min(limit, MAX_LISTED),
        )
    found = await rows(
        client,
        source=source,
        outcome=outcome,
        needs_person=needs_person,
        day=day,
        limit=limit + 1,
    )
    return Listed(found[:limit], len(found) > limit)


async def rows(
    client: Client,
    *,
    source: str = "",
    outcome: EventOutcome | str = "",
    needs_person: bool = False,
    day: date | None = None,
    limit: int = MAX_LISTED,
) -> list[EventRow]:
    """Events, newest first; what is left empty does not narrow. `day` (UTC) is when they came.

    Raises BadReference for words that cannot be.
    """
    wanted = _conditions(source, str(outcome), needs_person, day)
    return [row async for row in _rows(client, wanted, limit)]


def _conditions(source: str, outcome: str, needs_person: bool, day: date | None) -> str:
    if source and not KEY.match(source):
        raise BadReference(f"{source!r} cannot be a source of events")
    if outcome and outcome not in set(EventOutcome):
        raise BadReference(f"{outcome!r} is none of {', '.join(EventOutcome)}")
    wanted = [f"WorkflowType = '{EVENT_WORKFLOW}'", "ExecutionStatus != 'ContinuedAsNew'"]
    if source:
        wanted.append(f"WorkflowId STARTS_WITH '{EVENT_PREFIX}{source}/'")
    if outcome:
        wanted.append(f"{search_attributes.EVENT_OUTCOME.name} = '{outcome}'")
    if needs_person:
        wanted.append(f"{search_attributes.WAITING_ON.name} = 'exception'")
        wanted.append("ExecutionStatus = 'Running'")
    if day is not None:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        between = f"'{start.isoformat()}' AND StartTime < '{(start + _DAY).isoformat()}'"
        wanted.append(f"StartTime >= {between}")
    return " AND ".join(wanted)


async def _rows(client: Client, wanted: str, limit: int) -> AsyncIterator[EventRow]:
    """The newest run of each event."""
    seen: set[str] = set()
    async for item in client.list_workflows(wanted, limit=limit):
        if item.id not in seen:
            seen.add(item.id)
            yield await _row(item)


async def _row(item: WorkflowExecution) -> EventRow:
    memo = await item.memo()
    envelope, delivery = memo.get(_ENVELOPE) or {}, memo.get("delivery") or {}
    return EventRow(
        id=_id(item.id),
        source=envelope.get("source", ""),
        kind=envelope.get("kind", ""),
        received_at=datetime.fromisoformat(envelope["received_at"])
        if envelope
        else item.start_time,
        sha256=envelope.get("sha256", ""),
        size=envelope.get("size", 0),
        outcome=delivery.get("outcome") or str(EventOutcome.RECEIVED),
        why=delivery.get("why", ""),
        touched=tuple(delivery.get("touched", ())),
        attempts=memo.get("attempts", 0),
        needs_person=memo.get("needs_person", False),
        legal_entity=item.typed_search_attributes.get(search_attributes.LEGAL_ENTITY) or "",
    )


def _started(event: InboundEvent) -> dict[str, Any]:
    """What an event's workflow is started with, whoever starts it."""
    return {
        "id": event.workflow_id,
        "task_queue": task_queues.CONTRACTS,
        "search_attributes": search_attributes.of_event(_contract_of(event)),
        "task_timeout": options.TASK_TIMEOUT,
        "static_summary": f"{event.source}: {event.kind}"[:200],
        "memo": {_ENVELOPE: event.model_dump(mode="json", exclude={"task"})},
    }


def _contract_of(event: InboundEvent) -> str:
    """The workflow id of the contract that it is for, where that is known before it is read."""
    # An envelope says whose contract it signs, once it is read.
    match event.task:
        case ForContract():
            return event.task.contract
        case ForDeal():
            contract_id = deal_contract_id(event.task.system, event.task.deal_id)
            return contract_workflow_id(event.task.legal_entity, contract_id)
    return ""


async def _original(client: Client, workflow_id: str) -> InboundEvent:
    """The event as it was received: no worker is needed."""
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id)
    try:
        async for event in handle.fetch_history_events(page_size=1):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            [record] = await client.data_converter.decode(list(payloads), [EventRecord])
            found: InboundEvent = record.event
            return found
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    raise NotFound(f"no event {_id(workflow_id)}")


def _workflow_id(reference: str) -> str:
    """`<source>/<key>` as lists show it, or the workflow's id."""
    source, _, key = reference.removeprefix(EVENT_PREFIX).partition("/")
    if not KEY.match(source) or not key:
        raise BadReference(f"{reference!r} names no event; write it as tickets/msg_2f")
    return f"{EVENT_PREFIX}{source}/{key}"


def _id(workflow_id: str) -> str:
    return workflow_id.removeprefix(EVENT_PREFIX)

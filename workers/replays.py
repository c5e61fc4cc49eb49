"""Does this code still replay what workflows have done? Asked by people, and by every worker
before it serves."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError
from temporalio import workflow
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowExecution, WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import (
    Interceptor,
    Replayer,
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from wiring.settings import WorkerSettings
from workers.errors import DoesNotReplay
from workers.worker import WORKFLOWS, workflow_runner

_CORE_MESSAGE = re.compile(r'message: "(?P<message>(?:[^"\\]|\\.)+)"')

_RUNNING = "ExecutionStatus = 'Running'"
_AGES = tuple(timedelta(days=days) for days in (730, 180, 30, 2))
"""The oldest runs are looked for among those this old. No database behind Temporal's visibility
sorts by age for us, and to count one's way to the oldest is slow where there are many."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Replayed:
    """One history, and why it does not replay (empty if it does).

    `stopped_before` says that the workflow stands already, with a workflow task that failed for
    this very reason.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    events: int
    failure: str = ""
    stopped_before: bool = False


async def replayed(
    histories: AsyncIterator[WorkflowHistory],
    converter: DataConverter,
    workflows: Sequence[type] = WORKFLOWS,
) -> AsyncGenerator[Replayed]:
    """Replay histories with this code, one by one. Temporal compares which commands are given; what
    a child is started with is compared here, because an amount may be in it."""
    children = _Children()
    replayer = Replayer(
        workflows=workflows,
        data_converter=converter,
        interceptors=[children],
        workflow_runner=workflow_runner(),
        # The SDK's core would log to standard output, between the lines of a result.
        runtime=Runtime(telemetry=TelemetryConfig(logging=None)),
    )
    async with replayer.workflow_replay_iterator(histories) as results:
        async for item in results:
            result = _result(item.history, item.replay_failure)
            if not result.failure:
                other = await children.started_otherwise(item.history, converter)
                result = replace(result, failure=other)
            yield result


class _Children(Interceptor):
    """Notes what each replayed run starts its children with."""

    def __init__(self) -> None:
        self._started: dict[tuple[str, str], Sequence[Any]] = {}

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor]:
        started = self._started

        class Outbound(WorkflowOutboundInterceptor):
            async def start_child_workflow(
                self, input: StartChildWorkflowInput
            ) -> workflow.ChildWorkflowHandle[Any, Any]:
                started[workflow.info().run_id, input.id] = input.args
                return await super().start_child_workflow(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound

    async def started_otherwise(self, history: WorkflowHistory, converter: DataConverter) -> str:
        """Which child this code would start with something else; empty if none."""
        for event in history.events:
            if not event.HasField("start_child_workflow_execution_initiated_event_attributes"):
                continue
            child = event.start_child_workflow_execution_initiated_event_attributes
            now = self._started.pop((history.run_id, child.workflow_id), None)
            if now is None:
                continue
            # Read as what it is now: a field that this release has added is no difference.
            kinds = [type(item) for item in now]
            try:
                before = await converter.decode(child.input.payloads, kinds)
            except ValidationError as error:
                return f"what {child.workflow_id} was started with cannot be read: {error}"
            if before != list(now):
                return f"it would start {child.workflow_id} with something else"
        return ""


def running(client: Client, limit: int) -> AsyncIterator[WorkflowHistory]:
    """The histories of the workflows that run now, the newest first."""
    names = ", ".join(f"'{item.__name__}'" for item in WORKFLOWS)
    query = f"{_RUNNING} AND WorkflowType IN ({names})"
    return client.list_workflows(query, limit=limit).map_histories()


async def look(client: Client, limits: WorkerSettings) -> None:
    """Replay the newest and the oldest of each type of open workflow that a worker would serve.

    Ends early where the time is over: then what was looked at has to do. Raises DoesNotReplay.
    """
    if not limits.replay_check_count:
        return
    seen = 0
    try:
        async with (
            asyncio.timeout(limits.replay_check_seconds),
            aclosing(replayed(_sample(client, limits), client.data_converter)) as results,
        ):
            async for item in results:
                seen += 1
                if item.failure:
                    _judge(item)
    except TimeoutError:
        _log.warning(
            "only %d open workflows were replayed in %g s", seen, limits.replay_check_seconds
        )
    else:
        _log.info("%d open workflows replay", seen)


def _judge(item: Replayed) -> None:
    if item.stopped_before:
        # It stands already: to stop all others as well would help nobody.
        _log.error("%s stands and does not replay: %s", item.workflow_id, item.failure)
        return
    raise DoesNotReplay(
        f"this release does not replay {item.workflow_id} ({item.workflow_type}, run "
        f"{item.run_id}): {item.failure}. Such workflows would stop here, so the worker does not "
        "start. Let the release serve that did so far, and mend this one until c2c replay "
        "--running says yes; worker.replay_check_count = 0 starts it all the same"
    )


async def _sample(client: Client, limits: WorkerSettings) -> AsyncIterator[WorkflowHistory]:
    """Histories of a bounded choice of open workflows, each run once."""
    each = max(1, limits.replay_check_count // (2 * len(WORKFLOWS)))
    for kind in WORKFLOWS:
        query = f"{_served(limits)} AND WorkflowType = '{kind.__name__}'"
        chosen = [*await _listed(client, query, each), *await _oldest(client, query, each)]
        for execution in {item.run_id: item for item in chosen}.values():
            history = await _history(client, execution)
            if history is not None:
                yield history


def _served(limits: WorkerSettings) -> str:
    """Which open workflows a worker of this release gets: none pinned to another one."""
    if limits.deployment is None:
        return _RUNNING
    return (
        f"{_RUNNING} AND (TemporalWorkflowVersioningBehavior IS NULL"
        " OR TemporalWorkflowVersioningBehavior = 'AutoUpgrade'"
        f" OR TemporalWorkerDeploymentVersion = '{limits.deployment}:{limits.build_id}')"
    )


async def _listed(client: Client, query: str, limit: int) -> list[WorkflowExecution]:
    return [item async for item in client.list_workflows(query, limit=limit, page_size=limit)]


async def _oldest(client: Client, query: str, limit: int) -> list[WorkflowExecution]:
    found: dict[str, WorkflowExecution] = {}
    for age in _AGES:
        if len(found) >= limit:
            break
        before = (datetime.now(UTC) - age).isoformat()
        older = await _listed(client, f"{query} AND StartTime < '{before}'", limit)
        found |= {item.run_id: item for item in older}
    return list(found.values())[:limit]


async def _history(client: Client, execution: WorkflowExecution) -> WorkflowHistory | None:
    """The history of one run; None where it is over and forgotten since it was listed."""
    handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
    try:
        return await handle.fetch_history()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def _result(history: WorkflowHistory, failure: Exception | None) -> Replayed:
    started = history.events[0].workflow_execution_started_event_attributes
    return Replayed(
        workflow_id=history.workflow_id,
        run_id=history.run_id,
        workflow_type=started.workflow_type.name,
        events=len(history.events),
        failure=_reason(failure) if failure else "",
        stopped_before=_stands(history),
    )


def _reason(failure: Exception) -> str:
    """The SDK's words without the wrapping of its core."""
    found = _CORE_MESSAGE.search(str(failure))
    return found["message"].replace('\\"', '"') if found else str(failure)


def _stands(history: WorkflowHistory) -> bool:
    """Whether the last workflow task failed because the code of that day did not replay."""
    last = next(
        (
            event
            for event in reversed(history.events)
            if event.event_type
            in (
                EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
                EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
            )
        ),
        None,
    )
    if last is None or last.event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
        return False
    return (
        last.workflow_task_failed_event_attributes.cause
        == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    )

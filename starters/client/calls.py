"""One call to one workflow: by name, with a limit of time, its failure as `errors` has it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from contracts.agenda import requests
from starters.client.connection import Attempt, Connection, Remote
from starters.client.errors import NoAnswer, NotFound, Refused

if TYPE_CHECKING:
    from contracts.actors import Sign
    from starters.client.protocol import Query, Update

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

FAILURES = (Refused, NotFound, NoAnswer, RPCError)
"""What one workflow of many may answer with, and the others are asked all the same."""

Unreadable = Callable[[str, Exception], None]
"""Receives the id of each workflow whose state a list could not get, and why."""

NOT_YET = "task is not scheduled yet"
"""What the server says of a run that has continued as new and not begun."""
NOT_ACCEPTED = "unexpected workflow task failure"
"""What it says of an Update that came in the moment in which a run gave way to the next: neither
has accepted it."""
_BETWEEN_RUNS = (0.1, 0.3, 0.6, 1.0, 2.0, 4.0)
"""Seconds to wait for a run that has just continued as new: the server lets it begin a little
later, and until then it answers nothing."""
_TOO_SLOW = ("TMPRL1101", "Expected workflow input")
"""In the failure of a query: its worker took too long to rebuild the workflow, or has just given
it up for that. The workflow itself is as it was."""
_ANSWER_WITHIN = timedelta(seconds=20)
"""How long a worker has to answer; without a limit an Update waits for one for ever."""
_AT_ONCE = 20
"""How many workflows are asked at the same time when a list needs their state."""
_POLL_SECONDS = 0.05


async def trying(client: Connection, ids: Sequence[str]) -> list[Attempt]:
    """What these workflows try again at the moment."""
    if isinstance(client, Remote):
        return await each(ids, client.trying, unreadable=lambda *_: None)
    return await each(ids, lambda item: _attempts(client, item), unreadable=lambda *_: None)


async def _attempts(client: Client, workflow_id: str) -> list[Attempt]:
    described = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=_ANSWER_WITHIN)
    found = []
    for item in described.raw_description.pending_activities:
        if not item.HasField("last_failure"):
            continue
        failure = await client.data_converter.decode_failure(item.last_failure)
        waits = item.HasField("next_attempt_schedule_time")
        next_at = item.next_attempt_schedule_time.ToDatetime(UTC) if waits else None
        attempt = Attempt(
            workflow_id, item.activity_type.name, item.attempt, _reason(failure), next_at
        )
        found.append(attempt)
    return found


async def query(
    client: Connection, workflow_id: str, question: Query[T], argument: object = None
) -> T:
    """Ask a workflow, with an argument if it takes one. Raises Refused, NotFound, NoAnswer."""
    if isinstance(client, Remote):
        return await client.query(workflow_id, question, argument)
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id)
    for wait in (*_BETWEEN_RUNS, None):
        try:
            answer: T = await handle.query(
                question.name,
                args=[] if argument is None else [argument],
                result_type=question.result,
                rpc_timeout=_ANSWER_WITHIN,
            )
            return answer
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
    client: Connection,
    workflow_id: str,
    message: Update[M, T],
    argument: M,
    *,
    request_id: str | None = None,
    sign: Sign | None = None,
) -> T:
    """Send a workflow an Update and wait for its answer. Sent again with the same `request_id` it
    counts once and gets the first answer (with another message it is Refused); left out, it has
    one of its own. `sign` says who sends it. Raises Refused, NotFound, NoAnswer, which says the id
    to send it again with."""
    request_id = request_id or str(uuid.uuid4())
    if isinstance(client, Remote):
        return await client.update(workflow_id, message, argument, request_id)
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id)
    signed = _signed(workflow_id, message, argument, request_id, sign)

    async def sent() -> T:
        answer: T = await handle.execute_update(
            message.name,
            signed,
            id=requests.update_id(request_id, signed),
            result_type=message.result,
        )
        return answer

    return await _answer_of(workflow_id, request_id, sent)


async def update_or_start(
    client: Client,
    workflow_id: str,
    message: Update[M, T],
    argument: M,
    start: Callable[[], WithStartWorkflowOperation[Any, Any]],
    *,
    request_id: str | None = None,
    sign: Sign | None = None,
) -> T:
    """The same of a workflow that is started for it where it does not run: `start` says how, each
    time it is tried. Raises Refused, NoAnswer."""
    request_id = request_id or str(uuid.uuid4())
    signed = _signed(workflow_id, message, argument, request_id, sign)

    async def sent() -> T:
        answer: T = await client.execute_update_with_start_workflow(
            message.name,
            signed,
            start_workflow_operation=start(),
            id=requests.update_id(request_id, signed),
            result_type=message.result,
        )
        return answer

    return await _answer_of(workflow_id, request_id, sent)


def _signed(
    workflow_id: str, message: Update[M, Any], argument: M, request_id: str, sign: Sign | None
) -> M:
    """What is sent, with the signature of whoever sends it."""
    if sign is None:
        return argument
    token = sign(workflow_id, message.name, argument, request_id)
    return argument.model_copy(update={"actor": token})


async def _answer_of(workflow_id: str, request_id: str, sent: Callable[[], Awaitable[T]]) -> T:
    """The answer to an Update. Raises Refused, NotFound, NoAnswer."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN.total_seconds()):
            return await _by_either_run(sent)
    except WorkflowUpdateFailedError as error:
        raise Refused(_reason(error.cause)) from error
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        raise _no_answer(workflow_id, request_id) from error
    except RPCError as error:
        raise _explained(error, workflow_id, request_id) from error


async def _by_either_run(send: Callable[[], Awaitable[T]]) -> T:
    """Send an Update, again to the next run where the one before gave way just then: under the same
    id it counts once."""
    for wait in _BETWEEN_RUNS:
        try:
            return await send()
        except RPCError as error:
            if NOT_ACCEPTED not in error.message:
                raise
        await asyncio.sleep(wait)
    return await send()


async def signal(
    client: Client, workflow_id: str, name: str, message: BaseModel, *, sign: Sign
) -> None:
    """Send a workflow a Signal with which somebody decides, signed. What it is refused for is in
    the workflow's journal alone: an Update tells it to whoever sent it. Raises NotFound, Refused
    where the workflow has ended, NoAnswer."""
    token = sign(workflow_id, name, message, str(uuid.uuid4()))
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id)
    try:
        await handle.signal(
            name, message.model_copy(update={"actor": token}), rpc_timeout=_ANSWER_WITHIN
        )
    except RPCError as error:
        raise _explained(error, workflow_id) from error


async def until(
    what: str,
    ask: Callable[[], Awaitable[T]],
    enough: Callable[[T], bool],
    timeout_seconds: float,
) -> T:
    """Ask again and again until the answer is enough; one that is not there yet is asked for, too.

    Raises TimeoutError, which tells `what` and the last answer.
    """
    deadline = time.monotonic() + timeout_seconds
    seen: object = None
    while time.monotonic() < deadline:
        try:
            answer = await ask()
        except (NotFound, NoAnswer) as missing:
            seen = missing  # not started yet, or the worker is busy
        else:
            if enough(answer):
                return answer
            seen = answer
        await asyncio.sleep(_POLL_SECONDS)
    shown = seen.model_dump_json(indent=1) if isinstance(seen, BaseModel) else seen
    raise TimeoutError(f"waited {timeout_seconds} s in vain for {what}; last seen: {shown}")


async def each(
    asked: Iterable[str],
    ask: Callable[[str], Coroutine[Any, Any, list[T]]],
    unreadable: Unreadable | None,
) -> list[T]:
    """What all these workflows answer; one that gives no answer goes to `unreadable`, or its error
    is raised."""

    async def one(workflow_id: str) -> list[T]:
        try:
            return await ask(workflow_id)
        except FAILURES as error:
            if unreadable is None:
                raise
            unreadable(workflow_id, error)
            return []

    return [item for answer in await at_once(map(one, asked)) for item in answer]


async def at_once(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The answers of all calls, in their order; only so many are under way at a time."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(call: Coroutine[Any, Any, T]) -> T:
        async with gate:
            return await call

    return list(await asyncio.gather(*(one(call) for call in calls)))


def _reason(cause: BaseException | None) -> str:
    """What an Update says when it fails: the workflow's refusal, or that of a call it made."""
    while isinstance(cause, ActivityError) and cause.cause is not None:
        cause = cause.cause
    return cause.message if isinstance(cause, ApplicationError) else str(cause)


def _explained(error: RPCError, workflow_id: str, request_id: str = "") -> Exception:
    if error.status is RPCStatusCode.NOT_FOUND and "amespace" not in error.message:
        if "already completed" in error.message:
            return Refused(f"{workflow_id} has ended: nothing can be changed any more")
        return NotFound(f"nothing is known under {workflow_id}")
    if error.status in (RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED):
        return _no_answer(workflow_id, request_id)
    return error


def _no_answer(workflow_id: str, request_id: str = "") -> NoAnswer:
    return NoAnswer(
        f"no worker answered for {workflow_id} within {_ANSWER_WITHIN.total_seconds():.0f} s; "
        "see that one runs (c2c worker, c2c check)",
        request_id,
    )

"""The messages that were acknowledged: each of them must be in a history."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio.client import Client, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from contracts.identifiers import contract_of
from starters.client import NoAnswer, NotFound, Refused, calls
from starters.client.protocol import Update

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_AGAIN_SECONDS = 0.5
_HALF_DONE = "Workflow Task in failed state"
_LOST = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.ABORTED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        # No worker is polling, or the one that was has left a task half done.
        RPCStatusCode.FAILED_PRECONDITION,
    }
)
"""What the server, or the lack of one, answers while it is down or comes up."""


@dataclass(frozen=True)
class Acknowledged:
    """One message that was acknowledged; `argument` is canonical JSON."""

    workflow_id: str
    kind: str
    name: str
    argument: str


@dataclass
class Ledger:
    """Sends messages as webhook senders do, again and again until they are acknowledged."""

    client: Client
    acknowledged: list[Acknowledged] = field(default_factory=list)
    refused: int = 0

    async def signal(self, workflow_id: str, name: str, message: BaseModel) -> bool:
        """Whether there was a workflow that took it."""
        handle = self.client.get_workflow_handle(workflow_id)
        try:
            await patiently(lambda: handle.signal(name, message))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            self.refused += 1
            return False
        self.acknowledged.append(Acknowledged(workflow_id, "signal", name, canonical(message)))
        return True

    async def update(self, workflow_id: str, update: Update[M, Any], message: M) -> bool:
        """Whether the workflow accepted it; a refusal is an answer, and no acknowledgement. Sent
        again for want of an answer it counts once: a credit asked for twice is two credits."""
        send = partial(calls.update, self.client, workflow_id, update, message)
        request_id = str(uuid.uuid4())
        try:
            await patiently(lambda: send(request_id=request_id))
        except (Refused, NotFound):
            self.refused += 1
            return False
        self.acknowledged.append(
            Acknowledged(workflow_id, "update", update.name, canonical(message))
        )
        return True

    def signalled_with_start(self, workflow_id: str, name: str, message: BaseModel) -> None:
        self.acknowledged.append(Acknowledged(workflow_id, "signal", name, canonical(message)))

    def acknowledged_of(self, contract: str) -> list[Acknowledged]:
        """What a contract and its invoices acknowledged."""
        return [item for item in self.acknowledged if contract_of(item.workflow_id) == contract]

    def started(self, workflow_id: str) -> None:
        self.acknowledged.append(Acknowledged(workflow_id, "start", "", ""))


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Call until there is an answer, for as long as nobody answers."""
    while True:
        try:
            return await call()
        except (NoAnswer, WorkflowUpdateRPCTimeoutOrCancelledError):
            pass
        except RPCError as error:
            half_done = _HALF_DONE in error.message or calls.NOT_YET in error.message
            if error.status not in _LOST and not half_done:
                raise
        await asyncio.sleep(_AGAIN_SECONDS)


def canonical(message: Any) -> str:
    """A message as JSON that compares equal however its keys are ordered."""
    plain = message.model_dump(mode="json") if isinstance(message, BaseModel) else message
    return json.dumps(plain, sort_keys=True)

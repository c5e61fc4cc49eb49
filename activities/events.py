"""Delivers inbound events to contracts, as Updates: so it is known whether each was accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ValidationError
from temporalio import activity
from temporalio.client import (
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from contracts.actors import Sign
from contracts.agenda.machine import BUSY
from contracts.contract.messages import (
    CustomerRefresh,
    MilestoneReached,
    MilestoneUnreached,
    ServiceCredit,
    SignatureReported,
    UsageReport,
    UsageTaken,
)
from contracts.contract.state import ENDED, RUNNING, ContractState
from contracts.events import ContractUpdate, Delivery, EventOutcome, ForContract
from contracts.model import Message
from contracts.problems import problems_of

SignFor = Callable[[str], Sign]
"""Gives what signs for a system, by the name it is configured under."""
MESSAGES: Mapping[ContractUpdate, type[Message]] = {
    ContractUpdate.REACH_MILESTONE: MilestoneReached,
    ContractUpdate.UNREACH_MILESTONE: MilestoneUnreached,
    ContractUpdate.RECORD_USAGE: UsageReport,
    ContractUpdate.CREDIT_SERVICE: ServiceCredit,
}
ANSWER_WITHIN = timedelta(seconds=30)
_CONTRACT = "contract"
_REFRESH = "refresh_customer"
_SIGNATURE = "report_signature"


class UpdateRequest(BaseModel):
    """An Update of a sender for a contract, under an id by which a repeat counts once."""

    task: ForContract
    sender: str
    id: str


class RefreshRequest(BaseModel):
    """A contract is to read its deal again, for whoever asks."""

    contract: str
    by: str
    id: str


class SignatureRequest(BaseModel):
    """A contract is to hear how an envelope stands."""

    contract: str
    report: SignatureReported
    id: str


class Told(BaseModel):
    """`delivery` is none where there is no such contract."""

    delivery: Delivery | None


class EventActivities:
    """Delivers to contracts. `sign_for` gives what signs for a system by its name; without it
    nothing is signed."""

    def __init__(self, sign_for: SignFor | None = None) -> None:
        self._sign_for = sign_for

    @activity.defn
    async def update_contract(self, request: UpdateRequest) -> Delivery:
        """Send the Update; what became of it. A contract that does not exist or is not validated
        yet is waited for."""
        task = request.task
        try:
            message = MESSAGES[task.update].model_validate(task.message)
        except ValidationError as error:
            why = "; ".join(map(str, problems_of(error)))
            return Delivery(outcome=EventOutcome.REFUSED, why=why)
        sent = _Sent(task.contract, task.update, message, self._sign(request.sender))
        try:
            answer = await _accepted(sent, request.id, _result(task))
        except _NotThere:
            return Delivery(outcome=EventOutcome.WAITING, why="there is no such contract yet")
        except _Ended:
            return Delivery(outcome=EventOutcome.AFTER_CLOSE, why="the contract has ended")
        except _Undelivered as undelivered:
            return undelivered.delivery
        if isinstance(answer, UsageTaken) and answer.refused:
            return Delivery(
                outcome=EventOutcome.REFUSED,
                why=f"{len(answer.refused)} records refused: {answer.refused[0]}",
                touched=(task.contract,),
            )
        return Delivery(outcome=EventOutcome.APPLIED, touched=(task.contract,))

    @activity.defn
    async def refresh_contract(self, request: RefreshRequest) -> Told:
        """Let a deal's contract read the deal again, where there is one."""
        message = CustomerRefresh(by=request.by)
        sent = _Sent(request.contract, _REFRESH, message, self._sign(request.by))
        try:
            await _update(sent, request.id)
        except _NotThere:
            return Told(delivery=None)
        except _Ended:
            found = Delivery(outcome=EventOutcome.AFTER_CLOSE, why="the contract has ended")
        except _Refused as refused:
            # It is being read anyhow, or is beyond what a deal could change.
            is_busy = str(refused) == BUSY
            outcome = EventOutcome.WAITING if is_busy else EventOutcome.NOTHING_TO_DO
            found = Delivery(outcome=outcome, why=str(refused))
        else:
            touched = (request.contract,)
            found = Delivery(
                outcome=EventOutcome.APPLIED, why="the deal is read again", touched=touched
            )
        return Told(delivery=found)

    @activity.defn
    async def report_signature(self, request: SignatureRequest) -> Told:
        """Tell a contract how its envelope stands, where there is one."""
        report = request.report
        sent = _Sent(request.contract, _SIGNATURE, report, self._sign(report.system))
        try:
            await _accepted(sent, request.id)
        except _NotThere:
            return Told(delivery=None)
        except _Ended:
            found = Delivery(outcome=EventOutcome.AFTER_CLOSE, why="the contract has ended")
        except _Undelivered as undelivered:
            found = undelivered.delivery
        else:
            envelope = report.envelope
            why = f"envelope {envelope.envelope_id} is {envelope.status}"
            touched = (request.contract,)
            found = Delivery(outcome=EventOutcome.APPLIED, why=why, touched=touched)
        return Told(delivery=found)

    def _sign(self, sender: str) -> Sign | None:
        return self._sign_for(sender) if self._sign_for else None


@dataclass(frozen=True)
class _Sent:
    """An Update on its way: to which contract, by which name, and what signs it."""

    contract: str
    name: str
    message: Message
    sign: Sign | None

    def signed(self, update_id: str) -> Message:
        if self.sign is None:
            return self.message
        token = self.sign(self.contract, self.name, self.message, update_id)
        return self.message.model_copy(update={"actor": token})


class _NotThere(Exception):
    """No such contract."""


class _Ended(Exception):
    """The contract's workflow has ended."""


class _Refused(Exception):
    """The contract said no; the message says why."""


class _Undelivered(Exception):
    """The contract said no, and what that comes to."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(delivery.why)
        self.delivery = delivery


def _result(task: ForContract) -> type | None:
    return UsageTaken if task.update is ContractUpdate.RECORD_USAGE else None


async def _update(sent: _Sent, update_id: str, result: type | None = None) -> Any:
    """Send it, and wait for the answer. What no worker answers in time is tried again by Temporal,
    under the same id."""
    handle = activity.client().get_workflow_handle(sent.contract)
    message = sent.signed(update_id)
    try:
        async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
            return await handle.execute_update(sent.name, message, id=update_id, result_type=result)
    except WorkflowUpdateFailedError as error:
        raise _Refused(_reason(error.cause)) from None
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        raise _away("no worker answered") from error
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND or "amespace" in error.message:
            raise _away(error.message) from error
        raise (_Ended if "already completed" in error.message else _NotThere) from None


async def _accepted(sent: _Sent, update_id: str, result: type | None = None) -> Any:
    """Send it to a contract that follows its rules. Raises _Undelivered.

    It is sent once more before a refusal counts: the contract may have begun to run, and to know
    its plans, just after it refused.
    """
    delivery = Delivery(outcome=EventOutcome.REFUSED)
    for attempt in (update_id, f"{update_id}/again"):
        try:
            return await _update(sent, attempt, result)
        except _Refused as refused:
            delivery = await _refusal(sent.contract, str(refused))
        if delivery.outcome is not EventOutcome.REFUSED:
            break
    raise _Undelivered(delivery)


async def _refusal(workflow_id: str, why: str) -> Delivery:
    """A refusal counts only once the contract runs: before, it cannot know its plans. That it is
    busy passes by itself."""
    if why == BUSY:
        return Delivery(outcome=EventOutcome.WAITING, why=why)
    handle = activity.client().get_workflow_handle(workflow_id)
    try:
        state: ContractState = await handle.query(
            _CONTRACT, result_type=ContractState, rpc_timeout=ANSWER_WITHIN
        )
    except (RPCError, WorkflowQueryFailedError) as error:
        raise _away(str(error)) from error
    if state.stage in ENDED:
        return Delivery(outcome=EventOutcome.AFTER_CLOSE, why=why)
    outcome = EventOutcome.REFUSED if state.stage in RUNNING else EventOutcome.WAITING
    return Delivery(outcome=outcome, why=why)


def _away(why: str) -> ApplicationError:
    """Tried again by Temporal: it, or the contract's worker, is busy."""
    return ApplicationError(f"no answer: {why}", type="transient")


def _reason(cause: BaseException | None) -> str:
    while isinstance(cause, ActivityError) and cause.cause is not None:
        cause = cause.cause
    return cause.message if isinstance(cause, ApplicationError) else str(cause)

"""What contracts and invoices have alike: approvals, and exceptions that wait for a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel

from contracts.actors import Sign
from contracts.agenda.state import Answer
from contracts.approvals import ApprovalRound, Decision
from contracts.contract.state import ContractState
from contracts.invoice.state import InvoiceState
from contracts.parking import Action, StepException
from contracts.problems import InvalidContract
from contracts.validation import payload_problems
from starters.client import approvals, calls, messages
from starters.client.approvals import Awaiting
from starters.client.connection import Attempt, Connection
from starters.client.parked import ParkedStep
from starters.client.protocol import Query, Update, built

S = TypeVar("S", ContractState, InvoiceState)
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

WAIT_SECONDS = 60.0


class WorkflowClient(Generic[S]):
    """One workflow, of a contract or of an invoice.

    Every method asks or tells the workflow, and raises Refused (the message says why), NotFound,
    NoAnswer, and InvalidContract with every problem of what cannot be sent. `by` is a person as the
    approval rules name people, usually an e-mail address. What is told by `once` is repeatable.
    """

    _STATE: ClassVar[Query[Any]]

    def __init__(
        self,
        client: Connection,
        workflow_id: str,
        request_id: str | None = None,
        *,
        sign: Sign | None = None,
    ) -> None:
        self._client = client
        self._request_id = request_id
        self._sign = sign
        self.workflow_id = workflow_id

    def once(self, request_id: str | None) -> Self:
        """The same workflow, for one message: sent again with this id, such as that of the event it
        comes from, it counts once and gets the first answer. None: it has an id of its own."""
        return type(self)(self._client, self.workflow_id, request_id, sign=self._sign)

    # --- how it stands --------------------------------------------------------------------------

    async def state(self) -> S:
        """Everything the workflow knows; of a closed one within its retention."""
        state: S = await calls.query(self._client, self.workflow_id, self._STATE)
        return state

    async def wait_until(
        self, enough: Callable[[S], bool], *, timeout_seconds: float = WAIT_SECONDS
    ) -> S:
        """The state once it is `enough`; the workflow may still have to start. Raises TimeoutError
        with the last state."""
        return await calls.until(self.workflow_id, self.state, enough, timeout_seconds)

    async def trying(self) -> list[Attempt]:
        """What it tries again by itself at the moment, and why it failed: which system is down."""
        return await calls.trying(self._client, [self.workflow_id])

    # --- approvals ------------------------------------------------------------------------------

    async def approvals(self) -> list[Awaiting]:
        """What awaits approval here, with its rule and the approvals given so far."""
        return await approvals.awaiting_in(self._client, self.workflow_id)

    async def approve(
        self, *, by: str, comment: str = "", seen: ApprovalRound | None = None
    ) -> ApprovalRound:
        """Approve what a person has `seen`, and no other content; returns the round since.

        Without `seen` it is the one thing that awaits approval now; none or several are Refused.
        """
        return await self._decide(Decision.APPROVE, by, comment, seen)

    async def reject(
        self, *, by: str, comment: str, seen: ApprovalRound | None = None
    ) -> ApprovalRound:
        """Reject it, as `approve` approves it; the comment says why."""
        return await self._decide(Decision.REJECT, by, comment, seen)

    async def decided(
        self, decision: Decision | str, *, by: str, comment: str = ""
    ) -> ApprovalRound | None:
        """The round as this request left it before; None if it was not accepted yet. Refused if it
        was accepted with another decision."""
        answer = await self._answer()
        if answer is None or answer.content is None:
            return None
        seen = ApprovalRound.model_validate(answer.content)
        return await self._decide(Decision(decision), by, comment, seen)

    async def _decide(
        self, decision: Decision, by: str, comment: str, seen: ApprovalRound | None
    ) -> ApprovalRound:
        if seen is None:
            before = await self.decided(decision, by=by, comment=comment)
            if before is not None:
                return before
            seen = await approvals.only_round(self._client, self.workflow_id)
        message = approvals.decision_on(seen, decision, by, comment)
        return await self._tell(messages.DECIDE_APPROVAL, message)

    # --- exceptions -----------------------------------------------------------------------------

    async def exceptions(self) -> list[StepException]:
        """The steps that wait for a person, each with what is wrong and what may be done."""
        return list((await self.state()).exceptions)

    async def parked(self) -> list[ParkedStep]:
        """The same steps, each with the decisions that are possible now."""
        from contracts.views.choices import choices  # late: all rules come with it

        state = await self.state()
        is_unknown = isinstance(state, ContractState) and state.contract is None
        zone = "" if is_unknown else state.time_zone
        return [
            ParkedStep(self.workflow_id, item, choices(state, item), zone)
            for item in state.exceptions
        ]

    async def resolve_exception(
        self,
        action: Action | str,
        *,
        by: str,
        step: str = "",
        reason: str = "",
        changes: dict[str, Any] | None = None,
    ) -> StepException:
        """Decide about a parked step: "retry", "amend", "skip" or "cancel"; returns the step.

        `step` may be left out if only one is parked. `changes`, for "amend", gives paths corrected
        values: `{"customer.vat_number": "BE0477472701"}`. To skip needs a `reason`.
        """
        problems = payload_problems(changes or {})
        if problems:
            raise InvalidContract(problems)
        return await self._send(
            messages.RESOLVE_EXCEPTION,
            action=action,
            by=by,
            step=step,
            reason=reason,
            changes=changes,
        )

    # --- how it is told -------------------------------------------------------------------------

    async def _send(self, update: Update[M, T], **fields: object) -> T:
        """Send a message of these fields; None is left out."""
        return await self._tell(update, built(update.message, **fields))

    async def _tell(self, update: Update[M, T], message: M) -> T:
        return await calls.update(
            self._client,
            self.workflow_id,
            update,
            message,
            request_id=self._request_id,
            sign=self._sign,
        )

    async def _answer(self) -> Answer | None:
        """What this request was answered before."""
        return (await self.state()).answer_to(self._request_id) if self._request_id else None

"""What contracts and invoices have alike: approvals, and exceptions that wait for a person."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio.client import Client

from contracts.approvals import ApprovalRound, Decision
from contracts.parking import Action, Resolution, StepException
from contracts.problems import InvalidContract
from contracts.validation import payload_problems
from starters.client import approvals, calls, messages
from starters.client.approvals import Awaiting
from starters.client.protocol import Update, built

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

WAIT_SECONDS = 60.0


class WorkflowClient:
    """One workflow, of a contract or of an invoice.

    Every method asks or tells the workflow, and raises Refused (the message says why), NotFound,
    NoAnswer, and InvalidContract with every problem of what cannot be sent. `request_id` makes
    a call repeatable: the same one counts once and gets the first answer. `by` is a person as the
    approval rules name people, usually an e-mail address.
    """

    def __init__(self, client: Client, workflow_id: str) -> None:
        self._client = client
        self.workflow_id = workflow_id

    async def approvals(self) -> list[Awaiting]:
        """What awaits approval here, with its rule and the approvals given so far."""
        return await approvals.awaiting_in(self._client, self.workflow_id)

    async def approve(
        self,
        *,
        by: str,
        comment: str = "",
        seen: ApprovalRound | None = None,
        request_id: str | None = None,
    ) -> ApprovalRound:
        """Approve what a person has `seen`, and no other content; returns the round since.

        Without `seen` it is the one thing that awaits approval now; none or several are Refused.
        """
        return await self._decide(Decision.APPROVE, by, comment, seen, request_id)

    async def reject(
        self,
        *,
        by: str,
        comment: str,
        seen: ApprovalRound | None = None,
        request_id: str | None = None,
    ) -> ApprovalRound:
        """Reject it, as `approve` approves it; the comment says why."""
        return await self._decide(Decision.REJECT, by, comment, seen, request_id)

    async def exceptions(self) -> list[StepException]:
        """The steps that wait for a person, each with what is wrong and what may be done."""
        raise NotImplementedError

    async def resolve_exception(
        self,
        action: Action | str,
        *,
        by: str,
        step: str = "",
        reason: str = "",
        changes: dict[str, Any] | None = None,
        request_id: str | None = None,
    ) -> StepException:
        """Decide about a parked step: "retry", "amend", "skip" or "cancel"; returns the step.

        `step` may be left out if only one is parked. `changes`, for "amend", gives paths corrected
        values: `{"customer.vat_number": "BE0477472701"}`. To skip needs a `reason`.
        """
        resolution = built(
            Resolution, action=action, by=by, step=step, reason=reason, changes=changes
        )
        problems = payload_problems(resolution.changes)
        if problems:
            raise InvalidContract(problems)
        return await self._send(messages.RESOLVE_EXCEPTION, resolution, request_id)

    async def _decide(
        self,
        decision: Decision,
        by: str,
        comment: str,
        seen: ApprovalRound | None,
        request_id: str | None,
    ) -> ApprovalRound:
        meant = seen or await approvals.only_round(self._client, self.workflow_id)
        message = approvals.decision_on(meant, decision, by, comment)
        return await self._send(messages.DECIDE_APPROVAL, message, request_id)

    async def _send(self, update: Update[M, T], message: M, request_id: str | None) -> T:
        return await calls.update(
            self._client, self.workflow_id, update, message, request_id=request_id
        )

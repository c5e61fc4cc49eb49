"""What awaits approval in invoices and contracts alike, and decisions on one or many of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.client import Client
from temporalio.service import RPCError

from contracts.approvals import ApprovalDecision, ApprovalKind, ApprovalRound, Decision
from contracts.identifiers import KEY
from contracts.money import Money
from starters import operations
from starters.operations import MAX_LISTED, NoAnswer, NotFound, Refused, Unreadable
from starters.references import BadReference
from workflows import search_attributes
from workflows.contract import ContractWorkflow

_TYPES = ("InvoiceWorkflow", "ContractWorkflow")
# A workflow with a parked step shows that first; an approval may be open beside it.
_MAY_WAIT = (
    f"{search_attributes.WAITING_ON.name} IN ('approval', 'exception', 'credentials') "
    "AND ExecutionStatus = 'Running'"
)


@dataclass(frozen=True)
class Awaiting:
    """A round that is open, and the workflow (an invoice's or a contract's) it is open in."""

    workflow_id: str
    approval_round: ApprovalRound


@dataclass(frozen=True)
class Found:
    """Open rounds, the longest waiting first. `more`: a limit was reached, others may be open."""

    items: list[Awaiting]
    more: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one approval: the round since, or why it was not taken. `unanswered`: it may
    be taken yet, nobody said so in time."""

    workflow_id: str
    before: ApprovalRound | None
    after: ApprovalRound | None = None
    problem: str = ""
    unanswered: bool = False

    @property
    def is_taken(self) -> bool:
        return self.after is not None


@dataclass(frozen=True)
class Filter:
    """Which approvals are meant; what is left empty does not narrow.

    `customer` is a key or a name, whatever its case. `up_to` compares amounts as the rules do
    (without tax); amounts in another currency are not meant.
    """

    customer: str = ""
    up_to: Money | None = None
    kind: ApprovalKind | None = None
    entity: str = ""

    def takes(self, item: Awaiting) -> bool:
        subject = item.approval_round.subject
        names = {subject.customer_key.casefold(), subject.customer_name.casefold()}
        return (
            (not self.customer or self.customer.strip().casefold() in names)
            and (self.kind is None or subject.kind is self.kind)
            and (
                self.up_to is None
                or (subject.amount.currency == self.up_to.currency and subject.amount <= self.up_to)
            )
        )


async def awaiting(
    client: Client,
    wanted: Filter | None = None,
    *,
    limit: int = MAX_LISTED,
    unreadable: Unreadable | None = None,
) -> Found:
    """What awaits approval, of each type of workflow in at most `limit` of them, newest first.

    With `unreadable` one workflow that gives no answer does not hide the others. Raises
    BadReference for an entity that cannot be one.
    """
    wanted = wanted or Filter()
    where = _MAY_WAIT
    if wanted.entity:
        if not KEY.match(wanted.entity):
            raise BadReference(f"{wanted.entity!r} is not the key of a legal entity")
        where += f" AND {search_attributes.LEGAL_ENTITY.name} = '{wanted.entity}'"
    ids: list[str] = []
    more = False
    for workflow_type in _TYPES:
        listed = [
            item async for item in operations.workflow_ids(client, workflow_type, where, limit)
        ]
        more = more or len(listed) >= limit
        ids += listed
    asked = await operations.each(client, ids, awaiting_in, unreadable)
    items = [item for _, rounds in asked for item in rounds if wanted.takes(item)]
    items.sort(key=lambda item: (item.approval_round.requirement.asked_on, item.workflow_id))
    return Found(items, more)


async def awaiting_in(client: Client, workflow_id: str) -> list[Awaiting]:
    """What awaits approval in one invoice or contract. Raises NotFound, NoAnswer."""
    rounds = await operations.query(client, workflow_id, ContractWorkflow.open_approvals)
    return [Awaiting(workflow_id, item) for item in rounds]


def may_approve(item: Awaiting, by: str, now: datetime | None = None) -> bool:
    """Whether the rules let the person approve it, as it stands."""
    today = item.approval_round.requirement.today(now or datetime.now(UTC))
    return item.approval_round.refusal(_approval(item, by, ""), today) is None


async def approve(
    client: Client, item: Awaiting, *, by: str, comment: str = "", update_id: str | None = None
) -> ApprovalRound:
    """Approve exactly what was read. With the same `update_id` it may be said again, and counts
    once. Raises Refused, also if it has changed since; NotFound, NoAnswer."""
    decision = _approval(item, by, comment)
    return await operations.update(
        client, item.workflow_id, ContractWorkflow.decide_approval, decision, update_id=update_id
    )


async def reject(client: Client, item: Awaiting, *, by: str, comment: str) -> ApprovalRound:
    """Reject exactly what was read; the comment says why. Raises Refused."""
    decision = _approval(item, by, comment).model_copy(update={"decision": Decision.REJECT})
    return await operations.update(
        client, item.workflow_id, ContractWorkflow.decide_approval, decision
    )


async def approve_all(
    client: Client, items: Iterable[Awaiting], *, by: str, comment: str = ""
) -> list[Outcome]:
    """Approve each of them; one that is refused or gives no answer does not stop the rest."""

    async def one(item: Awaiting, update_id: str) -> Outcome:
        try:
            after = await approve(client, item, by=by, comment=comment, update_id=update_id)
        except (Refused, NotFound, NoAnswer, RPCError) as error:
            unanswered = isinstance(error, NoAnswer)
            return Outcome(
                item.workflow_id, item.approval_round, problem=str(error), unanswered=unanswered
            )
        return Outcome(item.workflow_id, item.approval_round, after)

    asked = [(item, str(uuid.uuid4())) for item in items]
    outcomes = await operations.at_once([one(*each) for each in asked])
    if any(outcome.is_taken for outcome in outcomes):
        # Workers are there and were busy, at a month end: now that the rest is through, once more.
        late = [place for place, outcome in enumerate(outcomes) if outcome.unanswered]
        again = await operations.at_once([one(*asked[place]) for place in late])
        for place, outcome in zip(late, again, strict=True):
            outcomes[place] = outcome
    return outcomes


def _approval(item: Awaiting, by: str, comment: str) -> ApprovalDecision:
    subject = item.approval_round.subject
    return ApprovalDecision(
        by=by, content_hash=subject.content_hash, amount=subject.amount, comment=comment
    )

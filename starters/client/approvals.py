"""What awaits approval in invoices and contracts alike, and decisions on one or many of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from temporalio.client import Client

from contracts.approvals import ApprovalDecision, ApprovalKind, ApprovalRound, Decision
from contracts.money import Money
from starters.client import calls
from starters.client.calls import Sign
from starters.client.errors import NoAnswer, Refused
from starters.client.protocol import DECIDE_APPROVAL, OPEN_APPROVALS, built


@dataclass(frozen=True)
class Awaiting:
    """A round that is open, and the workflow (an invoice's or a contract's) it is open in."""

    workflow_id: str
    approval_round: ApprovalRound

    def is_of(self, customer: str, up_to: Money | None, kind: ApprovalKind | None) -> bool:
        """Whether it is meant; what is left empty does not narrow. `customer` is a key or a name,
        whatever its case. An amount in another currency than that of `up_to` is not meant."""
        subject, named = self.approval_round.subject, customer.strip().casefold()
        amount = subject.amount
        return (
            (
                not named
                or named in (subject.customer_key.casefold(), subject.customer_name.casefold())
            )
            and (kind is None or subject.kind is kind)
            and (up_to is None or (amount.currency == up_to.currency and amount <= up_to))
        )

    def may_be_approved_by(self, person: str, now: datetime | None = None) -> bool:
        """Whether the rules let the person approve it, as it stands; `now` is aware."""
        today = self.approval_round.requirement.today(now or datetime.now(UTC))
        return self.approval_round.may_be_approved_by(person.strip().lower(), today)


@dataclass(frozen=True)
class Outcome:
    """What became of one approval: the round since, or why it was refused. `unanswered`: no answer
    came in time; it may still be accepted."""

    workflow_id: str
    before: ApprovalRound | None
    after: ApprovalRound | None = None
    problem: str = ""
    unanswered: bool = False

    @property
    def is_taken(self) -> bool:
        return self.after is not None


def by_age(item: Awaiting) -> tuple[date, str, int]:
    """The longest waiting first; of one day, the invoices of a contract by their numbers."""
    contract, _, number = item.workflow_id.partition("/invoice/")
    return item.approval_round.requirement.asked_on, contract, int(number or 0)


async def awaiting_in(client: Client, workflow_id: str) -> list[Awaiting]:
    """What awaits approval in one invoice or contract. Raises NotFound, NoAnswer."""
    rounds = await calls.query(client, workflow_id, OPEN_APPROVALS)
    return [Awaiting(workflow_id, item) for item in rounds]


async def only_round(client: Client, workflow_id: str) -> ApprovalRound:
    """The one thing that awaits approval there. Raises Refused for none or several."""
    found = await calls.query(client, workflow_id, OPEN_APPROVALS)
    if len(found) != 1:
        titles = "; ".join(item.subject.title for item in found) or "nothing"
        raise Refused(f"{workflow_id}: {titles} awaits approval, not exactly one thing")
    return found[0]


async def approve_all(
    client: Client,
    items: Iterable[Awaiting],
    *,
    by: str,
    comment: str = "",
    sign: Sign | None = None,
) -> list[Outcome]:
    """Approve each of them; one that is refused or gives no answer does not stop the rest."""

    async def one(item: Awaiting, request_id: str) -> Outcome:
        before = item.approval_round
        decision = decision_on(before, Decision.APPROVE, by, comment)
        try:
            after = await calls.update(
                client,
                item.workflow_id,
                DECIDE_APPROVAL,
                decision,
                request_id=request_id,
                sign=sign,
            )
        except calls.FAILURES as error:
            unanswered = isinstance(error, NoAnswer)
            return Outcome(item.workflow_id, before, problem=str(error), unanswered=unanswered)
        return Outcome(item.workflow_id, before, after)

    asked = [(item, str(uuid.uuid4())) for item in items]
    outcomes = await calls.at_once([one(*each) for each in asked])
    if any(outcome.is_taken for outcome in outcomes):
        # Workers are there and were busy, at a month end: now that the rest is through, once more.
        late = [place for place, outcome in enumerate(outcomes) if outcome.unanswered]
        again = await calls.at_once([one(*asked[place]) for place in late])
        for place, outcome in zip(late, again, strict=True):
            outcomes[place] = outcome
    return outcomes


def decision_on(
    approval_round: ApprovalRound, decision: Decision, by: str, comment: str
) -> ApprovalDecision:
    """A person's decision on exactly this content. Raises InvalidContract."""
    subject = approval_round.subject
    return built(
        ApprovalDecision,
        decision=decision,
        by=by,
        content_hash=subject.content_hash,
        amount=subject.amount,
        comment=comment,
    )

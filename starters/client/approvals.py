"""What awaits approval in invoices and contracts alike, and decisions on one or many of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from temporalio.client import Client

from contracts.actors import Sign
from contracts.approvals import ApprovalDecision, ApprovalKind, ApprovalRound, Decision
from contracts.money import Money
from contracts.views.cards import of_card
from starters.client import calls, listing
from starters.client.calls import Unreadable
from starters.client.connection import Connection
from starters.client.errors import NoAnswer, Refused
from starters.client.names import CONTRACT_WORKFLOW, INVOICE_WORKFLOW
from starters.client.protocol import DECIDE_APPROVAL, OPEN_APPROVALS, built
from workflows.search_attributes import APPROVAL, WAITING_SINCE


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
class ListedRound(Awaiting):
    """A round as lists show it; `waiting_since` (aware) is when the workflow began to wait."""

    waiting_since: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one approval: the round since, or why it was refused. `unanswered`: no answer
    came in time; it may still be accepted."""

    workflow_id: str
    before: ApprovalRound | None = None
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


async def awaiting_in(client: Connection, workflow_id: str) -> list[Awaiting]:
    """What awaits approval in one invoice or contract. Raises NotFound, NoAnswer."""
    rounds = await calls.query(client, workflow_id, OPEN_APPROVALS)
    return [Awaiting(workflow_id, item) for item in rounds]


async def only_round(client: Connection, workflow_id: str) -> ApprovalRound:
    """The one thing that awaits approval there. Raises Refused for none or several."""
    found = await calls.query(client, workflow_id, OPEN_APPROVALS)
    if len(found) != 1:
        titles = "; ".join(item.subject.title for item in found) or "nothing"
        raise Refused(f"{workflow_id}: {titles} awaits approval, not exactly one thing")
    return found[0]


async def cards(
    client: Client, where: str, limit: int, unreadable: Unreadable
) -> tuple[list[ListedRound], bool]:
    """The same as lists show it, of at most `limit` contracts and as many invoices, and whether
    there are more: from their memos, so that no worker is needed. What cannot be read, as its key
    was erased or is missing, goes to `unreadable`."""
    kinds = (CONTRACT_WORKFLOW, INVOICE_WORKFLOW)
    found = await asyncio.gather(*(listing.runs(client, kind, where, limit + 1) for kind in kinds))
    shown = [item for runs in found for item in runs[:limit]]
    items: list[ListedRound] = []
    asked: list[str] = []
    for run in shown:
        try:
            data = await run.memo_value(APPROVAL, None, type_hint=dict)
            approval_round = of_card(data) if data else None
        except Exception as error:
            unreadable(run.id, error)
            continue
        if approval_round is not None:
            since = run.typed_search_attributes.get(WAITING_SINCE)
            items.append(ListedRound(run.id, approval_round, since))
        elif data is not None:
            asked.append(run.id)  # too large for a list
    found_there = await calls.each(asked, lambda item: awaiting_in(client, item), unreadable)
    items += [ListedRound(item.workflow_id, item.approval_round) for item in found_there]
    return items, any(len(runs) > limit for runs in found)


# --- decisions on many --------------------------------------------------------------------------


@dataclass(frozen=True)
class Ballot:
    """A decision for one workflow; with the same `request_id` it counts once."""

    workflow_id: str
    decision: ApprovalDecision
    request_id: str


async def decide_all(
    client: Connection, ballots: Iterable[Ballot], *, sign: Sign | None = None
) -> list[Outcome]:
    """Send each of them; one that is refused or gives no answer does not stop the rest."""

    async def one(ballot: Ballot) -> Outcome:
        try:
            after = await calls.update(
                client,
                ballot.workflow_id,
                DECIDE_APPROVAL,
                ballot.decision,
                request_id=ballot.request_id,
                sign=sign,
            )
        except calls.FAILURES as error:
            unanswered = isinstance(error, NoAnswer)
            return Outcome(ballot.workflow_id, problem=str(error), unanswered=unanswered)
        return Outcome(ballot.workflow_id, after=after)

    asked = list(ballots)
    outcomes = await calls.at_once(map(one, asked))
    if any(outcome.is_taken for outcome in outcomes):
        # Workers are there and were busy, at a month end: now that the rest is through, once more.
        late = [place for place, outcome in enumerate(outcomes) if outcome.unanswered]
        again = await calls.at_once([one(asked[place]) for place in late])
        for place, outcome in zip(late, again, strict=True):
            outcomes[place] = outcome
    return outcomes


async def approve_all(
    client: Connection,
    items: Iterable[Awaiting],
    *,
    by: str,
    comment: str = "",
    sign: Sign | None = None,
) -> list[Outcome]:
    """Approve each of them as it was read."""
    seen = list(items)
    ballots = [
        Ballot(
            item.workflow_id,
            decision_on(item.approval_round, Decision.APPROVE, by, comment),
            str(uuid.uuid4()),
        )
        for item in seen
    ]
    outcomes = await decide_all(client, ballots, sign=sign)
    return [
        replace(outcome, before=item.approval_round)
        for item, outcome in zip(seen, outcomes, strict=True)
    ]


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

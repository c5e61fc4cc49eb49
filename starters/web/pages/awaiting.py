"""What awaits approval, as one visitor sees it: a row each, and whether they may decide it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from fastapi import Request

from contracts import access
from contracts.access import Permission
from contracts.approvals import ApprovalKind, ApprovalRound, Decision
from contracts.currencies import EXPONENTS
from contracts.money import Money
from contracts.page_addresses import approval_path
from contracts.views.approval import Change
from starters.client.approvals import Awaiting, decision_on
from starters.client.references import short
from starters.web.pages.decided import Verdict, verdicts_of
from starters.web.pages.workbench import c2c_of, workbench_of
from starters.web.visitors import Visitor


@dataclass(frozen=True)
class Rights:
    """What one visitor may do about one round. `why` says why they may not approve it; `is_others`
    that it is for others, who are named among those who are needed."""

    may_approve: bool
    may_reject: bool
    why: str = ""

    @property
    def may_decide(self) -> bool:
        return self.may_approve or self.may_reject

    @property
    def is_others(self) -> bool:
        return not self.may_decide and "may not decide this" in self.why

    @classmethod
    def of(cls, approval_round: ApprovalRound, visitor: Visitor, entity: str) -> Rights:
        refusal = access.refusal(visitor.roles_in(entity), Permission.DECIDE)
        if refusal is not None:
            return cls(False, False, refusal)
        today = approval_round.requirement.today(datetime.now(UTC))

        def refused(decision: Decision) -> str | None:
            asked = decision_on(approval_round, decision, visitor.person, "x")
            return approval_round.refusal(asked, today)

        why = refused(Decision.APPROVE)
        if why is None:
            return cls(True, True)
        return cls(False, refused(Decision.REJECT) is None, why)


@dataclass(frozen=True)
class Row:
    """One round. `changed` are the lines that are others than this browser saw; `verdict` is the
    last word on it, where it was said on these pages and is not carried out yet."""

    workflow_id: str
    approval_round: ApprovalRound
    rights: Rights
    zone: str
    changed: tuple[Change, ...] = ()
    verdict: Verdict | None = None

    @cached_property
    def ref(self) -> str:
        return short(self.workflow_id)

    @property
    def entity(self) -> str:
        return self.ref.partition("/")[0]

    @property
    def pick(self) -> str:
        """What a form sends of it: a decision is bound to what was seen."""
        subject = self.approval_round.subject
        return f"{self.ref}:{subject.content_hash}:{subject.amount}"

    @property
    def title(self) -> str:
        subject = self.approval_round.subject
        title = subject.title.removesuffix(f" for {subject.customer_name}")
        return title[:1].upper() + title[1:]

    @property
    def href(self) -> str:
        return approval_path(self.workflow_id, self.approval_round.subject.content_hash)

    @property
    def decimals(self) -> int:
        return EXPONENTS[self.approval_round.subject.amount.currency]

    @property
    def units(self) -> int:
        """The amount without tax in the currency's smallest unit, which scripts add up exactly."""
        return int(self.approval_round.subject.amount.amount.scaleb(self.decimals))

    @cached_property
    def urgency(self) -> str:
        """How a row is marked: red once others may decide, amber once its approvers were due to be
        reminded."""
        needed = self.approval_round.requirement
        today = needed.today(datetime.now(UTC))
        if self.approval_round.escalated or today >= needed.escalate_on:
            return "red"
        return "amber" if today >= needed.remind_on else ""


# --- the list -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Waiting:
    """Everything in the legal entities in which the visitor may read, the longest waiting first.
    `unreadable` are those that could not be read; `more`: a list stopped at its limit."""

    rows: Sequence[Row] = ()
    unreadable: Sequence[str] = ()
    more: bool = False

    @property
    def decidable(self) -> int:
        """How many of them the visitor may approve."""
        return sum(row.rights.may_approve for row in self.rows)


async def waiting_for(request: Request, visitor: Visitor) -> Waiting:
    """The list, read once for a request."""
    kept = getattr(request.state, "waiting", None)
    if isinstance(kept, Waiting):
        return kept
    workbench = workbench_of(request)
    unreadable: list[str] = []
    found = await c2c_of(request, visitor).approval_cards(
        legal_entities=visitor.entities(Permission.READ, workbench.entities),
        unreadable=lambda workflow_id, _: unreadable.append(short(workflow_id)),
    )
    verdicts = verdicts_of(request)
    rows = [
        row_of(item, visitor, workbench.zone(entity_of(item)), verdicts.of(item))
        for item in found.items
    ]
    waiting = Waiting(rows, unreadable, found.more)
    request.state.waiting = waiting
    return waiting


async def decidable(request: Request, visitor: Visitor) -> int:
    """The number beside the inbox."""
    return (await waiting_for(request, visitor)).decidable


def entity_of(item: Awaiting) -> str:
    return short(item.workflow_id).partition("/")[0]


def row_of(item: Awaiting, visitor: Visitor, zone: str, verdict: Verdict | None = None) -> Row:
    said = verdict.approval_round if verdict is not None else item.approval_round
    rights = Rights.of(said, visitor, entity_of(item))
    return Row(item.workflow_id, item.approval_round, rights, zone, verdict=verdict)


# --- what narrows it ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filters:
    """From the address, so that a bookmark is a saved filter. `problem` says what cannot be read,
    which does not narrow."""

    customer: str = ""
    kind: ApprovalKind | None = None
    entity: str = ""
    up_to: Money | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    @classmethod
    def of(cls, params: Mapping[str, str]) -> Filters:
        given = {
            name: value.strip()[:200]
            for name in ("customer", "kind", "entity", "up_to")
            if (value := params.get(name, "")).strip()
        }
        kind, up_to, problem = None, None, ""
        if given.get("kind") in list(ApprovalKind):
            kind = ApprovalKind(given["kind"])
        if "up_to" in given:
            try:
                up_to = _amount(given["up_to"])
            except ValueError:
                problem = (
                    "expected an amount such as 5000 EUR or 5000.50 EUR: a point before the cents, "
                    "and nothing between the thousands"
                )
        customer, entity = given.get("customer", ""), given.get("entity", "")
        return cls(customer, kind, entity, up_to, given, problem)

    def fits(self, row: Row) -> bool:
        subject, part = row.approval_round.subject, self.customer.casefold()
        is_named = part in subject.customer_name.casefold()
        is_customer = is_named or part == subject.customer_key.casefold()
        return (
            (not self.entity or row.entity == self.entity)
            and (not part or is_customer)
            and Awaiting(row.workflow_id, row.approval_round).is_of("", self.up_to, self.kind)
        )


def _amount(text: str) -> Money:
    """An amount that cannot be read as another: `5.000 EUR` is five thousand for some people.
    Raises ValueError."""
    found = Money.parse(text)
    decimals = text.split()[0].partition(".")[2]
    if len(decimals) > EXPONENTS[found.currency]:
        raise ValueError("more decimals than the currency has")
    return found

"""Who must approve what: tiers by amount, named groups, one or two persons, reminders."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.calendar import BusinessCalendar
from contracts.money import Money

Person = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1)]
"""A person as approvals name them, usually an e-mail address; case does not matter."""

HASH_PREFIX = 12
"""How many characters of a content hash people see and type."""


class ApprovalTier(BaseModel):
    """Up to an amount (inclusive; none: any amount and currency), who and how many approve."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    up_to: Money | None = None
    group: str
    approvals: int = Field(default=1, ge=1, le=2)


class ApprovalPolicy(BaseModel):
    """Approval rules of a legal entity, in configuration; frozen on a proposal when it is made.

    Tiers are tried in order; the first whose limit is in the proposal's currency and not below
    its amount applies. The last tier has no limit, so an amount or currency nobody thought of
    falls to the strictest rule.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: dict[str, tuple[Person, ...]]
    tiers: tuple[ApprovalTier, ...] = Field(min_length=1)
    remind_after_business_days: int = Field(default=2, ge=1, le=60)
    escalate_after_business_days: int = Field(default=5, ge=1, le=120)
    escalation_group: str

    def tier_for(self, amount: Money) -> ApprovalTier:
        for tier in self.tiers:
            if tier.up_to is None:
                return tier
            if tier.up_to.currency == amount.currency and amount <= tier.up_to:
                return tier
        raise AssertionError("validated: the last tier has no limit")


class ApprovalRules(ApprovalPolicy):
    """An ApprovalPolicy as configuration states it: complete, and possible to fulfil.

    Checked when the configuration is loaded, and not in the frozen policy of a running workflow:
    that must stay readable whatever a later release asks of new ones.
    """

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.tiers[-1].up_to is not None:
            raise ValueError("the last approval tier must have no up_to: it takes every amount")
        if any(tier.up_to is None for tier in self.tiers[:-1]):
            raise ValueError("only the last approval tier may have no up_to")
        for group in [*(tier.group for tier in self.tiers), self.escalation_group]:
            if group not in self.groups:
                raise ValueError(f"approval group {group!r} is not among groups")
        for tier in self.tiers:
            if len(set(self.groups[tier.group])) < tier.approvals:
                raise ValueError(
                    f"group {tier.group!r} has fewer members than the approvals it must give"
                )
        for tier in self.tiers:
            reachable = {*self.groups[tier.group], *self.groups[self.escalation_group]}
            if len(reachable) <= tier.approvals:
                # A member who requested the contract may not approve it.
                raise ValueError(
                    f"group {tier.group!r} with the escalation group must have more than "
                    f"{tier.approvals} members, or nobody could approve what one of them requests"
                )
        self._limits_rise()
        if self.escalate_after_business_days < self.remind_after_business_days:
            raise ValueError("escalate_after_business_days must not be before the reminder")
        return self

    def _limits_rise(self) -> None:
        last: dict[str, Money] = {}
        for limit in (tier.up_to for tier in self.tiers if tier.up_to is not None):
            if limit.currency in last and limit <= last[limit.currency]:
                raise ValueError(
                    f"the tier up to {limit} never applies: one before it goes up to "
                    f"{last[limit.currency]}"
                )
            last[limit.currency] = limit


class Approval(BaseModel):
    """One person's yes to one content."""

    by: Person
    content_hash: str
    at: datetime
    comment: str = ""


class ApprovalRequirement(BaseModel):
    """What one proposal needs, frozen when the proposal is made."""

    approvers: tuple[Person, ...]
    approvals: int
    escalate_to: tuple[Person, ...]
    requested_by: str
    remind_on: date
    escalate_on: date

    @classmethod
    def of(
        cls,
        policy: ApprovalPolicy,
        calendar: BusinessCalendar,
        amount: Money,
        requested_by: str,
        proposed_on: date,
    ) -> Self:
        tier = policy.tier_for(amount)
        requester = requested_by.strip().lower()
        approvers = policy.groups[tier.group]
        escalate_to = policy.groups[policy.escalation_group]
        if len({*approvers} - {requester}) < tier.approvals:
            # Without the requester the group is too small: the next one decides from the start.
            approvers = tuple(dict.fromkeys((*approvers, *escalate_to)))
        return cls(
            approvers=approvers,
            approvals=tier.approvals,
            escalate_to=escalate_to,
            requested_by=requester,
            remind_on=calendar.add_business_days(proposed_on, policy.remind_after_business_days),
            escalate_on=calendar.add_business_days(
                proposed_on, policy.escalate_after_business_days
            ),
        )

    def refusal(self, person: str, escalated: bool) -> str | None:
        """Why this person may not decide, as a sentence; None if they may."""
        if self.requested_by and person == self.requested_by:
            return f"{person} requested this contract; another person must decide (segregation)"
        allowed = {*self.approvers, *(self.escalate_to if escalated else ())}
        if person not in allowed:
            return f"{person} may not decide this; these may: {', '.join(sorted(allowed))}"
        return None

    def is_met(self, approvals: list[Approval]) -> bool:
        return len({approval.by for approval in approvals}) >= self.approvals

"""What the configuration of approvals must be: complete, and possible to fulfil."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from pydantic import model_validator

from contracts.approvals import (
    ApprovalKind,
    ApprovalPolicy,
    ApprovalTier,
    RequiredApproval,
    can_fill,
    widened,
)


class ApprovalRules(ApprovalPolicy):
    """An ApprovalPolicy as configuration states it: complete, and possible to fulfil.

    Checked when the configuration is loaded, and not in the frozen policy of a running workflow:
    that must stay readable whatever a later release asks of new ones.
    """

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self._groups_exist()
        self._tiers_reach_everything()
        self._enough_people()
        self._automatic_limits()
        self._delegations()
        if self.escalate_after_business_days < self.remind_after_business_days:
            raise ValueError("escalate_after_business_days must not be before the reminder")
        return self

    def _groups_exist(self) -> None:
        named = [group for tier in self.tiers for group in tier.groups]
        for group in [*named, self.escalation_group]:
            if group not in self.groups:
                raise ValueError(f"approval group {group!r} is not among groups")
        for tier in self.tiers:
            if tier.second_group == tier.group:
                raise ValueError(
                    f"second_group is {tier.group!r} as group is; write approvals = 2 instead"
                )
            if tier.second_group and tier.approvals != 2:
                raise ValueError(
                    f"group {tier.group!r} with second_group {tier.second_group!r} asks for one "
                    "approval of each: leave approvals out"
                )

    def _tiers_reach_everything(self) -> None:
        for kind in ApprovalKind:
            last = [tier for tier in self.tiers if tier.concerns(kind, None)]
            if not last or last[-1].up_to is not None:
                raise ValueError(
                    f"the last approval tier for {kind.words}s must have neither up_to nor "
                    "customers: it takes every amount, currency and customer"
                )
        for number, tier in enumerate(self.tiers, start=1):
            if _is_covered(tier, self.tiers[: number - 1]):
                raise ValueError(
                    f"approval tier {number} ({tier.words}) never applies: those before it take "
                    "all that it is for"
                )

    def _enough_people(self) -> None:
        everybody = {person for people in self.groups.values() for person in people}
        for tier in self.tiers:
            required = [
                RequiredApproval(group=name, people=self.groups[name]) for name in tier.groups
            ]
            if not can_fill(required, ()):
                raise ValueError(
                    f"group {' and '.join(map(repr, dict.fromkeys(tier.groups)))} has fewer "
                    "members than the approvals it must give"
                )
            wider = widened(required, self.groups[self.escalation_group])
            for person in sorted(everybody):
                if not can_fill(wider, (person,)):
                    raise ValueError(
                        f"group {tier.group!r} with the escalation group must have more than "
                        f"{len(required)} members, or nobody could approve what one of them "
                        f"requests ({person})"
                    )

    def _automatic_limits(self) -> None:
        currencies = [limit.currency for limit in self.auto_approve_up_to]
        for limit in self.auto_approve_up_to:
            if not limit.is_positive:
                raise ValueError(f"auto_approve_up_to must be above zero, not {limit}")
            if currencies.count(limit.currency) > 1:
                raise ValueError(f"auto_approve_up_to has two limits in {limit.currency}")

    def _delegations(self) -> None:
        everybody = {person for people in self.groups.values() for person in people}
        for item in self.delegations:
            for person in (item.person, item.to):
                if person not in everybody:
                    raise ValueError(f"delegation names {person}, who is in no approval group")
            if item.person == item.to:
                raise ValueError(f"{item.person} cannot delegate to themselves")
            if item.until < item.since:
                raise ValueError(
                    f"the delegation of {item.person} ends on {item.until}, before it starts on "
                    f"{item.since}"
                )
            for other in self.delegations:
                if item.to == other.person and item.overlaps(other):
                    raise ValueError(
                        f"{item.person} delegates to {item.to}, who delegates to {other.to} on "
                        f"the same days; name {item.person}'s deputy directly"
                    )


def _is_covered(tier: ApprovalTier, earlier: Sequence[ApprovalTier]) -> bool:
    """Whether earlier tiers take everything this one is for."""
    kinds = tier.kinds or tuple(ApprovalKind)
    customers: tuple[str | None, ...] = tier.customers or (None,)
    return all(
        any(
            other.concerns(kind, customer)
            and (other.up_to is None or (tier.up_to is not None and other.reaches(tier.up_to)))
            for other in earlier
        )
        for kind in kinds
        for customer in customers
    )

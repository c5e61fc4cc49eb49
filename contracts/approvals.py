"""Who must approve what, and one round of approval from its start to the last word.

Rules are tiers by kind, amount, currency and customer; each names one or two groups of people. A
round freezes what its rule asks for, so that a changed rule meets new proposals only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from itertools import combinations
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from contracts.calendar import BusinessCalendar
from contracts.model import Frozen, Key, Message, Person, Value, Words
from contracts.money import Money

HASH_PREFIX = 12
"""How many characters of a content hash people see and type."""


class ApprovalKind(StrEnum):
    """What is approved."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"
    WRITE_OFF = "write_off"
    CHANGE_ORDER = "change_order"

    @property
    def words(self) -> str:
        """The kind as people write it."""
        return "write-off" if self is ApprovalKind.WRITE_OFF else self.value.replace("_", " ")


class Subject(Frozen):
    """What one round decides on.

    `title` is a part of a sentence ("invoice 3 of C-1001 for Harbour Logistics"). `amount` chooses
    the tier and is what an approval names; its sign is dropped. It is without tax for an invoice
    or a credit note, the open amount with tax for a write-off, and for a change order the change
    of the fixed price plus its largest new cap. `total` is the amount with tax as Odoo computed
    it, where there is one. `details` says what it consists of, a line each, for people.
    `requested_by` are the people who may not approve; blanks are dropped.
    `as_planned` says that every amount follows from the contract as it was signed.
    """

    kind: ApprovalKind
    title: str
    amount: Money
    total: Money | None = None
    content_hash: str
    details: tuple[str, ...] = ()
    customer_key: str = ""
    customer_name: str = ""
    requested_by: tuple[Person, ...] = ()
    as_planned: bool = False

    @field_validator("requested_by", mode="before")
    @classmethod
    def _known(cls, people: Any) -> Any:
        if not isinstance(people, (list, tuple)):
            return people
        named = [item for item in people if not isinstance(item, str) or item.strip()]
        return tuple(dict.fromkeys(named))

    @field_validator("amount", "total")
    @classmethod
    def _absolute(cls, amount: Money | None) -> Money | None:
        """A negative amount would fall under every limit."""
        return -amount if amount is not None and amount.amount < 0 else amount

    @property
    def tax(self) -> Money | None:
        """The tax in `total`; None where there is no such figure."""
        return None if self.total is None else self.total - self.amount


def content_hash_of(content: BaseModel) -> str:
    """SHA-256 over a model in canonical JSON: what an approval of it is bound to."""
    text = json.dumps(content.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# --- rules --------------------------------------------------------------------------------------


class ApprovalTier(Frozen):
    """A rule: for these kinds and customers, up to an amount (inclusive), who and how many.

    No `kinds` means all, no `customers` (keys of the CRM's) means all, no `up_to` means any amount
    in any currency. With `second_group` two persons approve, one of each group.
    """

    up_to: Money | None = None
    kinds: tuple[ApprovalKind, ...] = ()
    customers: tuple[Key, ...] = ()
    group: str
    second_group: str = ""
    approvals: int = Field(default=1, ge=1, le=2)

    @model_validator(mode="before")
    @classmethod
    def _two_groups_are_two_approvals(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("second_group") and "approvals" not in data:
            return {**data, "approvals": 2}
        return data

    @property
    def groups(self) -> tuple[str, ...]:
        """The group of each approval that is needed."""
        if self.second_group:
            return self.group, self.second_group
        return (self.group,) * self.approvals

    @property
    def words(self) -> str:
        """The rule in words, such as `up to 500.00 EUR: 2 of finance`."""
        limit = f"up to {self.up_to}" if self.up_to is not None else "any amount"
        if self.second_group:
            return f"{limit}: 1 of {self.group} and 1 of {self.second_group}"
        return f"{limit}: {self.approvals} of {self.group}"

    def concerns(self, kind: ApprovalKind, customer_key: str | None) -> bool:
        """Whether the rule is for this kind and customer (None: one that no rule names)."""
        return (not self.kinds or kind in self.kinds) and (
            not self.customers or customer_key in self.customers
        )

    def reaches(self, amount: Money) -> bool:
        """Whether the amount is within the limit; one in another currency never is."""
        return self.up_to is None or (
            self.up_to.currency == amount.currency and amount <= self.up_to
        )

    def applies_to(self, subject: Subject) -> bool:
        return self.concerns(subject.kind, subject.customer_key) and self.reaches(subject.amount)


class Delegation(Value):
    """From a day until a day (both included, in the entity's zone) `to` may decide in place of
    `person`. The configuration calls the first day `from`."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    person: Person
    to: Person
    since: date = Field(alias="from")
    until: date

    def holds_on(self, day: date) -> bool:
        return self.since <= day <= self.until

    def overlaps(self, other: Delegation) -> bool:
        return self.since <= other.until and other.since <= self.until


class ApprovalPolicy(Frozen):
    """Approval rules of a legal entity, in configuration; a round freezes what it needs of them.

    Tiers are tried in order and the first that applies counts. `auto_approve_up_to` has a limit
    (without tax, inclusive) for each currency up to which an invoice exactly as planned needs
    nobody, whatever the tiers say.
    """

    groups: dict[str, tuple[Person, ...]]
    tiers: tuple[ApprovalTier, ...] = Field(min_length=1)
    auto_approve_up_to: tuple[Money, ...] = ()
    remind_after_business_days: int = Field(default=2, ge=1, le=60)
    escalate_after_business_days: int = Field(default=5, ge=1, le=120)
    escalation_group: str
    delegations: tuple[Delegation, ...] = ()

    def tier_for(self, subject: Subject) -> ApprovalTier:
        for tier in self.tiers:
            if tier.applies_to(subject):
                return tier
        raise AssertionError("validated: every kind has a last tier without a limit")

    def automatic_limit(self, subject: Subject) -> Money | None:
        """The limit under which the subject needs nobody; None if somebody must approve it."""
        if subject.kind is not ApprovalKind.INVOICE or not subject.as_planned:
            return None
        for limit in self.auto_approve_up_to:
            if limit.currency == subject.amount.currency and subject.amount <= limit:
                return limit
        return None


# --- what one round needs -----------------------------------------------------------------------


class RequiredApproval(Value):
    """One approval that is needed, and who may give it."""

    group: str
    people: tuple[Person, ...]


class Approval(Value):
    """One person's yes to one content.

    `counts_as` are the approvers it can stand for: the person, and whoever had delegated to them
    that day; empty: the person alone.
    """

    by: Person
    content_hash: str
    at: datetime
    comment: str = ""
    counts_as: tuple[Person, ...] = ()


class ApprovalRequirement(Value):
    """What one round needs, frozen when it starts. Where none is required, nobody is asked.

    `rule` says which rule applies; all dates are dates in `time_zone`.
    """

    rule: str
    required: tuple[RequiredApproval, ...]
    escalate_to: tuple[Person, ...] = ()
    requested_by: tuple[Person, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    asked_on: date
    remind_on: date
    escalate_on: date
    time_zone: str = "UTC"

    @classmethod
    def of(
        cls, policy: ApprovalPolicy, calendar: BusinessCalendar, subject: Subject, today: date
    ) -> Self:
        """The requirement by the rules of today, a date in the calendar's zone."""
        escalate_to = policy.groups[policy.escalation_group]
        delegations = tuple(item for item in policy.delegations if item.until >= today)
        limit = policy.automatic_limit(subject)
        if limit is not None:
            rule = f"as planned and up to {limit}: approved by rule"
            required: tuple[RequiredApproval, ...] = ()
        else:
            tier = policy.tier_for(subject)
            rule = tier.words
            required = tuple(
                RequiredApproval(group=name, people=policy.groups[name]) for name in tier.groups
            )
            deputies = [item.to for item in delegations if item.person in subject.requested_by]
            if not can_fill(required, (*subject.requested_by, *deputies)):
                # Without the requester the group is too small: the next one decides from the start.
                required = widened(required, escalate_to)
        return cls(
            rule=rule,
            required=required,
            escalate_to=escalate_to,
            requested_by=subject.requested_by,
            delegations=delegations,
            asked_on=today,
            remind_on=calendar.add_business_days(today, policy.remind_after_business_days),
            escalate_on=calendar.add_business_days(today, policy.escalate_after_business_days),
            time_zone=calendar.time_zone,
        )

    @property
    def approvals(self) -> int:
        """How many approvals are needed."""
        return len(self.required)

    @property
    def approvers(self) -> tuple[Person, ...]:
        """Who may approve before escalation, requesters and deputies aside."""
        return tuple(dict.fromkeys(person for needed in self.required for person in needed.people))

    def today(self, now: datetime) -> date:
        """The date at `now` (aware) where the approvers are."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()

    def acts_for(self, person: str, today: date) -> tuple[Person, ...]:
        """The person, and whoever has delegated to them today."""
        absent = (
            item.person for item in self.delegations if item.to == person and item.holds_on(today)
        )
        return tuple(dict.fromkeys((person, *absent)))

    def deputies(self, person: str) -> tuple[Delegation, ...]:
        return tuple(item for item in self.delegations if item.person == person)

    def still_required(
        self, given: Sequence[Sequence[Person]], *, escalated: bool
    ) -> tuple[RequiredApproval, ...]:
        """What is still needed when approvals, each by the approvers it counts as, are counted as
        favourably as possible.

        Nobody counts twice: neither a person nor, beside them, the deputy who stands in for them.
        """
        required = widened(self.required, self.escalate_to) if escalated else self.required
        return tuple(required[index] for index in _unfilled(required, given))


def widened(
    required: Sequence[RequiredApproval], people: Sequence[str]
) -> tuple[RequiredApproval, ...]:
    """The required approvals, open to these people too."""
    return tuple(
        needed.replace(people=tuple(dict.fromkeys((*needed.people, *people))))
        for needed in required
    )


def can_fill(required: Sequence[RequiredApproval], without: Collection[str]) -> bool:
    """Whether so many different persons are there: Hall's condition on every set of them."""
    people = [set(needed.people) - set(without) for needed in required]
    return all(
        len(set().union(*chosen)) >= size
        for size in range(1, len(people) + 1)
        for chosen in combinations(people, size)
    )


def _unfilled(
    required: Sequence[RequiredApproval], given: Sequence[Sequence[str]]
) -> tuple[int, ...]:
    """Indexes of the required approvals that stay open when each of `given` counts for at most one
    of them, as one of the approvers it counts as, and no approver is counted twice. They are few
    (at most two)."""
    return _fewest_open(required, 0, tuple(given), frozenset())


def _fewest_open(
    required: Sequence[RequiredApproval],
    index: int,
    free: Sequence[Sequence[str]],
    counted: frozenset[str],
) -> tuple[int, ...]:
    """The fewest that stay open of those from `index` on, by what is still `free`."""
    if index == len(required):
        return ()
    ways = [(index, *_fewest_open(required, index + 1, free, counted))]
    for place, approvers in enumerate(free):
        rest = (*free[:place], *free[place + 1 :])
        ways += [
            _fewest_open(required, index + 1, rest, counted | {approver})
            for approver in approvers
            if approver in required[index].people and approver not in counted
        ]
    return min(ways, key=len)


# --- a round ------------------------------------------------------------------------------------


class Decision(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


class ApprovalDecision(Message):
    """A person's word on what awaits approval. `content_hash` is its hash or at least the first 12
    characters of it, `amount` its amount: an approval is bound to what was seen."""

    decision: Decision = Decision.APPROVE
    by: Person
    content_hash: Words = ""
    amount: Money | None = None
    comment: Words = ""


class ApproverReminder(Value):
    """Whom to tell that an approval is still open; `escalated`: others may decide from now on."""

    escalated: bool
    people: tuple[Person, ...]

    @property
    def what(self) -> str:
        return "Escalated" if self.escalated else "Reminder"


class ApprovalRound(Value):
    """One subject from proposal to the last word on it. A changed subject needs a new round.

    Immutable: a decision or a reminder gives a new one.

    Once `escalated` the escalation group may decide as well; whether people were told so, or
    reminded before, is kept apart: telling them may take a while.
    """

    subject: Subject
    requirement: ApprovalRequirement
    approvals: tuple[Approval, ...] = ()
    reminded: bool = False
    escalated: bool = False
    escalation_reminded: bool = False
    rejected_because: str = ""

    @classmethod
    def begin(
        cls, policy: ApprovalPolicy, calendar: BusinessCalendar, subject: Subject, today: date
    ) -> Self:
        """A round by the rules in force on `today`, a date in the calendar's zone. It may be met
        at once, by rule."""
        requirement = ApprovalRequirement.of(policy, calendar, subject, today)
        return cls(subject=subject, requirement=requirement)

    # --- where it stands

    @property
    def is_automatic(self) -> bool:
        """Nobody is asked: the rule itself approves."""
        return not self.requirement.required

    @property
    def is_met(self) -> bool:
        return not self.is_rejected and not self._still_required

    @property
    def is_rejected(self) -> bool:
        return bool(self.rejected_because)

    @property
    def is_decided(self) -> bool:
        return self.is_met or self.is_rejected

    @property
    def given(self) -> str:
        """Who approved, such as `ana@firm.example, cleo@firm.example`; of an automatic one, the
        rule; empty before anybody did."""
        if self.is_automatic:
            return self.requirement.rule
        return ", ".join(item.by for item in self.approvals)

    @property
    def missing(self) -> str:
        """Who is still needed, such as `1 approval by ana@firm.example, bob@firm.example
        (finance)`; empty once it is decided."""
        if self.is_decided:
            return ""
        counted: dict[RequiredApproval, int] = {}
        for needed in self._still_required:
            counted[needed] = counted.get(needed, 0) + 1
        return " and ".join(self._wanted(needed, count) for needed, count in counted.items())

    def _wanted(self, needed: RequiredApproval, count: int) -> str:
        gone = {*self.requirement.requested_by, *(item.by for item in self.approvals)}
        people = [self._named(person) for person in needed.people if person not in gone]
        who = ", ".join(people) or "nobody who is left"
        group = f"{needed.group}, escalated" if self.escalated else needed.group
        return f"{count} approval{'s' if count > 1 else ''} by {who} ({group})"

    def _named(self, person: str) -> str:
        absences = "; ".join(
            f"{item.to} from {item.since} to {item.until}"
            for item in self.requirement.deputies(person)
        )
        return f"{person} [{absences}]" if absences else person

    @cached_property
    def _still_required(self) -> tuple[RequiredApproval, ...]:
        return self.requirement.still_required(self._given, escalated=self.escalated)

    @property
    def _given(self) -> list[tuple[Person, ...]]:
        return [item.counts_as or (item.by,) for item in self.approvals]

    # --- decisions

    def refusal(self, decision: ApprovalDecision, today: date) -> str | None:
        """Why the decision cannot be taken, as a sentence; None if it can. `today` is a date where
        the approvers are (`requirement.today`)."""
        if self.is_decided:
            how = f"rejected by {self.rejected_because}" if self.is_rejected else "approved"
            return f"nothing is to be decided: {self.subject.title} is {how} already"
        refusal = self._refuses_person(decision, today)
        if refusal:
            return refusal
        is_approval = decision.decision is Decision.APPROVE
        if not is_approval and not decision.comment.strip():
            return "a rejection needs a comment that says why"
        # A rejection may leave out what it rejects; if it names it, it has to be this.
        if is_approval or decision.content_hash.strip():
            named = decision.content_hash.strip().lower()
            if len(named) < HASH_PREFIX or not self.subject.content_hash.startswith(named):
                return (
                    f"the {_noun(decision)} names content {named or '(none)'}; "
                    f"the proposal is {self.subject.content_hash[:HASH_PREFIX]}"
                )
        if (is_approval or decision.amount is not None) and decision.amount != self.subject.amount:
            return (
                f"the {_noun(decision)} names {decision.amount or '(none)'}; "
                f"the proposal is {self.subject.amount}"
            )
        return None

    def may_be_approved_by(self, person: str, today: date) -> bool:
        """Whether the rules let the person approve it, as it is; `today` is a date where the
        approvers are."""
        subject = self.subject
        decision = ApprovalDecision(
            by=person, content_hash=subject.content_hash, amount=subject.amount
        )
        return self.refusal(decision, today) is None

    def may_approve(self, today: date) -> tuple[Person, ...]:
        """Everybody who may approve it today, deputies too."""
        people = sorted(self._with_deputies(self._allowed, today))
        return tuple(person for person in people if self.may_be_approved_by(person, today))

    def _refuses_person(self, decision: ApprovalDecision, today: date) -> str | None:
        person = decision.by
        acts_for = self.requirement.acts_for(person, today)
        is_approval = decision.decision is Decision.APPROVE
        if is_approval and (refusal := self._segregation(person, acts_for)):
            return refusal
        if not self._counting(acts_for):
            return f"{person} may not decide this; these may: {self._deciders(today)}"
        if not is_approval:
            return None
        if any(item.by == person for item in self.approvals):
            return f"{person} has approved this already; still needed: {self.missing}"
        given = [*self._given, self._counting(acts_for)]
        left = self.requirement.still_required(given, escalated=self.escalated)
        if len(left) == len(self._still_required):
            return f"an approval by {person} would add nothing; still needed: {self.missing}"
        return None

    def _segregation(self, person: str, acts_for: Collection[str]) -> str | None:
        """Who asked for it does not approve it, nor does who stands in for them today."""
        for requester in self.requirement.requested_by:
            if person == requester:
                return f"{person} requested this; another person must approve (segregation)"
            if requester in acts_for:
                return (
                    f"{person} stands in for {requester}, who requested this; another person "
                    "must approve (segregation)"
                )
        return None

    def decided(self, decision: ApprovalDecision, now: datetime) -> Self:
        """The round after a decision that is not refused. `now` is aware. Raises ValueError for a
        refused one: counted all the same it would be an approval nobody may give."""
        today = self.requirement.today(now)
        refusal = self.refusal(decision, today)
        if refusal:
            raise ValueError(refusal)
        if decision.decision is Decision.REJECT:
            because = f"{decision.by}: {decision.comment.strip()}"
            return self.replace(rejected_because=because)
        approval = Approval(
            by=decision.by,
            content_hash=self.subject.content_hash,
            at=now,
            comment=decision.comment,
            counts_as=self._counting(self.requirement.acts_for(decision.by, today)),
        )
        return self.replace(approvals=(*self.approvals, approval))

    def words_of(self, decision: ApprovalDecision) -> str:
        """What was decided, for the journal; of the round after it."""
        if decision.decision is Decision.REJECT:
            return f"Rejected {self.subject.title}: {self.rejected_because}"
        return f"{decision.by} approved {self.subject.title}"

    def _counting(self, people: Iterable[str]) -> tuple[Person, ...]:
        """Those of the people who may decide in their own right."""
        allowed = self._allowed
        return tuple(person for person in people if person in allowed)

    @property
    def _allowed(self) -> tuple[Person, ...]:
        escalated = self.requirement.escalate_to if self.escalated else ()
        return tuple(dict.fromkeys((*self.requirement.approvers, *escalated)))

    def _deciders(self, today: date) -> str:
        return ", ".join(sorted(self._with_deputies(self._allowed, today))) or "nobody"

    def _with_deputies(self, people: Iterable[str], today: date) -> set[str]:
        """The people and those who stand in for them today, without who asked for it."""
        found = set(people)
        today_only = [item for item in self.requirement.delegations if item.holds_on(today)]
        deputies = {item.to for item in today_only if item.person in found}
        asked = set(self.requirement.requested_by)
        barred = {item.to for item in today_only if item.person in asked}
        return (found | deputies) - barred - asked

    # --- reminders

    def next_reminder(self, calendar: BusinessCalendar) -> datetime | None:
        """When approvers are to be reminded, or the escalation group asked (aware, UTC)."""
        if self.is_decided or self.escalation_reminded:
            return None
        needed = self.requirement
        return calendar.opening(needed.escalate_on if self.reminded else needed.remind_on)

    def reminder(self, today: date) -> ApproverReminder | None:
        """Whom to remind or to ask on this day; None if nobody.

        The same is due until `with_reminder` says that it was done.
        """
        if self.is_decided or self.escalation_reminded:
            return None
        found = self.with_escalation() if today >= self.requirement.escalate_on else self
        if not found.escalated and (self.reminded or today < self.requirement.remind_on):
            return None
        done = {item.by for item in self.approvals}
        people = found._with_deputies(found._allowed, today) - done
        return ApproverReminder(escalated=found.escalated, people=tuple(sorted(people)))

    def due_reminder(self, calendar: BusinessCalendar, now: datetime) -> ApproverReminder | None:
        """Whom to remind or to ask now; None if nobody, or not yet."""
        at = self.next_reminder(calendar)
        return self.reminder(calendar.today(now)) if at is not None and at <= now else None

    def is_to_escalate(self, calendar: BusinessCalendar, now: datetime) -> bool:
        """Whether others may decide from now on: that waits for no reminder."""
        is_due = now >= calendar.opening(self.requirement.escalate_on)
        return is_due and not self.escalated and not self.is_decided

    def next_wake(self, calendar: BusinessCalendar, now: datetime) -> datetime | None:
        """When time alone changes something next: a reminder, or the escalation, even if the
        reminder before is parked."""
        at = self.next_reminder(calendar)
        if at is None or at > now:
            return at
        escalates_at = calendar.opening(self.requirement.escalate_on)
        return escalates_at if escalates_at > now else None

    def with_escalation(self) -> Self:
        """The round once its time has come: the escalation group may decide as well."""
        return self.replace(escalated=True)

    def with_reminder(self, *, escalated: bool) -> Self:
        """The round once people were reminded, or those asked whom it is escalated to."""
        return self.replace(reminded=True, escalation_reminded=escalated)


def reminder_message(
    approval_round: ApprovalRound, reminder: ApproverReminder, workflow_id: str
) -> tuple[str, str]:
    """The subject and the text of a message to approvers, which goes once: what it is, which rule
    asks for them, and how to decide."""
    subject, requirement = approval_round.subject, approval_round.requirement
    total = f" ({subject.total} with tax)" if subject.total is not None else ""
    lines = [
        f"{subject.title}, {subject.amount}{total}, asked for on {requirement.asked_on}.",
        *subject.details,
        f"Rule: {requirement.rule}. Needed: {approval_round.missing}.",
        f"To approve: c2c approvals approve {workflow_id}",
    ]
    content = subject.content_hash[:HASH_PREFIX]
    title = (
        f"{reminder.what}: {subject.kind.words} of {subject.amount} awaits approval "
        f"({workflow_id} {content} {requirement.asked_on})"
    )
    return title, "\n".join(lines)


def _noun(decision: ApprovalDecision) -> str:
    return "approval" if decision.decision is Decision.APPROVE else "rejection"

"""Collections: how far to remind is a function of balance, due date, policy and the calendar.

What people agree with a customer changes what is asked for, not how far it has come: a hold, a
promise and a dispute pause the levels, and they go on from where they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from contracts.calendar import BusinessCalendar
from contracts.model import Frozen, Person, Text, Value
from contracts.money import Money

_DAY = timedelta(days=1)


class DunningStep(Frozen):
    """One level: when it is sent, counted in days after the due date, and what it says."""

    days_after_due: int = Field(ge=0, le=730)
    subject: str
    text: str


class DunningPolicy(Frozen):
    """Reminder rules of a legal entity, in configuration.

    `tolerance` is a number of units of the invoice's currency: a residual up to it is not worth a
    reminder. `days_between` keeps levels apart when reminders were late or paused. Once a reminder
    of `suspend_at_level` is sent, work on the contract stops until it is paid (none: never).
    """

    steps: tuple[DunningStep, ...] = Field(min_length=1, max_length=9)
    days_between: int = Field(default=5, ge=1, le=365)
    tolerance: Decimal = Field(default=Decimal(0), ge=0)
    settlement_days: int = Field(default=30, ge=0, le=365)
    """How long a paid invoice is watched for a payment undone, in days."""
    suspend_at_level: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _rising(self) -> Self:
        days = [step.days_after_due for step in self.steps]
        if sorted(set(days)) != days:
            raise ValueError("days_after_due must rise from level to level")
        if self.suspend_at_level is not None and self.suspend_at_level > len(days):
            raise ValueError(f"suspend_at_level must be one of the {len(days)} steps")
        return self

    def suspends(self, level: int) -> bool:
        """Whether work on the contract stops at a level."""
        return self.suspend_at_level is not None and level >= self.suspend_at_level


class DunningState(Value):
    """What has been sent: level 0 is none. Only confirmed sends count."""

    level: int = 0
    sent_on: date | None = None


class DunningHold(Value):
    """Nobody is reminded, up to and including `until` (entity's zone; none: until released)."""

    by: Person
    reason: Text
    since: date
    until: date | None = None

    def covers(self, day: date) -> bool:
        return self.until is None or day <= self.until


class Promise(Value):
    """The customer's word to pay `amount` (with tax) until the end of `on`.

    `paid_before` is what had been paid when it was given, so that only later money keeps it.
    """

    on: date
    amount: Money
    by: Person
    made_on: date
    paid_before: Money

    def is_kept(self, paid: Money, residual: Money) -> bool:
        """The money came, or nothing is owed any more."""
        return paid - self.paid_before >= self.amount or not residual.is_positive


class Dispute(Value):
    """What a customer contests, with tax: only the rest is dunned until it is resolved.

    `accepted` is what the firm agreed to credit: it stays disputed until `to_credit` (the same
    without tax) is credited on top of `credited_before`. `revised_due_on` becomes the due date
    once the dispute is resolved. `reversal` is the chargeback that it came from, if any.
    """

    amount: Money
    reason: Text
    by: Person
    opened_on: date
    revised_due_on: date | None = None
    accepted: Money | None = None
    to_credit: Money | None = None
    credited_before: Money | None = None
    reversal: str = ""

    def part_of(self, residual: Money) -> Money:
        """How much of what is owed is not dunned."""
        contested = self.amount if self.accepted is None else self.accepted
        return max(min(contested, residual), Money.zero(residual.currency))


class Act(StrEnum):
    CLEAR = "clear"
    WAIT = "wait"
    SEND = "send"
    EXHAUSTED = "exhausted"


class DunningDecision(Value):
    """What to do now, and the date (business day, entity's zone) of the next look."""

    act: Act
    level: int
    next_on: date | None = None


def decide(
    policy: DunningPolicy,
    calendar: BusinessCalendar,
    *,
    residual: Money,
    due_on: date,
    sent: DunningState,
    today: date,
    disputed: Money | None = None,
    holds: Iterable[DunningHold] = (),
    promise: Promise | None = None,
) -> DunningDecision:
    """The dunning decision for one invoice.

    Nothing unpaid (or no more than the tolerance) clears the level. Levels rise one at a time,
    each on a business day, not before its own day after the due date nor within `days_between`
    days of the last one sent. A reminder sent before the due date (which was moved since) does
    not count. Where no more than the tolerance is undisputed, where a hold covers today, and
    until a promised day has passed, the level stays as it is. After the last level a person takes
    over (`EXHAUSTED`).
    """
    if residual.amount <= policy.tolerance:
        return DunningDecision(act=Act.CLEAR, level=0)
    sent = _counting(sent, due_on)
    undisputed = residual - disputed if disputed is not None else residual
    held = [hold for hold in holds if hold.covers(today)]
    if undisputed.amount <= policy.tolerance or any(hold.until is None for hold in held):
        return DunningDecision(act=Act.WAIT, level=sent.level)
    paused_through = [*(hold.until for hold in held), promise.on if promise else None]
    resumes_on = max([today, *(day + _DAY for day in paused_through if day is not None)])
    if sent.level >= len(policy.steps):
        if today < resumes_on:
            next_on = calendar.next_business_day(resumes_on)
            return DunningDecision(act=Act.WAIT, level=sent.level, next_on=next_on)
        return DunningDecision(act=Act.EXHAUSTED, level=sent.level)
    # At least the day after the due date: an invoice is not late on the day it falls due.
    step = timedelta(days=policy.steps[sent.level].days_after_due)
    day = max(due_on + step, due_on + _DAY, resumes_on)
    if sent.sent_on is not None:
        day = max(day, sent.sent_on + timedelta(days=policy.days_between))
    day = calendar.next_business_day(day)
    if today < day:
        return DunningDecision(act=Act.WAIT, level=sent.level, next_on=day)
    return DunningDecision(act=Act.SEND, level=sent.level + 1, next_on=today)


def _counting(sent: DunningState, due_on: date) -> DunningState:
    """What counts of what was sent: nothing from before a due date that was moved since."""
    if sent.sent_on is not None and sent.sent_on < due_on:
        return DunningState()
    return sent

"""Collections: how far to remind is a function of balance, due date, policy and the calendar."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.calendar import BusinessCalendar
from contracts.money import Money


class DunningStep(BaseModel):
    """One level: when it is sent, counted in days after the due date, and what it says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days_after_due: int = Field(ge=0, le=730)
    subject: str
    text: str


class DunningPolicy(BaseModel):
    """Reminder rules of a legal entity, in configuration.

    `tolerance` is a number of units of the invoice's currency: a residual up to it is not worth a
    reminder. `days_between` keeps levels apart when reminders were late or paused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[DunningStep, ...] = Field(min_length=1, max_length=9)
    days_between: int = Field(default=5, ge=1, le=365)
    tolerance: Decimal = Field(default=Decimal(0), ge=0)
    settlement_days: int = Field(default=30, ge=0, le=365)
    """How long a paid invoice is watched for a payment undone, in days."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        days = [step.days_after_due for step in self.steps]
        if sorted(set(days)) != days:
            raise ValueError("days_after_due must rise from level to level")
        return self


class DunningState(BaseModel):
    """What has been sent: level 0 is none. Only confirmed sends count."""

    level: int = 0
    sent_on: date | None = None


class Act(StrEnum):
    CLEAR = "clear"
    WAIT = "wait"
    SEND = "send"
    EXHAUSTED = "exhausted"


class DunningDecision(BaseModel):
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
) -> DunningDecision:
    """The dunning decision for one invoice.

    Nothing unpaid (or no more than the tolerance) clears the level. Levels rise one at a time,
    each on a business day, not before its own day after the due date nor within `days_between`
    days of the last one sent. After the last level a person takes over (`EXHAUSTED`).
    """
    if residual.amount <= policy.tolerance:
        return DunningDecision(act=Act.CLEAR, level=0)
    if sent.level >= len(policy.steps):
        return DunningDecision(act=Act.EXHAUSTED, level=sent.level)
    day = due_on + timedelta(days=policy.steps[sent.level].days_after_due)
    if sent.sent_on is not None:
        day = max(day, sent.sent_on + timedelta(days=policy.days_between))
    # At least the day after the due date: an invoice is not late on the day it falls due.
    day = calendar.next_business_day(max(day, due_on + timedelta(days=1)))
    if today < day:
        return DunningDecision(act=Act.WAIT, level=sent.level, next_on=day)
    if not calendar.is_business_day(today):
        next_on = calendar.next_business_day(today)
        return DunningDecision(act=Act.WAIT, level=sent.level, next_on=next_on)
    return DunningDecision(act=Act.SEND, level=sent.level + 1, next_on=today)

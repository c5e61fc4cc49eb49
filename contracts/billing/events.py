"""What the book consists of: occasions to bill, and the records of how far everything is billed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, Field

from contracts.billing.charges import Charge
from contracts.billing.expenses import BilledExpense, Expense
from contracts.billing.periods import BillingPeriod
from contracts.billing.proposals import InvoiceKind
from contracts.billing.state import NotPossible
from contracts.billing.time import BilledTime, TimeEntry
from contracts.model import Frozen, Key, Plan, RetainerPlan, TimePlan, UsagePlan
from contracts.money import Money
from contracts.problems import Problem

__all__ = ["NotPossible"]

DEPOSIT_EVENT = "deposit"
FINAL_EVENT = "final"
_MILESTONE = "milestone:"


def milestone_event(key: str) -> str:
    """The key of a milestone's billing event."""
    return f"{_MILESTONE}{key}"


def period_event(on: date) -> str:
    """The key of the billing event of all periods that are billed on a day."""
    return f"period:{on}"


class EventStatus(StrEnum):
    """`ready` waits to be proposed; `dropped` will never be billed, for the reason it carries."""

    READY = "ready"
    PROPOSED = "proposed"
    BILLED = "billed"
    DROPPED = "dropped"


class Part(StrEnum):
    """What a plan bills of a period: its fee, its hours, or whatever its kind bills."""

    FEE = "fee"
    HOURS = "hours"
    TIME = "time"
    USAGE = "usage"
    EXPENSES = "expenses"


def parts_of(plan: Plan) -> tuple[Part, ...]:
    """What a plan bills of each period."""
    if isinstance(plan, RetainerPlan):
        counts_hours = plan.included_hours > 0 or plan.overage_price is not None
        return (Part.FEE, Part.HOURS) if counts_hours else (Part.FEE,)
    if isinstance(plan, TimePlan):
        return (Part.TIME,)
    return (Part.USAGE,) if isinstance(plan, UsagePlan) else (Part.EXPENSES,)


def track_of(plan: str, part: Part) -> str:
    """What the book knows a part of a plan by."""
    return f"{plan}:{part}"


class Due(Frozen):
    """One part of a plan whose period is to be billed on a day (entity's calendar)."""

    plan: Key
    part: Part
    period: BillingPeriod
    on: date

    @property
    def track(self) -> str:
        return track_of(self.plan, self.part)


class RatedUsage(Frozen):
    """A period of a usage plan as it was rated last."""

    period: BillingPeriod
    quantity: Decimal


class Unbilled(Frozen):
    """Something earned that is not billed, and why: listed, so that nothing goes missing."""

    what: str
    amount: Money
    reason: str


class Undo(BaseModel):
    """What collecting a period's bill replaced in the book, to take it back while it is unbilled.

    Maps to None what was not there before. `after` is a digest of what the bill put there
    instead: where it differs by now, something was built on it.
    """

    time: dict[int, BilledTime | None] = Field(default_factory=dict)
    moved: dict[int, TimeEntry | None] = Field(default_factory=dict)
    expenses: dict[int, BilledExpense | None] = Field(default_factory=dict)
    waiting: dict[int, Expense | None] = Field(default_factory=dict)
    carried: dict[str, Decimal | None] = Field(default_factory=dict)
    left: dict[str, Decimal | None] = Field(default_factory=dict)
    rated: dict[str, RatedUsage | None] = Field(default_factory=dict)
    through: dict[str, date | None] = Field(default_factory=dict)
    corrected: dict[str, tuple[str, ...] | None] = Field(default_factory=dict)
    after: str = ""
    unbilled: list[Unbilled] = Field(default_factory=list)


class BillingEvent(BaseModel):
    """One occasion that becomes one invoice.

    `on` is the day it was earned; `proposal` the number of its invoice; `taken` the keys of
    pending deductions it took along. A credit takes back the invoice with the number
    `credited_number`; it is `whole` if it takes back every line, and `reinvoice` if these are then
    to be invoiced again.
    `asked_by` is who asked for it, where a person did: not one who may approve it.
    """

    key: str
    title: str
    on: date
    charges: tuple[Charge, ...]
    credited_number: int = 0
    whole: bool = False
    reinvoice: bool = False
    reason: str = ""
    as_planned: bool = False
    status: EventStatus = EventStatus.READY
    proposal: int | None = None
    taken: tuple[str, ...] = ()
    asked_by: str = ""
    undo: Undo | None = None

    @property
    def counts(self) -> bool:
        return self.status is not EventStatus.DROPPED

    @property
    def kind(self) -> InvoiceKind:
        """A total below zero is a credit note's; so is everything that credits an invoice."""
        negative = sum((item.amount.amount for item in self.charges), Decimal(0)) < 0
        return InvoiceKind.CREDIT_NOTE if negative or self.credited_number else InvoiceKind.INVOICE

    @property
    def milestone(self) -> str | None:
        """The key of the milestone it bills; None for any other occasion."""
        key = self.key.removeprefix(_MILESTONE)
        return None if key == self.key or ":" in key else key

    @property
    def is_final(self) -> bool:
        return self.key.partition(":")[0] == FINAL_EVENT


class Findings(BaseModel):
    """What was read in Odoo for a period's bill: new or changed approved hours and expenses, and
    the known timesheet lines and expenses that are gone."""

    entries: tuple[TimeEntry, ...] = ()
    gone: tuple[int, ...] = ()
    expenses: tuple[Expense, ...] = ()
    gone_expenses: tuple[int, ...] = ()


class PeriodBill(BaseModel):
    """Outcome of a period's bill: an event (none if there was nothing to bill), or problems that
    a person must decide about, with nothing booked."""

    event: str | None = None
    problems: list[Problem] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)

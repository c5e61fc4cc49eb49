"""What must be read from Odoo before it is billed, and the next days that time makes it due."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import NamedTuple

from contracts.billing.ledger import Ledger, kept
from contracts.billing.periods import DAY
from contracts.billing.posting import answered
from contracts.billing.terms import PlanTerms
from contracts.model import ExpensePlan, Plan


class ReadKind(StrEnum):
    TIME = "time"
    EXPENSES = "expenses"


class Read(NamedTuple):
    """What must be read from Odoo: the approved hours or expenses of a plan until a day."""

    plan: str
    kind: ReadKind
    until: date

    @classmethod
    def of(cls, plan: Plan, until: date) -> Read:
        is_spent = isinstance(plan, ExpensePlan)
        return cls(plan.key, ReadKind.EXPENSES if is_spent else ReadKind.TIME, until)


class Due(NamedTuple):
    """The next day on which a plan is billed, and the name of the period it is billed for."""

    on: date
    plan: str
    period: str


@answered
def reads(ledger: Ledger) -> tuple[Read, ...]:
    """What must be read from Odoo before what is due by a day can be billed."""
    found: list[Read] = []
    for plan in ledger.state.contract.plans:
        terms = ledger.terms(plan.key)
        until = _read_until(ledger, terms) if terms.is_read else None
        if until is not None and ledger.state.read_until.get(plan.key, date.min) < until:
            found.append(Read.of(plan, until))
    return tuple(sorted(found, key=lambda item: (item.until, item.plan)))


@kept
def goes_on(ledger: Ledger) -> bool:
    """Whether the contract has more to bill than what is left over: a plan that is not over, or a
    milestone. Else the settlement is next."""
    contract = ledger.state.contract
    ends = [ledger.terms(plan.key).last for plan in contract.plans]
    return any(end is None or end >= ledger.today for end in ends) or not all(
        ledger.is_dealt_with(item) for item in contract.milestones
    )


def _read_until(ledger: Ledger, terms: PlanTerms) -> date | None:
    """The last day of the latest period that is over. A plan that is over is read on, while the
    contract goes on, for what is approved late."""
    today = ledger.today
    if today <= terms.first or terms.is_empty:
        return None
    if terms.last is not None and today > terms.last:
        late = terms.late_day_until(today) if goes_on(ledger) else None
        return late - DAY if late else terms.last
    period = terms.period_of(today)
    if period is None or period.period.first <= terms.first:
        return None
    return period.period.first - DAY


@answered
def next_day(ledger: Ledger) -> date | None:
    """The next day after a day on which time alone makes something due."""
    today = ledger.today
    days: list[date | None] = []
    for plan in ledger.state.contract.plans:
        terms = ledger.terms(plan.key)
        following = terms.bill_day_after if goes_on(ledger) else terms.due_after
        days += [following(kind, today) for kind in terms.kinds]
        days.append(terms.last and terms.last + DAY)
    retainage = ledger.state.contract.retainage
    days.append(retainage.release_on if retainage else None)
    return min((day for day in days if day and day > today), default=None)


@answered
def dues(ledger: Ledger) -> tuple[Due, ...]:
    """When each plan is billed next after a day, earliest first; none for a plan that is over."""
    found = []
    for plan in ledger.state.contract.plans:
        terms = ledger.terms(plan.key)
        days = [
            (on, not terms.in_advance(kind))
            for kind in terms.kinds
            if (on := terms.due_after(kind, ledger.today)) is not None
        ]
        if days:
            on, is_over = min(days)  # what is billed in advance first
            period = terms.period_of(on - DAY if is_over else on)
            found.append(Due(on, plan.key, period.period.name if period else str(on)))
    return tuple(sorted(found))

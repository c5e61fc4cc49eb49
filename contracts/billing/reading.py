"""What must be read from Odoo before it is billed, and the next days that time makes it due."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import NamedTuple

from contracts.billing.ledger import Ledger, kept
from contracts.billing.periods import DAY
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


@kept
def reads(ledger: Ledger) -> tuple[Read, ...]:
    """What must be read before the parts due by the ledger's day can be billed."""
    found: list[Read] = []
    for plan in ledger.state.contract.plans:
        terms = ledger.terms(plan.key)
        until = _last_due(terms, ledger.today) if terms.is_read else None
        if until is not None and ledger.state.read_until.get(plan.key, date.min) < until:
            found.append(Read.of(plan, until))
    return tuple(sorted(found, key=lambda item: (item.until, item.plan)))


def _last_due(terms: PlanTerms, today: date) -> date | None:
    """The last day of the latest period that is over by a day."""
    if today <= terms.first or terms.is_empty:
        return None
    if terms.last is not None and today > terms.last:
        return terms.last
    period = terms.period_of(today)
    if period is None or period.period.first <= terms.first:
        return None
    return period.period.first - DAY


def next_day(ledger: Ledger, today: date) -> date | None:
    """The next day after `today` on which time alone makes something due."""
    days: list[date | None] = []
    for plan in ledger.state.contract.plans:
        terms = ledger.terms(plan.key)
        days += [terms.due_after(kind, today) for kind in terms.kinds]
        days.append(terms.last and terms.last + DAY)
    retainage = ledger.state.contract.retainage
    days.append(retainage.release_on if retainage else None)
    return min((day for day in days if day and day > today), default=None)


def dues(ledger: Ledger, today: date) -> tuple[Due, ...]:
    """When each plan is billed next after a day, earliest first; none for a plan that is over."""
    found = []
    for plan in ledger.state.contract.plans:
        terms = ledger.terms(plan.key)
        days = [
            (on, not terms.in_advance(kind))
            for kind in terms.kinds
            if (on := terms.due_after(kind, today)) is not None
        ]
        if days:
            on, is_over = min(days)  # what is billed in advance first
            period = terms.period_of(on - DAY if is_over else on)
            found.append(Due(on, plan.key, period.period.name if period else str(on)))
    return tuple(sorted(found))

"""What must be read from Odoo before it is billed, and the next day that time makes it due."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from contracts.billing.state import BillingState
from contracts.billing.terms import DAY, due_after, is_read, life_of, period_of, tracks_of
from contracts.model import ExpensePlan, Frozen, Key


class ReadKind(StrEnum):
    TIME = "time"
    EXPENSES = "expenses"


class Read(Frozen):
    """What must be read from Odoo: the approved hours or expenses of a plan until a day."""

    plan: Key
    kind: ReadKind
    until: date


def reads(billing: BillingState, today: date) -> tuple[Read, ...]:
    """What must be read before the parts due by a day can be billed."""
    found: list[Read] = []
    for plan in filter(is_read, billing.contract.plans):
        until = _last_due(billing, plan.key, today)
        if until is not None and billing.read_until.get(plan.key, date.min) < until:
            found.append(Read(plan=plan.key, kind=read_kind(plan), until=until))
    return tuple(sorted(found, key=lambda item: (item.until, item.plan)))


def read_kind(plan: object) -> ReadKind:
    return ReadKind.EXPENSES if isinstance(plan, ExpensePlan) else ReadKind.TIME


def _last_due(billing: BillingState, plan: str, today: date) -> date | None:
    """The last day of the latest period that is over by a day."""
    first, last = life_of(billing, plan)
    if today <= first or (last is not None and last < first):
        return None
    if last is not None and today > last:
        return last
    period = period_of(billing, plan, today)
    if period is None or period.period.first <= first:
        return None
    return period.period.first - DAY


def next_day(billing: BillingState, today: date) -> date | None:
    """The next day after `today` on which time alone makes something due."""
    days: list[date | None] = []
    for plan in billing.contract.plans:
        days += [due_after(billing, plan.key, kind, today) for kind in tracks_of(plan)]
        last = life_of(billing, plan.key)[1]
        days.append(last and last + DAY)
    retainage = billing.contract.retainage
    days.append(retainage.release_on if retainage else None)
    return min((day for day in days if day and day > today), default=None)

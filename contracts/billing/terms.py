"""The terms that count for a day: which version of a plan, which period, and when it is due.

A plan's life, cadence, cap and commitment are those of its latest version. Its prices are those of
the version in force on the day worked, or on the first day of the period.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from contracts.billing import keys
from contracts.billing.periods import BillingPeriod, billing_period, billing_periods, life
from contracts.billing.state import BillingState, Freeze, PlanVersion
from contracts.model import Contract, ExpensePlan, Plan, RetainerPlan, TimePlan, UsagePlan

DAY = timedelta(days=1)
_STRUCTURE = ("starts_on", "ends_on", "every", "in_advance", "cap", "warn_at", "commitment")
"""Fields of which only the latest version counts: a change of them needs no version of its own."""


def next_versions(
    billing: BillingState, contract: Contract, on: date
) -> dict[str, tuple[PlanVersion, ...]]:
    """The versions of every plan once `contract` is in force from `on`."""
    plans = dict(billing.plans)
    for plan in contract.plans:
        known = plans.get(plan.key, ())
        if known and _same_prices(known[-1].plan, plan):
            last = known[-1].model_copy(update={"plan": plan})
            plans[plan.key] = (*known[:-1], last)
        else:
            since = on if known else date.min
            new = PlanVersion(plan=plan, since=since, number=billing.version + 1)
            plans[plan.key] = (*known, new)
    return plans


def _same_prices(one: Plan, other: Plan) -> bool:
    if type(one) is not type(other):
        return False
    fields = {name: getattr(other, name) for name in _STRUCTURE if hasattr(other, name)}
    return one.model_copy(update=fields) == other


def versions_for(
    billing: BillingState, plan: str, day: date, frozen: Freeze | None
) -> Iterator[Plan]:
    """The version in force on a day, then the later ones. A freeze leaves out versions that were
    adopted after it, but in force before: what is proposed is not priced anew by them."""
    known: Sequence[PlanVersion] = billing.plans[plan]
    counted = known
    if frozen is not None and len(known) > 1:
        counted = [v for v in known if v.number <= frozen.version or v.since > frozen.on]
    in_force = max((item for item in counted if item.since <= day), key=_since, default=known[0])
    yield in_force.plan
    for item in known:
        if item.since > in_force.since:
            yield item.plan


def _since(version: PlanVersion) -> tuple[date, int]:
    return version.since, version.number


def terms_for(billing: BillingState, plan: str, day: date, frozen: Freeze | None) -> Plan:
    """The version of a plan in force on a day."""
    return next(versions_for(billing, plan, day, frozen))


def latest(billing: BillingState, plan: str) -> Plan:
    """A plan as it is agreed now, or was last."""
    return billing.plans[plan][-1].plan


def is_alive(billing: BillingState, plan: str) -> bool:
    """Whether the contract still has the plan."""
    return billing.contract.plan(plan) is not None


def life_of(billing: BillingState, plan: str) -> tuple[date, date | None]:
    """A plan's first and last day."""
    return life(billing.contract, latest(billing, plan))


def period_of(billing: BillingState, plan: str, day: date) -> BillingPeriod | None:
    """The period that bills a day; work before and after the plan's life is billed with its first
    and last period. None for a plan without any."""
    first, last = life_of(billing, plan)
    if last is not None and last < first:
        return None
    day = max(day, first) if last is None else min(max(day, first), last)
    return billing_period(latest(billing, plan).every, first, last, day)


def periods_until(
    billing: BillingState, plan: str, today: date, *, in_advance: bool
) -> list[BillingPeriod]:
    """The periods that are due by a day: those that have begun, or (in arrears) are over."""
    first, last = life_of(billing, plan)
    every = latest(billing, plan).every
    folded = billing.folded_until(plan)
    found: list[BillingPeriod] = []
    for period in billing_periods(every, first, last, folded + DAY if folded else None):
        if (period.period.first if in_advance else after(period)) > today:
            break
        found.append(period)
    return found


def after(period: BillingPeriod) -> date:
    """The day after a period's last, on which it is billed in arrears."""
    return period.period.last + DAY


def tracks_of(plan: Plan) -> tuple[str, ...]:
    """The kinds of keys that a plan bills by period."""
    if isinstance(plan, RetainerPlan):
        counts_hours = plan.included_hours > 0 or plan.overage_price is not None
        return (keys.FEE, keys.OVERAGE) if counts_hours else (keys.FEE,)
    if isinstance(plan, TimePlan):
        return (keys.HOURS,)
    return (keys.USAGE,) if isinstance(plan, UsagePlan) else (keys.EXPENSE,)


def is_read(plan: Plan) -> bool:
    """Whether a plan bills what is read from Odoo."""
    return isinstance(plan, (TimePlan, ExpensePlan)) or keys.OVERAGE in tracks_of(plan)


def in_advance(plan: Plan, kind: str) -> bool:
    return kind == keys.FEE and isinstance(plan, RetainerPlan) and plan.in_advance


def due_after(billing: BillingState, plan: str, kind: str, day: date) -> date | None:
    """The first day after `day` on which a plan bills a kind of keys; None if its life is over."""
    first, last = life_of(billing, plan)
    terms = latest(billing, plan)
    if not is_alive(billing, plan) or (last is not None and (last < first or day > last)):
        return None
    advance = in_advance(terms, kind)
    if day < first and advance:
        return first
    period = billing_period(terms.every, first, last, max(day, first))
    if period is None or period.period.last == date.max:
        return None
    due = after(period)
    return None if advance and last is not None and due > last else due

"""The terms of a plan: which version counts for a day, which period, and when it is due.

A plan's life, cadence, cap and commitment are those of its latest version. Its prices are those of
the version in force on the day worked, or on the first day of the period.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from contracts.billing import keys
from contracts.billing.periods import (
    DAY,
    BillingPeriod,
    billing_period,
    billing_periods,
    life,
    whole_period,
)
from contracts.billing.state import BillingState, Folded, Freeze, PlanVersion
from contracts.model import Contract, ExpensePlan, Plan, RetainerPlan, TimePlan, UsagePlan

LATEST_FACT = timedelta(days=400)
"""How long after a period its facts may still change."""
_STRUCTURE = ("starts_on", "ends_on", "every", "in_advance", "cap", "warn_at", "commitment")
"""Fields of which only the latest version counts: a change of them needs no version of its own."""


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What is agreed of a plan. `latest` is how it is agreed now, or was last; `is_alive` says that
    the contract still has it; `kinds` are the kinds of keys that it bills by period."""

    key: str
    latest: Plan
    versions: tuple[PlanVersion, ...]
    is_alive: bool
    first: date
    last: date | None
    kinds: tuple[str, ...]
    folded: Folded | None

    @property
    def is_empty(self) -> bool:
        """Whether it ends before it starts."""
        return self.last is not None and self.last < self.first

    @property
    def is_read(self) -> bool:
        return is_read(self.latest)

    @property
    def cap(self) -> Decimal | None:
        plan = self.latest
        if isinstance(plan, (TimePlan, ExpensePlan)) and plan.cap is not None:
            return plan.cap.amount
        return None

    def in_advance(self, kind: str) -> bool:
        plan = self.latest
        return kind == keys.FEE and isinstance(plan, RetainerPlan) and plan.in_advance

    def versions_on(self, day: date, frozen: Freeze | None) -> Iterator[Plan]:
        """The version in force on a day, then the later ones. A freeze leaves out versions that
        were adopted after it, but in force before: what is proposed is not priced anew by them."""
        known: Sequence[PlanVersion] = self.versions
        counted = known
        if frozen is not None:
            counted = [v for v in known if v.number <= frozen.version or v.since > frozen.on]
        in_force = max((v for v in counted if v.since <= day), key=_since, default=known[0])
        yield in_force.plan
        for item in known:
            if item.since > in_force.since:
                yield item.plan

    def version_on(self, day: date, frozen: Freeze | None) -> Plan:
        """The version in force on a day."""
        return self.latest if len(self.versions) == 1 else next(self.versions_on(day, frozen))

    def period_of(self, day: date) -> BillingPeriod | None:
        """The period that bills a day; work before and after the plan's life is billed with its
        first and last period. None for a plan without any."""
        if self.is_empty:
            return None
        day = max(day, self.first)
        if self.last is not None:
            day = min(day, self.last)
        return billing_period(self.latest.every, self.first, self.last, day)

    def periods_until(self, today: date, *, in_advance: bool) -> Iterator[BillingPeriod]:
        """The periods that are due by a day and not folded: those that have begun, or (in arrears)
        are over."""
        since = self.folded.until + DAY if self.folded else None
        for period in billing_periods(self.latest.every, self.first, self.last, since):
            if (period.period.first if in_advance else period.closes_on) > today:
                return
            yield period

    def due_after(self, kind: str, day: date) -> date | None:
        """The first day after `day` on which a kind of keys is billed; None if its life is over."""
        first, last = self.first, self.last
        if not self.is_alive or (last is not None and (last < first or day > last)):
            return None
        advance = self.in_advance(kind)
        if day < first and advance:
            return first
        period = billing_period(self.latest.every, first, last, max(day, first))
        if period is None or period.period.last == date.max:
            return None
        due = period.closes_on
        return None if advance and last is not None and due > last else due

    def bill_day_after(self, kind: str, day: date) -> date | None:
        """As `due_after`, and after the plan's last bill the next day for what came late."""
        return self.due_after(kind, day) or self.late_day_after(day)

    def late_day_after(self, day: date) -> date | None:
        """The first day after `day` on which a plan that is over bills what came late: the day
        after each whole period, as long as its facts may still change. None while it is alive."""
        if self.last is None or self.is_empty or day <= self.last:
            return None
        due = whole_period(self.latest.every, self.first, max(day, self.last + DAY)).last + DAY
        return due if due <= self.last + LATEST_FACT else None

    def late_day_until(self, today: date) -> date | None:
        """The latest such day that has come."""
        found, day = None, self.late_day_after(self.last + DAY) if self.last else None
        while day is not None and day <= today:
            found, day = day, self.late_day_after(day)
        return found


def terms_of(state: BillingState) -> dict[str, PlanTerms]:
    """The terms of every plan that there is or was."""
    alive = {plan.key for plan in state.contract.plans}
    found: dict[str, PlanTerms] = {}
    for key, versions in state.plans.items():
        latest = versions[-1].plan
        first, last = life(state.contract, latest)
        kinds, folded = kinds_of(latest), state.folded.get(key)
        found[key] = PlanTerms(key, latest, versions, key in alive, first, last, kinds, folded)
    return found


def kinds_of(plan: Plan) -> tuple[str, ...]:
    """The kinds of keys that a plan bills by period."""
    if isinstance(plan, RetainerPlan):
        counts_hours = plan.included_hours > 0 or plan.overage_price is not None
        return (keys.FEE, keys.OVERAGE) if counts_hours else (keys.FEE,)
    if isinstance(plan, TimePlan):
        return (keys.HOURS,)
    return (keys.USAGE,) if isinstance(plan, UsagePlan) else (keys.EXPENSE,)


def is_read(plan: Plan) -> bool:
    """Whether a plan bills what is read from Odoo."""
    return isinstance(plan, (TimePlan, ExpensePlan)) or keys.OVERAGE in kinds_of(plan)


def next_versions(
    state: BillingState, contract: Contract, on: date
) -> dict[str, tuple[PlanVersion, ...]]:
    """The versions of every plan once `contract` is in force from `on`."""
    plans = dict(state.plans)
    for plan in contract.plans:
        known = plans.get(plan.key, ())
        if known and _same_prices(known[-1].plan, plan):
            last = known[-1].model_copy(update={"plan": plan})
            plans[plan.key] = (*known[:-1], last)
        else:
            since = on if known else date.min
            new = PlanVersion(plan=plan, since=since, number=state.version + 1)
            plans[plan.key] = (*known, new)
    return plans


def _same_prices(one: Plan, other: Plan) -> bool:
    if type(one) is not type(other):
        return False
    fields = {name: getattr(other, name) for name in _STRUCTURE if hasattr(other, name)}
    return one.model_copy(update=fields) == other


def _since(version: PlanVersion) -> tuple[date, int]:
    return version.since, version.number

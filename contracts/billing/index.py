"""The index of a billing state: what is entitled, billed and waived per key, and the differences.

It is derived from the state alone. A message that changes the state touches only the keys it is
about: `touched` copies the index and derives these keys anew. `build` derives everything, which
`check` compares with it before each proposal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal
from typing import Any

from contracts.billing import keys
from contracts.billing.accounts import NOTHING, Account, account_of, target
from contracts.billing.entitlements import ZERO, Entitlement, Sums, of_base_key, of_periods
from contracts.billing.state import BillingState, Invoice, InvoiceStatus
from contracts.billing.terms import due_after, is_alive, latest, period_of, tracks_of
from contracts.model import RetainerPlan, UsagePlan

_KEPT = "_index"


@dataclass(slots=True)
class Index:
    """Derived of a state, with everything due by `horizon`. Never changed once it is in place.

    By key: `entitled`, `accounts`, `differences` (None without a rate), `invoices_of`. By plan:
    `next_due` after the horizon, and `sums` of hours or units by period. `done` are the days whose
    bill is made, by plan and kind; `net` is what is billed by order line, before its cap.
    """

    horizon: date
    next_due: dict[str, date | None] = field(default_factory=dict)
    entitled: dict[str, Entitlement] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    differences: dict[str, Decimal | None] = field(default_factory=dict)
    invoices_of: dict[str, tuple[int, ...]] = field(default_factory=dict)
    sums: dict[str, Sums] = field(default_factory=dict)
    done: dict[str, frozenset[date]] = field(default_factory=dict)
    net: dict[str, Decimal] = field(default_factory=dict)

    def copy(self) -> Index:
        return Index(self.horizon, *(getattr(self, table).copy() for table in TABLES))

    def account(self, key: str) -> Account:
        return self.accounts.get(key, NOTHING)

    def target(self, key: str) -> Decimal | None:
        """What is to be billed of a base key in all, its waivers taken off; None without a rate."""
        entitled = self.entitled.get(key)
        amount = entitled.amount if entitled else ZERO
        return None if amount is None else target(key, amount, self.account(key))

    def change(self, key: str, entitled: Decimal) -> Decimal:
        """What is still to be billed of a pot that is entitled to an amount."""
        account = self.account(key)
        return target(key, entitled, account) - account.amount


TABLES = tuple(item.name for item in fields(Index))[1:]


def index_of(billing: BillingState, today: date | None = None) -> Index:
    """The index of a state; with everything due by `today`, if a day is given."""
    known = _kept(billing)
    if known is None or (today is not None and today < known.horizon):
        known = build(billing, today or date.min)
    elif today is not None and today > known.horizon:
        known = _advanced(known, billing, today)
    billing.__dict__[_KEPT] = known
    return known


def _kept(billing: BillingState) -> Index | None:
    """The index kept with a frozen state, beside its fields: a copy of it (see `Derived`) has none
    until it is derived, or handed on by `changed`."""
    return billing.__dict__.get(_KEPT)


def changed(
    billing: BillingState, touch: Callable[[Index, BillingState], None] | None, **update: Any
) -> BillingState:
    """The state with these fields, its index updated by `touch`; derived anew without one."""
    new = billing.model_copy(update=update)
    known = _kept(billing)
    if known is not None and touch is not None:
        index = known.copy()
        touch(index, new)
        new.__dict__[_KEPT] = index
    return new


def build(billing: BillingState, today: date) -> Index:
    """Everything derived from the state alone."""
    index = Index(today)
    for number in sorted(billing.invoices):
        for key in billing.invoices[number].by_key:
            index.invoices_of[key] = (*index.invoices_of.get(key, ()), number)
    for key in (*index.invoices_of, *(k for k in billing.waivers if k not in index.invoices_of)):
        _account_anew(index, billing, key)
    for number in sorted(billing.invoices):
        _mark_done(index, billing, billing.invoices[number].tracks)
    for plan in billing.plans:
        sum_up(index, billing, plan)
        _derive_periods(index, billing, plan)
    for key in base_keys(billing):
        _derive(index, billing, key)
    for key in {**index.entitled, **index.accounts}:
        _differ(index, key)
    return index


def base_keys(billing: BillingState) -> Iterable[str]:
    """The keys that have one fact each, of all facts there are."""
    yield keys.DEPOSIT
    yield keys.TERMINATION
    yield from (keys.milestone(name) for name in billing.reached)
    yield from (keys.hours(fact.plan, line) for line, fact in billing.hours.items())
    yield from (keys.expense(fact.plan, number) for number, fact in billing.expenses.items())
    yield from billing.service_credits


# --- touching ---------------------------------------------------------------------------------


def touch_keys(index: Index, billing: BillingState, touched: Iterable[str]) -> None:
    """Facts or waivers of these keys have changed."""
    for key in touched:
        _account_anew(index, billing, key)
        _derive(index, billing, key)
        _differ(index, key)


def touch_invoice(index: Index, billing: BillingState, invoice: Invoice) -> None:
    """An invoice is new, gone, or has another status."""
    number = invoice.number
    stands = number in billing.invoices
    plans: dict[str, None] = {}
    for key in invoice.by_key:
        numbers = {*index.invoices_of.pop(key, ())} - {number} | ({number} if stands else set())
        if numbers:
            index.invoices_of[key] = tuple(sorted(numbers))
        frozen = index.account(key).frozen
        _account_anew(index, billing, key)
        kind = keys.kind_of(key)
        if kind == keys.HOURS:
            _derive_moved(index, billing, key)
        if kind in keys.OF_PERIODS and frozen != index.account(key).frozen:
            plans[keys.plan_of(key)] = None
        else:
            _derive(index, billing, key)
        _differ(index, key)
    for plan in plans:
        if len(billing.plans[plan]) > 1:
            touch_periods(index, billing, plan)
    credited = billing.invoices.get(invoice.credited_number)
    _mark_done(index, billing, (*invoice.tracks, *(credited.tracks if credited else ())))


def touch_periods(index: Index, billing: BillingState, plan: str) -> None:
    """The sums or the frozen versions of a plan's periods have changed."""
    for key in _derive_periods(index, billing, plan):
        _differ(index, key)


def add_to_sum(index: Index, billing: BillingState, plan: str, on: date, quantity: Decimal) -> None:
    """Hours or units of a plan's period have changed by a quantity."""
    period = period_of(billing, plan, on)
    if period is not None:
        first = period.period.first
        sums = dict(index.sums.get(plan, {}))
        sums[first] = sums.get(first, ZERO) + quantity
        if not sums[first]:
            del sums[first]
        index.sums[plan] = sums


def _advanced(index: Index, billing: BillingState, today: date) -> Index:
    """The index with what became due since its horizon."""
    due = [plan for plan, day in index.next_due.items() if day is not None and day <= today]
    new = index.copy() if due else index
    new.horizon = today
    for plan in due:
        touch_periods(new, billing, plan)
    return new


# --- deriving ---------------------------------------------------------------------------------


def _derive(index: Index, billing: BillingState, key: str) -> None:
    kind = keys.kind_of(key)
    if kind in keys.POTS or kind in keys.OF_PERIODS:
        return
    waits = kind == keys.HOURS and is_billed_elsewhere(index, billing, key)
    found = of_base_key(billing, key, index.account(key).frozen, waits)
    if found is None:
        index.entitled.pop(key, None)
    else:
        index.entitled[key] = found


def is_billed_elsewhere(index: Index, billing: BillingState, key: str) -> bool:
    """Whether an hour is still billed by a plan that it has moved away from."""
    plan, line = keys.plan_of(key), int(keys.rest_of(key))
    return any(
        index.account(keys.hours(other, line)).standing for other in billing.plans if other != plan
    )


def _derive_moved(index: Index, billing: BillingState, key: str) -> None:
    """What is billed of an hour has changed: the plan it is with now may wait for that."""
    line = int(keys.rest_of(key))
    fact = billing.hours.get(line)
    if fact is None or fact.plan == keys.plan_of(key):
        return
    if isinstance(latest(billing, fact.plan), RetainerPlan):
        sum_up(index, billing, fact.plan)
        touch_periods(index, billing, fact.plan)
    else:
        now = keys.hours(fact.plan, line)
        _derive(index, billing, now)
        _differ(index, now)


def _derive_periods(index: Index, billing: BillingState, plan: str) -> list[str]:
    """A plan's fees, overages or usage anew; returns the keys that were or are entitled."""
    if not isinstance(latest(billing, plan), (RetainerPlan, UsagePlan)):
        return []
    prefixes = tuple(f"{kind}:{plan}:" for kind in keys.OF_PERIODS)
    old = [key for key in index.entitled if key.startswith(prefixes)]
    for key in old:
        del index.entitled[key]
    sums = index.sums.get(plan, {})
    new = of_periods(billing, plan, index.horizon, sums, lambda key: index.account(key).frozen)
    index.entitled |= new
    kinds = tracks_of(latest(billing, plan))
    days = [due_after(billing, plan, kind, index.horizon) for kind in kinds]
    index.next_due[plan] = min((day for day in days if day is not None), default=None)
    return [*(key for key in old if key not in new), *new]


def sum_up(index: Index, billing: BillingState, plan: str) -> None:
    """The hours or units of every period of a plan."""
    terms = latest(billing, plan)
    index.sums.pop(plan, None)
    if not is_alive(billing, plan):
        return
    if isinstance(terms, UsagePlan):
        for record in billing.usage.get(plan, {}).values():
            last = period_of(billing, plan, record.on)
            if last is not None and last.period.contains(record.on):
                add_to_sum(index, billing, plan, record.on, record.quantity)
    elif isinstance(terms, RetainerPlan):
        for line, fact in billing.hours.items():
            if fact.plan == plan and not is_billed_elsewhere(
                index, billing, keys.hours(plan, line)
            ):
                add_to_sum(index, billing, plan, fact.on, fact.hours)


def _account_anew(index: Index, billing: BillingState, key: str) -> None:
    old = index.account(key)
    new = account_of(billing, key, index.invoices_of.get(key, ()))
    if new == NOTHING:
        index.accounts.pop(key, None)
    else:
        index.accounts[key] = new
    if new.amount != old.amount and keys.kind_of(key) != keys.CAP:
        line = keys.order_line_of(key)
        index.net[line] = index.net.get(line, ZERO) + new.amount - old.amount
        if not index.net[line]:
            del index.net[line]


def _differ(index: Index, key: str) -> None:
    kind = keys.kind_of(key)
    if kind in keys.POTS:
        return
    wanted = index.target(key)
    difference = None if wanted is None else wanted - index.account(key).amount
    if difference is None or difference:
        index.differences[key] = difference
    else:
        index.differences.pop(key, None)


def _mark_done(index: Index, billing: BillingState, tracks: Iterable[str]) -> None:
    """The days on which the bill of each of these plans and kinds is made. A bill that is credited
    to be made anew is not."""
    for track in tracks:
        days = frozenset(
            item.due_on
            for item in billing.invoices.values()
            if track in item.tracks and not is_reinvoiced(billing, item.number)
        )
        index.done.pop(track, None)
        index.done |= {track: days} if days else {}


def is_reinvoiced(billing: BillingState, number: int) -> bool:
    """Whether an invoice is credited to be billed anew."""
    return any(
        item.credited_number == number and item.reinvoice and item.status is InvoiceStatus.ISSUED
        for item in billing.invoices.values()
    )

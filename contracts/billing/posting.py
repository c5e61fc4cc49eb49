"""Posting: the index of a state, derived once and then brought up to date by what changes.

`changed` makes a new state, compares it with the one before, and derives the keys that differ.
`build` derives everything, which `check` compares with it before each proposal.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from contracts.billing import keys
from contracts.billing.entitlements import ZERO, Entitlement, of_fact, of_periods
from contracts.billing.ledger import NOTHING, Index, Ledger, account_of, kept
from contracts.billing.state import BillingState, Hours
from contracts.billing.terms import terms_of
from contracts.model import RetainerPlan, UsagePlan

R = TypeVar("R")

_INDEX, _ANSWERS = "_index", "_answers"
"""Where an index, and answers, are kept with a frozen state beside its fields: a copy has none
until it is derived, or handed on by `changed`."""
_TERMS = frozenset({"contract", "plans", "folded"})
"""Fields that everything depends on."""
_NOTHING: Mapping[Any, Any] = {}

Used = tuple[str, date, Decimal]
"""A usage plan, and the units that came or went on a day."""


def ledger_of(state: BillingState, today: date | None = None) -> Ledger:
    """The ledger of a state; with everything due by `today`, if a day is given."""
    known: Index | None = state.__dict__.get(_INDEX)
    if known is None or (today is not None and today < known.today):
        return _opened(state, build(state, today or date.min))
    if today is not None and today > known.today:
        return _opened(state, _advanced(state, known, today))
    return Ledger(state, known, state.__dict__[_ANSWERS])


def answered(answer: Callable[[Ledger], R]) -> Callable[[BillingState, date], R]:
    """A question about a ledger, asked of a state and a day: it is answered once."""
    once = kept(answer)

    @functools.wraps(answer)
    def ask(billing: BillingState, today: date) -> R:
        known = billing.__dict__
        if _INDEX in known and known[_INDEX].today == today and once in known[_ANSWERS]:
            found: R = known[_ANSWERS][once]
            return found
        return once(ledger_of(billing, today))

    return ask


def changed(state: BillingState, **fields: Any) -> BillingState:
    """The state with these fields; its index follows."""
    new = state.model_copy(update=fields)
    known: Index | None = state.__dict__.get(_INDEX)
    if known is not None and not fields.keys() & _TERMS:
        before = {name: getattr(state, name) for name in fields}
        _opened(new, _followed(new, known, before, fields))
    return new


def build(state: BillingState, today: date) -> Index:
    """Everything derived from the state alone."""
    index = Index(today, terms_of(state), {}, {}, {}, {}, {}, {}, {})
    return _followed(state, index, {}, state.__dict__, plans=index.terms)


def _opened(state: BillingState, index: Index) -> Ledger:
    state.__dict__[_INDEX], state.__dict__[_ANSWERS] = index, {}
    return Ledger(state, index, state.__dict__[_ANSWERS])


def _advanced(state: BillingState, index: Index, today: date) -> Index:
    """The index with what became due since its day."""
    due = [plan for plan, day in index.due_next.items() if day is not None and day <= today]
    if not due:
        return index._replace(today=today)
    posting = _Posting(state, index.copy(today))
    for plan in due:
        posting.periods_of(plan)
    return posting.index


def _followed(
    state: BillingState,
    index: Index,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    plans: Iterable[str] = (),
) -> Index:
    """The index once fields are other than before; `plans` are derived in any case."""
    invoices = [*_differences(before, after, "invoices")]
    used, touched = [*_used(before, after)], dict.fromkeys(_touched(before, after))
    if not (invoices or used or touched or plans):
        return index
    posting = _Posting(state, index.copy())
    for number, old, new in invoices:
        posting.number(number, (new or old).by_key)
    posting.touch(touched, used, plans)
    return posting.index


# --- what differs -------------------------------------------------------------------------------


def _differences(
    before: Mapping[str, Any], after: Mapping[str, Any], field: str
) -> Iterator[tuple[Any, Any, Any]]:
    """What a field has under other values than before: its name there, the old and the new one."""
    old, new = before.get(field, _NOTHING), after.get(field, _NOTHING)
    if old is not new:
        for name in {**old, **new}:
            if old.get(name) is not new.get(name):
                yield name, old.get(name), new.get(name)


def _touched(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """The keys whose facts, waivers or invoices differ."""
    for _, *invoices in _differences(before, after, "invoices"):
        yield from (key for invoice in invoices if invoice for key in invoice.by_key)
    for field in ("service_credits", "waivers", "waivers_ended"):
        yield from (key for key, *_ in _differences(before, after, field))
    for name, *_ in _differences(before, after, "reached"):
        yield keys.milestone(name)
    for line, *hours in _differences(before, after, "hours"):
        yield from (keys.hours(fact.plan, line) for fact in hours if fact)
    for number, *spent in _differences(before, after, "expenses"):
        yield from (keys.expense(fact.plan, number) for fact in spent if fact)
    if before.get("deposit_on") != after.get("deposit_on"):
        yield keys.DEPOSIT
    if before.get("early_end") != after.get("early_end"):
        yield keys.TERMINATION


def _used(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Used]:
    for plan, old, new in _differences(before, after, "usage"):
        for _, gone, come in _differences({"usage": old or {}}, {"usage": new or {}}, "usage"):
            if gone:
                yield plan, gone.on, -gone.quantity
            if come:
                yield plan, come.on, come.quantity


# --- deriving -----------------------------------------------------------------------------------


class _Posting:
    """Brings an index that nobody uses yet up to date with a state."""

    def __init__(self, state: BillingState, index: Index) -> None:
        self.state, self.index = state, index
        self.ledger = Ledger(state, index, {})

    def number(self, number: int, own: Iterable[str]) -> None:
        """Enter an invoice under its keys; one that is gone stays under none."""
        stands = {number} & self.state.invoices.keys()
        for key in own:
            numbers = {*self.index.invoices_of.pop(key, ())} - {number} | stands
            if numbers:
                self.index.invoices_of[key] = tuple(sorted(numbers))

    def touch(self, touched: dict[str, None], used: Iterable[Used], more: Iterable[str]) -> None:
        """What is billed, waived or true of these keys has changed."""
        plans = dict.fromkeys(more)
        for key in [*touched]:
            frozen, kind = self.ledger.account(key).frozen, keys.kind_of(key)
            self.account(key)
            if kind == keys.HOURS:
                # What is billed of an hour counts for the plan that it is with now as well.
                line = int(keys.rest_of(key))
                fact = self.state.hours.get(line)
                touched |= {keys.hours(fact.plan, line): None} if fact else {}
                plans |= dict.fromkeys(self._counting(key, fact))
            elif kind in keys.OF_PERIODS and frozen != self.ledger.account(key).frozen:
                plan = keys.plan_of(key)
                plans |= {plan: None} if len(self.index.terms[plan].versions) > 1 else {}
        for key in touched:
            self.entitle(key)
            self.differ(key)
        for plan in plans:
            self.sum_up(plan)
        for plan, on, quantity in used:
            if plan not in plans:
                self.add(plan, [(on, quantity)])
        for plan in {**plans, **dict.fromkeys(plan for plan, _, _ in used)}:
            self.periods_of(plan)

    def _counting(self, key: str, fact: Hours | None) -> Iterator[str]:
        """The retainers that count an hour, or counted it."""
        for plan in (keys.plan_of(key), *([fact.plan] if fact else [])):
            if isinstance(self.index.terms[plan].latest, RetainerPlan):
                yield plan

    def account(self, key: str) -> None:
        """What invoices and waivers say of a key."""
        index, old = self.index, self.ledger.account(key)
        new = account_of(self.state, key, index.invoices_of.get(key, ()))
        if new == NOTHING:
            index.accounts.pop(key, None)
        else:
            index.accounts[key] = new
        if new.amount != old.amount and keys.kind_of(key) != keys.CAP:
            line = keys.order_line_of(key)
            index.net[line] = index.net.get(line, ZERO) + new.amount - old.amount
            if not index.net[line]:
                del index.net[line]

    def entitle(self, key: str) -> None:
        """What a key with a fact of its own is entitled to."""
        kind = keys.kind_of(key)
        if kind in keys.POTS or kind in keys.OF_PERIODS:
            return
        frozen = self.ledger.account(key).frozen
        found = of_fact(self.state, self.index.terms, key, frozen)
        if found is None:
            self.index.entitled.pop(key, None)
        elif kind == keys.HOURS and self._is_billed_elsewhere(key):
            self.index.entitled[key] = Entitlement(ZERO, ZERO, found.due_on)
        else:
            self.index.entitled[key] = found

    def _is_billed_elsewhere(self, key: str) -> bool:
        """Whether an hour is still billed by a plan that it has moved away from."""
        plan, line = keys.plan_of(key), int(keys.rest_of(key))
        others = (keys.hours(other, line) for other in self.index.terms if other != plan)
        return any(self.ledger.account(other).standing for other in others)

    def differ(self, key: str) -> None:
        """What is to be billed of a base key."""
        if keys.kind_of(key) in keys.POTS:
            return
        wanted = self.ledger.target(key)
        difference = None if wanted is None else wanted - self.ledger.account(key).amount
        if difference is None or difference:
            self.index.differences[key] = difference
        else:
            self.index.differences.pop(key, None)

    # --- by period ----------------------------------------------------------------------------

    def periods_of(self, plan: str) -> None:
        """A plan's fees, overages or usage that are due by the index's day."""
        index, terms = self.index, self.index.terms[plan]
        if not isinstance(terms.latest, (RetainerPlan, UsagePlan)):
            return
        prefixes = tuple(f"{kind}:{plan}:" for kind in keys.OF_PERIODS)
        old = [key for key in index.entitled if key.startswith(prefixes)]
        for key in old:
            del index.entitled[key]
        new = of_periods(
            terms,
            index.today,
            index.sums.get(plan, {}),
            lambda key: self.ledger.account(key).frozen,
            self.state.contract.currency,
        )
        index.entitled.update(new)
        for key in {**dict.fromkeys(old), **new}:
            self.differ(key)
        days = [terms.due_after(kind, index.today) for kind in terms.kinds]
        index.due_next[plan] = min((day for day in days if day is not None), default=None)

    def sum_up(self, plan: str) -> None:
        """The hours or units of every period of a plan."""
        terms = self.index.terms[plan]
        self.index.sums.pop(plan, None)
        if not terms.is_alive:
            return
        if isinstance(terms.latest, UsagePlan):
            records = self.state.usage.get(plan, {}).values()
            self.add(plan, ((record.on, record.quantity) for record in records))
        elif isinstance(terms.latest, RetainerPlan):
            hours = self.state.hours.items()
            mine = (
                (fact.on, fact.hours)
                for line, fact in hours
                if fact.plan == plan and not self._is_billed_elsewhere(keys.hours(plan, line))
            )
            self.add(plan, mine)

    def add(self, plan: str, quantities: Iterable[tuple[date, Decimal]]) -> None:
        """Hours or units of days, to the periods that these are billed with; usage outside the
        plan's life is not billed."""
        terms = self.index.terms[plan]
        counts_outside = isinstance(terms.latest, RetainerPlan)
        sums = dict(self.index.sums.get(plan, {}))
        for on, quantity in quantities:
            period = terms.period_of(on)
            if period is not None and (counts_outside or period.period.contains(on)):
                first = period.period.first
                sums[first] = sums.get(first, ZERO) + quantity
        self.index.sums[plan] = {first: quantity for first, quantity in sums.items() if quantity}

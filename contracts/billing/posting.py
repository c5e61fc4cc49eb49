"""Keeping the index of a state: derived once, then brought up to date by what each message touches.

`changed` makes a new state and derives only the keys that are touched; `build` derives everything,
which `check` compares with it before each proposal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from contracts.billing import keys
from contracts.billing.entitlements import ZERO, Entitlement, of_fact, of_periods
from contracts.billing.ledger import NOTHING, Index, Ledger, account_of
from contracts.billing.state import BillingState, Invoice
from contracts.billing.terms import terms_of
from contracts.model import RetainerPlan, UsagePlan

_INDEX, _ANSWERS = "_index", "_answers"
"""Where an index, and answers, are kept with a frozen state beside its fields: a copy (see
`Derived`) has none until it is derived, or handed on by `changed`."""


class Used(NamedTuple):
    """Units of a usage plan that came or went on a day."""

    plan: str
    on: date
    quantity: Decimal


def ledger_of(state: BillingState, today: date | None = None) -> Ledger:
    """The ledger of a state; with everything due by `today`, if a day is given."""
    known: Index | None = state.__dict__.get(_INDEX)
    if known is None or (today is not None and today < known.today):
        return _opened(state, build(state, today or date.min))
    if today is not None and today > known.today:
        return _opened(state, _advanced(state, known, today))
    return Ledger(state, known, state.__dict__[_ANSWERS])


def changed(
    state: BillingState,
    *,
    touched: Iterable[str] = (),
    used: Iterable[Used] = (),
    invoice: Invoice | None = None,
    **fields: Any,
) -> BillingState:
    """The state with these fields. `touched` are the keys whose facts, waivers or invoices change
    by that, `invoice` is one that is new, gone or has another status."""
    new = state.replace(**fields)
    known: Index | None = state.__dict__.get(_INDEX)
    if known is not None:
        touched, used = list(touched), list(used)
        if touched or used or invoice is not None:
            posting = _Posting(new, known.copy())
            if invoice is not None:
                posting.number(invoice)
                touched += invoice.by_key
            posting.touch(touched, used)
            known = posting.index
        _opened(new, known)
    return new


def _opened(state: BillingState, index: Index) -> Ledger:
    state.__dict__[_INDEX], state.__dict__[_ANSWERS] = index, {}
    return Ledger(state, index, state.__dict__[_ANSWERS])


def _advanced(state: BillingState, index: Index, today: date) -> Index:
    """The index with what became due since its day."""
    due = [plan for plan, day in index.due_next.items() if day is not None and day <= today]
    if not due:
        return replace(index, today=today)
    posting = _Posting(state, index.copy(today))
    for plan in due:
        posting.periods_of(plan)
    return posting.index


def build(state: BillingState, today: date) -> Index:
    """Everything derived from the state alone."""
    index = Index(today, terms_of(state), {}, {}, {}, {}, {}, {}, {})
    posting = _Posting(state, index)
    for number in sorted(state.invoices):
        for key in state.invoices[number].by_key:
            index.invoices_of[key] = (*index.invoices_of.get(key, ()), number)
    for key in {**index.invoices_of, **state.waivers}:
        posting.account(key)
    for plan in index.terms:
        posting.sum_up(plan)
        posting.periods_of(plan)
    for key in _of_facts(state):
        posting.entitle(key)
    for key in {**index.entitled, **index.accounts}:
        posting.differ(key)
    return index


def _of_facts(state: BillingState) -> Iterable[str]:
    """The keys that have one fact each, of all facts there are."""
    yield keys.DEPOSIT
    yield keys.TERMINATION
    yield from (keys.milestone(name) for name in state.reached)
    yield from (keys.hours(fact.plan, line) for line, fact in state.hours.items())
    yield from (keys.expense(fact.plan, number) for number, fact in state.expenses.items())
    yield from state.service_credits


class _Posting:
    """Brings an index that nobody uses yet up to date with a state."""

    def __init__(self, state: BillingState, index: Index) -> None:
        self.state, self.index = state, index
        self.ledger = Ledger(state, index, {})

    def number(self, invoice: Invoice) -> None:
        """Enter an invoice under its keys, or take it out."""
        number, of = invoice.number, self.index.invoices_of
        stands = {number} if number in self.state.invoices else set()
        for key in invoice.by_key:
            numbers = ({*of.pop(key, ())} - {number}) | stands
            if numbers:
                of[key] = tuple(sorted(numbers))

    def touch(self, touched: Iterable[str], used: Iterable[Used]) -> None:
        """What is billed, waived or true of these keys has changed."""
        index = self.index
        found = dict.fromkeys(touched)
        plans: dict[str, None] = {}
        for key in [*found]:
            frozen = self.ledger.account(key).frozen
            self.account(key)
            kind, plan = keys.kind_of(key), keys.plan_of(key) if ":" in key else ""
            if kind == keys.HOURS:
                # What is billed of an hour counts for the plan that it is with now as well.
                line = int(keys.rest_of(key))
                fact = self.state.hours.get(line)
                found |= {keys.hours(fact.plan, line): None} if fact else {}
                of_hour = [plan, fact.plan] if fact else [plan]
                plans |= dict.fromkeys(item for item in of_hour if self._is_retainer(item))
            elif (
                kind in keys.OF_PERIODS
                and frozen != self.ledger.account(key).frozen
                and len(index.terms[plan].versions) > 1
            ):
                plans[plan] = None
        for key in found:
            self.entitle(key)
            self.differ(key)
        for plan in plans:
            self.sum_up(plan)
        for plan, on, quantity in used:
            self.add(plan, [(on, quantity)])
            plans[plan] = None
        for plan in plans:
            self.periods_of(plan)

    def _is_retainer(self, plan: str) -> bool:
        return isinstance(self.index.terms[plan].latest, RetainerPlan)

    def account(self, key: str) -> None:
        """What invoices and waivers say of a key."""
        index = self.index
        old = self.ledger.account(key)
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
        index = self.index
        found = of_fact(self.state, index.terms, key, self.ledger.account(key).frozen)
        if found is None:
            index.entitled.pop(key, None)
        elif kind == keys.HOURS and self._is_billed_elsewhere(key):
            index.entitled[key] = Entitlement(ZERO, ZERO, found.due_on)
        else:
            index.entitled[key] = found

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

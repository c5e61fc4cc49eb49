"""Facts: what is reached, worked, spent, metered and owed, and what must be read to know it.

Each function takes a state and returns the next one. The order in which facts arrive changes no
amount: they only say what is true now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from contracts.billing import keys
from contracts.billing.expenses import Expense
from contracts.billing.ledger import Ledger, days_billed
from contracts.billing.lines import QUANTITY_UNIT
from contracts.billing.occasions import due_keys
from contracts.billing.periods import DAY
from contracts.billing.posting import changed, ledger_of
from contracts.billing.state import BillingState, Hours, NotPossible, ServiceCredit, Spent
from contracts.billing.time import TimeEntry, rate
from contracts.billing.usage import UsageRecord, why_not_taken
from contracts.model import RetainerPlan, TimePlan, UsagePlan
from contracts.money import Money

MAX_USAGE_RECORDS = 10_000
"""Of a contract at a time: they travel with its workflow's state."""
_MOST_CREDITED = 10**12
"""By the service credits of a contract together: what is accepted can be added up."""


def reach(billing: BillingState, milestone: str, on: date) -> BillingState:
    """A milestone is reached (again, after it was un-reached). Raises NotPossible for a key that
    the contract does not have. Repeating changes nothing."""
    if billing.contract.milestone(milestone) is None:
        raise NotPossible(f"the contract has no milestone {milestone}")
    if milestone in billing.reached:
        return billing
    reached = {**billing.reached, milestone: on}
    return changed(billing, reached=reached)


def unreach(billing: BillingState, milestone: str) -> BillingState:
    """A milestone is not reached after all. Its waivers end; what is billed of it becomes a credit
    note by difference, for finance to approve, or to reject and waive: then the invoice stands."""
    if milestone not in billing.reached:
        return billing
    key = keys.milestone(milestone)
    return changed(
        billing,
        reached={name: on for name, on in billing.reached.items() if name != milestone},
        waivers={name: found for name, found in billing.waivers.items() if name != key},
        waivers_ended={**billing.waivers_ended, key: max([0, *billing.invoices])},
    )


def milestone_invoice(billing: BillingState, milestone: str) -> int | None:
    """The number of the proposed or issued invoice that bills a milestone; None if nothing of it
    is billed. Ask before `unreach`, where a person is to decide first."""
    account = ledger_of(billing).account(keys.milestone(milestone))
    return account.first or None if account.amount else None


class UsageRecorded(NamedTuple):
    """The billing after a report of use: how many of its records were new or changed, how many
    were known, and why each of the others is refused."""

    billing: BillingState
    taken: int
    known: int
    refused: list[str]


def record_usage(billing: BillingState, records: Iterable[UsageRecord]) -> UsageRecorded:
    """Take metered records; the same id again replaces it, also one of another plan. Refused are
    those of an unknown plan, of a day outside the plan, of a period that is folded, of more than
    can be billed, and those that are too many."""
    usage = {plan: dict(mine) for plan, mine in billing.usage.items()}
    taken, known, refused = 0, 0, []
    for record in records:
        mine = next((mine for mine in usage.values() if record.id in mine), {})
        before = mine.get(record.id)
        if why := _why_not_metered(billing, record, before):
            refused.append(f"{record.plan} {record.id}: {why}")
        elif before == record:
            known += 1
        elif before is None and sum(map(len, usage.values())) >= MAX_USAGE_RECORDS:
            refused.append(
                f"{record.plan} {record.id}: {MAX_USAGE_RECORDS} usage records are kept at most; "
                "report sums of days instead"
            )
        else:
            mine.pop(record.id, None)
            usage.setdefault(record.plan, {})[record.id] = record
            taken += 1
    billing = changed(billing, usage=usage) if taken else billing
    return UsageRecorded(billing, taken, known, refused)


def _why_not_metered(
    billing: BillingState, record: UsageRecord, before: UsageRecord | None
) -> str | None:
    """Why a record, which was another `before`, cannot be billed; None if it can."""
    plan = billing.contract.plan(record.plan)
    if not isinstance(plan, UsagePlan):
        return f"the contract has no usage plan {record.plan}"
    terms = ledger_of(billing).terms(plan.key)
    first_day, last_day = terms.first, terms.last
    if record.on < first_day or (last_day is not None and record.on > last_day):
        days = f"from {first_day} to {last_day}" if last_day else f"from {first_day} on"
        return f"{record.on} is outside the plan, {days}"
    if beyond := why_not_taken(plan, record.quantity):
        return beyond
    for item in (record, before or record) if before != record else ():
        folded = billing.folded_until(item.plan)
        if folded is not None and item.on <= folded:
            return f"{item.on} is too late: usage until {folded} is settled for good"
    return None


def credit_service(
    billing: BillingState, plan: str, reference: str, reason: str, amount: Money, on: date
) -> tuple[BillingState, bool]:
    """Owe the customer a service credit, deducted from the next invoice that can bear it. A
    reference counts once. Raises NotPossible for an unknown plan, an amount not above zero, a known
    reference with another amount, or more than can be added up."""
    if not isinstance(billing.contract.plan(plan), RetainerPlan):
        raise NotPossible(f"the contract has no retainer {plan}")
    if not amount.is_positive or amount.currency != billing.contract.currency:
        raise NotPossible(f"a service credit is above zero in {billing.contract.currency}")
    key = keys.service_credit(plan, reference)
    known = billing.service_credits.get(key)
    if known is not None and known.amount != amount.amount:
        before = Money.exact(known.amount, amount.currency)
        raise NotPossible(
            f"service credit {reference} of {plan} is known as {before}, not {amount}; give "
            "another one a reference of its own"
        )
    if known is not None:
        return billing, False
    owed = sum(item.amount for item in billing.service_credits.values())
    if owed + amount.amount > _MOST_CREDITED:
        raise NotPossible(f"the service credits come to more than {_MOST_CREDITED:,} together")
    credit = ServiceCredit(
        plan=plan, reference=reference, reason=reason, amount=amount.amount, on=on
    )
    credits = {**billing.service_credits, key: credit}
    return changed(billing, service_credits=credits), True


def known_lines(billing: BillingState, plan: str) -> tuple[int, ...]:
    """The timesheet lines known of a plan: the reader says which of them are gone."""
    return tuple(sorted(line for line, fact in billing.hours.items() if fact.plan == plan))


def unrated_lines(billing: BillingState, plan: str) -> tuple[int, ...]:
    """The timesheet lines of a plan that no rate fits. They are read again each time: a job title
    that is corrected in Odoo changes no timesheet line there."""
    known = known_lines(billing, plan)
    return tuple(line for line in known if _is_unrated(billing, billing.hours[line]))


def _is_unrated(billing: BillingState, fact: Hours) -> bool:
    plan = billing.plans[fact.plan][-1].plan
    return isinstance(plan, TimePlan) and rate(plan, fact) is None


def known_expenses(billing: BillingState) -> tuple[int, ...]:
    """The expenses known: the reader says which of them are gone."""
    return tuple(sorted(billing.expenses))


def take_time(
    billing: BillingState, plan: str, entries: Iterable[TimeEntry], gone: Iterable[int], until: date
) -> BillingState:
    """Approved hours as read from Odoo for a plan until a day, new or changed; `gone` are known
    lines that are deleted or no longer approved. "Read until" is a fact as well."""
    hours, before = dict(billing.hours), billing.hours
    found = {entry.line_id: entry for entry in entries if entry.plan == plan}
    settled = _settled(billing, "lines")
    for line, entry in sorted(found.items()):
        known = before.get(line)
        # The role is the one read first: a promotion changes no price.
        keeps_role = known is not None and not _is_unrated(billing, known)
        fact = _hours(entry, known if keeps_role else None)
        is_news = fact != known and (known is not None or fact.hours)
        if is_news and line not in settled and not _is_folded(billing, fact):
            hours[line] = fact
    for line in _gone(billing, plan, set(gone) - found.keys(), before):
        del hours[line]
    return _read(billing, plan, until, hours=hours)


def _hours(entry: TimeEntry, known: Hours | None) -> Hours:
    """The fact of an entry, with the role that is known of it."""
    same = known is not None and (known.person, known.email) == (entry.person, entry.email)
    role = known.role if known is not None and same else entry.role
    exact = entry.hours.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
    return Hours(entry.plan, entry.on, exact, entry.person, entry.email, role)


def take_expenses(
    billing: BillingState, plan: str, expenses: Iterable[Expense], gone: Iterable[int], until: date
) -> BillingState:
    """Approved expenses as read from Odoo for a plan until a day, as `take_time`. A project
    has them in common: an expense is the plan's that was alive on its day, and stays with the plan
    that had it first."""
    facts, before, ledger = dict(billing.expenses), billing.expenses, ledger_of(billing)
    found = {item.expense_id: item for item in expenses if item.plan == plan}
    settled = _settled(billing, "expenses")
    for number, item in sorted(found.items()):
        known = before.get(number)
        by = f"{item.employee}, {item.on}" if item.employee else f"{item.on}"
        fact = Spent(plan, item.on, item.cost.amount, f"{item.description} ({by})")
        is_mine = known.plan == plan if known else fact.cost and _spends_on(ledger, plan, item.on)
        if fact != known and is_mine and number not in settled and not _is_folded(billing, fact):
            facts[number] = fact
    for number in _gone(billing, plan, set(gone) - found.keys(), before):
        facts[number] = before[number]._replace(cost=Decimal(0))
    return _read(billing, plan, until, expenses=facts)


def _spends_on(ledger: Ledger, plan: str, day: date) -> bool:
    """Whether a day's expenses are a plan's: the first in its life, or if no plan was alive then,
    those of the one that was over last, or else of the first to come."""
    lives = [ledger.terms(item.key) for item in ledger.state.contract.expenses]
    begun = [terms for terms in lives if terms.first <= day]
    alive = [terms for terms in begun if terms.last is None or day <= terms.last]
    over_last = max(begun, key=lambda terms: terms.last or day, default=None)
    first = over_last or min(lives, key=lambda terms: terms.first)
    return plan in [terms.key for terms in alive or [first]]


def _gone(
    billing: BillingState, plan: str, numbers: Iterable[int], known: Mapping[int, Hours | Spent]
) -> list[int]:
    """Those of the numbers that are of a plan, and not of a period that is settled for good."""
    facts = ((number, known.get(number)) for number in sorted(numbers))
    return [n for n, f in facts if f and f.plan == plan and not _is_folded(billing, f)]


def too_late(
    billing: BillingState, facts: Iterable[TimeEntry | Expense]
) -> tuple[TimeEntry | Expense, ...]:
    """Those that are of a period that is settled for good: they are left out when they are taken,
    so a person must be told."""
    settled = {TimeEntry: _settled(billing, "lines"), Expense: _settled(billing, "expenses")}

    def is_late(fact: TimeEntry | Expense) -> bool:
        number = fact.line_id if isinstance(fact, TimeEntry) else fact.expense_id
        return number in settled[type(fact)] or _is_folded(billing, fact)

    return tuple(filter(is_late, facts))


def _settled(billing: BillingState, what: str) -> set[int]:
    """The timesheet lines or expenses that are dealt with for good."""
    return {number for item in billing.folded.values() for number in getattr(item, what)}


def _is_folded(billing: BillingState, fact: Hours | Spent | TimeEntry | Expense) -> bool:
    folded = billing.folded_until(fact.plan)
    return folded is not None and fact.on <= folded


def _read(billing: BillingState, plan: str, until: date, **facts: Any) -> BillingState:
    """A plan is read until a day, with these facts. Days whose bill has nothing on it are made by
    that."""
    if plan not in billing.plans:
        return billing
    last = billing.read_until.get(plan)
    read_until = {**billing.read_until, plan: max(until, last or until)}
    new = changed(billing, read_until=read_until, **facts)
    ledger = ledger_of(new, max(until + DAY, ledger_of(new).today))
    due = {(keys.plan_of(key), keys.kind_of(key), day) for key, day in due_keys(ledger)}
    billed, terms, empty = days_billed(ledger), ledger.terms(plan), dict(new.empty)
    for kind in terms.kinds:
        track = f"{plan}:{kind}"
        day = terms.bill_day_after(kind, last + DAY if last else date.min)
        while day is not None and day <= until + DAY and kind != keys.FEE:
            if (plan, kind, day) not in due and day not in billed.get(track, ()):
                empty[track] = (*empty.get(track, ()), day)
            day = terms.bill_day_after(kind, day)
    return changed(new, empty=empty)

"""What one contract tells of itself: its value, backlog, what is to come, and how long things took.

The contract's workflow answers a Query with this; it is far smaller than the contract's state.
Amounts are without tax, in the contract's currency; days are those of the legal entity's zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from contracts.analytics.invoices import ZERO, month_of
from contracts.analytics.work import months_until
from contracts.billing import account, keys, retainers
from contracts.billing.ledger import Ledger
from contracts.billing.lines import InvoiceKind
from contracts.billing.order import order_lines
from contracts.billing.posting import ledger_of
from contracts.billing.state import BillingState, Invoice, InvoiceStatus
from contracts.billing.terms import PlanTerms
from contracts.contract.state import RUNNING, ContractState
from contracts.model import Contract, RetainerPlan, Value
from contracts.money import Money

HORIZON = timedelta(days=366)
"""How far ahead the bills of plans are listed."""
LATEST_BILLS = 3
"""Of a plan whose bills are of no fixed amount, so many say what the next ones come to."""
_WEEKLY = 53
"""The most bills of one plan and kind within the horizon."""


class Position(Value):
    """A line of the order: see `tables.Backlog`."""

    order_line: str
    name: str
    entitled: Money
    planned: Money
    billed: Money


class Coming(Value):
    """Something to come: see `tables.Forecast`. `amount` is None where nothing says how much."""

    what: str
    subject: str
    expected_on: date | None
    amount: Money | None


class EarnedInvoice(Value):
    """An issued invoice, by its id in Odoo, and the day since which what it bills was to be billed:
    a milestone's when it was reached, a period's once it was over."""

    title: str
    earned_on: date
    invoice_id: int


class BilledHours(Value):
    """Billed hours of a person, by the work e-mail address or else the name, in a month."""

    person: str
    month: date
    hours: Decimal


class ContractFacts(Value):
    """A valid contract. `provisioned_on` is the day its project and order were there."""

    contract_id: str
    legal_entity: str
    title: str
    customer: str
    stage: str
    ending: str
    value: Money
    version: int
    project: str
    order: str
    signed_on: date
    starts_on: date
    ends_on: date | None
    began_at: datetime | None
    ended_at: datetime | None
    touchless: bool
    provisioned_on: date | None
    staffed_on: date | None
    backlog: tuple[Position, ...] = ()
    coming: tuple[Coming, ...] = ()
    earned: tuple[EarnedInvoice, ...] = ()
    billed_hours: tuple[BilledHours, ...] = ()


def facts(state: ContractState) -> list[ContractFacts]:
    """What a contract tells of itself; nothing before it is valid."""
    contract = state.contract
    return [] if contract is None else [_facts(state, contract)]


def _facts(state: ContractState, contract: Contract) -> ContractFacts:
    billing = state.billing or account.begin(contract, contract.signed_on)
    is_running = state.stage in RUNNING and state.billing is not None
    return ContractFacts(
        contract_id=state.contract_id,
        legal_entity=state.legal_entity,
        title=contract.title,
        customer=contract.customer.name,
        stage=state.stage,
        ending=state.ending or "",
        value=account.sums(billing, state.billing_day).value,
        version=contract.version,
        project=state.odoo.project_name,
        order=state.odoo.order_name,
        signed_on=contract.signed_on,
        starts_on=contract.first_day,
        ends_on=contract.ends_on,
        began_at=state.started_at,
        ended_at=state.closed_at,
        touchless=not state.has_parked,
        provisioned_on=state.billing.started_on if state.billing else None,
        staffed_on=state.staffed_on,
        backlog=backlog(billing, state.billing_day) if is_running else (),
        coming=tuple(_coming(state, billing)) if is_running else (),
        earned=tuple(_earned(state, billing)),
        billed_hours=billed_hours(billing, state.today),
    )


# --- backlog --------------------------------------------------------------------------------------


def backlog(billing: BillingState, today: date) -> tuple[Position, ...]:
    """What is sold and not billed, by line of the order: what is entitled and planned comes to the
    contract's value less what is billed.

    What is held back is planned, and so is (below zero) what is left to deduct of a deposit. Each
    line is rounded; what that leaves is on a line of its own.
    """
    ledger, sums = ledger_of(billing, today), account.sums(billing, today)
    names = {line.key: line.name for line in order_lines(billing.contract)}
    proposed, issued = (_by_line(billing, status) for status in _COUNTING)
    entitled = _rounded(ledger, _added(proposed, _to_propose(ledger)))
    planned = {
        item.key: item.amount.amount
        for item in billing.contract.milestones
        if item.key not in billing.reached and keys.milestone(item.key) not in billing.waivers
    }
    planned = _added(
        planned,
        [(keys.RETAINAGE, sums.retained.amount), (keys.DEPOSIT, -sums.deposit_left.amount)],
    )
    left = sums.value.amount - sums.billed.amount
    rest = left - sum(entitled.values(), ZERO) - sum(planned.values(), ZERO)
    entitled = _added(entitled, [(keys.ROUNDING, rest)])
    lines = [*names, *sorted({*entitled, *planned, *issued} - names.keys())]
    return tuple(
        Position(
            order_line=line,
            name=names.get(line, line),
            entitled=ledger.money(entitled.get(line, ZERO)),
            planned=ledger.money(planned.get(line, ZERO)),
            billed=ledger.money(issued.get(line, ZERO)),
        )
        for line in lines
        if entitled.get(line) or planned.get(line) or issued.get(line)
    )


_COUNTING = (InvoiceStatus.PROPOSED, InvoiceStatus.ISSUED)


def _by_line(billing: BillingState, status: InvoiceStatus) -> dict[str, Decimal]:
    """What invoices of a status bill, by line of the order."""
    found = (item for item in billing.invoices.values() if item.status is status)
    lines = (line for invoice in found for line in invoice.lines)
    return _added({}, ((line.order_line, line.amount.amount) for line in lines))


def _rounded(ledger: Ledger, amounts: dict[str, Decimal]) -> dict[str, Decimal]:
    return {line: ledger.money(amount).amount for line, amount in amounts.items()}


def _to_propose(ledger: Ledger) -> Iterator[tuple[str, Decimal]]:
    for key in ledger.differences:
        yield keys.order_line_of(key), ledger.change(key)


def _added(sums: dict[str, Decimal], amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    found = dict(sums)
    for line, amount in amounts:
        found[line] = found.get(line, ZERO) + amount
    return found


# --- what is to come ------------------------------------------------------------------------------


def _coming(state: ContractState, billing: BillingState) -> Iterator[Coming]:
    contract, ledger = state.terms, ledger_of(billing, state.billing_day)
    for item in contract.milestones:
        if item.key not in billing.reached and keys.milestone(item.key) not in billing.waivers:
            yield Coming(
                what="milestone", subject=item.key, expected_on=item.due_on, amount=item.amount
            )
    for plan in contract.plans:
        yield from _bills(ledger, ledger.terms(plan.key))
    yield from _renewal(state, contract, ledger)


def _bills(ledger: Ledger, terms: PlanTerms) -> Iterator[Coming]:
    """The bills of a plan within the horizon: fees by the terms, others as the latest came to, or
    else by the least that is agreed."""
    for kind in terms.kinds:
        usual = _usual(ledger, terms, kind) or getattr(terms.latest, "minimum", None)
        day = ledger.today
        for _ in range(_WEEKLY):
            due = terms.due_after(kind, day)
            if due is None or due > ledger.today + HORIZON:
                break
            amount = _fee(ledger, terms, due) if kind == keys.FEE else usual
            if amount is not None or kind != keys.OVERAGE:
                yield Coming(what="plan", subject=terms.key, expected_on=due, amount=amount)
            day = due


def _fee(ledger: Ledger, terms: PlanTerms, due: date) -> Money | None:
    """The fee that a bill is for: of the period that begins, or is over, on that day."""
    of = due if terms.in_advance(keys.FEE) else due - timedelta(days=1)
    period = terms.period_of(of)
    plan = terms.version_on(period.period.first, None) if period else None
    if period is None or not isinstance(plan, RetainerPlan):
        return None
    return ledger.money(retainers.fee_of(plan, period))


def _usual(ledger: Ledger, terms: PlanTerms, kind: str) -> Money | None:
    """The mean of what the latest issued bills of a plan come to; None while there is none. Of a
    plan with several kinds, such as a fee and the hours above it, they count with this one alone:
    both may be on one bill."""
    track = f"{terms.key}:{kind}"
    bills = [
        item
        for item in ledger.state.invoices.values()
        if track in item.tracks and item.status is InvoiceStatus.ISSUED
    ]
    latest = sorted(bills, key=lambda item: item.due_on)[-LATEST_BILLS:]
    if not latest:
        return None
    is_only = terms.kinds == (kind,)
    amount = sum(
        (
            amount
            for item in latest
            for key, (amount, _) in item.by_key.items()
            if keys.order_line_of(key) == terms.key and (is_only or keys.kind_of(key) == kind)
        ),
        ZERO,
    )
    return Money.rounded(amount / len(latest), ledger.currency)


def _renewal(state: ContractState, contract: Contract, ledger: Ledger) -> Iterator[Coming]:
    """The term that follows unless notice is given: worth the fees of its months."""
    term, ends = contract.term, contract.ends_on
    gone = state.notice or state.termination or state.cancel
    if not term.auto_renew or ends is None or not contract.plans or gone:
        return
    first = ends + timedelta(days=1)
    amount = sum(
        (
            retainers.fee_on(plan, first).amount * term.renew_months / _months(plan.every)
            for plan in contract.retainers
            if ledger.terms(plan.key).last == ends
        ),
        ZERO,
    )
    yield Coming(
        what="renewal",
        subject=contract.contract_id,
        expected_on=first,
        amount=Money.rounded(amount, contract.currency) if amount else None,
    )


def _months(every: str) -> Decimal:
    """How many months a plan's period has; a year has 52 weeks and a day."""
    found = {"month": 1, "quarter": 3, "year": 12}.get(every)
    if found is not None:
        return Decimal(found)
    return int(every.split()[0]) * Decimal(7 * 12) / Decimal("365.25")


# --- what is billed -------------------------------------------------------------------------------


def _earned(state: ContractState, billing: BillingState) -> Iterator[EarnedInvoice]:
    since = months_until(state.today)[0]
    for number, invoice in sorted(billing.invoices.items()):
        report = state.invoices.get(number)
        is_issued = invoice.status is InvoiceStatus.ISSUED and invoice.kind is InvoiceKind.INVOICE
        if is_issued and report and report.invoice_id and invoice.due_on >= since:
            yield EarnedInvoice(
                title=invoice.title, earned_on=invoice.due_on, invoice_id=report.invoice_id
            )


def billed_hours(billing: BillingState, today: date) -> tuple[BilledHours, ...]:
    """The hours that count as billed, by person and month: those on issued invoices, less what was
    credited, and those of retainers in periods whose fee is on an issued invoice."""
    ledger, since = ledger_of(billing, today), months_until(today)[0]
    issued = [item for item in billing.invoices.values() if item.status is InvoiceStatus.ISSUED]
    measures = _measures(issued)
    found: dict[tuple[str, date], Decimal] = {}
    for line, fact in billing.hours.items():
        terms = ledger.terms(fact.plan)
        if fact.on < since:
            continue
        if isinstance(terms.latest, RetainerPlan):
            period = terms.period_of(fact.on)
            first = period.period.first if period else fact.on
            fee = keys.by_period(keys.FEE, fact.plan, first)
            hours = fact.hours if measures.get(fee, ZERO) > 0 else ZERO
        else:
            hours = measures.get(keys.hours(fact.plan, line), ZERO)
        if hours:
            key = fact.email or fact.person, month_of(fact.on)
            found[key] = found.get(key, ZERO) + hours
    return tuple(
        BilledHours(person=person, month=month, hours=hours)
        for (person, month), hours in sorted(found.items())
    )


def _measures(invoices: Iterable[Invoice]) -> dict[str, Decimal]:
    """The hours or days that invoices bill, by key."""
    found: dict[str, Decimal] = {}
    for invoice in invoices:
        for key, (_, measure) in invoice.by_key.items():
            found[key] = found.get(key, ZERO) + measure
    return found

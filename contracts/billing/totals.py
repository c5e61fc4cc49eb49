"""What people ask of a contract's billing: sums, what is not billed and why, what is still open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal

from contracts.billing import caps, deposits, keys, retainage
from contracts.billing.entitlements import ZERO
from contracts.billing.ledger import Ledger, credits_waiting, days_billed, kept, target
from contracts.billing.lines import rounded
from contracts.billing.occasions import is_settling, occasions
from contracts.billing.order import manual_lines
from contracts.billing.periods import DAY
from contracts.billing.posting import answered, ledger_of
from contracts.billing.state import BillingState, InvoiceStatus
from contracts.model import Frozen
from contracts.money import Money


class Sums(Frozen):
    """Where the money stands, without tax.

    `value` is what the contract comes to as amended: once everything is billed it is the sum of
    the invoices less the credit notes. `committed` is what is billed or proposed.
    """

    value: Money
    billed: Money
    committed: Money
    to_bill: Money
    deposit_left: Money
    retained: Money


class Unbilled(Frozen):
    """Something earned that is not billed, and why: a waiver, or what is above a cap."""

    what: str
    amount: Money
    reason: str


@answered
def sums(ledger: Ledger) -> Sums:
    """Where the contract's money stands."""
    committed = _lines(ledger, InvoiceStatus.PROPOSED, InvoiceStatus.ISSUED)
    value = rounded(_value(ledger), ledger.currency)
    return Sums.of_checked(
        value=ledger.money(value),
        billed=ledger.money(_lines(ledger, InvoiceStatus.ISSUED)),
        committed=ledger.money(committed),
        to_bill=ledger.money(value - committed),
        deposit_left=ledger.money(-deposits.to_settle(ledger)),
        retained=ledger.money(_retained(ledger)),
    )


def _lines(ledger: Ledger, *statuses: InvoiceStatus) -> Decimal:
    found = (item for item in ledger.state.invoices.values() if item.status in statuses)
    return sum((line.amount.amount for item in found for line in item.lines), ZERO)


def _value(ledger: Ledger) -> Decimal:
    """What everything comes to once it is billed, as far as it is known today."""
    value = ZERO
    for key in {**ledger.entitled, **ledger.accounts}:
        kind, account = keys.kind_of(key), ledger.account(key)
        if kind in (keys.DEDUCTED, keys.RETAINAGE, keys.CAP):
            continue
        wanted = account.amount if kind in keys.POTS else ledger.target(key)
        value += account.amount if wanted is None else wanted
    for item in ledger.state.contract.milestones:
        if item.key not in ledger.state.reached:
            key = keys.milestone(item.key)
            account = ledger.account(key)
            planned = target(key, item.amount.amount, account._replace(refused=ZERO))
            value += max(planned - (ledger.target(key) or ZERO), ZERO)
    for plan in ledger.index.terms:
        value += caps.room_in_the_end(ledger, plan) - caps.above_cap(ledger, plan)
    value += target(keys.DEDUCTED, -deposits.deposit(ledger), ledger.account(keys.DEDUCTED))
    refused = sum((_refused(ledger, number) for number in ledger.state.invoices), ZERO)
    return value - refused - _forfeited(ledger)


def _retained(ledger: Ledger) -> Decimal:
    """What is held back and neither released nor forfeited."""
    return _held(ledger, (item.number for item in retainage.holding(ledger)))


def _held(ledger: Ledger, numbers: Iterable[int]) -> Decimal:
    return sum((retainage.held(ledger, n) - _refused(ledger, n) for n in numbers), ZERO)


def _refused(ledger: Ledger, number: int) -> Decimal:
    """What somebody refused to pay out of what an invoice held back."""
    key = keys.retainage(number)
    account = ledger.account(key)
    return -target(key, ZERO, account) if account.refused else ZERO


def _forfeited(ledger: Ledger) -> Decimal:
    """What the terms of an early end lose of the retainage."""
    if not _is_lost(ledger):
        return ZERO
    return _held(ledger, (i.number for i in retainage.holding(ledger) if not i.released))


def _is_lost(ledger: Ledger) -> bool:
    return retainage.is_forfeited(ledger.state) and is_settling(ledger)


def delivered(billing: BillingState) -> dict[str, Decimal]:
    """Cumulative quantity by order line, of the lines whose delivery Odoo learns from us: what is
    on proposed and issued invoices."""
    return _delivered(ledger_of(billing))


@kept
def _delivered(ledger: Ledger) -> dict[str, Decimal]:
    manual = manual_lines(ledger.state.contract)
    found: dict[str, Decimal] = {}
    for invoice in ledger.state.invoices.values():
        for line in invoice.lines if invoice.counts else ():
            if line.order_line in manual:
                found[line.order_line] = found.get(line.order_line, ZERO) + line.quantity
    return found


@answered
def unbilled(ledger: Ledger) -> tuple[Unbilled, ...]:
    """What is earned and not billed, with the reasons: waivers and what is above caps."""
    billing, currency = ledger.state, ledger.currency
    found: dict[tuple[str, str], Decimal] = {}

    def add(what: str, amount: Decimal, reason: str) -> None:
        found[what, reason] = found.get((what, reason), ZERO) + amount

    for key, waivers in sorted(billing.waivers.items()):
        for item in waivers:
            add(_named(billing, key), item.amount, f"{item.by}: {item.reason}")
    for plan, terms in ledger.index.terms.items():
        allowed = billing.caps_allowed.get(plan)
        by = f" ({allowed.by}: {allowed.reason})" if allowed else ""
        cap = getattr(terms.latest, "cap", None)
        add(plan, caps.above_cap(ledger, plan), f"over the cap of {cap}{by}")
    add(keys.RETAINAGE, _forfeited(ledger), "the contract was ended early")
    return tuple(
        Unbilled(what=what, amount=Money(exact, currency), reason=reason)
        for (what, reason), amount in found.items()
        if (exact := rounded(amount, currency))
    )


def _named(billing: BillingState, key: str) -> str:
    """What a key is called: the milestone's name, the plan's key, or what it is."""
    kind = keys.kind_of(key)
    if kind == keys.MILESTONE:
        found = billing.contract.milestone(keys.plan_of(key))
        return found.name if found else keys.plan_of(key)
    if kind == keys.SERVICE_CREDIT:
        return f"service credit of {keys.plan_of(key)}"
    return keys.order_line_of(key)


@answered
def open_ends(ledger: Ledger) -> list[str]:
    """What still stands between the contract and its end, in words; empty if nothing does."""
    billing, today = ledger.state, ledger.today
    found = [
        f"milestone {item.key} is not reached"
        for item in billing.contract.milestones
        if item.key not in billing.reached and not ledger.is_dealt_with(item)
    ]
    for plan in billing.contract.plans:
        terms = ledger.terms(plan.key)
        period = terms.period_of(today)
        for kind in terms.kinds if period else ():
            if period and terms.due_after(kind, today) is not None:
                found.append(f"{plan.key} is to be billed for {period.period.name}")
    found += [f"{i.title} is {i.status}" for i in billing.invoices.values() if i.is_open]
    found += [f"a credit of invoice {i.number} is asked for" for i in credits_waiting(ledger)]
    found += [f"{item.title} is to be billed" for item in occasions(billing, today)]
    if left := -deposits.to_settle(ledger):
        found.append(f"{ledger.money(left)} of the deposit is not deducted")
    if (held := _retained(ledger)) and not _is_lost(ledger):
        found.append(f"{ledger.money(held)} is still held back")
    for key, change in sorted(ledger.differences.items(), key=lambda item: item[0]):
        if not ledger.account(key).open:
            shown = "has no price" if change is None else f"({change:f}) is not billed"
            found.append(f"{key} {shown}")
    return found


@answered
def is_over(ledger: Ledger) -> bool:
    """Whether nothing is left to read, bill or decide, and nothing will come by itself."""
    if not is_settling(ledger) or occasions(ledger.state, ledger.today):
        return False
    return _is_lost(ledger) or not _retained(ledger)


@answered
def next_invoice_on(ledger: Ledger) -> date | None:
    """The first day on which something is to be billed that is not issued yet; None where no day
    is known. One that has passed says that the invoice is late.

    It changes when an invoice is issued, and hardly otherwise: a milestone counts by its planned
    day until its invoice is issued, and a period by its bill's day, also while that is proposed.
    """
    agreed = ledger.state.contract.retainage
    days = [*_planned_days(ledger), *_bill_days(ledger)]
    if agreed and agreed.release_on and _retained(ledger):
        days.append(agreed.release_on)
    return min(days, default=None)


def _planned_days(ledger: Ledger) -> Iterator[date]:
    for item in ledger.state.contract.milestones:
        is_issued = ledger.is_dealt_with(item) and not ledger.account(keys.milestone(item.key)).open
        if item.due_on is not None and not is_issued:
            yield item.due_on


def _bill_days(ledger: Ledger) -> Iterator[date]:
    """Of bills that are proposed, and the next of each plan: today's too, until it is issued."""
    proposed = [item for item in ledger.state.invoices.values() if item.is_open and item.tracks]
    yield from (item.due_on for item in proposed)
    for plan in ledger.state.contract.plans:
        terms = ledger.terms(plan.key)
        for kind in terms.kinds:
            day = terms.due_after(kind, ledger.today - DAY)
            if day is not None and day in days_billed(ledger).get(f"{plan.key}:{kind}", ()):
                day = terms.due_after(kind, day)
            if day is not None:
                yield day

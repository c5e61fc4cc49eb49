"""What people ask of a contract's billing: sums, what is not billed and why, what is still open."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from contracts.billing import keys, pots
from contracts.billing.accounts import target
from contracts.billing.entitlements import ZERO
from contracts.billing.index import Index, index_of
from contracts.billing.lines import rounded
from contracts.billing.occasions import is_settling, pending
from contracts.billing.order import LineKind, order_lines
from contracts.billing.state import BillingState, InvoiceStatus
from contracts.billing.terms import due_after, latest, period_of, tracks_of
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


def sums(billing: BillingState, today: date) -> Sums:
    """Where the contract's money stands."""
    index, currency = index_of(billing, today), billing.contract.currency
    committed = _lines(billing, InvoiceStatus.PROPOSED, InvoiceStatus.ISSUED)
    value = rounded(_value(billing, index, today), currency)
    return Sums(
        value=Money(value, currency),
        billed=Money(_lines(billing, InvoiceStatus.ISSUED), currency),
        committed=Money(committed, currency),
        to_bill=Money(value - committed, currency),
        deposit_left=Money(-pots.settled_deposit(billing, index), currency),
        retained=Money(retained(billing, index), currency),
    )


def _lines(billing: BillingState, *statuses: InvoiceStatus) -> Decimal:
    found = (item for item in billing.invoices.values() if item.status in statuses)
    return sum((line.amount.amount for item in found for line in item.lines), ZERO)


def _value(billing: BillingState, index: Index, today: date) -> Decimal:
    """What everything comes to once it is billed, as far as it is known today."""
    value = ZERO
    for key in {**index.entitled, **index.accounts}:
        kind, account = keys.kind_of(key), index.account(key)
        if kind in (keys.DEDUCTED, keys.RETAINAGE, keys.CAP):
            continue
        wanted = account.amount if kind in keys.POTS else index.target(key)
        value += account.amount if wanted is None else wanted
    for item in billing.contract.milestones:
        if item.key not in billing.reached:
            key = keys.milestone(item.key)
            account = index.account(key)
            planned = target(key, item.amount.amount, account._replace(refused=ZERO))
            value += max(planned - (index.target(key) or ZERO), ZERO)
    for plan in billing.plans:
        value += pots.room(billing, index, plan) - pots.above_cap(index, plan)
    value += target(keys.DEDUCTED, -pots.deposit(billing, index), index.account(keys.DEDUCTED))
    return value - _refused(billing, index) - _forfeited(billing, index, today)


def retained(billing: BillingState, index: Index) -> Decimal:
    """What is held back and neither released nor forfeited."""
    held = (item.number for item in pots.holding(billing, index))
    return sum((pots.held(index, number) - _kept(index, number) for number in held), ZERO)


def _kept(index: Index, number: int) -> Decimal:
    """What somebody refused to pay out of what an invoice held back."""
    key = keys.retainage(number)
    account = index.account(key)
    return -target(key, ZERO, account) if account.refused else ZERO


def _refused(billing: BillingState, index: Index) -> Decimal:
    return sum((_kept(index, number) for number in billing.invoices), ZERO)


def _forfeited(billing: BillingState, index: Index, today: date) -> Decimal:
    """What the terms of an early end lose of the retainage."""
    if not _is_lost(billing, index, today):
        return ZERO
    lost = (i.number for i in pots.holding(billing, index) if not i.released)
    return sum((pots.held(index, number) - _kept(index, number) for number in lost), ZERO)


def delivered(billing: BillingState) -> dict[str, Decimal]:
    """Cumulative quantity by order line, of the lines whose delivery Odoo learns from us: what is
    on proposed and issued invoices."""
    manual = {item.key for item in order_lines(billing.contract) if item.kind is LineKind.MANUAL}
    found: dict[str, Decimal] = {}
    for invoice in billing.invoices.values():
        for line in invoice.lines if invoice.counts else ():
            if line.order_line in manual:
                found[line.order_line] = found.get(line.order_line, ZERO) + line.quantity
    return found


def unbilled(billing: BillingState, today: date) -> tuple[Unbilled, ...]:
    """What is earned and not billed, with the reasons: waivers and what is above caps."""
    index, currency = index_of(billing, today), billing.contract.currency
    found: dict[tuple[str, str], Decimal] = {}

    def add(what: str, amount: Decimal, reason: str) -> None:
        found[what, reason] = found.get((what, reason), ZERO) + amount

    for key, waivers in sorted(billing.waivers.items()):
        for item in waivers:
            add(_named(billing, key), item.amount, f"{item.by}: {item.reason}")
    for plan in billing.plans:
        allowed = billing.caps_allowed.get(plan)
        by = f" ({allowed.by}: {allowed.reason})" if allowed else ""
        cap = getattr(latest(billing, plan), "cap", None)
        add(plan, pots.above_cap(index, plan), f"over the cap of {cap}{by}")
    add(keys.RETAINAGE, _forfeited(billing, index, today), "the contract was ended early")
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


def open_ends(billing: BillingState, today: date) -> list[str]:
    """What still stands between the contract and its end, in words; empty if nothing does."""
    index, currency = index_of(billing, today), billing.contract.currency
    found = [
        f"milestone {item.key} is not reached"
        for item in billing.contract.milestones
        if item.key not in billing.reached
    ]
    for plan in billing.contract.plans:
        for kind in tracks_of(plan):
            due = due_after(billing, plan.key, kind, today)
            period = period_of(billing, plan.key, today)
            if due is not None and period is not None:
                found.append(f"{plan.key} is to be billed for {period.period.name}")
    found += [
        f"{item.title} is {item.status}" for item in billing.invoices.values() if item.is_open
    ]
    found += [
        f"a credit of invoice {item.number} is asked for"
        for item in billing.credit_requests.values()
        if not item.carried_by
    ]
    found += [f"{item.occasion.title} is to be billed" for item in pending(billing, index, today)]
    for amount, what in (
        (-pots.settled_deposit(billing, index), "of the deposit is not deducted"),
        (retained(billing, index), "is still held back"),
    ):
        if amount and not (what.endswith("back") and _is_lost(billing, index, today)):
            found.append(f"{Money(amount, currency)} {what}")
    for key, change in sorted(index.differences.items(), key=lambda item: item[0]):
        if not index.account(key).open:
            shown = "has no price" if change is None else f"({change:f}) is not billed"
            found.append(f"{key} {shown}")
    return found


def _is_lost(billing: BillingState, index: Index, today: date) -> bool:
    return pots.is_forfeited(billing) and is_settling(billing, index, today)


def is_over(billing: BillingState, today: date) -> bool:
    """Whether nothing is left to read, bill or decide, and nothing will come by itself."""
    index = index_of(billing, today)
    if not is_settling(billing, index, today) or pending(billing, index, today):
        return False
    return _is_lost(billing, index, today) or not retained(billing, index)

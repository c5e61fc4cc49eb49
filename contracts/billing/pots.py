"""Pots: caps, retainage, the deducted deposit and commitments, as functions of the sums to date.

Because each looks at what is billed in all and not at what happened last, the order in which facts
arrive does not change what it comes to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from contracts.billing import keys
from contracts.billing.drafting import Draft, Piece
from contracts.billing.entitlements import ZERO
from contracts.billing.index import Index
from contracts.billing.lines import QUANTITY_UNIT, rounded
from contracts.billing.state import BillingState, Invoice, InvoiceStatus
from contracts.model import ExpensePlan, Plan, RetainageOnTermination, TimePlan, UsagePlan

_RETAINAGE = f"{keys.RETAINAGE}:"

# --- caps -------------------------------------------------------------------------------------


def cap_of(plan: Plan) -> Decimal | None:
    if isinstance(plan, (TimePlan, ExpensePlan)) and plan.cap is not None:
        return plan.cap.amount
    return None


def is_allowed(billing: BillingState, plan: str, due: date) -> bool:
    """Whether somebody let what is due on a day be cut at the cap."""
    allowance = billing.caps_allowed.get(plan)
    return allowance is not None and due <= allowance.on


def cap_change(billing: BillingState, index: Index, plan: str, drafts: Sequence[Draft]) -> Decimal:
    """By how much the cap changes a bill of these lines: below zero it cuts, above it gives back
    room. What is billed already is never cut, even if the cap was lowered."""
    terms = billing.contract.plan(plan)
    cap = cap_of(terms) if terms else None
    change = above_cap(index, plan)
    if cap is not None:
        new = sum((draft.amount for draft in drafts), ZERO)
        change = min(_change(billing, index, plan, cap, new, firm) for firm in (False, True))
    positive = sum((max(draft.amount, ZERO) for draft in drafts), ZERO)
    return max(change, -positive)


def room(billing: BillingState, index: Index, plan: str) -> Decimal:
    """What was cut off before and is within the cap by now: to be billed after all."""
    return max(cap_change(billing, index, plan, ()), ZERO)


def above_cap(index: Index, plan: str) -> Decimal:
    """How much of what a plan bills is cut off by its cap."""
    return -index.account(f"{keys.CAP}:{plan}").amount


def _change(
    billing: BillingState, index: Index, plan: str, cap: Decimal, new: Decimal, firm: bool
) -> Decimal:
    """The change, with all that is billed; or (`firm`) without what open invoices take back: they
    may still be refused. What was credited for good is not billed again in its place."""
    key = f"{keys.CAP}:{plan}"
    spent, cut = index.net.get(plan, ZERO), index.account(key).amount
    for invoice in billing.invoices.values():
        if invoice.waives and invoice.counts:
            net = (p.amount for p in invoice.parts if keys.order_line_of(p.key) == plan)
            cap -= max(-sum(net, ZERO), ZERO)
        elif firm and invoice.status is InvoiceStatus.PROPOSED:
            spent -= sum((min(amount, ZERO) for amount in _by_line(invoice, plan)), ZERO)
            cut -= sum((max(p.amount, ZERO) for p in invoice.parts if p.key == key), ZERO)
    after = spent + new
    return min(max(cap, ZERO), after) - after - cut


def _by_line(invoice: Invoice, plan: str) -> Iterable[Decimal]:
    """What each line of an invoice bills of a plan, before its cap."""
    of_line: dict[int, Decimal] = {}
    for position, key, amount, _ in invoice.parts:
        if keys.order_line_of(key) == plan and keys.kind_of(key) != keys.CAP:
            of_line[position] = of_line.get(position, ZERO) + amount
    return of_line.values()


# --- retainage --------------------------------------------------------------------------------


def percent_on(billing: BillingState, due: date) -> Decimal:
    """What is held back of an invoice that is due on a day: from the day of its release on,
    nothing more is."""
    retainage = billing.contract.retainage
    if retainage is None or (retainage.release_on is not None and due >= retainage.release_on):
        return ZERO
    return retainage.percent


def held_target(
    billing: BillingState,
    index: Index,
    number: int,
    percent: Decimal,
    new: Iterable[Piece] = (),
) -> Decimal:
    """What is to be held back of what invoice `number` billed first, with new pieces counted."""
    if not percent:
        return ZERO
    timed = {plan.key for plan in billing.contract.time}
    base = ZERO
    for key, amount, _ in new:
        if keys.kind_of(key) in keys.RETAINED or _is_adjustment(key, timed):
            base += amount
    invoice = billing.invoices.get(number)
    for key in invoice.by_key if invoice else ():
        if keys.kind_of(key) in keys.RETAINED and index.account(key).first == number:
            base += index.account(key).amount
    for item in billing.invoices.values():
        if item.counts and number in (item.number, item.credited_number):
            base += sum((p.amount for p in item.parts if _is_adjustment(p.key, timed)), ZERO)
    return min(ZERO, -rounded(base * percent / 100, billing.contract.currency))


def _is_adjustment(key: str, timed: set[str]) -> bool:
    """Whether it changes what hours come to: a cap, or the rounding of their line."""
    return keys.kind_of(key) in (keys.CAP, keys.ROUNDING) and keys.plan_of(key) in timed


def held(index: Index, number: int) -> Decimal:
    """What is held back on an invoice, as a positive amount."""
    return -index.account(keys.retainage(number)).amount


def holding(billing: BillingState, index: Index) -> list[Invoice]:
    """The invoices that something is held back on."""
    return [item for item in billing.invoices.values() if item.counts and held(index, item.number)]


def is_forfeited(billing: BillingState) -> bool:
    """Whether an early end loses what is held back."""
    rule = billing.contract.termination.retainage
    return billing.early_end is not None and rule is RetainageOnTermination.FORFEIT


def released(billing: BillingState, index: Index, today: date, *, settling: bool) -> list[int]:
    """The invoices whose retainage is to be paid out now: asked for, on the agreed day, or once
    everything is billed."""
    retainage = billing.contract.retainage
    release_on = retainage.release_on if retainage else None
    come = release_on is not None and release_on <= today
    come = come or (settling and (release_on is None or billing.early_end is not None))
    found = []
    for item in holding(billing, index):
        key = keys.retainage(item.number)
        if item.status is not InvoiceStatus.ISSUED or index.account(key).open:
            continue
        wanted = item.released or (come and not (settling and is_forfeited(billing)))
        if wanted and index.change(key, ZERO):
            found.append(item.number)
    return found


# --- deposit ----------------------------------------------------------------------------------


def deposit(billing: BillingState, index: Index) -> Decimal:
    """The deposit less what was waived of it."""
    return index.target(keys.DEPOSIT) or ZERO


def deducted_target(billing: BillingState, index: Index, new: Iterable[Piece]) -> Decimal:
    """What is to be deducted of the deposit: in proportion to the milestones billed."""
    whole = deposit(billing, index)
    done = sum((amount for key, amount, _ in new if keys.kind_of(key) == keys.MILESTONE), ZERO)
    total = ZERO
    for item in billing.contract.milestones:
        account = index.account(keys.milestone(item.key))
        done += account.amount
        total += max(item.amount.amount - account.off, ZERO)
    if done >= total:
        return -whole
    return -rounded(whole * done / total, billing.contract.currency) if done > 0 else ZERO


def settled_deposit(billing: BillingState, index: Index) -> Decimal:
    """What is left of the deposit at the end: below zero it is given back, above it was deducted
    without ever being billed."""
    return index.change(keys.DEDUCTED, -deposit(billing, index))


def shown_deposit(billing: BillingState, index: Index) -> tuple[Decimal, Decimal]:
    """What is left of the deposit on all invoices, and the quantity shown for it."""
    lines = (line for item in billing.invoices.values() if item.counts for line in item.lines)
    quantities = (line.quantity for line in lines if line.order_line == keys.DEPOSIT)
    return index.net.get(keys.DEPOSIT, ZERO), sum(quantities, ZERO)


def change_of_share(share: Decimal, shown: Decimal, amount: Decimal) -> Decimal:
    """The quantity, at two decimals and never 0, that brings what is shown to a share.

    What is shown is 0 only where the share is, so that the last change is one, too.
    """
    wanted = share.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
    if wanted == 0 and share != 0:
        wanted = QUANTITY_UNIT.copy_sign(share)
    if wanted != shown:
        return wanted - shown
    step = QUANTITY_UNIT.copy_sign(amount)
    return -step if shown + step == 0 and share != 0 else step


# --- the settlement ---------------------------------------------------------------------------


def commitment_change(billing: BillingState, index: Index, plan: str) -> Decimal:
    """What is missing to a plan's commitment once it is over. Use that was given away counts."""
    terms, missing = billing.contract.plan(plan), ZERO
    if isinstance(terms, UsagePlan) and terms.commitment is not None:
        prefix = f"{keys.USAGE}:{plan}:"
        used = (e.amount or ZERO for k, e in index.entitled.items() if k.startswith(prefix))
        folded = billing.folded.get(plan)
        counted = sum(used, folded.used if folded else ZERO)
        missing = max(terms.commitment.amount - counted, ZERO)
    return index.change(f"{keys.COMMITMENT}:{plan}", missing)


def to_settle(billing: BillingState, index: Index) -> bool:
    """Whether a pot has something left that only the settlement brings."""
    numbers = retained_numbers(billing, index)
    return (
        bool(settled_deposit(billing, index))
        or any(commitment_change(billing, index, plan) for plan in billing.plans)
        or any(room(billing, index, plan) for plan in billing.plans)
        or any(retainage_change(billing, index, number) > 0 for number in numbers)
    )


def retainage_change(
    billing: BillingState, index: Index, number: int, new: Iterable[Piece] = ()
) -> Decimal:
    """By how much the retainage of an invoice is still to change, with new pieces counted: above
    zero what is held back too much is freed. An invoice that is gone holds nothing back; one that
    is on its way may be rejected, so nothing more is held back for it."""
    invoice, account = billing.invoices.get(number), index.account(keys.retainage(number))
    if account.open or (invoice is not None and invoice.released):
        return ZERO
    percent = invoice.retainage_percent if invoice is not None and invoice.counts else ZERO
    wanted = held_target(billing, index, number, percent, new)
    change = index.change(keys.retainage(number), wanted)
    return max(change, ZERO) if invoice is None or invoice.is_open else change


def retained_numbers(billing: BillingState, index: Index) -> list[int]:
    """The invoices that retainage is, or is to be, held back for."""
    found = {n for n, item in billing.invoices.items() if item.retainage_percent}
    held_back = (key for key in index.accounts if key.startswith(_RETAINAGE))
    return sorted(found | {int(keys.plan_of(key)) for key in held_back})

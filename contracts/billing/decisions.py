"""Decisions: what becomes of proposals, and what people release, credit, waive and let pass."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from contracts.billing import keys, retainage
from contracts.billing.composing import Composition
from contracts.billing.crediting import creditable, credited_invoice
from contracts.billing.occasions import OccasionKind
from contracts.billing.posting import changed, ledger_of
from contracts.billing.state import (
    BillingState,
    CapAllowance,
    CreditRequest,
    Invoice,
    InvoiceStatus,
    NotPossible,
    Waiver,
)
from contracts.model import ExpensePlan, TimePlan
from contracts.money import Money


def release_retainage(billing: BillingState, on: date, reason: str) -> BillingState:
    """Pay out what is held back on issued invoices: becomes an occasion. Raises NotPossible if
    nothing is held."""
    numbers = [
        item.number
        for item in retainage.holding(ledger_of(billing))
        if item.status is InvoiceStatus.ISSUED and not item.released
    ]
    if not numbers:
        raise NotPossible("nothing is held back on issued invoices")
    return _released(billing, numbers, reason)


def _released(billing: BillingState, numbers: Iterable[int], reason: str) -> BillingState:
    invoices = dict(billing.invoices)
    for number in numbers:
        known = invoices[number]
        update = {"released": True, "release_reason": known.release_reason or reason}
        invoices[number] = known.model_copy(update=update)
    return changed(billing, invoices=invoices)


def propose(billing: BillingState, composition: Composition) -> BillingState:
    """Enter a composed invoice as proposed; one without a proposal is settled by it. Raises
    NotPossible if its number is taken."""
    invoice = composition.invoice
    if invoice.number in billing.invoices:
        raise NotPossible(f"there is an invoice {invoice.number} already")
    requests = billing.credit_requests if invoice.is_open else _others(billing, invoice)
    new = _with(billing, invoice, credit_requests=requests)
    if invoice.occasion.partition(":")[0] != OccasionKind.RETAINAGE:
        return new
    # What is paid out is not held back again.
    numbers = [int(keys.plan_of(key)) for key in _own(invoice)]
    return _released(new, [number for number in numbers if number in new.invoices], "")


def issued(billing: BillingState, number: int) -> BillingState:
    """The invoice is posted. Repeating changes nothing."""
    invoice = billing.invoices.get(number)
    if invoice is None or invoice.status is not InvoiceStatus.PROPOSED:
        return billing
    new = invoice.model_copy(update={"status": InvoiceStatus.ISSUED})
    credited = billing.invoices.get(invoice.credited_number)
    again = credited.tracks if credited and invoice.reinvoice else ()
    read_until, requests = _unread(billing, again), _others(billing, invoice)
    return _with(billing, new, credit_requests=requests, read_until=read_until)


def rejected(billing: BillingState, number: int) -> BillingState:
    """The proposal is rejected: its keys wait until `retry_rejected` or `waive_rejected`."""
    invoice = billing.invoices.get(number)
    if invoice is None or invoice.status is not InvoiceStatus.PROPOSED:
        return billing
    return _with(billing, invoice.model_copy(update={"status": InvoiceStatus.REJECTED}))


def undecided(billing: BillingState) -> tuple[int, ...]:
    """The rejected proposals that a person still has to decide on."""
    return tuple(n for n, item in billing.invoices.items() if not item.counts)


def retry_rejected(billing: BillingState, number: int) -> BillingState:
    """Forget a rejected proposal: its differences are there again and are composed anew, from what
    is read anew."""
    invoice = _undecided(billing, number)
    return _without(billing, invoice, read_until=_unread(billing, invoice.tracks))


def waive_rejected(
    billing: BillingState, number: int, by: str, reason: str, on: date
) -> BillingState:
    """Waive what a rejected proposal billed, or refuse what it gave back. What it took along for
    other keys comes with the next invoice."""
    invoice = _undecided(billing, number)
    waivers = dict(billing.waivers)
    for key in _own(invoice):
        amount, _ = invoice.by_key[key]
        if amount:
            new = Waiver(key=key, amount=amount, by=by, reason=reason, on=on)
            waivers[key] = (*waivers.get(key, ()), new)
    requests = _others(billing, invoice)
    return _without(billing, invoice, credit_requests=requests, waivers=waivers)


def _own(invoice: Invoice) -> list[str]:
    """The keys that an invoice was about, without what it took along."""
    kind = invoice.occasion.partition(":")[0]
    if kind == OccasionKind.CREDIT:
        return []
    if kind == OccasionKind.SETTLEMENT:
        left_out = {keys.CAP, keys.ROUNDING, keys.RETAINAGE}
        return [key for key in invoice.by_key if keys.kind_of(key) not in left_out]
    if kind != OccasionKind.PERIOD:
        return [key for key in invoice.by_key if keys.kind_of(key) == kind]
    found = [key for key in invoice.by_key if keys.kind_of(key) in keys.BY_PERIOD]
    return [k for k in found if keys.kind_of(k) != keys.FEE or invoice.by_key[k][0] > 0]


def _undecided(billing: BillingState, number: int) -> Invoice:
    invoice = billing.invoices.get(number)
    if invoice is None or invoice.counts:
        raise NotPossible(f"proposal {number} does not wait for a decision")
    return invoice


def _others(billing: BillingState, invoice: Invoice) -> dict[str, CreditRequest]:
    """The credits asked for, without the one that an invoice carries."""
    return {k: item for k, item in billing.credit_requests.items() if k != invoice.occasion}


def _unread(billing: BillingState, tracks: Iterable[str]) -> dict[str, date]:
    """How far plans are read, without those that are to be read anew."""
    anew = {track.partition(":")[0] for track in tracks}
    return {plan: day for plan, day in billing.read_until.items() if plan not in anew}


def _with(billing: BillingState, invoice: Invoice, **fields: Any) -> BillingState:
    return changed(billing, invoices={**billing.invoices, invoice.number: invoice}, **fields)


def _without(billing: BillingState, invoice: Invoice, **fields: Any) -> BillingState:
    left = {n: item for n, item in billing.invoices.items() if item is not invoice}
    return changed(billing, invoices=left, **fields)


def request_credit(
    billing: BillingState,
    number: int,
    on: date,
    reason: str,
    by: str,
    amount: Money | None = None,
    *,
    reinvoice: bool = False,
) -> BillingState:
    """Credit an issued invoice, in whole or by an amount: becomes an occasion. What is credited is
    waived, or with `reinvoice` billed anew once the credit note is issued, at the terms and facts
    of then. Raises NotPossible with the reason."""
    ledger = ledger_of(billing)
    invoice, left = credited_invoice(ledger, number), ledger.money(creditable(ledger, number))
    whole = amount is None or amount == left
    wanted = left if amount is None else amount
    waiting = [item for item in billing.credit_requests.values() if item.number == number]
    # An invoice may come to nothing, its deposit deducted, and still be credited in whole.
    total = sum(part.amount for part in invoice.parts)
    nothing = not total and not waiting and _is_untouched(billing, invoice)
    possible = wanted.currency == left.currency and wanted <= left
    if not possible or not (wanted.is_positive or (whole and nothing)):
        raise NotPossible(f"{left} of invoice {number} can still be credited, not {wanted}")
    if reinvoice and any(keys.kind_of(key) == keys.SETTLED for key in invoice.by_key):
        raise NotPossible(f"what invoice {number} bills is settled for good")
    if reinvoice and (not whole or waiting):
        raise NotPossible("only an invoice that is credited in whole can be issued anew")
    # Counted over all that were ever asked for: a key that is free again is not given twice.
    count = billing.credits_asked + 1
    key = f"credit:{number}:{count}"
    request = CreditRequest(
        key=key,
        number=number,
        on=on,
        reason=reason,
        by=by,
        amount=None if whole else wanted.amount,
        reinvoice=reinvoice,
    )
    requests = {**billing.credit_requests, key: request}
    return changed(billing, credit_requests=requests, credits_asked=count)


def _is_untouched(billing: BillingState, invoice: Invoice) -> bool:
    others = billing.invoices.values()
    return not any(item.credited_number == invoice.number and item.counts for item in others)


def allow_cap(
    billing: BillingState, plan: str, on: date, by: str, reason: str, over: Money | None = None
) -> BillingState:
    """Bill up to the cap what is due by `on` and exceeds it by at most `over` (None: whatever it
    is): a decision by name. What is above is listed by `unbilled`, and is billed after all if the
    cap is raised."""
    if not isinstance(billing.contract.plan(plan), (TimePlan, ExpensePlan)):
        raise NotPossible(f"the contract has no plan {plan} with a cap")
    most = over.amount if over is not None else None
    allowed = CapAllowance(plan=plan, on=on, by=by, reason=reason, over=most)
    return changed(billing, caps_allowed={**billing.caps_allowed, plan: allowed})

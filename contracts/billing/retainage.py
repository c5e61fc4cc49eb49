"""Retainage: held back from what is billed of milestones and hours, and released.

What an invoice holds back is a function of what its keys come to by now; so a correction on a later
invoice changes it, and what one cannot bear is held back from the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal

from contracts.billing import keys
from contracts.billing.drafting import titled
from contracts.billing.drafts import Draft, Piece, amount_of, of_amount, once
from contracts.billing.entitlements import ZERO
from contracts.billing.ledger import Ledger, kept
from contracts.billing.lines import rounded
from contracts.billing.state import NO_LINE, BillingState, Invoice, InvoiceStatus
from contracts.billing.terms import PlanTerms
from contracts.model import RetainageOnTermination


def percent_on(state: BillingState, due: date) -> Decimal:
    """What is held back of an invoice that is due on a day: from the day of its release on,
    nothing more is."""
    retainage = state.contract.retainage
    if retainage is None or (retainage.release_on is not None and due >= retainage.release_on):
        return ZERO
    return retainage.percent


def held(ledger: Ledger, number: int) -> Decimal:
    """What is held back on an invoice, as a positive amount."""
    return -ledger.account(keys.retainage(number)).amount


@kept
def holding(ledger: Ledger) -> list[Invoice]:
    """The invoices that something is held back on."""
    return [i for i in ledger.state.invoices.values() if i.counts and held(ledger, i.number)]


@kept
def numbers(ledger: Ledger) -> list[int]:
    """The invoices that retainage is, or is to be, held back for."""
    found = {n for n, item in ledger.state.invoices.items() if item.retainage_percent}
    prefix = f"{keys.RETAINAGE}:"
    accounts = (key for key in ledger.accounts if key.startswith(prefix))
    return sorted(found | {int(keys.plan_of(key)) for key in accounts})


def is_forfeited(state: BillingState) -> bool:
    """Whether an early end loses what is held back."""
    rule = state.contract.termination.retainage
    return state.early_end is not None and rule is RetainageOnTermination.FORFEIT


def to_release(ledger: Ledger, *, settling: bool) -> list[int]:
    """The invoices whose retainage is to be paid out now: asked for, on the agreed day, or once
    everything is billed."""
    state, retainage = ledger.state, ledger.state.contract.retainage
    release_on = retainage.release_on if retainage else None
    come = release_on is not None and release_on <= ledger.today
    over = settling or _is_all_billed(ledger)
    come = come or (over and (release_on is None or state.early_end is not None))
    come = come and not (over and is_forfeited(state))
    return [
        item.number
        for item in holding(ledger)
        if item.status is InvoiceStatus.ISSUED
        and (item.released or come)
        and not ledger.account(keys.retainage(item.number)).open
        and ledger.change_of_pot(keys.retainage(item.number), ZERO)
    ]


def _is_all_billed(ledger: Ledger) -> bool:
    """Whether nothing more comes of what retainage is held back from: every milestone is billed,
    and no hours are to come."""
    state = ledger.state
    lives = [ledger.terms(plan.key) for plan in state.contract.time]
    return (
        bool(state.contract.milestones)
        and all(ledger.is_dealt_with(item) for item in state.contract.milestones)
        and all(_is_read_to_its_end(ledger, terms) for terms in lives)
        and not any(keys.kind_of(key) in keys.RETAINED for key in ledger.differences)
        and not any(item.is_open for item in state.invoices.values() if item.retainage_percent)
    )


def _is_read_to_its_end(ledger: Ledger, terms: PlanTerms) -> bool:
    return terms.last is not None and terms.last <= ledger.state.read_until.get(terms.key, date.min)


def change_of(ledger: Ledger, number: int, new: Iterable[Piece] = ()) -> Decimal:
    """By how much the retainage of an invoice is still to change, with new pieces counted: above
    zero what is held back too much is freed. An invoice that is gone holds nothing back, nor does
    any once no retainage is agreed; one that is on its way may be rejected, so nothing more is held
    back for it."""
    invoice, key = ledger.state.invoices.get(number), keys.retainage(number)
    if ledger.account(key).open or (invoice is not None and invoice.released):
        return ZERO
    percent, agreed = ZERO, ledger.state.contract.retainage
    if agreed is not None and invoice is not None and invoice.counts:
        percent = invoice.retainage_percent
    change = ledger.change_of_pot(key, _target(ledger, number, percent, new))
    return max(change, ZERO) if invoice is None or invoice.is_open else change


def _target(ledger: Ledger, number: int, percent: Decimal, new: Iterable[Piece]) -> Decimal:
    """What is to be held back of what invoice `number` billed first, with new pieces counted."""
    if not percent:
        return ZERO
    timed = {plan.key for plan in ledger.state.contract.time}
    base = amount_of(p for p in new if p.kind in keys.RETAINED or _is_adjustment(p.key, timed))
    invoice = ledger.state.invoices.get(number)
    for key in invoice.by_key if invoice else ():
        if keys.kind_of(key) in keys.RETAINED and ledger.account(key).first == number:
            base += ledger.account(key).amount
    for item in ledger.state.invoices.values():
        if item.counts and number in (item.number, item.credited_number):
            base += sum((p.amount for p in item.parts if _is_adjustment(p.key, timed)), ZERO)
    return min(ZERO, -rounded(base * percent / 100, ledger.currency))


def _is_adjustment(key: str, timed: set[str]) -> bool:
    """Whether it changes what hours come to: a cap, or the rounding of their line."""
    return keys.kind_of(key) in (keys.CAP, keys.ROUNDING) and keys.plan_of(key) in timed


# --- lines --------------------------------------------------------------------------------------


def held_back(
    ledger: Ledger, number: int, percent: Decimal, drafts: Sequence[Draft]
) -> Iterator[Draft]:
    """The retainage of a new invoice, at most its total; then that of earlier invoices whose keys
    change on it."""
    total = amount_of(drafts)
    own: list[Piece] = []
    earlier: dict[int, list[Piece]] = {}
    for piece in (piece for draft in drafts for piece in draft.pieces):
        if piece.kind in keys.RETAINED and (first := ledger.account(piece.key).first):
            earlier.setdefault(first, []).append(piece)
        elif piece.kind in (*keys.RETAINED, keys.CAP, keys.ROUNDING):
            own.append(piece)
    changes = [(number, _target(ledger, number, percent, own))]
    changes += [(n, change_of(ledger, n, pieces)) for n, pieces in sorted(earlier.items())]
    for of, change in changes:
        change = max(change, min(-total, ZERO))
        if change:
            total += change
            yield line(ledger, of, change, percent)


def line(ledger: Ledger, number: int, change: Decimal, percent: Decimal) -> Draft:
    """A line that holds back for an invoice, or frees; `percent` counts for one that is new."""
    key, invoice = keys.retainage(number), ledger.state.invoices.get(number)
    percent = invoice.retainage_percent if invoice else percent
    text = f"Retainage of {percent:f} % held back"
    if ledger.account(key).amount:
        text += ", corrected"
    return of_amount(ledger, keys.RETAINAGE, text, key, change)


def released_lines(ledger: Ledger, own: Iterable[str]) -> Iterator[Draft]:
    """The mirror image of each line that held something back or freed it, so that quantities end
    at zero in Odoo where the amounts do."""
    text = titled(ledger, "Retainage released")
    for key in own:
        for invoice in ledger.state.invoices.values():
            for part in invoice.parts if invoice.counts and key in invoice.by_key else ():
                if part.key == key and part.line != NO_LINE:
                    shown, piece = invoice.lines[part.line], Piece(key, -part.amount)
                    draft = once(keys.RETAINAGE, text, -part.amount, [piece])
                    # Lines of a folded invoice hold more than one part.
                    whole = shown.amount.amount == part.amount
                    yield draft.shown_as(-shown.quantity) if whole else draft

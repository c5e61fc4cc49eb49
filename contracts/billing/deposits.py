"""The deposit: deducted from milestones in proportion, and settled at the end."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from contracts.billing import keys
from contracts.billing.drafting import titled
from contracts.billing.drafts import Draft, Piece, amount_of, once
from contracts.billing.entitlements import ZERO
from contracts.billing.ledger import Ledger
from contracts.billing.lines import QUANTITY_UNIT, rounded
from contracts.billing.state import InvoiceStatus

_NOTHING = (ZERO, ZERO)


def deposit(ledger: Ledger) -> Decimal:
    """The deposit less what was waived of it."""
    return ledger.target(keys.DEPOSIT) or ZERO


def to_settle(ledger: Ledger) -> Decimal:
    """What is left of the deposit at the end: below zero it is given back, above it was deducted
    without ever being billed."""
    return ledger.change_of_pot(keys.DEDUCTED, -deposit(ledger))


def settlement(ledger: Ledger) -> list[Draft]:
    """The line that brings the deposit to zero at the end, if one is necessary."""
    amount = to_settle(ledger)
    text = "given back" if amount < 0 else "deducted, but never billed"
    return [_line(ledger, f"Down payment {text}", amount)] if amount else []


def deduction(ledger: Ledger, pieces: Iterable[Piece]) -> list[Draft]:
    """What milestones that are billed deduct of the deposit: never more than they come to."""
    billed = [piece for piece in pieces if piece.kind == keys.MILESTONE]
    if not billed:
        return []
    amount = _target(ledger, billed) - ledger.account(keys.DEDUCTED).amount
    come_to = amount_of(billed)
    amount = max(amount, min(-come_to, ZERO), _not_deducted(ledger))
    amount = min(amount, max(-come_to, ZERO))
    if not amount:
        return []
    name = keys.plan_of(billed[0].key)
    item = ledger.state.contract.milestone(name)
    return [_line(ledger, f"Down payment deducted: {item.name if item else name}", amount)]


def _not_deducted(ledger: Ledger) -> Decimal:
    """What of the deposit can still be deducted, zero or below: what an open credit gives back
    stays deducted if that is rejected."""
    deducted = ledger.account(keys.DEDUCTED).amount
    for invoice in ledger.state.invoices.values():
        if invoice.status is InvoiceStatus.PROPOSED:
            deducted -= max(invoice.by_key.get(keys.DEDUCTED, _NOTHING)[0], ZERO)
    return min(-deposit(ledger) - deducted, ZERO)


def _line(ledger: Ledger, text: str, amount: Decimal) -> Draft:
    piece = Piece(keys.DEDUCTED, amount, Decimal(-1))
    return once(keys.DEPOSIT, titled(ledger, text), amount, [piece])


def _target(ledger: Ledger, new: Iterable[Piece]) -> Decimal:
    """What is to be deducted of the deposit: in proportion to the milestones billed."""
    whole, done, total = deposit(ledger), amount_of(new), ZERO
    for item in ledger.state.contract.milestones:
        account = ledger.account(keys.milestone(item.key))
        done += account.amount
        total += max(item.amount.amount - account.off, ZERO)
    if done >= total:
        return -whole
    return -rounded(whole * done / total, ledger.currency) if done > 0 else ZERO


def with_shares(ledger: Ledger, drafts: list[Draft]) -> list[Draft]:
    """The lines of an invoice, those of the deposit shown as the share by which each changes what
    is left of it: so the quantities on its order line end at 0 where the amounts do."""
    terms = ledger.state.contract.deposit
    if terms is None or not any(draft.order_line == keys.DEPOSIT for draft in drafts):
        return drafts
    standing = (item for item in ledger.state.invoices.values() if item.counts)
    lines = (line for item in standing for line in item.lines)
    shown = sum((line.quantity for line in lines if line.order_line == keys.DEPOSIT), ZERO)
    left, found = ledger.billed_on(keys.DEPOSIT), []
    for draft in drafts:
        if draft.order_line == keys.DEPOSIT and draft.amount:
            left += draft.amount
            change = _change_of_share(left / terms.amount.amount, shown, draft.amount)
            shown += change
            draft = draft.shown_as(change)
        found.append(draft)
    return found


def _change_of_share(share: Decimal, shown: Decimal, amount: Decimal) -> Decimal:
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

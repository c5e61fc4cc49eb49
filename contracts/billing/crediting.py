"""Credits that people ask for: how much of an invoice can be credited, and the credit's lines.

A credit note mirrors the parts of its invoice, each by at most what is billed of its key by now,
and what earlier credits of the invoice have left of it. So what was corrected since is not credited
twice, nor what another invoice bills; and what was deducted is owed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from contracts.billing import keys
from contracts.billing.drafts import Draft, Piece, amount_of, once
from contracts.billing.entitlements import ZERO
from contracts.billing.ledger import Ledger, credits_waiting
from contracts.billing.lines import ONE, PRICE_UNIT, QUANTITY_UNIT, InvoiceKind, rounded
from contracts.billing.posting import ledger_of
from contracts.billing.state import (
    NO_LINE,
    BillingState,
    CreditRequest,
    Invoice,
    InvoiceStatus,
    NotPossible,
    Part,
)
from contracts.money import Money

_LONGEST = 200
_NOT_EARNED = frozenset(
    {keys.DEDUCTED, keys.RETAINAGE, keys.CAP, keys.ROUNDING, keys.SERVICE_CREDIT}
)


def credited_invoice(ledger: Ledger, number: int) -> Invoice:
    """The issued invoice of that number. Raises NotPossible for anything else."""
    invoice = ledger.state.invoices.get(number)
    if invoice is None or invoice.status is not InvoiceStatus.ISSUED:
        raise NotPossible(f"invoice {number} is not issued, so it cannot be credited")
    if invoice.kind is not InvoiceKind.INVOICE:
        raise NotPossible(f"invoice {number} is a credit note itself")
    return invoice


def creditable(billing: BillingState, number: int) -> Money:
    """What of an issued invoice can still be credited, less what is asked for already. Raises
    NotPossible for anything else."""
    ledger = ledger_of(billing)
    left = -amount_of(_whole(ledger, credited_invoice(ledger, number)))
    for item in credits_waiting(ledger):
        if item.number == number:
            left = ZERO if item.amount is None else left - item.amount
    return ledger.money(max(left, ZERO))


def credit_drafts(ledger: Ledger, request: CreditRequest) -> list[Draft]:
    """The lines of a credit note."""
    invoice = credited_invoice(ledger, request.number)
    whole = _whole(ledger, invoice)
    if request.amount is None or request.amount >= -amount_of(whole):
        return whole
    return _in_part(ledger, invoice, request.amount)


# --- in whole -----------------------------------------------------------------------------------


def _whole(ledger: Ledger, invoice: Invoice) -> list[Draft]:
    """Every line with the opposite sign, less what is not billed any more."""
    left = _left(ledger, invoice)
    by_line: dict[int, list[Part]] = {}
    for part in invoice.parts:
        by_line.setdefault(part.line, []).append(part)
    drafts: list[Draft] = []
    for position, line in enumerate(invoice.lines):
        pieces = [
            Piece(part.key, -amount, -_measure(ledger, part, amount))
            for part in by_line.get(position, ())
            if (amount := _at_most(part, left))
        ]
        exact = amount_of(pieces)
        amount = rounded(exact, ledger.currency)
        if amount != exact:
            pieces.append(Piece(keys.rounding(line.order_line), amount - exact))
        draft = once(line.order_line, _text(line.description), amount, pieces)
        if amount == -line.amount.amount:
            draft = draft._replace(quantity=-line.quantity, unit_price=line.unit_price)
        if pieces:
            drafts.append(draft._replace(service=line.service_code))
    silent = by_line.get(NO_LINE, [])
    pieces = [Piece(p.key, -p.amount, -p.measure) for p in silent if _at_most(p, left) == p.amount]
    if pieces and not amount_of(pieces):
        drafts.append(once(silent[0].key, "", ZERO, pieces))
    return drafts


def _text(description: str) -> str:
    return f"Credit: {description}"[:_LONGEST]


def _measure(ledger: Ledger, part: Part, amount: Decimal) -> Decimal:
    """The measure of the part that is credited: of the whole key, if nothing is left of it."""
    if amount == part.amount:
        return part.measure
    account = ledger.account(part.key)
    return account.measure if amount == account.amount else ZERO


def _left(ledger: Ledger, invoice: Invoice) -> dict[str, Decimal]:
    """What of each key of an invoice is billed by now, and not credited of the invoice itself; of a
    deposit, what is not deducted."""
    left = {key: ledger.account(key).amount for key in invoice.by_key}
    if keys.DEPOSIT in left:
        deducted = ledger.account(keys.DEDUCTED).amount
        left[keys.DEPOSIT] = max(left[keys.DEPOSIT] + deducted, ZERO)
    for key, own in _uncredited(ledger, invoice).items():
        least, most = min(own, ZERO), max(own, ZERO)
        left[key] = max(least, min(left[key], most))
    return left


def _uncredited(ledger: Ledger, invoice: Invoice) -> dict[str, Decimal]:
    """What an invoice has billed of each key, less its credits: of a key that it shares with other
    invoices, what those bill is no part of it."""
    own = {key: amount for key, (amount, _) in invoice.by_key.items()}
    for credit in ledger.state.invoices.values():
        if credit.counts and credit.credited_number == invoice.number:
            for key, (amount, _) in credit.by_key.items():
                if key in own:
                    own[key] += amount
    return own


def _at_most(part: Part, left: dict[str, Decimal]) -> Decimal:
    """The part, but no more than is left of its key; takes it off what is left."""
    if keys.kind_of(part.key) == keys.ROUNDING:
        return part.amount
    known, amount = left[part.key], part.amount
    if amount > 0:
        amount = min(amount, max(known, ZERO))
    elif keys.kind_of(part.key) in keys.NEGATIVE:
        amount = max(amount, min(known, ZERO))
    left[part.key] = known - amount
    return amount


# --- in part ------------------------------------------------------------------------------------


def _in_part(ledger: Ledger, invoice: Invoice, wanted: Decimal) -> list[Draft]:
    """An amount spread over the lines that earn, in proportion; deductions stay as billed."""
    left = _left(ledger, invoice)
    rooms: list[tuple[int, list[Piece], Decimal]] = []
    for position, line in enumerate(invoice.lines):
        parts = (part for part in invoice.parts if part.line == position and part.amount > 0)
        earning = (part for part in parts if keys.kind_of(part.key) not in _NOT_EARNED)
        found = [Piece(p.key, amount) for p in earning if (amount := _at_most(p, left)) > 0]
        room = min(amount_of(found), line.amount.amount)
        if room > 0:
            rooms.append((position, found, room))
    currency = ledger.currency
    shares = _shares(wanted, [room for _, _, room in rooms], lambda part: rounded(part, currency))
    drafts: list[Draft] = []
    for (position, found, _), amount in zip(rooms, shares, strict=True):
        if amount:
            line = invoice.lines[position]
            parts_of = _shares(amount, [p.amount for p in found], lambda p: p.quantize(PRICE_UNIT))
            pieces = [Piece(p.key, -part) for p, part in zip(found, parts_of, strict=True)]
            share = (amount / line.amount.amount).quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
            share = min(max(share, QUANTITY_UNIT), ONE)
            draft = once(line.order_line, _text(line.description), -amount, pieces)
            drafts.append(draft.shown_as(-share)._replace(service=line.service_code))
    return drafts


def _shares(
    amount: Decimal, weights: Sequence[Decimal], nearest: Callable[[Decimal], Decimal]
) -> Iterable[Decimal]:
    """An amount in proportion, rounded on the running total: the last one takes what is left."""
    total, running, given = sum(weights, ZERO), ZERO, ZERO
    for position, weight in enumerate(weights):
        running += weight
        is_last = position == len(weights) - 1
        until_here = amount if is_last else nearest(amount * running / total)
        yield until_here - given
        given = until_here

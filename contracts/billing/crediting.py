"""Credits that people ask for: how much of an invoice can be credited, and the credit's lines.

A credit note mirrors the parts of its invoice, each by at most what is billed of its key by now. So
what was corrected since is not credited twice, and what was deducted is owed again.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from contracts.billing import keys
from contracts.billing.drafting import Draft, Drafter, Piece
from contracts.billing.entitlements import ZERO
from contracts.billing.index import Index
from contracts.billing.lines import ONE, PRICE_UNIT, QUANTITY_UNIT, InvoiceKind, rounded
from contracts.billing.state import (
    NO_LINE,
    BillingState,
    CreditRequest,
    Invoice,
    InvoiceStatus,
    NotPossible,
    Part,
)

_LONGEST = 200
_NOT_EARNED = frozenset(
    {keys.DEDUCTED, keys.RETAINAGE, keys.CAP, keys.ROUNDING, keys.SERVICE_CREDIT}
)


def credited_invoice(billing: BillingState, number: int) -> Invoice:
    """The issued invoice of that number. Raises NotPossible for anything else."""
    invoice = billing.invoices.get(number)
    if invoice is None or invoice.status is not InvoiceStatus.ISSUED:
        raise NotPossible(f"invoice {number} is not issued, so it cannot be credited")
    if invoice.kind is not InvoiceKind.INVOICE:
        raise NotPossible(f"invoice {number} is a credit note itself")
    return invoice


def creditable(billing: BillingState, index: Index, number: int) -> Decimal:
    """What of an issued invoice can still be credited, less what is asked for already."""
    left = _sum(_whole(billing, index, credited_invoice(billing, number)))
    for item in billing.credit_requests.values():
        if item.number == number and not item.carried_by:
            left = ZERO if item.amount is None else left - item.amount
    return max(left, ZERO)


def credit_drafts(billing: BillingState, index: Index, request: CreditRequest) -> list[Draft]:
    """The lines of a credit note."""
    invoice = credited_invoice(billing, request.number)
    whole = _whole(billing, index, invoice)
    if request.amount is None or request.amount >= _sum(whole):
        return whole
    return _part(billing, index, invoice, request.amount)


def _sum(drafts: list[Draft]) -> Decimal:
    return -sum((draft.amount for draft in drafts), ZERO)


def _whole(billing: BillingState, index: Index, invoice: Invoice) -> list[Draft]:
    """Every line with the opposite sign, less what is not billed any more."""
    drafter, left = Drafter(billing, index), _left(index, invoice)
    drafts: list[Draft] = []
    for position, line in enumerate(invoice.lines):
        pieces: list[Piece] = []
        for part in invoice.parts:
            if part.line == position and (amount := _at_most(part, left)):
                pieces.append((part.key, -amount, -_measure(index, part, amount)))
        exact = sum((amount for _, amount, _ in pieces), ZERO)
        amount = rounded(exact, billing.contract.currency)
        if amount != exact:
            pieces.append((f"{keys.ROUNDING}:{line.order_line}", amount - exact, ZERO))
        text = f"Credit: {line.description}"[:_LONGEST]
        draft = drafter.shown_as(line.order_line, text, amount, ONE, tuple(pieces))
        if amount == -line.amount.amount:
            draft = draft._replace(quantity=-line.quantity, unit_price=line.unit_price)
        if pieces:
            drafts.append(draft._replace(service=line.service_code))
    silent = [part for part in invoice.parts if part.line == NO_LINE]
    pieces = [(p.key, -p.amount, -p.measure) for p in silent if _at_most(p, left) == p.amount]
    if pieces and not sum((amount for _, amount, _ in pieces), ZERO):
        drafts.append(Draft(silent[0].key, "", ONE, ZERO, ZERO, tuple(pieces)))
    return drafts


def _measure(index: Index, part: Part, amount: Decimal) -> Decimal:
    """The measure of the part that is credited: of the whole key, if nothing is left of it."""
    if amount == part.amount:
        return part.measure
    account = index.account(part.key)
    return account.measure if amount == account.amount else ZERO


def _left(index: Index, invoice: Invoice) -> dict[str, Decimal]:
    """What of each key of an invoice is billed by now; of a deposit, what is not deducted."""
    left = {key: index.account(key).amount for key in invoice.by_key}
    if keys.DEPOSIT in left:
        deducted = index.account(keys.DEDUCTED).amount
        left[keys.DEPOSIT] = max(left[keys.DEPOSIT] + deducted, ZERO)
    return left


def _at_most(part: Part, left: dict[str, Decimal]) -> Decimal:
    """The part, but no more than is left of its key; takes it off what is left."""
    if keys.kind_of(part.key) == keys.ROUNDING:
        return part.amount
    known = left[part.key]
    if part.amount > 0:
        amount = min(part.amount, max(known, ZERO))
    elif keys.kind_of(part.key) in keys.NEGATIVE:
        amount = max(part.amount, min(known, ZERO))
    else:
        amount = part.amount
    left[part.key] = known - amount
    return amount


def _part(billing: BillingState, index: Index, invoice: Invoice, wanted: Decimal) -> list[Draft]:
    """An amount spread over the lines that earn, in proportion; deductions stay as billed."""
    drafter, left = Drafter(billing, index), _left(index, invoice)
    rooms: list[tuple[int, list[tuple[str, Decimal]], Decimal]] = []
    for position, line in enumerate(invoice.lines):
        parts = (part for part in invoice.parts if part.line == position and part.amount > 0)
        earning = [part for part in parts if keys.kind_of(part.key) not in _NOT_EARNED]
        found = [(part.key, amount) for part in earning if (amount := _at_most(part, left)) > 0]
        room = min(sum((amount for _, amount in found), ZERO), line.amount.amount)
        if room > 0:
            rooms.append((position, found, room))
    total = sum((room for _, _, room in rooms), ZERO)
    currency, drafts = billing.contract.currency, []
    running = given = ZERO
    for position, found, room in rooms:
        running += room
        until_here = rounded(wanted * running / total, currency)
        amount, given = until_here - given, until_here
        if not amount:
            continue
        line = invoice.lines[position]
        whole = sum((part for _, part in found), ZERO)
        pieces = _spread(found, amount, whole)
        share = (amount / line.amount.amount).quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
        share = min(max(share, QUANTITY_UNIT), ONE)
        text = f"Credit: {line.description}"[:_LONGEST]
        draft = drafter.shown_as(line.order_line, text, -amount, -share, pieces)
        drafts.append(draft._replace(service=line.service_code))
    return drafts


def _spread(found: list[tuple[str, Decimal]], amount: Decimal, whole: Decimal) -> tuple[Piece, ...]:
    """An amount over the keys of a line, in proportion; the last one takes the rest."""
    pieces: list[Piece] = []
    running = given = ZERO
    for position, (key, part) in enumerate(found):
        running += part
        last = position == len(found) - 1
        until_here = amount if last else (amount * running / whole).quantize(PRICE_UNIT)
        pieces.append((key, -(until_here - given), ZERO))
        given = until_here
    return tuple(pieces)

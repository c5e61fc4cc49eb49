"""Lines before they are numbered, the shapes they have, and how they become an invoice's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from contracts.billing import keys
from contracts.billing.entitlements import ZERO
from contracts.billing.ledger import Ledger
from contracts.billing.lines import ONE, PRICE_UNIT, QUANTITY_UNIT, Line, rounded
from contracts.billing.state import NO_LINE, Part


class Piece(NamedTuple):
    """What a line bills of a key."""

    key: str
    amount: Decimal
    measure: Decimal = ZERO

    @property
    def kind(self) -> str:
        return keys.kind_of(self.key)


class Draft(NamedTuple):
    """A line before it is numbered. Its amount is rounded; the pieces add up to it. `service` is
    its product, where it is not the one that its order line has now."""

    order_line: str
    text: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    pieces: tuple[Piece, ...]
    service: str = ""

    def shown_as(self, share: Decimal) -> Draft:
        """The same amount with a quantity of up to two decimals."""
        price = (self.amount / share).quantize(PRICE_UNIT)
        return self._replace(quantity=share, unit_price=plain(price))

    def nearer_to_zero(self, by: Decimal, cap: str, why: str) -> Draft:
        """The line less an amount that a cap takes."""
        amount = self.amount - by if self.amount > 0 else self.amount + by
        pieces = (*self.pieces, Piece(cap, amount - self.amount))
        return once(self.order_line, f"{self.text}, {why}", amount, pieces)


def once(order_line: str, text: str, amount: Decimal, pieces: Iterable[Piece] = ()) -> Draft:
    """A line of quantity 1, or of -1 for an amount below zero."""
    quantity = ONE.copy_sign(amount or ONE)
    return Draft(order_line, text, quantity, ZERO, amount, tuple(pieces)).shown_as(quantity)


def of_amount(
    ledger: Ledger, order_line: str, text: str, key: str, amount: Decimal, measure: Decimal = ZERO
) -> Draft:
    """A line of an amount of one key."""
    draft = once(order_line, text, rounded(amount, ledger.currency))
    return _whole(draft, [Piece(key, amount, measure)])


def of_measure(ledger: Ledger, order_line: str, text: str, key: str) -> Draft:
    """The change of a key that has a price an hour; as an amount, if the price changed too."""
    change, hours = ledger.change(key), ledger.measure(key) - ledger.account(key).measure
    price = (change / hours).quantize(PRICE_UNIT) if hours else ZERO
    if hours and price >= 0 and price * hours == change:
        return at_price(ledger, order_line, text, hours, price, [Piece(key, change, hours)])
    return of_amount(ledger, order_line, text, key, change, hours)


def at_price(
    ledger: Ledger,
    order_line: str,
    text: str,
    quantity: Decimal,
    price: Decimal,
    pieces: Sequence[Piece],
) -> Draft:
    """A line of a quantity, at the decimals that Odoo keeps of it."""
    shown = quantity.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
    amount = rounded(shown * price, ledger.currency)
    return _whole(Draft(order_line, text, shown, plain(price), amount, ()), pieces)


def _whole(draft: Draft, pieces: Sequence[Piece]) -> Draft:
    """The draft with its pieces, and one for what rounding added."""
    added = draft.amount - amount_of(pieces)
    if added:
        pieces = [*pieces, Piece(keys.rounding(draft.order_line), added)]
    return draft._replace(pieces=tuple(pieces))


def plain(number: Decimal) -> Decimal:
    """Without an exponent: 1E+3 and 1000 must give the same text, and so the same hash."""
    return Decimal(f"{number.normalize():f}")


def amount_of(drafts: Iterable[Draft | Piece]) -> Decimal:
    """What lines, or pieces, come to."""
    return sum((item.amount for item in drafts), ZERO)


# --- on an invoice ----------------------------------------------------------------------------


def numbered(
    ledger: Ledger, number: int, drafts: Iterable[Draft]
) -> tuple[tuple[Line, ...], tuple[Part, ...]]:
    """The lines of an invoice and their parts. What comes to nothing is on no line: its parts are
    settled with the invoice all the same."""
    lines: list[Line] = []
    parts: list[Part] = []
    for draft in drafts:
        position = len(lines) if draft.amount else NO_LINE
        parts += [Part(position, *piece) for piece in draft.pieces]
        if draft.amount:
            line = Line(
                key=f"{number}.{position + 1}",
                order_line=draft.order_line,
                service_code=draft.service or service_code(ledger, draft.order_line),
                description=draft.text,
                quantity=draft.quantity,
                unit_price=draft.unit_price,
                amount=ledger.money(draft.amount),
            )
            lines.append(line)
    return tuple(lines), tuple(parts)


def service_code(ledger: Ledger, order_line: str) -> str:
    """The product that an order line bills."""
    contract = ledger.state.contract
    if milestone := contract.milestone(order_line):
        service: str | None = milestone.service
    elif terms := ledger.index.terms.get(order_line):
        service = terms.latest.service
    elif order_line == keys.TERMINATION:
        service = contract.termination.fee_service
    else:
        agreed = contract.deposit if order_line == keys.DEPOSIT else contract.retainage
        service = agreed.service if agreed and order_line in (keys.DEPOSIT, keys.RETAINAGE) else ""
    if service:
        return contract.service(service).code
    # It is agreed no more, but was billed: by the product it was billed with.
    lines = (line for item in ledger.state.invoices.values() for line in item.lines)
    return next(line.service_code for line in lines if line.order_line == order_line)

"""The lines of a credit note: what it takes back of an invoice, in whole or in part."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.billing.charges import ONE, Charge, ChargeKind
from contracts.money import Money

_SETTLING = (ChargeKind.RETAINAGE_RELEASE, ChargeKind.DEPOSIT_DEDUCTION)
_LONGEST = 200
_AGAIN = ":again"


def whole_credit(charges: Sequence[Charge], name: str, *, reinvoice: bool) -> list[Charge]:
    """Every line with the opposite sign. `name` is the credit's, for its keys."""
    return [
        c.reversed(f"{c.key}:{name}", _text(c)).model_copy(
            update={"kind": c.kind if reinvoice else _kind(c)}
        )
        for c in charges
    ]


def partial_credit(charges: Sequence[Charge], name: str, amount: Money) -> list[Charge]:
    """Spread an amount over the lines that were billed, in proportion; deductions stay as billed.

    A credited part of a retained or deposited amount would change what is still to be settled,
    so only lines that earn something are credited.
    """
    earning = [c for c in charges if c.amount.is_positive]
    shares = (-amount).allocate([c.amount.amount for c in earning])
    return [
        Charge.of_amount(
            f"{c.key}:{name}",
            _kind(c),
            c.order_line,
            c.service_code,
            _text(c),
            share,
            min(ONE, abs(share.amount / c.amount.amount)),
        )
        for c, share in zip(earning, shares, strict=True)
        if not share.is_zero
    ]


def again(charges: Sequence[Charge], number: int) -> list[Charge]:
    """The lines of invoice `number` once more, to be invoiced anew."""
    return [c.model_copy(update={"key": f"{first_key(c)}{_AGAIN}{number}"}) for c in charges]


def first_key(charge: Charge) -> str:
    """The key that a line had before it was ever invoiced anew."""
    return charge.key.partition(_AGAIN)[0]


def _kind(charge: Charge) -> ChargeKind:
    """Retainage that was released, once credited, is not held back again: the price is less."""
    settles = charge.kind in _SETTLING and charge.amount.is_positive
    return ChargeKind.CORRECTION if settles else charge.kind


def _text(charge: Charge) -> str:
    return f"Credit: {charge.description}"[:_LONGEST]

"""A charge: one line to bill. Quantity times unit price makes its amount, here as in Odoo."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import StringConstraints

from contracts.model import Frozen, Key
from contracts.money import Money

QUANTITY_UNIT = Decimal("0.01")
"""Odoo's precision "Product Unit": finer quantities would be rounded there, and the amount move."""
_PRICE_UNIT = Decimal("0.000001")
ONE = Decimal(1)

ChargeKey = Annotated[str, StringConstraints(min_length=1, max_length=160)]
"""Unique within a contract; made of the plan's key and the period, entry or milestone."""


class ChargeKind(StrEnum):
    """What a charge is for. Deductions and credits have negative amounts."""

    MILESTONE = "milestone"
    DEPOSIT = "deposit"
    DEPOSIT_DEDUCTION = "deposit_deduction"
    RETAINAGE = "retainage"
    RETAINAGE_RELEASE = "retainage_release"
    TIME = "time"
    RETAINER = "retainer"
    OVERAGE = "overage"
    SERVICE_CREDIT = "service_credit"
    USAGE = "usage"
    COMMITMENT = "commitment"
    EXPENSE = "expense"
    CORRECTION = "correction"
    TERMINATION = "termination"


class Charge(Frozen):
    """One line of an invoice or a credit note, without tax.

    `order_line` is the key of the sales order's line it bills. `quantity` has at most two
    decimals and carries the sign; `amount` is always quantity times unit price, rounded to the
    currency, as Odoo will compute it.
    """

    key: ChargeKey
    kind: ChargeKind
    order_line: Key
    service_code: str
    description: str
    quantity: Decimal = ONE
    unit_price: Decimal
    amount: Money

    @classmethod
    def of_amount(
        cls,
        key: str,
        kind: ChargeKind,
        order_line: str,
        service_code: str,
        description: str,
        amount: Money,
        share: Decimal = ONE,
    ) -> Self:
        """A charge of an exact amount. `share` (above 0, up to 1) is the quantity to show it as:
        a deduction of 30 % of a deposit is -0.30 at the deposit's price."""
        size = min(max(share.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP), QUANTITY_UNIT), ONE)
        quantity = -size if amount.amount < 0 else size
        # A unit price of six decimals times a quantity of at most 1 hits the amount exactly.
        price = (amount.amount / quantity).quantize(_PRICE_UNIT).normalize()
        return cls(
            key=key,
            kind=kind,
            order_line=order_line,
            service_code=service_code,
            description=description,
            quantity=quantity,
            unit_price=_plain(price),
            amount=amount,
        )

    @classmethod
    def of_quantity(
        cls,
        key: str,
        kind: ChargeKind,
        order_line: str,
        service_code: str,
        description: str,
        quantity: Decimal,
        unit_price: Decimal,
        currency: str,
    ) -> Self:
        """So many units (rounded to two decimals) at a price per unit."""
        exact = quantity.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
        return cls(
            key=key,
            kind=kind,
            order_line=order_line,
            service_code=service_code,
            description=description,
            quantity=exact,
            unit_price=_plain(unit_price.quantize(_PRICE_UNIT).normalize()),
            amount=Money.rounded(exact * unit_price, currency),
        )

    def reversed(self, key: str, description: str) -> Self:
        """The same line with the opposite sign: what a credit note takes back."""
        return self.model_copy(
            update={
                "key": key,
                "description": description,
                "quantity": -self.quantity,
                "amount": -self.amount,
            }
        )


def total(charges: list[Charge] | tuple[Charge, ...], currency: str) -> Money:
    """The sum of the charges' amounts, without tax."""
    return Money.total((charge.amount for charge in charges), currency)


def _plain(number: Decimal) -> Decimal:
    """Without an exponent: 1E+3 and 1000 must give the same text, and so the same hash."""
    return Decimal(f"{number:f}")

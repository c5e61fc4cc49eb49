"""A line of an invoice or credit note. Quantity times unit price makes its amount, as in Odoo."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Annotated

from pydantic import Field, StringConstraints

from contracts.currencies import EXPONENTS
from contracts.model import Frozen, Key, OptionalText
from contracts.money import Money

QUANTITY_UNIT = Decimal("0.01")
"""Odoo's precision "Product Unit": finer quantities would be rounded there, and the amount move."""
PRICE_UNIT = Decimal("0.000001")
ONE = Decimal("1.00")

LineKey = Annotated[str, StringConstraints(min_length=1, max_length=160)]
"""Unique within a contract: the invoice's number and the line's position."""


class InvoiceKind(StrEnum):
    """What a proposal becomes in Odoo."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class Line(Frozen):
    """One line, without tax; negative where it deducts or credits.

    `order_line` is the key of the sales order's line it bills. `quantity` has at most two
    decimals and carries the sign; `amount` is always quantity times unit price, rounded to the
    currency, as Odoo computes it.
    """

    key: LineKey
    order_line: Key
    service_code: str
    description: str
    quantity: Decimal = ONE
    unit_price: Decimal
    amount: Money


class InvoiceProposal(Frozen):
    """What is to be invoiced or credited; everything here is part of what an approval binds.

    Amounts are without tax; Odoo adds the tax of the customer's fiscal position. The lines of a
    credit note are negative. `number` counts the contract's invoices from 1; `credited_number` is
    the number of the invoice that a credit note takes back (0: none in particular). `as_planned`
    says that every amount follows from the contract as agreed, with nothing estimated, corrected
    or deducted besides.
    """

    contract_id: Key
    legal_entity: Key
    number: int
    kind: InvoiceKind = InvoiceKind.INVOICE
    credited_number: int = 0
    title: str = ""
    customer_key: str = ""
    customer_name: str
    lines: tuple[Line, ...] = Field(min_length=1)
    payment_term: OptionalText = ""
    purchase_order: OptionalText = ""
    reason: str = ""
    proposed_on: date
    as_planned: bool = False

    @cached_property
    def amount(self) -> Money:
        """The sum of the lines, without tax; negative for a credit note."""
        return total(self.lines, self.lines[0].amount.currency)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the content in canonical JSON; any change to it voids approvals."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@lru_cache
def _unit(currency: str) -> Decimal:
    return Decimal(1).scaleb(-EXPONENTS[currency])


def rounded(amount: Decimal, currency: str) -> Decimal:
    """The nearest amount that the currency has, halves away from zero."""
    return amount.quantize(_unit(currency), rounding=ROUND_HALF_UP)


def total(lines: Iterable[Line], currency: str) -> Money:
    """The sum of the lines' amounts, without tax."""
    return Money.total((line.amount for line in lines), currency)

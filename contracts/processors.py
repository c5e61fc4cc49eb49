"""Payment processors: what one says about a payment, about what undid it, and about its payouts.

A processor takes the customer's money, keeps its fees, and pays out the rest of many payments in
one sum. What counts is always how an object is now, not what an event said of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from contracts.currencies import EXPONENTS
from contracts.model import Value
from contracts.money import Money

MAX_ID, MAX_TEXT, MAX_REVERSALS = 100, 500, 100
"""What is kept of a payment: it travels with its invoice."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID)]
Words = Annotated[str, StringConstraints(max_length=MAX_TEXT)]


class ObjectKind(StrEnum):
    """What an event of a processor is about."""

    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    PAYOUT = "payout"


class ReversalKind(StrEnum):
    """What undid a payment: the firm gave it back, the customer's bank took it back, or it turned
    out that it never was money."""

    REFUND = "refund"
    CHARGEBACK = "chargeback"
    FAILURE = "failure"


class Reversal(Value):
    """What undoes a payment, or a part of it, as long as the processor says that it does."""

    id: Id
    kind: ReversalKind
    amount: Money
    on: date
    reason: Words = ""


class ProcessorPayment(Value):
    """A payment as it is now, with all that undoes it.

    `is_money`: the processor counts it as received; `reversals` say what of it was undone since,
    `revoked` by their ids what may have undone it before and does no more, the newest first.
    `invoice` is the invoice's workflow as the payment itself names it, `text` what it says besides,
    where an invoice's number may stand. What undoes it is in its own currency.
    """

    payment_id: Id
    amount: Money
    is_money: bool
    paid_on: date
    reversals: tuple[Reversal, ...] = Field(default=(), max_length=MAX_REVERSALS)
    revoked: tuple[Id, ...] = Field(default=(), max_length=MAX_REVERSALS)
    invoice: Words = ""
    text: Words = ""

    @model_validator(mode="after")
    def _in_one_currency(self) -> Self:
        if any(item.amount.currency != self.amount.currency for item in self.reversals):
            raise ValueError(f"payment {self.payment_id} is undone in another currency")
        return self

    @property
    def rest(self) -> Money:
        """What is left of it as money."""
        if not self.is_money:
            return Money.zero(self.amount.currency)
        undone = Money.total((item.amount for item in self.reversals), self.amount.currency)
        return self.amount - undone

    @property
    def references(self) -> list[str]:
        """Under which any of it may be booked."""
        restored = (restoring(item) for item in self.revoked)
        return [self.payment_id, *(item.id for item in self.reversals), *self.revoked, *restored]

    def missing(self, unbooked: Collection[str]) -> list[str]:
        """The references of what is to be booked, where these are not: the payment, what undoes it,
        and what makes good what undid it. One that was undone as a whole before it was booked is
        nothing."""
        if self.payment_id in unbooked and not self.rest.is_positive:
            return []
        due = [item.id for item in self.reversals]
        due = [self.payment_id, *due] if due or self.rest.is_positive else due
        due += [restoring(item) for item in self.revoked if item not in unbooked]
        return [item for item in due if item in unbooked]


def restoring(reference: str) -> str:
    """The reference of the payment that makes good what is booked under this one."""
    return f"{reference} undone"


class PayoutStatus(StrEnum):
    """`failed` is one that the bank returned: the money is with the processor again. One that is
    `cancelled` was never sent."""

    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Payout(Value):
    """What the processor pays to the bank in one sum: `net`, after it kept `fees`. `on` is when it
    arrives; `text` is what the bank statement says of it."""

    payout_id: Id
    status: PayoutStatus
    net: Money
    fees: Money
    on: date
    text: Words = ""


class Change(Value):
    """An event of the processor: something happened to an object. `what` is its word for it."""

    event_id: Id
    kind: ObjectKind
    object_id: Id
    what: Id
    changed_at: AwareDatetime


class Changes(Value):
    """A page of events, and what the processor's own clock said (aware). `next` is the mark that
    the next page begins behind; "": this was the last."""

    changes: list[Change]
    as_of: AwareDatetime
    next: str = ""


class LinkRequest(Value):
    """A page is wanted on which a customer can pay an invoice, known by its workflow and its number
    in Odoo."""

    invoice: str
    number: str
    customer: str
    amount: Money


class PaymentLink(Value):
    """Where an invoice can be paid, and the words that lead there."""

    url: str = Field(pattern=r"^https://[^\s\"'<>]{1,2000}$")
    words: str = Field(min_length=1, max_length=100)


def of_minor_units(
    units: object, currency: object, special: Mapping[str, int] | None = None
) -> Money:
    """An amount that a remote states in its currency's smallest unit: 1050 and "eur" are 10.50 EUR.

    `special` are the currencies that this remote counts with other decimals than ISO 4217 has.
    Raises ValueError for what is no whole number, or no currency.
    """
    code = str(currency or "").upper()
    if type(units) is not int or code not in EXPONENTS:
        raise ValueError(f"{units!r} {currency!r} is no amount in the smallest unit of a currency")
    decimals = (special or {}).get(code, EXPONENTS[code])
    return Money(Decimal(units).scaleb(-decimals), code)


def minor_units(money: Money, special: Mapping[str, int] | None = None) -> int:
    """The amount as such a remote expects it. Raises ValueError where it has no such unit."""
    decimals = (special or {}).get(money.currency, EXPONENTS[money.currency])
    units = money.amount.scaleb(decimals)
    if units != units.to_integral_value():
        raise ValueError(f"{money} is no whole number of the smallest unit")
    return int(units)

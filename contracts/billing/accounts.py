"""What is billed and waived of a key, and what is to be billed of it after waivers."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from contracts.billing import keys
from contracts.billing.entitlements import ZERO
from contracts.billing.state import BillingState, Freeze, InvoiceStatus


class Account(NamedTuple):
    """What invoices and decisions say of a key.

    `amount` and `measure` are billed: proposed or issued. `first` is the invoice that billed it
    first (0: none stands), `frozen` the terms of then, `open` an invoice on its way
    that has it. `standing` is what stays billed whatever becomes of open credits. `off` is waived,
    `refused` is not given back.
    """

    amount: Decimal
    measure: Decimal
    first: int
    frozen: Freeze | None
    open: int
    standing: Decimal
    off: Decimal
    refused: Decimal


NOTHING = Account(ZERO, ZERO, 0, None, 0, ZERO, ZERO, ZERO)


def target(key: str, entitled: Decimal, account: Account) -> Decimal:
    """The entitlement less waivers. A waiver of the entitlement's own sign is an amount off it;
    one of the other sign is a refusal to give back what is billed."""
    if not account.off and not account.refused:
        return entitled
    sign = -1 if keys.kind_of(key) in keys.NEGATIVE else 1
    amount, billed = sign * entitled, sign * account.amount
    if account.off and amount > 0:
        amount = max(ZERO, amount - account.off)
    if account.refused and amount < billed:
        amount = min(billed, amount + account.refused)
    return sign * amount


def account_of(billing: BillingState, key: str, numbers: Iterable[int]) -> Account:
    """Add up what invoices, by the order of their numbers, and waivers say of a key."""
    amount = measure = standing = off = refused = ZERO
    first = open_ = 0
    frozen: Freeze | None = None
    ended = billing.waivers_ended.get(key, 0)
    kind = keys.kind_of(key)
    waivable = kind not in keys.NEGATIVE and kind != keys.ROUNDING
    for number in numbers:
        invoice = billing.invoices[number]
        part, units = invoice.by_key[key]
        if invoice.is_open:
            open_ = number
        if not invoice.counts:
            continue
        if not first:
            first, frozen = number, Freeze(invoice.version, invoice.proposed_on)
        amount += part
        measure += units
        if part > 0 or invoice.status is InvoiceStatus.ISSUED:
            standing += part
        if invoice.waives:
            off += -part if waivable and part < 0 and number > ended else ZERO
        elif not amount and not measure:
            first, frozen = 0, None
    sign = -1 if kind in keys.NEGATIVE else 1
    for waiver in billing.waivers.get(key, ()):
        if sign * waiver.amount > 0:
            off += abs(waiver.amount)
        else:
            refused += abs(waiver.amount)
    return Account(amount, measure, first, frozen, open_, standing, off, refused)

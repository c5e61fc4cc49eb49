"""The ledger of a contract on a day: what is stored, and what is derived of it per key.

All but the state is derived (`posting` does it), so that questions about it are plain look-ups.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from contracts.billing import keys
from contracts.billing.entitlements import ZERO, Entitlement
from contracts.billing.lines import rounded
from contracts.billing.state import BillingState, CreditRequest, Freeze, InvoiceStatus
from contracts.billing.terms import PlanTerms
from contracts.model import Milestone
from contracts.money import Money

R = TypeVar("R")


class Account(NamedTuple):
    """What invoices and decisions say of a key.

    `amount` and `measure` are billed: proposed or issued. `first` is the invoice that billed it
    first (0: none stands), `frozen` the terms of then, `open` an invoice on its way
    that has it. `standing` is what stays billed whatever becomes of open credits. `off` is waived,
    `refused` is not given back.
    """

    amount: Decimal = ZERO
    measure: Decimal = ZERO
    first: int = 0
    frozen: Freeze | None = None
    open: int = 0
    standing: Decimal = ZERO
    off: Decimal = ZERO
    refused: Decimal = ZERO


NOTHING = Account()


def account_of(state: BillingState, key: str, numbers: Iterable[int]) -> Account:
    """Add up what invoices, by the order of their numbers, and waivers say of a key."""
    amount = measure = standing = off = refused = ZERO
    first = open_ = 0
    frozen: Freeze | None = None
    ended = state.waivers_ended.get(key, 0)
    kind = keys.kind_of(key)
    waivable = kind not in keys.NEGATIVE and kind != keys.ROUNDING
    for number in numbers:
        invoice = state.invoices[number]
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
    for waiver in state.waivers.get(key, ()):
        if sign * waiver.amount > 0:
            off += abs(waiver.amount)
        else:
            refused += abs(waiver.amount)
    return Account(amount, measure, first, frozen, open_, standing, off, refused)


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


class Index(NamedTuple):
    """What is derived of a state, with everything due by `today`. Never changed once it is in
    place.

    By plan: its `terms`, the day on which something is `due_next`, and the `sums` of hours or units
    by period. By key: `entitled`, `accounts`, `differences` (None without a rate), `invoices_of`.
    `net` is what is billed by order line, before its cap.
    """

    today: date
    terms: dict[str, PlanTerms]
    due_next: dict[str, date | None]
    sums: dict[str, dict[date, Decimal]]
    entitled: dict[str, Entitlement]
    accounts: dict[str, Account]
    differences: dict[str, Decimal | None]
    invoices_of: dict[str, tuple[int, ...]]
    net: dict[str, Decimal]

    def copy(self, today: date | None = None) -> Index:
        tables: list[Any] = [table.copy() for table in self[1:]]
        return Index(today or self.today, *tables)


class Ledger:
    """A billing state with its index, and what is asked of both. `kept` are answers given before:
    see `kept`."""

    __slots__ = ("accounts", "differences", "entitled", "index", "kept", "state", "today")

    def __init__(self, state: BillingState, index: Index, kept: dict[Any, Any]) -> None:
        self.state, self.index, self.kept, self.today = state, index, kept, index.today
        self.entitled, self.accounts = index.entitled, index.accounts
        self.differences = index.differences

    @property
    def currency(self) -> str:
        return self.state.contract.currency

    def money(self, amount: Decimal) -> Money:
        """The nearest amount that the currency has."""
        return Money.exact(rounded(amount, self.currency), self.currency)

    def terms(self, plan: str) -> PlanTerms:
        return self.index.terms[plan]

    def account(self, key: str) -> Account:
        return self.accounts.get(key, NOTHING)

    def change(self, key: str) -> Decimal:
        """What is to be billed of a base key; 0 without a rate."""
        return self.differences.get(key) or ZERO

    def change_of_pot(self, key: str, entitled: Decimal) -> Decimal:
        """What is still to be billed of a pot that is entitled to an amount."""
        account = self.account(key)
        return target(key, entitled, account) - account.amount

    def target(self, key: str) -> Decimal | None:
        """What is to be billed of a base key in all, its waivers taken off; None without a rate."""
        entitled = self.entitled.get(key)
        amount = entitled.amount if entitled else ZERO
        return None if amount is None else target(key, amount, self.account(key))

    def measure(self, key: str) -> Decimal:
        """The hours, units, cost or days that a key is entitled to."""
        entitled = self.entitled.get(key)
        return entitled.measure if entitled else ZERO

    def due_on(self, key: str) -> date:
        """The day a key is due; the first of all for one that is entitled to nothing any more."""
        entitled = self.entitled.get(key)
        return entitled.due_on if entitled else date.min

    def is_given_back(self, key: str) -> bool:
        """Whether it is a fee to be given back: that waits for an invoice that can bear it."""
        return keys.kind_of(key) == keys.FEE and self.change(key) < 0

    def is_dealt_with(self, milestone: Milestone) -> bool:
        """Whether a milestone is billed and nothing of it is left, or is never to be."""
        state, key = self.state, keys.milestone(milestone.key)
        is_waived = self.account(key).off >= milestone.amount.amount > 0
        return key not in self.differences and (milestone.key in state.reached or is_waived)

    def billed_on(self, line: str) -> Decimal:
        """What is billed on a line of the order, before its cap."""
        return self.index.net.get(line, ZERO)


def kept(answer: Callable[[Ledger], R]) -> Callable[[Ledger], R]:
    """Answer a question about a ledger once: state and index never change. The answer is kept under
    the function that asks."""

    @functools.wraps(answer)
    def ask(ledger: Ledger) -> R:
        if ask not in ledger.kept:
            ledger.kept[ask] = answer(ledger)
        found: R = ledger.kept[ask]
        return found

    return ask


@kept
def credits_waiting(ledger: Ledger) -> tuple[CreditRequest, ...]:
    """The credits asked for that no credit note carries yet."""
    under_way = {item.occasion for item in ledger.state.invoices.values() if item.is_open}
    requests = ledger.state.credit_requests.items()
    return tuple(item for key, item in requests if key not in under_way)


@kept
def days_billed(ledger: Ledger) -> dict[str, set[date]]:
    """The days on which the bill of each plan and kind is made, or was found to have nothing on it.
    A bill that is credited to be made again is not."""
    state = ledger.state
    again = {
        item.credited_number
        for item in state.invoices.values()
        if item.reinvoice and item.status is InvoiceStatus.ISSUED
    }
    found: dict[str, set[date]] = {track: set(days) for track, days in state.empty.items()}
    for invoice in state.invoices.values():
        for track in invoice.tracks if invoice.number not in again else ():
            found.setdefault(track, set()).add(invoice.due_on)
    return found

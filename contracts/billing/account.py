"""The door to billing by difference: all that the contract's agenda calls.

    to bill(key) = entitled(key) less waivers - billed(key)

What a contract may bill is derived from its terms and the facts; what is billed is the sum of the
parts on proposed and issued invoices and credit notes. A correction, a late approval, a changed
price and a rejected bill are all the same difference. Every function is pure: it takes a frozen
`BillingState` and returns a new one. Days are those of the legal entity's calendar; amounts are
without tax.

The way of an invoice: `reads` says what must be read in Odoo first, `occasions` what may be
proposed, `compose` makes the invoice, `propose` enters it, `issued` or `rejected` ends it.

`check` is asked before each proposal. `reads(..., closing=True)` is the last look, right before the
contract closes.

A `Composition` may have no proposal: there is nothing to invoice, because all lines round to zero
or are above a cap. Propose it all the same, and it is settled. `composition.invoice.asked_by` is
who asked for a credit. `too_late` names the hours and expenses of periods that are settled for
good.
"""

from __future__ import annotations

from datetime import date

from contracts.billing import keys
from contracts.billing.checks import check
from contracts.billing.composing import Composer, Composition
from contracts.billing.decisions import (
    allow_cap,
    creditable,
    issued,
    propose,
    rejected,
    release_retainage,
    request_credit,
    retry_rejected,
    undecided,
    waive_rejected,
)
from contracts.billing.facts import (
    credit_service,
    known_expenses,
    known_lines,
    milestone_invoice,
    reach,
    reads,
    record_usage,
    take_expenses,
    take_time,
    too_late,
    unrated_lines,
    unreach,
)
from contracts.billing.folding import fold
from contracts.billing.index import changed, index_of
from contracts.billing.occasions import Occasion, OccasionKind, pending
from contracts.billing.reading import Read, ReadKind, next_day
from contracts.billing.state import BillingState, EarlyEnd, NotPossible
from contracts.billing.terms import next_versions
from contracts.billing.totals import Sums, Unbilled, delivered, is_over, open_ends, sums, unbilled
from contracts.model import Contract
from contracts.problems import Problem

__all__ = [
    "BillingState",
    "Composition",
    "NotPossible",
    "Occasion",
    "OccasionKind",
    "Read",
    "ReadKind",
    "Sums",
    "Unbilled",
    "adopt",
    "allow_cap",
    "begin",
    "billed_keys",
    "check",
    "compose",
    "credit_service",
    "creditable",
    "delivered",
    "end_early",
    "fold",
    "is_over",
    "issued",
    "known_expenses",
    "known_lines",
    "milestone_invoice",
    "next_day",
    "occasions",
    "open_ends",
    "propose",
    "reach",
    "reads",
    "record_usage",
    "rejected",
    "release_retainage",
    "request_credit",
    "retry_rejected",
    "sums",
    "take_expenses",
    "take_time",
    "too_late",
    "unbilled",
    "undecided",
    "unrated_lines",
    "unreach",
    "waive_rejected",
    "withdraw_end",
]

# --- terms ------------------------------------------------------------------------------------


def begin(contract: Contract, on: date) -> BillingState:
    """The billing of a contract that starts; its deposit is due that day."""
    billing = BillingState(contract=contract, version=0, started_on=on)
    return adopt(billing, contract, on)


def adopt(billing: BillingState, contract: Contract, on: date) -> BillingState:
    """A new version of the terms, in force from `on`: change order, renewal, early end, or the
    early end withdrawn. What is proposed already keeps the version it was proposed with."""
    new_deposit = contract.deposit is not None and billing.deposit_on is None
    return changed(
        billing,
        None,
        contract=contract,
        version=billing.version + 1,
        plans=next_versions(billing, contract, on),
        deposit_on=on if new_deposit else billing.deposit_on,
        looked=(),
    )


def end_early(billing: BillingState, on: date, *, fee: bool) -> BillingState:
    """The contract (adopt the terms that end on that day as well) is over early. With `fee` the
    terms' fee for it is owed."""
    return changed(billing, None, early_end=EarlyEnd(on=on, fee=fee), looked=())


def withdraw_end(billing: BillingState) -> BillingState:
    """The early end is withdrawn (adopt the prolonged terms as well)."""
    return changed(billing, None, early_end=None, looked=())


def billed_keys(billing: BillingState) -> frozenset[str]:
    """The keys of milestones and plans, "deposit" and "retainage", of which something is billed or
    proposed: `changes.changed` refuses to change them."""
    index = index_of(billing)
    found = {keys.order_line_of(key) for key, account in index.accounts.items() if account.first}
    read = {plan for plan in billing.read_until if plan in billing.plans}
    return frozenset(found | read)


# --- what may be proposed ----------------------------------------------------------------------


def occasions(billing: BillingState, today: date) -> tuple[Occasion, ...]:
    """What may be proposed now, an invoice each, oldest first. What waits for a reading, an open
    invoice or a person is left out; one plan's problem never holds up another."""
    found = pending(billing, index_of(billing, today), today)
    return tuple(item.occasion for item in found)


def compose(
    billing: BillingState, occasion: str, number: int, today: date
) -> Composition | tuple[Problem, ...]:
    """The invoice of an occasion by its key, or the problems that a person must solve first: an
    hour without a rate (`rate_missing`), a cap that nobody let pass (`cap_reached`).

    `number` counts the contract's invoices from 1. Raises NotPossible if there is no such
    occasion now.
    """
    index = index_of(billing, today)
    for found in pending(billing, index, today):
        if found.occasion.key == occasion:
            return Composer(billing, index, found, number).compose(today)
    raise NotPossible(f"there is nothing to bill for {occasion}")

"""The door to billing by difference: all that the contract's agenda calls.

    to bill(key) = entitled(key) less waivers - billed(key)

What a contract may bill is derived from its terms and the facts; what is billed is the sum of the
parts on proposed and issued invoices and credit notes. A correction, a late approval, a changed
price and a rejected bill are all the same difference. Every function is pure: it takes a frozen
`BillingState` and returns a new one. Days are those of the legal entity's calendar; amounts are
without tax.

The way of an invoice: `reads` says what must be read in Odoo first, `occasions` what may be
proposed, `compose` makes the invoice, `propose` enters it, `issued` or `rejected` ends it. `check`
is asked before each proposal.
"""

from __future__ import annotations

from datetime import date

from contracts.billing import composing, keys, reading
from contracts.billing.checks import check
from contracts.billing.composing import Composition
from contracts.billing.decisions import (
    allow_cap,
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
    record_usage,
    take_expenses,
    take_time,
    too_late,
    unrated_lines,
    unreach,
)
from contracts.billing.folding import fold
from contracts.billing.occasions import Occasion, OccasionKind
from contracts.billing.occasions import occasions as occasions_of
from contracts.billing.posting import changed, ledger_of
from contracts.billing.reading import Due, Read, ReadKind
from contracts.billing.repricing import Repriced, repriced
from contracts.billing.state import BillingState, EarlyEnd, NotPossible
from contracts.billing.terms import next_versions
from contracts.billing.totals import Sums, Unbilled, delivered, is_over, open_ends, sums, unbilled
from contracts.model import Contract
from contracts.problems import Problem

__all__ = [
    "BillingState", "Composition", "Due", "NotPossible", "Occasion", "OccasionKind", "Read",
    "ReadKind", "Repriced", "Sums", "Unbilled", "adopt", "allow_cap", "begin", "billed_keys",
    "check", "compose", "credit_service", "delivered", "dues", "end_early", "fold", "is_over",
    "issued", "known_expenses", "known_lines", "milestone_invoice", "next_day", "occasions",
    "open_ends", "propose", "reach", "reads", "record_usage", "rejected", "release_retainage",
    "repriced", "request_credit", "retry_rejected", "sums", "take_expenses", "take_time",
    "too_late", "unbilled", "undecided", "unrated_lines", "unreach", "waive_rejected",
]  # fmt: skip


def begin(contract: Contract, on: date) -> BillingState:
    """The billing of a contract that starts; its deposit is due that day."""
    return adopt(BillingState(contract=contract, version=0, started_on=on), contract, on)


def adopt(billing: BillingState, contract: Contract, on: date) -> BillingState:
    """A new version of the terms, in force from `on`: change order, renewal or early end. What is
    proposed already keeps the version it was proposed with."""
    new_deposit = contract.deposit is not None and billing.deposit_on is None
    return changed(
        billing,
        contract=contract,
        version=billing.version + 1,
        plans=next_versions(billing, contract, on),
        deposit_on=on if new_deposit else billing.deposit_on,
    )


def end_early(billing: BillingState, on: date, *, fee: bool) -> BillingState:
    """The contract (adopt the terms that end on that day as well) is over early. With `fee` the
    terms' fee for it is owed."""
    return changed(billing, early_end=EarlyEnd(on=on, fee=fee))


def billed_keys(billing: BillingState) -> frozenset[str]:
    """The keys of milestones and plans, "deposit" and "retainage", of which something is billed or
    proposed: `changes.changed` refuses to change them."""
    accounts = ledger_of(billing).accounts.items()
    found = {keys.order_line_of(key) for key, account in accounts if account.first}
    return frozenset(found | (billing.read_until.keys() & billing.plans.keys()))


def reads(billing: BillingState, today: date) -> tuple[Read, ...]:
    """What must be read from Odoo before the parts due by `today` can be billed."""
    return reading.reads(ledger_of(billing, today))


def occasions(billing: BillingState, today: date) -> tuple[Occasion, ...]:
    """What may be proposed now, an invoice each, oldest first. What waits for a reading, an open
    invoice or a person is left out; one plan's problem never holds up another."""
    return occasions_of(ledger_of(billing, today))


def compose(
    billing: BillingState, occasion: str, number: int, today: date
) -> Composition | tuple[Problem, ...]:
    """The invoice of an occasion by its key, or the problems that a person must solve first: an
    hour without a rate (`rate_missing`), a cap that nobody let pass (`cap_reached`).

    `number` counts the contract's invoices from 1. Raises NotPossible if there is no such
    occasion now.
    """
    ledger = ledger_of(billing, today)
    for found in occasions_of(ledger):
        if found.key == occasion:
            return composing.compose(ledger, found, number)
    raise NotPossible(f"there is nothing to bill for {occasion}")


def next_day(billing: BillingState, today: date) -> date | None:
    """The next day after `today` on which time alone makes something due."""
    return reading.next_day(ledger_of(billing), today)


def dues(billing: BillingState, today: date) -> tuple[Due, ...]:
    """When each plan is billed next after a day, earliest first; none for a plan that is over."""
    return reading.dues(ledger_of(billing), today)

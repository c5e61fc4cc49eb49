"""The door to billing by difference: all that the contract's agenda calls.

    to bill(key) = entitled(key) less waivers - billed(key)

What a contract may bill is derived from its terms and the facts; what is billed is the sum of the
parts on proposed and issued invoices and credit notes. A correction, a late approval, a changed
price and a rejected bill are all the same difference. Every function is pure: it takes a frozen
`BillingState` and returns a new one. Days are those of the legal entity's calendar; amounts are
without tax.

The way of an invoice: `reads` says what must be read in Odoo first, `occasions` what may be
proposed, `compose` makes the invoice, `propose` enters it, `issued` or `rejected` ends it. `check`
is asked before each proposal. What is asked of a state is derived once, and kept with it.
"""

from __future__ import annotations

from datetime import date

from contracts.billing import keys
from contracts.billing.checks import check
from contracts.billing.composing import Composition, compose
from contracts.billing.crediting import creditable
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
from contracts.billing.ledger import Ledger, kept
from contracts.billing.occasions import Occasion, OccasionKind, occasions
from contracts.billing.posting import changed, ledger_of
from contracts.billing.reading import Due, Read, ReadKind, dues, next_day, reads
from contracts.billing.repricing import Repriced, repriced
from contracts.billing.state import BillingState, EarlyEnd, NotPossible
from contracts.billing.terms import next_versions
from contracts.billing.totals import (
    Sums,
    Unbilled,
    delivered,
    is_over,
    next_invoice_on,
    open_ends,
    sums,
    unbilled,
)
from contracts.model import Contract

__all__ = [
    "BillingState", "Composition", "Due", "NotPossible", "Occasion", "OccasionKind", "Read",
    "ReadKind", "Repriced", "Sums", "Unbilled", "adopt", "allow_cap", "begin", "billed_keys",
    "check", "compose", "credit_service", "creditable", "delivered", "dues", "end_early", "fold",
    "is_over", "issued", "known_expenses", "known_lines", "milestone_invoice", "next_day",
    "next_invoice_on", "occasions", "open_ends", "propose", "reach", "reads", "record_usage",
    "rejected", "release_retainage", "repriced", "request_credit", "retry_rejected", "sums",
    "take_expenses", "take_time", "too_late", "unbilled", "undecided", "unrated_lines", "unreach",
    "waive_rejected",
]  # fmt: skip


def begin(contract: Contract, on: date) -> BillingState:
    """The billing of a contract that starts; its deposit is due that day."""
    return adopt(BillingState(contract=contract, version=0, started_on=on), contract, on)


def adopt(billing: BillingState, contract: Contract, on: date) -> BillingState:
    """A new version of the terms, in force from `on`: change order, renewal or early end. What is
    proposed already keeps the version it was proposed with. A milestone that is no more is not
    reached any more: another one may get its key."""
    for milestone in billing.reached:
        if contract.milestone(milestone) is None:
            billing = unreach(billing, milestone)
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
    return _billed_keys(ledger_of(billing))


@kept
def _billed_keys(ledger: Ledger) -> frozenset[str]:
    found = {keys.order_line_of(key) for key, item in ledger.accounts.items() if item.first}
    return frozenset(found | (ledger.state.read_until.keys() & ledger.state.plans.keys()))

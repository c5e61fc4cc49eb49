"""The door to billing by difference: all that the contract's agenda calls.

    to bill(key) = entitled(key) less waivers - billed(key)

What a contract may bill is derived from its terms and the facts; what is billed is the sum of the
parts on proposed and issued invoices and credit notes. A correction, a late approval, a changed
price and a rejected bill are all the same difference. Every function is pure: it takes a frozen
`BillingState` and returns a new one. Days are those of the legal entity's calendar; amounts are
without tax.

The way of an invoice: `reads` says what must be read in Odoo first, `occasions` what may be
proposed, `compose` makes the invoice, `propose` enters it, `issued` or `rejected` ends it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from decimal import Decimal
from enum import StrEnum

from contracts.billing.expenses import Expense
from contracts.billing.lines import InvoiceProposal
from contracts.billing.state import BillingState, Invoice, NotPossible
from contracts.billing.time import TimeEntry
from contracts.billing.usage import UsageRecord
from contracts.model import Contract, Frozen, Key
from contracts.money import Money
from contracts.problems import Problem

__all__ = ["BillingState", "NotPossible"]


class ReadKind(StrEnum):
    TIME = "time"
    EXPENSES = "expenses"


class Read(Frozen):
    """What must be read from Odoo: the approved hours or expenses of a plan until a day."""

    plan: Key
    kind: ReadKind
    until: date


class OccasionKind(StrEnum):
    """`settlement` is all that is left once everything else is billed."""

    DEPOSIT = "deposit"
    MILESTONE = "milestone"
    PERIOD = "period"
    RETAINAGE = "retainage"
    CREDIT = "credit"
    SETTLEMENT = "settlement"


class Occasion(Frozen):
    """What becomes one invoice or credit note. `amount` is the difference of its own keys, before
    caps, deposit and retainage. `credited_number` is the invoice that a credit takes back."""

    key: str
    title: str
    kind: OccasionKind
    due_on: date
    plans: tuple[Key, ...] = ()
    milestone: Key | None = None
    credited_number: int = 0
    amount: Money


class Composition(Frozen):
    """A composed invoice: what finance approves, what billing keeps of it, and sentences to tell
    people (a cap is almost used up)."""

    proposal: InvoiceProposal
    invoice: Invoice
    warnings: tuple[str, ...] = ()


class Sums(Frozen):
    """Where the money stands, without tax.

    `value` is what the contract comes to as amended: once everything is billed it is the sum of
    the invoices less the credit notes. `committed` is what is billed or proposed.
    """

    value: Money
    billed: Money
    committed: Money
    to_bill: Money
    deposit_left: Money
    retained: Money


class Unbilled(Frozen):
    """Something earned that is not billed, and why: a waiver, or what is above a cap."""

    what: str
    amount: Money
    reason: str


# --- terms ------------------------------------------------------------------------------------


def begin(contract: Contract, on: date) -> BillingState:
    """The billing of a contract that starts; its deposit is due that day."""
    raise NotImplementedError


def adopt(billing: BillingState, contract: Contract, on: date) -> BillingState:
    """A new version of the terms, in force from `on`: change order, renewal, early end, or the
    early end withdrawn. What is proposed already keeps the version it was proposed with."""
    raise NotImplementedError


def end_early(billing: BillingState, on: date, *, fee: bool) -> BillingState:
    """The contract (adopt the terms that end on that day as well) is over early. With `fee` the
    terms' fee for it is owed."""
    raise NotImplementedError


def withdraw_end(billing: BillingState) -> BillingState:
    """The early end is withdrawn (adopt the prolonged terms as well)."""
    raise NotImplementedError


def billed_keys(billing: BillingState) -> frozenset[str]:
    """The keys of milestones and plans, "deposit" and "retainage", of which something is billed or
    proposed: `changes.changed` refuses to change them."""
    raise NotImplementedError


# --- facts ------------------------------------------------------------------------------------


def reach(billing: BillingState, milestone: str, on: date) -> BillingState:
    """A milestone is reached (again, after it was un-reached). Raises NotPossible for a key that
    the contract does not have. Repeating changes nothing."""
    raise NotImplementedError


def unreach(billing: BillingState, milestone: str) -> BillingState:
    """A milestone is not reached after all. Its waivers end; what is billed of it becomes a credit
    note by difference, for finance to approve, or to reject and waive: then the invoice stands."""
    raise NotImplementedError


def milestone_invoice(billing: BillingState, milestone: str) -> int | None:
    """The number of the proposed or issued invoice that bills a milestone; None if nothing of it
    is billed. Ask before `unreach`, where a person is to decide first."""
    raise NotImplementedError


def record_usage(billing: BillingState, record: UsageRecord) -> tuple[BillingState, bool]:
    """Take a metered record; the same id again replaces it. Also returns whether anything changed.

    Raises NotPossible for an unknown plan, a day outside the plan, a day whose period is folded,
    or too many records.
    """
    raise NotImplementedError


def credit_service(
    billing: BillingState, plan: str, reference: str, reason: str, amount: Money, on: date
) -> tuple[BillingState, bool]:
    """Owe the customer a service credit, deducted from the next invoice that can bear it. A
    reference counts once. Raises NotPossible for an unknown plan or an amount not above zero."""
    raise NotImplementedError


def release_retainage(billing: BillingState, on: date, reason: str) -> BillingState:
    """Pay out what is held back on issued invoices: becomes an occasion. Raises NotPossible if
    nothing is held."""
    raise NotImplementedError


def reads(billing: BillingState, today: date) -> tuple[Read, ...]:
    """What must be read from Odoo before the parts due by `today` can be billed, and (once nothing
    else is left) the last look at each plan's last period before the contract closes."""
    raise NotImplementedError


def known_lines(billing: BillingState, plans: Collection[str]) -> tuple[int, ...]:
    """The timesheet lines known of these plans: the reader says which of them are gone."""
    raise NotImplementedError


def known_expenses(billing: BillingState) -> tuple[int, ...]:
    """The expenses known: the reader says which of them are gone."""
    raise NotImplementedError


def take_time(
    billing: BillingState,
    plans: Collection[str],
    entries: Iterable[TimeEntry],
    gone: Iterable[int],
    until: date,
) -> BillingState:
    """Approved hours as read from Odoo for these plans until a day, new or changed; `gone` are
    known lines that are deleted or no longer approved. "Read until" is a fact as well."""
    raise NotImplementedError


def take_expenses(
    billing: BillingState,
    plan: str,
    expenses: Iterable[Expense],
    gone: Iterable[int],
    until: date,
) -> BillingState:
    """Approved expenses as read from Odoo for a plan until a day, as `take_time`."""
    raise NotImplementedError


# --- invoices ---------------------------------------------------------------------------------


def occasions(billing: BillingState, today: date) -> tuple[Occasion, ...]:
    """What may be proposed now, an invoice each, oldest first. What waits for a reading, an open
    invoice or a person is left out; one plan's problem never holds up another."""
    raise NotImplementedError


def next_day(billing: BillingState, today: date) -> date | None:
    """The next day after `today` on which time alone makes something due."""
    raise NotImplementedError


def compose(
    billing: BillingState, occasion: str, number: int, today: date
) -> Composition | tuple[Problem, ...]:
    """The invoice of an occasion by its key, or the problems that a person must solve first: an
    hour without a rate (`rate_missing`), a cap that nobody let pass (`cap_reached`).

    `number` counts the contract's invoices from 1. Raises NotPossible if there is no such
    occasion now.
    """
    raise NotImplementedError


def propose(billing: BillingState, composition: Composition) -> BillingState:
    """Enter a composed invoice as proposed. Raises NotPossible if its number is taken."""
    raise NotImplementedError


def issued(billing: BillingState, number: int) -> BillingState:
    """The invoice is posted. Repeating changes nothing."""
    raise NotImplementedError


def rejected(billing: BillingState, number: int) -> BillingState:
    """The proposal is rejected: its keys wait until `retry_rejected` or `waive_rejected`."""
    raise NotImplementedError


def undecided(billing: BillingState) -> tuple[int, ...]:
    """The rejected proposals that a person still has to decide on."""
    raise NotImplementedError


def retry_rejected(billing: BillingState, number: int) -> BillingState:
    """Forget a rejected proposal: its differences are there again and are composed anew."""
    raise NotImplementedError


def waive_rejected(
    billing: BillingState, number: int, by: str, reason: str, on: date
) -> BillingState:
    """Waive what a rejected proposal billed, or refuse what it gave back. What it took along for
    other keys comes with the next invoice."""
    raise NotImplementedError


def creditable(billing: BillingState, number: int) -> Money:
    """What of an issued invoice can still be credited. Raises NotPossible for anything else."""
    raise NotImplementedError


def request_credit(
    billing: BillingState,
    number: int,
    on: date,
    reason: str,
    by: str,
    amount: Money | None = None,
    *,
    reinvoice: bool = False,
) -> BillingState:
    """Credit an issued invoice, in whole or by an amount: becomes an occasion. What is credited is
    waived, or with `reinvoice` billed anew once the credit note is issued, at the terms and facts
    of then. Raises NotPossible with the reason."""
    raise NotImplementedError


def allow_cap(billing: BillingState, plan: str, on: date, by: str, reason: str) -> BillingState:
    """Bill up to the cap what is due by `on`: a decision by name. What is above is listed by
    `unbilled`, and is billed after all if the cap is raised."""
    raise NotImplementedError


# --- what people ask --------------------------------------------------------------------------


def sums(billing: BillingState, today: date) -> Sums:
    """Where the contract's money stands."""
    raise NotImplementedError


def delivered(billing: BillingState) -> dict[str, Decimal]:
    """Cumulative quantity by order line, of the lines whose delivery Odoo learns from us: what is
    on proposed and issued invoices."""
    raise NotImplementedError


def unbilled(billing: BillingState, today: date) -> tuple[Unbilled, ...]:
    """What is earned and not billed, with the reasons: waivers and what is above caps."""
    raise NotImplementedError


def open_ends(billing: BillingState, today: date) -> list[str]:
    """What still stands between the contract and its end, in words; empty if nothing does."""
    raise NotImplementedError


def is_over(billing: BillingState, today: date) -> bool:
    """Whether nothing is left to read, bill or decide, and nothing will come by itself."""
    raise NotImplementedError


def check(billing: BillingState, today: date) -> list[str]:
    """Every invariant that does not hold, in words. To be asked before each proposal: billed +
    to bill + waived = entitled for every key, by a derivation from scratch, and the rest."""
    raise NotImplementedError


def fold(billing: BillingState, today: date) -> BillingState:
    """Settled periods that are long over become sums, so that the state stays small."""
    raise NotImplementedError

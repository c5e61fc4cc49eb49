"""What must hold wherever a contract and its invoices are, and at their end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from contracts.agenda.actions import Event, UpdateReceived
from contracts.billing import account
from contracts.billing.state import BillingState
from contracts.contract import rules as contract_rules
from contracts.contract.messages import (
    CancelRequest,
    HoldRequest,
    InvoiceEnded,
    InvoiceLost,
    MilestoneReached,
    MilestoneReachedInOdoo,
    MilestoneUnreached,
    MilestoneUnreachedInOdoo,
    ServiceCredit,
    UsageReport,
)
from contracts.contract.state import ContractStage
from contracts.invoice import rules as invoice_rules
from contracts.invoice.messages import (
    ContractRenewed,
    CreditApplied,
    HoldChange,
    InvoiceBalance,
    PaymentNotice,
    PaymentReceived,
)
from contracts.invoice.state import InvoiceReport, InvoiceStage
from contracts.money import Money
from contracts.parking import Resolution
from tests.explore import odoo
from tests.explore.canonical import digest
from tests.explore.world import CONTRACT, World, invoiced

MOST_BYTES = {"contract": 200_000, "invoice": 60_000, "message": 20_000}


# --- messages ---------------------------------------------------------------------------------


def answered_as_validated(world: World, who: int, event: Event, because: str) -> None:
    """What a validator refuses `apply` refuses too, for the same reason, and nothing changes."""
    state = world.state_of(who)
    rules: Any = contract_rules if who == CONTRACT else invoice_rules
    outcome = rules.AGENDA.apply(state, event, world.clock)
    if isinstance(event, UpdateReceived):
        assert outcome.refusal == because, f"{outcome.refusal!r} is not {because!r}"
    if getattr(outcome.state, "deferred", ()) == state.deferred:
        assert digest(outcome.state) == digest(state), "a refused message changed something"


def accepted_has_effect(
    before: World, after: World, who: int, message: Any, *, is_signal: bool
) -> None:
    """A message has an effect, was refused (a Signal says so in the journal), or says what is
    known already."""
    if not before.is_alive(who) or isinstance(message, Resolution):
        return
    state, now = before.state_of(who), after.state_of(who)
    if digest(now) != digest(state):
        return
    if is_signal and now.journal != state.journal:
        return
    is_known = _KNOWN.get(type(message))
    name = type(message).__name__
    is_repeat = is_known is not None and is_known(state, message)
    assert is_repeat, f"{name} was accepted, and lost"


def _reached(state: Any, message: MilestoneReached) -> bool:
    progress = state.milestones[message.milestone]
    return progress.reached_on is not None and not progress.under_review


def _unreached(state: Any, message: MilestoneUnreached) -> bool:
    progress = state.milestones.get(message.milestone)
    return progress is None or progress.reached_on is None or progress.under_review


def _is_booked(state: Any, payment: PaymentReceived) -> bool:
    return bool(state.known_payments.get(payment.reference) == payment.amount)


_KNOWN: Mapping[type, Callable[[Any, Any], bool]] = {
    MilestoneReached: _reached,
    MilestoneUnreached: _unreached,
    MilestoneReachedInOdoo: lambda state, message: True,
    MilestoneUnreachedInOdoo: lambda state, message: True,
    UsageReport: lambda state, message: True,
    ServiceCredit: lambda state, message: True,
    HoldRequest: lambda state, message: state.holds.get(message.kind) == message.hold,
    CancelRequest: lambda state, message: state.cancel is not None,
    InvoiceReport: lambda state, message: True,
    InvoiceEnded: lambda state, message: True,
    InvoiceLost: lambda state, message: True,
    InvoiceBalance: lambda state, message: True,
    CreditApplied: lambda state, message: True,
    ContractRenewed: lambda state, message: state.tells_its_end,
    HoldChange: lambda state, message: True,
    PaymentNotice: _is_booked,
    PaymentReceived: _is_booked,
}
"""When a message that changes nothing says nothing new."""


# --- always ---------------------------------------------------------------------------------------


def check(world: World) -> None:
    """What must hold in every state."""
    _billing_adds_up(world)
    for number, known in world.odoo.invoices.items():
        _posted_is_approved(world, number, known)
    _nothing_twice(world)
    for who in (CONTRACT, *world.invoices):
        for parked in world.state_of(who).exceptions:
            if parked.uncertain:
                assert [str(item) for item in parked.allowed] == ["retry"]
    if world.contract.stage is ContractStage.CANCELLED:
        _check_cancelled(world)
    if world.contract.stage is ContractStage.CLOSED:
        _check_closed(world)


_checked: list[tuple[BillingState, Any]] = []


def _billing_adds_up(world: World) -> None:
    """Billed + to bill + waived = entitled, for every key; asked once of each billing."""
    billing, today = world.contract.billing, world.contract.billing_day
    if billing is None or any(item is billing and day == today for item, day in _checked):
        return
    assert account.check(billing, today) == []
    _checked[:] = [(billing, today), *_checked[:7]]


def _posted_is_approved(world: World, number: int, known: odoo.OdooInvoice) -> None:
    assert known.posts <= 1, f"invoice {number} was posted twice"
    if not known.posts:
        return
    state = world.invoices[number].state
    assert state.approval_round is not None, f"invoice {number} is posted without approval"
    subject = state.approval_round.subject
    given = {item.content_hash for item in state.approval_round.approvals}
    given |= {subject.content_hash}
    assert state.approval_round.is_met, f"invoice {number} is posted without approval"
    # An approval binds the draft as it was read back; that draft was written for this proposal.
    assert state.draft is not None, f"invoice {number} is posted without a draft"
    assert given == {state.draft.approval_hash}, f"invoice {number}: posted is not approved"
    written = state.draft.content_hash
    assert written == known.proposal.content_hash, f"invoice {number}: another draft is posted"
    if known.move == odoo.POSTED and not world.skipped:
        report = world.contract.invoices.get(number)
        assert report is not None
        assert report.stage is not InvoiceStage.REJECTED, f"{number} is rejected, and posted"


def _nothing_twice(world: World) -> None:
    """Of no milestone is more posted in Odoo than it is worth."""
    billing = world.contract.billing
    if billing is None:
        return
    posted: dict[str, Decimal] = defaultdict(Decimal)
    for number, known in world.odoo.invoices.items():
        invoice = billing.invoices.get(number)
        if known.move == odoo.POSTED and invoice is not None:
            for key, (amount, _) in invoice.by_key.items():
                posted[key] += amount
    for milestone in billing.contract.milestones:
        amount = posted.get(f"milestone:{milestone.key}", Decimal(0))
        most = milestone.amount.amount
        assert abs(amount) <= abs(most), f"{amount} is posted of {milestone.key}, worth {most}"


def check_bytes(world: World) -> None:
    """State and messages fit; asked now and then, because it takes long."""
    size = len(world.contract.model_dump_json())
    assert size < MOST_BYTES["contract"], f"the contract's state has {size} bytes"
    for number, invoice in world.invoices.items():
        size = len(invoice.state.model_dump_json())
        assert size < MOST_BYTES["invoice"], f"the state of invoice {number} has {size} bytes"
    for mail in world.mail:
        size = len(mail.message.model_dump_json())
        assert size < MOST_BYTES["message"], f"{type(mail.message).__name__} has {size} bytes"


# --- at the end -----------------------------------------------------------------------------------


def _check_cancelled(world: World) -> None:
    """Nothing is posted, nothing is alive, and what was set up is taken back."""
    for number, known in world.odoo.invoices.items():
        if not world.skipped:
            assert known.move == odoo.CANCELLED, f"cancelled, and invoice {number} is {known.move}"
    for number, invoice in world.invoices.items():
        told = world.contract.invoices[number].stage is InvoiceStage.REJECTED
        assert told, f"cancelled beside invoice {number}"
        assert invoice.state.rejected_because or world.skipped, f"invoice {number} goes on"
    if not world.skipped:
        assert world.odoo.order in ("", "cancelled"), "cancelled, and the order stands"
        assert world.odoo.project in ("", "archived"), "cancelled, and the project goes on"


def _check_closed(world: World) -> None:
    """Everything accepted is served, Odoo agrees, and nobody waits any more."""
    state = world.contract
    assert state.change is None
    assert not state.starting
    assert not state.credits_asked
    assert not state.deferred
    assert not state.unserved
    for number, invoice in world.invoices.items():
        assert invoice.is_ended or world.skipped, f"closed beside invoice {number}"
        assert not invoice.state.exceptions or world.skipped, f"closed, and {number} waits"
    if world.skipped:
        return
    drafts = [n for n, known in world.odoo.invoices.items() if known.move == odoo.DRAFT]
    assert not drafts, f"closed beside drafts {drafts}"
    sums = account.sums(state.account, state.billing_day)
    assert sums.billed == invoiced(world), f"{sums.billed} billed, {invoiced(world)} in Odoo"
    assert world.odoo.project == "archived"
    _credits_are_served(world)


def _credits_are_served(world: World) -> None:
    """Every credit that was accepted is posted: in part, or all of the invoice."""
    asked: dict[int, Money] = {}
    for number, amount in world.credits:
        whole = world.odoo.invoices[number].untaxed
        amount = whole if amount is None else amount
        asked[number] = min(asked.get(number, Money.zero(amount.currency)) + amount, whole)
    for number, amount in asked.items():
        notes = [
            item.untaxed
            for item in world.odoo.invoices.values()
            if item.is_credit
            and item.move == odoo.POSTED
            and item.proposal.credited_number == number
        ]
        given = Money.total(notes, amount.currency)
        # What waited for a close-out that succeeded is refused, and that is noted.
        is_noted = any(
            entry.text.startswith("Refused") and "closed" in entry.text
            for entry in world.contract.journal.entries
        )
        assert given >= amount or is_noted, (
            f"{amount} of invoice {number} was to be credited, {given} was"
        )

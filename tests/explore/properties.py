"""What must hold wherever a contract and its invoices are, and at their end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from contracts.agenda.actions import (
    Action,
    ClockRang,
    Event,
    Failed,
    Noted,
    Result,
    SignalReceived,
    UpdateReceived,
)
from contracts.billing import account
from contracts.billing.state import BillingState, Invoice, InvoiceStatus
from contracts.contract import delivery
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
    SignatureConfirmed,
    SignatureReported,
    UsageReport,
)
from contracts.contract.state import ContractStage, ContractState, MilestoneProgress, has_ended
from contracts.invoice import acts
from contracts.invoice.content import approval_hash
from contracts.invoice.messages import (
    ContractHoldChange,
    ContractRenewed,
    CreditApplied,
    CreditRequested,
    HoldChange,
    InvoiceBalance,
    PaymentNotice,
    PaymentPromised,
    PaymentReceived,
    PaymentReported,
)
from contracts.invoice.state import InvoiceReport, InvoiceStage, InvoiceState, ReversalStage
from contracts.journal import Journal
from contracts.money import Money
from contracts.parking import Resolution
from tests.explore import odoo
from tests.explore.digests import digest
from tests.explore.frozen import once
from tests.explore.world import CONTRACT, World, applied, invoiced, with_state

MOST_BYTES = {"contract": 200_000, "invoice": 60_000, "message": 20_000}


# --- messages ---------------------------------------------------------------------------------


def answered_as_validated(world: World, who: int, event: Event, because: str) -> None:
    """What a validator refuses `apply` refuses too, for the same reason, and nothing changes."""
    outcome = applied(world, who, event)
    if isinstance(event, UpdateReceived):
        assert outcome.refusal == because, f"{outcome.refusal!r} is not {because!r}"
    _only_noted(world, who, outcome.state, is_noted=isinstance(event, SignalReceived))


def only_noted(world: World, who: int, event: Noted) -> None:
    """What cannot be read, or cannot be, changes nothing, and is noted for people."""
    _only_noted(world, who, applied(world, who, event).state, is_noted=True)


def _only_noted(world: World, who: int, after: Any, *, is_noted: bool) -> None:
    state = world.state_of(who)
    if digest(after) != digest(state):
        # A Signal also brings what the time alone brings.
        alone = applied(world, who, ClockRang()).state
        assert digest(after) == digest(alone), "a refused message changed something"
    assert not is_noted or after.journal is not state.journal, "a refused Signal is noted nowhere"


def accepted_has_effect(
    before: World, after: World, who: int, message: Any, *, is_signal: bool
) -> None:
    """A message has an effect, was refused (a Signal says so in the journal), or says what is
    known already."""
    if not before.is_alive(who):
        return
    state, now = before.state_of(who), after.state_of(who)
    if isinstance(message, Resolution):
        assert now.journal is not state.journal, "a decision of a person is noted nowhere"
        return
    if digest(now) != digest(state):
        return
    if is_signal and now.journal is not state.journal:
        assert not comes_too_late(before, who, message), "it came after the close: nobody is told"
        return
    is_known = _KNOWN.get(type(message))
    name = type(message).__name__
    is_repeat = is_known is not None and is_known(state, message)
    assert is_repeat, f"{name} was accepted, and lost"


def comes_too_late(world: World, who: int, message: Any) -> bool:
    """Whether a system tells a closed contract something that would have changed what is owed."""
    state = world.state_of(who)
    if who != CONTRACT or state.stage is not ContractStage.CLOSED:
        return False
    if isinstance(message, CreditRequested):
        return True
    if isinstance(message, MilestoneReached) and message.milestone not in state.milestones:
        return False
    is_fact = isinstance(
        message, MilestoneReached | MilestoneReachedInOdoo | MilestoneUnreachedInOdoo
    )
    return is_fact and not _KNOWN[type(message)](state, message)


def _reached(state: ContractState, message: MilestoneReached) -> bool:
    progress = state.milestones[message.milestone]
    return progress.reached_on is not None and not progress.under_review


def _unreached(state: ContractState, message: MilestoneUnreached) -> bool:
    progress = state.milestones.get(message.milestone)
    return progress is None or progress.reached_on is None or progress.under_review


def _signature_is_known(state: ContractState, message: SignatureReported) -> bool:
    """It was reported, or something newer of the envelope was."""
    signature = state.signature
    return message == signature.late or signature.with_report(message) == signature


def _of_odoo(state: ContractState, milestone_id: int) -> list[MilestoneProgress]:
    known = state.odoo.milestone_ids
    return [item for key, item in state.milestones.items() if known.get(key) == milestone_id]


def _is_older(known: MilestoneProgress, as_of: datetime) -> bool:
    """Something newer is known; or something of the same second, which is looked up."""
    if known.marked_as_of is None:
        return False
    return as_of < known.marked_as_of or (as_of == known.marked_as_of and known.is_unclear)


def _reached_in_odoo(state: ContractState, message: MilestoneReachedInOdoo) -> bool:
    """It is reached, or what Odoo shows is known: that is about to be taken back there."""
    return all(
        (item.reached_on is not None and not item.under_review)
        or item.marked_in_odoo is not False
        or _is_older(item, message.as_of)
        for item in _of_odoo(state, message.milestone_id)
    )


def _unreached_in_odoo(state: ContractState, message: MilestoneUnreachedInOdoo) -> bool:
    """It is not held as marked, or that is newer, or was taken back already."""
    return all(
        not item.marked_in_odoo
        or item.reached_on is None
        or item.under_review
        or _is_older(item, message.as_of)
        for item in _of_odoo(state, message.milestone_id)
    )


def _use_is_known(state: ContractState, report: UsageReport) -> bool:
    """Every record is known; what cannot be billed is named in the answer."""
    return not account.record_usage(state.account, report.records).taken


def _credit_is_known(state: ContractState, credit: ServiceCredit) -> bool:
    asked = credit.retainer, credit.reference, credit.reason, credit.amount, state.today
    return not account.credit_service(state.account, *asked)[1]


def _report_is_known(state: ContractState, report: InvoiceReport) -> bool:
    """It is the latest, or of before the end that is known."""
    before = state.invoices[report.number]
    return report == before or (has_ended(before) and report.stage is not before.stage)


def _is_lost(state: ContractState, lost: InvoiceLost) -> bool:
    has_gone = has_ended(state.invoices[lost.number]) or lost.number in state.orphaned_invoices
    return has_gone and lost.number not in state.followed


def _balance_is_known(state: InvoiceState, balance: InvoiceBalance) -> bool:
    """It is of another invoice, or the latest, or older."""
    if not state.issued or balance.invoice_id != state.invoice_id or state.balance is None:
        return True
    return balance == state.balance or balance.as_of < state.balance.as_of


def _credit_is_applied(state: InvoiceState, credit: CreditApplied) -> bool:
    if not state.issued or credit.balance.invoice_id != state.invoice_id:
        return True
    return credit.number in state.own_credits and _balance_is_known(state, credit.balance)


def _is_held(state: InvoiceState, change: HoldChange) -> bool:
    is_contracts = isinstance(change, ContractHoldChange)
    hold = state.contract_hold if is_contracts else state.hold
    if not change.on or hold is None:
        return not change.on and hold is None
    return (hold.by, hold.reason, hold.until) == (change.by, change.reason, change.until)


def _is_promised(state: InvoiceState, promised: PaymentPromised) -> bool:
    promise = state.promise
    return promise is not None and (promise.on, promise.by) == (promised.on, promised.by)


def _is_booked(state: InvoiceState, payment: PaymentReceived) -> bool:
    """It is known, or a person was asked about it already."""
    asked = any(
        (item.reference, item.amount) == (payment.reference, payment.amount)
        for item in state.payment_questions
    )
    return asked or bool(state.known_payments.get(payment.reference) == payment.amount)


def _payment_is_known(state: InvoiceState, report: PaymentReported) -> bool:
    """It is an older reading, the same one, or of a payment that was gone before it was known."""
    payment = report.payment
    seen = state.payments_read.get(payment.payment_id)
    if seen is not None and report.read_at < seen:
        return True
    if payment.payment_id not in (*state.known_payments, *state.payments_given_up):
        return not payment.rest.is_positive
    standing = {item.id for item in payment.reversals}
    ours = {
        item.reversal.id
        for item in state.reversals
        if item.payment == payment.payment_id
        and item.stage is not ReversalStage.RESTORED
        and not item.is_undone
    }
    return seen == report.read_at and standing == ours


_KNOWN: Mapping[type, Callable[[Any, Any], bool]] = {
    MilestoneReached: _reached,
    MilestoneUnreached: _unreached,
    MilestoneReachedInOdoo: _reached_in_odoo,
    MilestoneUnreachedInOdoo: _unreached_in_odoo,
    UsageReport: _use_is_known,
    ServiceCredit: _credit_is_known,
    HoldRequest: lambda state, message: state.holds.get(message.kind) == message.hold,
    CancelRequest: lambda state, message: state.cancel is not None,
    SignatureReported: _signature_is_known,
    SignatureConfirmed: lambda state, message: state.signature.confirmed == message,
    InvoiceReport: _report_is_known,
    InvoiceEnded: lambda state, message: _report_is_known(state, message.report),
    InvoiceLost: _is_lost,
    InvoiceBalance: _balance_is_known,
    CreditApplied: _credit_is_applied,
    ContractRenewed: lambda state, message: state.tells_its_end,
    HoldChange: _is_held,
    ContractHoldChange: _is_held,
    PaymentPromised: _is_promised,
    PaymentNotice: _is_booked,
    PaymentReported: _payment_is_known,
    PaymentReceived: _is_booked,
}
"""When a message that changes nothing says nothing new."""


def goes_on(before: World, after: World) -> None:
    """What Odoo said last is not forgotten for something older."""
    for number, invoice in before.invoices.items():
        known, now = invoice.state.balance, after.invoices[number].state.balance
        if known is not now and known is not None:
            assert now is not None, f"the balance of invoice {number} is forgotten"
            assert now.as_of >= known.as_of, f"the balance of invoice {number} is an older one"


def counted_once(world: World, who: int, message: Any) -> None:
    """A request that is sent again, as after a lost answer, is answered the same."""
    first = applied(world, who, UpdateReceived(message, "request"))
    again = applied(with_state(world, who, first.state), who, UpdateReceived(message, "request"))
    assert again.refusal is None, f"a request that was accepted is refused: {again.refusal}"
    assert digest(again.state) == digest(first.state), "a request that is sent again counts twice"


def parks_with_both_values(before: World, after: World, who: int, result: Result) -> None:
    """An invoice that is not what was approved parks, with what it said and what it says."""
    if not isinstance(result, Failed) or result.code != "invoice_differs_from_approval":
        return
    state = after.state_of(who)
    parked = state.exception_of(acts.POST)
    if parked is None:
        # It is given up, or its draft is written again, which voids the approval.
        is_over = state.rejected_because or acts.CREATE in state.running
        assert is_over, f"invoice {who} differs, and nobody has to look at it"
        return
    note = before.odoo.invoices[who].note
    assert f"note: (none) -> {note}" in parked.message, f"{parked.message!r} says not what differs"


def shown_as_looked_up(after: World, action: Action) -> None:
    """What was looked up in Odoo is what the contract takes it to show from then on; or it is to be
    set again."""
    if action.kind != delivery.LOOK_UP:
        return
    shown = after.contract.odoo.milestone_ids[action.subject]
    known = after.contract.milestones[action.subject].marked_in_odoo
    assert known in (None, shown in after.odoo.marked), (
        f"{action.subject} is shown otherwise in Odoo"
    )


# --- always ---------------------------------------------------------------------------------------


def check(world: World) -> None:
    """What must hold in every state."""
    if world.contract.billing is not None:
        _billing_adds_up(world.contract.billing, world.contract.billing_day)
    for number, known in world.odoo.invoices.items():
        if known.posts:
            state = world.invoices[number].state
            _posted_is_approved(state, known, world.amended, world.skipped)
        _rejected_is_gone(world, number, known)
    _nothing_twice(world)
    if world.signature and (world.odoo.project or world.odoo.order):
        assert world.contract.signature.is_given, "set up, and nobody has signed"
    for number, invoice in world.invoices.items():
        if invoice.is_ended and number in world.odoo.invoices:
            _drafts_are_gone(invoice.state, world.odoo.invoices[number])
    for who in (CONTRACT, *world.invoices):
        for parked in world.state_of(who).exceptions:
            if parked.uncertain:
                assert [str(item) for item in parked.allowed] == ["retry"]
    if world.contract.stage is ContractStage.CANCELLED:
        _check_cancelled(world)
    if world.contract.stage is ContractStage.CLOSED:
        _check_closed(world)


@once(200)
def _billing_adds_up(billing: BillingState, today: date) -> None:
    """Billed + to bill + waived = entitled, for every key."""
    assert account.check(billing, today) == []


@once(5_000)
def _posted_is_approved(
    state: InvoiceState,
    known: odoo.OdooInvoice,
    amended: tuple[tuple[int, str], ...],
    skipped: bool,
) -> None:
    number = known.number
    assert known.posts <= 1, f"invoice {number} was posted twice"
    assert state.approval_round is not None, f"invoice {number} is posted without approval"
    subject = state.approval_round.subject
    given = {item.content_hash for item in state.approval_round.approvals}
    given |= {subject.content_hash}
    assert state.approval_round.is_met, f"invoice {number} is posted without approval"
    by = {item.by for item in state.approval_round.approvals}
    asked = {*subject.requested_by, *(who for which, who in amended if which == number)}
    assert not by & asked, f"invoice {number} is approved by who asked for it"
    assert state.draft is not None, f"invoice {number} is posted without a draft"
    posted = approval_hash(state.draft.content_hash, state.invoice_on, known.content)
    assert given == {posted}, f"invoice {number}: posted is not approved"
    written = state.draft.content_hash
    assert written == known.proposal.content_hash, f"invoice {number}: another draft is posted"
    if known.move == odoo.POSTED and not skipped:
        assert not state.rejected_because, f"invoice {number} is given up, and posted"


def _rejected_is_gone(world: World, number: int, known: odoo.OdooInvoice) -> None:
    """The contract bills again what is rejected: nothing of it may be left in Odoo."""
    report = world.contract.invoices[number]
    if report.stage is InvoiceStage.REJECTED and not world.skipped:
        assert known.move == odoo.CANCELLED, f"invoice {number} is rejected, and {known.move}"


def _drafts_are_gone(state: InvoiceState, known: odoo.OdooInvoice) -> None:
    """What Odoo did not post is posted, taken back, or named in the journal."""
    if state.stage is InvoiceStage.SETTLED and known.drafts:
        assert left_in_odoo(state.journal), f"left: {known.drafts}"


@once(20_000)
def left_in_odoo(journal: Journal) -> tuple[str, ...]:
    """What a journal says that was left in Odoo."""
    texts = (entry.text for entry in journal.entries)
    return tuple(text for text in texts if text.startswith("Left in Odoo"))


def _nothing_twice(world: World) -> None:
    """Of no milestone is more posted in Odoo than it is worth, or was at first."""
    billing = world.contract.billing
    if billing is None or not billing.contract.milestones:
        return
    posted: dict[str, Decimal] = defaultdict(Decimal)
    for number, known in world.odoo.invoices.items():
        invoice = billing.invoices.get(number)
        if invoice is not None and (known.move == odoo.POSTED or _was_credited(known, invoice)):
            for key, (amount, _) in invoice.by_key.items():
                posted[key] += amount
    worth = {item["key"]: Decimal(item["amount"]) for item in world.deal.get("milestones", ())}
    for milestone in billing.contract.milestones:
        amount = posted.get(f"milestone:{milestone.key}", Decimal(0))
        most = max(abs(milestone.amount.amount), abs(worth.get(milestone.key, Decimal(0))))
        assert abs(amount) <= most, f"{amount} is posted of {milestone.key}, worth {most}"


def _was_credited(known: odoo.OdooInvoice, invoice: Invoice) -> bool:
    """A credit note that somebody cancels in Odoo is theirs to restore: its workflow asks for it,
    and what is billed again in its place stays."""
    is_issued = invoice.status is InvoiceStatus.ISSUED
    return known.is_credit and known.move == odoo.CANCELLED and is_issued


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
    assert not state.unserved
    if world.skipped:
        return
    for number, report in state.invoices.items():
        # Money that comes after it has said that it is over, it sees to by itself.
        is_over = report.stage is InvoiceStage.SETTLED and not report.exceptions
        is_gone = number not in world.invoices or world.invoices[number].is_ended
        assert is_gone or is_over, f"closed beside invoice {number}"
    drafts = [n for n, known in world.odoo.invoices.items() if known.move == odoo.DRAFT]
    assert not drafts, f"closed beside drafts {drafts}"
    sums = account.sums(state.account, state.billing_day)
    assert sums.billed == invoiced(world), f"{sums.billed} billed, {invoiced(world)} in Odoo"
    assert world.odoo.project == "archived"
    is_attached = world.odoo.signed or not state.signature.is_completed
    assert is_attached, "closed, and what was signed is nowhere"
    _credits_are_served(world)


def _credits_are_served(world: World) -> None:
    """Every credit that was accepted is posted."""
    asked: dict[int, Money] = {}
    for number, amount in world.credits:
        asked[number] = asked.get(number, Money.zero(amount.currency)) + amount
    for number, amount in asked.items():
        notes = [
            item.untaxed
            for item in world.odoo.invoices.values()
            if item.is_credit
            and item.move == odoo.POSTED
            and item.proposal.credited_number == number
        ]
        given = Money.total(notes, amount.currency)
        assert given >= amount, f"{amount} of invoice {number} was to be credited, {given} was"

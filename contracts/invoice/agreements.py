"""What people agree with a customer about a posted invoice: disputes, promises, holds; and what is
written off of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from contracts import parking
from contracts.agenda.actions import Action
from contracts.agenda.machine import ActRule, MessageRule
from contracts.agenda.state import required
from contracts.approvals import ApprovalKind, ApprovalRound, Subject, content_hash_of
from contracts.dunning import Dispute, DunningHold, Promise
from contracts.invoice import acts, approving, collecting, payments, recording
from contracts.invoice.messages import (
    ContractHoldChange,
    CreditRequested,
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    InvoiceBalance,
    PaymentPromised,
    WriteOffAsked,
)
from contracts.invoice.state import GivenUp, InvoiceState, WriteOff, WriteOffContent
from contracts.money import Money

_LONGEST_PROMISE = timedelta(days=366)


# --- disputes -------------------------------------------------------------------------------------


def dispute_refusal(state: InvoiceState, opened: DisputeOpened) -> str | None:
    """Why a dispute cannot be accepted, as a sentence; None if it can."""
    if state.dispute is not None:
        return f"{state.dispute.amount} is disputed already; resolve that first"
    return (
        _nothing_owed(state)
        or _amount_refusal(state, opened.amount)
        or _date_refusal(state, "the revised due date", opened.revised_due_on)
    )


def opened_dispute(state: InvoiceState, opened: DisputeOpened) -> Dispute:
    """The dispute as it is kept; of all that is open where no amount is stated."""
    balance = collecting.required_balance(state)
    return Dispute(
        amount=opened.amount or balance.residual,
        reason=opened.reason,
        by=opened.by,
        opened_on=state.today,
        revised_due_on=opened.revised_due_on,
    )


def _dispute(state: InvoiceState, opened: DisputeOpened) -> InvoiceState:
    dispute = opened_dispute(state, opened)
    text = f"{opened.by}: {dispute.amount} is disputed: {dispute.reason}"
    return state.replace(dispute=dispute).noted(text)


def resolution_refusal(state: InvoiceState, resolved: DisputeResolved) -> str | None:
    """Why a dispute cannot be resolved like this; None if it can."""
    dispute = state.dispute
    if dispute is None:
        return "nothing is disputed"
    accepted = resolved.accepted
    if accepted is not None and accepted.currency != dispute.amount.currency:
        return f"{dispute.amount} is disputed, not {accepted}: the currencies differ"
    if accepted is not None and accepted.amount < 0:
        return f"the accepted amount is not below zero: {accepted}"
    if accepted is not None and accepted > dispute.amount:
        return f"{dispute.amount} is disputed; no more than that can be accepted, not {accepted}"
    if accepted and accepted.is_positive and dispute.accepted is not None:
        return f"{dispute.accepted} was accepted already and waits for its credit note"
    if accepted and accepted.is_positive and collecting.posted(state) is None:
        return "the invoice is not posted in Odoo: post it again there, then it can be credited"
    return _date_refusal(state, "the revised due date", resolved.revised_due_on)


def _dispute_resolved(state: InvoiceState, resolved: DisputeResolved) -> InvoiceState:
    """Nothing accepted: all is dunned again at once. Else the contract is asked for a credit note,
    and until that is there the accepted part stays disputed."""
    dispute = required(state.dispute)
    due_on = resolved.revised_due_on or dispute.revised_due_on or state.revised_due_on
    state = state.replace(revised_due_on=due_on)
    if resolved.accepted is not None and resolved.accepted.is_positive:
        accepted = accepted_dispute(state, dispute, resolved.accepted)
        request = credit_request(state, accepted, resolved)
        requests = (*state.credit_requests, request)
        state = state.replace(dispute=accepted, credit_requests=requests)
        how = f"{resolved.accepted} of it accepted"
    else:
        state = state.replace(dispute=None)
        how = "rejected"
    text = f"{resolved.by}: dispute over {dispute.amount} {how}: {resolved.comment}"
    return state.noted(text)


def accepted_dispute(state: InvoiceState, dispute: Dispute, accepted: Money) -> Dispute:
    """The dispute once a part is accepted: only that part stays disputed, until it is credited."""
    balance = collecting.required_balance(state)
    share = accepted.amount * balance.untaxed.amount / balance.total.amount
    return dispute.replace(
        accepted=accepted,
        to_credit=Money.rounded(share, accepted.currency),
        credited_before=collecting.credited_untaxed(state, balance),
    )


def credit_request(
    state: InvoiceState, dispute: Dispute, resolved: DisputeResolved
) -> CreditRequested:
    """What the contract is asked to credit for a dispute that was accepted."""
    if dispute.accepted is None or dispute.to_credit is None:
        raise ValueError("nothing of the dispute was accepted")
    return CreditRequested(
        number=state.proposal.number,
        amount=dispute.accepted,
        untaxed=dispute.to_credit,
        by=resolved.by,
        reason=f"{dispute.reason}: {resolved.comment}",
    )


def is_credited(state: InvoiceState, dispute: Dispute) -> bool:
    """Whether what was accepted of a dispute has been credited since."""
    balance = collecting.posted(state)
    if balance is None or dispute.to_credit is None or dispute.credited_before is None:
        return False
    return (
        collecting.credited_untaxed(state, balance) - dispute.credited_before >= dispute.to_credit
    )


def end_dispute(state: InvoiceState) -> InvoiceState:
    """A dispute is over once nothing is open, or what was accepted is credited."""
    balance, dispute = collecting.posted(state), state.dispute
    if balance is None or dispute is None:
        return state
    if dispute.accepted is None and not balance.residual.is_positive:
        text = f"The dispute over {dispute.amount} ended: nothing is open"
    elif is_credited(state, dispute):
        text = f"{dispute.accepted} is credited, as accepted in the dispute"
    else:
        return state
    return state.replace(dispute=None).noted(text)


# --- promises -------------------------------------------------------------------------------------


def promise_refusal(state: InvoiceState, promised: PaymentPromised) -> str | None:
    """Why a promise to pay cannot be accepted; None if it can."""
    if promised.on > state.today + _LONGEST_PROMISE:
        return f"a promise is for a year at most, not until {promised.on}"
    return (
        _nothing_owed(state)
        or _amount_refusal(state, promised.amount)
        or _date_refusal(state, "the promised day", promised.on)
    )


def taken_promise(state: InvoiceState, promised: PaymentPromised) -> Promise:
    """The promise as it is kept; of all that is not disputed where no amount is stated."""
    balance = collecting.required_balance(state)
    rest = collecting.undisputed(state, balance)
    return Promise(
        on=promised.on,
        amount=promised.amount or (rest if rest.is_positive else balance.residual),
        by=promised.by,
        made_on=state.today,
        paid_before=collecting.paid(state, balance),
    )


def _promise(state: InvoiceState, promised: PaymentPromised) -> InvoiceState:
    """A later promise takes the place of an earlier one."""
    promise = taken_promise(state, promised)
    text = f"{promised.by}: {promise.amount} is promised until {promise.on}"
    return state.replace(promise=promise).noted(text)


def keep_promise(state: InvoiceState) -> InvoiceState:
    """A promise is kept once the money has come."""
    balance, promise = collecting.posted(state), state.promise
    if balance is None or promise is None:
        return state
    if not promise.is_kept(collecting.paid(state, balance), balance.residual):
        return state
    text = f"Promise kept: {promise.amount} until {promise.on}"
    return state.replace(promise=None).noted(text)


# --- holds ----------------------------------------------------------------------------------------


def hold_refusal(state: InvoiceState, change: HoldChange) -> str | None:
    """Why reminders cannot be held or released like this; None if they can."""
    if collecting.is_credit_note(state):
        return "nobody is reminded of a credit note"
    is_contracts = isinstance(change, ContractHoldChange)
    current = state.contract_hold if is_contracts else state.hold
    if not change.on and current is None:
        if not is_contracts and state.contract_hold is not None:
            return "the hold is on the whole contract; release it there"
        return "reminders are not on hold"
    return _date_refusal(state, "the hold's last day", change.until) if change.on else None


def _hold(state: InvoiceState, change: HoldChange) -> InvoiceState:
    hold = None
    if change.on:
        hold = DunningHold(
            by=change.by, reason=change.reason, since=state.today, until=change.until
        )
    is_contracts = isinstance(change, ContractHoldChange)
    whose = "The contract's reminders" if is_contracts else "Reminders"
    what = "on hold" if hold else "released"
    until = f" until {hold.until}" if hold and hold.until else ""
    text = f"{change.by}: {whose} {what}{until}: {change.reason}"
    if is_contracts:
        return state.replace(contract_hold=hold).noted(text)
    return state.replace(hold=hold).noted(text)


def end_holds(state: InvoiceState) -> InvoiceState:
    """A hold is over once its last day has passed."""
    if not collecting.is_dunned(state):
        return state
    if state.hold is not None and not state.hold.covers(state.today):
        state = state.replace(hold=None).noted("The hold on reminders has ended")
    if state.contract_hold is not None and not state.contract_hold.covers(state.today):
        text = "The contract's hold on reminders has ended"
        state = state.replace(contract_hold=None).noted(text)
    return state


# --- write-offs -----------------------------------------------------------------------------------


def write_off_refusal(state: InvoiceState, _: WriteOffAsked) -> str | None:
    """Why what is open cannot be proposed for write-off; None if it can."""
    if state.write_off is not None:
        return f"a write-off of {state.write_off.amount} awaits approval already"
    if refusal := _nothing_owed(state):
        return refusal
    if collecting.required_balance(state).in_payment or _is_booking(state):
        return "a payment is on its way; wait until it has arrived"
    if state.policy is None or not state.policy.write_off_account:
        return (
            f"no write-off account is configured: set "
            f"entities.{state.proposal.legal_entity}.write_off_account (new invoices take it)"
        )
    return None


def _is_booking(state: InvoiceState) -> bool:
    """Whether money, or what undoes it, is still to be booked."""
    return bool(state.payments) or collecting.is_reversing(state)


def write_off_content(state: InvoiceState, amount: Money, reason: str) -> WriteOffContent:
    """What an approval of a write-off is bound to."""
    return WriteOffContent(
        contract_id=state.proposal.contract_id,
        legal_entity=state.proposal.legal_entity,
        number=state.proposal.number,
        invoice=collecting.required_balance(state).number,
        amount=amount,
        reason=reason,
    )


def _write_off(state: InvoiceState, asked: WriteOffAsked) -> InvoiceState:
    """Propose to give up what is open; nothing happens before it is approved."""
    amount = collecting.required_balance(state).residual
    write_off = WriteOff(
        amount=amount,
        by=asked.by,
        reason=asked.reason,
        asked_on=state.today,
        approval_round=_write_off_round(state, asked),
    )
    text = f"{asked.by}: write-off of {amount} asked for: {asked.reason}"
    state = state.replace(write_off=write_off, write_offs=state.write_offs + 1).noted(text)
    return approving.with_rule_noted(state, write_off.approval_round)


def _write_off_round(state: InvoiceState, asked: WriteOffAsked) -> ApprovalRound:
    amount, rules = collecting.required_balance(state).residual, state.rules
    content = write_off_content(state, amount, asked.reason)
    subject = Subject(
        kind=ApprovalKind.WRITE_OFF,
        title=f"write-off of {state.title} for {state.proposal.customer_name}",
        amount=amount,
        content_hash=content_hash_of(content),
        customer_key=state.proposal.customer_key,
        customer_name=state.proposal.customer_name,
        requested_by=(asked.by,),
        details=(f"because: {asked.reason}",),
    )
    return ApprovalRound.begin(rules.approval, rules.calendar, subject, state.today)


def to_write_off(asked: WriteOff) -> Action:
    """The write-off that was approved."""
    basis = asked.approval_round.subject.content_hash
    return Action(
        acts.WRITE_OFF,
        key=acts.WRITE_OFF,
        basis=basis,
        lane=payments.BOOKING_LANE,
        irreversible=True,
    )


def void_write_off(state: InvoiceState) -> InvoiceState:
    """Any other open amount voids a write-off; not while it is carried out, nor while it may have
    been: then the open amount is another one because of it. One that was approved was tried, and
    may have left a draft."""
    asked, balance = state.write_off, collecting.posted(state)
    if asked is None or acts.WRITE_OFF in state.running or acts.WRITE_OFF in state.uncertain:
        return state
    if asked.approval_round.is_rejected:
        return _without_write_off(state, "rejected")
    if balance is None:
        return state
    if balance.residual != asked.amount or balance.in_payment or _is_booking(state):
        if asked.approval_round.is_met:
            state = _with_given_up(state)
        return _without_write_off(state, f"void: {balance.residual} is open now")
    return state


def _wrote_off(state: InvoiceState, action: Action, balance: InvoiceBalance) -> InvoiceState:
    asked = state.write_off
    if asked is not None:
        approved = f"write-off of {asked.amount}: {asked.approval_round.given}"
        state = state.replace(write_offs_approved=(*state.write_offs_approved, approved))
    return payments.with_balance(_without_write_off(state, "done"), balance)


def _give_up(state: InvoiceState, *_: Any) -> InvoiceState:
    return _without_write_off(_with_given_up(state), "not booked")


def _with_given_up(state: InvoiceState) -> InvoiceState:
    return payments.with_given_up(state, GivenUp(write_off=str(state.write_offs)))


def _without_write_off(state: InvoiceState, why: str) -> InvoiceState:
    """A write-off is over: carried out, rejected or void."""
    asked = state.write_off
    if asked is None:
        return state
    return state.replace(write_off=None).noted(f"Write-off of {asked.amount}: {why}")


# --- what may be agreed ---------------------------------------------------------------------------


def _nothing_owed(state: InvoiceState) -> str | None:
    if collecting.is_credit_note(state):
        return "that is a credit note: the customer owes nothing on it"
    balance = collecting.posted(state)
    if balance is None:
        return collecting.unpayable(state, "nothing is owed on it")
    if not balance.residual.is_positive:
        return f"nothing is open: the invoice is {state.stage}"
    return None


def _amount_refusal(state: InvoiceState, amount: Money | None) -> str | None:
    if amount is None:
        return None
    residual = collecting.required_balance(state).residual
    if amount.currency != residual.currency:
        return f"the invoice is in {residual.currency}, not in {amount.currency}"
    if not amount.is_positive:
        return f"an amount above zero is expected, not {amount}"
    if amount > residual:
        return f"{residual} is open; it cannot be more than that, not {amount}"
    return None


def _date_refusal(state: InvoiceState, what: str, day: date | None) -> str | None:
    return f"{what} is past: {day}" if day is not None and day < state.today else None


ACTS: Mapping[str, ActRule[InvoiceState]] = {
    acts.WRITE_OFF: ActRule(
        parking.WRITE_OFF,
        _wrote_off,
        skipped=_give_up,
        left=recording.balance,
    )
}
MESSAGES: Mapping[type, MessageRule[InvoiceState]] = {
    DisputeOpened: MessageRule(_dispute, dispute_refusal),
    DisputeResolved: MessageRule(_dispute_resolved, resolution_refusal),
    PaymentPromised: MessageRule(_promise, promise_refusal),
    HoldChange: MessageRule(_hold, hold_refusal),
    ContractHoldChange: MessageRule(_hold, hold_refusal),
    WriteOffAsked: MessageRule(_write_off, write_off_refusal),
}

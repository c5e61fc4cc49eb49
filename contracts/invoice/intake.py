"""What an accepted message changes in an invoice. Nothing here starts anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from contracts.agenda.actions import Metric
from contracts.agenda.state import required
from contracts.approvals import (
    ApprovalDecision,
    ApprovalKind,
    ApprovalRound,
    Decision,
    Subject,
    content_hash_of,
)
from contracts.dunning import DunningHold
from contracts.invoice import agenda, collecting
from contracts.invoice.messages import (
    ContractRenewed,
    CreditApplied,
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    InvoiceBalance,
    PaymentNotice,
    PaymentPromised,
    PaymentReceived,
    WriteOffAsked,
)
from contracts.invoice.refusals import amended_proposal
from contracts.invoice.state import InvoiceState, OwnCredit, PaymentQuestion, WriteOff
from contracts.money import Money
from contracts.parking import Action, Resolution, StepException

APPROVAL_WAITING = "c2c_approval_waiting_days"
DIFFERS = "invoice_differs_from_approval"
"""The draft in Odoo no longer comes to what was approved: it is written again."""


def take(state: InvoiceState, message: Any) -> InvoiceState:
    """The state after a message that was not refused."""
    return _TAKES[type(message)](state, message)


# --- approvals ----------------------------------------------------------------------------------


def _decision(state: InvoiceState, decision: ApprovalDecision) -> InvoiceState:
    decided = required(state.open_round).decided(decision, state.clock)
    if state.write_off is not None:
        write_off = state.write_off.model_copy(update={"approval_round": decided})
        state = state.replace(write_off=write_off)
    else:
        state = state.replace(approval_round=decided)
    title = decided.subject.title
    if decision.decision is Decision.REJECT:
        state = state.noted(f"Rejected {title}: {decided.rejected_because}")
    else:
        state = state.noted(f"{decision.by} approved {title}")
    if decided.is_decided:
        state = state.measured(_waited(state, decided))
    return state.answering(decided)


def _waited(state: InvoiceState, decided: ApprovalRound) -> Metric:
    days = (state.today - decided.requirement.asked_on).days
    return Metric(APPROVAL_WAITING, days, {"kind": str(decided.subject.kind)})


# --- money --------------------------------------------------------------------------------------


def _payment(state: InvoiceState, payment: PaymentReceived) -> InvoiceState:
    """Money known outside Odoo: from the customer, or on a credit note to them. What comes before
    the invoice is posted is booked once it is."""
    known = state.known_payments.get(payment.reference)
    if known is not None:
        return state if known == payment.amount else _with_other_amount(state, payment, known)
    return state.replace(
        known_payments={**state.known_payments, payment.reference: payment.amount},
        payments=(*state.payments, payment),
    ).noted(f"Payment {payment.reference} of {payment.amount} announced")


def _with_other_amount(state: InvoiceState, payment: PaymentReceived, known: Money) -> InvoiceState:
    """A system reports a known payment with another amount: the first stays as it is."""
    text = (
        f"payment {payment.reference} of {known} is known and was reported again with "
        f"{payment.amount}"
    )
    return with_payment_question(state, "payment_differs", payment.reference, payment.amount, text)


def with_payment_question(
    state: InvoiceState, code: str, reference: str, amount: Money, text: str
) -> InvoiceState:
    """A person is to see to this money; the same is asked once."""
    question = PaymentQuestion(code=code, reference=reference, amount=amount, text=text)
    if question in state.payment_questions:
        return state
    questions = (*state.payment_questions, question)
    return state.replace(payment_questions=questions).noted(f"{text[:1].upper()}{text[1:]}")


def _balance_news(state: InvoiceState, balance: InvoiceBalance) -> InvoiceState:
    """From the sweep: the invoice changed in Odoo."""
    is_ours = state.issued and balance.invoice_id == state.invoice_id
    return with_balance(state, balance) if is_ours else state


def with_balance(state: InvoiceState, balance: InvoiceBalance) -> InvoiceState:
    """What Odoo says now. Older news than we have is ignored."""
    known = state.balance
    if balance == known or (known is not None and balance.as_of < known.as_of):
        return state
    if known is not None and known.posted and balance.residual != known.residual:
        state = state.noted(f"Open amount {known.residual} -> {balance.residual}")
    if balance.cancelled and not (known and known.cancelled):
        state = state.noted("The invoice was cancelled in Odoo")
    if known and known.written_off and not balance.written_off:
        state = state.noted(f"The write-off of {known.written_off} was undone in Odoo")
    return state.replace(balance=balance)


def _credit(state: InvoiceState, credit: CreditApplied) -> InvoiceState:
    """A credit note of ours was set off against this invoice."""
    if not state.issued or credit.balance.invoice_id != state.invoice_id:
        return state
    ours = OwnCredit(untaxed=credit.untaxed, applied=credit.applied)
    state = state.replace(own_credits={**state.own_credits, credit.number: ours})
    state = state.noted(f"Credited {credit.untaxed} without tax by credit note {credit.number}")
    return with_balance(state, credit.balance)


# --- what is agreed with the customer -----------------------------------------------------------


def _dispute(state: InvoiceState, opened: DisputeOpened) -> InvoiceState:
    dispute = collecting.opened_dispute(state, opened, state.today)
    text = f"{opened.by}: {dispute.amount} is disputed: {dispute.reason}"
    return state.replace(dispute=dispute).noted(text)


def _dispute_resolved(state: InvoiceState, resolved: DisputeResolved) -> InvoiceState:
    """Nothing accepted: all is dunned again at once. Else the contract is asked for a credit note,
    and until that is there the accepted part stays disputed."""
    dispute = required(state.dispute)
    due_on = resolved.revised_due_on or dispute.revised_due_on or state.revised_due_on
    state = state.replace(revised_due_on=due_on)
    if resolved.accepted is not None and resolved.accepted.is_positive:
        accepted = collecting.accepted_dispute(state, dispute, resolved.accepted)
        request = collecting.credit_request(state, accepted, resolved)
        requests = (*state.credit_requests, request)
        state = state.replace(dispute=accepted, credit_requests=requests)
        how = f"{resolved.accepted} of it accepted"
    else:
        state = state.replace(dispute=None)
        how = "rejected"
    text = f"{resolved.by}: dispute over {dispute.amount} {how}: {resolved.comment}"
    return state.noted(text)


def _promise(state: InvoiceState, promised: PaymentPromised) -> InvoiceState:
    """A later promise takes the place of an earlier one."""
    promise = collecting.taken_promise(state, promised, state.today)
    text = f"{promised.by}: {promise.amount} is promised until {promise.on}"
    return state.replace(promise=promise).noted(text)


def _hold(state: InvoiceState, change: HoldChange) -> InvoiceState:
    hold = None
    if change.on:
        hold = DunningHold(
            by=change.by, reason=change.reason, since=state.today, until=change.until
        )
    whose = "The contract's reminders" if change.whole_contract else "Reminders"
    what = "on hold" if hold else "released"
    until = f" until {hold.until}" if hold and hold.until else ""
    text = f"{change.by}: {whose} {what}{until}: {change.reason}"
    if change.whole_contract:
        return state.replace(contract_hold=hold).noted(text)
    return state.replace(hold=hold).noted(text)


def _write_off(state: InvoiceState, asked: WriteOffAsked) -> InvoiceState:
    """Propose to give up what is open; nothing happens before it is approved."""
    amount = agenda.required_balance(state).residual
    write_off = WriteOff(
        amount=amount,
        by=asked.by,
        reason=asked.reason,
        asked_on=state.today,
        approval_round=_write_off_round(state, asked),
    )
    text = f"{asked.by}: write-off of {amount} asked for: {asked.reason}"
    state = state.replace(write_off=write_off).noted(text)
    return with_rule_noted(state, write_off.approval_round)


def _write_off_round(state: InvoiceState, asked: WriteOffAsked) -> ApprovalRound:
    amount, rules = agenda.required_balance(state).residual, state.rules
    content = collecting.write_off_content(state, amount, asked.reason)
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


def with_rule_noted(state: InvoiceState, approval_round: ApprovalRound) -> InvoiceState:
    """What nobody is asked about says by which rule."""
    if not approval_round.is_automatic:
        return state
    return state.noted(f"{approval_round.subject.title}: {approval_round.requirement.rule}")


def _contract_renewed(state: InvoiceState, _: ContractRenewed) -> InvoiceState:
    return state.replace(tells_its_end=True)


# --- what people decide about a parked step -----------------------------------------------------


def resolved(state: InvoiceState, parked: StepException, resolution: Resolution) -> InvoiceState:
    """The state after a person's decision; an act that is to be retried is retried by itself."""
    if resolution.action is Action.SKIP:
        return _SKIPPED[parked.key.partition(":")[0]](state, parked)
    if resolution.action is Action.CANCEL:
        because = f"{resolution.by}: {resolution.reason or parked.message}"
        return state.replace(rejected_because=because)
    if resolution.action is Action.AMEND:
        return _amended(state, resolution)
    return with_draft_outdated(state) if parked.code == DIFFERS else state


def _amended(state: InvoiceState, resolution: Resolution) -> InvoiceState:
    before = state.proposal.content_hash
    proposal, invoice_on = amended_proposal(state, resolution)
    state = state.replace(proposal=proposal, invoice_on=invoice_on, amended=True)
    state = with_draft_outdated(state)
    if proposal.content_hash == before:
        return state
    state = state.replace(approval_round=None)
    return state.noted("The proposal changed: earlier approvals are void")


def with_draft_outdated(state: InvoiceState) -> InvoiceState:
    """The draft in Odoo is to be written again."""
    if state.draft is None:
        return state
    return state.replace(draft=state.draft.model_copy(update={"content_hash": ""}))


def _skip_discard(state: InvoiceState, _: StepException) -> InvoiceState:
    return state.replace(discarded=True).noted("The draft was left in Odoo")


def _skip_delivery(state: InvoiceState, _: StepException) -> InvoiceState:
    return state.replace(delivered=True).noted("Delivery skipped")


def _skip_payment(state: InvoiceState, parked: StepException) -> InvoiceState:
    return without_payment(state, parked.key.partition(":")[2])


def without_payment(state: InvoiceState, reference: str) -> InvoiceState:
    """The payment is booked, or a person has seen to it."""
    rest = tuple(item for item in state.payments if item.reference != reference)
    return state.replace(payments=rest)


def _skip_payment_question(state: InvoiceState, parked: StepException) -> InvoiceState:
    rest = tuple(item for item in state.payment_questions if item.key != parked.key)
    return state.replace(payment_questions=rest)


def _skip_reconciling(state: InvoiceState, _: StepException) -> InvoiceState:
    return state.replace(reconciled=True)


def _skip_write_off(state: InvoiceState, _: StepException) -> InvoiceState:
    return without_write_off(state, "not carried out")


def without_write_off(state: InvoiceState, why: str) -> InvoiceState:
    """A write-off is over: carried out, rejected or void."""
    asked = state.write_off
    if asked is None:
        return state
    return state.replace(write_off=None).noted(f"Write-off of {asked.amount}: {why}")


def _skip_reminder(state: InvoiceState, _: StepException) -> InvoiceState:
    return with_reminder_sent(state, "skipped")


def with_reminder_sent(state: InvoiceState, how: str) -> InvoiceState:
    """The level counts from today on, whoever reminded the customer."""
    reminder = state.reminder
    if reminder is None:
        return state
    level = state.dunning.model_copy(update={"level": reminder.level, "sent_on": state.today})
    state = state.replace(dunning=level, reminder=None)
    return state.noted(f"Reminder {reminder.level} {how}: {reminder.owed} asked for")


def _skip_approvers(state: InvoiceState, parked: StepException) -> InvoiceState:
    return with_approvers_reminded(state, parked.basis)


def with_approvers_reminded(state: InvoiceState, basis: str) -> InvoiceState:
    """Those who have to decide were reminded, or need not be; the basis of the act says whom."""
    escalated = basis.startswith(agenda.ESCALATED)
    if state.write_off is not None and state.issued:
        found = state.write_off.approval_round.with_reminder(escalated=escalated)
        write_off = state.write_off.model_copy(update={"approval_round": found})
        return state.replace(write_off=write_off)
    if state.approval_round is None:
        return state
    return state.replace(approval_round=state.approval_round.with_reminder(escalated=escalated))


_TAKES: dict[type[Any], Callable[[InvoiceState, Any], InvoiceState]] = {
    ApprovalDecision: _decision,
    PaymentReceived: _payment,
    PaymentNotice: _payment,
    InvoiceBalance: _balance_news,
    CreditApplied: _credit,
    DisputeOpened: _dispute,
    DisputeResolved: _dispute_resolved,
    PaymentPromised: _promise,
    HoldChange: _hold,
    WriteOffAsked: _write_off,
    ContractRenewed: _contract_renewed,
}

_SKIPPED: Mapping[str, Callable[[InvoiceState, StepException], InvoiceState]] = {
    agenda.DISCARD: _skip_discard,
    agenda.DELIVER: _skip_delivery,
    agenda.REGISTER_PAYMENT: _skip_payment,
    agenda.SETTLE_PAYMENT: _skip_payment_question,
    agenda.RECONCILE: _skip_reconciling,
    agenda.WRITE_OFF: _skip_write_off,
    agenda.REMIND: _skip_reminder,
    agenda.NOTIFY: _skip_approvers,
}

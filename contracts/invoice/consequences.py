"""What follows from the state of an invoice and the time alone, one step at a time.

Each function below gives the state after one consequence, or the very same state where there is
nothing to change. None of them does anything that could not be derived again from the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from contracts.agenda.actions import Metric
from contracts.agenda.state import required
from contracts.approvals import ApprovalKind, ApprovalRound, Subject
from contracts.dunning import Act, DunningState
from contracts.invoice import agenda, collecting
from contracts.invoice.intake import with_rule_noted, without_write_off
from contracts.invoice.state import InvoiceStage, InvoiceState
from contracts.views.details import invoice_waits

CASH = "c2c_posted_to_cash_days"


def advance(state: InvoiceState) -> InvoiceState:
    """The state after the first consequence that there is; the very same state if there is none."""
    for consequence in _OF_POSTED if state.issued else _OF_PROPOSED:
        after = consequence(state)
        if after is not state:
            return after
    return state


def shown(state: InvoiceState) -> InvoiceState:
    """The state with what people see of it: what it waits for, since when, what comes next."""
    on, _ = invoice_waits(state)
    waiting = state.waiting.updated(on, state.clock, state.exceptions)
    next_action_at = _next_action_at(state)
    if waiting == state.waiting and next_action_at == state.next_action_at:
        return state
    return state.replace(waiting=waiting, next_action_at=next_action_at)


# --- until it is posted -------------------------------------------------------------------------


def _begin_approval(state: InvoiceState) -> InvoiceState:
    """The draft exists in Odoo before anybody approves it, with the tax Odoo computes."""
    if state.approval_round is not None or state.rejected_because:
        return state
    if agenda.draft_is_outdated(state):
        return state
    approval_round = _approval_round(state)
    subject = approval_round.subject
    text = f"Proposed {subject.amount}, {subject.total} with tax"
    state = state.replace(approval_round=approval_round).noted(text)
    return with_rule_noted(state, approval_round)


def _approval_round(state: InvoiceState) -> ApprovalRound:
    proposal, rules, draft = state.proposal, state.rules, required(state.draft)
    is_credit = collecting.is_credit_note(state)
    kind = ApprovalKind.CREDIT_NOTE if is_credit else ApprovalKind.INVOICE
    subject = Subject(
        kind=kind,
        title=f"{kind.words} {proposal.number} of {proposal.contract_id} "
        f"for {proposal.customer_name}",
        amount=proposal.amount,
        total=draft.odoo_totals.total,
        content_hash=draft.approval_hash,
        customer_key=proposal.customer_key,
        customer_name=proposal.customer_name,
        requested_by=state.requested_by,
        as_planned=proposal.as_planned and not state.changed_by_hand,
        details=collecting.proposal_details(proposal, draft.content),
    )
    return ApprovalRound.begin(rules.approval, rules.calendar, subject, state.today)


def _escalate(state: InvoiceState) -> InvoiceState:
    found = state.approval_round
    if found is None or not _is_to_escalate(state, found):
        return state
    return state.replace(approval_round=found.with_escalation())


def _is_to_escalate(state: InvoiceState, found: ApprovalRound) -> bool:
    opens_at = state.opening(found.requirement.escalate_on)
    return not found.is_decided and not found.escalated and state.clock >= opens_at


def _reject(state: InvoiceState) -> InvoiceState:
    found = state.approval_round
    if found is None or not found.is_rejected or state.rejected_because:
        return state
    return state.replace(rejected_because=found.rejected_because)


def _stage_of_proposed(state: InvoiceState) -> InvoiceState:
    found = state.approval_round
    if state.rejected_because:
        return _in_stage(state, InvoiceStage.REJECTED)
    if found is None:
        return _in_stage(state, InvoiceStage.PROPOSED)
    stage = InvoiceStage.APPROVED if found.is_met else InvoiceStage.AWAITING_APPROVAL
    return _in_stage(state, stage)


# --- from posted to settled ---------------------------------------------------------------------


def _keep_promise(state: InvoiceState) -> InvoiceState:
    balance, promise = collecting.posted(state), state.promise
    if balance is None or promise is None:
        return state
    if not promise.is_kept(collecting.paid(state, balance), balance.residual):
        return state
    text = f"Promise kept: {promise.amount} until {promise.on}"
    return state.replace(promise=None).noted(text)


def _end_dispute(state: InvoiceState) -> InvoiceState:
    balance, dispute = collecting.posted(state), state.dispute
    if balance is None or dispute is None:
        return state
    if dispute.accepted is None and not balance.residual.is_positive:
        text = f"The dispute over {dispute.amount} ended: nothing is open"
    elif collecting.is_credited(state, dispute):
        text = f"{dispute.accepted} is credited, as accepted in the dispute"
    else:
        return state
    return state.replace(dispute=None).noted(text)


def _need_no_reconciling(state: InvoiceState) -> InvoiceState:
    """A credit note of no invoice in particular is owed to the customer as it is."""
    if not collecting.is_credit_note(state) or state.reconciled:
        return state
    return state if state.credited_invoice_id is not None else state.replace(reconciled=True)


def _void_write_off(state: InvoiceState) -> InvoiceState:
    """Any other open amount voids a write-off; not while it is carried out, nor while it may have
    been: then the open amount is another one because of it."""
    asked, balance = state.write_off, collecting.posted(state)
    if asked is None or agenda.WRITE_OFF in state.running or agenda.WRITE_OFF in state.uncertain:
        return state
    if asked.approval_round.is_rejected:
        return without_write_off(state, "rejected")
    if balance is None:
        return state
    if balance.residual != asked.amount or balance.in_payment or state.payments:
        return without_write_off(state, f"void: {balance.residual} is open now")
    return state


def _escalate_write_off(state: InvoiceState) -> InvoiceState:
    asked = state.write_off
    if asked is None or not _is_to_escalate(state, asked.approval_round):
        return state
    escalated = asked.approval_round.with_escalation()
    return state.replace(write_off=asked.model_copy(update={"approval_round": escalated}))


def _clear(state: InvoiceState) -> InvoiceState:
    """Nothing is owed: reminders are off; it is watched until the settlement period is over."""
    if not agenda.is_collecting(state) or not agenda.required_balance(state).is_clear:
        return state
    if state.dunning.level or state.dunning.sent_on or state.reminders_exhausted:
        state = state.replace(dunning=DunningState(), reminders_exhausted=False)
    if state.settles_at is not None:
        return state
    balance = agenda.required_balance(state)
    paid, credited = collecting.paid(state, balance), collecting.credited(state, balance)
    settles_at = state.clock + timedelta(days=state.rules.dunning.settlement_days)
    state = state.replace(settles_at=settles_at)
    if paid.is_positive and state.draft and not collecting.is_credit_note(state):
        state = state.measured(_days_to_cash(state))
    return state.noted(f"Clear: {paid} paid, {credited} credited")


def _days_to_cash(state: InvoiceState) -> Metric:
    days = max((state.today - required(state.draft).invoice_on).days, 0)
    return Metric(CASH, days, {"legal_entity": state.proposal.legal_entity})


def _reopen(state: InvoiceState) -> InvoiceState:
    """Something is owed again, such as after a payment that bounced."""
    if state.settles_at is None or not agenda.is_collecting(state):
        return state
    balance = agenda.required_balance(state)
    if balance.is_clear:
        return state
    return state.replace(settles_at=None).noted(f"Reopened: {balance.residual} is owed again")


def _end_holds(state: InvoiceState) -> InvoiceState:
    """A hold is over once its last day has passed."""
    if not agenda.is_dunned(state):
        return state
    if state.hold is not None and not state.hold.covers(state.today):
        state = state.replace(hold=None).noted("The hold on reminders has ended")
    if state.contract_hold is not None and not state.contract_hold.covers(state.today):
        text = "The contract's hold on reminders has ended"
        state = state.replace(contract_hold=None).noted(text)
    return state


def _dunning_level(state: InvoiceState) -> InvoiceState:
    if not agenda.is_dunned(state):
        return state
    decision = agenda.dunning_decision(state)
    if decision.level < state.dunning.level:
        state = state.replace(dunning=DunningState())
    is_exhausted = decision.act is Act.EXHAUSTED
    if is_exhausted == state.reminders_exhausted:
        return state
    return state.replace(reminders_exhausted=is_exhausted)


def _drop_reminder(state: InvoiceState) -> InvoiceState:
    """Something came between: by the balance and what was agreed, not by the calendar."""
    reminder = state.reminder
    if reminder is None or f"{agenda.REMIND}:{reminder.level}" in state.running:
        return state
    if agenda.is_dunned(state):
        decision = agenda.dunning_decision(state, reminder.on)
        if decision.act is Act.SEND and decision.level == reminder.level:
            return state
    return state.replace(reminder=None)


def _stage_of_posted(state: InvoiceState) -> InvoiceState:
    stage = collecting.stage_of(state, state.rules, state.today)
    is_settled = (
        agenda.is_collecting(state)
        and agenda.required_balance(state).is_clear
        and state.delivered
        and state.settles_at is not None
        and state.clock >= state.settles_at
    )
    if is_settled:
        stage = InvoiceStage.SETTLED
    elif stage is InvoiceStage.SETTLED:
        # It was settled, and then somebody cancelled it in Odoo.
        stage = InvoiceStage.OPEN
    return _in_stage(state, stage)


def _in_stage(state: InvoiceState, stage: InvoiceStage) -> InvoiceState:
    if stage is state.stage:
        return state
    return state.replace(stage=stage).noted(f"Stage: {stage}")


def _next_action_at(state: InvoiceState) -> datetime | None:
    """When something happens by itself, for people to see."""
    if not state.issued or state.stage is InvoiceStage.SETTLED:
        return None
    if state.write_off is not None:
        return state.write_off.approval_round.next_reminder(state.rules.calendar)
    if not agenda.is_collecting(state):
        return state.next_action_at
    if not agenda.is_dunned(state):
        return state.settles_at
    decision = agenda.dunning_decision(state)
    return state.opening(decision.next_on) if decision.next_on else agenda.next_look(state)


_OF_PROPOSED: Sequence[Callable[[InvoiceState], InvoiceState]] = (
    _begin_approval,
    _escalate,
    _reject,
    _stage_of_proposed,
)
_OF_POSTED: Sequence[Callable[[InvoiceState], InvoiceState]] = (
    _keep_promise,
    _end_dispute,
    _need_no_reconciling,
    _void_write_off,
    _escalate_write_off,
    _clear,
    _reopen,
    _end_holds,
    _dunning_level,
    _drop_reminder,
    _stage_of_posted,
)

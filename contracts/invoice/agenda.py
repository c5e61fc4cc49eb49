"""What an invoice has to do, and when time alone changes something. Decided from its state only.

    draft -> approval, with reminders -> post -> deliver, reconcile, collect -> settled
                                    \\-> rejected -> discard the draft

Each function below answers one question about the state; nothing here changes it. The order of
what is wanted is the order in which it begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from contracts import parking
from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.approvals import ApprovalRound
from contracts.dunning import Act, DunningDecision
from contracts.invoice import collecting
from contracts.invoice.messages import InvoiceBalance, PaymentReceived
from contracts.invoice.state import InvoiceStage, InvoiceState, WriteOff

CREATE = parking.CREATE_INVOICE.name
POST = parking.POST_INVOICE.name
DISCARD = parking.DISCARD.name
NOTIFY = parking.NOTIFY.name
DELIVER = parking.DELIVER.name
BALANCE = parking.BALANCE.name
REGISTER_PAYMENT = parking.REGISTER_PAYMENT.name
SETTLE_PAYMENT = parking.SETTLE_PAYMENT.name
RECONCILE = parking.RECONCILE.name
REMIND = parking.REMIND.name
WRITE_OFF = parking.WRITE_OFF.name
TODO = "todo"
TELL_CONTRACT = "tell_contract"
ASK_CREDIT = "ask_credit"
TELL_INVOICE = "tell_invoice"

ESCALATED = "escalated"
"""Begins the basis of a reminder to those whom an approval is escalated to."""
REPOSTED, PROMISED, LATE = "reposted", "promise", "remind"
"""What the balance is read for: the basis of the act says it."""
_CONTRACT_LANE = "contract"
_DAY = timedelta(days=1)
_ENDS = (InvoiceStage.REJECTED, InvoiceStage.SETTLED)


def wanted(state: InvoiceState) -> Sequence[Wanted]:
    """Every act and question that the state calls for, running and parked ones among them."""
    if state.issued:
        main = _to_collect(state)
    elif state.rejected_because:
        main = _to_take_back(state)
    else:
        main = _to_issue(state)
    return [*main, *_to_settle_payments(state), *_to_tell_contract(state)]


def wake(state: InvoiceState) -> datetime | None:
    """The next day that matters (aware); None if only messages bring anything new."""
    if not state.issued:
        return _next_reminder(state, state.approval_round)
    if not is_collecting(state):
        return _next_reminder(state, state.write_off.approval_round) if state.write_off else None
    if required_balance(state).is_clear:
        return state.settles_at if state.delivered else None
    # Nobody is reminded of what has not reached them.
    return next_look(state) if state.delivered and is_dunned(state) else None


def has_ended(state: InvoiceState) -> bool:
    """Whether nothing is left to do, nor to tell, and nothing can come any more."""
    return state.stage in _ENDS and not wanted(state)


# --- until it is posted -------------------------------------------------------------------------


def is_approved(state: InvoiceState) -> bool:
    return state.approval_round is not None and state.approval_round.is_met


def invoice_on(state: InvoiceState) -> date:
    """The date the invoice is to have, in the legal entity's zone."""
    return state.invoice_on or state.today


def draft_is_outdated(state: InvoiceState) -> bool:
    """It says something else than the proposal, or (about to be posted) has another date."""
    draft = state.draft
    if draft is None or draft.content_hash != state.proposal.content_hash:
        return True
    return is_approved(state) and draft.invoice_on != invoice_on(state)


def _to_issue(state: InvoiceState) -> list[Wanted]:
    if POST in state.uncertain:
        # It may be posted: whatever else has changed, that is found out first.
        return [_post(state)]
    if draft_is_outdated(state):
        return [Action(CREATE, key=CREATE, basis=state.proposal.content_hash)]
    if state.approval_round is None or not state.approval_round.is_met:
        return _to_remind_approvers(state, state.approval_round)
    if state.draft is None or not _approves(state.approval_round, state.draft.approval_hash):
        return [_approval_outdated(state)]
    return [_post(state)]


def _post(state: InvoiceState) -> Action:
    """Rests on the very proposal that was approved: once that changes, it is not wanted."""
    return Action(POST, key=POST, basis=state.proposal.content_hash, irreversible=True)


def _approves(approval_round: ApprovalRound, approval_hash: str) -> bool:
    given = {item.content_hash for item in approval_round.approvals}
    return given | {approval_round.subject.content_hash} == {approval_hash}


def _approval_outdated(state: InvoiceState) -> Question:
    message = "the proposal is no longer what was approved; it needs approval again"
    detail = Failed("business", "approval_outdated", message)
    return Question(POST, key=POST, basis=state.proposal.content_hash, detail=detail)


def _to_take_back(state: InvoiceState) -> list[Wanted]:
    """A rejected draft must not stay behind in Odoo, where somebody might post it; then money that
    came for it goes where a person says."""
    if not state.draft_is_gone:
        return [Action(DISCARD, key=DISCARD)]
    if state.payments:
        payment = state.payments[0]
        text = f"the invoice is {state.stage}, and {payment.amount} was paid for it"
        return [_misplaced(payment, "payment_without_invoice", text)]
    return []


# --- approvals ----------------------------------------------------------------------------------


def _to_remind_approvers(state: InvoiceState, approval_round: ApprovalRound | None) -> list[Wanted]:
    at = _next_reminder(state, approval_round)
    if approval_round is None or at is None or at > state.clock:
        return []
    reminder = approval_round.reminder(state.today)
    if reminder is None:
        return []
    subject = approval_round.subject
    urgency = ESCALATED if reminder.escalated else "reminder"
    basis = f"{urgency}:{subject.content_hash}"
    return [Action(NOTIFY, key=f"{NOTIFY}:{subject.kind}", basis=basis)]


def _next_reminder(state: InvoiceState, approval_round: ApprovalRound | None) -> datetime | None:
    if approval_round is None or state.policy is None:
        return None
    return approval_round.next_reminder(state.policy.calendar)


# --- from posted to settled ---------------------------------------------------------------------


def required_balance(state: InvoiceState) -> InvoiceBalance:
    """The balance of a posted invoice; asking before is a defect of ours."""
    if state.balance is None:
        raise RuntimeError("the invoice has no balance before it is posted")
    return state.balance


def is_collecting(state: InvoiceState) -> bool:
    """Whether all is booked that is known, and only money or time changes anything."""
    return (
        collecting.posted(state) is not None
        and not state.payments
        and not _is_to_reconcile(state)
        and state.write_off is None
    )


def is_dunned(state: InvoiceState) -> bool:
    """Whether the customer is to be reminded, sooner or later."""
    return (
        is_collecting(state)
        and not collecting.is_credit_note(state)
        and not required_balance(state).is_clear
    )


def dunning_decision(state: InvoiceState, on: date | None = None) -> DunningDecision:
    """What the rules of the legal entity say about reminding, today or on another day."""
    return collecting.dunning_decision(state, state.rules, on or state.today)


def next_look(state: InvoiceState) -> datetime | None:
    """When time alone changes something: a reminder is due, the due date passes (which shows at
    once, and is reminded of later), or a promise."""
    decision = dunning_decision(state)
    if decision.act is Act.SEND and decision.next_on is not None:
        return state.opening(decision.next_on)
    due_on = collecting.due_on(state)
    days = [decision.next_on] if decision.next_on else []
    if due_on is not None and due_on >= state.today:
        days.append(due_on + _DAY)
    if state.promise is not None:
        days.append(state.promise.on + _DAY)
    days += [hold.until + _DAY for hold in collecting.holds(state) if hold.until]
    return state.opening(min(days)) if days else None


def _to_collect(state: InvoiceState) -> list[Wanted]:
    """Delivery goes beside the rest: while it is parked, payments are booked all the same."""
    found: list[Wanted] = []
    if not state.delivered:
        found.append(Action(DELIVER, key=DELIVER, irreversible=True))
    if state.credit_to_tell is not None:
        number = str(state.proposal.credited_number)
        found.append(Action(TELL_INVOICE, key=TELL_INVOICE, subject=number))
    return [*found, *_next_booking(state)]


def _next_booking(state: InvoiceState) -> list[Wanted]:
    """One after the other: each changes the balance that the next one rests on."""
    bookings = _bookings(state)
    for item in bookings:
        if item.key in state.uncertain:
            # It may be booked: whatever else has changed, that is found out first.
            return [item]
    if collecting.posted(state) is None:
        return [Action(BALANCE, key=BALANCE, basis=REPOSTED)]
    if bookings:
        return bookings[:1]
    if state.write_off is not None:
        return _to_remind_approvers(state, state.write_off.approval_round)
    return _to_dun(state) if is_dunned(state) else []


def _bookings(state: InvoiceState) -> list[Wanted]:
    found: list[Wanted] = [_payment(state, item) for item in state.payments[:1]]
    if _is_to_reconcile(state) and state.credited_invoice_id is not None:
        found.append(Action(RECONCILE, key=RECONCILE, irreversible=True))
    if state.write_off is not None and state.write_off.approval_round.is_met:
        found.append(_write_off(state.write_off))
    return found


def _payment(state: InvoiceState, payment: PaymentReceived) -> Wanted:
    refusal = collecting.unbookable(required_balance(state), payment, state.today)
    if refusal:
        return _misplaced(payment, "payment_refused", refusal)
    key = f"{REGISTER_PAYMENT}:{payment.reference}"
    return Action(REGISTER_PAYMENT, key=key, subject=payment.reference, irreversible=True)


def _misplaced(payment: PaymentReceived, code: str, why: str) -> Question:
    """Money that cannot be booked: a person says where it goes."""
    detail = Failed(
        "business",
        code,
        f"{why}; book the money where it belongs, or pay it back, and skip this",
        field="payment.amount",
        value=str(payment.amount),
    )
    key = f"{REGISTER_PAYMENT}:{payment.reference}"
    return Question(REGISTER_PAYMENT, key=key, detail=detail)


def _to_settle_payments(state: InvoiceState) -> list[Question]:
    """Money that is not owed: it stays listed until a person says what became of it."""
    return [
        Question(
            SETTLE_PAYMENT,
            key=item.key,
            detail=Failed(
                "business", item.code, item.text, field="payment.amount", value=str(item.amount)
            ),
        )
        for item in state.payment_questions
    ]


def _is_to_reconcile(state: InvoiceState) -> bool:
    return collecting.is_credit_note(state) and not state.reconciled


def _write_off(asked: WriteOff) -> Action:
    basis = asked.approval_round.subject.content_hash
    return Action(WRITE_OFF, key=WRITE_OFF, basis=basis, irreversible=True)


def _to_dun(state: InvoiceState) -> list[Wanted]:
    """The balance is read right before something depends on it: a reminder, a broken promise."""
    if state.promise is not None and state.today > state.promise.on:
        return [_look(f"{PROMISED}:{state.promise.on}")]
    reminder = state.reminder
    if reminder is not None:
        basis = f"{reminder.on}:{TODO}" if reminder.by_hand else str(reminder.on)
        key = f"{REMIND}:{reminder.level}"
        if reminder.by_hand:
            return [Action(TODO, key=key, basis=basis)]
        return [Action(REMIND, key=key, basis=basis, irreversible=True)]
    decision = dunning_decision(state)
    if decision.act is not Act.SEND or decision.next_on is None:
        return []
    if state.clock < state.opening(decision.next_on):
        return []
    return [_look(f"{LATE}:{decision.level}")]


def _look(basis: str) -> Action:
    return Action(BALANCE, key=BALANCE, basis=basis)


# --- the contract -------------------------------------------------------------------------------


def _to_tell_contract(state: InvoiceState) -> list[Wanted]:
    if state.credit_requests:
        return [Action(ASK_CREDIT, key=ASK_CREDIT, lane=_CONTRACT_LANE)]
    # A report is on its way: once it has arrived, the state is compared with it again.
    if TELL_CONTRACT in state.running or has_news(state):
        return [Action(TELL_CONTRACT, key=TELL_CONTRACT, lane=_CONTRACT_LANE)]
    return []


def has_news(state: InvoiceState) -> bool:
    """Whether the contract does not know yet what it needs to know."""
    report = collecting.report(state)
    # The contract sees it end, with this as the result; a later run is told, once nothing is left
    # to see to: it may close then.
    if report.stage is InvoiceStage.SETTLED and (
        not state.tells_its_end or state.payment_questions
    ):
        return False
    return collecting.is_news(report, state.reported)

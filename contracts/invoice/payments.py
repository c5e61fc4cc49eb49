"""Money and credits on an invoice: what is announced, booked, reconciled, and what Odoo says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from contracts import parking
from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.agenda.machine import ActRule, MessageRule
from contracts.agenda.state import required
from contracts.invoice import acts, collecting, recording
from contracts.invoice.answers import Reconciled
from contracts.invoice.messages import CreditApplied, InvoiceBalance, PaymentNotice, PaymentReceived
from contracts.invoice.state import (
    GivenUp,
    InvoiceState,
    OwnCredit,
    PaymentQuestion,
    ReversalStage,
)
from contracts.money import Money
from contracts.parking import Resolution, StepException

MAX_PAYMENTS = 1_000
MAX_QUESTIONS = 20
BOOKING_LANE = "booking"
"""Each booking changes the balance that the next one rests on."""
_BOOKED = (ReversalStage.BOOKED, ReversalStage.RESTORED)


# --- payments -------------------------------------------------------------------------------------


def _payment_refusal(state: InvoiceState, payment: PaymentReceived) -> str | None:
    if payment.reference in state.payments_given_up:
        return _given_up(payment)
    known = state.known_payments.get(payment.reference)
    if known is not None:
        return _other_amount(payment, known)
    if collecting.posted(state) is None:
        return collecting.unpayable(state, "there is nothing to pay")
    return _unbookable(state, payment) or notice_refusal(state, payment)


def _given_up(payment: PaymentReceived) -> str:
    return (
        f"a person has given up payment {payment.reference}; another payment needs a reference of "
        "its own"
    )


def _other_amount(payment: PaymentReceived, known: Money) -> str | None:
    if payment.amount == known:
        return None
    return (
        f"payment {payment.reference} is known with {known}, not {payment.amount}; "
        "another payment needs a reference of its own"
    )


def notice_refusal(state: InvoiceState, payment: PaymentReceived) -> str | None:
    """A system's money is kept whatever the invoice is: what cannot be booked waits for a person,
    and what comes too early for the invoice. Only what is too much is refused."""
    given_up = state.payments_given_up.get(payment.reference)
    if given_up is not None and _says(given_up) == _says(payment):
        return _given_up(payment)
    known = state.known_payments.get(payment.reference)
    if known is not None or given_up is not None:
        return None if known == payment.amount else question_refusal(state)
    if len(state.known_payments) + len(state.payments_given_up) >= MAX_PAYMENTS:
        return f"at most {MAX_PAYMENTS} payments are taken for one invoice"
    return None


def question_refusal(state: InvoiceState) -> str | None:
    """Why people cannot be asked about a known payment that is reported otherwise. New money is
    taken however much they have been asked: nobody reports it again."""
    if len(state.payment_questions) >= MAX_QUESTIONS:
        return f"{MAX_QUESTIONS} payments of this invoice wait for a person already"
    return None


def taken(state: InvoiceState, payment: PaymentReceived) -> InvoiceState:
    """Money known outside Odoo: from the customer, or on a credit note to them. What comes before
    the invoice is posted is booked once it is."""
    if payment.reference in state.payments_given_up:
        return _corrected_too_late(state, payment)
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
    return with_question(state, "payment_differs", payment.reference, payment.amount, text)


def _corrected_too_late(state: InvoiceState, payment: PaymentReceived) -> InvoiceState:
    """A system reports a payment otherwise than when a person gave it up. It is not booked: that
    person may have booked the money elsewhere."""
    before = state.payments_given_up[payment.reference]
    text = (
        f"payment {payment.reference} of {before.amount} on {before.paid_on} was given up, and was "
        f"reported again with {payment.amount} on {payment.paid_on}"
    )
    given_up = {**state.payments_given_up, payment.reference: payment}
    state = state.replace(payments_given_up=given_up)
    return with_question(state, "payment_differs", payment.reference, payment.amount, text)


def _says(payment: PaymentReceived) -> tuple[Money, date]:
    return payment.amount, payment.paid_on


def _unbookable(state: InvoiceState, payment: PaymentReceived) -> str | None:
    """Why a payment cannot be booked on this invoice, as a sentence; None if it can."""
    currency, today = state.proposal.amount.currency, state.today
    if payment.amount.currency != currency:
        return f"the invoice is in {currency}, the payment {payment.amount}"
    if not payment.amount.is_positive:
        return f"a payment is above zero, not {payment.amount}"
    if payment.paid_on > today:
        return f"the payment is of {payment.paid_on}, which lies ahead: today is {today}"
    return None


def to_register(state: InvoiceState, payment: PaymentReceived) -> Wanted:
    """A payment that is to be booked, or a question about one that cannot be."""
    refusal = _unbookable(state, payment)
    if refusal:
        return misplaced(payment, "payment_refused", refusal)
    key = f"{acts.REGISTER_PAYMENT}:{payment.reference}"
    return Action(
        acts.REGISTER_PAYMENT,
        key=key,
        subject=payment.reference,
        lane=BOOKING_LANE,
        irreversible=True,
    )


def misplaced(payment: PaymentReceived, code: str, why: str) -> Question:
    """Money that cannot be booked: a person says where it goes."""
    detail = Failed(
        "business",
        code,
        f"{why}; book the money where it belongs, or pay it back, and skip this",
        field="payment.amount",
        value=str(payment.amount),
    )
    key = f"{acts.REGISTER_PAYMENT}:{payment.reference}"
    return Question(acts.REGISTER_PAYMENT, key=key, detail=detail)


def _booking_begins(state: InvoiceState, action: Action) -> InvoiceState:
    """What is open counts as it is before the booking: Odoo may tell of that before its answer
    comes. One that may have happened is tried again with what was open at first."""
    return state if action.key in state.uncertain else state.replace(owed_at_booking=_owed(state))


def _owed(state: InvoiceState) -> Money:
    """What is open now. While Odoo shows the invoice as in payment, what was booked before may
    still be in what it calls open."""
    balance = collecting.required_balance(state)
    owed = balance.residual
    if balance.in_payment:
        waiting = {item.reference for item in state.payments}
        booked = (
            amount
            for reference, amount in state.known_payments.items()
            if reference not in waiting and amount.currency == owed.currency
        )
        undone = (
            item.reversal.amount
            for item in state.reversals
            if item.stage in _BOOKED and item.reversal.amount.currency == owed.currency
        )
        owed -= Money.total(booked, owed.currency) - Money.total(undone, owed.currency)
    return max(owed, Money.zero(owed.currency))


def _registered(state: InvoiceState, action: Action, balance: InvoiceBalance) -> InvoiceState:
    owed, amount = required(state.owed_at_booking), state.known_payments[action.subject]
    state = with_balance(_without_payment(state, action.subject), balance)
    over = amount - owed
    if not over.is_positive:
        return state
    text = (
        f"payment {action.subject} is {over} more than was open; the rest is on the "
        "customer's account in Odoo"
    )
    return with_question(state, "payment_exceeds", action.subject, over, text)


def _without_payment(state: InvoiceState, reference: str) -> InvoiceState:
    """The payment is booked, or a person has seen to it."""
    rest = tuple(item for item in state.payments if item.reference != reference)
    return state.replace(payments=rest)


def _give_up(state: InvoiceState, parked: StepException, _: Resolution) -> InvoiceState:
    """A person sees to this money. Its reference stays known: a system that reports the payment
    once more must not have it booked beside what that person has done."""
    reference = parked.subject
    [payment] = (item for item in state.payments if item.reference == reference)
    known = {name: item for name, item in state.known_payments.items() if name != reference}
    given_up = {**state.payments_given_up, reference: payment}
    state = state.replace(known_payments=known, payments_given_up=given_up)
    if state.issued and not _unbookable(state, payment):
        state = with_given_up(state, GivenUp(payment=reference))
    return _without_payment(state, reference).noted(f"Payment {reference} is not booked")


# --- drafts of what is given up -------------------------------------------------------------------


def with_given_up(state: InvoiceState, item: GivenUp) -> InvoiceState:
    """Odoo may have a draft of it, which somebody might post."""
    return state.replace(given_up=(*state.given_up, item))


def to_take_back(state: InvoiceState) -> list[Action]:
    """The drafts in Odoo of what is not booked are cancelled there."""
    return [
        Action(
            acts.TAKE_BACK,
            key=f"{acts.TAKE_BACK}:{item.key}",
            subject=item.key,
            lane=BOOKING_LANE,
        )
        for item in state.given_up
    ]


def given_up(state: InvoiceState, key: str) -> GivenUp:
    [found] = (item for item in state.given_up if item.key == key)
    return found


def _taken_back(state: InvoiceState, action: Action, value: Any) -> InvoiceState:
    return _without_given_up(state, action.subject)


def _left(state: InvoiceState, parked: StepException, _: Resolution) -> InvoiceState:
    return _without_given_up(state, parked.subject).noted(f"Left in Odoo: {parked.message}")


def _without_given_up(state: InvoiceState, key: str) -> InvoiceState:
    rest = tuple(item for item in state.given_up if item.key != key)
    return state.replace(given_up=rest)


# --- money that is not owed -----------------------------------------------------------------------


def with_question(
    state: InvoiceState, code: str, reference: str, amount: Money, text: str
) -> InvoiceState:
    """A person is to see to this money; the same is asked once."""
    question = PaymentQuestion(code=code, reference=reference, amount=amount, text=text)
    if question in state.payment_questions:
        return state
    questions = (*state.payment_questions, question)
    return state.replace(payment_questions=questions).noted(f"{text[:1].upper()}{text[1:]}")


def to_settle(state: InvoiceState) -> list[Question]:
    """Money that is not owed: it stays listed until a person says what became of it."""
    return [
        Question(
            acts.SETTLE_PAYMENT,
            key=item.key,
            detail=Failed(
                "business", item.code, item.text, field="payment.amount", value=str(item.amount)
            ),
        )
        for item in state.payment_questions
    ]


def _settled(state: InvoiceState, parked: StepException, _: Resolution) -> InvoiceState:
    rest = tuple(item for item in state.payment_questions if item.key != parked.key)
    return state.replace(payment_questions=rest)


# --- balances -------------------------------------------------------------------------------------


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
    if known is not None and balance.total != known.total:
        state = state.noted(f"Changed in Odoo: {known.total} -> {balance.total} with tax")
    if balance.cancelled and not (known and known.cancelled):
        state = state.noted("The invoice was cancelled in Odoo")
    if known and known.written_off and not balance.written_off:
        state = state.noted(f"The write-off of {known.written_off} was undone in Odoo")
    return state.replace(balance=balance)


# --- credit notes ---------------------------------------------------------------------------------


def _credit(state: InvoiceState, credit: CreditApplied) -> InvoiceState:
    """A credit note of ours was set off against this invoice."""
    if not state.issued or credit.balance.invoice_id != state.invoice_id:
        return state
    ours = OwnCredit(untaxed=credit.untaxed, applied=credit.applied)
    state = state.replace(own_credits={**state.own_credits, credit.number: ours})
    state = state.noted(f"Credited {credit.untaxed} without tax by credit note {credit.number}")
    return with_balance(state, credit.balance)


def need_no_reconciling(state: InvoiceState) -> InvoiceState:
    """A credit note of no invoice in particular is owed to the customer as it is."""
    if not collecting.is_credit_note(state) or state.reconciled:
        return state
    return state if state.credited_invoice_id is not None else state.replace(reconciled=True)


def to_reconcile() -> Action:
    """A credit note is set off against the invoice that it credits."""
    return Action(acts.RECONCILE, key=acts.RECONCILE, lane=BOOKING_LANE, irreversible=True)


def _reconciled(state: InvoiceState, action: Action, value: Reconciled) -> InvoiceState:
    """The credit note is off what its invoice is open by; the invoice's workflow is to hear it."""
    note = value.credit_note
    applied = note.total - note.residual
    credit = CreditApplied(
        number=state.proposal.number,
        untaxed=note.untaxed,
        applied=applied,
        balance=value.invoice,
    )
    state = state.replace(reconciled=True, credit_to_tell=credit)
    state = state.noted(f"Set off {applied} against {value.invoice.number}")
    return with_balance(state, note)


ACTS: Mapping[str, ActRule[InvoiceState]] = {
    acts.REGISTER_PAYMENT: ActRule(
        parking.REGISTER_PAYMENT,
        _registered,
        skipped=_give_up,
        begun=_booking_begins,
        left=recording.balance,
    ),
    acts.TAKE_BACK: ActRule(parking.TAKE_BACK, _taken_back, skipped=_left, left=recording.balance),
    acts.SETTLE_PAYMENT: ActRule(parking.SETTLE_PAYMENT, skipped=_settled),
    acts.RECONCILE: ActRule(
        parking.RECONCILE,
        _reconciled,
        skipped=lambda state, *_: state.replace(reconciled=True),
        left=recording.balance,
    ),
}
MESSAGES: Mapping[type, MessageRule[InvoiceState]] = {
    PaymentReceived: MessageRule(taken, _payment_refusal),
    PaymentNotice: MessageRule(taken, notice_refusal),
    InvoiceBalance: MessageRule(_balance_news),
    CreditApplied: MessageRule(_credit),
}

"""What a processor says of a payment: it is booked, undone, and made good, by how it stands now.

What undoes a payment is booked as a payment the other way, on its own day: nothing that was booked
before is changed, so that no closed period is. What makes that good is a payment like any other.
"""

from __future__ import annotations

from collections.abc import Mapping

from contracts import parking
from contracts.agenda.actions import Action
from contracts.agenda.machine import ActRule, MessageRule
from contracts.dunning import Dispute
from contracts.invoice import acts, collecting, payments, recording
from contracts.invoice.messages import InvoiceBalance, PaymentNotice, PaymentReported
from contracts.invoice.state import GivenUp, InvoiceState, PaymentReversal, ReversalStage
from contracts.parking import Resolution, StepException
from contracts.processors import Reversal, ReversalKind, restoring

MAX_REVERSALS = 200


# --- what the processor says ----------------------------------------------------------------------


def _report_refusal(state: InvoiceState, report: PaymentReported) -> str | None:
    if _is_old(state, report) or _is_nothing(state, report):
        return None
    payment = report.payment
    new = sum(_followed(state, item) is None for item in payment.reversals)
    if len(state.reversals) + new > MAX_REVERSALS:
        return f"at most {MAX_REVERSALS} reversals are followed for one invoice"
    if payment.payment_id in state.payments_given_up:
        return None  # It is not booked, whatever is said of it; what undoes it is for a person.
    known = ((_followed(state, item), item) for item in payment.reversals)
    if any(found and found.reversal.amount != item.amount for found, item in known):
        return payments.question_refusal(state)
    return payments.notice_refusal(state, _notice(report))


def _reported(state: InvoiceState, report: PaymentReported) -> InvoiceState:
    """Book what is new of it. An older reading than the last changes nothing."""
    if _is_old(state, report) or _is_nothing(state, report):
        return state
    payment = report.payment
    read = {**state.payments_read, payment.payment_id: report.read_at}
    state = state.replace(payments_read=read)
    if payment.payment_id not in state.payments_given_up:
        state = payments.taken(state, _notice(report))
    standing = {item.id: item for item in payment.reversals}
    state = _with_standing(state, report, set(standing))
    for reversal in standing.values():
        state = _reversed_by(state, report, reversal)
    return state


def _is_old(state: InvoiceState, report: PaymentReported) -> bool:
    seen = state.payments_read.get(report.payment.payment_id)
    return seen is not None and report.read_at < seen


def _is_nothing(state: InvoiceState, report: PaymentReported) -> bool:
    """Nothing is left of it as money, and nothing of it was ever booked here."""
    payment_id = report.payment.payment_id
    is_known = payment_id in state.known_payments or payment_id in state.payments_given_up
    return not is_known and not report.payment.rest.is_positive


def _notice(report: PaymentReported) -> PaymentNotice:
    payment = report.payment
    return PaymentNotice(
        reference=payment.payment_id,
        amount=payment.amount,
        paid_on=payment.paid_on,
        journal=report.journal,
    )


def _with_standing(
    state: InvoiceState, report: PaymentReported, standing: set[str]
) -> InvoiceState:
    """What the processor does not say any more of a payment that is money is undone itself."""
    payment = report.payment

    def now(item: PaymentReversal) -> PaymentReversal:
        if item.payment != payment.payment_id or item.stage is ReversalStage.RESTORED:
            return item
        is_undone = item.reversal.id not in standing and payment.is_money
        return item if is_undone == item.is_undone else item.replace(is_undone=is_undone)

    found = tuple(map(now, state.reversals))
    return state if found == state.reversals else state.replace(reversals=found)


def _reversed_by(state: InvoiceState, report: PaymentReported, reversal: Reversal) -> InvoiceState:
    """A reversal is followed once; one that was made good, and stands again, once more."""
    known = _followed(state, reversal)
    if known is not None:
        if known.reversal.amount == reversal.amount:
            return state
        text = f"{reversal.kind} {known.key} of {known.reversal.amount} is {reversal.amount} now"
        return payments.with_question(state, "payment_differs", known.key, reversal.amount, text)
    before = sum(item.reversal.id == reversal.id for item in state.reversals)
    key = f"{reversal.id} #{before + 1}" if before else reversal.id
    item = PaymentReversal(
        key=key,
        payment=report.payment.payment_id,
        system=report.system,
        journal=report.journal,
        reversal=reversal,
    )
    text = f"{report.system}: {reversal.kind} {key} of {reversal.amount}: payment {item.payment}"
    return state.replace(reversals=(*state.reversals, item)).noted(text)


def _followed(state: InvoiceState, reversal: Reversal) -> PaymentReversal | None:
    """What is known of it, unless that was made good since."""
    same = [item for item in state.reversals if item.reversal.id == reversal.id]
    return same[-1] if same and same[-1].stage is not ReversalStage.RESTORED else None


# --- what is to be booked -------------------------------------------------------------------------


def to_reverse(state: InvoiceState) -> list[Action]:
    """A reversal is booked once its payment is, and what made earlier ones good. One that may be
    booked is found out, whatever the processor says now."""
    waiting = {item.reference for item in state.payments}
    return [
        action
        for item in state.reversals
        if item.stage is ReversalStage.WAITING
        if waiting.isdisjoint((item.payment, *restored_by(state, item)))
        for action in [_to_book(item)]
        if not item.is_undone or action.key in state.uncertain
    ]


def _to_book(item: PaymentReversal) -> Action:
    return Action(
        acts.REVERSE_PAYMENT,
        key=_key(item),
        subject=item.key,
        lane=payments.BOOKING_LANE,
        irreversible=True,
    )


def _key(item: PaymentReversal) -> str:
    return f"{acts.REVERSE_PAYMENT}:{item.key}"


def of_key(state: InvoiceState, key: str) -> PaymentReversal:
    return next(item for item in state.reversals if item.key == key)


def others_booked(state: InvoiceState, of: PaymentReversal) -> tuple[str, ...]:
    """The references under which the same payment was undone before."""
    return tuple(
        item.key
        for item in state.reversals
        if item.payment == of.payment
        and item.key != of.key
        and item.stage in (ReversalStage.BOOKED, ReversalStage.RESTORED)
    )


def restored_by(state: InvoiceState, of: PaymentReversal) -> tuple[str, ...]:
    """The references of the payments that made other reversals of the same payment good."""
    others = (item for item in state.reversals if item.payment == of.payment)
    found = (restoring(item.key) for item in others if item.key != of.key)
    return tuple(reference for reference in found if reference in state.known_payments)


def _with(state: InvoiceState, item: PaymentReversal) -> InvoiceState:
    return state.replace(
        reversals=tuple(item if known.key == item.key else known for known in state.reversals)
    )


def _reversed(state: InvoiceState, action: Action, balance: InvoiceBalance) -> InvoiceState:
    item = of_key(state, action.subject)
    state = payments.with_balance(_with(state, item.replace(stage=ReversalStage.BOOKED)), balance)
    return _disputed(state, item) if item.reversal.kind is ReversalKind.CHARGEBACK else state


def _disputed(state: InvoiceState, item: PaymentReversal) -> InvoiceState:
    """Nobody is reminded of what the customer's bank took back: people talk to the customer."""
    balance = collecting.posted(state)
    if state.dispute is not None or balance is None or not balance.residual.is_positive:
        return state
    reason = f"{item.reversal.kind} {item.key} {item.reversal.reason}".strip()
    dispute = Dispute(
        amount=min(item.reversal.amount, balance.residual),
        reason=reason,
        by=item.system,
        opened_on=state.today,
        reversal=item.key,
    )
    return state.replace(dispute=dispute).noted(f"{item.system}: {dispute.amount} is disputed")


def _give_up(state: InvoiceState, parked: StepException, _: Resolution) -> InvoiceState:
    """A person books it, or leaves the payment as it is."""
    item = of_key(state, parked.subject)
    state = _with(state, item.replace(stage=ReversalStage.LEFT))
    state = payments.with_given_up(state, GivenUp(reversal=item.key))
    return state.noted(f"{item.reversal.kind} {item.key} is left to a person")


# --- what follows ---------------------------------------------------------------------------------


def leave_to_person(state: InvoiceState) -> InvoiceState:
    """Whoever gave a payment up has seen to the money: they hear that it was undone, or is money
    again."""
    for item in state.reversals:
        is_theirs = item.stage is ReversalStage.LEFT or _is_given_up(state, item)
        is_news = item.is_undone or item.stage is ReversalStage.WAITING
        if not is_theirs or not is_news or _in_hand(state, item):
            continue
        what = "is undone" if item.is_undone else f"undoes payment {item.payment}"
        text = f"{item.reversal.kind} {item.key} of {item.reversal.amount} {what}"
        stage = ReversalStage.RESTORED if item.is_undone else ReversalStage.LEFT
        state = _with(state, item.replace(stage=stage, is_undone=False))
        amount = item.reversal.amount
        return payments.with_question(state, "payment_reversed", item.key, amount, text)
    return state


def _is_given_up(state: InvoiceState, item: PaymentReversal) -> bool:
    """Whether a person has seen to the money that it undoes: the payment, or what made the same
    reversal good before."""
    same = (known for known in state.reversals if known.reversal.id == item.reversal.id)
    before = (restoring(known.key) for known in same if known.key != item.key)
    return any(name in state.payments_given_up for name in (item.payment, *before))


def restore(state: InvoiceState) -> InvoiceState:
    """Money that is there again is a payment of its own; what was never booked is forgotten."""
    for item in state.reversals:
        if not item.is_undone or _in_hand(state, item):
            continue
        if item.stage is ReversalStage.WAITING:
            rest = tuple(known for known in state.reversals if known.key != item.key)
            text = f"{item.reversal.kind} {item.key} is undone, and was not booked"
            return state.replace(reversals=rest).noted(text)
        if item.stage is ReversalStage.BOOKED:
            return _restored(state, item)
    return state


def _restored(state: InvoiceState, item: PaymentReversal) -> InvoiceState:
    state = _with(state, item.replace(stage=ReversalStage.RESTORED, is_undone=False))
    dispute = state.dispute
    if dispute is not None and dispute.reversal == item.key and dispute.accepted is None:
        state = state.replace(dispute=None).noted(f"The dispute over {dispute.amount} ended")
    payment = PaymentNotice(
        reference=restoring(item.key),
        amount=item.reversal.amount,
        paid_on=state.today,
        journal=item.journal,
    )
    return payments.taken(state, payment)


def _in_hand(state: InvoiceState, item: PaymentReversal) -> bool:
    """Whether it is being booked, or may have been."""
    return _key(item) in state.running or _key(item) in state.uncertain


ACTS: Mapping[str, ActRule[InvoiceState]] = {
    acts.REVERSE_PAYMENT: ActRule(
        parking.REVERSE_PAYMENT, _reversed, skipped=_give_up, left=recording.balance
    )
}
MESSAGES: Mapping[type, MessageRule[InvoiceState]] = {
    PaymentReported: MessageRule(_reported, _report_refusal)
}

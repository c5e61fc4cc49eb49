"""Collecting one invoice: what is owed on it, what was agreed about it, and what follows.

Pure functions of an invoice's state: its workflow asks here, and so does whoever shows it.
Amounts are with tax, as people owe and pay them.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from contracts import dunning
from contracts.billing.lines import InvoiceKind, InvoiceProposal
from contracts.dunning import Act, Dispute, DunningDecision, DunningHold, Promise
from contracts.invoice.messages import (
    CreditRequested,
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    InvoiceBalance,
    PaymentPromised,
    PaymentReceived,
)
from contracts.invoice.state import (
    PENDING,
    InvoiceReport,
    InvoiceStage,
    InvoiceState,
    WriteOffContent,
)
from contracts.money import Money
from contracts.policy import EntityPolicy

_LONGEST_PROMISE = timedelta(days=366)
_SHOWN_LINES = 50

# --- what is owed -------------------------------------------------------------------------------


def is_credit_note(state: InvoiceState) -> bool:
    return state.proposal.kind is InvoiceKind.CREDIT_NOTE


def posted(state: InvoiceState) -> InvoiceBalance | None:
    """The balance of a posted invoice; None before that, and once it was cancelled in Odoo."""
    return state.balance if state.balance is not None and state.balance.posted else None


def due_on(state: InvoiceState) -> date | None:
    """The due date that counts: Odoo's, unless it was revised when a dispute was settled. Of
    several instalments the first that is worth a reminder counts."""
    balance = state.balance
    if state.revised_due_on is not None or balance is None:
        return state.revised_due_on
    tolerance = state.policy.dunning.tolerance if state.policy else Decimal(0)
    contested = disputed(state, balance)
    owed = -contested if contested else Money.zero(balance.residual.currency)
    for part in balance.instalments:
        owed += part.residual
        if owed.amount > tolerance:
            return part.due_on
    return balance.due_on


def asked_for(state: InvoiceState, balance: InvoiceBalance, today: date) -> Money:
    """What a reminder asks for: all that nobody disputes, but no instalment that is not late."""
    if state.revised_due_on is not None:
        return undisputed(state, balance)
    later = [part.residual for part in balance.instalments if part.due_on >= today]
    owed = undisputed(state, balance) - Money.total(later, balance.residual.currency)
    return max(owed, Money.zero(owed.currency))


def paid(state: InvoiceState, balance: InvoiceBalance) -> Money:
    """What came in money: neither our own credit notes nor a write-off."""
    ours = (item.applied for item in state.own_credits.values())
    return balance.paid - Money.total(ours, balance.total.currency)


def credited(state: InvoiceState, balance: InvoiceBalance) -> Money:
    """What credit notes took off it: ours as they were set off, and those made in Odoo."""
    ours = (item.applied for item in state.own_credits.values())
    return balance.credited + Money.total(ours, balance.total.currency)


def credited_untaxed(state: InvoiceState, balance: InvoiceBalance) -> Money:
    """Everything credited, without tax: by credit notes of ours and by those made in Odoo."""
    ours = (item.untaxed for item in state.own_credits.values())
    return balance.credited_untaxed + Money.total(ours, balance.total.currency)


def disputed(state: InvoiceState, balance: InvoiceBalance) -> Money | None:
    """How much of what is owed is disputed; None where nothing is."""
    return state.dispute.part_of(balance.residual) if state.dispute else None


def undisputed(state: InvoiceState, balance: InvoiceBalance) -> Money:
    contested = disputed(state, balance)
    return balance.residual - contested if contested else balance.residual


def holds(state: InvoiceState) -> list[DunningHold]:
    return [hold for hold in (state.hold, state.contract_hold) if hold is not None]


def is_small(state: InvoiceState, balance: InvoiceBalance) -> bool:
    """Something is open, but not more than what is worth a reminder."""
    residual = balance.residual
    return (
        state.policy is not None
        and residual.is_positive
        and residual.amount <= state.policy.dunning.tolerance
    )


def is_overdue(state: InvoiceState, policy: EntityPolicy, today: date) -> bool:
    """Whether more than the tolerance is late that nobody disputes."""
    balance, due = posted(state), due_on(state)
    if balance is None or due is None or is_credit_note(state):
        return False
    return today > due and asked_for(state, balance, today).amount > policy.dunning.tolerance


def stage_of(state: InvoiceState, policy: EntityPolicy, today: date) -> InvoiceStage:
    """The stage of a posted invoice: a function of balance, delivery, agreements and dates."""
    balance = posted(state)
    if balance is None:
        return state.stage
    if balance.is_clear:
        return _cleared_by(state, balance)
    if balance.in_payment:
        return InvoiceStage.IN_PAYMENT
    if not state.delivered:
        return InvoiceStage.POSTED_NOT_DELIVERED
    if is_overdue(state, policy, today):
        return InvoiceStage.OVERDUE
    return InvoiceStage.PARTIALLY_PAID if balance.residual < balance.total else InvoiceStage.OPEN


def _cleared_by(state: InvoiceState, balance: InvoiceBalance) -> InvoiceStage:
    if is_credit_note(state):
        return InvoiceStage.CREDITED
    if balance.written_off and balance.written_off.is_positive:
        return InvoiceStage.WRITTEN_OFF
    return InvoiceStage.PAID if paid(state, balance).is_positive else InvoiceStage.CREDITED


def dunning_decision(state: InvoiceState, policy: EntityPolicy, today: date) -> DunningDecision:
    """What to do about a posted invoice now; money on its way and an invoice the customer has not
    got yet pause dunning."""
    balance, due = posted(state), due_on(state)
    if balance is None or balance.in_payment or not state.delivered:
        return DunningDecision(act=Act.WAIT, level=state.dunning.level)
    return dunning.decide(
        policy.dunning,
        policy.calendar,
        residual=balance.residual,
        disputed=disputed(state, balance),
        due_on=due or state.proposal.proposed_on,
        sent=state.dunning,
        today=today,
        holds=holds(state),
        promise=state.promise,
    )


def unbookable(balance: InvoiceBalance, payment: PaymentReceived, today: date) -> str | None:
    """Why a payment cannot be booked on this invoice, as a sentence; None if it can."""
    currency = balance.total.currency
    if payment.amount.currency != currency:
        return f"the invoice is in {currency}, the payment {payment.amount}"
    if not payment.amount.is_positive:
        return f"a payment is above zero, not {payment.amount}"
    if payment.paid_on > today:
        return f"the payment is of {payment.paid_on}, which lies ahead: today is {today}"
    return None


def excess(state: InvoiceState, payment: PaymentReceived) -> Money | None:
    """How much of a payment that is booked now is more than what was open; None if nothing is.

    While Odoo shows the invoice as in payment, what was booked before may still be in what it
    calls open.
    """
    balance = posted(state)
    if balance is None:
        return None
    owed = balance.residual
    if balance.in_payment:
        waiting = {item.reference for item in state.payments}
        booked = (
            amount
            for reference, amount in state.known_payments.items()
            if reference not in waiting and amount.currency == owed.currency
        )
        owed -= Money.total(booked, owed.currency)
    over = payment.amount - max(owed, Money.zero(owed.currency))
    return over if over.is_positive else None


def proposal_details(proposal: InvoiceProposal) -> tuple[str, ...]:
    """What approvers are shown of a proposal beside its amount, one line each."""
    lines = [f"{line.description}: {line.amount}" for line in proposal.lines]
    if len(lines) > _SHOWN_LINES:
        left = len(lines) - _SHOWN_LINES
        lines = [*lines[:_SHOWN_LINES], f"and {left} more lines"]
    lines.append(f"to {proposal.billing_email}")
    if proposal.purchase_order:
        lines.append(f"purchase order {proposal.purchase_order}")
    if proposal.reason:
        lines.append(f"because: {proposal.reason}")
    return tuple(lines)


# --- what people may agree ----------------------------------------------------------------------


def dispute_refusal(state: InvoiceState, opened: DisputeOpened, today: date) -> str | None:
    """Why a dispute cannot be accepted, as a sentence; None if it can."""
    if state.dispute is not None:
        return f"{state.dispute.amount} is disputed already; resolve that first"
    return (
        _nothing_owed(state)
        or _amount_refusal(state, opened.amount)
        or _date_refusal("the revised due date", opened.revised_due_on, today)
    )


def opened_dispute(state: InvoiceState, opened: DisputeOpened, today: date) -> Dispute:
    """The dispute as it is kept; of all that is open where no amount is stated."""
    balance = _required(state)
    return Dispute(
        amount=opened.amount or balance.residual,
        reason=opened.reason,
        by=opened.by,
        opened_on=today,
        revised_due_on=opened.revised_due_on,
    )


def resolution_refusal(state: InvoiceState, resolved: DisputeResolved, today: date) -> str | None:
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
    if accepted and accepted.is_positive and posted(state) is None:
        return "the invoice is not posted in Odoo: post it again there, then it can be credited"
    return _date_refusal("the revised due date", resolved.revised_due_on, today)


def accepted_dispute(state: InvoiceState, dispute: Dispute, accepted: Money) -> Dispute:
    """The dispute once a part is accepted: only that part stays disputed, until it is credited."""
    balance = _required(state)
    share = accepted.amount * balance.untaxed.amount / balance.total.amount
    return dispute.model_copy(
        update={
            "accepted": accepted,
            "to_credit": Money.rounded(share, accepted.currency),
            "credited_before": credited_untaxed(state, balance),
        }
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
    balance = posted(state)
    if balance is None or dispute.to_credit is None or dispute.credited_before is None:
        return False
    return credited_untaxed(state, balance) - dispute.credited_before >= dispute.to_credit


def promise_refusal(state: InvoiceState, promised: PaymentPromised, today: date) -> str | None:
    """Why a promise to pay cannot be accepted; None if it can."""
    if promised.on > today + _LONGEST_PROMISE:
        return f"a promise is for a year at most, not until {promised.on}"
    return (
        _nothing_owed(state)
        or _amount_refusal(state, promised.amount)
        or _date_refusal("the promised day", promised.on, today)
    )


def taken_promise(state: InvoiceState, promised: PaymentPromised, today: date) -> Promise:
    """The promise as it is kept; of all that is not disputed where no amount is stated."""
    balance = _required(state)
    rest = undisputed(state, balance)
    return Promise(
        on=promised.on,
        amount=promised.amount or (rest if rest.is_positive else balance.residual),
        by=promised.by,
        made_on=today,
        paid_before=paid(state, balance),
    )


def hold_refusal(state: InvoiceState, change: HoldChange, today: date) -> str | None:
    """Why reminders cannot be held or released like this; None if they can."""
    if is_credit_note(state):
        return "nobody is reminded of a credit note"
    current = state.contract_hold if change.whole_contract else state.hold
    if not change.on and current is None:
        if not change.whole_contract and state.contract_hold is not None:
            return "the hold is on the whole contract; release it there"
        return "reminders are not on hold"
    return _date_refusal("the hold's last day", change.until, today) if change.on else None


def write_off_refusal(state: InvoiceState) -> str | None:
    """Why what is open cannot be proposed for write-off; None if it can."""
    if state.write_off is not None:
        return f"a write-off of {state.write_off.amount} awaits approval already"
    refusal = _nothing_owed(state)
    if refusal:
        return refusal
    if _required(state).in_payment or state.payments:
        return "a payment is on its way; wait until it has arrived"
    if state.policy is None or not state.policy.write_off_account:
        return (
            f"no write-off account is configured: set "
            f"entities.{state.proposal.legal_entity}.write_off_account (new invoices take it)"
        )
    return None


def write_off_content(state: InvoiceState, amount: Money, reason: str) -> WriteOffContent:
    """What an approval of a write-off is bound to."""
    return WriteOffContent(
        contract_id=state.proposal.contract_id,
        legal_entity=state.proposal.legal_entity,
        number=state.proposal.number,
        invoice=_required(state).number,
        amount=amount,
        reason=reason,
    )


def _nothing_owed(state: InvoiceState) -> str | None:
    if is_credit_note(state):
        return "that is a credit note: the customer owes nothing on it"
    balance = posted(state)
    if balance is None:
        return f"the invoice is {state.stage}: nothing is owed on it yet"
    if not balance.residual.is_positive:
        return f"nothing is open: the invoice is {state.stage}"
    return None


def _amount_refusal(state: InvoiceState, amount: Money | None) -> str | None:
    if amount is None:
        return None
    residual = _required(state).residual
    if amount.currency != residual.currency:
        return f"the invoice is in {residual.currency}, not in {amount.currency}"
    if not amount.is_positive:
        return f"an amount above zero is expected, not {amount}"
    if amount > residual:
        return f"{residual} is open; it cannot be more than that, not {amount}"
    return None


def _date_refusal(what: str, day: date | None, today: date) -> str | None:
    return f"{what} is past: {day}" if day is not None and day < today else None


def _required(state: InvoiceState) -> InvoiceBalance:
    balance = posted(state)
    if balance is None:
        raise RuntimeError("the invoice has no balance before it is posted")
    return balance


# --- what the contract knows --------------------------------------------------------------------

_POSTED = frozenset(
    {
        InvoiceStage.POSTED_NOT_DELIVERED,
        InvoiceStage.OPEN,
        InvoiceStage.PARTIALLY_PAID,
        InvoiceStage.IN_PAYMENT,
    }
)
"""To the contract these are one: what tells them apart is the money."""


def report(state: InvoiceState) -> InvoiceReport:
    """What the contract needs to know of the invoice now."""
    balance = posted(state)
    stage = state.stage
    # What is tried again at the moment is not over yet, and each report costs a Signal.
    exceptions = (*state.exceptions, *state.retried)
    if stage is InvoiceStage.POSTED_NOT_DELIVERED and not exceptions:
        # Under way: only a delivery that is parked has a stage of its own.
        stage = InvoiceStage.OPEN
    if stage is InvoiceStage.REJECTED and not state.draft_is_gone:
        # The contract bills again what is rejected: not while somebody might post this draft.
        stage = InvoiceStage.AWAITING_APPROVAL
    overdue = stage is InvoiceStage.OVERDUE
    level = state.dunning.level
    # Of fields that were checked when they came in; it is asked for at every event.
    return InvoiceReport.model_construct(
        number=state.proposal.number,
        kind=state.proposal.kind,
        credited_number=state.proposal.credited_number,
        stage=stage,
        amount=state.proposal.amount,
        content_hash=state.proposal.content_hash,
        odoo_totals=state.odoo_totals,
        invoice_id=state.invoice_id,
        odoo_number=balance.number if balance else "",
        due_on=due_on(state) if balance else None,
        untaxed=balance.untaxed if balance else None,
        total=balance.total if balance else None,
        residual=balance.residual if balance else None,
        credited=balance.credited if balance else None,
        credited_untaxed=balance.credited_untaxed if balance else None,
        written_off=balance.written_off if balance else None,
        disputed=disputed(state, balance) if balance else None,
        promised_on=state.promise.on if state.promise else None,
        dunning_level=level,
        suspends=overdue and state.policy is not None and state.policy.dunning.suspends(level),
        overdue=overdue,
        because=state.rejected_because if stage is InvoiceStage.REJECTED else "",
        approved=_approved(state),
        exceptions=exceptions,
    )


def _approved(state: InvoiceState) -> tuple[str, ...]:
    """Who approved what of this invoice, for the record."""
    signed = state.approval_round is not None and state.approval_round.is_met
    invoice = (
        [f"{state.proposal.amount}: {state.approval_round.given}"]
        if signed and state.approval_round
        else []
    )
    return (*invoice, *state.write_offs_approved)


def is_news(now: InvoiceReport, told: InvoiceReport | None) -> bool:
    """Whether the contract needs this report after the last one: each costs a Signal and a wake-up.

    Money, a stage that asks something of somebody or settles something, agreements, suspension,
    and what is parked. Not news: an approval on the way to posting, the reminders' count, the
    tries of a parked step.
    """
    if told is None:
        # That it is proposed and needs approval, the contract knows: it has proposed it.
        return now.stage not in _ON_THE_WAY or bool(now.exceptions)
    if now.stage in _ON_THE_WAY and not now.exceptions and not told.exceptions:
        return False
    return _gist(now) != _gist(told)


_ON_THE_WAY = PENDING | {InvoiceStage.APPROVED}
"""Stages before it is posted: who has to act then is asked by the invoice itself."""


def _gist(item: InvoiceReport) -> tuple[object, ...]:
    stage = InvoiceStage.OPEN if item.stage in _POSTED else item.stage
    rest = item.model_copy(
        update={"stage": stage, "dunning_level": 0, "exceptions": (), "approved": ()}
    )
    return rest, [(parked.step, parked.code) for parked in item.exceptions]

"""What is owed on an invoice, and where it stands for it.

Pure functions of an invoice's state: its agenda asks here, and so does whoever shows it. Amounts
are with tax, as people owe and pay them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from contracts import dunning, metrics
from contracts.billing.lines import InvoiceKind
from contracts.dunning import Act, DunningDecision, DunningHold, DunningState
from contracts.invoice.messages import InvoiceBalance
from contracts.invoice.state import InvoiceStage, InvoiceState, ReversalStage
from contracts.money import Money

_DAY = timedelta(days=1)


def is_credit_note(state: InvoiceState) -> bool:
    return state.proposal.kind is InvoiceKind.CREDIT_NOTE


def posted(state: InvoiceState) -> InvoiceBalance | None:
    """The balance of an invoice that is posted as it was approved; None before that, and once it
    was cancelled or changed in Odoo."""
    balance = state.balance
    return balance if balance is not None and balance.posted and not is_changed(state) else None


def is_changed(state: InvoiceState) -> bool:
    """Whether it is posted with other amounts than were approved: somebody reset it in Odoo,
    changed it, and posted it again."""
    balance, approved = state.balance, state.odoo_totals
    return (
        balance is not None
        and balance.posted
        and approved is not None
        and not approved.are_those_of(balance.untaxed, balance.total)
    )


def unpayable(state: InvoiceState, what_not: str) -> str:
    """Why an invoice that is not `posted` has nothing of what people ask for, as a sentence."""
    if is_changed(state):
        return "the invoice is not in Odoo what was approved; restore it there first"
    return f"the invoice is {state.stage}: {what_not} yet"


def required_balance(state: InvoiceState) -> InvoiceBalance:
    """The balance of a posted invoice; asking before is a defect of ours."""
    if state.balance is None:
        raise RuntimeError("the invoice has no balance before it is posted")
    return state.balance


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


def asked_for(state: InvoiceState, balance: InvoiceBalance) -> Money:
    """What a reminder asks for: all that nobody disputes, but no instalment that is not late."""
    if state.revised_due_on is not None:
        return undisputed(state, balance)
    later = [part.residual for part in balance.instalments if part.due_on >= state.today]
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


def is_overdue(state: InvoiceState) -> bool:
    """Whether more than the tolerance is late that nobody disputes."""
    balance, due = posted(state), due_on(state)
    if balance is None or due is None or is_credit_note(state):
        return False
    owed = asked_for(state, balance).amount
    return state.today > due and owed > state.rules.dunning.tolerance


# --- where it stands ------------------------------------------------------------------------------


def is_to_reconcile(state: InvoiceState) -> bool:
    """Whether a credit note is still to be set off against its invoice."""
    return is_credit_note(state) and not state.reconciled


def is_reversing(state: InvoiceState) -> bool:
    """Whether what undid a payment is still to be booked."""
    return any(item.stage is ReversalStage.WAITING for item in state.reversals)


def is_collecting(state: InvoiceState) -> bool:
    """Whether all is booked that is known, and only money or time changes anything."""
    return (
        posted(state) is not None
        and not state.payments
        and not is_reversing(state)
        and not is_to_reconcile(state)
        and state.write_off is None
    )


def is_dunned(state: InvoiceState) -> bool:
    """Whether the customer is to be reminded, sooner or later."""
    return (
        is_collecting(state) and not is_credit_note(state) and not required_balance(state).is_clear
    )


def stage_of(state: InvoiceState) -> InvoiceStage:
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
    if is_overdue(state):
        return InvoiceStage.OVERDUE
    return InvoiceStage.PARTIALLY_PAID if balance.residual < balance.total else InvoiceStage.OPEN


def _cleared_by(state: InvoiceState, balance: InvoiceBalance) -> InvoiceStage:
    if is_credit_note(state):
        return InvoiceStage.CREDITED
    if balance.written_off and balance.written_off.is_positive:
        return InvoiceStage.WRITTEN_OFF
    return InvoiceStage.PAID if paid(state, balance).is_positive else InvoiceStage.CREDITED


def dunning_decision(state: InvoiceState, on: date | None = None) -> DunningDecision:
    """What the rules of the legal entity say about reminding, today or on another day; money on its
    way and an invoice the customer has not got yet pause it."""
    balance, due = posted(state), due_on(state)
    if balance is None or balance.in_payment or not state.delivered:
        return DunningDecision(act=Act.WAIT, level=state.dunning.level)
    return dunning.decide(
        state.rules.dunning,
        state.rules.calendar,
        residual=balance.residual,
        disputed=disputed(state, balance),
        due_on=due or state.proposal.proposed_on,
        sent=state.dunning,
        today=on or state.today,
        holds=holds(state),
        promise=state.promise,
    )


def next_look(state: InvoiceState) -> datetime | None:
    """When time alone changes something: a reminder is due, the due date passes (which shows at
    once, and is reminded of later), or a promise."""
    decision = dunning_decision(state)
    if decision.act is Act.SEND and decision.next_on is not None:
        return state.opening(decision.next_on)
    due = due_on(state)
    days = [decision.next_on] if decision.next_on else []
    if due is not None and due >= state.today:
        days.append(due + _DAY)
    if state.promise is not None:
        days.append(state.promise.on + _DAY)
    days += [hold.until + _DAY for hold in holds(state) if hold.until]
    return state.opening(min(days)) if days else None


# --- what follows ---------------------------------------------------------------------------------


def clear(state: InvoiceState) -> InvoiceState:
    """Nothing is owed: reminders are off; it is watched until the settlement period is over."""
    if not is_collecting(state) or not required_balance(state).is_clear:
        return state
    if state.dunning.level or state.dunning.sent_on or state.reminders_exhausted:
        state = state.replace(dunning=DunningState(), reminders_exhausted=False)
    if state.settles_at is not None:
        return state
    balance = required_balance(state)
    money, credits = paid(state, balance), credited(state, balance)
    settles_at = state.clock + timedelta(days=state.rules.dunning.settlement_days)
    state = state.replace(settles_at=settles_at)
    if money.is_positive and state.draft and not is_credit_note(state):
        waited = state.today - state.draft.invoice_on
        entity = state.proposal.legal_entity
        state = state.measured(metrics.days(metrics.CASH, waited, legal_entity=entity))
    return state.noted(f"Clear: {money} paid, {credits} credited")


def reopen(state: InvoiceState) -> InvoiceState:
    """Something is owed again, such as after a payment that bounced."""
    if state.settles_at is None or not is_collecting(state):
        return state
    balance = required_balance(state)
    if balance.is_clear:
        return state
    return state.replace(settles_at=None).noted(f"Reopened: {balance.residual} is owed again")


def stage_of_posted(state: InvoiceState) -> InvoiceState:
    """It is settled once it was clear for the settlement period."""
    stage = stage_of(state)
    is_settled = (
        is_collecting(state)
        and required_balance(state).is_clear
        and state.delivered
        and state.settles_at is not None
        and state.clock >= state.settles_at
    )
    if is_settled:
        stage = InvoiceStage.SETTLED
    elif stage is InvoiceStage.SETTLED:
        # It was settled, and then somebody cancelled it in Odoo.
        stage = InvoiceStage.OPEN
    return in_stage(state, stage)


def in_stage(state: InvoiceState, stage: InvoiceStage) -> InvoiceState:
    if stage is state.stage:
        return state
    return state.replace(stage=stage).noted(f"Stage: {stage}")

"""An invoice's core with the contract and Odoo around it played: for short stories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from contracts.agenda.actions import (
    Action,
    Answered,
    Began,
    ClockRang,
    Done,
    Event,
    SignalReceived,
    UpdateReceived,
)
from contracts.approvals import ApprovalDecision, Decision
from contracts.invoice import acts, rules
from contracts.invoice.messages import PaymentNotice
from contracts.invoice.state import InvoiceState
from contracts.parking import Action as Choice
from contracts.parking import Resolution
from tests.recorded import at_once
from tests.unit.examples import MONDAY, invoice_state
from tests.unit.invoice.odoo import TOTAL, Odoo, perform


@dataclass(frozen=True)
class Play:
    """Where an invoice and the world around it are; `told` is the stage the contract was told
    last."""

    state: InvoiceState
    odoo: Odoo
    told: str = ""


def beginning() -> Play:
    return told(Play(invoice_state(policy=None, approval_round=None), Odoo()), ClockRang())


def told(play: Play, event: Event, now: datetime | None = None) -> Play:
    """The play after an event, with all acts begun that may begin then."""
    state = applied(play.state, event, now or play.state.clock)
    while (action := rules.AGENDA.next_action(state)) is not None:
        recorded = at_once(rules.AGENDA, state, action, state.clock)
        if recorded is not None:
            state = recorded
            continue
        state = applied(state, Began(action), state.clock)
        assert action.key in state.running, f"{action.key} was not begun"
    return replace(play, state=state)


def applied(state: InvoiceState, event: Event, now: datetime) -> InvoiceState:
    outcome = rules.AGENDA.apply(state, event, now)
    if isinstance(event, UpdateReceived):
        refusal = rules.AGENDA.refusal(state, event.message, now)
        assert refusal == outcome.refusal, "a validator and apply say the same"
    return outcome.state


def succeeded(play: Play, action: Action) -> Play:
    after, result = perform(play.odoo, play.state, action)
    if isinstance(result, Done) and action.kind == acts.TELL_CONTRACT:
        play = replace(play, told=str(result.value.stage))
    return told(replace(play, odoo=after), Answered(action.key, result))


def swept(play: Play) -> Play:
    """The sweep tells what the invoice's balance is in Odoo."""
    return told(play, SignalReceived(play.odoo.balance))


def decision(step: str, choice: Choice) -> Resolution:
    changes = {"purchase_order": "PO-78"} if choice is Choice.AMEND else {}
    return Resolution(action=choice, by="olga", step=step, reason="so be it", changes=changes)


def vote(state: InvoiceState, by: str, word: Decision) -> ApprovalDecision:
    assert state.open_round is not None
    subject = state.open_round.subject
    return ApprovalDecision(
        decision=word,
        by=by,
        content_hash=subject.content_hash,
        amount=subject.amount,
        comment="as I say",
    )


def payment(reference: str) -> PaymentNotice:
    return PaymentNotice(reference=reference, amount=TOTAL, paid_on=MONDAY)

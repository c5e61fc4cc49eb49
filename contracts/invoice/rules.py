"""The agenda of an invoice: the rules of every part of it, in one object."""

from __future__ import annotations

from datetime import datetime

from contracts.agenda.machine import Agenda
from contracts.invoice import (
    agenda,
    agreements,
    approving,
    collecting,
    issuing,
    payments,
    reminding,
    reporting,
)
from contracts.invoice.state import InvoiceStage, InvoiceState
from contracts.invoice.waits import invoice_waits

_ENDS = (InvoiceStage.REJECTED, InvoiceStage.SETTLED)


def _shown(state: InvoiceState) -> InvoiceState:
    """The state with what people see of it: what it waits for, since when, what comes next."""
    waiting = state.waiting.updated(invoice_waits(state)[0], state.clock, state.exceptions)
    next_action_at = _next_action_at(state)
    if waiting == state.waiting and next_action_at == state.next_action_at:
        return state
    return state.replace(waiting=waiting, next_action_at=next_action_at)


def _next_action_at(state: InvoiceState) -> datetime | None:
    """When something happens by itself, for people to see."""
    if not state.issued or state.stage is InvoiceStage.SETTLED:
        return None
    if state.write_off is not None:
        return state.write_off.approval_round.next_reminder(state.rules.calendar)
    if not collecting.is_collecting(state):
        return state.next_action_at
    if not collecting.is_dunned(state):
        return state.settles_at
    decision = collecting.dunning_decision(state)
    return state.opening(decision.next_on) if decision.next_on else collecting.next_look(state)


AGENDA: Agenda[InvoiceState] = Agenda(
    wanted=agenda.wanted,
    advance=agenda.advance,
    wake=agenda.wake,
    is_over=lambda state: state.stage in _ENDS,
    shown=_shown,
    messages={
        **approving.MESSAGES,
        **payments.MESSAGES,
        **agreements.MESSAGES,
        **reporting.MESSAGES,
    },
    acts={
        **issuing.ACTS,
        **approving.ACTS,
        **payments.ACTS,
        **agreements.ACTS,
        **reminding.ACTS,
        **reporting.ACTS,
    },
    answer=reporting.report,
    correction_refusal=issuing.correction_refusal,
    corrected=issuing.corrected,
)

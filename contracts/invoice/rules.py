"""An invoice as the agenda's machine sees it: its rules, and the four questions asked of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from contracts import parking
from contracts.agenda import machine
from contracts.agenda.actions import Action, Event
from contracts.agenda.machine import Outcome, Rules
from contracts.approvals import ApprovalDecision
from contracts.invoice import agenda, consequences, intake, refusals, results
from contracts.invoice.messages import (
    ContractRenewed,
    CreditApplied,
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    InvoiceBalance,
    PaymentNotice,
    PaymentPromised,
    WriteOffAsked,
)
from contracts.invoice.state import InvoiceState
from contracts.parking import Resolution

_SIGNALS = (
    ApprovalDecision,
    ContractRenewed,
    CreditApplied,
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    InvoiceBalance,
    PaymentNotice,
    PaymentPromised,
    Resolution,
    WriteOffAsked,
)

RULES: Rules[InvoiceState] = Rules(
    wanted=agenda.wanted,
    refusal=refusals.refusal,
    take=intake.take,
    done=results.done,
    failed=results.failed,
    resolved=intake.resolved,
    advance=consequences.advance,
    wake=agenda.wake,
    reopens=lambda _: False,
    shown=consequences.shown,
    messages={kind.__name__: kind for kind in _SIGNALS},
    steps={
        agenda.CREATE: parking.CREATE_INVOICE,
        agenda.POST: parking.POST_INVOICE,
        agenda.DISCARD: parking.DISCARD,
        agenda.NOTIFY: parking.NOTIFY,
        agenda.DELIVER: parking.DELIVER,
        agenda.BALANCE: parking.BALANCE,
        agenda.REGISTER_PAYMENT: parking.REGISTER_PAYMENT,
        agenda.SETTLE_PAYMENT: parking.SETTLE_PAYMENT,
        agenda.RECONCILE: parking.RECONCILE,
        agenda.REMIND: parking.REMIND,
        agenda.TODO: parking.REMIND,
        agenda.WRITE_OFF: parking.WRITE_OFF,
    },
)


def apply(state: InvoiceState, event: Event, now: datetime) -> Outcome[InvoiceState]:
    """The state after an event at an aware time, and the answer to a message."""
    return machine.apply(RULES, state, event, now)


def refusal(state: InvoiceState, message: Any, now: datetime) -> str | None:
    """Why a message would be refused now; None if it would be accepted."""
    return machine.refusal(RULES, state, message, now)


def next_action(state: InvoiceState) -> Action | None:
    """The next act that may begin now."""
    return machine.next_action(RULES, state)


def next_wake(state: InvoiceState) -> datetime | None:
    """When time alone changes something (aware)."""
    return machine.next_wake(RULES, state)

"""The rules of a contract, and the four functions that everybody else calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from contracts import parking
from contracts.agenda import machine
from contracts.agenda.actions import Action, ClockRang, Event
from contracts.agenda.machine import Outcome, Rules
from contracts.contract import (
    agenda,
    amendments,
    endings,
    intake,
    invoices,
    proposing,
    provisioning,
    reading,
    refusals,
    results,
    write_back,
)
from contracts.contract.advance import advance
from contracts.contract.state import ContractInput, ContractState
from contracts.contract.waits import contract_waits
from contracts.parking import Resolution

STEPS = {
    provisioning.READ_DEAL: parking.READ_DEAL,
    provisioning.VALIDATE: parking.VALIDATE,
    provisioning.PROVISION: parking.PROVISION,
    **{step.name: step for step in provisioning.PARTS},
    reading.READ_TIME: parking.READ_PLAN,
    reading.READ_EXPENSES: parking.READ_PLAN,
    reading.TOO_LATE: parking.TOO_LATE,
    proposing.BILLING_CHECK: parking.BILLING_CHECK,
    proposing.BILL_PERIOD: parking.BILL_PERIOD,
    proposing.CAP: parking.CAP,
    proposing.PURCHASE_ORDER: parking.PURCHASE_ORDER,
    proposing.MARK_REACHED: parking.MARK_REACHED,
    proposing.SET_DELIVERED: parking.DELIVERED,
    proposing.START_INVOICE: parking.START_INVOICE,
    proposing.WARN: parking.NOTIFY,
    invoices.PROPOSAL: parking.PROPOSAL,
    invoices.REVIEW: parking.REVIEW,
    invoices.FOLLOW: parking.FOLLOW,
    invoices.CREDIT: parking.CREDIT,
    amendments.POLICY: parking.POLICY,
    amendments.NOTIFY: parking.NOTIFY,
    amendments.AMEND_ORDER: parking.AMEND_ORDER,
    amendments.AMEND_PROJECT: parking.AMEND_PROJECT,
    amendments.PROJECT_STATUS: parking.PROJECT_STATUS,
    write_back.REFRESH: parking.REFRESH,
    write_back.WRITE_STATUS: parking.WRITE_BACK,
    **{step.name: step for step in endings.PARTS},
    endings.CANCEL_ORDER: parking.CANCEL_ORDER,
}
"""How each act and question parks. What is sent to an invoice's workflow does not park: the
invoice itself says what becomes of it."""


def shown(state: ContractState) -> ContractState:
    """The state with what it waits for, and whether anything of it was ever parked."""
    waiting = state.waiting.updated(contract_waits(state)[0], state.clock, state.exceptions)
    has_parked = state.has_parked or bool(state.exceptions) or _has_parked_invoice(state)
    if waiting == state.waiting and has_parked is state.has_parked:
        return state
    return state.replace(waiting=waiting, has_parked=has_parked)


def _has_parked_invoice(state: ContractState) -> bool:
    return any(report.exceptions for report in state.invoices.values())


RULES: Rules[ContractState] = Rules(
    wanted=agenda.wanted,
    refusal=refusals.refusal,
    take=intake.take,
    done=results.done,
    failed=results.failed,
    resolved=intake.resolved,
    advance=advance,
    wake=agenda.wake,
    reopens=refusals.reopens,
    shown=shown,
    steps=STEPS,
    messages={kind.__name__: kind for kind in (*intake.MESSAGES, Resolution)},
)


def apply(state: ContractState, event: Event, now: datetime) -> Outcome[ContractState]:
    """The state after an event at an aware time."""
    return machine.apply(RULES, state, event, now)


def refusal(state: ContractState, message: Any, now: datetime) -> str | None:
    """Why a message would be refused now, as a sentence; None if it would be accepted."""
    return machine.refusal(RULES, state, message, now)


def next_action(state: ContractState) -> Action | None:
    """The next act that may begin now."""
    return machine.next_action(RULES, state)


def next_wake(state: ContractState) -> datetime | None:
    """When time alone changes something (aware)."""
    return machine.next_wake(RULES, state)


def begun(start: ContractInput, now: datetime) -> ContractState:
    """The state that a run begins with. One that goes on does not hear by itself of invoices that
    the run before has started."""
    if start.state is not None:
        return start.state.replace(followed=(), clock=now)
    fresh = ContractState(
        clock=now,
        contract_id=start.contract_id,
        legal_entity=start.legal_entity,
        source=start.source,
        contract_data=start.contract_data,
        started_at=now,
    )
    return apply(fresh, ClockRang(), now).state

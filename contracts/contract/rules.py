"""The agenda of a contract: the rules of every part of it, in one object."""

from __future__ import annotations

import json
from datetime import datetime

from contracts.agenda.actions import ClockRang
from contracts.agenda.machine import Agenda
from contracts.contract import (
    agenda,
    amendments,
    corrections,
    delivery,
    derived,
    endings,
    holds,
    invoices,
    proposing,
    provisioning,
    reading,
    term,
    write_back,
)
from contracts.contract.state import ENDED, ContractInput, ContractState, outcome
from contracts.contract.waits import contract_waits
from contracts.model import Contract, JsonObject


def shown(state: ContractState) -> ContractState:
    """The state with what it waits for, and whether anything of it was ever parked."""
    waiting = state.waiting.updated(contract_waits(state)[0], state.clock, state.exceptions)
    has_parked = state.has_parked or bool(state.exceptions) or _has_parked_invoice(state)
    if waiting == state.waiting and has_parked is state.has_parked:
        return state
    return state.replace(waiting=waiting, has_parked=has_parked)


def _at_most_bytes(state: ContractState) -> int:
    """The contract and its data are kept several times, everything else once."""
    parts = 700 * len(state.invoices) + 400 * (len(state.milestones) + len(state.early_milestones))
    billing = state.billing
    if billing is not None:
        lines = sum(len(item.lines) + len(item.parts) for item in billing.invoices.values())
        rows = len(billing.hours) + len(billing.expenses) + sum(map(len, billing.usage.values()))
        parts += 500 * len(billing.invoices) + 300 * (lines + rows)
    return 100_000 + 6 * _bytes_of(state.contract or state.contract_data) + parts


@derived.remembered
def _bytes_of(terms: Contract | JsonObject) -> int:
    return len(json.dumps(terms) if isinstance(terms, dict) else terms.model_dump_json())


def _has_parked_invoice(state: ContractState) -> bool:
    return any(report.exceptions for report in state.invoices.values())


AGENDA: Agenda[ContractState] = Agenda(
    wanted=agenda.wanted,
    advance=agenda.advance,
    wake=agenda.wake,
    is_over=lambda state: state.stage in ENDED,
    shown=shown,
    messages={
        **delivery.MESSAGES,
        **invoices.MESSAGES,
        **amendments.MESSAGES,
        **holds.MESSAGES,
        **term.MESSAGES,
        **endings.MESSAGES,
        **write_back.MESSAGES,
    },
    acts={
        **provisioning.ACTS,
        **reading.ACTS,
        **delivery.ACTS,
        **proposing.ACTS,
        **invoices.ACTS,
        **holds.ACTS,
        **amendments.ACTS,
        **write_back.ACTS,
        **endings.ACTS,
    },
    correction_refusal=corrections.refusal,
    corrected=corrections.corrected,
    at_most_bytes=_at_most_bytes,
    answer=outcome,
)


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
    return AGENDA.apply(fresh, ClockRang(), now).state

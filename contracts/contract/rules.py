"""The agenda of a contract: the rules of every part of it, in one object."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from pydantic import BaseModel

from contracts.agenda.actions import ClockRang, Wanted
from contracts.agenda.machine import Agenda
from contracts.audit.entries import MAX_ENTRY_BYTES
from contracts.billing import account
from contracts.contract import (
    amendments,
    corrections,
    delivery,
    derived,
    endings,
    handing_over,
    holds,
    invoices,
    proposing,
    provisioning,
    reading,
    recording,
    signing,
    term,
    write_back,
)
from contracts.contract.messages import (
    MilestoneReached,
    MilestoneReachedInOdoo,
    MilestoneUnreached,
    MilestoneUnreachedInOdoo,
    UsageReport,
)
from contracts.contract.state import (
    DAY,
    ENDED,
    RUNNING,
    ContractInput,
    ContractStage,
    ContractState,
    CopiedTask,
    outcome,
)
from contracts.contract.waits import contract_waits
from contracts.invoice.messages import CreditRequested
from contracts.model import Contract, JsonObject

_PARTS = (
    provisioning,
    signing,
    reading,
    delivery,
    proposing,
    invoices,
    holds,
    amendments,
    handing_over,
    term,
    write_back,
    endings,
)

# --- what it has to do ----------------------------------------------------------------------------

Rule = Callable[[ContractState], ContractState]


def _wanted(state: ContractState) -> list[Wanted]:
    """Every act and question that the contract calls for, in the order in which they begin.

    Once it is being cancelled nothing begins but what takes it back. The CRM gets its status at any
    time.
    """
    return [*_of_contract(state), *write_back.wanted(state)]


def _of_contract(state: ContractState) -> Iterator[Wanted]:
    if state.stage in ENDED:
        yield from endings.late_news(state)
    elif state.cancel is not None:
        yield from endings.compensation(state)
    elif state.stage not in RUNNING:
        yield from provisioning.wanted(state)
        yield from signing.wanted(state)
    else:
        for part in (reading, proposing, invoices, holds, amendments, handing_over):
            yield from part.wanted(state)
        yield from signing.attaching(state)
        yield from write_back.refresh(state)
        yield from endings.wanted(state)


def _wake(state: ContractState) -> datetime | None:
    """When the calendar brings the next thing to do (aware); None: nothing comes by itself."""
    if state.stage not in RUNNING or state.cancel is not None:
        return None
    days = [*term.days(state), endings.day_after_plans(state)]
    days += [hold.until + DAY for hold in state.holds.values() if hold.until]
    days.append(account.next_day(state.account, state.billing_day))
    times = [amendments.wake(state), *(state.opening(day) for day in days if day is not None)]
    return min((at for at in times if at is not None and at > state.clock), default=None)


# --- what follows from the state and the time alone -----------------------------------------------

_BEFORE: tuple[Rule, ...] = (provisioning.received, signing.signed, delivery.early_milestones)
_WHILE_RUNNING: tuple[Rule, ...] = (
    delivery.early_milestones,
    holds.holds_end,
    delivery.reviews_end,
    delivery.milestones_count,
    invoices.credits_asked,
    amendments.approvers_escalate,
    amendments.change_decided,
    amendments.odoo_follows,
    term.ends_early,
    term.drops_unreached,
    term.renews,
    proposing.proposes,
    endings.close_out_starts_over,
    endings.closed,
    endings.stage,
)


def _consequences(state: ContractState) -> tuple[Rule, ...]:
    if state.stage in ENDED:
        return ()
    if state.cancel is not None:
        return (endings.cancelled,)
    return _WHILE_RUNNING if state.stage in RUNNING else _BEFORE


# --- what comes once it is closed ----------------------------------------------------------------

_FACTS = (
    MilestoneReached,
    MilestoneUnreached,
    MilestoneReachedInOdoo,
    MilestoneUnreachedInOdoo,
    UsageReport,
    CreditRequested,
)


def _missed(state: ContractState, message: BaseModel, words: str) -> ContractState:
    """While the CRM has yet to hear that the contract is closed, the engine still accepts Signals:
    a person is told of one that would have changed something."""
    if state.stage is not ContractStage.CLOSED or not isinstance(message, _FACTS):
        return state
    rule, before = AGENDA.messages[type(message)], state.replace(stage=ContractStage.CLOSING)
    if rule.refusal(before, message) is not None:
        return state
    is_news = _facts(rule.take(before, message)) != _facts(before)
    return endings.with_late_news(state, words) if is_news else state


def _facts(state: ContractState) -> tuple[object, ...]:
    reached = [(m.reached_on, m.under_review, m.is_unclear) for m in state.milestones.values()]
    return state.billing, state.credits_asked, reached


# --- what people see, and how large it is ---------------------------------------------------------


def _shown(state: ContractState) -> ContractState:
    """The state with what it waits for, and whether anything of it was ever parked."""
    waiting = state.waiting.updated(contract_waits(state)[0], state.clock, state.exceptions)
    has_parked = state.has_parked or bool(state.exceptions) or _has_parked_invoice(state)
    if waiting is state.waiting and has_parked is state.has_parked:
        return state
    return state.replace(waiting=waiting, has_parked=has_parked)


def _at_most_bytes(state: ContractState) -> int:
    """The contract and its data are kept several times, everything else once."""
    parts = _bytes_of_tasks(state.odoo.template_tasks)
    parts += 700 * len(state.invoices) + 400 * (len(state.milestones) + len(state.early_milestones))
    billing = state.billing
    if billing is not None:
        lines = sum(len(item.lines) + len(item.parts) for item in billing.invoices.values())
        rows = len(billing.hours) + len(billing.expenses) + sum(map(len, billing.usage.values()))
        parts += 500 * len(billing.invoices) + 300 * (lines + rows)
    parts += MAX_ENTRY_BYTES * len(state.audit.pending)
    return 100_000 + 6 * _bytes_of(state.contract or state.contract_data) + parts


@derived.remembered
def _bytes_of(terms: Contract | JsonObject) -> int:
    return len(json.dumps(terms) if isinstance(terms, dict) else terms.model_dump_json())


@derived.remembered
def _bytes_of_tasks(tasks: Mapping[int, CopiedTask]) -> int:
    return sum(len(task.model_dump_json()) + 20 for task in tasks.values())


def _has_parked_invoice(state: ContractState) -> bool:
    return any(report.exceptions for report in state.invoices.values())


AGENDA: Agenda[ContractState] = Agenda(
    wanted=_wanted,
    consequences=_consequences,
    wake=_wake,
    is_over=lambda state: state.stage in ENDED,
    shown=_shown,
    messages={kind: rule for part in _PARTS for kind, rule in part.MESSAGES.items()},
    acts={kind: rule for part in _PARTS for kind, rule in part.ACTS.items()},
    correction_refusal=corrections.refusal,
    corrected=corrections.corrected,
    at_most_bytes=_at_most_bytes,
    answer=outcome,
    audited=recording.AUDITED,
    missed=_missed,
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
        started_by=start.started_by,
    ).with_requesters(start.started_by)
    return AGENDA.apply(fresh, ClockRang(), now).state

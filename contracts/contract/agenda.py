"""What a contract has to do, what follows from it, and when time alone changes something: the parts
by subject."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from contracts.agenda.actions import Wanted
from contracts.billing import account
from contracts.contract import (
    amendments,
    delivery,
    endings,
    holds,
    invoices,
    proposing,
    provisioning,
    reading,
    term,
    write_back,
)
from contracts.contract.state import DAY, ENDED, RUNNING, ContractState

Rule = Callable[[ContractState], ContractState]


def wanted(state: ContractState) -> list[Wanted]:
    """Every act and question that the contract calls for, in the order in which they begin.

    Once it is being cancelled nothing begins but what takes it back. The CRM gets its status at any
    time.
    """
    return [*_wanted(state), *write_back.wanted(state)]


def _wanted(state: ContractState) -> Iterator[Wanted]:
    if state.stage in ENDED:
        return
    if state.cancel is not None:
        yield from endings.compensation(state)
    elif state.stage not in RUNNING:
        yield from provisioning.wanted(state)
    else:
        for part in (reading, proposing, invoices, holds, amendments):
            yield from part.wanted(state)
        yield from write_back.refresh(state)
        yield from endings.wanted(state)


def wake(state: ContractState) -> datetime | None:
    """When the calendar brings the next thing to do (aware); None: nothing comes by itself."""
    if state.stage not in RUNNING or state.cancel is not None:
        return None
    days = [*term.days(state), endings.day_after_plans(state)]
    days += [hold.until + DAY for hold in state.holds.values() if hold.until]
    days.append(account.next_day(state.account, state.billing_day))
    times = [amendments.wake(state), *(state.opening(day) for day in days if day is not None)]
    return min((at for at in times if at is not None and at > state.clock), default=None)


# --- what follows from the state and the time alone -----------------------------------------------

_BEFORE: tuple[Rule, ...] = (provisioning.received, delivery.early_milestones)
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


def advance(state: ContractState) -> ContractState:
    """The state after the first thing that follows; the very same object when nothing does."""
    for rule in _rules(state):
        after = rule(state)
        if after is not state:
            return after
    return state


def _rules(state: ContractState) -> tuple[Rule, ...]:
    if state.stage in ENDED:
        return ()
    if state.cancel is not None:
        return (endings.cancelled,)
    return _WHILE_RUNNING if state.stage in RUNNING else _BEFORE

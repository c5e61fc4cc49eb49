"""What a contract has to do, and when time alone changes something: the parts by subject."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from contracts.agenda.actions import Wanted
from contracts.contract import (
    amendments,
    derived,
    endings,
    invoices,
    proposing,
    provisioning,
    reading,
    write_back,
)
from contracts.contract.state import ENDED, RUNNING, ContractState


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
        yield from _wanted_of_running(state)


def _wanted_of_running(state: ContractState) -> Iterator[Wanted]:
    yield from reading.wanted(state)
    yield from proposing.wanted(state)
    yield from invoices.wanted(state)
    yield from amendments.wanted(state)
    yield from write_back.refresh(state)
    yield from endings.wanted(state)


def wake(state: ContractState) -> datetime | None:
    """When the calendar brings the next thing to do (aware); None: nothing comes by itself."""
    if state.stage not in RUNNING or state.cancel is not None:
        return None
    times = list(amendments.wake(state))
    days = (derived.next_day(state.account, state.billing_day), endings.day_after_plans(state))
    times += [state.opening(day) for day in days if day is not None]
    return min((at for at in times if at > state.clock), default=None)


def has_ended(state: ContractState) -> bool:
    """Whether the contract has ended, and the CRM knows it."""
    return state.stage in ENDED and not wanted(state)

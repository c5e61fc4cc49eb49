"""A contract's way from its signature to its close-out: what has come, and what is expected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from contracts.contract.state import ENDED, ContractState
from contracts.invoice.state import CLEARED, UNBILLED, InvoiceStage
from contracts.model import Value
from contracts.views.status import plan_rows

MAX_PAST, MAX_COMING = 30, 15


class Station(Value):
    """One day of the way. `number` is that of the invoice it is about; 0 where it is about none.
    `is_late`: it was expected, has not come, and its day is over."""

    on: date
    text: str
    number: int = 0
    is_late: bool = False


class Timeline(Value):
    """What has come, the latest last, and what is expected, the next first; `earlier` and `later`
    are how many there are beyond."""

    past: tuple[Station, ...]
    coming: tuple[Station, ...]
    earlier: int = 0
    later: int = 0


def timeline(state: ContractState) -> Timeline:
    """The stations of a contract, by their days."""
    past = sorted(_past(state), key=lambda item: item.on)
    coming = [] if state.stage in ENDED else sorted(_coming(state), key=lambda item: item.on)
    return Timeline(
        past=tuple(past[-MAX_PAST:]),
        coming=tuple(coming[:MAX_COMING]),
        earlier=max(0, len(past) - MAX_PAST),
        later=max(0, len(coming) - MAX_COMING),
    )


def _past(state: ContractState) -> Iterator[Station]:
    contract = state.contract
    if contract is not None:
        yield Station(on=contract.signed_on, text="Signed")
    if state.started_at is not None:
        yield Station(on=state.day_of(state.started_at), text=f"Received from {_source(state)}")
    for version in state.versions:
        if version.version > 1:
            text = f"Version {version.version} by {version.by}: {version.reason}"
            yield Station(on=version.on, text=text)
    for key, progress in state.milestones.items():
        if progress.reached_on is not None:
            yield Station(on=progress.reached_on, text=f"Milestone reached: {_name(state, key)}")
    yield from _proposed(state)
    if state.staffed_on is not None:
        yield Station(on=state.staffed_on, text="Project staffed")
    if state.closed_at is not None:
        yield Station(on=state.day_of(state.closed_at), text=f"Ended: {state.ending or 'closed'}")


def _source(state: ContractState) -> str:
    is_file = state.source.system == "file"
    return "a file" if is_file else f"{state.source.system}, {state.source.id}"


def _name(state: ContractState, key: str) -> str:
    milestone = state.contract.milestone(key) if state.contract else None
    return milestone.name if milestone else key


def _proposed(state: ContractState) -> Iterator[Station]:
    if state.billing is None:
        return
    for number, invoice in state.billing.invoices.items():
        report = state.invoices.get(number)
        name = report.name if report else f"proposal {number}"
        verb = "Rejected" if report and report.stage in UNBILLED else "Proposed"
        yield Station(
            on=invoice.happened_on, text=f"{verb}: {name}, {invoice.title}", number=number
        )


def _coming(state: ContractState) -> Iterator[Station]:
    contract, today = state.contract, state.today
    if contract is None:
        return
    for milestone in contract.milestones:
        progress = state.milestones.get(milestone.key)
        if milestone.due_on is not None and (progress is None or progress.reached_on is None):
            is_late = milestone.due_on < today
            text = f"Milestone due: {milestone.name}"
            yield Station(on=milestone.due_on, text=text, is_late=is_late)
    for row in plan_rows(state):
        if row.next_on is not None:
            yield Station(on=row.next_on, text=f"Bill {row.key} for {row.next_period}")
    for number, report in state.invoices.items():
        is_done = report.stage in CLEARED | UNBILLED
        if report.due_on is not None and not is_done:
            is_late = report.stage is InvoiceStage.OVERDUE
            text = f"{report.name} is due"
            yield Station(on=report.due_on, text=text, number=number, is_late=is_late)
    release_on = contract.retainage.release_on if contract.retainage else None
    if release_on is not None and release_on >= today:
        yield Station(on=release_on, text="Retainage is released")
    last = state.termination.on if state.termination is not None else contract.ends_on
    if last is not None and last >= today:
        yield Station(on=last, text="Last day of the contract")

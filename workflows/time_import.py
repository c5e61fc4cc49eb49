"""Reads hours of a time system into Odoo, page by page: for sweeps and for events."""

from __future__ import annotations

from datetime import date

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel, Field

    from activities.timesheets import (
        COMPARING_CALLS,
        IMPORTING_CALLS,
        TimeChanges,
        TimeDays,
        TimeImported,
        TimesheetActivities,
        UnplacedIn,
    )
    from contracts.events import ForTime
    from contracts.timesheets.entries import SubjectKind, Unplaced
    from workflows import options


class ReadAgain(BaseModel):
    """What came of reading hours once more: how many lines changed, and what keeps others from
    their place."""

    changed: int = 0
    unplaced: list[Unplaced] = Field(default_factory=list)


async def read_again(task: ForTime) -> ReadAgain:
    """Everything that changed since the task's moment; of days, those days. Nothing is read as long
    as what the task is about is not mended."""
    unplaced = task.unplaced
    if unplaced is not None and unplaced.subject.kind is SubjectKind.DAYS:
        week = await compare(task.system, date.fromisoformat(unplaced.subject.id))
        return ReadAgain(changed=week.changed, unplaced=week.unplaced)
    if unplaced is not None and not await _is_mended(task.system, unplaced):
        return ReadAgain(unplaced=[unplaced])
    found = ReadAgain()
    request = TimeChanges(system=task.system, since=task.since)
    while True:
        page = await import_page(request)
        found.changed += page.changed
        found.unplaced = merged([*found.unplaced, *page.unplaced])
        if not page.next:
            return found
        request = request.model_copy(update={"after": page.next})


async def _is_mended(system: str, unplaced: Unplaced) -> bool:
    found = await workflow.execute_activity_method(
        TimesheetActivities.is_mended,
        UnplacedIn(system=system, unplaced=unplaced),
        **options.timesheets(f"is {unplaced.subject} mended?", 2),
    )
    return found.is_mended


async def import_page(request: TimeChanges) -> TimeImported:
    """A page of what changed."""
    return await workflow.execute_activity_method(
        TimesheetActivities.import_time,
        request,
        **options.timesheets(f"hours since {request.since:%Y-%m-%d %H:%M}", IMPORTING_CALLS),
    )


async def compare(system: str, first: date) -> TimeImported:
    """A week, line by line."""
    return await workflow.execute_activity_method(
        TimesheetActivities.compare_time,
        TimeDays(system=system, first=first),
        **options.timesheets(f"compare the week from {first}", COMPARING_CALLS),
    )


def merged(found: list[Unplaced]) -> list[Unplaced]:
    """Each subject once, with the earliest of what it holds up."""
    earliest: dict[str, Unplaced] = {}
    for item in found:
        known = earliest.get(str(item.subject))
        if known is None or item.since < known.since:
            earliest[str(item.subject)] = item
    return list(earliest.values())

"""Approved hours of time systems, brought into Odoo's timesheets."""

from __future__ import annotations

from datetime import date

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.timesheets import (
        OpenDays,
        TimeChanges,
        TimeImported,
        TimesheetActivities,
    )
    from contracts.sweeps import ConnectorSweep, ConnectorSweepProgress, ConnectorSweepResult
    from contracts.timesheets.events import uncompared, unplaced_event
    from workflows import options, time_import
    from workflows.received import receive
    from workflows.shell import failed, is_lasting
    from workflows.sweeps import is_time_up


async def _compared(system: str, first: date) -> TimeImported:
    """A week, line by line. One that cannot be compared waits for a person, and holds up no other;
    whoever sees to it has it compared again."""
    try:
        return await time_import.compare(system, first)
    except ActivityError as error:
        if is_cancelled_exception(error) or not is_lasting(error):
            raise
        return TimeImported(unplaced=[uncompared(system, first, failed(error).message)])


@workflow.defn
class TimesheetSweepWorkflow:
    """What changed since the sweep before, page by page; and once a day all days that are still
    open, week by week, as some systems never tell what was deleted.

    Whoever or whatever keeps hours from their place becomes one event, which waits for a person and
    reads the hours by itself once that is mended. It holds up nothing else.
    """

    @workflow.run
    async def run(self, sweep: ConnectorSweep) -> ConnectorSweepResult:
        before = workflow.get_last_completion_result(ConnectorSweepResult)
        last_day = before.day if before is not None else None
        progress = sweep.progress or sweep.begun(before, workflow.now())
        try:
            is_read = await self._read(sweep, progress)
        except ActivityError as error:
            if is_cancelled_exception(error) or not progress.begins_anew(
                is_lasting=is_lasting(error)
            ):
                raise
            workflow.logger.warning("the sweep begins anew: %s", error.cause)
            progress = progress.anew()
            is_read = await self._read(sweep, progress)
        if not is_read:
            return progress.ended().model_copy(update={"day": last_day})
        today = sweep.day_of(workflow.now())
        if last_day != today:
            await self._compare(sweep, progress, today)
        return progress.result.model_copy(update={"day": today})

    async def _read(self, sweep: ConnectorSweep, progress: ConnectorSweepProgress) -> bool:
        """False where it takes too long: the next sweep goes on behind the last page."""
        while True:
            request = TimeChanges(system=sweep.system, since=progress.since, after=progress.after)
            page = await time_import.import_page(request)
            if page.as_of is not None:
                progress.begin_page(page.as_of)
            await self._note(sweep.system, progress, page)
            progress.after = page.next
            if not page.next:
                return True
            if is_time_up(progress.began_at):
                return False
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(sweep.model_copy(update={"progress": progress}))

    async def _compare(
        self, sweep: ConnectorSweep, progress: ConnectorSweepProgress, today: date
    ) -> None:
        found = await workflow.execute_activity_method(
            TimesheetActivities.open_weeks,
            OpenDays(system=sweep.system, today=today),
            **options.timesheets("the weeks that are open", 1),
        )
        for first in found.weeks:
            await self._note(sweep.system, progress, await _compared(sweep.system, first))

    async def _note(
        self, system: str, progress: ConnectorSweepProgress, page: TimeImported
    ) -> None:
        progress.result.started += page.changed
        for item in page.unplaced:
            await receive(unplaced_event(system, item, workflow.now()), again=True)

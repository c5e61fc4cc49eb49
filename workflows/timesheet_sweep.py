"""Approved hours of time systems, brought into Odoo's timesheets."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.timesheets import (
        OpenDays,
        TimeChanges,
        TimeImported,
        TimesheetActivities,
    )
    from contracts.sweeps import ConnectorSweep, ConnectorSweepProgress, ConnectorSweepResult
    from contracts.timesheets.events import unplaced_event
    from workflows import options, time_import
    from workflows.events import receive


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
        progress = sweep.progress or sweep.begun(before, workflow.now())
        await self._read(sweep, progress)
        if before is None or before.day != progress.result.day:
            await self._compare(sweep, progress)
        return progress.result

    async def _read(self, sweep: ConnectorSweep, progress: ConnectorSweepProgress) -> None:
        while True:
            request = TimeChanges(system=sweep.system, since=progress.since, after=progress.after)
            page = await time_import.import_page(request)
            if page.as_of is not None:
                progress.begin_page(page.as_of)
            await self._note(sweep.system, progress, page)
            progress.after = page.next
            if not page.next:
                return
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(sweep.model_copy(update={"progress": progress}))

    async def _compare(self, sweep: ConnectorSweep, progress: ConnectorSweepProgress) -> None:
        day = progress.result.day or sweep.day_of(workflow.now())
        found = await workflow.execute_activity_method(
            TimesheetActivities.open_weeks,
            OpenDays(system=sweep.system, today=day),
            **options.timesheets("the weeks that are open", 1),
        )
        for first in found.weeks:
            page = await time_import.compare(sweep.system, first)
            await self._note(sweep.system, progress, page)

    async def _note(
        self, system: str, progress: ConnectorSweepProgress, page: TimeImported
    ) -> None:
        progress.result.started += page.changed
        for item in page.unplaced:
            await receive(unplaced_event(system, item, workflow.now()), again=True)

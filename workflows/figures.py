"""Once a day: the figures of a legal entity are measured, and appended to those of before.

The series travels as the schedule's last completion result, as the watermarks of the sweeps do:
there is no other store. It is bounded (`contracts.figures`), and a day measured again is replaced.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.figures import FiguresActivities
    from contracts.figures import FiguresRequest, Series
    from workflows import options

_CALLS = 40
"""Of thousands of contracts and invoices each is read: an attempt may take an hour."""


@workflow.defn
class FiguresWorkflow:
    """It fails where a day cannot be measured; the next day goes on from the day before."""

    @workflow.run
    async def run(self, request: FiguresRequest) -> Series:
        before = workflow.get_last_completion_result(Series) or Series()
        found = await workflow.execute_activity_method(
            FiguresActivities.measure_figures,
            request,
            **options.odoo_finance(
                f"figures of {request.legal_entity}", options.Urgency.BACKGROUND, calls=_CALLS
            ),
        )
        return before.with_day(found)

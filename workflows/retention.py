"""Once a day for each legal entity with rules of retention: removes what is due, page by page."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.retention import RetentionActivities, RetentionRequest
    from contracts.retention import Progress, RetentionDue, RetentionReport, kinds_of
    from workflows import options

_CALLS = 10
"""So many times as long as a single call a page may take: it looks at hundreds of records."""
_PAGES_A_RUN = 200


@workflow.defn
class RetentionWorkflow:
    """Looks at one kind after the other. What cannot be removed now is due tomorrow, too."""

    @workflow.run
    async def run(self, due: RetentionDue) -> RetentionReport:
        kinds = kinds_of(due.legal_entity)
        progress = due.progress or Progress(kind=kinds[0])
        for _ in range(_PAGES_A_RUN):
            page = await workflow.execute_activity_method(
                RetentionActivities.apply_retention,
                RetentionRequest(
                    legal_entity=due.legal_entity,
                    kind=progress.kind,
                    at=workflow.info().workflow_start_time,
                    after=progress.after,
                ),
                **options.records(f"retention: {progress.kind.words}", calls=_CALLS),
            )
            progress = progress.with_page(page)
            if not progress.after:
                left = kinds[kinds.index(progress.kind) + 1 :]
                if not left:
                    return RetentionReport(legal_entity=due.legal_entity, removed=progress.done)
                progress = progress.replace(kind=left[0])
        workflow.continue_as_new(due.replace(progress=progress))

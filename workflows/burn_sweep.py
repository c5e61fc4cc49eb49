"""Once a day: which projects have burned another step of their hours, or have got their people.

One read of sums for the whole portfolio, and a Signal to each contract that it is news to, which
then reads its own. So contracts whose projects stand still cost nothing, and none is asked by
itself.
"""

from __future__ import annotations

import asyncio
from itertools import islice

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.odoo.burn import OdooBurn, PortfolioRequest
    from contracts.contract.messages import BurnRequest
    from contracts.sweeps import (
        BurnSweepProgress,
        BurnSweepResult,
        ProjectBurn,
    )
    from workflows import options
    from workflows.sweeps import AT_ONCE, is_time_up, signalled

BURN_REQUESTED = "burn_requested"
SWEEP = "the daily sweep"
MOST_PROJECTS = 50_000
"""What a result holds, well below the engine's 2 MB. More are signalled each day, without harm."""


@workflow.defn
class BurnSweepWorkflow:
    """It reads page by page, and goes on in another run where its history has grown."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)

    @workflow.run
    async def run(self, progress: BurnSweepProgress | None = None) -> BurnSweepResult:
        progress = progress or _begun(workflow.get_last_completion_result(BurnSweepResult))
        result = progress.result
        config = options.odoo_finance("hours of the portfolio", options.Urgency.BACKGROUND)
        while True:
            page = await workflow.execute_activity_method(
                OdooBurn.read_portfolio,
                PortfolioRequest(after=progress.after),
                **config,
            )
            news = [item for item in page.projects if is_news(progress.before, item)]
            result.signalled += sum(await asyncio.gather(*map(self._signal, news)))
            for item in page.projects:
                if len(result.seen) < MOST_PROJECTS:
                    result.seen[item.project_id] = mark_of(item)
            if page.next is None:
                return result
            progress.after = page.next
            if is_time_up(progress.began_at):
                result.after, result.seen = page.next, with_unread(progress.before, result.seen)
                return result
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(progress)

    async def _signal(self, item: ProjectBurn) -> bool:
        async with self._turns:
            return await signalled(item.workflow_id, BURN_REQUESTED, BurnRequest(by=SWEEP))


def _begun(before: BurnSweepResult | None) -> BurnSweepProgress:
    """What a sweep has seen that ended before its last page, the next one's result has too."""
    before = before or BurnSweepResult()
    seen = dict(before.seen) if before.after else {}
    return BurnSweepProgress(
        before=before.seen,
        result=BurnSweepResult(seen=seen),
        after=before.after,
        began_at=workflow.now(),
    )


def with_unread(before: dict[int, int], seen: dict[int, int]) -> dict[int, int]:
    """What was seen, and of the projects that were not read what the sweep before has seen."""
    return dict(islice({**before, **seen}.items(), MOST_PROJECTS))


def mark_of(item: ProjectBurn) -> int:
    """The step, negative while the project lacks people."""
    return item.step if item.staffed else -1 - item.step


def is_news(before: dict[int, int], item: ProjectBurn) -> bool:
    """Whether a contract has to know: another step, the first people, or never seen before. That
    somebody has left is no news to it."""
    known = before.get(item.project_id)
    if known is None:
        return True
    step = known if known >= 0 else -1 - known
    return item.step != step or (item.staffed and known < 0)

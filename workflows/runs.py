"""When a run of a long workflow gives way to the next, and which release that one begins with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows.alarm import Alarm
    from workflows.steps import Steps

MANY_EVENTS = 250
"""A worker that has forgotten a workflow goes through all of its run's events before it acts on
news. A new run costs one action, so contracts of a few milestones need none."""


class Run:
    """A run of a workflow that lives for months: it waits, and gives way to the next one.

    `following` is what the next run is started with.
    """

    def __init__(self, steps: Steps, following: Callable[[], object]) -> None:
        self._steps = steps
        self._following = following
        self._alarm = Alarm()
        self.is_asked_to_end = False
        """A new release is picked up by the next run, and a long history ends with this one."""

    async def wait(self, until: Callable[[], bool], wake: datetime | None, summary: str) -> None:
        """Wait for the condition or the time (aware; None: for ever), beside the main line. May
        return before either: callers look again."""
        await self._alarm.wait(until, wake, summary)

    async def rest(self, until: Callable[[], bool], wake: datetime | None, summary: str) -> None:
        """A quiet point: wait as above; continue as new when it is due.

        May return before either (a step began just then): callers look again.
        """
        await self.wait(lambda: until() or self._must_end, wake, summary)
        if not until() and self._must_end:
            await workflow.wait_condition(workflow.all_handlers_finished)
        if not until() and self._must_end:
            # A run stays with the release it began with (it is pinned). Without this the next one
            # would inherit the old release, for as long as the contract lives.
            upgrades = workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE
            workflow.continue_as_new(self._following(), initial_versioning_behavior=upgrades)

    @property
    def _must_end(self) -> bool:
        return (self.is_asked_to_end or _is_old()) and self._steps.at_rest


def _is_old() -> bool:
    """Whether the history has grown long, or another release has become the current one."""
    info = workflow.info()
    return (
        info.get_current_history_length() >= MANY_EVENTS
        or info.is_continue_as_new_suggested()
        or info.is_target_worker_deployment_version_changed()
    )

"""The one timer with which a workflow waits for its next day."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from temporalio import workflow


class Alarm:
    """Waits for conditions and deadlines on one timer.

    A timer is a billed action and two events of history, and most deadlines are put off long
    before they come: an approval makes way for a due date, a payment for the settlement period.
    So a timer that rings earlier than needed is left to ring, and those who wait look again.
    """

    def __init__(self) -> None:
        self._timer: asyncio.Task[None] | None = None
        self._rings_at: datetime | None = None
        self._rung = 0

    async def wait(
        self, until: Callable[[], bool], deadline: datetime | None, summary: str
    ) -> None:
        """Wait for the condition or the deadline (aware; None: for ever), with a summary for
        people. May return before either: an earlier deadline has passed."""
        if deadline is not None:
            if deadline <= workflow.now():
                return
            self._set(deadline, summary)
        rung = self._rung
        await workflow.wait_condition(lambda: until() or self._rung != rung)

    def _set(self, deadline: datetime, summary: str) -> None:
        if self._rings_at is not None and self._rings_at <= deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = deadline
        self._timer = asyncio.create_task(self._ring(deadline, summary))

    async def _ring(self, deadline: datetime, summary: str) -> None:
        await workflow.sleep(deadline - workflow.now(), summary=summary)
        self._rings_at = None
        self._timer = None
        self._rung += 1

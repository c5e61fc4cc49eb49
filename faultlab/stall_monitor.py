"""Watches that no workflow stands still without being listed, while scenarios run."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError

from faultlab.lab import ListedChanges
from workflows import search_attributes

LISTED_SECONDS = 60.0
"""So soon whatever does not go on is listed, with what it waits for."""
TRIED_SECONDS = 150.0
"""An attempt's own timeout and the longest pause before the next: what is tried goes on."""
_BETWEEN_SECONDS = 5.0
_AT_ONCE = 8


@dataclass(frozen=True)
class _Seen:
    """How far a workflow was, and since when (monotonic)."""

    mark: tuple[object, ...]
    since: float


@dataclass
class StallMonitor:
    """Every workflow that runs goes on, or is listed as waiting: for a person, for a date, or as
    an exception (`WaitingOn`, by which `c2c exceptions` and `c2c contract list` find it).

    `wrong` says which did neither, by workflow id.
    """

    client: Client
    changes: ListedChanges
    listed_seconds: float = LISTED_SECONDS
    tried_seconds: float = TRIED_SECONDS
    wrong: dict[str, str] = field(default_factory=dict)
    _seen: dict[str, _Seen] = field(default_factory=dict)

    async def watch(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await asyncio.sleep(_BETWEEN_SECONDS)
            with contextlib.suppress(RPCError):  # Temporal may be down: that is the campaign
                await self.look()

    async def look(self) -> None:
        """Look at each workflow that has shown nothing new for a while."""
        still = self.changes.unchanged_for(self.listed_seconds / 2)
        self._seen = {key: seen for key, seen in self._seen.items() if key in still}
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(workflow_id: str) -> None:
            async with gate:
                await self._look_at(workflow_id)

        await asyncio.gather(*(one(item) for item in still if item.startswith("contract/")))

    async def _look_at(self, workflow_id: str) -> None:
        described = await self.client.get_workflow_handle(workflow_id).describe()
        now, mark = time.monotonic(), _mark(described)
        seen = self._seen.get(workflow_id)
        if seen is None or seen.mark != mark:
            self._seen[workflow_id] = _Seen(mark, now)
            return
        is_tried = bool(described.raw_description.pending_activities)
        limit = self.tried_seconds if is_tried else self.listed_seconds
        waiting = described.typed_search_attributes.get(search_attributes.WAITING_ON)
        if now - seen.since > limit and not waiting and described.close_time is None:
            self.wrong[workflow_id] = (
                f"{workflow_id} has not gone on for {limit:.0f} s, and nobody knows: "
                "it is listed as waiting for nothing"
            )


def _mark(described: WorkflowExecutionDescription) -> tuple[object, ...]:
    """What changes whenever something happens, a new attempt of an activity too."""
    raw = described.raw_description
    tried = tuple((item.activity_id, item.attempt) for item in raw.pending_activities)
    return described.run_id, described.history_length, tried

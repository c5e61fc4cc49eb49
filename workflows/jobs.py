"""What a workflow does beside its main line: named tasks, whose defects never stay unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Jobs:
    """Named tasks; a name runs once at a time."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Future[None]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    @property
    def none(self) -> bool:
        return not self._tasks

    @property
    def any_done(self) -> bool:
        return any(task.done() for task in self._tasks.values())

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._tasks[name] = asyncio.ensure_future(work())

    def tidy(self) -> None:
        """Forget the ended ones; raises the error of one that failed."""
        for name, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[name]
                task.result()

    async def finish(self) -> None:
        """Wait until all have ended, and raise the error of any."""
        await asyncio.gather(*self._tasks.values())
        self._tasks.clear()

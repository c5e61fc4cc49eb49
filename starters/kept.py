"""Answers of a slow remote, kept for a while: for pages that many people open at the same time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_LOG = logging.getLogger("c2c.web")

FRESH_SECONDS = 60.0
OLDEST_SECONDS = 900.0
"""For so long an answer is given while it is read again: the page is not later for it, and says
of when it is."""
_MOST = 64
_AT_ONCE = 2


@dataclass(frozen=True)
class Reading(Generic[T]):
    """An answer, and when it was asked for (aware)."""

    value: T
    as_of: datetime


class Kept:
    """Each question is asked once at a time, in a thread, whoever wants to know. Of one event
    loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[Hashable, tuple[float, Reading[Any]]] = OrderedDict()
        self._asking: dict[Hashable, asyncio.Task[Reading[Any]]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def get(self, key: Hashable, ask: Callable[[], T]) -> Reading[T]:
        """The answer of before while that is young, else what `ask` returns. Raises what that
        raises."""
        at, known = self._known.get(key, (0.0, None))
        age = self._clock() - at
        if known is not None and age < FRESH_SECONDS:
            return known
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, ask))
            task.add_done_callback(_retrieved)
            self._asking[key] = task
        if known is not None and age < OLDEST_SECONDS:
            return known
        # Whoever goes away takes no answer from the others.
        return await asyncio.shield(task)

    async def _ask(self, key: Hashable, ask: Callable[[], T]) -> Reading[T]:
        try:
            async with self._turns:
                as_of = datetime.now(UTC)
                found = Reading(await asyncio.to_thread(ask), as_of)
        finally:
            del self._asking[key]
        self._known[key] = self._clock(), found
        self._known.move_to_end(key)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return found


def _retrieved(task: asyncio.Task[Any]) -> None:
    """One that nobody waits for any more fails into the log."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.warning("not read again: %s", error)

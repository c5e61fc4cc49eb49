"""A limit on calls a second, for remotes that sell few of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from gateways.errors import GatewayError, transient

MAX_WAIT_SECONDS = 20.0
MAX_PAUSE = timedelta(minutes=1)
"""Longer and a raised limit would go unnoticed; the engine waits out the rest."""


class Throttle:
    """Spaces calls evenly. Thread-safe; one instance serves all threads of a client.

    It holds for one process: a limit across processes is the task queue's rate limit.
    """

    def __init__(
        self,
        calls_per_second: float | None = None,
        *,
        system: str,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`calls_per_second` None sets no limit of our own, but `pause` still counts."""
        if calls_per_second is not None and not calls_per_second > 0:
            raise ValueError(f"calls_per_second must be above zero, not {calls_per_second}")
        self._interval = 0.0 if calls_per_second is None else 1 / calls_per_second
        self._system = system
        self._max_wait = max_wait_seconds
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Sleep until it is this call's turn.

        Raises GatewayError of kind TRANSIENT, code `throttled`, at once when the turn is further
        off than `max_wait_seconds`: the engine waits better than a blocked thread.
        """
        delay = self._reserve()
        if delay > 0:
            self._sleep(delay)

    def pause(self, delay: timedelta) -> None:
        """Let nobody call for this long: the remote asked for it."""
        with self._lock:
            self._next = max(self._next, self._clock() + delay.total_seconds())

    def heed(self, refusal: GatewayError) -> None:
        """Hold our other threads back, too, where the remote refused a call for its limit: each
        call that is refused counts against the account. For MAX_PAUSE at most."""
        if refusal.code == "rate_limited" and refusal.retry_after is not None:
            self.pause(min(refusal.retry_after, MAX_PAUSE))

    def _reserve(self) -> float:
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            delay = turn - now
            if delay > self._max_wait:
                text = f"The limit on calls is used up; the next turn is in {delay:.0f} s."
                raise transient(self._system, "throttled", text, timedelta(seconds=delay))
            self._next = turn + self._interval
            return delay

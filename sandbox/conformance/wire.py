"""The wire between a connector and its remote, on which the kit lets calls fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sandbox.proxy import PASSED, Fate, Proxy, Request

_STARTED_WITHIN_SECONDS = 10.0

FateOf = Callable[[Request], Fate]


def _pass(request: Request) -> Fate:
    return PASSED


class Wire:
    """Passes a connector's requests on to its remote, and lets one of them fail."""

    def __init__(self, remote: str) -> None:
        self._proxy = Proxy(remote, fate_of=self._fate_of, keeps_host=True)
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._fate: FateOf = _pass
        self._at = -1
        self.url = ""

    @property
    def requests(self) -> list[Request]:
        """Those since the last `fail` or `clear`."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        """Let everything pass, and forget what passed."""
        self.fail(-1, _pass)

    def fail(self, place: int, fate: FateOf) -> None:
        """Let the request at this place, counted from now on and from 0, have this fate."""
        with self._lock:
            self._requests, self._fate, self._at = [], fate, place

    def _fate_of(self, request: Request) -> Fate:
        with self._lock:
            place = len(self._requests)
            self._requests.append(request)
            return self._fate(request) if place == self._at else PASSED

    @contextmanager
    def open(self) -> Iterator[Wire]:
        """Listen on a free port of the loopback."""
        loop, stop, started = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

        async def run() -> None:
            self.url = await self._proxy.start()
            started.set()
            await stop.wait()
            await self._proxy.stop()

        thread = threading.Thread(target=loop.run_until_complete, args=[run()], daemon=True)
        thread.start()
        assert started.wait(_STARTED_WITHIN_SECONDS)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(_STARTED_WITHIN_SECONDS)
            loop.close()

"""A moment after which calls are not sent any more.

Whoever asked for a change gives up waiting for it, and a newer one may have been made since: the
older one, sent later, would take its place. A call may take several requests, each of which waits
for its turn, and signs in anew; so the moment is heeded where a request is sent (`gateways.http`),
and by no connector of its own.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextvars import ContextVar

_latest: ContextVar[float | None] = ContextVar("latest", default=None)


@contextlib.contextmanager
def nothing_sent_after(moment: float) -> Iterator[None]:
    """Within it, requests of this thread are refused after the moment, by the monotonic clock."""
    token = _latest.set(moment)
    try:
        yield
    finally:
        _latest.reset(token)


def has_passed() -> bool:
    """Whether it is too late to send anything; never where no moment is set."""
    latest = _latest.get()
    return latest is not None and time.monotonic() > latest

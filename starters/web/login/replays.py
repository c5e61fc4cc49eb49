"""Ids of tokens that are good for one use."""

from __future__ import annotations

import heapq
from datetime import datetime

MAX_SEEN = 100_000


class Seen:
    """Remembers each id until its token has ended. In memory of this process, and bounded: when it
    is full nothing new is taken, as what was forgotten could be used again."""

    def __init__(self, max_entries: int = MAX_SEEN) -> None:
        self._known: set[tuple[str, str]] = set()
        self._by_end: list[tuple[datetime, tuple[str, str]]] = []
        self._max_entries = max_entries

    def is_new(self, key: tuple[str, str], ends: datetime, now: datetime) -> bool:
        """Whether nobody used it before; from now on somebody has. `key` is issuer and id."""
        while self._by_end and self._by_end[0][0] <= now:
            self._known.discard(heapq.heappop(self._by_end)[1])
        if key in self._known or len(self._known) >= self._max_entries:
            return False
        self._known.add(key)
        heapq.heappush(self._by_end, (ends, key))
        return True

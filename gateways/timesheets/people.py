"""The e-mail addresses of a time system's people, where its entries do not have them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping

KEEP_SECONDS = 600.0
"""How long an address counts: somebody may correct it there."""


class Emails:
    """Addresses by person. All people are read at once, for many entries, and again for somebody
    new. Thread-safe."""

    def __init__(
        self,
        read_all: Callable[[], Mapping[str, str]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_all = read_all
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._until = 0.0

    def of(self, people: Collection[str]) -> Mapping[str, str]:
        """The addresses of these people and others; "" of whom the system does not list."""
        with self._lock:
            if not set(people) <= set(self._known) or (people and self._clock() >= self._until):
                self._read(people)
            return self._known

    def now(self, person: str) -> str:
        """The address of a person, read again; "" of whom the system does not list."""
        with self._lock:
            self._read([person])
            return self._known[person]

    def _read(self, people: Collection[str]) -> None:
        # Whoever was asked for before, and is not listed, is no reason to read all people again.
        self._known = {**dict.fromkeys([*self._known, *people], ""), **self._read_all()}
        self._until = self._clock() + KEEP_SECONDS

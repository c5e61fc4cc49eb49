"""The e-mail addresses of a time system's people, where its entries do not have them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping


class Emails:
    """Addresses by person. All people are read once, and again for somebody new: one read for many
    entries. Thread-safe."""

    def __init__(self, read_all: Callable[[], Mapping[str, str]]) -> None:
        self._read_all = read_all
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}

    def of(self, people: Collection[str]) -> Mapping[str, str]:
        """The addresses of these people and others; "" of whom the system does not list."""
        with self._lock:
            if not set(people) <= set(self._known):
                self._known = {**dict.fromkeys(people, ""), **self._read_all()}
            return self._known

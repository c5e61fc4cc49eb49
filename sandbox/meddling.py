"""What goes wrong between a connector and files that are elsewhere, or happens meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum


class Fault(Enum):
    """What becomes of a request. After its effect, it is the answer alone that is lost."""

    NONE = "none"
    BEFORE = "before"
    AFTER = "after"
    SLOW = "slow"
    """It is done, and the answer takes longer than anybody waits."""
    FORBIDDEN = "forbidden"
    """It is not allowed."""


@dataclass
class Meddling:
    """Which request has a fault, counted from when that was set, and what happens just before one
    of a kind: once."""

    requests: list[str] = field(default_factory=list)
    is_away: bool = False
    """Nobody is reached at all; `refused` counts who tried."""
    refused: int = 0
    _at: int = -1
    _fault: Fault = Fault.NONE
    _kind: str = ""
    _action: Callable[[], object] = field(default=lambda: None)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def clear(self) -> None:
        self.fail(-1, Fault.NONE)

    def fail(self, place: int, fault: Fault) -> None:
        """Let the request at this place have this fault; those since are forgotten."""
        with self._lock:
            self.requests, self._at, self._fault, self._kind = [], place, fault, ""

    def before(self, kind: str, action: Callable[[], object]) -> None:
        """Let something happen just before the next request of this kind."""
        with self._lock:
            self._kind, self._action = kind, action

    def next(self, kind: str) -> Fault:
        """A request comes; what becomes of it."""
        with self._lock:
            place = len(self.requests)
            self.requests.append(kind)
            action = self._action if kind == self._kind else None
            if action:
                self._kind = ""
        if action:
            action()
        return self._fault if place == self._at else Fault.NONE

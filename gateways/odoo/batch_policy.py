"""Decides which requests to Odoo are sent now and which of them share a call. Pure.

`plan` takes what waits and what is in flight (`Traffic`), the limits, and the time. It returns the
batches to send now, and when to decide again. The dispatcher (batching.py) carries it out.

A call with many records costs Odoo a fraction of as many calls. Therefore:

- A request that finds nothing else in flight is sent at once.
- Requests with the same key wait while a call of their key is in flight. Then they are sent
  together, in one call.
- After a call that several requests shared, the next requests of its key are held back for a
  moment, so that more of them come together. The same holds after any call while others are in
  flight.
- The key whose request has waited longest is sent first.
"""

from __future__ import annotations

import contextvars
import queue
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from gateways.http import POOL_TIMEOUT_SECONDS
from gateways.odoo.requests.request import Request

CALLS_AT_ONCE = 4
BATCH_SIZE = 100
MAX_ROWS = 2_000
MAX_CHARACTERS = 2_000_000
"""What one call may hold. A request that is larger by itself is sent alone."""

MAX_WAIT_SECONDS = POOL_TIMEOUT_SECONDS
"""A request is not sent, nor sent again, later than this after it arrived. Together with the time
that a call may take, the activity's own time is then over, and its next attempt must not meet this
one."""

WORTHWHILE_SIZE = 25
QUIET_SECONDS, QUIET_SHARE = 0.2, 0.5
MAX_HOLD_SECONDS = 1.0
"""How long requests are held back: until `WORTHWHILE_SIZE` of them wait, or no request of any key
has arrived for `QUIET_SECONDS` and for `QUIET_SHARE` of the time the last call took, but at most
`MAX_HOLD_SECONDS` after that call. Up to 25 records the call's own cost outweighs theirs; one more
second is acceptable to somebody at a screen."""

LOW_PRIORITY_WAIT_SECONDS = 20.0
"""A request of low priority is sent when nothing else waits or is in flight, but at the latest so
long after it arrived. Otherwise e-mails would take Odoo's time from the postings of a month end."""

TARGET_CALL_SECONDS = 25.0
"""How long a call should take at most, by how long the last one took. Odoo's client times out well
after it; from then on nobody knows whether the call was done."""

Method = tuple[str, str]
"""Model and method."""

_UNSHARED = object()
"""The key of all requests that could share calls, where the batch size is 1."""


@dataclass(frozen=True)
class Limits:
    """How many calls may be in flight, and how many requests one of them may hold."""

    calls_at_once: int = CALLS_AT_ONCE
    batch_size: int = BATCH_SIZE

    def __post_init__(self) -> None:
        if self.calls_at_once < 1 or self.batch_size < 1:
            raise ValueError("calls_at_once and batch_size are at least 1.")


@dataclass(eq=False)
class PendingCall:
    """A request whose caller waits for the answer. Times are by the monotonic clock."""

    request: Request
    arrived: float
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    """The caller's. A call is logged and traced under its oldest request."""

    answer: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    abandoned: bool = False
    """The caller waits no longer."""

    @property
    def deadline(self) -> float:
        return self.arrived + MAX_WAIT_SECONDS

    @property
    def method(self) -> Method:
        return self.request.model, self.request.method


@dataclass(frozen=True)
class Batch:
    """Requests of one key that are sent together."""

    key: Hashable
    calls: tuple[PendingCall, ...]
    started: float


@dataclass(frozen=True)
class FinishedCall:
    """The last call of a key: when it ended, and how long it took."""

    ended: float
    seconds: float
    shared: bool
    """Several requests shared it."""


@dataclass(frozen=True)
class Traffic:
    """All that is known about the calls to one Odoo. Immutable: each change returns a new one."""

    waiting: Mapping[Hashable, tuple[PendingCall, ...]] = field(default_factory=dict)
    """By key, the oldest first. No key without requests."""
    in_flight: tuple[Batch, ...] = ()
    last_calls: Mapping[Hashable, FinishedCall] = field(default_factory=dict)
    """By key; forgotten once it no longer holds anything back."""
    sizes: Mapping[Method, int] = field(default_factory=dict)
    """How many requests of a method may share a call, learned from how long its calls took."""
    last_arrival: float = 0.0

    @property
    def all_waiting(self) -> list[PendingCall]:
        return [call for calls in self.waiting.values() for call in calls]

    def with_arrival(self, call: PendingCall, limits: Limits) -> Traffic:
        key = _key_of(call.request, limits)
        waiting = {**self.waiting, key: (*self.waiting.get(key, ()), call)}
        return replace(self, waiting=waiting, last_arrival=max(self.last_arrival, call.arrived))

    def without(self, calls: Set[PendingCall]) -> Traffic:
        """These wait no longer."""
        waiting: dict[Hashable, tuple[PendingCall, ...]] = {}
        for key, queued in self.waiting.items():
            if kept := tuple(call for call in queued if call not in calls):
                waiting[key] = kept
        return replace(self, waiting=waiting)

    def with_sent(self, batch: Batch) -> Traffic:
        left = self.without(set(batch.calls))
        return replace(left, in_flight=(*self.in_flight, batch))

    def with_finished(self, batch: Batch, now: float) -> Traffic:
        # There is no end of different keys (contexts, values), so none is kept for long.
        last_calls = {
            key: call
            for key, call in self.last_calls.items()
            if call.ended + MAX_HOLD_SECONDS > now
        }
        last_calls[batch.key] = FinishedCall(now, now - batch.started, len(batch.calls) > 1)
        in_flight = tuple(other for other in self.in_flight if other is not batch)
        return replace(self, in_flight=in_flight, last_calls=last_calls)

    def with_size(self, method: Method, size: int) -> Traffic:
        return replace(self, sizes={**self.sizes, method: size})

    def size_of(self, call: PendingCall, limits: Limits) -> int:
        """How many requests may share a call with this one."""
        request = call.request
        if request.key is None:
            return 1
        first = min(limits.batch_size, request.first_batch_size)
        return min(self.sizes.get(call.method, first), request.max_batch_size)


@dataclass(frozen=True)
class Plan:
    """What to do now."""

    batches: tuple[Batch, ...]
    """To be sent now, in this order."""
    look_again: float | None
    """When to decide again if nothing arrives and no call ends; None if there is no need to."""


def plan(traffic: Traffic, limits: Limits, now: float) -> Plan:
    """Which waiting requests are sent now, in which calls, and when to decide again."""
    batches: list[Batch] = []
    times: list[float] = []
    while len(traffic.in_flight) < limits.calls_at_once:
        due = {key: _due(traffic, limits, key) for key in _free_keys(traffic, limits)}
        ready = [key for key, moment in due.items() if moment <= now]
        if not ready:
            times = list(due.values())
            break
        key = min(ready, key=lambda ready_key: traffic.waiting[ready_key][0].arrived)
        waiting = traffic.waiting[key]
        batch = Batch(key, fitting_together(waiting, traffic.size_of(waiting[0], limits)), now)
        batches.append(batch)
        traffic = traffic.with_sent(batch)
    times += [calls[0].deadline for calls in traffic.waiting.values()]
    return Plan(tuple(batches), min(times, default=None))


def fitting_together(waiting: Sequence[PendingCall], most: int) -> tuple[PendingCall, ...]:
    """The oldest request and, in their order, those that fit into one call with it.

    A request that shares a record with an earlier one waits for a later call.
    """
    chosen: list[PendingCall] = []
    seen: set[Hashable] = set()
    rows = characters = 0
    for call in waiting:
        request = call.request
        if seen.isdisjoint(request.records):
            rows, characters = rows + request.rows, characters + request.characters
            if chosen and (rows > MAX_ROWS or characters > MAX_CHARACTERS):
                break
            chosen.append(call)
        # The records of those left waiting too, so that no later request is sent before them.
        seen |= request.records
        if len(chosen) == most:
            break
    return tuple(chosen)


def adapted_size(size: int, sent: int, seconds: float | None, most: int) -> int:
    """How many requests may share a call from now on, after a call of `sent` took so long.

    `seconds` is None where no answer came in time. `size` is how many could share it until now,
    `most` how many ever may. A call smaller than `size` proves nothing about larger ones.
    """
    if seconds is None:
        return max(1, sent // 2)
    in_time = max(1, int(sent * TARGET_CALL_SECONDS / max(seconds, 0.001)))
    if sent >= size:
        return min(in_time, size * 2, most)
    return min(in_time, size) if seconds > TARGET_CALL_SECONDS else size


def _key_of(request: Request, limits: Limits) -> Hashable:
    if request.key is not None and limits.batch_size == 1 and not request.one_at_a_time:
        return _UNSHARED
    return request.key


def _free_keys(traffic: Traffic, limits: Limits) -> list[Hashable]:
    """The keys with waiting requests that may have one more call in flight."""
    in_flight = Counter(batch.key for batch in traffic.in_flight)
    return [key for key in traffic.waiting if in_flight[key] < _calls_at_once(key, limits)]


def _calls_at_once(key: Hashable, limits: Limits) -> int:
    """How many calls of a key may be in flight.

    Requests without a key leave one call to the others: they may be slow and many.
    """
    if key is None:
        return max(1, limits.calls_at_once - 1)
    return limits.calls_at_once if key is _UNSHARED else 1


def _due(traffic: Traffic, limits: Limits, key: Hashable) -> float:
    """From when on the waiting requests of a key may be sent, if no more arrive."""
    waiting = traffic.waiting[key]
    oldest, last = waiting[0], traffic.last_calls.get(key)
    if oldest.request.low_priority and _is_busy(traffic):
        return oldest.arrived + LOW_PRIORITY_WAIT_SECONDS
    if last is None or len(waiting) >= min(WORTHWHILE_SIZE, traffic.size_of(oldest, limits)):
        return oldest.arrived
    if not last.shared and not traffic.in_flight:
        return oldest.arrived  # there is nobody else for whom it could wait
    quiet = traffic.last_arrival + max(QUIET_SECONDS, last.seconds * QUIET_SHARE)
    return min(last.ended + MAX_HOLD_SECONDS, quiet)


def _is_busy(traffic: Traffic) -> bool:
    """Whether anything that is not of low priority waits or is in flight."""
    of_each_key = [*traffic.waiting.values(), *(batch.calls for batch in traffic.in_flight)]
    return any(not calls[0].request.low_priority for calls in of_each_key)

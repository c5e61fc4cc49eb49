"""Group commit: a few calls to Odoo at a time, and requests that wait for one go together.

    caller --> inbox --> group of its key --> a lane is free: one call --> each its own answer
                         (ungrouped calls
                          are a group too)

A call of many records costs Odoo a fraction of as many calls. So a request that finds a free lane
goes at once; while a call of its key is under way, or no lane is free, requests of that key
gather, and go together. Once they have, the next of that key are held back for a moment: as long
as requests keep coming, and never for long. Who comes alone waits for nobody.

Callers are activities, and the engine may raise an exception in their thread at any line, even
between two lines of a lock's or a future's own code, which would then stay locked. So a caller
touches nothing but queues and locks that are written in C, and every call is made by threads of
our own. What happens to one caller is nothing to the others.
"""

from __future__ import annotations

import contextvars
import copy
import functools
import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateways.errors import GatewayError
from gateways.http import POOL_TIMEOUT_SECONDS
from gateways.odoo import errors
from gateways.odoo.grouping import Request

CALLS_AT_ONCE = 4
GROUP_SIZE = 100
MAX_ROWS = 2_000
MAX_CHARACTERS = 2_000_000
"""What one call may hold; a request that is larger by itself goes alone."""

MAX_WAIT_SECONDS = POOL_TIMEOUT_SECONDS
"""No request is sent later than this after it came, nor sent again: with the time a call may take
an activity's own is up, and its next attempt must not meet this one."""

ENOUGH = 25
QUIET_SECONDS, QUIET_SHARE = 0.2, 0.5
HOLD_SECONDS = 1.0
"""Behind a call that several requests shared, and behind any call while others are under way, the
next of that key are held back: until so many are there, none of any key has come for so long and
for such a share of the time that the call took, or so long after it. Up to `ENOUGH` the call's own
cost outweighs that of its records; a second more is what somebody at a screen can bear."""

YIELD_SECONDS = 20.0
"""What nobody waits for at a screen goes when nothing else is under way or waits; at the latest so
long after it came. Mails would else take their share of Odoo from the postings of a month end."""

LONG_SECONDS = 25.0
"""A call is to take no longer, by how long the last one took. After the time that it has, which is
more than that, nobody knows whether it was done."""

LOOK_SECONDS = 0.5
"""How often a waiting caller comes up for air: only then can the engine end its wait."""

IDLE_SECONDS = 5.0
"""A thread without work ends after this; the next request starts one."""

Send = Callable[[Sequence[Request], float], list[Any]]
"""Sends requests of one key together: an answer each, or an error that is its own. Raises what
concerns them all. After the moment given, by the monotonic clock, nothing more may be changed."""

_UNGROUPED = object()
"""The key of what could be grouped where the size of groups is 1."""


@dataclass(eq=False)
class _Ticket:
    """A request on its way, between its caller and the thread that sends it."""

    request: Request
    number: int
    came: float
    """By the monotonic clock."""

    until: float
    """By the monotonic clock: it is not sent later."""

    context: contextvars.Context
    """The caller's: what is logged and traced of a call belongs to the first who asked for it."""

    answer: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    claim: threading.Lock = field(default_factory=threading.Lock)
    """Taken once: by the thread that sends the request, or by the caller who gives up first."""

    gone: bool = False
    """The caller waits no longer."""


@dataclass(eq=False)
class _Group:
    """What waits under one key, oldest first."""

    key: Hashable
    at_once: int
    yields: bool = False
    waiting: deque[_Ticket] = field(default_factory=deque)
    running: int = 0

    def oldest(self) -> _Ticket | None:
        """The first whose caller still waits; those before it are dropped."""
        while self.waiting and self.waiting[0].gone:
            self.waiting.popleft()
        return self.waiting[0] if self.waiting else None

    def take(self, most: int) -> list[_Ticket]:
        """The oldest and, in their order, all that may go with it, up to `most`.

        One that shares a record with another waits until that one's call is over: `load` can
        make two records of one external id within a call.
        """
        taken: list[_Ticket] = []
        left: list[_Ticket] = []
        seen: set[Hashable] = set()
        rows = characters = 0
        while self.waiting and len(taken) < most:
            ticket = self.waiting.popleft()
            request = ticket.request
            rows, characters = rows + request.rows, characters + request.characters
            if taken and (rows > MAX_ROWS or characters > MAX_CHARACTERS):
                left.append(ticket)
                break
            if not seen.isdisjoint(request.records):
                left.append(ticket)
            elif not ticket.gone and ticket.claim.acquire(blocking=False):
                taken.append(ticket)
            else:
                continue
            seen |= request.records  # of those left too, so that nobody overtakes them
        self.waiting.extendleft(reversed(left))
        return taken


@dataclass(eq=False)
class _Batch:
    """Requests of one group that go together."""

    group: _Group
    tickets: list[_Ticket]
    began: float
    """By the monotonic clock."""


@dataclass(frozen=True)
class _Last:
    """The last call of a key: its end by the monotonic clock, how long it took, and whether
    several requests shared it."""

    ended: float
    seconds: float
    shared: bool


class Lanes:
    """Sends requests over at most `calls_at_once` lanes, grouped by key. Thread-safe.

    Of one key one call is under way at a time. Requests without a key never take the last lane,
    where there are several: slow ones must not hold up what is grouped. With a `group_size` of 1
    nothing is grouped.
    """

    def __init__(
        self, send: Send, *, calls_at_once: int = CALLS_AT_ONCE, group_size: int = GROUP_SIZE
    ) -> None:
        if calls_at_once < 1 or group_size < 1:
            raise ValueError("calls_at_once and group_size are at least 1.")
        _starter()
        self._send = send
        self._calls_at_once = calls_at_once
        self._group_size = group_size
        self._inbox: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._numbers = itertools.count()
        self._closed = False
        self._lock = threading.Lock()
        # Under the lock, and touched by our own threads only:
        self._groups: dict[Hashable, _Group] = {}
        self._bounds: dict[tuple[str, str], int] = {}
        self._last: dict[Hashable, _Last] = {}
        self._last_came = 0.0
        self._running = 0
        self._threads = 0

    def run(self, request: Request) -> Any:
        """The request's own answer. Raises its own error; GatewayError `client_busy` where it
        could not be sent in time, `client_closed` after `close`."""
        came = time.monotonic()
        until = came + MAX_WAIT_SECONDS
        ticket = _Ticket(request, next(self._numbers), came, until, contextvars.copy_context())
        try:
            self._inbox.put(ticket)
            answer = self._answer(ticket)
        finally:
            ticket.gone = True
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def threads(self) -> int:
        return self._threads

    @property
    def waiting(self) -> int:
        """How many requests are not sent yet."""
        with self._lock:
            grouped = sum(len(group.waiting) for group in self._groups.values())
        return self._inbox.qsize() + grouped

    def close(self) -> None:
        """Requests that wait end with an error, threads when their call has ended."""
        self._closed = True
        with self._lock:
            self._admit_all()
            waiting = [ticket for group in self._groups.values() for ticket in group.waiting]
            self._groups = {key: group for key, group in self._groups.items() if group.running}
            for group in self._groups.values():
                group.waiting.clear()
        for ticket in waiting:
            if ticket.claim.acquire(blocking=False):
                ticket.answer.put(errors.client_closed())
        self._inbox.put(None)

    # --- in the caller's thread -----------------------------------------------------------------

    def _answer(self, ticket: _Ticket) -> Any:
        while True:
            if self._closed and ticket.claim.acquire(blocking=False):
                raise errors.client_closed()
            if not self._threads:
                _STARTS.put(self)
            try:
                return ticket.answer.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                if time.monotonic() < ticket.until:
                    continue
            if ticket.claim.acquire(blocking=False):
                raise errors.client_busy()

    # --- in a thread of our own -----------------------------------------------------------------

    def start_thread(self) -> None:
        """Start one more, unless there are enough. Never called by a caller."""
        with self._lock:
            if self._threads >= self._calls_at_once or self._closed:
                return
            self._threads += 1
        try:
            threading.Thread(target=self._serve, name="odoo-lane", daemon=True).start()
        except RuntimeError:  # the system has no more: whoever waits asks again
            with self._lock:
                self._threads -= 1

    def _serve(self) -> None:
        while self._wait():
            while (batch := self._next()) is not None:
                try:
                    self._carry_out(batch)
                finally:
                    self._done(batch)

    def _wait(self) -> bool:
        """Wait for a request, or the time of those that are held back; False where this thread is
        to end."""
        while True:
            ticket, idle, release = None, False, self._release_in()
            try:
                if not self._closed:
                    ticket = self._inbox.get(timeout=IDLE_SECONDS if release is None else release)
            except queue.Empty:
                idle = release is None
            with self._lock:
                if self._closed:
                    self._threads -= 1
                    self._inbox.put(None)  # for the next thread that waits
                    return False
                if not idle:
                    self._admit(ticket)
                    return True
                # Somebody must be there for whoever comes while others are under way.
                if self._running and self._threads - self._running == 1:
                    continue
                self._threads -= 1
                if self._inbox.empty():
                    return False
                # A caller that saw this thread counted just before has started no other.
                self._threads += 1

    def _next(self) -> _Batch | None:
        """The batch to send now, if a lane is free and one is ready."""
        with self._lock:
            self._admit_all()
            batch = None if self._closed else self._take()
            free = self._running < self._calls_at_once
            alone = self._threads == self._running
            # Whoever waits for nothing so far must look after those that are held back.
            more = free and bool(self._ready() or self._held())
        if batch is None:
            return None
        if free and alone:
            self.start_thread()
        if more:
            self._inbox.put(None)  # what is out of the inbox already wakes nobody
        return batch

    def _admit_all(self) -> None:
        while True:
            try:
                self._admit(self._inbox.get_nowait())
            except queue.Empty:
                return

    def _admit(self, ticket: _Ticket | None) -> None:
        if ticket is None:
            return
        key = ticket.request.key
        if key is not None and self._group_size == 1 and not ticket.request.in_turn:
            key = _UNGROUPED
        group = self._groups.get(key)
        if group is None:
            yields = ticket.request.yields
            group = self._groups[key] = _Group(key, self._at_once(key), yields)
        group.waiting.append(ticket)
        self._last_came = max(self._last_came, ticket.came)

    def _at_once(self, key: Hashable) -> int:
        """How many calls of a group may be under way."""
        if key is None:
            return max(1, self._calls_at_once - 1)
        return self._calls_at_once if key is _UNGROUPED else 1

    def _take(self) -> _Batch | None:
        """The oldest request that may go now, with all that may go with it."""
        while self._running < self._calls_at_once and (ready := self._ready()):
            _, group = min(ready, key=lambda pair: pair[0])
            tickets = group.take(self._most(group))
            if tickets:  # else their callers have just given up
                group.running += 1
                self._running += 1
                return _Batch(group, tickets, time.monotonic())
        return None

    def _ready(self) -> list[tuple[int, _Group]]:
        """The groups that may send, by the number of their oldest request."""
        now = time.monotonic()
        return [
            (oldest.number, group)
            for group in self._groups.values()
            if group.running < group.at_once
            and (oldest := group.oldest())
            and self._held_until(group) <= now
        ]

    def _held(self) -> list[_Group]:
        """The groups that could send and are held back."""
        now = time.monotonic()
        return [
            group
            for group in self._groups.values()
            if group.running < group.at_once and group.oldest() and self._held_until(group) > now
        ]

    def _held_until(self, group: _Group) -> float:
        """When a group with requests may send the next, if no more come."""
        oldest = group.oldest()
        if oldest and group.yields and self._is_busy:
            return oldest.came + YIELD_SECONDS
        last = self._last.get(group.key)
        if last is None or len(group.waiting) >= min(ENOUGH, self._most(group)):
            return 0.0
        if not last.shared and not self._running:
            return 0.0  # nobody else is there whom it could wait for
        quiet_at = self._last_came + max(QUIET_SECONDS, last.seconds * QUIET_SHARE)
        return min(last.ended + HOLD_SECONDS, quiet_at)

    @property
    def _is_busy(self) -> bool:
        """Whether anything is under way, or waits, that does not itself make way for others."""
        return any(
            group.running or group.oldest() for group in self._groups.values() if not group.yields
        )

    def _release_in(self) -> float | None:
        """In how many seconds the first group that is held back may go; None if there is none."""
        with self._lock:
            if self._running >= self._calls_at_once:
                return None
            moments = [self._held_until(group) for group in self._held()]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _most(self, group: _Group) -> int:
        """How many of a group may go together."""
        return 1 if group.key is None else self._bound(group.waiting[0])

    def _bound(self, ticket: _Ticket) -> int:
        request = ticket.request
        bound = self._bounds.get(_method(ticket), min(self._group_size, request.at_first))
        return min(bound, request.most)

    def _done(self, batch: _Batch) -> None:
        now = time.monotonic()
        with self._lock:
            self._running -= 1
            batch.group.running -= 1
            # Keys are of endless variety (contexts, values): none is kept for long.
            if not batch.group.running and not batch.group.waiting:
                self._groups.pop(batch.group.key, None)
            self._last = {
                key: call for key, call in self._last.items() if call.ended + HOLD_SECONDS > now
            }
            shared = len(batch.tickets) > 1
            self._last[batch.group.key] = _Last(now, now - batch.began, shared)

    # --- one call, and who fails when it fails --------------------------------------------------

    def _carry_out(self, batch: _Batch) -> None:
        """Send until each request has its answer: together, then in the parts that are left."""
        parts = [batch.tickets]
        while parts:
            part = _in_time(parts.pop())
            if part:
                parts.extend(reversed(self._attempt(part)))

    def _attempt(self, part: Sequence[_Ticket]) -> list[list[_Ticket]]:
        """One call; returns the parts to be sent again."""
        if self._closed:
            _tell_all(part, errors.client_closed())
            return []
        started = time.monotonic()
        try:
            requests = [ticket.request for ticket in part]
            until = min(ticket.until for ticket in part)
            answers = part[0].context.run(self._send, requests, until)
            told = list(zip(part, answers, strict=True))
        except BaseException as error:  # whatever it is, somebody waits to be told
            return self._failed(part, error)
        for ticket, answer in told:
            ticket.answer.put(answer)
        self._judge(part, time.monotonic() - started)
        return []

    def _failed(self, part: Sequence[_Ticket], error: BaseException) -> list[list[_Ticket]]:
        """Tell those whose error it is; returns the others, in parts to be sent again."""
        if isinstance(error, GatewayError) and error.maybe_done:
            self._narrow(part)
        if len(part) == 1 or (isinstance(error, GatewayError) and errors.concerns_all(error)):
            _tell_all(part, error)
            return []
        guilty = part[0].request.blame([ticket.request for ticket in part], error)
        if not guilty:
            with self._lock:
                size = min(self._bound(part[0]), (len(part) + 1) // 2)
            return [list(part[start : start + size]) for start in range(0, len(part), size)]
        for position, own in guilty.items():
            part[position].answer.put(own)
        return [[ticket for position, ticket in enumerate(part) if position not in guilty]]

    def _narrow(self, part: Sequence[_Ticket]) -> None:
        """No answer came in time: fewer go together from now on, or it never would."""
        with self._lock:
            self._bounds[_method(part[0])] = max(1, len(part) // 2)

    def _judge(self, part: Sequence[_Ticket], seconds: float) -> None:
        """By how long they took: as many go together from now on as should take `LONG_SECONDS`,
        up to twice as many. A smaller part than might have gone says nothing about more."""
        fitting = max(1, int(len(part) * LONG_SECONDS / max(seconds, 0.001)))
        request = part[0].request
        with self._lock:
            bound = self._bound(part[0])
            if len(part) >= bound:
                most = min(self._group_size, request.most)
                self._bounds[_method(part[0])] = min(fitting, bound * 2, most)
            elif fitting < bound and seconds > LONG_SECONDS:
                self._bounds[_method(part[0])] = fitting


# A thread that starts another lends it its own number for a moment, and what the engine raises in
# the first may then hit the second before it has begun, which leaves the first waiting for that
# for ever. So callers start none: one thread of the process, started with the first client, does.
_STARTS: queue.SimpleQueue[Lanes] = queue.SimpleQueue()


@functools.cache
def _starter() -> threading.Thread:
    thread = threading.Thread(target=_start_what_is_asked_for, name="odoo-starter", daemon=True)
    thread.start()
    return thread


def _start_what_is_asked_for() -> None:
    while True:
        lanes = _STARTS.get()
        if not lanes.threads:
            lanes.start_thread()
        del lanes  # while it waits for the next, this one may be collected


def _in_time(part: Sequence[_Ticket]) -> list[_Ticket]:
    """Those whose callers still wait, and are not too late to be sent; the latter are told so."""
    now = time.monotonic()
    there = [ticket for ticket in part if not ticket.gone]
    for ticket in there:
        if ticket.until <= now:
            ticket.answer.put(errors.client_busy())
    return [ticket for ticket in there if ticket.until > now]


def _method(ticket: _Ticket) -> tuple[str, str]:
    return ticket.request.model, ticket.request.method


def _tell_all(part: Sequence[_Ticket], error: BaseException) -> None:
    """Each gets an instance of its own: raised in two threads, one would show both tracebacks."""
    for ticket in part:
        ticket.answer.put(error if len(part) == 1 else copy.copy(error))

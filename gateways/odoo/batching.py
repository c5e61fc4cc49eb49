"""Sends the requests of many threads to Odoo in few calls.

    caller --request--> inbox --> dispatcher: plan() --batch--> thread: one call to Odoo
      ^                   ^           |                            |
      |                   +-----------|----- what came of it ------+
      +------- its own answer --------+

One thread, the dispatcher, owns all state: what waits, what is in flight, what earlier calls took.
It takes messages from its inbox, one after the other, and sends what the policy (batch_policy.py)
says. Each call to Odoo has a thread of its own, which reports to the inbox and ends. So no state
is shared and nothing is locked.

Callers are activities, and Temporal may raise an exception in their thread at any line, even
within a lock's or a future's own Python code, which would then stay locked. Therefore a caller
touches only `queue.SimpleQueue`, which is written in C. What happens to one caller does not
affect the others.
"""

from __future__ import annotations

import contextlib
import copy
import queue
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateways.errors import GatewayError
from gateways.odoo import errors
from gateways.odoo.batch_policy import (
    BATCH_SIZE,
    CALLS_AT_ONCE,
    Batch,
    Limits,
    PendingCall,
    Traffic,
    adapted_size,
    plan,
)
from gateways.odoo.requests.request import Request

WAKE_SECONDS = 0.5
"""How often a waiting caller runs a line of Python: only then can Temporal end its wait."""

Send = Callable[[Sequence[Request], float], list[Any]]
"""Sends requests of one key together; returns for each its answer or its own error. After the time
given, by the monotonic clock, it changes nothing any more. Raises what concerns all of them."""

Part = Sequence[PendingCall]
"""Those of a batch that share a call: at first all of it, after a failure fewer."""


class CallBatcher:
    """Sends requests to Odoo, many of them in one call. Thread-safe.

    At most `calls_at_once` calls are in flight, one of each key; up to `batch_size` requests share
    one. It is not to be made in the thread of an activity, because it starts a thread. It must be
    closed, or dropped by all who hold it; `send` must not refer to it.
    """

    def __init__(
        self, send: Send, *, calls_at_once: int = CALLS_AT_ONCE, batch_size: int = BATCH_SIZE
    ) -> None:
        """Raises ValueError for limits below 1."""
        self._dispatcher = _Dispatcher(send, Limits(calls_at_once, batch_size))
        self._inbox = self._dispatcher.inbox
        threading.Thread(target=self._dispatcher.run, name="odoo-dispatcher", daemon=True).start()
        weakref.finalize(self, self._inbox.put, _Close()).atexit = False

    def run(self, request: Request) -> Any:
        """Send a request and wait for its answer.

        Raises the request's own error; GatewayError `client_busy` where it could not be sent in
        time, `client_closed` after `close`.
        """
        call = PendingCall(request, time.monotonic())
        try:
            self._inbox.put(call)
            answer = self._answer_to(call)
        finally:
            call.abandoned = True
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def waiting(self) -> int:
        """How many requests the dispatcher has received and not sent yet."""
        return self._dispatcher.traffic.waiting_count

    def close(self) -> None:
        """Requests that wait end with an error. Calls in flight go on."""
        self._inbox.put(_Close())

    def _answer_to(self, call: PendingCall) -> Any:
        while True:
            # It answers before it says that it has ended.
            if self._dispatcher.has_ended and call.answer.empty():
                return errors.client_closed()
            with contextlib.suppress(queue.Empty):
                return call.answer.get(timeout=WAKE_SECONDS)


@dataclass(frozen=True)
class _Close:
    """Message: send nothing more, and end when no call is in flight."""


@dataclass(frozen=True)
class _CallEnded:
    """Message: a part of a batch came to its end."""

    batch: Batch
    part: Part
    later_parts: Sequence[Part]
    """Those still to be sent after it."""

    answers: dict[int, Any]
    """By position; those without an answer or an error are sent again."""

    seconds: float
    error: BaseException | None


class _Dispatcher:
    """The one owner of all state. Everything but `inbox`, and `_call` runs in its thread."""

    def __init__(self, send: Send, limits: Limits) -> None:
        self.inbox: queue.SimpleQueue[PendingCall | _CallEnded | _Close] = queue.SimpleQueue()
        self.traffic = Traffic()
        self.has_ended = False
        self._send = send
        self._limits = limits
        self._is_closed = False
        self._look_again: float | None = None

    def run(self) -> None:
        try:
            while not self._is_closed or self.traffic.in_flight:
                self._receive()
                self._remove_late()
                self._send_due()
        finally:
            self._is_closed = self.has_ended = True
            self._receive_all()
            self._refuse_waiting()

    def _receive(self) -> None:
        """Wait for a message, or until it is time to decide again; then take all there are."""
        timeout = None
        if self._look_again is not None:
            timeout = max(0.0, self._look_again - time.monotonic())
        with contextlib.suppress(queue.Empty):
            self._handle(self.inbox.get(timeout=timeout))
        self._receive_all()

    def _receive_all(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._handle(self.inbox.get_nowait())

    def _handle(self, message: PendingCall | _CallEnded | _Close) -> None:
        match message:
            case PendingCall():
                self.traffic = self.traffic.with_arrival(message, self._limits)
            case _CallEnded():
                self._take_result(message)
            case _Close():
                self._is_closed = True

    def _remove_late(self) -> None:
        """Requests whose caller is gone, or that waited too long, are not sent."""
        waiting = [call for calls in self.traffic.waiting.values() for call in calls]
        kept = self._still_wanted(waiting)
        if len(kept) < len(waiting):
            self.traffic = self.traffic.without(set(waiting).difference(kept))

    def _still_wanted(self, calls: Part) -> Part:
        now = time.monotonic()
        for call in calls:
            if call.deadline <= now and not call.abandoned:
                call.answer.put(errors.client_busy())
        return [call for call in calls if call.deadline > now and not call.abandoned]

    def _send_due(self) -> None:
        if self._is_closed:
            self._refuse_waiting()
        decided = plan(self.traffic, self._limits, time.monotonic())
        self._look_again = decided.look_again
        for batch in decided.batches:
            self.traffic = self.traffic.with_sent(batch)
            self._send_next(batch, [batch.calls])

    def _refuse_waiting(self) -> None:
        waiting = [call for calls in self.traffic.waiting.values() for call in calls]
        self.traffic = self.traffic.without(set(waiting))
        _answer_all(waiting, errors.client_closed())

    def _send_next(self, batch: Batch, parts: Sequence[Part]) -> None:
        """Send the next part of a batch. When none is left, the batch is finished."""
        while parts:
            part, *parts = (self._still_wanted(parts[0]), *parts[1:])
            if not part:
                continue
            if self._is_closed:
                _answer_all(part, errors.client_closed())
                continue
            thread = threading.Thread(
                target=self._call, args=(batch, part, parts), name="odoo-call", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # the system has no more threads
                _answer_all(part, errors.client_busy())
                continue
            return
        self.traffic = self.traffic.with_finished(batch, time.monotonic())

    def _take_result(self, ended: _CallEnded) -> None:
        """Give each its answer, and send the others of the part again."""
        part = ended.part
        for position, answer in ended.answers.items():
            part[position].answer.put(answer)
        self._adapt_size(ended)
        again = [call for position, call in enumerate(part) if position not in ended.answers]
        # Where nobody is known to have caused the failure, it is found by halving.
        size = len(again)
        if size == len(part):
            size = min(self.traffic.size_of(part[0], self._limits), (size + 1) // 2)
        parts = [again[start : start + size] for start in range(0, len(again), max(size, 1))]
        self._send_next(ended.batch, [*parts, *ended.later_parts])

    def _adapt_size(self, ended: _CallEnded) -> None:
        call, error = ended.part[0], ended.error
        timed_out = isinstance(error, GatewayError) and error.maybe_done
        if error is not None and not timed_out:
            return
        size = self.traffic.size_of(call, self._limits)
        most = min(self._limits.batch_size, call.request.max_batch_size)
        seconds = None if timed_out else ended.seconds
        adapted = adapted_size(size, len(ended.part), seconds, most)
        self.traffic = self.traffic.with_size(call.method, adapted)

    def _call(self, batch: Batch, part: Part, later_parts: Sequence[Part]) -> None:
        """Make one call to Odoo and report what came of it. Runs in a thread of its own."""
        requests = [call.request for call in part]
        deadline = min(call.deadline for call in part)
        started = time.monotonic()
        failure: BaseException | None = None
        try:
            answers = part[0].context.run(self._send, requests, deadline)
            by_position = dict(zip(range(len(part)), answers, strict=True))
        except BaseException as error:  # whatever it is, somebody waits to hear of it
            failure = error
            by_position = errors_by_position(requests, error)
        seconds = time.monotonic() - started
        self.inbox.put(_CallEnded(batch, part, later_parts, by_position, seconds, failure))


def errors_by_position(requests: Sequence[Request], error: BaseException) -> dict[int, Any]:
    """The requests of a failed call that fail with it, each with its own error.

    The others are to be sent again; all of them, where the result is empty.
    """
    concerns_all = isinstance(error, GatewayError) and errors.concerns_all(error)
    if len(requests) == 1:
        return {0: error}
    if concerns_all:
        # Each its own copy: raised in two threads, one error would show both tracebacks.
        return {position: copy.copy(error) for position in range(len(requests))}
    return dict(requests[0].failed_requests(requests, error))


def _answer_all(calls: Part, error: GatewayError) -> None:
    for call in calls:
        call.answer.put(copy.copy(error))

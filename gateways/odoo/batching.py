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
import math
import queue
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
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
    one. It starts a thread, so it is not to be made by an activity. The thread ends with `close`,
    or when nobody holds the batcher any more; so `send` must not refer to it.
    """

    def __init__(
        self, send: Send, *, calls_at_once: int = CALLS_AT_ONCE, batch_size: int = BATCH_SIZE
    ) -> None:
        """Raises ValueError for limits below 1."""
        self._dispatcher = _Dispatcher(send, Limits(calls_at_once, batch_size))
        threading.Thread(target=self._dispatcher.run, name="odoo-dispatcher", daemon=True).start()
        weakref.finalize(self, self._dispatcher.inbox.put, None).atexit = False

    def run(self, request: Request) -> Any:
        """Send a request and wait for its answer.

        Raises the request's own error; GatewayError `client_busy` where it could not be sent in
        time, `client_closed` after `close`.
        """
        call = PendingCall(request, time.monotonic())
        try:
            self._dispatcher.inbox.put(call)
            answer = self._answer_to(call)
        finally:
            call.abandoned = True
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def waiting(self) -> int:
        """How many requests the dispatcher has received and not sent yet."""
        return len(self._dispatcher.traffic.all_waiting)

    def close(self) -> None:
        """Requests that wait end with an error. Calls in flight go on."""
        self._dispatcher.inbox.put(None)

    def _answer_to(self, call: PendingCall) -> Any:
        while True:
            # The dispatcher gives all answers before it says that it has ended.
            if self._dispatcher.has_ended and call.answer.empty():
                return errors.client_closed()
            with contextlib.suppress(queue.Empty):
                return call.answer.get(timeout=WAKE_SECONDS)


@dataclass(frozen=True)
class _CallEnded:
    """Message: the call of the first of these parts ended; the others are still to be sent."""

    batch: Batch
    parts: Sequence[Part]
    answers: Mapping[int, Any]
    """By position. Requests without an answer or an error are sent again."""

    seconds: float = 0.0
    error: BaseException | None = None


class _Dispatcher:
    """The one owner of all state. Except for `_call`, it runs in its own thread."""

    def __init__(self, send: Send, limits: Limits) -> None:
        self.inbox: queue.SimpleQueue[PendingCall | _CallEnded | None] = queue.SimpleQueue()
        """None: send nothing more, and end when no call is in flight."""
        self.traffic = Traffic()
        self.has_ended = False
        self._send = send
        self._limits = limits
        self._is_closed = False
        self._look_again: float | None = None

    def run(self) -> None:
        try:
            while not self._is_closed or self.traffic.in_flight:
                self._wait_for_message()
                self._refuse_unsendable()
                self._send_due()
        finally:
            self._is_closed = self.has_ended = True
            self._handle_all()
            self._refuse_unsendable()

    def _wait_for_message(self) -> None:
        """Wait until a message comes or it is time to decide again; handle all there are."""
        timeout = None
        if self._look_again is not None:
            timeout = max(0.0, self._look_again - time.monotonic())
        with contextlib.suppress(queue.Empty):
            self._handle(self.inbox.get(timeout=timeout))
        self._handle_all()

    def _handle_all(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._handle(self.inbox.get_nowait())

    def _handle(self, message: PendingCall | _CallEnded | None) -> None:
        match message:
            case PendingCall():
                self.traffic = self.traffic.with_arrival(message, self._limits)
            case _CallEnded():
                self._handle_end(message)
            case None:
                self._is_closed = True

    def _refuse_unsendable(self) -> None:
        waiting = self.traffic.all_waiting
        sendable = self._sendable(waiting)
        if len(sendable) < len(waiting):
            self.traffic = self.traffic.without(set(waiting).difference(sendable))

    def _sendable(self, calls: Part) -> Part:
        """Those that may still be sent. The others are told why not, if somebody still waits."""
        latest = math.inf if self._is_closed else time.monotonic()
        for call in calls:
            if call.deadline <= latest and not call.abandoned:
                refusal = errors.client_closed() if self._is_closed else errors.client_busy()
                call.answer.put(refusal)
        return [call for call in calls if call.deadline > latest and not call.abandoned]

    def _send_due(self) -> None:
        decision = plan(self.traffic, self._limits, time.monotonic())
        self._look_again = decision.look_again
        for batch in decision.batches:
            self.traffic = self.traffic.with_sent(batch)
            self._send_next(batch, [batch.calls])

    def _send_next(self, batch: Batch, parts: Sequence[Part]) -> None:
        """Send the next part of a batch. When none is left, the batch is finished."""
        while parts:
            first, *others = parts
            if part := self._sendable(first):
                self._start_call(batch, [part, *others])
                return
            parts = others
        self.traffic = self.traffic.with_finished(batch, time.monotonic())

    def _start_call(self, batch: Batch, parts: Sequence[Part]) -> None:
        thread = threading.Thread(
            target=self._call, args=(batch, parts), name="odoo-call", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads
            busy = {position: errors.client_busy() for position in range(len(parts[0]))}
            self.inbox.put(_CallEnded(batch, parts, busy, error=busy[0]))

    def _call(self, batch: Batch, parts: Sequence[Part]) -> None:
        """Make one call to Odoo and report how it ended. Runs in a thread of its own."""
        part = parts[0]
        requests = [call.request for call in part]
        deadline = min(call.deadline for call in part)
        started = time.monotonic()
        failure: BaseException | None = None
        try:
            answers = part[0].context.run(self._send, requests, deadline)
            by_position = dict(zip(range(len(part)), answers, strict=True))
        except BaseException as error:  # whatever it is, somebody waits to hear of it
            failure, by_position = error, errors_by_position(requests, error)
        seconds = time.monotonic() - started
        self.inbox.put(_CallEnded(batch, parts, by_position, seconds, failure))

    def _handle_end(self, ended: _CallEnded) -> None:
        """Give each request its answer, and send the others of the part again."""
        part, *others = ended.parts
        for position, answer in ended.answers.items():
            part[position].answer.put(answer)
        self._adapt_size(ended)
        again = [call for position, call in enumerate(part) if position not in ended.answers]
        size = max(1, len(again))
        if not ended.answers:  # whose fault it was is found by halving
            size = min(self.traffic.size_of(part[0], self._limits), (size + 1) // 2)
        parts = [again[start : start + size] for start in range(0, len(again), size)]
        self._send_next(ended.batch, [*parts, *others])

    def _adapt_size(self, ended: _CallEnded) -> None:
        part, error = ended.parts[0], ended.error
        timed_out = isinstance(error, GatewayError) and error.maybe_done
        never_shared = part[0].request.key is None
        if never_shared or (error is not None and not timed_out):
            return
        size = self.traffic.size_of(part[0], self._limits)
        most = min(self._limits.batch_size, part[0].request.max_batch_size)
        adapted = adapted_size(size, len(part), None if timed_out else ended.seconds, most)
        self.traffic = self.traffic.with_size(part[0].method, adapted)


def errors_by_position(requests: Sequence[Request], error: BaseException) -> dict[int, Any]:
    """The requests of a failed call that fail with it, each with its own error.

    The others are to be sent again: all of them, where the result is empty.
    """
    if len(requests) == 1:
        return {0: error}
    if isinstance(error, GatewayError) and errors.concerns_all(error):
        # Each its own copy: raised in two threads, one error would show both tracebacks.
        return {position: copy.copy(error) for position in range(len(requests))}
    return dict(requests[0].failed_requests(requests, error))

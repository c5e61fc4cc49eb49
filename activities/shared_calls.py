"""What many activities ask of a remote goes there in few calls."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from gateways import errors
from gateways.deadline import nothing_sent_after
from gateways.errors import FailureKind, GatewayError

_OF_THE_ACCOUNT = frozenset({"access_denied", "crm_property_unknown", "crm_version_gone"})
"""Refusals that no single request is the reason of."""

Q = TypeVar("Q")
R = TypeVar("R")

MAX_WAIT_SECONDS = 30.0
"""A request that waited longer is not sent; of a call that changes something, nothing is. Together
with the time that an answer may take, its activity's own time is then over, and what its next
attempt writes, or whoever comes after it, must not be written over by this one."""

MAX_WAITING = 1_000
"""More at once than the activities that a worker has in hand."""


@dataclass(eq=False)
class _Waiting(Generic[Q, R]):
    """A request whose activity waits for the answer. `arrived` is by the clock of the loop."""

    request: Q
    answer: asyncio.Future[R]
    arrived: float


class SharedCalls(Generic[Q, R]):
    """Gathers requests and sends up to `most_at_once` together, one call after the other.

    A request waits `gather_seconds` for others, less where a call is full. While a call is under
    way, the next requests gather. `call` returns for each request, in order, its answer or its own
    error. Where it fails as a whole, and one of them may be why, the halves are sent, until that
    one is found: one contract holds up no other. No two requests of a call have the same `key`.
    `changes` says that the call changes something: it then sends nothing after the time of its
    oldest request. All state belongs to the event loop of the worker, so nothing is locked; only
    the call itself has a thread.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Q]], Sequence[R | GatewayError]],
        *,
        system: str,
        key: Callable[[Q], Hashable],
        most_at_once: int,
        gather_seconds: float,
        changes: bool = False,
    ) -> None:
        self._call, self._key, self._most = call, key, most_at_once
        self._changes = changes
        self._gather_seconds = gather_seconds
        self._system = system
        self._waiting: list[_Waiting[Q, R]] = []
        self._is_full = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"shared-{system}")

    async def ask(self, request: Q) -> R:
        """The answer to a request that is sent together with others.

        Raises the request's own GatewayError, or that of the call where it failed as a whole; of
        kind transient with the code `client_busy` where it could not be sent in time.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise self._busy()
        loop = asyncio.get_running_loop()
        waiting = _Waiting[Q, R](request, loop.create_future(), loop.time())
        self._waiting.append(waiting)
        if len(self._waiting) >= self._most:
            self._is_full.set()
        if self._sending is None or self._sending.done():
            self._sending = loop.create_task(self._send_all())
        return await waiting.answer

    async def _send_all(self) -> None:
        """Send until nothing waits. Between the last look and the end there is no await."""
        while self._waiting:
            await self._gather()
            if batch := self._next_batch():
                await self._send(batch)

    async def _gather(self) -> None:
        """Wait until the oldest has waited long enough, or a call is full."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._waiting[0].arrived + self._gather_seconds):
                await self._is_full.wait()

    def _next_batch(self) -> list[_Waiting[Q, R]]:
        """The oldest that fit into a call. A second one of a key is left for the next call."""
        batch: dict[Hashable, _Waiting[Q, R]] = {}
        left: list[_Waiting[Q, R]] = []
        for item in self._in_time(self._waiting):
            key = self._key(item.request)
            if key in batch or len(batch) == self._most:
                left.append(item)
            else:
                batch[key] = item
        self._waiting = left
        if len(left) < self._most:
            self._is_full.clear()
        return list(batch.values())

    def _in_time(self, items: Sequence[_Waiting[Q, R]]) -> Iterator[_Waiting[Q, R]]:
        """Those that still wait, and have not waited for too long."""
        oldest_sendable = asyncio.get_running_loop().time() - MAX_WAIT_SECONDS
        for item in items:
            if item.answer.done():
                continue  # its activity was cancelled or timed out
            if item.arrived < oldest_sendable:
                item.answer.set_exception(self._busy())
            else:
                yield item

    async def _send(self, batch: Sequence[_Waiting[Q, R]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._thread, self._answers, batch)
            # As many answers as requests, or none of them counts.
            for item, answer in list(zip(batch, answers, strict=True)):
                _answer(item, answer)
        except Exception as error:  # whatever it is, each of them waits to hear of it
            if len(batch) > 1 and _may_be_of_one(error):
                await self._send_halves(batch)
                return
            for item in batch:
                # Each its own copy: raised twice, one error would show both tracebacks.
                _answer(item, copy.copy(error) if isinstance(error, GatewayError) else error)
        finally:
            for item in batch:
                item.answer.cancel()  # of no effect where the answer is set

    def _answers(self, batch: Sequence[_Waiting[Q, R]]) -> Sequence[R | GatewayError]:
        """Make the call, in its thread. The clock of the loop is the monotonic one."""
        requests = [item.request for item in batch]
        if not self._changes:
            return self._call(requests)
        with nothing_sent_after(min(item.arrived for item in batch) + MAX_WAIT_SECONDS):
            return self._call(requests)

    async def _send_halves(self, batch: Sequence[_Waiting[Q, R]]) -> None:
        half = len(batch) // 2
        for part in (batch[:half], batch[half:]):
            if left := list(self._in_time(part)):
                await self._send(left)

    def _busy(self) -> GatewayError:
        text = f"The request waited for {MAX_WAIT_SECONDS:.0f} s and was not sent."
        return errors.transient(self._system, "client_busy", text)


def _may_be_of_one(error: Exception) -> bool:
    """Whether one request may be why the call failed for all."""
    if not isinstance(error, GatewayError):
        return True
    is_lasting = error.kind in (FailureKind.BUSINESS, FailureKind.DEFECT)
    return is_lasting and error.code not in _OF_THE_ACCOUNT


def _answer(item: _Waiting[Q, R], answer: R | Exception) -> None:
    """Give a waiting activity its answer, unless it waits no longer."""
    if item.answer.done():
        return
    if isinstance(answer, Exception):
        item.answer.set_exception(answer)
    else:
        item.answer.set_result(answer)

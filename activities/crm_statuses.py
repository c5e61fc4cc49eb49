"""Statuses of many contracts are written to a CRM in few calls."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from contracts.crm import ContractStatus
from gateways import errors
from gateways.crm.protocol import Crm
from gateways.errors import GatewayError

GATHER_SECONDS = 0.25
"""How long a status waits for others. Contracts that a sweep or an approval of many changes follow
each other within tenths of a second, and nobody waits for a status in a CRM."""

MAX_WAIT_SECONDS = 30.0
"""A status that waited longer is not sent. Together with the time that a call may take, its
activity's own time is then over, and the next attempt must not meet this one."""

MAX_WAITING = 1_000
"""More at once than the activities that a worker has in hand."""


@dataclass(eq=False)
class _Waiting:
    """A status whose activity waits for its verdict. `arrived` is by the clock of the loop."""

    status: ContractStatus
    verdict: asyncio.Future[None]
    arrived: float


class StatusBatcher:
    """Gathers the statuses for one CRM and writes them together, one call after the other.

    While a call is under way, the next statuses gather. All state belongs to the event loop of the
    worker, so nothing is locked; only the call itself has a thread.
    """

    def __init__(self, crm: Crm) -> None:
        self._crm = crm
        self._waiting: list[_Waiting] = []
        self._is_full = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"crm-{crm.system}")

    async def write(self, status: ContractStatus) -> None:
        """Write a status, together with others.

        Raises the deal's own GatewayError, or that of the call where it failed as a whole; of kind
        transient with the code `client_busy` where it could not be sent in time.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise self._busy()
        loop = asyncio.get_running_loop()
        waiting = _Waiting(status, loop.create_future(), loop.time())
        self._waiting.append(waiting)
        if len(self._waiting) >= self._crm.most_at_once:
            self._is_full.set()
        if self._sending is None or self._sending.done():
            self._sending = loop.create_task(self._send_all())
        await waiting.verdict

    async def _send_all(self) -> None:
        """Send until nothing waits. Between the last look and the end there is no await."""
        while self._waiting:
            await self._gather()
            if batch := self._next_batch():
                await self._send(batch)

    async def _gather(self) -> None:
        """Wait until the oldest has waited long enough, or a call is full."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._waiting[0].arrived + GATHER_SECONDS):
                await self._is_full.wait()

    def _next_batch(self) -> list[_Waiting]:
        """The oldest that fit into a call. A second status of a deal is left for the next call."""
        oldest_sendable = asyncio.get_running_loop().time() - MAX_WAIT_SECONDS
        batch: dict[str, _Waiting] = {}
        left: list[_Waiting] = []
        for item in self._waiting:
            if item.verdict.done():
                continue  # its activity was cancelled or timed out
            if item.arrived < oldest_sendable:
                item.verdict.set_exception(self._busy())
            elif item.status.deal_id in batch or len(batch) == self._crm.most_at_once:
                left.append(item)
            else:
                batch[item.status.deal_id] = item
        self._waiting = left
        if len(left) < self._crm.most_at_once:
            self._is_full.clear()
        return list(batch.values())

    async def _send(self, batch: list[_Waiting]) -> None:
        statuses = [item.status for item in batch]
        loop = asyncio.get_running_loop()
        try:
            verdicts = await loop.run_in_executor(self._thread, self._crm.write_statuses, statuses)
            # An answer of another length is told before any of it.
            for item, verdict in list(zip(batch, verdicts, strict=True)):
                _tell(item, verdict)
        except Exception as error:  # whatever it is, each of them waits to hear of it
            for item in batch:
                # Each its own copy: raised twice, one error would show both tracebacks.
                _tell(item, copy.copy(error) if isinstance(error, GatewayError) else error)
        finally:
            for item in batch:
                item.verdict.cancel()  # of no effect where it is told

    def _busy(self) -> GatewayError:
        text = f"The status waited for {MAX_WAIT_SECONDS:.0f} s and was not sent."
        return errors.transient(self._crm.system, "client_busy", text)


def _tell(item: _Waiting, verdict: Exception | None) -> None:
    """Give a waiting activity its verdict, unless it waits no longer."""
    if item.verdict.done():
        return
    if verdict is None:
        item.verdict.set_result(None)
    else:
        item.verdict.set_exception(verdict)

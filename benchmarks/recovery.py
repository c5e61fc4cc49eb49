"""How long after a crash the next event is served, with what crashed restarted at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from temporalio.service import RPCError

from benchmarks import contracts, product
from benchmarks.frame import Bench, Sample, at_most, benchmark
from benchmarks.onboarding import seconds_to_onboard
from benchmarks.product import Product
from benchmarks.remote import RealRemote
from contracts.contract.messages import MilestoneReached
from contracts.model import JsonObject

_LIMIT_SECONDS = 120
_BETWEEN_SENDS = 0.2
_WITHIN_SECONDS = {"worker": 5.0, "drain": 1.0, "odoo": 15.0, "temporal": 15.0}
"""What may pass after each: a worker killed, one of two drained, Odoo and Temporal restarted."""

Fault = Callable[[], Awaitable[None]]


async def _nothing() -> None:
    """Most faults need no preparation."""


@benchmark("recovery", about="seconds from a crash to the next event served", minutes=30)
async def recovery(bench: Bench) -> None:
    """Seconds from the crash until a milestone told right after it stands reached in Odoo.

    The time that what crashed takes to start again is included.
    """
    trials = bench.size(full=5, quick=1)
    measured: dict[str, Sample] = {}
    with bench.odoo() as odoo:
        async with product.running(bench, odoo) as ours:
            two = _Two(ours)
            faults: dict[str, tuple[Fault, Fault]] = {
                "worker": (_nothing, lambda: _kill_worker(ours)),
                "drain": (two.start, two.drain),
                "temporal": (_nothing, lambda: _kill_temporal(ours)),
            }
            if isinstance(odoo, RealRemote):
                server = odoo.server
                faults["odoo"] = (_nothing, lambda: asyncio.to_thread(server.restart))
            for name, (prepare, fault) in faults.items():
                measured[name] = await _after(bench, ours, name, prepare, fault, trials)
    for name, sample in measured.items():
        bench.report(
            f"recovery_{name}",
            max(sample.values),
            at_most(_WITHIN_SECONDS[name]),
            unit="seconds, the longest",
            samples={"ours": sample},
        )
    worst = max(max(s.values) / _WITHIN_SECONDS[name] for name, s in measured.items())
    bench.report("recovery", worst, at_most(1), unit="of the seconds allowed, the worst")


async def _after(
    bench: Bench, ours: Product, name: str, prepare: Fault, fault: Fault, trials: int
) -> Sample:
    """Seconds to the next event served after each of so many faults of a kind."""
    tag = contracts.tag()
    signed = contracts.signed(tag, 1, milestones=trials)
    await seconds_to_onboard(ours, tag, signed)
    seconds = []
    for number, milestone in enumerate(signed[0]["milestones"], start=1):
        await prepare()
        await ours.odoo.quiet()
        started = time.time()
        async with asyncio.TaskGroup() as group:
            group.create_task(_strike(fault))
            group.create_task(_tell(ours, signed[0], milestone["key"]))
            served = await _served(ours, tag, number)
        seconds.append(served - started)
        bench.say(f"{name} {number} of {trials}: {seconds[-1]:.2f} s")
    return Sample(tuple(seconds))


async def _strike(fault: Fault) -> None:
    await fault()


async def _tell(ours: Product, contract: JsonObject, milestone: str) -> None:
    """Tell the contract's workflow until the server has taken it, as a system does."""
    reached = MilestoneReached(milestone=milestone, by="bench")
    async with asyncio.timeout(_LIMIT_SECONDS):
        while True:
            await asyncio.sleep(_BETWEEN_SENDS)  # the crash comes first
            try:
                handle = ours.client.get_workflow_handle(product.workflow_id(contract))
                await handle.signal("milestone_reached", reached)
                return
            except RPCError:
                continue


async def _served(ours: Product, tag: str, number: int) -> float:
    async def is_reached() -> bool:
        return (await asyncio.to_thread(ours.odoo.tally, tag)).reached >= number

    return await ours.until(f"milestone {number}", is_reached, seconds=_LIMIT_SECONDS)


# --- what strikes -------------------------------------------------------------------------------


async def _kill_worker(ours: Product) -> None:
    """SIGKILL, and another one started at once."""
    await asyncio.to_thread(ours.kill, ours.worker)
    ours.start_worker()


class _Two:
    """SIGTERM to the worker that has the contract in its cache, while another one serves too."""

    def __init__(self, ours: Product) -> None:
        self._ours = ours
        self._older = ours.worker

    async def start(self) -> None:
        self._older = self._ours.worker
        self._ours.start_worker()
        await self._ours.worker_is_ready()

    async def drain(self) -> None:
        await asyncio.to_thread(self._older.stop)


async def _kill_temporal(ours: Product) -> None:
    """SIGKILL, and the server started at once on the same database."""
    await asyncio.to_thread(ours.kill, ours.server)
    await ours.start_temporal()

"""Tens of thousands of open contracts that wait: what they cost, and how fast one wakes up."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from benchmarks import contracts, estate, product
from benchmarks.frame import Bench, Line, at_most, benchmark, percentile
from benchmarks.onboarding import seconds_to_onboard
from benchmarks.product import Product
from contracts.contract.messages import MilestoneReached
from contracts.model import JsonObject

_MEMORY_MB, _LIST_SECONDS, _SIGNAL_SECONDS = 600, 1.0, 0.150
_PARKED = 20
_LISTINGS = 5
_BATCH = 1_000
_DRAINED_WITHIN_SECONDS = 1_800


@benchmark("idle_estate", about="tens of thousands of contracts that wait", minutes=120)
async def idle_estate(bench: Bench) -> None:
    """Memory of the worker, calls to Odoo, the list of exceptions, and a Signal to a cold contract.

    Some contracts are provisioned in Odoo; they get the Signals. The others are started from the
    state of one of those, as a contract is that continues as new, because provisioning tens of
    thousands would take hours and change nothing about how they wait.
    """
    sizes = [300] if bench.quick else [10_000, 50_000]
    signalled = bench.size(full=200, quick=5)
    cache: dict[str, Any] = {"cached_workflows": 50} if bench.quick else {}
    lines: list[Line] = []
    with bench.odoo() as odoo:
        async with product.running(bench, odoo, **cache) as ours:
            tag = contracts.tag()
            live = contracts.signed(tag, signalled, milestones=len(sizes))
            await seconds_to_onboard(ours, tag, live)
            await ours.park(_PARKED)
            state = await ours.c2c.contract(product.workflow_id(live[0])).state()
            there = 0
            for number, size in enumerate(sizes, start=1):
                await estate.grow(bench, ours, state, there, size, tag=contracts.tag())
                there = size
                lines += await _measured(bench, ours, live, f"m{number}", size)
    worst = max(1 / (line.headroom or 1) for line in lines)
    bench.report(
        "idle_estate", worst, at_most(1), unit="of what is allowed, the worst", estates=sizes
    )


async def _measured(
    bench: Bench, ours: Product, live: Sequence[JsonObject], milestone: str, size: int
) -> list[Line]:
    """Measure an estate of this size."""
    name = f"idle_estate_{size}"
    calls = await _calls_at_rest(bench, ours)
    listings = [await _seconds_to_list(ours) for _ in range(_LISTINGS)]
    delays = [await _seconds_to_act(ours, contract, milestone) for contract in live]
    await ours.odoo.quiet()
    memory = _peak_memory_mb(ours.worker.pid)
    p99 = percentile(delays, 0.99)
    return [
        bench.report(f"{name}_memory_mb", memory, at_most(_MEMORY_MB), unit="MB, the peak"),
        bench.report(f"{name}_calls", calls, at_most(0), unit="calls to Odoo while at rest"),
        bench.report(
            f"{name}_exceptions_seconds",
            statistics.median(listings),
            at_most(_LIST_SECONDS),
            unit=f"seconds to list {_PARKED} exceptions",
            seconds=listings,
        ),
        bench.report(
            f"{name}_signal_seconds",
            p99,
            at_most(_SIGNAL_SECONDS),
            unit="seconds from a Signal to the activity it leads to, p99",
            signals=len(delays),
            median=statistics.median(delays),
        ),
    ]


# --- what is measured ---------------------------------------------------------------------------


async def _calls_at_rest(bench: Bench, ours: Product) -> int:
    """Calls to Odoo while nobody does anything; no sweep is scheduled."""
    await ours.odoo.quiet()
    before = len(ours.odoo.logged())
    await asyncio.sleep(bench.size(full=60, quick=3))
    return len(ours.odoo.logged()) - before


async def _seconds_to_list(ours: Product) -> float:
    started = time.perf_counter()
    found = (await ours.c2c.exceptions()).items
    if len(found) != _PARKED:
        raise AssertionError(f"{len(found)} exceptions are listed, not {_PARKED}")
    return time.perf_counter() - started


async def _seconds_to_act(ours: Product, contract: JsonObject, milestone: str) -> float:
    """From the Signal to the start of the activity it leads to, by the server's own clock. The
    activity is the invoice's: the contract starts a workflow for it, and that makes the draft."""
    handle = ours.client.get_workflow_handle(product.workflow_id(contract))
    await handle.signal("milestone_reached", MilestoneReached(milestone=milestone))
    found: list[float] = []

    async def has_acted() -> bool:
        history = await handle.fetch_history()
        invoice = invoice_of_the_last_signal(history)
        if invoice is not None:
            its = await ours.client.get_workflow_handle(invoice).fetch_history()
            found.extend(delays(history, its))
        return bool(found)

    await ours.until("the Signal's activity", has_acted, seconds=60)
    return found[0]


def invoice_of_the_last_signal(history: WorkflowHistory) -> str | None:
    """The id of the first workflow that started behind the last Signal of a history."""
    found: str | None = None
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            found = None
        elif event.event_type == EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
            started = event.child_workflow_execution_started_event_attributes
            found = found or started.workflow_execution.workflow_id
    return found


def delays(contract: WorkflowHistory, invoice: WorkflowHistory) -> list[float]:
    """Seconds from the contract's last Signal to each of the invoice's activities."""
    signalled = _times(contract, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
    started = _times(invoice, EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    return [(at - signalled[-1]).total_seconds() for at in started]


def _times(history: WorkflowHistory, kind: EventType.ValueType) -> list[datetime]:
    return [
        event.event_time.ToDatetime(UTC) for event in history.events if event.event_type == kind
    ]


def _peak_memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024

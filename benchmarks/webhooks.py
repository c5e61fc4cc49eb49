"""Webhooks at the gateway's door: how many a second are kept, and each of them counted once."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import httpx

from benchmarks import contracts, product
from benchmarks.frame import Bench, at_least, benchmark, percentile
from benchmarks.product import Product
from sandbox.real_odoo.mailbox import LOOPBACK, free_port
from sandbox.real_odoo.process import Process
from tests.unit.web.signing import STANDARD_SECRET, standard_headers

DUPLICATES = 0.2
_AT_ONCE = 50
_PLAN = "calls"
_START_SECONDS = 30
_SECONDS_AN_EVENT = 0.5


@benchmark("webhooks", about="deliveries with duplicates, shuffled, each counted once", minutes=60)
async def webhooks(bench: Bench) -> None:
    """Deliveries of metered use for a few contracts, a fifth of them repeats, in any order.

    The gateway is a process of its own, as is the worker; Temporal is busy with the events while
    it accepts more. A delivery that is answered with 503 is sent again, as its sender would. At
    the end each contract must have exactly the records that were sent.
    """
    deliveries = bench.size(full=10_000, quick=200)
    contract_count = bench.size(full=20, quick=2)
    with bench.odoo() as odoo:
        async with product.running(bench, odoo) as ours:
            names = await _metered(ours, contract_count)
            events = _events(names, deliveries)
            async with httpx.AsyncClient(timeout=30) as http:
                gateway = await _gateway(bench, ours, http)
                try:
                    seconds, latencies, again = await _deliver(http, gateway.url, events)
                    bench.say(f"{deliveries} deliveries kept in {seconds:.1f} s")
                    await _all_counted(ours, names, events, deliveries)
                finally:
                    gateway.process.stop()
    bench.report("webhooks_p99_ms", percentile(latencies, 0.99) * 1000, unit="ms")
    bench.report(
        "webhooks",
        deliveries / seconds,
        at_least(25),
        unit="deliveries kept a second",
        deliveries=deliveries,
        different=len({id for id, *_ in events}),
        sent_again=again,
        p50_ms=percentile(latencies, 0.5) * 1000,
        p99_ms=percentile(latencies, 0.99) * 1000,
    )


class _Gateway:
    def __init__(self, process: Process, url: str) -> None:
        self.process, self.url = process, url


async def _gateway(bench: Bench, ours: Product, http: httpx.AsyncClient) -> _Gateway:
    """`c2c serve` on the product's Temporal, ready."""
    port = free_port()
    sender = {"kind": "events", "webhook_secrets": [STANDARD_SECRET]}
    process = Process(
        [sys.executable, "-m", "starters", "serve"],
        log=bench.new_folder("gateway") / "log",
        environment={
            **os.environ,
            **ours.environment,
            "C2C_WEB__PORT": str(port),
            "C2C_WEB__REQUESTS_PER_MINUTE": "1000000",
            "C2C_SENDER": json.dumps({"meter": sender}),
        },
    )
    url = f"http://{LOOPBACK}:{port}"
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            if (await http.get(f"{url}/ready")).status_code == 200:
                return _Gateway(process, f"{url}/webhooks/meter")
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            process.stop()
            raise TimeoutError("the gateway does not serve")
        await asyncio.sleep(0.1)


_Event = tuple[str, str, str]
"""The event's id, its contract, and the id of the record in it."""


def _events(names: list[str], deliveries: int) -> list[_Event]:
    """So many deliveries, shuffled; a fifth of them repeats."""
    different = round(deliveries * (1 - DUPLICATES))
    tag = contracts.tag()
    made = [(f"{tag}-{n}", names[n % len(names)], f"r{n}") for n in range(different)]
    chosen = random.Random(1)  # noqa: S311
    repeats = [chosen.choice(made) for _ in range(deliveries - different)]
    events = [*made, *repeats]
    chosen.shuffle(events)
    return events


async def _deliver(
    http: httpx.AsyncClient, url: str, events: list[_Event]
) -> tuple[float, list[float], int]:
    """Send all, so many at a time; the seconds in all and of each, and how many were sent again."""
    turns, latencies, again = asyncio.Semaphore(_AT_ONCE), list[float](), Counter[str]()
    today = datetime.now(UTC).date().isoformat()

    async def send(event: _Event) -> None:
        id, contract, record = event
        usage = {"id": record, "plan": _PLAN, "on": today, "quantity": "1"}
        async with turns:
            while True:
                now = datetime.now(UTC)
                payload = {
                    "type": "usage.recorded",
                    "timestamp": now.isoformat(),
                    "data": {"contract": contract, "records": [usage]},
                }
                body = json.dumps(payload).encode()
                began = time.monotonic()
                answer = await http.post(
                    url, content=body, headers=standard_headers(body, now, id=id)
                )
                latencies.append(time.monotonic() - began)
                if answer.status_code == 202:
                    return
                if answer.status_code != 503:
                    raise AssertionError(answer.text)
                again["503"] += 1
                await asyncio.sleep(1)

    began = time.monotonic()
    await asyncio.gather(*map(send, events))
    return time.monotonic() - began, latencies, again.total()


async def _metered(ours: Product, count: int) -> list[str]:
    """Contracts that bill use, active; their references."""
    tag, today = contracts.tag(), datetime.now(UTC).date()
    made = [
        _usage_contract(item, str(today)) for item in contracts.signed(tag, count, milestones=1)
    ]
    await ours.start(made)
    names = [f"{item['legal_entity']}/{item['contract_id']}" for item in made]
    for name in names:
        await ours.c2c.contract(name).wait_until(
            lambda state: str(state.stage) == "active", timeout_seconds=120
        )
    return names


def _usage_contract(contract: dict[str, Any], today: str) -> dict[str, Any]:
    service = {"key": _PLAN, "code": "USAGE", "description": "Calls", "amount": "0.00"}
    plan = {"key": _PLAN, "service": _PLAN, "unit": "call", "tiers": [{"price": "0.01"}]}
    return {
        **contract,
        "signed_on": today,
        "starts_on": today,
        "services": [*contract["services"], service],
        "usage": [plan],
    }


async def _all_counted(
    ours: Product, names: list[str], events: list[_Event], deliveries: int
) -> None:
    """Wait until each contract has its records; raises where one has others."""
    wanted: dict[str, set[str]] = {name: set() for name in names}
    for _, contract, record in events:
        wanted[contract].add(record)

    async def all_there() -> bool:
        found = {name: await _records(ours, name) for name in names}
        for name in names:
            if found[name] - wanted[name]:
                raise AssertionError(f"{name} has records that nobody sent")
        return found == wanted

    await ours.until("every record", all_there, seconds=60 + _SECONDS_AN_EVENT * deliveries)


async def _records(ours: Product, name: str) -> set[str]:
    state = await ours.c2c.contract(name).state()
    return set(state.account.usage.get(_PLAN, {}))

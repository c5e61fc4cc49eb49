"""What workers show of the whole namespace: counted by Temporal, and gone when nobody counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from starters import schedules
from starters.client.names import ODOO_SWEEP_WORKFLOW
from starters.schedules import Sweep
from tests.world import World, single
from workers.gauges import SHOWN_FOR_TIMES, Gauges, Since, _Result, oldest_since

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
EVERY_SECONDS = 60.0


class Shown:
    """Gauges on a meter of their own, and what a scrape reads of them."""

    def __init__(self, client: Client) -> None:
        self.seconds = 0.0
        self._reader = InMemoryMetricReader()
        self._provider = MeterProvider(metric_readers=[self._reader])
        meter = self._provider.get_meter("test")
        self.gauges = Gauges(client, EVERY_SECONDS, meter, clock=lambda: self.seconds)

    def read(self, name: str) -> dict[tuple[str, ...], float]:
        """The values of a gauge by their labels, in the labels' order of names."""
        data = self._reader.get_metrics_data()
        found = {}
        for resource in data.resource_metrics if data else ():
            for metric in (item for scope in resource.scope_metrics for item in scope.metrics):
                for point in metric.data.data_points if metric.name == name else ():
                    labels = sorted((point.attributes or {}).items())
                    found[tuple(str(value) for _, value in labels)] = cast(Any, point).value
        return found


async def eventually(shown: Shown, now: Callable[[], datetime], is_so: Callable[[], bool]) -> None:
    """Visibility is a moment behind."""
    deadline = time.monotonic() + 30
    while True:
        await shown.gauges.count(now())
        if is_so():
            return
        assert time.monotonic() < deadline, shown.read("c2c.waiting")
        await asyncio.sleep(0.2)


async def test_what_waits_is_counted_by_what_it_is_and_since_when(world: World) -> None:
    shown = Shown(world.client)

    def now() -> datetime:
        return datetime.now(UTC)

    await shown.gauges.count(now())
    before = shown.read("c2c.waiting")
    assert set(before) == {
        (kind, on)
        for on in ("approval", "credentials", "exception")
        for kind in ("bank_file", "contract", "event", "invoice")
    }
    contract = single()
    contract["services"][0]["code"] = "ALCHEMY"
    await world.parked(await world.start(contract))
    key = ("contract", "exception")
    await eventually(shown, now, lambda: shown.read("c2c.waiting")[key] == before[key] + 1)
    assert shown.read("c2c.waiting.oldest")["exception",] >= 0
    assert shown.read("c2c.invoices.undelivered").keys() == {()}


async def test_how_far_a_sweep_has_read_is_shown_with_how_often_it_runs(world: World) -> None:
    """Before it has run to an end, it has read nothing since it was made."""
    shown = Shown(world.client)
    sweep = Sweep("c2c-sweep-of-this-test", ODOO_SWEEP_WORKFLOW, timedelta(hours=1))
    handle = await world.client.create_schedule(sweep.id, schedules._schedule(sweep))
    key = (sweep.id,)
    try:
        await shown.gauges.count(datetime.now(UTC))
        assert 0 <= shown.read("c2c.sweep.age")[key] < 60
        assert key not in shown.read("c2c.sweep.unserved")
        await handle.trigger()
        await eventually(
            shown, lambda: datetime.now(UTC), lambda: key in shown.read("c2c.sweep.unserved")
        )
        assert 0 <= shown.read("c2c.sweep.age")[key] < 60
        assert shown.read("c2c.sweep.interval")[key] == 3600
        assert shown.read("c2c.sweep.unserved")[key] == 0
    finally:
        await handle.delete()


def test_a_sweep_that_ended_before_its_last_page_has_read_to_where_it_goes_on() -> None:
    began = NOW - timedelta(minutes=1)
    since = NOW - timedelta(hours=9)
    read = _Result.model_validate({"watermark": NOW, "unread": {"since": since, "after": "7"}})
    assert read.read_until(began) == since
    # Odoo's watermark is that of the newest change: it stands still on a quiet day.
    assert _Result(watermark=since, read_at=NOW).read_until(began) == NOW
    # What is no sweep's has read when it began: a digest says only whether it mailed anybody.
    for other in (None, True, {}, {"left": 7}):
        assert _Result.of(other).read_until(began) == began
        assert _Result.of(other).unserved is None


async def test_what_is_not_counted_any_more_is_not_shown_for_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Shown(world.client)
    await shown.gauges.count(datetime.now(UTC))
    assert shown.read("c2c.waiting")

    async def away(*_: Any, **__: Any) -> Any:
        raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")

    monkeypatch.setattr(Client, "count_workflows", away)
    shown.seconds += SHOWN_FOR_TIMES * EVERY_SECONDS - 1
    await shown.gauges.count(datetime.now(UTC))
    assert shown.read("c2c.waiting")
    shown.seconds += 1
    await shown.gauges.count(datetime.now(UTC))
    assert shown.read("c2c.waiting") == {}
    monkeypatch.undo()
    await shown.gauges.count(datetime.now(UTC))
    assert shown.read("c2c.waiting")


def asked(
    ages: Sequence[timedelta], calls: list[datetime]
) -> Callable[[datetime], Awaitable[bool]]:
    async def is_any_by(at: datetime) -> bool:
        calls.append(at)
        return any(NOW - age <= at for age in ages)

    return is_any_by


@pytest.mark.parametrize(
    "oldest",
    [timedelta(seconds=5), timedelta(minutes=59), timedelta(hours=30), timedelta(days=400)],
)
async def test_the_age_of_the_oldest_is_found_by_few_counts(oldest: timedelta) -> None:
    calls: list[datetime] = []
    is_any_by = asked([timedelta(seconds=1), oldest], calls)
    since = await oldest_since(is_any_by, NOW)
    assert since.none_by < NOW - oldest <= since.some_by
    assert since.some_by - since.none_by <= max(timedelta(minutes=1), oldest / 18)
    assert len(calls) <= 25
    calls.clear()
    assert await oldest_since(is_any_by, NOW + timedelta(minutes=1), since) == since
    assert len(calls) == 2


async def test_the_next_oldest_is_found_once_the_oldest_is_done() -> None:
    known = Since(NOW - timedelta(days=3), NOW - timedelta(days=2.9))
    since = await oldest_since(asked([timedelta(hours=5)], []), NOW, known)
    assert since.none_by < NOW - timedelta(hours=5) <= since.some_by

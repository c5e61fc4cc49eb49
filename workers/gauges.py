"""What a worker shows of the whole namespace, for alerts: what waits for people and since when,
what is posted and not delivered, and how far the sweeps have read.

Temporal counts; no contract is asked. Each worker of the contracts' queue counts, so that the
figures outlive any of them. What could not be counted for some minutes is not shown any more: a
gauge that stays at its last value would hide what has come since.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from pydantic import BaseModel, Field, ValidationError
from temporalio.client import Client, ScheduleListDescription
from temporalio.service import RPCError

from contracts.invoice.state import InvoiceStage
from workflows.search_attributes import INVOICE_STAGE, WAITING_ON, WAITING_SINCE

SHOWN_FOR_TIMES = 5
"""So many times in a row it may fail to be counted until a figure is not shown any more."""

WAITS = ("exception", "credentials", "approval")
KINDS = {
    "contract": "ContractWorkflow",
    "invoice": "InvoiceWorkflow",
    "bank_file": "BankFileWorkflow",
    "event": "EventWorkflow",
}
"""What can wait for a person, and the workflow that does."""

OURS = "c2c-"
"""Begins the ids of our schedules."""
_UNDELIVERED = f"{INVOICE_STAGE.name} = '{InvoiceStage.POSTED_NOT_DELIVERED}'"
_MOST_SCHEDULES = 200
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_FIRST_AGE, _LARGEST_AGE = timedelta(hours=1), timedelta(days=20 * 365)
_PRECISION = 20
"""An age is known to one part in so many, and to a minute."""

_log = logging.getLogger(__name__)


class Since(NamedTuple):
    """When the oldest began to wait: nothing waits since `none_by` or earlier, and something since
    `some_by` or earlier."""

    none_by: datetime
    some_by: datetime


@dataclass(frozen=True)
class Waiting:
    """How many wait, by what for and what they are; since when the oldest does, by what for; and
    how many invoices are posted and not delivered."""

    counts: Mapping[tuple[str, str], int]
    oldest: Mapping[str, Since]
    undelivered: int


@dataclass(frozen=True)
class SweepStanding:
    """Up to when a schedule's last complete run has read (of one that never had one, when it was
    made), how often it runs, and how many news of ended workflows it could give to nobody."""

    read_until: datetime
    every: timedelta
    unserved: int | None = None


class _Unread(BaseModel):
    """Where a sweep goes on that ended before its last page."""

    since: datetime | None = None
    watermark: datetime | None = None


class _Result(BaseModel):
    """What the results of all sweeps have in common; each has some of it."""

    watermark: datetime | None = None
    read_at: datetime | None = None
    unread: _Unread | None = None
    left: list[Any] = Field(default_factory=list)
    held: int | None = None

    @classmethod
    def of(cls, result: Any) -> Self:
        """What a schedule's run has returned; of what is no sweep's, nothing."""
        try:
            return cls.model_validate(result)
        except ValidationError:
            return cls()

    def read_until(self, began: datetime) -> datetime:
        """Odoo's watermark stands still while nothing changes: its sweep says when it read."""
        if self.unread is not None:
            return self.unread.watermark or self.unread.since or began
        return self.read_at or self.watermark or began

    @property
    def unserved(self) -> int | None:
        return None if self.held is None else len(self.left) + self.held


@dataclass
class _Fresh:
    """A figure and when it was counted (of the monotonic clock)."""

    value: Any = None
    at: float = 0.0

    def set(self, value: Any, at: float) -> None:
        self.value, self.at = value, at


class Gauges:
    """Counts once in a while, and shows what was counted for as long as it is fresh."""

    def __init__(
        self,
        client: Client,
        every_seconds: float,
        meter: Meter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._every_seconds = every_seconds
        self._clock = clock
        self._waiting, self._sweeps = _Fresh(), _Fresh()
        meter = meter or metrics.get_meter("contract-to-cash")
        meter.create_observable_gauge(
            "c2c.waiting",
            [self._showing(self._waiting, _counts)],
            description="Workflows that wait for a person, by what for and what they are",
        )
        meter.create_observable_gauge(
            "c2c.waiting.oldest",
            [self._showing(self._waiting, _ages)],
            unit="s",
            description="How long the oldest of them has waited, by what for",
        )
        meter.create_observable_gauge(
            "c2c.invoices.undelivered",
            [self._showing(self._waiting, _undelivered)],
            description="Invoices that are posted and not delivered",
        )
        meter.create_observable_gauge(
            "c2c.sweep.age",
            [self._showing(self._sweeps, _sweep_ages)],
            unit="s",
            description="How long ago it was up to which a schedule's runs have read",
        )
        meter.create_observable_gauge(
            "c2c.sweep.interval",
            [self._showing(self._sweeps, _intervals)],
            unit="s",
            description="How often a schedule runs",
        )
        meter.create_observable_gauge(
            "c2c.sweep.unserved",
            [self._showing(self._sweeps, _unserved)],
            description="Open invoices that nobody follows, and that Odoo takes no to-do for",
        )

    async def watch(self) -> None:
        """Count until cancelled. What cannot be counted now may be the next time."""
        while True:
            await self.count(datetime.now(UTC))
            await asyncio.sleep(self._every_seconds)

    async def count(self, now: datetime) -> None:
        """Count what waits and look at the sweeps, at a moment (aware): one without the other."""
        await self._refresh("what waits for people", self._waiting, self._count_waiting(now))
        await self._refresh("the sweeps' watermarks", self._sweeps, sweeps(self._client))

    async def _refresh(self, what: str, fresh: _Fresh, counting: Awaitable[Any]) -> None:
        began = self._clock()
        try:
            fresh.set(await counting, began)
        except RPCError as error:
            _log.info("%s cannot be counted now: %s", what, error)
        except Exception:  # the others, and the next time, are counted all the same
            _log.exception("%s cannot be counted", what)

    async def _count_waiting(self, now: datetime) -> Waiting:
        known = self._waiting.value.oldest if self._waiting.value else {}
        counts = {
            (on, kind): await self._number(f"{_on(on)} AND WorkflowType = '{workflow}'")
            for on in WAITS
            for kind, workflow in KINDS.items()
        }
        waits = [on for on in WAITS if any(counts[on, kind] for kind in KINDS)]
        oldest = {on: await oldest_since(self._is_any_by(on), now, known.get(on)) for on in waits}
        undelivered = await self._number(_UNDELIVERED)
        return Waiting(counts, oldest, undelivered)

    def _is_any_by(self, on: str) -> Callable[[datetime], Awaitable[bool]]:
        async def asked(at: datetime) -> bool:
            by = at.isoformat(timespec="seconds")
            return await self._number(f"{_on(on)} AND {WAITING_SINCE.name} <= '{by}'") > 0

        return asked

    async def _number(self, where: str) -> int:
        found = await self._client.count_workflows(f"ExecutionStatus = 'Running' AND {where}")
        return found.count

    def _showing(
        self, fresh: _Fresh, observe: Callable[[Any], Iterable[Observation]]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """What is observed while it is fresh; nothing after that."""

        def callback(_: CallbackOptions) -> Iterable[Observation]:
            is_old = self._clock() - fresh.at >= SHOWN_FOR_TIMES * self._every_seconds
            return [] if fresh.value is None or is_old else observe(fresh.value)

        return callback


async def oldest_since(
    is_any_by: Callable[[datetime], Awaitable[bool]], now: datetime, known: Since | None = None
) -> Since:
    """Since when the oldest waits, found by counts: Temporal sorts no list. Mostly it is the one
    that is known, which takes two."""
    if known and await is_any_by(known.some_by) and not await is_any_by(known.none_by):
        return known
    some_by, age = now, _FIRST_AGE
    while age < _LARGEST_AGE and await is_any_by(now - age):
        some_by, age = now - age, 2 * age
    none_by = now - age
    while some_by - none_by > max(_MINUTE, (now - some_by) / _PRECISION):
        middle = none_by + (some_by - none_by) / 2
        if await is_any_by(middle):
            some_by = middle
        else:
            none_by = middle
    return Since(none_by, some_by)


async def sweeps(client: Client) -> dict[str, SweepStanding]:
    """Our schedules, each by its last complete run, or by when it was made if it had none."""
    found, seen = {}, 0
    async for item in await client.list_schedules():
        if not item.id.startswith(OURS):
            continue
        seen += 1
        try:
            standing = await _standing(client, item)
        except RPCError:
            raise
        except Exception:  # its result cannot be read: the others are shown all the same
            _log.exception("%s is left out", item.id)
            continue
        found[item.id] = standing
        if seen == _MOST_SCHEDULES:
            break
    return found


async def _standing(client: Client, item: ScheduleListDescription) -> SweepStanding:
    intervals = item.schedule.spec.intervals if item.schedule else []
    every = min((each.every for each in intervals), default=_DAY)
    where = f"TemporalScheduledById = '{item.id}' AND ExecutionStatus = 'Completed'"
    async for run in client.list_workflows(where, limit=1):
        handle = client.get_workflow_handle(run.id, run_id=run.run_id)
        result = _Result.of(await handle.result(follow_runs=False))
        return SweepStanding(result.read_until(run.start_time), every, result.unserved)
    described = await client.get_schedule_handle(item.id).describe()
    return SweepStanding(described.info.created_at, every)


def _on(on: str) -> str:
    return f"{WAITING_ON.name} = '{on}'"


# --- what is shown ------------------------------------------------------------------------------


def _counts(waiting: Waiting) -> Iterator[Observation]:
    for (on, kind), count in waiting.counts.items():
        yield Observation(count, {"on": on, "kind": kind})


def _ages(waiting: Waiting) -> Iterator[Observation]:
    for on in WAITS:
        since = waiting.oldest.get(on)
        yield Observation(_seconds_since(since.some_by) if since else 0, {"on": on})


def _undelivered(waiting: Waiting) -> Iterator[Observation]:
    yield Observation(waiting.undelivered)


def _sweep_ages(standings: Mapping[str, SweepStanding]) -> Iterator[Observation]:
    for name, standing in standings.items():
        yield Observation(_seconds_since(standing.read_until), {"sweep": name})


def _intervals(standings: Mapping[str, SweepStanding]) -> Iterator[Observation]:
    for name, standing in standings.items():
        yield Observation(int(standing.every.total_seconds()), {"sweep": name})


def _unserved(standings: Mapping[str, SweepStanding]) -> Iterator[Observation]:
    for name, standing in standings.items():
        if standing.unserved is not None:
            yield Observation(standing.unserved, {"sweep": name})


def _seconds_since(at: datetime) -> int:
    return max(round((datetime.now(UTC) - at).total_seconds()), 0)

"""How much waits for people, and for how long: counted by Temporal, shown as a metric for alerts.

Each worker of the contracts' queue counts, so that the figure outlives any of them: take the
largest.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from opentelemetry import metrics
from temporalio.client import Client
from temporalio.service import RPCError

from workflows.search_attributes import WAITING_ON, WAITING_SINCE

EVERY_SECONDS = 60.0
OLDER_THAN_HOURS = (0, 4, 24, 72)
"""Of each age a count: Temporal tells how many there are, and not which is the oldest."""
WAITS = ("exception", "credentials", "approval")

_waiting = metrics.get_meter("contract-to-cash").create_gauge(
    "c2c.waiting", description="Workflows that wait for a person, by what for and for how long"
)
_log = logging.getLogger(__name__)


async def watch(client: Client, every_seconds: float = EVERY_SECONDS) -> None:
    """Count and show until cancelled. Where Temporal does not answer, the last figures stay."""
    while True:
        try:
            await count(client, datetime.now(UTC))
        except RPCError as error:
            _log.info("what waits for people is not counted now: %s", error)
        await asyncio.sleep(every_seconds)


async def count(client: Client, now: datetime) -> None:
    """Count what waits at a moment (aware), and show it."""
    for what in WAITS:
        for hours in OLDER_THAN_HOURS:
            since = (now - timedelta(hours=hours)).isoformat(timespec="seconds")
            found = await client.count_workflows(
                f"ExecutionStatus = 'Running' AND {WAITING_ON.name} = '{what}'"
                f" AND {WAITING_SINCE.name} <= '{since}'"
            )
            _waiting.set(found.count, {"on": what, "older_than_hours": hours})

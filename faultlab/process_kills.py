"""What is killed, and when: workers at the boundaries of calls, servers at any moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from faultlab.lab import Lab
from faultlab.network_faults import Carrier, carriers_of, is_write
from faultlab.worker_process import PROCESS
from sandbox.proxy import Moment, Request
from wiring import remotes
from wiring.settings import Settings
from workers.worker import activities_of
from workflows import task_queues

_GAP_SECONDS, _BETWEEN = 0.3, 4
"""At least so long and so many calls between two kills at boundaries: scenarios move meanwhile."""
_LOOK_SECONDS = 0.1

READING = frozenset(
    {
        "validate_contract",
        "read_time",
        "read_expenses",
        "read_balance",
        "read_changes",
        "read_deal",
        "won_deals",
        "is_due",
        # Odoo sets a credit note off by itself when it is posted: what is left is to look.
        "reconcile_credit",
        "read_bank_file",
        "still_open",
        "read_payment",
        "read_payout",
        "changed_payments",
        "invoice_named",
        "unbooked_payments",
    }
)
"""Activities that write nothing: their worker is killed at any call, that of others at a write."""

APART = frozenset(
    {
        "read_burn",
        "read_portfolio",
        "look_for_bank_files",
        "take_bank_files",
        "put_away_bank_file",
        "refuse_bank_file",
        "apply_bank_details",
        "measure_figures",
    }
)
"""What no scenario comes to: what the sweep of each day and people ask for; what is done in a
folder, where no call is; and what a bank's notification tells of an entry."""
_OTHER_QUEUES = (
    task_queues.ESIGN,
    task_queues.TIMESHEETS,
    task_queues.RECORDS,
    task_queues.MAIL,
)


def remote_activities(settings: Settings) -> list[str]:
    """The activities that call a remote in a campaign, as the workers host them. Nothing is signed
    in one, no hours come from elsewhere, no records are kept, and nobody is mailed."""
    odoo = remotes.odoo(settings)
    gateways = remotes.gateways(settings, odoo)
    try:
        return [
            function.__name__
            for queue in task_queues.REMOTES
            if queue not in _OTHER_QUEUES
            for function in activities_of(queue, settings, gateways)
            if function.__name__ not in APART
        ]
    finally:
        odoo.close()


@dataclass
class Boundary:
    """One kill of a worker at a moment of an activity's call; `seconds` from when the activity was
    asked for until it was done."""

    activity: str
    moment: Moment
    carrier: Carrier | None = None
    seconds: float | None = None

    @property
    def is_hit(self) -> bool:
        return self.carrier is not None


class Boundaries:
    """F1: SIGKILL of the worker before, during and after the remote call of every activity."""

    def __init__(self, lab: Lab, activities: Iterable[str]) -> None:
        self._lab = lab
        self.all = [Boundary(name, moment) for name in activities for moment in Moment]
        self._wanted = {(item.activity, item.moment): item for item in self.all}
        self._killed_at = 0.0
        self._answered = _BETWEEN
        self._killing = asyncio.Lock()

    @property
    def left(self) -> list[Boundary]:
        """Those that no call has come to yet."""
        return list(self._wanted.values())

    async def watch(self, request: Request, moment: Moment) -> None:
        """Kill the worker here, if this is a boundary that still lacks."""
        if not self._wanted:
            return
        carriers = carriers_of(request)
        # Where several activities run it may be the call of any of them.
        if len(carriers) == 1 and (carriers[0].activity in READING or is_write(request)):
            wanted = self._wanted.get((carriers[0].activity, moment))
            if wanted is not None:
                await self._kill(wanted, carriers[0], int(request.tags[PROCESS]))
                return
        self._answered += moment is Moment.AFTER

    async def _kill(self, boundary: Boundary, carrier: Carrier, process: int) -> None:
        too_soon = time.monotonic() - self._killed_at < _GAP_SECONDS or self._answered < _BETWEEN
        if self._killing.locked() or too_soon or not self._lab.activity_workers.has(process):
            return
        async with self._killing:
            self._wanted.pop((boundary.activity, boundary.moment))
            boundary.carrier = carrier
            await self._lab.activity_workers.replace(process)
            self._killed_at, self._answered = time.monotonic(), 0


@dataclass
class Kill:
    """One thing that was killed, and how long until it was back."""

    family: str
    what: str
    seconds: float


@dataclass
class RandomKills:
    """F1, F4, F5, F6, F13, F15: servers and workers die at random moments, drawn from a seed."""

    lab: Lab
    families: frozenset[str]
    seed: int
    every_seconds: float
    every_calls: int
    """Both have to pass between two kills: on a slow machine scenarios need longer to move."""
    kills: list[Kill] = field(default_factory=list)

    async def run(self) -> None:
        """Kill again and again until cancelled."""
        random = Random(f"kills {self.seed}")  # noqa: S311 - to repeat
        choices = self._choices()
        if not choices:
            return
        while True:
            calls = self._calls + random.uniform(0.5, 1.5) * self.every_calls
            await asyncio.sleep(random.uniform(0.5, 1.5) * self.every_seconds)
            while self._calls < calls:  # noqa: ASYNC110 - the proxies only count
                await asyncio.sleep(_LOOK_SECONDS)
            if "F13" in self.families and len(choices) > 1 and random.random() < 0.3:
                both = random.sample(choices, 2)
                await asyncio.gather(*(self._kill_one("F13", *one[1:]) for one in both))
            else:
                await self._kill_one(*random.choice(choices))

    @property
    def _calls(self) -> int:
        """How many calls have come to the proxies so far."""
        return sum(sum(proxy.counts.values()) for proxy in self.lab.proxies)

    def _choices(self) -> list[tuple[str, str, Callable[[], Awaitable[None]]]]:
        lab = self.lab
        possible: list[tuple[str, str, Callable[[], Awaitable[None]]]] = [
            ("F1", "worker of the activities", lab.activity_workers.replace),
            ("F1", "worker of the workflows", lab.workflow_workers.replace),
            ("F4", "Odoo", lab.restart_odoo),
            ("F6", "Temporal", lab.restart_temporal),
            ("F15", "web gateway", lab.restart_gateway),
        ]
        if lab.real is not None:
            possible.append(("F5", "PostgreSQL", lab.restart_postgres))
        return [item for item in possible if item[0] in self.families]

    async def _kill_one(self, family: str, what: str, kill: Callable[[], Awaitable[None]]) -> None:
        began = time.monotonic()
        # Not cut off in between: a server must not stay away for the rest of the campaign.
        await asyncio.shield(asyncio.ensure_future(kill()))
        self.kills.append(Kill(family, what, time.monotonic() - began))

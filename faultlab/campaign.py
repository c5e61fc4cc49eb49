"""Runs many scenarios under faults, ends the faults, and examines what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from contracts.identifiers import contract_of
from faultlab import lab as labs
from faultlab.bank_files import BankFiles
from faultlab.books import SqliteRows
from faultlab.contract_generator import Flavour, drawn
from faultlab.hosts import LinkFaults
from faultlab.inbound import look
from faultlab.invariants import Findings, HistorySummary, examine, histories_of, summaries_of
from faultlab.lab import Lab
from faultlab.ledger import patiently
from faultlab.network_faults import CUT_AND_HELD, Loss, LostAnswers, NetworkFaults
from faultlab.online import wrong_books
from faultlab.process_kills import Boundaries, Boundary, Kill, RandomKills, remote_activities
from faultlab.scenario import EVERYDAY, MOST_SECONDS, Habits, Scenario, ScenarioResult
from faultlab.stall_monitor import StallMonitor
from sandbox.proxy import Kind

FAMILIES = ("F1", "F2", "F3", "F4", "F5", "F6", "F7", "F13", "F15")
LINKS = "F16"
"""What is done to the links of hosts, where there are hosts."""
ALL = frozenset(FAMILIES)
"""F7, messages three times and shuffled, is how every scenario runs."""
AT_ONCE, AT_ONCE_REAL = 40, 12
"""Scenarios that run at once: most of one is waiting for what was broken; a real Odoo is slow."""
_SAID_EVERY_SECONDS = 5.0
_RECOVERED_SECONDS = 60.0
_EARLY = 4
"""So many scenarios of each flavour run first: some activities run once in a scenario, and each has
three moments at which to kill its worker."""
_ACTIVITY_WORKERS = 5
"""Workers for activities where they die one by one: what a dead one had in hand is tried again
after 10 s, and the other scenarios must not all wait for that."""
_MOST_KEPT = 20
_KILLED_SHARE, _KILLED_SECONDS = 0.6, 0.5
"""Of all scenarios: when so many have ended, no activity is still to be come to."""
_CALLS_OF_A_SCENARIO, _KILLS = 70, 20
"""About so many calls a scenario makes; and so many kills a campaign has at least."""
_FEWEST_CALLS, _MOST_CALLS = 50, 800


@dataclass(frozen=True)
class Plan:
    """A campaign: which scenarios, on which Odoo, through what."""

    seeds: Sequence[int]
    real: bool = False
    families: frozenset[str] = ALL
    at_once: int = AT_ONCE
    boundaries: bool = False
    """Whether the worker has to be killed at every boundary of every activity; then files of a bank
    come, too."""
    mutation: str | None = None
    losses: tuple[Kind, ...] = CUT_AND_HELD
    """How the answers to writes are lost."""
    lose: tuple[Loss, ...] | None = None
    """The answers that are lost, where they are known: those that a scenario missed before."""
    on_hosts: bool = False
    """Whether its processes are on hosts of their own, whose links have faults (F16)."""
    habits: Habits = EVERYDAY
    most_seconds: float = MOST_SECONDS
    """How long a scenario may take."""
    evidence: Path | None = None
    """Where the histories of scenarios with violations are kept, a file for each workflow."""


@dataclass
class Outcome:
    """What came of a campaign."""

    plan: Plan
    scenarios: list[ScenarioResult]
    findings: Findings
    seconds: float
    boundaries: list[Boundary] = field(default_factory=list)
    lost: LostAnswers = field(default_factory=LostAnswers)
    kills: list[Kill] = field(default_factory=list)
    links: list[tuple[str, float]] = field(default_factory=list)
    """What was done to which link, and for how many seconds."""
    fates: dict[str, int] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        return len(self.scenarios)

    def lost_by(self, seed: int) -> list[Loss]:
        """The answers that a scenario did not get."""
        ids = {
            workflow_id
            for s in self.scenarios
            if s.generated.seed == seed
            for workflow_id in (s.workflow_id, *s.events)
        }
        return [loss for loss, carrier in self.lost.hit if carrier.contract in ids]

    @property
    def violations(self) -> list[tuple[int, str]]:
        """Everything that is wrong, with the seed of the scenario."""
        return [(seed, text) for seed, found in self.findings.wrong.items() for text in found]


Say = Callable[[str], None]


async def run(plan: Plan, folder: Path, say: Say = lambda text: None) -> Outcome:
    """Run a campaign in a stack of its own. Raises StackError where that does not come up."""
    worker_count = _ACTIVITY_WORKERS if plan.boundaries else 1
    async with labs.running(
        folder,
        real=plan.real,
        mutation=plan.mutation,
        worker_count=worker_count,
        on_hosts=plan.on_hosts,
        say=say,
    ) as lab:
        return await _Campaign(plan, lab, say).run()


class _Campaign:
    def __init__(self, plan: Plan, lab: Lab, say: Say) -> None:
        self._plan = plan
        self._lab = lab
        self._say = say
        self._scenarios: list[ScenarioResult] = []
        self._seeds: dict[str, int] = {}
        self._done = 0
        self._network_faults = NetworkFaults(
            self._seeds.get, self._families_of, LostAnswers(plan.losses, plan.lose)
        )
        self._stall_monitor = StallMonitor(lab.client, lab.changes)
        wanted = remote_activities(lab.settings) if plan.boundaries else []
        self._boundaries = Boundaries(lab, wanted)
        # Servers do not die meanwhile: it must be clear which kill an activity recovered from.
        killing = plan.families - ({"F1"} if plan.boundaries else set())
        every = 8.0 if plan.real else 4.0
        calls = len(plan.seeds) * _CALLS_OF_A_SCENARIO // _KILLS
        self._bank_files = BankFiles(lab)
        first = min(plan.seeds, default=0)
        self._links = LinkFaults(lab.hosts, first) if lab.hosts is not None else None
        self._random_kills = RandomKills(
            lab,
            killing,
            seed=first,
            every_seconds=every,
            every_calls=max(_FEWEST_CALLS, min(calls, _MOST_CALLS)),
        )

    async def run(self) -> Outcome:
        began = time.monotonic()
        if self._plan.boundaries:
            await self._bank_files.prepare()
        for proxy in self._lab.proxies:
            proxy.fate_of, proxy.watch = self._network_faults, self._boundaries.watch
        beside = [self._kill_at_random(), self._show_progress(), self._stall_monitor.watch()]
        if self._links is not None:
            beside.append(self._links.run())
        tasks = [asyncio.create_task(one) for one in beside]
        try:
            await asyncio.gather(self._run_all(), self._bank_files.run())
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._network_faults.is_off = True
        self._say(f"{self._done} scenarios ended; looking at what came of them ...")
        findings, summaries = await examine(
            self._lab.client, self._lab.books, self._scenarios, self._lab.ledger.acknowledged
        )
        inbound, wrong = await look(
            self._lab.client,
            SqliteRows(self._lab.sandbox.crm_database),
            self._lab.webhooks.kept,
            self._scenarios,
            partial(wrong_books, self._lab.stripe, self._lab.books, self._lab.clearing),
        )
        findings.events, findings.deliveries = len(inbound.kept), sum(inbound.kept.values())
        for seed, text in wrong:
            findings.add(seed, text)
        for text in await self._bank_files.examine():
            findings.add(-1, text)
        await self._recoveries(summaries, findings)
        for workflow_id, text in self._stall_monitor.wrong.items():
            findings.add(self._seeds.get(contract_of(workflow_id), -1), text)
        await self._keep_evidence(summaries, findings)
        counts: dict[str, int] = {}
        for proxy in self._lab.proxies:
            for kind, count in proxy.counts.items():
                counts[kind] = counts.get(kind, 0) + count
        return Outcome(
            plan=self._plan,
            scenarios=self._scenarios,
            findings=findings,
            seconds=time.monotonic() - began,
            boundaries=self._boundaries.all,
            lost=self._network_faults.lost,
            kills=self._random_kills.kills,
            links=self._links.all if self._links is not None else [],
            fates=counts,
        )

    # --- scenarios --------------------------------------------------------------------------------

    async def _run_all(self) -> None:
        turns = asyncio.Semaphore(self._plan.at_once)

        async def one(seed: int) -> None:
            async with turns:
                scenario = Scenario(
                    self._lab,
                    drawn(seed),
                    named=self._named,
                    habits=self._plan.habits,
                    most_seconds=self._plan.most_seconds,
                )
                self._scenarios.append(scenario.result)
                await scenario.run()
                self._done += 1

        await asyncio.gather(*(one(seed) for seed in ordered(self._plan.seeds)))

    def _named(self, result: ScenarioResult) -> None:
        for workflow_id in (result.workflow_id, *result.events):
            self._seeds[workflow_id] = result.generated.seed

    def _families_of(self, seed: int) -> frozenset[str]:
        """Which faults of calls a scenario meets: a third loses answers, a third has faults of the
        network, and the rest both, where both are on."""
        on = self._plan.families & {"F2", "F3"}
        if len(on) < 2:
            return on
        return Random(f"family {seed}").choice(  # noqa: S311 - to repeat
            (frozenset({"F2"}), frozenset({"F3"}), on)
        )

    # --- what is killed -------------------------------------------------------------------------

    async def _kill_at_random(self) -> None:
        """Kill at random, once every boundary was killed at, or should have been."""
        share = len(self._plan.seeds) * _KILLED_SHARE
        while self._boundaries.left and self._done < share:  # noqa: ASYNC110 - scenarios just end
            await asyncio.sleep(_KILLED_SECONDS)
        self._random_kills.families = self._plan.families
        await self._random_kills.run()

    async def _recoveries(self, summaries: dict[str, HistorySummary], findings: Findings) -> None:
        """How long each killed activity took until it was done; one that never was is wrong."""
        deadline = time.monotonic() + _RECOVERED_SECONDS
        left = [item for item in self._boundaries.all if item.is_hit]
        while left:
            wanted = {item.carrier.workflow_id for item in left if item.carrier} - summaries.keys()
            async for workflow_id, summary, _ in summaries_of(self._lab.client, sorted(wanted)):
                summaries[workflow_id] = summary
            left = [item for item in left if not _is_recovered(item, summaries)]
            if time.monotonic() > deadline:
                break
            # Read anew: a sweep that was killed last may still be at it.
            for item in left:
                summaries.pop(item.carrier.workflow_id if item.carrier else "", None)
            await asyncio.sleep(1 if left else 0)
        for item in left:
            assert item.carrier is not None
            findings.add(
                self._seeds.get(item.carrier.contract, -1),
                f"{item.activity} killed {item.moment} its call was never done again "
                f"({item.carrier.workflow_id})",
            )

    async def _keep_evidence(
        self, summaries: Mapping[str, HistorySummary], findings: Findings
    ) -> None:
        """Keep the histories of scenarios that went wrong: the stack goes with the campaign."""
        folder = self._plan.evidence
        if folder is None:
            return
        wrong = list(findings.wrong)[:_MOST_KEPT]
        for workflow_id in summaries:
            if self._seeds.get(contract_of(workflow_id)) in wrong:
                folder.mkdir(parents=True, exist_ok=True)
                found = await patiently(partial(histories_of, self._lab.client, workflow_id))
                for run, history in enumerate(found, start=1):
                    name = f"{workflow_id.replace('/', '.')}.{run}.json"
                    (folder / name).write_text(history.to_json())

    # --- progress -------------------------------------------------------------------------------

    async def _show_progress(self) -> None:
        shown: set[tuple[int, str]] = set()
        links = self._links
        while True:
            await asyncio.sleep(_SAID_EVERY_SECONDS)
            wrong = sum(1 for scenario in self._scenarios if scenario.wrong)
            left = len(self._boundaries.left) if self._plan.boundaries else 0
            more = f", {left} boundaries left" if left else ""
            more += f", {len(links.all)} faults of links" if links is not None else ""
            for scenario in self._scenarios:
                for text in scenario.wrong:
                    if (scenario.generated.seed, text) not in shown:
                        shown.add((scenario.generated.seed, text))
                        self._say(f"seed {scenario.generated.seed}: {text}")
            self._say(
                f"{self._done} of {len(self._plan.seeds)} scenarios ended, {wrong} wrong"
                f"{more}, {len(self._random_kills.kills)} kills"
            )


def _is_recovered(boundary: Boundary, summaries: Mapping[str, HistorySummary]) -> bool:
    """Whether the killed activity was done after all; notes how long that took."""
    carrier = boundary.carrier
    assert carrier is not None
    for retried in summaries[carrier.workflow_id].retried:
        if (retried.activity, retried.activity_id) == (boundary.activity, carrier.activity_id):
            boundary.seconds = retried.seconds
            return True
    return False


def ordered(seeds: Sequence[int]) -> list[int]:
    """The same seeds, some of each flavour first: then every activity is reached early."""
    first: list[int] = []
    count: dict[Flavour, int] = {}
    for seed in seeds:
        flavour = drawn(seed).flavour
        if count.get(flavour, 0) < _EARLY:
            count[flavour] = count.get(flavour, 0) + 1
            first.append(seed)
    early = set(first)
    return [*first, *(seed for seed in seeds if seed not in early)]


def seeds_of(flavours: frozenset[Flavour], count: int, start: int = 1) -> list[int]:
    """So many seeds from `start` on whose scenarios have one of these flavours."""
    found: list[int] = []
    seed = start
    while len(found) < count:
        if drawn(seed).flavour in flavours:
            found.append(seed)
        seed += 1
    return found

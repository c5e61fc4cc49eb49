"""Leads many lives through a storm, then lets it calm down, and examines what came of it."""

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
from faultlab.contract_generator import Flavour, drawn
from faultlab.invariants import Findings, Story, examine, histories_of, stories_of
from faultlab.lab import Lab
from faultlab.ledger import patiently
from faultlab.network_faults import CUT_AND_HELD, Lost, Weather
from faultlab.process_kills import Blow, Boundaries, Boundary, Storm, remote_activities
from faultlab.scenario import EVERYDAY, Ended, Habits, Life
from faultlab.stall_monitor import Vigil
from sandbox.proxy import Kind

FAMILIES = ("F1", "F2", "F3", "F4", "F5", "F6", "F7", "F13")
ALL = frozenset(FAMILIES)
"""F7, messages three times and shuffled, is how every life is led."""
AT_ONCE, AT_ONCE_REAL = 40, 12
"""Lives beside each other: most of a life is waiting for what was broken; a real Odoo is slow."""
_SAID_EVERY_SECONDS = 5.0
_RECOVERED_SECONDS = 60.0
_EARLY = 4
"""Lives of each flavour that come first: some activities a life comes to once, and there are
three moments to strike each."""
_CREW = 5
"""Workers for activities where they die one by one: what a dead one had in hand is tried again
after 10 s, and the other lives must not all wait for that."""
_MOST_KEPT = 20
_STRUCK_SHARE, _STRUCK_SECONDS = 0.6, 0.5
"""Of all lives: when so many have ended, no activity is still to be come to."""
_CALLS_OF_A_LIFE, _BLOWS = 70, 20
"""About so many calls a life makes; and so many blows fall on a campaign at least."""
_FEWEST_CALLS, _MOST_CALLS = 50, 800


@dataclass(frozen=True)
class Plan:
    """A campaign: which lives, on which Odoo, through what."""

    seeds: Sequence[int]
    real: bool = False
    families: frozenset[str] = ALL
    at_once: int = AT_ONCE
    boundaries: bool = False
    """Whether every activity has to be struck at every boundary."""
    mutation: str | None = None
    losses: tuple[Kind, ...] = CUT_AND_HELD
    """How the answers to writes are lost."""
    habits: Habits = EVERYDAY
    evidence: Path | None = None
    """Where the histories of lives with violations are kept, a file for each workflow."""


@dataclass
class Outcome:
    """What came of a campaign."""

    plan: Plan
    lives: list[Ended]
    findings: Findings
    seconds: float
    boundaries: list[Boundary] = field(default_factory=list)
    lost: Lost = field(default_factory=Lost)
    blows: list[Blow] = field(default_factory=list)
    fates: dict[str, int] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        return len(self.lives)

    @property
    def violations(self) -> list[tuple[int, str]]:
        """Everything that is wrong, with the seed of the life."""
        return [(seed, text) for seed, found in self.findings.wrong.items() for text in found]


Say = Callable[[str], None]


async def run(plan: Plan, folder: Path, say: Say = lambda text: None) -> Outcome:
    """Run a campaign in a stack of its own. Raises StackError where that does not come up."""
    crew = _CREW if plan.boundaries else 1
    async with labs.running(
        folder, real=plan.real, mutation=plan.mutation, crew=crew, say=say
    ) as lab:
        return await _Campaign(plan, lab, say).run()


class _Campaign:
    def __init__(self, plan: Plan, lab: Lab, say: Say) -> None:
        self._plan = plan
        self._lab = lab
        self._say = say
        self._lives: list[Ended] = []
        self._seeds: dict[str, int] = {}
        self._done = 0
        self._weather = Weather(self._seeds.get, self._families_of, Lost(plan.losses))
        self._vigil = Vigil(lab.client, lab.news)
        wanted = remote_activities(lab.settings) if plan.boundaries else []
        self._boundaries = Boundaries(lab, wanted)
        # Servers do not die while boundaries are struck: what was killed has to be told apart.
        storming = plan.families - ({"F1"} if plan.boundaries else set())
        every = 8.0 if plan.real else 4.0
        calls = len(plan.seeds) * _CALLS_OF_A_LIFE // _BLOWS
        self._storm = Storm(
            lab,
            storming,
            seed=min(plan.seeds, default=0),
            every_seconds=every,
            every_calls=max(_FEWEST_CALLS, min(calls, _MOST_CALLS)),
        )

    async def run(self) -> Outcome:
        began = time.monotonic()
        for proxy in self._lab.proxies:
            proxy.weather, proxy.watch = self._weather, self._boundaries.watch
        storm = asyncio.create_task(self._rage())
        saying = asyncio.create_task(self._tell())
        watching = asyncio.create_task(self._vigil.keep())
        await self._lead_all()
        for task in (storm, saying, watching):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._weather.is_calm = True
        self._say(f"{self._done} lives ended; looking at what came of them ...")
        findings, stories = await examine(
            self._lab.client, self._lab.books, self._lives, self._lab.ledger.told
        )
        await self._recoveries(stories, findings)
        for workflow_id, text in self._vigil.wrong.items():
            findings.add(self._seeds.get(contract_of(workflow_id), -1), text)
        await self._keep_evidence(stories, findings)
        counts: dict[str, int] = {}
        for proxy in self._lab.proxies:
            for kind, count in proxy.counts.items():
                counts[kind] = counts.get(kind, 0) + count
        return Outcome(
            plan=self._plan,
            lives=self._lives,
            findings=findings,
            seconds=time.monotonic() - began,
            boundaries=self._boundaries.all,
            lost=self._weather.lost,
            blows=self._storm.blows,
            fates=counts,
        )

    # --- lives --------------------------------------------------------------------------------

    async def _lead_all(self) -> None:
        turns = asyncio.Semaphore(self._plan.at_once)

        async def one(seed: int) -> None:
            async with turns:
                life = Life(self._lab, drawn(seed), named=self._named, habits=self._plan.habits)
                self._lives.append(life.ended)
                await life.lead()
                self._done += 1

        await asyncio.gather(*(one(seed) for seed in ordered(self._plan.seeds)))

    def _named(self, ended: Ended) -> None:
        self._seeds[ended.workflow_id] = ended.signed.seed

    def _families_of(self, seed: int) -> frozenset[str]:
        """Which faults of calls a life meets: a third loses answers, a third has bad weather, and
        the rest both, where both are on."""
        on = self._plan.families & {"F2", "F3"}
        if len(on) < 2:
            return on
        return Random(f"family {seed}").choice(  # noqa: S311 - to repeat
            (frozenset({"F2"}), frozenset({"F3"}), on)
        )

    # --- what is struck -------------------------------------------------------------------------

    async def _rage(self) -> None:
        """The storm, once every boundary is struck, or should have been."""
        share = len(self._plan.seeds) * _STRUCK_SHARE
        while self._boundaries.left and self._done < share:  # noqa: ASYNC110 - lives just end
            await asyncio.sleep(_STRUCK_SECONDS)
        self._storm.families = self._plan.families
        await self._storm.rage()

    async def _recoveries(self, stories: dict[str, Story], findings: Findings) -> None:
        """How long each struck activity took until it was done; one that never was is wrong."""
        deadline = time.monotonic() + _RECOVERED_SECONDS
        left = [item for item in self._boundaries.all if item.is_hit]
        while left:
            wanted = {item.carrier.workflow_id for item in left if item.carrier} - stories.keys()
            async for workflow_id, story, _ in stories_of(self._lab.client, sorted(wanted)):
                stories[workflow_id] = story
            left = [item for item in left if not _is_recovered(item, stories)]
            if time.monotonic() > deadline:
                break
            # Read anew: a sweep that was struck last may still be at it.
            for item in left:
                stories.pop(item.carrier.workflow_id if item.carrier else "", None)
            await asyncio.sleep(1 if left else 0)
        for item in left:
            assert item.carrier is not None
            findings.add(
                self._seeds.get(item.carrier.contract, -1),
                f"{item.activity} killed {item.moment} its call was never done again "
                f"({item.carrier.workflow_id})",
            )

    async def _keep_evidence(self, stories: Mapping[str, Story], findings: Findings) -> None:
        """Keep the histories of lives that went wrong: the stack goes with the campaign."""
        folder = self._plan.evidence
        if folder is None:
            return
        wrong = list(findings.wrong)[:_MOST_KEPT]
        for workflow_id in stories:
            if self._seeds.get(contract_of(workflow_id)) in wrong:
                folder.mkdir(parents=True, exist_ok=True)
                found = await patiently(partial(histories_of, self._lab.client, workflow_id))
                for run, history in enumerate(found, start=1):
                    name = f"{workflow_id.replace('/', '.')}.{run}.json"
                    (folder / name).write_text(history.to_json())

    # --- progress -------------------------------------------------------------------------------

    async def _tell(self) -> None:
        told: set[tuple[int, str]] = set()
        while True:
            await asyncio.sleep(_SAID_EVERY_SECONDS)
            wrong = sum(1 for life in self._lives if life.wrong)
            left = len(self._boundaries.left) if self._plan.boundaries else 0
            more = f", {left} boundaries left" if left else ""
            for life in self._lives:
                for text in life.wrong:
                    if (life.signed.seed, text) not in told:
                        told.add((life.signed.seed, text))
                        self._say(f"seed {life.signed.seed}: {text}")
            self._say(
                f"{self._done} of {len(self._plan.seeds)} lives ended, {wrong} wrong"
                f"{more}, {len(self._storm.blows)} blows"
            )


def _is_recovered(boundary: Boundary, stories: Mapping[str, Story]) -> bool:
    """Whether the struck activity was done after all; notes how long that took."""
    carrier = boundary.carrier
    assert carrier is not None
    for retried in stories[carrier.workflow_id].retried:
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
    """So many seeds from `start` on whose lives have one of these flavours."""
    found: list[int] = []
    seed = start
    while len(found) < count:
        if drawn(seed).flavour in flavours:
            found.append(seed)
        seed += 1
    return found

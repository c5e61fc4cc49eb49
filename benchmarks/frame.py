"""What every benchmark is written with: a registry, fresh Odoos, interleaved rounds, result lines.

A benchmark is a coroutine, registered by a decorator in a module named in `MODULES`:

    @benchmark("onboarding", about="signed contracts to confirmed orders", minutes=30)
    async def onboarding(bench: Bench) -> None:
        count = bench.size(full=200, quick=8)
        with bench.odoo() as odoo:                       # fresh; gone at the end of the block
            samples = await bench.rounds({"ours": ours, "script": script})
        ratio = paired_ratio(samples["ours"], samples["script"])
        bench.report("onboarding", ratio, at_least(5), contracts=count, samples=samples)

**A fresh Odoo.** `bench.odoo()` is a context manager that yields a
`benchmarks.remote.Remote`: address, database, API keys, clients of each login, the records of a
batch of contracts (`tally`), and the calls it was sent, counted in Odoo's own log and so the same
way for whoever sends them. It is a real Odoo 19 on a copy of the template database; with
`--odoo sandbox` it is the stand-in. Contenders that are compared work on the same one, each on
contracts of its own (`benchmarks.contracts.signed`).

**Rounds interleave.** `bench.rounds(contenders)` runs each contender once a round, in an order
that rotates from round to round, so that a machine that warms up or a database that grows favours
nobody. A contender is a coroutine function of the round's number (from 0). It does its work once
and returns what it measured, a rate or seconds: so what it prepares is not timed. `paired_ratio`
is the median of the rounds' own ratios.

**Results.** `bench.report(name, ratio, target, **details)` prints the line
`name ratio=R target=T` and keeps it, with the details, for the JSON file and the chart. A
benchmark may report several lines (`name_part`), the one with its own name last. Without a target
the line is printed as it is and never fails: `target=none`. Targets are judged in full runs; the
sizes of a quick run say that a benchmark works, not how fast the product is.

Everything a benchmark starts ends with it: use `bench.folder` for files and context managers for
processes. Each has a limit in minutes, after which it is cancelled and counts as failed.
"""

from __future__ import annotations

import asyncio
import importlib
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.remote import Remote, real_remote, sandbox_remote

MODULES = (
    "onboarding",
    "month_end",
    "round_trips",
    "actions",
    "idle_estate",
    "sweep",
    "replay",
    "recovery",
    "webhooks",
    "customers",
    "won_deals",
    "write_back",
    "time_import",
    "bank_file",
    "cash_application",
    "analytics",
    "command_line",
    "workbench",
    "peers.comparison",
)
"""Modules of this package that hold benchmarks, in the order they run."""

_QUICK_ROUNDS, _FULL_ROUNDS = 1, 3

Contender = Callable[[int], Awaitable[float]]
Say = Callable[[str], None]


# --- figures ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """What one contender measured, a value a round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """From the lowest to the highest, as a share of the median; 0 for a single value."""
        return (max(self.values) - min(self.values)) / self.median if self.median else 0.0


def paired_ratio(ours: Sample, theirs: Sample) -> float:
    """The median of the rounds' own ratios: what slows a round down slows both."""
    pairs = zip(ours.values, theirs.values, strict=True)
    return statistics.median(mine / other for mine, other in pairs)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that `share` of them (0 to 1) do not exceed."""
    if not values:
        raise ValueError("a percentile of nothing")
    rank = math.ceil(len(values) * share)
    return sorted(values)[max(rank, 1) - 1]


@dataclass(frozen=True)
class Target:
    """What a ratio has to reach, or must not exceed."""

    value: float
    at_least: bool

    def is_met(self, ratio: float) -> bool:
        return ratio >= self.value if self.at_least else ratio <= self.value


def at_least(value: float) -> Target:
    return Target(value, at_least=True)


def at_most(value: float) -> Target:
    return Target(value, at_least=False)


@dataclass(frozen=True)
class Line:
    """One result. `details` is what the JSON file says beside it."""

    name: str
    ratio: float
    target: Target | None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def missed(self) -> bool:
        return self.target is not None and not self.target.is_met(self.ratio)

    @property
    def headroom(self) -> float | None:
        """How many times better than its target it is; below 1 it misses. None: no target.

        At most a hundred times where less is better: of some things there is nothing at all.
        """
        if self.target is None:
            return None
        if self.target.at_least:
            return self.ratio / self.target.value
        used = self.ratio / self.target.value if self.target.value else 2.0 * (self.ratio > 0)
        return 1 / max(used, 0.01)

    def __str__(self) -> str:
        target = "none" if self.target is None else f"{self.target.value:g}"
        return f"{self.name} ratio={self.ratio:.4g} target={target}"


# --- registry -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Benchmark:
    """One registered benchmark, and the minutes a full run of it may take at most."""

    name: str
    about: str
    minutes: float
    run: Callable[[Bench], Awaitable[None]]


_registry: dict[str, Benchmark] = {}


def benchmark(
    name: str, *, about: str, minutes: float
) -> Callable[[Callable[[Bench], Awaitable[None]]], Callable[[Bench], Awaitable[None]]]:
    """Register the coroutine function below it under a name."""

    def register(run: Callable[[Bench], Awaitable[None]]) -> Callable[[Bench], Awaitable[None]]:
        if name in _registry:
            raise ValueError(f"two benchmarks are named {name}")
        _registry[name] = Benchmark(name, about, minutes, run)
        return run

    return register


def benchmarks() -> dict[str, Benchmark]:
    """All benchmarks by name, in the order they run."""
    for module in MODULES:
        importlib.import_module(f"benchmarks.{module}")

    def place(item: Benchmark) -> int:
        return MODULES.index(item.run.__module__.removeprefix("benchmarks."))

    return {item.name: item for item in sorted(_registry.values(), key=place)}


# --- one run ------------------------------------------------------------------------------------


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass
class Bench:
    """What a running benchmark has: its size, a folder, Odoos, rounds, and where results go."""

    folder: Path
    quick: bool = False
    real: bool = True
    odoo_workers: int = 2
    turns: int | None = None
    """How many rounds were asked for; None: three, or one in a quick run."""
    lines: list[Line] = field(default_factory=list)
    show: Say = _to_stderr

    def size(self, *, full: int, quick: int) -> int:
        """How many of something: `quick` shows that it works, `full` is what is claimed."""
        return quick if self.quick else full

    def say(self, text: str) -> None:
        """Show progress, beside the results."""
        self.show(f"  {time.strftime('%H:%M:%S')} {text}")

    def new_folder(self, name: str) -> Path:
        """An empty folder of its own; it goes when the benchmark ends."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    @contextmanager
    def odoo(self, *, workers: int | None = None) -> Iterator[Remote]:
        """A fresh Odoo; `workers` are its processes (0: one with threads; default: the run's)."""
        self.say("starting an Odoo")
        count = self.odoo_workers if workers is None else workers
        folder = self.new_folder("odoo")
        with real_remote(workers=count) if self.real else sandbox_remote(folder) as odoo:
            yield odoo

    async def rounds(
        self, contenders: Mapping[str, Contender], *, rounds: int | None = None
    ) -> dict[str, Sample]:
        """What each contender measured in each round: `rounds` of them, or as many as asked for."""
        measured: dict[str, list[float]] = {name: [] for name in contenders}
        usual = self.size(full=_FULL_ROUNDS, quick=_QUICK_ROUNDS)
        count = rounds or self.turns or usual
        for number in range(count):
            for name in rotated(list(contenders), number):
                value = await contenders[name](number)
                measured[name].append(value)
                self.say(f"round {number + 1} of {count}: {name} {value:.4g}")
        return {name: Sample(tuple(values)) for name, values in measured.items()}

    def report(self, name: str, ratio: float, target: Target | None = None, **details: Any) -> Line:
        """Print a result and keep it; details must be what JSON can say, or Samples."""
        line = Line(name, ratio, target, details)
        self.lines.append(line)
        print(line, flush=True)
        return line


def rotated(names: Sequence[str], by: int) -> list[str]:
    """The names in a round's order: each is first in turn."""
    start = by % len(names) if names else 0
    return [*names[start:], *names[:start]]


async def run_one(item: Benchmark, bench: Bench) -> str | None:
    """Run a benchmark within its limit; says why it failed, or None."""
    try:
        async with asyncio.timeout(item.minutes * 60):
            await item.run(bench)
    except TimeoutError:
        return f"not done within {item.minutes:g} minutes"
    except Exception as error:
        bench.say(f"{item.name} failed: {error!r}")
        return repr(error)
    own = [line for line in bench.lines if line.name == item.name]
    return None if own else "reported no line of its own name"

"""The benchmark `peers`: the same lifecycle on other engines, and on none of Odoo at all."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Protocol

from benchmarks import contracts, product
from benchmarks.frame import Bench, Contender, Sample, at_least, benchmark, paired_ratio
from benchmarks.peers import outside_peers, queue_job_peer
from benchmarks.peers.environment import prepare
from benchmarks.peers.hosting import Program
from benchmarks.peers.lifecycle import SignedContract
from benchmarks.product import Product
from benchmarks.remote import RealRemote, Remote, Tally

MILESTONES = 4
# The demo's rules let an invoice of so much pass without a person, as the peers let every one.
AMOUNT = 40
_TRIED = {"dbos": (1, 2, 4, 8), "celery": (1, 2, 4, 8), "queue_job": (2, 4)}
_TRIAL = 12
# What a quick run takes untried.
_USUAL = {"dbos": 4, "celery": 4, "queue_job": 2}
_SECONDS_TO_BEGIN, _SECONDS_A_CONTRACT = 240, 60
_NOTHINGS_SECONDS = 600


class Nothings(Protocol):
    """An engine that is ready; raises HarnessError."""

    def run_nothings(self, count: int, *, seconds: float) -> None: ...


class Runner(Nothings, Protocol):
    """A peer that is ready; raises HarnessError."""

    def run_contracts(self, contracts: Sequence[SignedContract], *, seconds: float) -> None: ...


class Engine(Protocol):
    """Makes an engine ready."""

    def __call__(self) -> AbstractContextManager[Nothings]: ...


class Peer(Protocol):
    """A peer that can be made ready with a number of contracts at once."""

    def ready(self, at_once: int) -> AbstractContextManager[Runner]: ...


@benchmark("peers", about="the same lifecycle on DBOS, Celery and queue_job", minutes=180)
async def peers(bench: Bench) -> None:
    """Contracts a minute, from signature to the last of four posted invoices; and the engines'
    own rates, of workflows of five steps that do nothing."""
    if not bench.real:
        raise ValueError("the peers need the real Odoo")
    count = bench.size(full=40, quick=2)
    with bench.odoo() as odoo, ExitStack() as stack:
        assert isinstance(odoo, RealRemote)
        found, remotes = await asyncio.to_thread(_all_peers, bench, odoo, stack)
        at_once = {name: await _best(bench, name, found[name], remotes[name]) for name in found}
        contenders: dict[str, Contender] = {
            name: partial(_by_peer, found[name], remotes[name], at_once[name], count)
            for name in found
        }
        ours: Contender = partial(_by_us, bench, odoo, count)
        samples = await bench.rounds({"ours": ours, **contenders})
        ratios = {name: paired_ratio(samples["ours"], samples[name]) for name in found}
        for name, ratio in ratios.items():
            bench.report(
                f"peers_{name}",
                ratio,
                at_least(1),
                unit="contracts a minute",
                contracts=count,
                milestones=MILESTONES,
                at_once=at_once[name],
                samples={"ours": samples["ours"], name: samples[name]},
            )
        engines = await _nothings(bench, odoo, found, at_once)
    for name in found:
        bench.report(
            f"peers_noop_{name}",
            paired_ratio(engines["ours"], engines[name]),
            unit="workflows of five steps that do nothing, a second",
            samples={"ours": engines["ours"], name: engines[name]},
        )
    bench.report("peers", min(ratios.values()), at_least(1), unit="of the fastest peer")


def _all_peers(
    bench: Bench, odoo: RealRemote, stack: ExitStack
) -> tuple[dict[str, Peer], dict[str, Remote]]:
    """The peers, and the Odoo each works on: queue_job's has its addons, and is one of its own."""
    bench.say("preparing the peers (the first time they are fetched, which takes minutes)")
    environment = prepare()
    dbos = outside_peers.dbos(environment, odoo, bench.new_folder("dbos"))
    celery = stack.enter_context(
        outside_peers.celery(environment, odoo, bench.new_folder("celery"))
    )
    bench.say("starting an Odoo with queue_job")
    queue_job = stack.enter_context(queue_job_peer.running(environment))
    inside = RealRemote(queue_job.odoo)
    return (
        {"dbos": dbos, "celery": celery, "queue_job": queue_job},
        {"dbos": odoo, "celery": odoo, "queue_job": inside},
    )


# --- the lifecycle ------------------------------------------------------------------------------


async def _best(bench: Bench, name: str, peer: Peer, odoo: Remote) -> int:
    """How many contracts at once suit a peer best, in a trial."""
    if bench.quick:
        return _USUAL[name]
    rates = {n: await _by_peer(peer, odoo, n, _TRIAL, 0) for n in _TRIED[name]}
    best = max(rates, key=lambda at_once: rates[at_once])
    shown = ", ".join(f"{at_once}: {rate:.1f}" for at_once, rate in rates.items())
    bench.say(f"{name}, contracts a minute by contracts at once: {shown}; best {best}")
    return best


async def _by_peer(peer: Peer, odoo: Remote, at_once: int, count: int, _round: int) -> float:
    """Contracts a minute of a peer, after one that warms it up."""

    def run() -> float:
        with peer.ready(at_once) as runner:
            _run_contracts(runner, odoo, 1)
            return 60 * count / _run_contracts(runner, odoo, count)

    return await asyncio.to_thread(run)


def _run_contracts(runner: Runner, odoo: Remote, count: int) -> float:
    """The seconds that so many new contracts take."""
    tag, signed = _signed(count)
    started = time.monotonic()
    runner.run_contracts(signed, seconds=_limit(count))
    seconds = time.monotonic() - started
    _check(odoo.tally(tag), count)
    return seconds


async def _by_us(bench: Bench, odoo: RealRemote, count: int, _round: int) -> float:
    """Contracts a minute of the product, after one that warms it up.

    A Temporal and a worker of its own, and Odoo starts anew afterwards: what the invoices go on to
    do once they are posted, such as being mailed, must not burden whoever is next.
    """
    async with product.running(bench, odoo) as ours:
        tag, _ = await _run_ours(ours, 1)
        await ours.until("the first mails", lambda: _all_sent(odoo, tag), seconds=_limit(1))
        _, seconds = await _run_ours(ours, count)
    await asyncio.to_thread(odoo.server.restart)
    return 60 * count / seconds


async def _all_sent(odoo: Remote, tag: str) -> bool:
    """A mail under way is in nobody's log: Odoo writes a call down when it ends."""
    return (await asyncio.to_thread(odoo.tally, tag)).sent == MILESTONES


async def _run_ours(ours: Product, count: int) -> tuple[str, float]:
    """The tag of so many new contracts, and the seconds from the first start until the last
    invoice is posted. That its milestones are reached, each contract is told at once, and keeps
    it until it may bill."""
    tag, signed = _signed(count)
    started = time.monotonic()
    await ours.start(signed)
    await ours.reach(signed)

    async def all_posted() -> bool:
        found = await asyncio.to_thread(ours.odoo.tally, tag)
        return found.posted == count * MILESTONES and found.tasks == count * MILESTONES

    await ours.until(f"{count} contracts invoiced", all_posted, seconds=_limit(count))
    seconds = time.monotonic() - started
    _check(ours.odoo.tally(tag), count)
    return tag, seconds


def _limit(count: int) -> float:
    """The seconds that so many contracts may take."""
    return _SECONDS_TO_BEGIN + count * _SECONDS_A_CONTRACT


def _signed(count: int) -> tuple[str, list[SignedContract]]:
    tag = contracts.tag()
    return tag, contracts.signed(tag, count, milestones=MILESTONES, amount=AMOUNT)


def _check(found: Tally, count: int) -> None:
    """All contenders must have made the same records, each once; ours may have been mailed."""
    total = Decimal(count * MILESTONES * AMOUNT)
    wanted = Tally(
        customers=count,
        projects=count,
        milestones=count * MILESTONES,
        reached=count * MILESTONES,
        tasks=count * MILESTONES,
        confirmed=count,
        ordered=total,
        drafts=0,
        posted=count * MILESTONES,
        sent=0,
        invoiced=total,
    )
    if replace(found, sent=0) != wanted:
        raise AssertionError(f"Odoo has {found}, not {wanted}")


# --- the engines alone --------------------------------------------------------------------------


async def _nothings(
    bench: Bench, odoo: Remote, found: Mapping[str, Peer], at_once: Mapping[str, int]
) -> dict[str, Sample]:
    """Workflows a second of each engine, ours on a Temporal of its own."""
    count = bench.size(full=100, quick=10)
    temporal = Product(bench.new_folder("nothings"), odoo, {}, {})
    try:
        await temporal.start_temporal()
        ready: dict[str, Engine] = {"ours": partial(_our_engine, temporal)}
        ready |= {name: partial(peer.ready, at_once[name]) for name, peer in found.items()}
        return await bench.rounds(
            {name: partial(_rate_of_nothings, engine, count) for name, engine in ready.items()}
        )
    finally:
        temporal.stop()


async def _rate_of_nothings(engine: Engine, count: int, _round: int) -> float:
    def run() -> float:
        with engine() as runner:
            runner.run_nothings(2, seconds=_NOTHINGS_SECONDS)
            started = time.monotonic()
            runner.run_nothings(count, seconds=_NOTHINGS_SECONDS)
            return count / (time.monotonic() - started)

    return await asyncio.to_thread(run)


@contextmanager
def _our_engine(temporal: Product) -> Iterator[Nothings]:
    told = {"TEMPORAL_ADDRESS": temporal.address, "TEMPORAL_NAMESPACE": product.NAMESPACE}
    command = [sys.executable, "-m", "benchmarks.peers.nothings"]
    log = temporal.folder / "nothings.log"
    with Program(command, environment=told, log=log) as program:
        yield outside_peers.Outside(program)

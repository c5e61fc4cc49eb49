"""Signed contracts to confirmed orders with project, milestones and tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal

from benchmarks import contracts, product
from benchmarks.frame import Bench, at_least, benchmark, paired_ratio
from benchmarks.product import Product
from benchmarks.remote import Remote, Tally
from benchmarks.script import THREADS, Script, on_threads
from contracts.model import JsonObject

MILESTONES = 4
_SECONDS_A_CONTRACT = 20


@benchmark("onboarding", about="signed contracts to confirmed order and project", minutes=60)
async def onboarding(bench: Bench) -> None:
    """Contracts a minute, ours against the script with its best number of threads."""
    count = bench.size(full=200, quick=8)
    with bench.odoo() as odoo:
        script = Script(odoo)
        threads = await best_threads(bench, odoo, script)
        async with product.running(bench, odoo) as ours:
            await onboard(ours, 1)  # neither is to be measured before it has ever run
            samples = await bench.rounds(
                {
                    "ours": lambda _: onboard(ours, count),
                    "script": lambda _: onboard_by_script(odoo, script, threads, count),
                }
            )
    bench.report(
        "onboarding",
        paired_ratio(samples["ours"], samples["script"]),
        at_least(5),
        unit="contracts a minute",
        contracts=count,
        milestones=MILESTONES,
        script_threads=threads,
        samples=samples,
    )


async def best_threads(bench: Bench, odoo: Remote, script: Script) -> int:
    """The number of threads that the script does most contracts a minute with."""
    tried = THREADS if not bench.quick else THREADS[1:3]
    count = bench.size(full=24, quick=4)
    await onboard_by_script(odoo, script, 1, 1)
    rates = {n: await onboard_by_script(odoo, script, n, count) for n in tried}
    best = max(rates, key=lambda n: rates[n])
    shown = ", ".join(f"{n}: {rate:.0f}" for n, rate in rates.items())
    bench.say(f"script, contracts a minute by threads: {shown}; best {best}")
    return best


async def onboard(ours: Product, count: int) -> float:
    """Contracts a minute, from the first start until Odoo has everything of the last."""
    tag = contracts.tag()
    signed = contracts.signed(tag, count, milestones=MILESTONES)
    seconds = await seconds_to_onboard(ours, tag, signed)
    check(ours.odoo.tally(tag), count)
    return 60 * count / seconds


async def seconds_to_onboard(ours: Product, tag: str, signed: Sequence[JsonObject]) -> float:
    """Start the contracts; the seconds until all their records are in Odoo."""
    loop = asyncio.get_running_loop()
    tasks = sum(len(item["milestones"]) for item in signed)

    async def is_done() -> bool:
        found = await asyncio.to_thread(ours.odoo.tally, tag)
        return found.confirmed == len(signed) and found.tasks == tasks

    started = loop.time()
    await ours.start(signed)
    limit = 60 + _SECONDS_A_CONTRACT * len(signed)
    await ours.until(f"{len(signed)} contracts provisioned", is_done, seconds=limit)
    return loop.time() - started


async def onboard_by_script(odoo: Remote, script: Script, threads: int, count: int) -> float:
    """Contracts a minute of the script."""
    tag = contracts.tag()
    signed = contracts.signed(tag, count, milestones=MILESTONES)
    _, seconds = await on_threads(threads, script.onboard, ((item,) for item in signed))
    check(odoo.tally(tag), count)
    return 60 * count / seconds


def check(found: Tally, count: int) -> None:
    """Both contenders must have made the same records, or their times say nothing."""
    wanted = Tally(
        customers=count,
        projects=count,
        milestones=count * MILESTONES,
        reached=0,
        tasks=count * MILESTONES,
        confirmed=count,
        ordered=Decimal(count * MILESTONES * contracts.AMOUNT),
        drafts=0,
        posted=0,
        sent=0,
        invoiced=Decimal(0),
    )
    if found != wanted:
        raise AssertionError(f"Odoo has {found}, not {wanted}")

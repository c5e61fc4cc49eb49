"""Calls to Odoo for one contract, from its signature until its last invoice is mailed."""

from __future__ import annotations

import asyncio
from collections import Counter

from benchmarks import contracts, product
from benchmarks.frame import Bench, at_most, benchmark
from benchmarks.onboarding import MILESTONES, seconds_to_onboard
from benchmarks.product import Product
from benchmarks.remote import Remote
from benchmarks.script import Script, on_threads
from contracts.model import JsonObject

_SECONDS_AN_INVOICE = 20
# Calls are counted here, not timed; and two that print at once, of as many of Odoo's processes,
# would wait for each other.
_SCRIPT_THREADS = 1


@benchmark("round_trips", about="calls to Odoo for one contract", minutes=60)
async def round_trips(bench: Bench) -> None:
    """Ours to the script's: many contracts at once, and one contract alone, bill after bill.

    Counted as they arrive in Odoo, until the last invoice is mailed and Odoo is idle, so that
    nothing of either is left out.
    """
    count, alone = bench.size(full=50, quick=4), bench.size(full=3, quick=1)
    with bench.odoo() as odoo:
        script = Script(odoo)
        async with product.running(bench, odoo) as ours:
            await _at_once(ours, 1)  # what is looked up once was looked up
            by_script = await _by_script(odoo, script, alone)
            bench.say(f"script: {by_script.total() / alone:.1f} calls a contract")
            loaded = await _at_once(ours, count)
            bench.say(f"{count} at once: {loaded.total() / count:.1f} calls a contract")
            singly = await _one_by_one(ours, alone)
    scripted = by_script.total() / alone
    bench.report(
        "round_trips_alone",
        singly.total() / alone / scripted,
        at_most(0.5),
        contracts=alone,
        calls_a_contract={"ours": singly.total() / alone, "script": scripted},
        calls={"ours": singly, "script": by_script},
    )
    bench.report(
        "round_trips",
        loaded.total() / count / scripted,
        at_most(0.1),
        contracts=count,
        calls_a_contract={"ours": loaded.total() / count, "script": scripted},
        calls={"ours": loaded, "script": by_script},
    )


async def _by_script(odoo: Remote, script: Script, count: int) -> Counter[str]:
    """What the script calls is the same, loaded or not."""
    before = odoo.calls()
    tag = contracts.tag()

    def whole(contract: JsonObject) -> None:
        order = script.onboard(contract)
        for part in order.parts:
            script.send(script.bill(order, part))

    signed = contracts.signed(tag, count, milestones=MILESTONES)
    await on_threads(_SCRIPT_THREADS, whole, ((item,) for item in signed))
    _check(odoo, tag, count * MILESTONES)
    return odoo.calls() - before


async def _at_once(ours: Product, count: int) -> Counter[str]:
    """Many contracts: all signed at once, all milestones reached at once, all approved at once."""
    before = ours.odoo.calls()
    tag = contracts.tag()
    signed = contracts.signed(tag, count, milestones=MILESTONES)
    await seconds_to_onboard(ours, tag, signed)
    await ours.reach(signed)
    await _approve_until_mailed(ours, tag, count * MILESTONES, count * MILESTONES)
    await ours.odoo.quiet()
    return ours.odoo.calls() - before


async def _one_by_one(ours: Product, count: int) -> Counter[str]:
    """One contract alone, and one milestone of it after the other."""
    before = ours.odoo.calls()
    for _ in range(count):
        tag = contracts.tag()
        signed = contracts.signed(tag, 1, milestones=MILESTONES)
        await seconds_to_onboard(ours, tag, signed)
        for number, milestone in enumerate(signed[0]["milestones"], start=1):
            await ours.reach([{**signed[0], "milestones": [milestone]}])
            await _approve_until_mailed(ours, tag, 1, number)
        await ours.odoo.quiet()
    return ours.odoo.calls() - before


async def _approve_until_mailed(ours: Product, tag: str, proposed: int, mailed: int) -> None:
    """Approve what is proposed; until so many invoices of the tag are mailed in all."""
    limit = 60 + _SECONDS_AN_INVOICE * proposed
    await ours.approve(await ours.awaiting(proposed, seconds=limit))

    async def is_mailed() -> bool:
        return (await asyncio.to_thread(ours.odoo.tally, tag)).sent >= mailed

    await ours.until(f"{mailed} invoices mailed", is_mailed, seconds=limit)
    _check(ours.odoo, tag, mailed)


def _check(odoo: Remote, tag: str, invoices: int) -> None:
    found = odoo.tally(tag)
    if (found.posted, found.sent) != (invoices, invoices):
        raise AssertionError(f"Odoo has {found}, not {invoices} mailed invoices")

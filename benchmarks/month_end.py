"""Month end: many approvals at once to posted invoices, and one alone.

Two baselines: a script of single calls, as it is written at firms, and `limit`, the best batch
program that one could write without an engine: everything in groups, the best size of them on the
best number of threads. It shows what approvals one by one, each durable by itself, cost beside
that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from activities.odoo.paging import batches
from benchmarks import contracts, product
from benchmarks.frame import (
    Bench,
    Sample,
    at_least,
    at_most,
    benchmark,
    paired_ratio,
    percentile,
)
from benchmarks.onboarding import MILESTONES, seconds_to_onboard
from benchmarks.product import NotServed, Product
from benchmarks.remote import Remote
from benchmarks.script import Order, Part, Script, best_threads, on_threads

Parts = Sequence[tuple[Order, Part]]
Bill = Callable[[Parts], Awaitable[tuple[float, float]]]
"""Bills the parts; the seconds until all are drafts, and from then on until all are posted."""

_SECONDS_AN_INVOICE = 10
_LONGEST_CALL_SECONDS = 15
"""To mail an invoice; what the worker asked for before it ended, Odoo goes on to do."""
_POST = "action_post"


@dataclass
class Posting:
    """What was measured beside whole rounds: invoices a second from approval to posted, the
    seconds within which 99 of 100 of those approved at once were posted, and the seconds that
    Odoo spent on an invoice, by its own log."""

    rates: list[float] = field(default_factory=list)
    p99_seconds: list[float] = field(default_factory=list)
    odoo_seconds: list[float] = field(default_factory=list)


@benchmark("month_end", about="approvals at once to posted invoices", minutes=120)
async def month_end(bench: Bench) -> None:
    """Invoices a second from reached milestones over approval to posted; and a lone approval.

    Both make all drafts first and post them then, as an approval lies between.
    """
    count = bench.size(full=250, quick=2)
    ours, theirs, together = Posting(), Posting(), Posting()
    with bench.odoo() as odoo:
        script = Script(odoo)
        few = bench.size(full=6, quick=1)
        threads = await best_threads(
            bench, "invoices a second", lambda threads: _rate(script, threads, few)
        )
        groups = await _best_groups(bench, script, threads)
        by = partial(_bill_by, odoo, script, threads, count)
        samples = await bench.rounds(
            {
                "ours": lambda _: _bill(bench, odoo, count, ours),
                "script": lambda _: by(theirs, _one_by_one(script, threads)),
                "limit": lambda _: by(together, _in_groups(script, groups)),
            }
        )
        await _alone(bench, odoo, script)
    shared: dict[str, Any] = {"invoices": count * MILESTONES, "script_threads": threads}
    from_approval = {"ours": Sample(tuple(ours.rates)), "script": Sample(tuple(theirs.rates))}
    bench.report(
        "month_end_from_approval",
        paired_ratio(from_approval["ours"], from_approval["script"]),
        unit="invoices a second, drafts made before",
        samples=from_approval,
        **shared,
    )
    of_odoo = {
        "ours": Sample(tuple(ours.odoo_seconds)),
        "script": Sample(tuple(theirs.odoo_seconds)),
    }
    bench.report(
        "month_end_of_odoo",
        paired_ratio(of_odoo["script"], of_odoo["ours"]),
        unit="seconds of Odoo an invoice, by its log; the script's to ours",
        samples=of_odoo,
        **shared,
    )
    bench.report(
        "month_end_limit",
        paired_ratio(samples["ours"], samples["limit"]),
        at_least(0.9),
        unit="invoices a second, drafts included, ours to those of the best batch program",
        samples={name: samples[name] for name in ("ours", "limit")},
        odoo_seconds=Sample(tuple(together.odoo_seconds)),
        group=groups.size,
        group_threads=groups.threads,
        **shared,
    )
    bench.report(
        "month_end",
        paired_ratio(samples["ours"], samples["script"]),
        at_least(5),
        unit="invoices a second, drafts included",
        samples=samples,
        p99_seconds=Sample(tuple(ours.p99_seconds)),
        **shared,
    )


# --- ours ---------------------------------------------------------------------------------------


async def _bill(bench: Bench, odoo: Remote, count: int, posting: Posting) -> float:
    """Invoices a second. A Temporal and a worker of its own: what the invoices go on to do once
    they are posted, such as being mailed, must not burden whoever is next."""
    tag = contracts.tag()
    signed = contracts.signed(tag, count, milestones=MILESTONES)
    invoices = count * MILESTONES
    limit = 60 + _SECONDS_AN_INVOICE * invoices
    async with product.running(bench, odoo) as ours:
        await seconds_to_onboard(ours, tag, signed)
        started = time.time()
        await ours.reach(signed)
        # By what Odoo holds: an invoice is listed as awaiting approval from its start, and asking
        # each of them again and again whether it has its draft would be most of the work.
        await ours.until(f"{invoices} drafts", lambda: _drafted(ours, tag, invoices), seconds=limit)
        items = await ours.awaiting(invoices, seconds=limit)
        drafted = approved = time.time()
        posted_at = await _approve_and_watch(ours, tag, invoices, lambda: ours.approve(items))
    await odoo.quiet(_LONGEST_CALL_SECONDS)
    _check(odoo, tag, invoices)
    posted = posted_at[-1]
    posting.odoo_seconds.append(_of_odoo(odoo, started, posted) / invoices)
    posting.rates.append(invoices / (posted - approved))
    posting.p99_seconds.append(percentile(posted_at, 0.99) - approved)
    return invoices / (drafted - started + posted - approved)


async def _drafted(ours: Product, tag: str, invoices: int) -> bool:
    return (await asyncio.to_thread(ours.odoo.tally, tag)).drafts >= invoices


async def _approve_and_watch(
    ours: Product, tag: str, invoices: int, approve: Callable[[], Coroutine[Any, Any, None]]
) -> list[float]:
    """Approve, and watch Odoo meanwhile: when (Unix time) each further invoice was seen posted."""
    seen: list[float] = []

    async def all_posted() -> bool:
        found = (await asyncio.to_thread(ours.odoo.tally, tag)).posted
        seen.extend([time.time()] * (found - len(seen)))
        return found >= invoices

    limit = 60 + _SECONDS_AN_INVOICE * invoices
    async with asyncio.TaskGroup() as group:
        group.create_task(approve())
        group.create_task(ours.until(f"{invoices} invoices posted", all_posted, seconds=limit))
    return seen


def _of_odoo(odoo: Remote, since: float, until: float) -> float:
    """The seconds Odoo spent on the calls that ended between these moments (Unix time)."""
    return sum(call.seconds for call in odoo.logged() if since < call.ended_at <= until)


def _check(odoo: Remote, tag: str, invoices: int) -> None:
    """Both contenders must have posted the same, or their times say nothing."""
    found = odoo.tally(tag)
    wanted = (invoices, 0, invoices, Decimal(invoices * contracts.AMOUNT))
    if (found.reached, found.drafts, found.posted, found.invoiced) != wanted:
        raise AssertionError(f"Odoo has {found}, not {invoices} posted invoices")


# --- the script ---------------------------------------------------------------------------------


async def _rate(script: Script, threads: int, count: int) -> float:
    """Invoices a second that the script bills, of so many contracts that it entered before."""
    parts = await _entered(script, threads, contracts.tag(), count)
    _, seconds = await on_threads(threads, script.bill, parts)
    return len(parts) / seconds


async def _entered(script: Script, threads: int, tag: str, count: int) -> list[tuple[Order, Part]]:
    """The parts of so many contracts that the script has entered; not timed."""
    signed = contracts.signed(tag, count, milestones=MILESTONES)
    orders, _ = await on_threads(threads, script.onboard, ((item,) for item in signed))
    return [(order, part) for order in orders for part in order.parts]


async def _bill_by(
    odoo: Remote, script: Script, threads: int, count: int, posting: Posting, bill: Bill
) -> float:
    """Invoices a second; `threads` are for entering the contracts, which is not timed."""
    tag = contracts.tag()
    parts = await _entered(script, threads, tag, count)
    started = time.time()
    drafting, posting_seconds = await bill(parts)
    _check(odoo, tag, len(parts))
    posting.odoo_seconds.append(_of_odoo(odoo, started, time.time()) / len(parts))
    posting.rates.append(len(parts) / posting_seconds)
    return len(parts) / (drafting + posting_seconds)


def _one_by_one(script: Script, threads: int) -> Bill:
    def draft(order: Order, part: Part) -> int:
        script.reach(part)
        return script.draft(order, part)

    async def bill(parts: Parts) -> tuple[float, float]:
        drafts, drafting = await on_threads(threads, draft, parts)
        _, posting = await on_threads(threads, script.post, ((item,) for item in drafts))
        return drafting, posting

    return bill


# --- the best batch program -----------------------------------------------------------------------


@dataclass(frozen=True)
class Groups:
    """How many invoices go into a call, and on how many threads."""

    size: int
    threads: int


_TRIED = tuple(Groups(size, threads) for size in (20, 50, 100) for threads in (1, 2, 4))


async def _best_groups(bench: Bench, script: Script, threads: int) -> Groups:
    """What the batch program does most with; it bills as many with each."""
    tried = _TRIED[:2] if bench.quick else _TRIED
    count = bench.size(full=50, quick=2)
    rates: dict[Groups, float] = {}
    for groups in tried:
        parts = await _entered(script, threads, contracts.tag(), count)
        rates[groups] = len(parts) / sum(await _in_groups(script, groups)(parts))
    shown = ", ".join(f"{it.size} x {it.threads}: {rate:.3g}" for it, rate in rates.items())
    best = max(tried, key=lambda groups: rates[groups])
    bench.say(f"limit, invoices a second by group and threads: {shown}")
    return best


def _in_groups(script: Script, groups: Groups) -> Bill:
    size, threads = groups.size, groups.threads

    async def bill(parts: Parts) -> tuple[float, float]:
        made, drafting = await on_threads(
            threads, script.draft_together, ((some,) for some in batches(parts, size))
        )
        drafts = [invoice for some in made for invoice in some]
        _, posting = await on_threads(
            threads, script.post_together, ((some,) for some in batches(drafts, size))
        )
        return drafting, posting

    return bill


# --- one alone ----------------------------------------------------------------------------------


async def _alone(bench: Bench, odoo: Remote, script: Script) -> None:
    """A lone approval against one bare call, turn by turn, nothing else running."""
    turns = bench.size(full=8, quick=2)
    tag = contracts.tag()
    signed = contracts.signed(tag, 1, milestones=turns)
    parts = await _entered(script, 1, contracts.tag(), -(-turns // MILESTONES))
    drafts, _ = await on_threads(1, script.draft, parts[:turns])
    async with product.running(bench, odoo) as ours:
        await seconds_to_onboard(ours, tag, signed)
        await ours.reach(signed)
        items = await ours.awaiting(turns, seconds=60 + _SECONDS_AN_INVOICE * turns)

        async def approve(turn: int) -> float:
            return await _until_posted(odoo, lambda: ours.approve([items[turn]]))

        async def call(turn: int) -> float:
            return await _until_posted(odoo, lambda: asyncio.to_thread(script.post, drafts[turn]))

        samples = await bench.rounds({"ours": approve, "bare call": call}, rounds=turns)
    bench.report(
        "month_end_alone",
        paired_ratio(samples["ours"], samples["bare call"]),
        at_most(1.3),
        unit="seconds until Odoo has posted it",
        samples=samples,
    )


async def _until_posted(odoo: Remote, act: Callable[[], Coroutine[Any, Any, object]]) -> float:
    """Act once Odoo is idle; the seconds until the call that posts has ended there."""
    await odoo.quiet()
    started = time.time()
    await act()
    deadline = started + 60
    while time.time() < deadline:
        posts = [c for c in odoo.logged() if c.method == _POST and c.ended_at > started]
        if posts:
            return posts[0].ended_at - started
        await asyncio.sleep(0.02)
    raise NotServed("nothing was posted within 60 s")

"""Won deals: calls to the CRM for each record that changed, ours to a script's."""

from __future__ import annotations

import asyncio

from benchmarks.crm_sweep import read_all, report, sweep_once
from benchmarks.frame import Bench, benchmark


@benchmark("won_deals", about="a sweep over many deals of which a few were won", minutes=60)
async def won_deals(bench: Bench) -> None:
    """Calls that a sweep makes, with all that reading its new contracts takes, for each deal won.

    The script gets the time of its last look, searches as we do, and reads one record a call.
    """
    async with sweep_once(bench) as seen:
        await asyncio.to_thread(read_all, seen.client, seen.changed)
        script = seen.hubspot.reads.total() - seen.reads
        report(bench, "won_deals", seen.reads, script, seen)

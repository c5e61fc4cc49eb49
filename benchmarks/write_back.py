"""Statuses: calls to the CRM for each record that changed, ours to a script's."""

from __future__ import annotations

import asyncio

from benchmarks.crm_sweep import report, sweep_once, write_all
from benchmarks.frame import Bench, benchmark


@benchmark("write_back", about="statuses of many contracts that changed", minutes=60)
async def write_back(bench: Bench) -> None:
    """Calls that write statuses, for each status that changed, from signature to active contract.

    The script is given the very same statuses, and writes one a call.
    """
    async with sweep_once(bench) as seen:
        await asyncio.to_thread(write_all, seen.client, seen.written)
        script = seen.hubspot.writes - seen.writes
        report(bench, "write_back", seen.writes, script, seen, records=len(seen.written))

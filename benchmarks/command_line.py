"""What `c2c` commands take of the processor, against the import of Temporal's client alone.

Every command that asks Temporal imports that client: no command can take less. Processor time and
not time on the clock, as most of it is imports, and the rest waits for the server or the worker.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence

from benchmarks import contracts, product
from benchmarks.frame import Bench, Contender, at_most, benchmark, paired_ratio
from benchmarks.onboarding import seconds_to_onboard
from benchmarks.product import Product
from benchmarks.remote import sandbox_remote

_BARE = (sys.executable, "-c", "import temporalio.client")
_C2C = (sys.executable, "-m", "starters")
_SELDOM = ("setup", "check")
"""They speak to Odoo and the CRMs as well, and import their clients."""
_BY = "bench@northwind.example"


def _commands(contract: str) -> dict[str, Sequence[str]]:
    return {
        "help": ["--help"],
        "contract_list": ["contract", "list"],
        "approvals_list": ["approvals", "list"],
        "exceptions_list": ["exceptions", "list"],
        "contract_show": ["contract", "show", contract],
        "statement": ["contract", "statement", contract],
        "invoice_show": ["invoice", "show", f"{contract}/1"],
        "hold": ["contract", "hold", contract, "dunning", "--by", _BY, "--reason", "measured"],
        "setup": ["setup"],
        "check": ["check"],
    }


@benchmark("command_line", about="processor time of c2c's commands", minutes=15)
async def command_line(bench: Bench) -> None:
    """Seconds of each command on a running stack, with one contract and an open approval."""
    turns = bench.size(full=7, quick=2)
    with sandbox_remote(bench.new_folder("sandbox")) as odoo:
        async with product.running(bench, odoo) as ours:
            await _used(ours.environment, [*_C2C, "setup"])
            name = await _contract(ours)
            bare = _contender(ours, _BARE)
            unit = "seconds of processor time, c2c to the import of temporalio.client"
            ratios = {}
            for command, words in _commands(name).items():
                line = _contender(ours, [*_C2C, *words])
                samples = await bench.rounds({command: line, "bare": bare}, rounds=turns)
                ratios[command] = paired_ratio(samples[command], samples["bare"])
                part = f"command_line_{command}"
                bench.report(part, ratios[command], unit=unit, samples=samples)
            daily = max(ratios[command] for command in ratios if command not in _SELDOM)
            bench.report("command_line", daily, at_most(2.5), unit=unit)


async def _contract(ours: Product) -> str:
    """A contract whose first invoice awaits approval, as people write it."""
    tag = contracts.tag()
    [contract] = contracts.signed(tag, 1, milestones=2)
    await seconds_to_onboard(ours, tag, [contract])
    await ours.reach([contract])
    await ours.awaiting(2, seconds=120)
    return f"{contract['legal_entity']}/{contract['contract_id']}"


def _contender(ours: Product, command: Sequence[str]) -> Contender:
    async def seconds(_: int) -> float:
        return await _used(ours.environment, command)

    return seconds


async def _used(environment: dict[str, str], command: Sequence[str]) -> float:
    """The processor time of a process, its own and the kernel's for it, in seconds."""

    def run() -> float:
        silent = subprocess.DEVNULL
        process = subprocess.Popen(command, env=environment, stdout=silent, stderr=silent)  # noqa: S603
        _, _, usage = os.wait4(process.pid, 0)
        return usage.ru_utime + usage.ru_stime

    return await asyncio.to_thread(run)

"""The export of figures: how long it takes, that its memory does not grow, and a plain script."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import contracts, estate, product
from benchmarks.contracts import ENTITY
from benchmarks.copies import Copies
from benchmarks.frame import Bench, at_most, benchmark
from benchmarks.onboarding import seconds_to_onboard
from benchmarks.product import Product
from benchmarks.remote import RealRemote
from contracts.contract.state import ContractState
from contracts.money import Money
from sandbox import people

_MILESTONES, _BILLED, _PAID = 4, 3, 2
_HOURS = 12
"""Lines of hours of a contract, a month each."""
_EMPLOYEE = "petra@northwind.example"
_LIMIT_SECONDS = 300
_WITHIN_SECONDS = 120


@dataclass(frozen=True)
class Run:
    """A process that has ended: how long it took, and its peak of resident memory."""

    seconds: float
    memory_mb: float
    output: str


@benchmark("analytics", about="an export of the figures of many contracts", minutes=90)
async def analytics(bench: Bench) -> None:
    """Seconds of `c2c analytics export`, at two sizes, each in a process of its own.

    One contract goes the whole way: billed, partly paid, with hours. The others are copies of it:
    their workflows start from its state, as one that continues as new, and their records in Odoo
    are made in SQL. So what is read is what Odoo and Temporal would answer of as many real ones.
    """
    small, large = bench.size(full=1_000, quick=50), bench.size(full=10_000, quick=200)
    some = bench.size(full=100, quick=5)
    # Most contracts are such as the worker has forgotten, as they are in a large estate.
    cache: dict[str, Any] = {"cached_workflows": 20} if bench.quick else {}
    with bench.odoo() as odoo:
        if not isinstance(odoo, RealRemote):
            raise ValueError("the export is measured on a real Odoo")
        async with product.running(bench, odoo, **cache) as ours:
            model = await _lived(ours)
            tag = contracts.tag()
            copies = Copies(odoo, f"contract/{ENTITY}/{model.contract_id}", tag)
            runs: dict[int, Run] = {}
            there = 0
            for size in (small, large):
                await asyncio.to_thread(copies.make, there, size)
                await estate.grow(
                    bench,
                    ours,
                    model,
                    there,
                    size,
                    tag=tag,
                    own=lambda number, state: _with_own_invoices(copies, number, state),
                )
                there = size
                runs[size] = await _exported(bench, ours, size)
            script = await _by_script(bench, odoo, some)
    ours_each, script_each = runs[large].seconds / large, script.seconds / some
    bench.report(
        "analytics_memory",
        runs[large].memory_mb / runs[small].memory_mb,
        at_most(1.1),
        unit=f"peak memory of an export of {large} contracts to one of {small}",
        memory_mb={size: run.memory_mb for size, run in runs.items()},
    )
    bench.report(
        "analytics_script",
        script_each / ours_each,
        unit="seconds a contract, the script's to ours",
        script_contracts=some,
        script_seconds=script.seconds,
        script_memory_mb=script.memory_mb,
    )
    bench.report(
        "analytics",
        runs[large].seconds,
        at_most(_WITHIN_SECONDS),
        unit=f"seconds for an export of {large} contracts",
        seconds={size: run.seconds for size, run in runs.items()},
    )


# --- the contracts --------------------------------------------------------------------------------


async def _lived(ours: Product) -> ContractState:
    """A contract of four milestones: three are billed, of which two are paid; with hours."""
    tag = contracts.tag()
    [signed] = contracts.signed(tag, 1, milestones=_MILESTONES)
    await seconds_to_onboard(ours, tag, [signed])
    await ours.reach([{**signed, "milestones": signed["milestones"][:_BILLED]}])
    await ours.approve(await ours.awaiting(_BILLED, seconds=_LIMIT_SECONDS))
    contract = ours.c2c.contract(product.workflow_id(signed))

    async def are_billed() -> bool:
        found = (await contract.state()).invoices
        return len([item for item in found.values() if item.invoice_id]) == _BILLED

    await ours.until("the invoices", are_billed, seconds=_LIMIT_SECONDS)
    await ours.odoo.quiet()
    state = await contract.state()
    await asyncio.to_thread(_work_and_pay, ours, state)
    return state


def _work_and_pay(ours: Product, state: ContractState) -> None:
    manager, accountant = ours.odoo.client("pm"), ours.odoo.client("accountant")
    [employee] = manager.search_read("hr.employee.public", [("work_email", "=", _EMPLOYEE)], ["id"])
    today = datetime.now(UTC).date()
    rows = [
        {
            "project_id": state.odoo.project_id,
            "employee_id": employee["id"],
            "date": today - timedelta(days=29 * number),
            "unit_amount": 6.5,
            "name": "Work",
        }
        for number in range(_HOURS)
    ]
    manager.create("account.analytic.line", rows)
    issued = [item.invoice_id for _, item in sorted(state.invoices.items()) if item.invoice_id]
    fields = ["name", "amount_residual", "currency_id"]
    for row in accountant.read("account.move", issued[:_PAID], fields):
        amount = Money.rounded(row["amount_residual"], row["currency_id"][1])
        people.register_payment(accountant, row["id"], row["name"], amount, today)


def _with_own_invoices(copies: Copies, number: int, state: ContractState) -> ContractState:
    """The state of a contract whose invoices in Odoo are its own."""
    invoices = {
        key: item.model_copy(update={"invoice_id": copies.invoice(number, item.invoice_id)})
        if item.invoice_id
        else item
        for key, item in state.invoices.items()
    }
    return state.model_copy(update={"invoices": invoices})


# --- what is measured -----------------------------------------------------------------------------


async def _exported(bench: Bench, ours: Product, size: int) -> Run:
    """An export of the model and its copies, as a person would start it."""
    folder = bench.new_folder("figures")
    command = ["-m", "starters", "analytics", "export", "--to", str(folder), "--json"]
    command += ["--entity", ENTITY]
    run = await asyncio.to_thread(_run, command, ours.environment, folder / "log")
    [done] = json.loads(run.output)["exports"]
    bench.say(f"{size} contracts: {run.seconds:.1f} s, {run.memory_mb:.0f} MB; {done['rows']}")
    rows = done["rows"]
    wanted = {"contracts": size + 1, "billed": _BILLED * (size + 1)}
    found = {name: rows[name] for name in wanted}
    if found != wanted or done["left_out"]:
        raise AssertionError(f"{found} rows, not {wanted}; left out: {done['left_out']}")
    return run


async def _by_script(bench: Bench, odoo: RealRemote, count: int) -> Run:
    """A plain script that reads so many contracts, record by record."""
    folder = bench.new_folder("script")
    command = ["-m", "benchmarks.analytics_script", odoo.url, odoo.database, str(odoo.keys["c2c"])]
    command += [str(count), str(folder)]
    run = await asyncio.to_thread(_run, command, os.environ, folder / "log")
    bench.say(f"script, {count} contracts: {run.seconds:.1f} s, {run.memory_mb:.0f} MB")
    return run


def _run(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Run:
    """Run Python and wait. Raises AssertionError where it fails."""
    started = time.perf_counter()
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            env=dict(environment),
            text=True,
        )
    with process:
        output = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = output + log.read_text(encoding="utf-8")
        raise AssertionError(f"{' '.join(arguments)} ended with {process.returncode}: {said}")
    return Run(time.perf_counter() - started, used.ru_maxrss / 1024, output)

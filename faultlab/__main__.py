"""`python -m faultlab`: the fault campaign, for people."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from faultlab import campaign, hosts
from faultlab import report as reports
from faultlab.campaign import ALL, AT_ONCE_REAL, FAMILIES, LINKS, Outcome, Plan
from faultlab.network_faults import Loss
from sandbox.stack import StackError

REPORT = Path(".run/faults.json")
EVIDENCE = "histories"
"""The folder beside the report with the histories of what went wrong."""
_PIPED_WIDTH = 160
"""Columns where no terminal says otherwise: a log must not cut identifiers."""
_ALONE_SECONDS = 95.0
"""One scenario has its verdict in two minutes, the start of its stack and the look included."""
_ENOUGH_FOR_BOUNDARIES = 100
"""Fewer scenarios may not come to every activity."""


def faults(
    seeds: Annotated[int, typer.Option(min=1, help="How many scenarios to run.")] = 500,
    real: Annotated[
        int | None,
        typer.Option(min=0, help="How many of them on a real Odoo 19; a tenth by default."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="FAULT", help="Only this fault, such as F3; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(min=1, help="The first scenario's seed.")] = 1,
    lose: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LOSS",
            help="For one scenario: the only answers that are lost, as ACTIVITY/WRITE/WAY, "
            f'or "{reports.NOTHING}".',
        ),
    ] = None,
    on_hosts: Annotated[
        bool,
        typer.Option(
            "--hosts",
            help="On five hosts of an own network, whose links are cut and slow (F16); "
            "needs the right to make networks.",
        ),
    ] = False,
    report: Annotated[
        Path, typer.Option(metavar="FILE", help="Where the report goes as JSON.")
    ] = REPORT,
) -> None:
    """Run contracts under faults, then look whether anything was lost or doubled."""
    families = frozenset(only or ALL)
    possible = (*FAMILIES, LINKS) if on_hosts else FAMILIES
    if unknown := families.difference(possible):
        raise typer.BadParameter(
            f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(possible)}"
        )
    on_real = seeds // 10 if real is None else min(real, seeds)
    plans = _plans(seed, seeds - on_real, on_real, families, report.parent / EVIDENCE)
    if on_hosts:
        # Workers are killed at random: at boundaries it must be clear what they recovered from.
        plans = [replace(plan, on_hosts=True, boundaries=False) for plan in plans]
    if seeds == 1:
        plans = [replace(plan, most_seconds=_ALONE_SECONDS, lose=_lost(lose)) for plan in plans]
    elif lose:
        raise typer.BadParameter("--lose is for one scenario: --seeds 1")
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)
    try:
        if on_hosts:
            hosts.leave_the_network()
        outcomes = [_run(plan, console) for plan in plans]
    except StackError as error:
        console.print(f"Error: {error}", markup=False, style="red")
        raise typer.Exit(1) from error
    reports.show(console, outcomes)
    reports.write(report, outcomes)
    console.print(f"report: {report}")
    console.print(reports.last_line(outcomes))
    if any(outcome.violations for outcome in outcomes):
        raise typer.Exit(1)


def _plans(
    first: int, on_sandbox: int, on_real: int, families: frozenset[str], evidence: Path
) -> list[Plan]:
    """One campaign on the stand-in and one on the real Odoo, as far as there is one to run."""
    sandbox = Plan(
        seeds=range(first, first + on_sandbox),
        families=families,
        evidence=evidence,
        boundaries="F1" in families and on_sandbox >= _ENOUGH_FOR_BOUNDARIES,
    )
    real = Plan(
        seeds=range(first + on_sandbox, first + on_sandbox + on_real),
        real=True,
        families=families,
        evidence=evidence,
        at_once=AT_ONCE_REAL,
    )
    return [plan for plan in (sandbox, real) if plan.seeds]


def _lost(texts: list[str] | None) -> tuple[Loss, ...] | None:
    if texts is None:
        return None
    try:
        return tuple(Loss.parse(text) for text in texts if text != reports.NOTHING)
    except ValueError as error:
        raise typer.BadParameter(f"--lose: {error}") from error


def _run(plan: Plan, console: Console) -> Outcome:
    def say(text: str) -> None:
        console.print(text, style="dim", markup=False)

    with tempfile.TemporaryDirectory(prefix="c2c-faults-", ignore_cleanup_errors=True) as folder:
        return asyncio.run(campaign.run(plan, Path(folder), say=say))


if __name__ == "__main__":
    typer.run(faults)

"""`c2c faults`: the fault campaign, for people."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from starters.cli.errors import ExitCode, UsageError
from starters.cli.session import run, session_of

REPORT = Path(".run/faults.json")
EVIDENCE = "histories"
"""The folder beside the report with the histories of what went wrong."""


def faults(
    context: typer.Context,
    seeds: Annotated[int, typer.Option(min=1, help="How many contracts to lead.")] = 500,
    real: Annotated[
        int | None,
        typer.Option(min=0, help="How many of them on a real Odoo 19; a tenth by default."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="FAULT", help="Only this fault, such as F3; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(min=1, help="The first contract's seed.")] = 1,
    report: Annotated[
        Path, typer.Option(metavar="FILE", help="Where the report goes as JSON.")
    ] = REPORT,
) -> None:
    """Lead contracts through a storm of faults, then look whether anything was lost or doubled."""
    # The stack's libraries are an extra that production does not install.
    from faultlab import report as reports
    from faultlab.campaign import ALL, AT_ONCE, AT_ONCE_REAL, FAMILIES, Outcome, Plan
    from faultlab.campaign import run as lead

    families = frozenset(only or ALL)
    if unknown := families - ALL:
        raise UsageError(
            f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}"
        )
    on_real = seeds // 10 if real is None else min(real, seeds)
    shares = [(seeds - on_real, False), (on_real, True)]
    console = session_of(context).console
    outcomes: list[Outcome] = []
    first = seed
    for count, is_real in shares:
        if not count:
            continue
        plan = Plan(
            seeds=range(first, first + count),
            real=is_real,
            families=families,
            evidence=report.parent / EVIDENCE,
            at_once=AT_ONCE_REAL if is_real else AT_ONCE,
            boundaries="F1" in families and not is_real and count >= _ENOUGH_FOR_BOUNDARIES,
        )
        with tempfile.TemporaryDirectory(prefix="c2c-faults-", ignore_cleanup_errors=True) as name:
            outcomes.append(
                run(lead(plan, Path(name), say=lambda text: console.print(text, style="dim")))
            )
        first += count
    reports.show(console, outcomes)
    reports.write(report, outcomes)
    console.print(f"report: {report}", highlight=False)
    console.print(reports.last_line(outcomes), highlight=False)
    if any(outcome.violations for outcome in outcomes):
        raise typer.Exit(ExitCode.REFUSED)


_ENOUGH_FOR_BOUNDARIES = 100
"""Fewer lives may not come to every activity."""

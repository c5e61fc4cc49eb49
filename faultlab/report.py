"""What a campaign has to say: a table of every boundary, what was killed, and what is wrong."""

from __future__ import annotations

import json
import shlex
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from faultlab.campaign import ALL, Outcome
from sandbox.proxy import Kind, Moment

_MAX_SHOWN = 50
NOTHING = "nothing"
"""What is lost by a scenario that got every answer."""


def show(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Print everything but the last line."""
    for outcome in outcomes:
        where = "the real Odoo 19" if outcome.plan.real else "the sandbox"
        found = outcome.findings
        console.print(
            f"\n{outcome.runs} scenarios on {where} in {outcome.seconds:.0f} s: {found.histories} "
            f"histories replayed, {found.acknowledged} acknowledged messages looked up in them, "
            f"{found.events} events of {found.deliveries} webhooks"
        )
        for table in (boundaries(outcome), lost_answers(outcome), kills(outcome), links(outcome)):
            if table is not None:
                console.print(table)
    for outcome in outcomes:
        for seed, text in outcome.violations[:_MAX_SHOWN]:
            console.print(f"[red]{escape(f'seed {seed}: {text}')}[/]")
            console.print(f"    again: {again(outcome, seed)}")


def last_line(outcomes: Sequence[Outcome]) -> str:
    """`faults: N runs, V violations`."""
    runs = sum(outcome.runs for outcome in outcomes)
    violations = sum(len(outcome.violations) for outcome in outcomes)
    return f"faults: {runs} runs, {violations} violations"


def again(outcome: Outcome, seed: int) -> str:
    """The command that leads one scenario through the same once more."""
    real = 1 if outcome.plan.real else 0
    only = "".join(f" --only {name}" for name in sorted(outcome.plan.families) if not_all(outcome))
    lost = [str(loss) for loss in outcome.lost_by(seed)] or [NOTHING]
    lose = "".join(f" --lose {shlex.quote(text)}" for text in lost)
    return f"python -m faultlab --seeds 1 --real {real} --seed {seed}{only}{lose}"


def not_all(outcome: Outcome) -> bool:
    return outcome.plan.families != ALL


def boundaries(outcome: Outcome) -> RenderableType | None:
    """F1 by activity: seconds from asked for to done, killed before, during or after its call."""
    if not outcome.boundaries:
        return None
    rows: dict[str, dict[Moment, str]] = defaultdict(dict)
    for item in outcome.boundaries:
        text = "never reached"
        if item.is_hit:
            text = "not recovered" if item.seconds is None else f"{item.seconds:.1f} s"
        rows[item.activity][item.moment] = text
    table = _table("F1: the worker killed around each activity's call, from asked for to done")
    for name in ("Activity", "Before", "During", "After"):
        table.add_column(name)
    for activity, by_moment in rows.items():
        table.add_row(activity, *(by_moment.get(moment, "") for moment in Moment))
    return table


def lost_answers(outcome: Outcome) -> RenderableType | None:
    """F2 by write: how often it was done and the answer was lost."""
    if not outcome.lost.hit:
        return None
    table = _table("F2: done in the remote, and the caller never heard")
    for name in ("Activity", "Write", "Cut off", "Timed out"):
        table.add_column(name)
    counted = Counter((loss.activity, loss.write, loss.way) for loss, _ in outcome.lost.hit)
    for activity, call in sorted({key[:2] for key in counted}):
        cut, held = counted[activity, call, Kind.CUT_AFTER], counted[activity, call, Kind.HOLD]
        table.add_row(activity, call, str(cut), str(held))
    return table


def kills(outcome: Outcome) -> RenderableType | None:
    """What was killed at random, and how long it was away."""
    if not outcome.kills:
        return None
    table = _table("Killed at random moments, and started again")
    for name in ("Fault", "What", "Times", "Seconds away (median)"):
        table.add_column(name)
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for kill in outcome.kills:
        seconds[kill.family, kill.what].append(kill.seconds)
    for (family, what), found in sorted(seconds.items()):
        table.add_row(family, what, str(len(found)), f"{median(found):.1f}")
    return table


def links(outcome: Outcome) -> RenderableType | None:
    """What was done to the links of hosts."""
    if not outcome.links:
        return None
    table = _table("F16: links of hosts")
    for name in ("What", "Times", "Seconds (median)", "Seconds (longest)"):
        table.add_column(name)
    seconds: dict[str, list[float]] = defaultdict(list)
    for what, lasted in outcome.links:
        seconds[what].append(lasted)
    for what, found in sorted(seconds.items()):
        table.add_row(what, str(len(found)), f"{median(found):.1f}", f"{max(found):.1f}")
    return table


def write(file: Path, outcomes: Sequence[Outcome]) -> None:
    """The same as JSON, for machines."""
    document = [
        {
            "odoo": "real" if outcome.plan.real else "sandbox",
            "families": sorted(outcome.plan.families),
            "runs": outcome.runs,
            "seconds": round(outcome.seconds, 1),
            "histories": outcome.findings.histories,
            "acknowledged": outcome.findings.acknowledged,
            "events": outcome.findings.events,
            "webhooks": outcome.findings.deliveries,
            "fates": outcome.fates,
            "boundaries": [
                {
                    "activity": item.activity,
                    "moment": str(item.moment),
                    "hit": item.is_hit,
                    "recovered_seconds": item.seconds,
                }
                for item in outcome.boundaries
            ],
            "lost_answers": [
                {"activity": loss.activity, "write": loss.write, "how": str(loss.way)}
                for loss, _ in outcome.lost.hit
            ],
            "kills": [vars(kill) for kill in outcome.kills],
            "links": [{"what": what, "seconds": lasted} for what, lasted in outcome.links],
            "violations": [
                {"seed": seed, "text": text, "again": again(outcome, seed)}
                for seed, text in outcome.violations
            ],
        }
        for outcome in outcomes
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1))


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))

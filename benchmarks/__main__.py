"""python -m benchmarks [names] [--quick] [--json FILE] [--chart FILE] [--odoo real|sandbox] ..."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import chart, frame
from benchmarks.frame import Bench, Benchmark, Line, Sample


@dataclass
class Outcome:
    """What became of one benchmark; `failed` says why it has no result."""

    benchmark: Benchmark
    seconds: float
    lines: list[Line] = field(default_factory=list)
    failed: str | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 0 unless one failed or, in a full run, missed its target."""
    known = frame.benchmarks()
    options = _options(known, arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    wanted = [known[name] for name in options.names or known]
    outcomes = []
    for item in wanted:
        outcomes.append(asyncio.run(_outcome(item, options)))
        # After each: a long run that is interrupted leaves what it has measured.
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(document(outcomes, options), indent=2) + "\n")
    if options.chart:
        options.chart.parent.mkdir(parents=True, exist_ok=True)
        chart.draw([line for outcome in outcomes for line in outcome.lines], options.chart)
    return int(_tell(outcomes, options.quick))


def _options(known: dict[str, Benchmark], arguments: Sequence[str] | None) -> argparse.Namespace:
    listed = "\n".join(f"  {item.name:14} {item.about}" for item in known.values())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="What the product is measured by.",
        epilog=f"benchmarks:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes: see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the results (PNG)")
    parser.add_argument("--odoo", choices=["real", "sandbox"], default="real")
    parser.add_argument(
        "--odoo-workers", type=int, default=2, metavar="N", help="Odoo's processes (0: threads)"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 3; 1 in a quick run")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(known)}")
    if options.chart and not chart.is_possible():
        parser.error("--chart needs matplotlib: pip install 'contract-to-cash[bench]'")
    return options


async def _outcome(item: Benchmark, options: argparse.Namespace) -> Outcome:
    print(f"{item.name}: {item.about}", file=sys.stderr, flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="c2c-bench-", ignore_cleanup_errors=True) as folder:
        bench = Bench(
            Path(folder),
            quick=options.quick,
            real=options.odoo == "real",
            odoo_workers=options.odoo_workers,
            turns=options.rounds,
        )
        failed = await frame.run_one(item, bench)
    return Outcome(item, time.monotonic() - started, bench.lines, failed)


def _tell(outcomes: Sequence[Outcome], quick: bool) -> bool:
    """Say what failed and what missed its target; whether that is a failure of the whole run."""
    failed = [outcome for outcome in outcomes if outcome.failed]
    missed = [line for outcome in outcomes for line in outcome.lines if line.missed]
    for outcome in failed:
        print(f"{outcome.benchmark.name} failed: {outcome.failed}", file=sys.stderr)
    for line in missed:
        judged = "too small a run to judge" if quick else "missed"
        print(f"{line}: {judged}", file=sys.stderr)
    return bool(failed or (missed and not quick))


# --- what the JSON file says --------------------------------------------------------------------


def document(outcomes: Sequence[Outcome], options: argparse.Namespace) -> dict[str, Any]:
    """Everything measured, and on what."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": options.quick,
        "odoo": options.odoo,
        "odoo_workers": options.odoo_workers,
        "rounds": options.rounds,
        "machine": _machine(),
        "benchmarks": [_told(outcome) for outcome in outcomes],
    }


def _machine() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processors": os.cpu_count(),
        "memory_gb": round(memory / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.benchmark.name,
        "about": outcome.benchmark.about,
        "seconds": round(outcome.seconds, 1),
        "failed": outcome.failed,
        "lines": [
            {
                "name": line.name,
                "ratio": line.ratio,
                "target": asdict(line.target) if line.target else None,
                "met": None if line.target is None else not line.missed,
                **{name: _plain(value) for name, value in line.details.items()},
            }
            for line in outcome.lines
        ],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Sample):
        return {"median": value.median, "spread": value.spread, "rounds": list(value.values)}
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return value


if __name__ == "__main__":
    sys.exit(main())

"""The results of a run as a table for docs/performance.md.

python -m benchmarks.table .run/bench.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HEAD = "| result | ratio | target | ours | compared with | spread |\n|---|--:|--:|--:|--:|--:|"


def rows(document: dict[str, Any]) -> Iterator[str]:
    """A row a line that was reported; medians and spreads where there were rounds."""
    yield _HEAD
    for item in document["benchmarks"]:
        if item["failed"]:
            yield f"| `{item['name']}` | failed | | | | |"
        for line in item["lines"]:
            yield _row(line)


def _row(line: dict[str, Any]) -> str:
    target, samples = line["target"], line.get("samples", {})
    bound = "" if target is None else f"{'≥' if target['at_least'] else '≤'} {target['value']:g}"
    measured = [f"{name} {item['median']:.3g}" for name, item in samples.items()]
    ours, others = (measured[0], ", ".join(measured[1:])) if measured else ("", "")
    spread = ", ".join(f"{item['spread']:.0%}" for item in samples.values())
    mark = {True: "", False: " (missed)", None: ""}[line["met"]]
    cells = (f"`{line['name']}`", f"{line['ratio']:.3g}{mark}", bound, ours, others, spread)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print("\n".join(rows(json.loads(Path(sys.argv[1]).read_text()))))

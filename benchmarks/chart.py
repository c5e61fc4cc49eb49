"""A picture of the results: how far each is above or below its target."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from benchmarks.frame import Line

_MET, _MISSED = "#2f7d4f", "#b3452c"


def is_possible() -> bool:
    """Whether the library to draw with is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(lines: Sequence[Line], file: Path) -> None:
    """Write the PNG; results without a target are left out."""
    from matplotlib.figure import Figure  # an extra: not there to run

    rows = [(line, room) for line in reversed(lines) if (room := line.headroom) is not None]
    figure = Figure(figsize=(9, 1.2 + 0.34 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(
        [line.name for line, _ in rows],
        [room for _, room in rows],
        color=[_MISSED if line.missed else _MET for line, _ in rows],
    )
    axes.bar_label(
        bars,
        [f"{line.ratio:.3g} (target {line.target.value:g})" for line, _ in rows if line.target],
        padding=4,
    )
    axes.axvline(1, color="#333333", linewidth=1)
    axes.set_xscale("log")
    axes.margins(x=0.3)
    axes.set_xlabel("times better than the target (1: just reached)")
    figure.savefig(file, format="png")

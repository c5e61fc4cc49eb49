"""A picture of the results: how far each is above or below its target."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from benchmarks.frame import Line

_MET, _MISSED = "#2f7d4f", "#b3452c"
_FLOOR = 0.01
"""What is nothing at all, such as no calls, is drawn as if it were this share of its target."""


def is_possible() -> bool:
    """Whether the library to draw with is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def headroom(line: Line) -> float | None:
    """How many times better than its target a result is; below 1 it misses. None: no target."""
    if line.target is None:
        return None
    if line.target.at_least:
        return line.ratio / line.target.value
    return max(line.target.value, _FLOOR) / max(line.ratio, _FLOOR * max(line.target.value, _FLOOR))


def draw(lines: Sequence[Line], file: Path) -> None:
    """Write the PNG; results without a target are left out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # an extra: not there to run
    from matplotlib.figure import Figure

    rows = [(line, room) for line in reversed(lines) if (room := headroom(line)) is not None]
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
    FigureCanvasAgg(figure).print_png(file)

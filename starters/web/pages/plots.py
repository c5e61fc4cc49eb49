"""Plots as SVG, drawn by the server: lines over days. They take their colours from the style, and
the table beside a plot says the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from markupsafe import Markup, escape

WIDTH, HEIGHT = 480, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 8, 8, 24
_STEPS = 4
_DASHES = ("", "7 4", "2 3", "10 3 2 3", "4 6")
"""Lines differ by more than their colour."""


@dataclass(frozen=True)
class Drawn:
    """A line of a plot; where there is no value it has a gap."""

    label: str
    values: Sequence[Decimal | None]


def plot(title: str, days: Sequence[date], lines: Sequence[Drawn], number: int = 0) -> Markup:
    """The plot of some lines over days; empty where there is nothing to draw. `number` tells
    several plots of a page apart."""
    known = [value for line in lines for value in line.values if value is not None]
    if not known:
        return Markup("")
    scale = _Scale.over(days, known)
    parts = [*_grid(scale), *_days(scale, days)]
    for place, line in enumerate(lines):
        parts += _line(scale, days, line, place)
    key = f"plot-{number}"
    legend = [_entry(line, place) for place, line in enumerate(lines)] if len(lines) > 1 else []
    drawn = Markup(
        '<svg class="plot" role="img" aria-labelledby="{key}" viewBox="0 0 {width} {height}" '
        'fill="none"><title id="{key}">{title}</title>{parts}</svg>'
    ).format(key=key, width=WIDTH, height=HEIGHT, title=title, parts=Markup("").join(parts))
    if not legend:
        return drawn
    entries = Markup("").join(legend)
    return drawn + Markup('<ul class="legend" aria-hidden="true">{}</ul>').format(entries)


@dataclass(frozen=True)
class _Scale:
    first: date
    days: int
    low: Decimal
    step: Decimal
    steps: int

    @classmethod
    def over(cls, days: Sequence[date], values: Sequence[Decimal]) -> _Scale:
        """From nothing, or from below it, to the largest value, in round steps."""
        least, most = min(Decimal(0), *values), max(Decimal(0), *values)
        step = _round_step((most - least) / _STEPS)
        low = (least / step).to_integral_value(ROUND_FLOOR) * step
        steps = max(int(((most - low) / step).to_integral_value(ROUND_CEILING)), 1)
        return cls(days[0], max((days[-1] - days[0]).days, 1), low, step, steps)

    def x(self, day: date) -> Decimal:
        wide = WIDTH - _LEFT - _RIGHT
        return (_LEFT + Decimal((day - self.first).days * wide) / self.days).quantize(_TENTH)

    def y(self, value: Decimal) -> Decimal:
        high = HEIGHT - _TOP - _BOTTOM
        share = (value - self.low) / (self.step * self.steps)
        return (HEIGHT - _BOTTOM - share * high).quantize(_TENTH)


_TENTH = Decimal("0.1")


def _round_step(wanted: Decimal) -> Decimal:
    """The least of 1, 2 and 5 times a power of ten that is as much."""
    if wanted <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(wanted.adjusted())
    return next(power * times for times in (1, 2, 5, 10) if power * times >= wanted)


def _grid(scale: _Scale) -> list[Markup]:
    found = []
    for number in range(scale.steps + 1):
        value = scale.low + number * scale.step
        y = scale.y(value)
        found.append(
            Markup(
                '<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>'
                '<text x="{at}" y="{below}" text-anchor="end">{label}</text>'
            ).format(
                left=_LEFT,
                right=WIDTH - _RIGHT,
                y=y,
                at=_LEFT - 6,
                below=y + 4,
                label=_short(value),
            )
        )
    return found


def _days(scale: _Scale, days: Sequence[date]) -> list[Markup]:
    """The first day and the last, and the one between them."""
    ends = {days[-1]: "end", days[0]: "start"}
    middle = days[len(days) // 2]
    if len(days) > 2 and middle not in ends:
        ends[middle] = "middle"
    return [
        Markup('<text x="{x}" y="{y}" text-anchor="{anchor}">{day}</text>').format(
            x=scale.x(day), y=HEIGHT - 8, anchor=anchor, day=f"{day.day} {day:%b %Y}"
        )
        for day, anchor in ends.items()
    ]


def _line(scale: _Scale, days: Sequence[date], line: Drawn, place: int) -> list[Markup]:
    runs: list[list[str]] = [[]]
    for day, value in zip(days, line.values, strict=True):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(f"{scale.x(day)},{scale.y(value)}")
    found = []
    for run in filter(None, runs):
        if len(run) == 1:
            x, y = run[0].split(",")
            found.append(Markup('<circle class="s{}" cx="{}" cy="{}" r="3"/>').format(place, x, y))
        else:
            found.append(
                Markup('<polyline class="s{}" points="{}"{}/>').format(
                    place, " ".join(run), _dash(place)
                )
            )
    return found


def _dash(place: int) -> Markup:
    dashes = _DASHES[place % len(_DASHES)]
    return Markup(' stroke-dasharray="{}"').format(dashes) if dashes else Markup("")


def _entry(line: Drawn, place: int) -> Markup:
    return Markup(
        '<li><svg class="plot" width="28" height="10" viewBox="0 0 28 10" fill="none">'
        '<line class="s{}" x1="0" x2="28" y1="5" y2="5"{}/></svg> {}</li>'
    ).format(place, _dash(place), escape(line.label))


def _short(value: Decimal) -> str:
    """A number for an axis: `1.5k`, `20M`."""
    size = abs(value)
    for least, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if size >= least:
            return f"{_trimmed(value / least)}{letter}"
    return _trimmed(value)


def _trimmed(value: Decimal) -> str:
    text = f"{value.quantize(Decimal('0.01')):f}"
    return text.rstrip("0").rstrip(".")

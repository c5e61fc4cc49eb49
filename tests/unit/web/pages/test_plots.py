"""Plots: what is drawn lies where it belongs, and gaps stay gaps."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from starters.web.pages.plots import HEIGHT, WIDTH, Drawn, plot

DAY = date(2026, 6, 1)
VALUES = st.lists(st.none() | st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=60)


@given(VALUES)
@settings(max_examples=150)
def test_whatever_is_drawn_lies_within_the_plot(values: list[Decimal | None]) -> None:
    days = [DAY + timedelta(days=3 * number) for number in range(len(values))]
    drawn = plot("Cash-in", days, [Drawn("EUR", values)])
    if all(value is None for value in values):
        assert drawn == ""
        return
    ElementTree.fromstring(drawn)  # noqa: S314 (our own)
    points = re.findall(r'points="([^"]+)"', drawn) + re.findall(r'cx="(\S+)" cy="(\S+)"', drawn)
    pairs = [pair.split(",") for run in points if isinstance(run, str) for pair in run.split()]
    pairs += [list(run) for run in points if isinstance(run, tuple)]
    assert len(pairs) == sum(value is not None for value in values)
    assert all(0 <= Decimal(x) <= WIDTH and 0 <= Decimal(y) <= HEIGHT for x, y in pairs)
    assert len(drawn) < 20_000


def test_lines_differ_by_more_than_their_colour_and_text_is_escaped() -> None:
    days = [DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)]
    lines = [Drawn("<b>", [Decimal(1), None, Decimal(2)]), Drawn("b", [Decimal(1)] * 3)]
    drawn = plot("<i>", days, lines, number=3)
    assert "<b>" not in drawn
    assert "<i>" not in drawn
    assert 'aria-labelledby="plot-3"' in drawn
    assert drawn.count("<circle") == 2
    assert 'class="s1"' in drawn
    assert "stroke-dasharray" in drawn
    assert "style=" not in drawn

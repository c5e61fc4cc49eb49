"""The workflows do what the cores decide: random ways of the explorer, gone with both.

Every Update, Signal, result, lost answer, timer, new run and forced end goes to the real workflows,
too; after each move their states must be those of the cores, and in the end each history replays.
"""

from __future__ import annotations

import pytest

from tests.explore.shell import led_along

pytestmark = pytest.mark.long

WAYS, AT_ONCE, MOVES = 300, 30, 50


@pytest.mark.parametrize("first", range(0, WAYS, AT_ONCE))
def test_workflows_are_where_the_cores_are_after_every_move(first: int) -> None:
    moves = sum(led_along(seed, MOVES) for seed in range(first, first + AT_ONCE))
    assert moves > AT_ONCE * 10

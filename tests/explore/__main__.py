"""`python -m tests.explore --transitions 200000`: most of them exhaustively, the rest at random.

The last line says what was found; the exit code is 1 if anything was.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

from tests.explore.endings import led, steps_to_the_end
from tests.explore.examples import BUDGETS, SMALL, large, small
from tests.explore.search import Found, at_random, exhaustively
from tests.explore.world import Budget

_PLACES = 6


def explored(transitions: int, seed: int = 0) -> Found:
    """Every small contract within each budget, then random lives of large ones."""
    found = Found()
    starts = [(name, budget, steps) for budget in BUDGETS for name in SMALL for steps in _on(name)]
    share = max(transitions * 4 // 5 // len(starts), 1)
    for name, budget, steps in starts:
        place = f"led(small({name!r}, {budget}), {steps})"
        exhaustively(led(small(name, budget), steps), place, share, found)
    while found.transitions < transitions:
        at_random(partial(large, seed), f"large({seed})", seed, found)
        seed += 1
    return found


def _on(name: str) -> range:
    """Places on the good way of a contract, from which every other way is gone."""
    steps = steps_to_the_end(small(name, Budget()))
    return range(0, steps, max(steps // _PLACES, 1))


def told(found: Found) -> str:
    """What an exploration came to, for people; its last line for machines."""
    rate = found.transitions / max(found.seconds, 0.001)
    lines = [
        f"{len(found.keys)} states, {found.transitions} transitions, {found.ends} ends,",
        f"{found.seconds:.0f} seconds of processor time, {rate:.0f} transitions a second",
        "",
        "Messages, accepted and refused, by stage, with the number of different moments:",
        *found.coverage.table(),
        "",
        *(violation.as_test for violation in found.violations),
        f"explore: {len(found.keys)} states, {len(found.coverage.cells)} cells, "
        f"{len(found.violations)} violations",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="explore", description=__doc__)
    parser.add_argument("--transitions", type=int, default=200_000, help="how many steps to take")
    parser.add_argument("--seed", type=int, default=0, help="of the first random life")
    options = parser.parse_args()
    found = explored(options.transitions, options.seed)
    sys.stdout.write(told(found) + "\n")
    return 1 if found.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())

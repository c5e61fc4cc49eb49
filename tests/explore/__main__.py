"""`python -m tests.explore --transitions 1000000`: most of them exhaustively, the rest at random.

The last line says what was found; the exit code is 1 if anything was.
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.explore.running import explored, in_words

COMPLETE = 200_000
"""From so many transitions on the seed 0 reaches every cell: its places are chosen for it."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="explore", description=__doc__)
    parser.add_argument("--transitions", type=int, default=200_000, help="how many steps to take")
    parser.add_argument(
        "--seed", type=int, default=0, help="0, or another: other places, other lives"
    )
    processes = os.cpu_count() or 1
    parser.add_argument("--processes", type=int, default=processes, help="how many at a time")
    options = parser.parse_args()
    found = explored(options.transitions, options.seed, options.processes)
    is_complete = options.transitions >= COMPLETE and not options.seed
    gaps = list(found.coverage.faults()) if is_complete else []
    sys.stdout.write("\n".join([*gaps, in_words(found)]) + "\n")
    return 1 if found.violations or gaps else 0


if __name__ == "__main__":
    raise SystemExit(main())

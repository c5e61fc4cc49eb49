"""An exploration in several processes: the same is found, however many there are."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, count, groupby, islice
from operator import itemgetter

from tests.explore.coverage import unreached_moments
from tests.explore.search import Found, at_random, exhaustively, probed
from tests.explore.starts import Large, Led, places

_WALKS = 4
_AHEAD = 2
_LEAST = 400
"""Transitions from one place."""

Piece = tuple[list[Led], int] | tuple[Large, int]
"""Work for one process: all ways from some places of a contract, or so many random ones."""


def explored(transitions: int, seed: int = 0, processes: int = 1) -> Found:
    """Every small contract within each budget, then random lives of large ones; then all that can
    be sent, once in each moment that was found."""
    found = Found()
    starts, most = list(places()), transitions * 9 // 10
    # A short run leaves places out, evenly: few steps from each would find little.
    starts = starts[:: -(-len(starts) * _LEAST // most)]
    work = [(list(group), most // len(starts)) for _, group in groupby(starts, itemgetter(0))]
    lives = ((Large(first), _WALKS) for first in count(seed, _WALKS))
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        for number, piece in enumerate(_in_order(pool, chain(work, lives), processes)):
            if number >= len(work) and found.transitions >= transitions:
                break
            found.add(piece)
        for piece in pool.map(probed, *zip(*sorted(found.coverage.moments.items()), strict=True)):
            found.add(piece)
    return found


def _in_order(pool: ProcessPoolExecutor, work: Iterator[Piece], processes: int) -> Iterator[Found]:
    """What each piece of work came to, in the order of the work; a few are begun ahead."""
    waiting: deque[Future[Found]] = deque()
    try:
        for piece in islice(work, processes * _AHEAD):
            waiting.append(pool.submit(_done, piece))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(_done, piece) for piece in islice(work, 1))
    finally:
        for future in waiting:
            future.cancel()


def _done(piece: Piece) -> Found:
    found, known = Found(), set[int]()
    start, amount = piece
    if isinstance(start, Large):
        for seed in range(start.seed, start.seed + amount):
            found.add(at_random(Large(seed)))
        return found
    for place in start:
        found.add(exhaustively(place, amount, known))
    return found


def told(found: Found) -> str:
    """What an exploration came to, for people; its last line for machines."""
    rate = found.transitions / max(found.seconds, 0.001)
    lines = [
        f"{len(found.keys)} states, {found.transitions} transitions, {found.ends} ends,",
        f"{found.seconds:.0f} seconds of processor time, {rate:.0f} transitions a second",
        "",
        "Messages, accepted and refused, by stage:",
        *found.coverage.table(),
        "",
        *(f"never reached: {', '.join(moment)}" for moment in unreached_moments(found.coverage)),
        *(violation.as_test for violation in found.violations),
        f"explore: {len(found.keys)} states, {len(found.coverage.cells)} cells, "
        f"{len(found.violations)} violations",
    ]
    return "\n".join(lines)

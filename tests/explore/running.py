"""An exploration in several processes: the same is found, however many there are."""

from __future__ import annotations

import gc
import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, count, groupby, islice

from tests.explore.search import Found, at_random, exhaustively, probed
from tests.explore.starts import Large, Led, every_place, names, some_places

_WALKS = 4
_AHEAD = 2
_SHALLOW, _DEEP = 80, 400
"""Transitions from one place: few from each, at least so many from some."""

Place = tuple[Led, int]
Piece = list[Place] | Large
"""Work for one process: all ways from some places of a contract, each so far; or random ones."""


def explored(transitions: int, seed: int = 0, processes: int = 1) -> Found:
    """Every small contract within each budget, then random lives of large ones; then all that can
    be sent, once in each moment that was found. Another seed explores near other places, and leads
    other lives."""
    found, work = Found(), _work(transitions * 9 // 10, seed)
    lives = (Large(first) for first in count(seed, _WALKS))
    fork = multiprocessing.get_context("fork")
    # Values are frozen, so that none leads back to itself: there is nothing to look for.
    with ProcessPoolExecutor(processes, fork, initializer=gc.disable) as pool:
        for number, piece in enumerate(_in_order(pool, chain(work, lives), processes)):
            if number >= len(work) and found.transitions >= transitions:
                break
            found.add(piece)
            found.seeds = range(seed, seed + _WALKS * max(number + 1 - len(work), 0))
        for piece in pool.map(probed, *zip(*sorted(found.coverage.ways.items()), strict=True)):
            found.add(piece)
    return found


def _work(transitions: int, seed: int) -> list[Piece]:
    """So many transitions, spread over all places. A short run leaves places out, evenly."""
    shallow = [(place, _SHALLOW) for name in names() for place in every_place(name)]
    deep = [place for name in names() for place in some_places(name, seed)]
    left = transitions - _SHALLOW * len(shallow)
    if left < _DEEP * len(deep):
        every = -(-(_SHALLOW * len(shallow) + _DEEP * len(deep)) // transitions)
        some = [*shallow[::every], *((place, _DEEP) for place in deep[::every])]
    else:
        some = [*shallow, *((place, left // len(deep)) for place in deep)]
    some.sort(key=lambda item: item[0].name)
    return [list(group) for _, group in groupby(some, lambda item: item[0].name)]


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
    if isinstance(piece, Large):
        for seed in range(piece.seed, piece.seed + _WALKS):
            found.add(at_random(Large(seed)))
        return found
    for place, most in piece:
        found.add(exhaustively(place, most, known))
    return found


def in_words(found: Found) -> str:
    """What an exploration came to, for people; its last line for machines."""
    rate = found.transitions / max(found.seconds, 0.001)
    lines = [
        f"{len(found.keys)} states, {found.transitions} transitions, {found.ends} ends,",
        f"{found.seconds:.0f} seconds of processor time, {rate:.0f} transitions a second,",
        f"{len(found.seeds)} random lives; another part of this exploration: SEED={_next(found)}",
        "",
        "Messages, accepted and refused, by stage:",
        *found.coverage.table(),
        "",
        *(violation.as_test for violation in found.violations),
        f"explore: {len(found.keys)} states, {len(found.coverage.cells)} cells, "
        f"{len(found.violations)} violations",
    ]
    return "\n".join(lines)


def _next(found: Found) -> int:
    """The first seed that nothing was explored with."""
    return max(found.seeds.stop, found.seeds.start + 1)

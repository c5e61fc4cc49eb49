"""Every way of a small contract, random ways of large ones; what is found, by a short path."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from tests.explore.canonical import canonical, shared
from tests.explore.chance import chosen
from tests.explore.coverage import Coverage, Place, Way
from tests.explore.endings import Good, ends_well
from tests.explore.moves import moves, probe
from tests.explore.properties import check, check_bytes, goes_on
from tests.explore.starts import Large, Start
from tests.explore.ways import walked
from tests.explore.world import World

EVERY = 50
"""Of so many states the bytes are counted."""
_WALK = 250
_MOST_SECONDS = 5.0
"""Of processor time to shorten one way."""


@dataclass(frozen=True)
class Violation:
    """What must not be, and the way to it from the beginning of a contract."""

    what: str
    start: Start
    path: tuple[str, ...]

    @property
    def as_test(self) -> str:
        """A test to paste."""
        steps = "".join(f'        "{label}",\n' for label in self.path)
        return (
            f"def test_found() -> None:  # {self.what}\n"
            f"    world = {self.start}\n"
            f"    path = (\n{steps}    )\n"
            f"    ends_well(walked(world, path))\n"
        )


@dataclass
class Found:
    """What an exploration came to. `keys` are the states that were seen, by their digests, and
    `seeds` those of the random lives."""

    keys: set[int] = field(default_factory=set)
    transitions: int = 0
    ends: int = 0
    coverage: Coverage = field(default_factory=Coverage)
    violations: list[Violation] = field(default_factory=list)
    seconds: float = 0.0
    seeds: range = range(0)

    def add(self, other: Found) -> None:
        """What was found elsewhere, or later."""
        self.keys |= other.keys
        self.transitions += other.transitions
        self.ends += other.ends
        self.coverage.add(other.coverage)
        for violation in other.violations:
            self.report(violation)
        self.seconds += other.seconds

    def report(self, violation: Violation) -> None:
        """The first of each kind: the others say the same by longer ways."""
        if all(item.what != violation.what for item in self.violations):
            self.violations.append(violation)


def problem_at(world: World, number: int, known: Good | None) -> str:
    """What is wrong with a state, or with every way on from it; of that nothing is known yet where
    `known` is left out, and nothing is asked."""
    try:
        check(world)
        if number % EVERY == 0:
            check_bytes(world)
        if known is not None:
            ends_well(world, known)
    except Exception as error:
        return _words(error)
    return ""


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


# --- every way ------------------------------------------------------------------------------------


def exhaustively(start: Start, most: int, known: Good, *, first: bool = False) -> Found:
    """Breadth first up to so many transitions: what is found is found by the shortest way. With
    `first` only until something is. `known` are places of this contract with a good end."""
    began, found = time.process_time(), Found()
    try:
        world = start.begin()
    except Exception as error:
        found.report(Violation(_words(error), start, ()))
        return found
    key = canonical(world)
    open_states, ways = deque([(key, world)]), {key: (0, "")}
    found.coverage.saw(world, lambda: Way(start, ()))
    while open_states and found.transitions < most and not (first and found.violations):
        key, world = open_states.popleft()
        what = problem_at(world, len(ways), known)
        if what:
            found.report(Violation(what, start, _path(ways, key)))
            continue
        if world.is_over:
            found.ends += 1
            continue
        for label, after, failed in _followed(shared(world), found.coverage):
            found.transitions += 1
            if after is None:
                found.report(Violation(failed, start, (*_path(ways, key), label)))
                continue
            place = canonical(after)
            if place not in ways:
                ways[place] = key, label
                open_states.append((place, after))
                found.coverage.saw(after, lambda p=place: Way(start, _path(ways, p)))  # type: ignore[misc]
    found.keys = set(ways)
    found.seconds = time.process_time() - began
    return found


def _followed(world: World, seen: Coverage) -> Iterator[tuple[str, World | None, str]]:
    """Each move with the world after it, or with what it raised."""
    try:
        possible = list(moves(world, seen))
    except Exception as error:
        yield "what may happen next", None, _words(error)
        return
    for move in possible:
        try:
            after = move.after()
            goes_on(world, after)
            yield move.label, after, ""
        except Exception as error:
            yield move.label, None, _words(error)


def _path(ways: dict[int, tuple[int, str]], key: int) -> tuple[str, ...]:
    labels = []
    while ways[key][1]:
        key, label = ways[key]
        labels.append(label)
    return tuple(reversed(labels))


# --- random ways ----------------------------------------------------------------------------------


def at_random(start: Large) -> Found:
    """One long way through a contract, that things happen on as they may."""
    began, random, found = time.process_time(), Random(start.seed), Found()  # noqa: S311 - to repeat
    world, known = start.begin(), set[int]()
    path: list[str] = []
    for number in range(1, _WALK):
        found.keys.add(canonical(world))
        found.coverage.saw(world, lambda: Way(start, tuple(path)))
        if world.is_over:
            found.ends += 1
            break
        what, label = "", "what may happen next"
        try:
            move = chosen(world, random, found.coverage)
            if move is None:
                break
            label, before, world = move.label, world, move.after()
            goes_on(before, world)
        except Exception as error:
            what = _words(error)
        path.append(label)
        found.transitions += 1
        what = what or problem_at(world, number, known if number % (_WALK // 2) == 0 else None)
        if what:
            found.report(shortened(Violation(what, start, tuple(path))))
            break
    found.seconds = time.process_time() - began
    return found


# --- a way once more ------------------------------------------------------------------------------


def probed(place: Place, way: Way) -> Found:
    """Everything there is, sent in a moment."""
    found, (moment, _) = Found(), place
    try:
        probe(walked(way.start.begin(), way.path), moment, found.coverage)
    except Exception as error:
        found.report(Violation(f"{moment}: {_words(error)}", way.start, way.path))
    return found


def shortened(violation: Violation) -> Violation:
    """The same violation by fewer moves: larger and smaller pieces of the way are left out."""
    path, size = violation.path, max(len(violation.path) // 2, 1)
    until = time.process_time() + _MOST_SECONDS
    while size and time.process_time() < until:
        place = 0
        while place < len(path) and time.process_time() < until:
            shorter = (*path[:place], *path[place + size :])
            if _fails(violation.start, shorter):
                path = shorter
            else:
                place += size
        size //= 2
    return Violation(violation.what, violation.start, path)


def _fails(start: Start, path: tuple[str, ...]) -> bool:
    try:
        ends_well(walked(start.begin(), path))
    except Exception:
        return True
    return False

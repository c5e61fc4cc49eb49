"""Every way of a small contract, random ways of large ones; what is found, by a short path."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from contracts.contract.messages import CancelRequest, TerminationRequest
from contracts.parking import Action as Choice
from contracts.parking import Resolution
from tests.explore.canonical import canonical
from tests.explore.coverage import Coverage
from tests.explore.endings import ends_well
from tests.explore.messages import Sent, everything
from tests.explore.moves import Move, arrivals, by_hand, days, moves, renewals, results, sending
from tests.explore.properties import check, check_bytes
from tests.explore.world import World

EVERY = 50
"""From so many states one is led to its end, and its bytes are counted."""
_WALK = 250
_MOSTLY = 0.95
_MOST_SECONDS = 5.0
"""Of processor time to shorten one way."""


@dataclass(frozen=True)
class Violation:
    """What must not be, and the way to it from the beginning of a contract."""

    what: str
    start: str
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
    """What an exploration came to. `keys` are the states that were seen, by their digests."""

    keys: set[int] = field(default_factory=set)
    transitions: int = 0
    ends: int = 0
    coverage: Coverage = field(default_factory=Coverage)
    violations: list[Violation] = field(default_factory=list)
    seconds: float = 0.0


def problem_at(world: World, number: int = 0) -> str:
    """What is wrong with a state; of some it is also tried whether they end well."""
    try:
        check(world)
        if number % EVERY == 0:
            check_bytes(world)
            ends_well(world)
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return ""


# --- every way ------------------------------------------------------------------------------------


def exhaustively(start: World, name: str, most: int, found: Found, *, first: bool = False) -> None:
    """Breadth first up to so many transitions: what is found is found by the shortest way. With
    `first` only until something is."""
    began, left = time.process_time(), found.transitions + most
    place = canonical(start)
    open_states, ways = deque([(place, start)]), {place: (0, "")}
    found.keys.add(place)
    while open_states and found.transitions < left and not (first and found.violations):
        key, world = open_states.popleft()
        what = problem_at(world, len(ways))
        if what:
            _report(found, Violation(what, name, _way(ways, key)))
            continue
        if world.is_over:
            found.ends += 1
            continue
        for label, after, failed in _followed(world, found.coverage):
            found.transitions += 1
            if after is None:
                _report(found, Violation(failed, name, (*_way(ways, key), label)))
                continue
            place = canonical(after)
            if place not in ways:
                ways[place] = key, label
                found.keys.add(place)
                open_states.append((place, after))
    found.seconds += time.process_time() - began


def _followed(world: World, seen: Coverage) -> Iterator[tuple[str, World | None, str]]:
    """Each move with the world after it, or with what it raised."""
    try:
        possible = list(moves(world, seen))
    except Exception as error:
        yield "what may happen next", None, f"{type(error).__name__}: {error}"
        return
    for move in possible:
        try:
            yield move.label, move.after(), ""
        except Exception as error:
            yield move.label, None, f"{type(error).__name__}: {error}"


def _way(ways: dict[int, tuple[int, str]], key: int) -> tuple[str, ...]:
    labels = []
    while ways[key][1]:
        key, label = ways[key]
        labels.append(label)
    return tuple(reversed(labels))


def _report(found: Found, violation: Violation) -> None:
    """The first of each kind: the others say the same by longer ways."""
    if all(item.what != violation.what for item in found.violations):
        found.violations.append(violation)


# --- random ways ----------------------------------------------------------------------------------


def at_random(start: Callable[[], World], name: str, seed: int, found: Found) -> None:
    """One long way through a contract, that things happen on as they may."""
    began, random = time.process_time(), Random(seed)  # noqa: S311 - to repeat
    world, path = start(), []
    for number in range(1, _WALK):
        what, label = "", ""
        try:
            move = _chosen(world, random, found.coverage)
            if move is None:
                break
            label, world = move.label, move.after()
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
        path.append(label)
        found.transitions += 1
        what = what or problem_at(world, number)
        if what:
            _report(found, shortened(start, Violation(what, name, tuple(path))))
            break
        found.keys.add(canonical(world))
        if world.is_over:
            found.ends += 1
            break
    found.seconds += time.process_time() - began


def _chosen(world: World, random: Random, seen: Coverage) -> Move | None:
    """One of the moves: mostly what is under way goes on, and often somebody sends something."""
    chance = random.random()
    if chance < 0.45:
        choice = _one_of(random, [*results(world), *arrivals(world)])
        if choice is not None:
            return choice
    if chance < 0.85 and world.budget.messages:
        possible = list(everything(world))
        for sent in random.sample(possible, min(6, len(possible))):
            if _ends_it(sent) and random.random() < _MOSTLY:
                continue
            move = sending(world, sent, seen)
            if move is not None:
                return move
    others = [*by_hand(world), *days(world), *days(world), *renewals(world)]
    choice = _one_of(random, others)
    return choice or _one_of(random, list(moves(world, seen)))


def _ends_it(sent: Sent) -> bool:
    """Whether a message leaves little to happen: those come late, mostly."""
    message = sent.message
    is_cancel = isinstance(message, Resolution) and message.action is Choice.CANCEL
    return is_cancel or isinstance(message, (CancelRequest, TerminationRequest))


def _one_of(random: Random, possible: list[Move]) -> Move | None:
    """Half of the time what succeeds, if anything can."""
    if not possible:
        return None
    good = [move for move in possible if move.label.endswith((": done", "arrives"))]
    return random.choice(good if good and random.random() < 0.6 else possible)


# --- shorter ways ---------------------------------------------------------------------------------


def walked(world: World, path: tuple[str, ...]) -> World:
    """The world after these moves; those that are not possible are left out."""
    for label in path:
        move = _named(world, label)
        if move is not None:
            world = move.after()
            check(world)
    return world


def _named(world: World, label: str) -> Move | None:
    others = (results, arrivals, by_hand, days, renewals)
    for source in others:
        for move in source(world):
            if move.label == label:
                return move
    for sent in everything(world):
        if sent.label == label:
            return sending(world, sent, Coverage())
    return None


def shortened(start: Callable[[], World], violation: Violation) -> Violation:
    """The same violation by fewer moves: larger and smaller pieces of the way are left out."""
    path, size = violation.path, max(len(violation.path) // 2, 1)
    until = time.process_time() + _MOST_SECONDS
    while size and time.process_time() < until:
        place = 0
        while place < len(path) and time.process_time() < until:
            shorter = (*path[:place], *path[place + size :])
            if _fails(start, shorter):
                path = shorter
            else:
                place += size
        size //= 2
    return Violation(violation.what, violation.start, path)


def _fails(start: Callable[[], World], path: tuple[str, ...]) -> bool:
    try:
        ends_well(walked(start(), path))
    except Exception:
        return True
    return False

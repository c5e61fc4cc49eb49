"""Where an exploration starts: by name, so that it can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from tests.explore.endings import good_way
from tests.explore.examples import BUDGETS, SMALL, large, small
from tests.explore.world import Budget, World

_PLACES = 6


class Led(NamedTuple):
    """A place on the good way of a small contract."""

    name: str
    budget: Budget
    steps: int

    def begin(self) -> World:
        return replace(_good_way(self.name)[self.steps], budget=self.budget)

    def __str__(self) -> str:
        return f"led(small({self.name!r}, {self.budget}), {self.steps})"


class Large(NamedTuple):
    """A large contract at its beginning."""

    seed: int

    def begin(self) -> World:
        return large(self.seed)

    def __str__(self) -> str:
        return f"large({self.seed})"


Start = Led | Large


def places() -> Iterator[Led]:
    """Places on the good way of each small contract, from which every other way is gone."""
    for name in SMALL:
        steps = len(_good_way(name)) - 1
        for budget in BUDGETS:
            for number in range(0, steps, max(steps // _PLACES, 1)):
                yield Led(name, budget, number)


@cache
def _good_way(name: str) -> tuple[World, ...]:
    return tuple(good_way(small(name, Budget())))

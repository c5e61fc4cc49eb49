"""A way by the names of its moves, so that it can be gone once more."""

from __future__ import annotations

from tests.explore.coverage import Coverage
from tests.explore.messages import everything
from tests.explore.moves import Move, arrivals, by_hand, days, renewals, results, sending
from tests.explore.properties import check
from tests.explore.world import World


def walked(world: World, path: tuple[str, ...]) -> World:
    """The world after these moves; those that are not possible are left out."""
    for label in path:
        move = named(world, label)
        if move is not None:
            world = move.after()
            check(world)
    return world


def named(world: World, label: str) -> Move | None:
    """The move of this name; None if it is not possible."""
    for source in (results, arrivals, by_hand, days, renewals):
        for move in source(world):
            if move.label == label:
                return move
    for sent in everything(world):
        if sent.label == label:
            return sending(world, sent, Coverage())
    return None

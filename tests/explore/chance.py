"""One of the moves, by chance: how random lives go on, and places are left."""

from __future__ import annotations

from random import Random

from contracts.contract.messages import CancelRequest, TerminationRequest
from contracts.parking import Action as Choice
from contracts.parking import Resolution
from tests.explore.coverage import Coverage
from tests.explore.messages import Sent, everything
from tests.explore.moves import (
    Move,
    arrivals,
    by_hand,
    days,
    moves,
    renewals,
    results,
    sending,
)
from tests.explore.world import World

_MOSTLY = 0.95


def chosen(world: World, random: Random, seen: Coverage) -> Move | None:
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


def strayed(world: World, random: Random, most: int) -> World:
    """The world after some random moves, at most so many."""
    for _ in range(random.randint(1, most)):
        move = None if world.is_over else chosen(world, random, Coverage())
        if move is None:
            break
        world = move.after()
    return world

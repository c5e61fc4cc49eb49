"""Where an exploration starts: by name, so that it can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import NamedTuple

from contracts.invoice.state import InvoiceStage
from tests.explore.chance import strayed
from tests.explore.endings import good_way
from tests.explore.examples import AMPLE, BUDGETS, SMALL, large, small
from tests.explore.moves import running
from tests.explore.ways import named
from tests.explore.world import Budget, World

_PLACES = 6
_MOST_STRAYED = 12


Condition = Callable[[World], bool]


class Tale(NamedTuple):
    """A small contract on which something has happened: these moves, as soon as the good way has
    come to a place."""

    name: str
    begins: Condition
    path: tuple[str, ...]


def _first_is(stage: InvoiceStage) -> Condition:
    """Its first invoice is in a stage, and nothing is under way."""

    def begins(world: World) -> bool:
        first = world.invoices.get(1)
        is_quiet = not world.mail and not any(running(world))
        return first is not None and first.state.stage is stage and is_quiet

    return begins


def _runs(kind: str) -> Condition:
    return lambda world: any(act.kind == kind for _, act in running(world))


def _has_order(world: World) -> bool:
    return world.contract.billing is not None


def _is_settled_for_good(world: World) -> bool:
    """Nothing of its first period can be billed any more."""
    return _has_order(world) and bool(world.contract.account.folded)


_OPEN, _ASKED = _first_is(InvoiceStage.OPEN), _first_is(InvoiceStage.AWAITING_APPROVAL)
_LATE = (
    "time passes",
    "tell_contract of invoice 1: done",
    "InvoiceReport of invoice 1 reaches the contract",
    "time passes",
)
_LOOKED_AT = "balance of invoice 1: done"
_ONE = "one milestone"
TALES: dict[str, Tale] = {
    "credited in part": Tale(_ONE, _OPEN, ("credit 10 of invoice 1",)),
    "credited in whole": Tale(_ONE, _OPEN, ("credit invoice 1", "invoice 1 is paid in Odoo")),
    "issued anew": Tale(_ONE, _OPEN, ("credit invoice 1 and bill it again",)),
    "a dispute": Tale(_ONE, _OPEN, ("a dispute: invoice 1", "the dispute is accepted: invoice 1")),
    "half paid": Tale(_ONE, _OPEN, ("half a payment: invoice 1",)),
    "a draft of a payment": Tale(
        _ONE,
        _OPEN,
        (
            "half a payment: invoice 1",
            "register_payment:P-3 of invoice 1: made, and not posted",
            "skip register_payment:P-3 of invoice 1",
        ),
    ),
    "in payment": Tale(_ONE, _OPEN, ("a payment of invoice 1 is on its way",)),
    "written off": Tale(_ONE, _OPEN, ("a write-off: invoice 1",)),
    "late": Tale(_ONE, _OPEN, _LATE),
    "reminded": Tale(_ONE, _OPEN, (*_LATE, _LOOKED_AT)),
    "without an address": Tale(
        _ONE, _OPEN, (*_LATE, _LOOKED_AT, "remind:1 of invoice 1: email_missing")
    ),
    "paid twice": Tale(
        _ONE,
        _OPEN,
        (
            "invoice 1 is paid in Odoo",
            "the sweep tells its balance: invoice 1",
            "a payment: invoice 1",
        ),
    ),
    "nobody approves": Tale(_ONE, _ASKED, ("time passes",)),
    "nobody approves a change": Tale(
        "two milestones",
        _has_order,
        ("add a milestone", "policy:change_order of the contract: done", "time passes"),
    ),
    "rejected and cancelled": Tale(
        _ONE,
        _ASKED,
        (
            "ana rejects: invoice 1",
            "discard of invoice 1: done",
            "tell_contract of invoice 1: done",
            "InvoiceReport of invoice 1 reaches the contract",
            "cancel",
        ),
    ),
    "a draft is refused": Tale(
        _ONE, _runs("create_invoice"), ("create_invoice of invoice 1: not_today",)
    ),
    "asked": Tale(_ONE, _ASKED, ()),
    "rejected": Tale(_ONE, _ASKED, ("ana rejects: invoice 1",)),
    "changed by hand": Tale(_ONE, _ASKED, ("the draft of invoice 1 is changed in Odoo",)),
    "not reached": Tale(_ONE, _OPEN, ("m1 is not reached",)),
    "held": Tale(_ONE, _OPEN, ("hold dunning",)),
    "a new run": Tale(_ONE, _OPEN, ("the contract continues as new",)),
    "lost": Tale(_ONE, _OPEN, ("invoice 1 is ended by force",)),
    "a change": Tale("two milestones", _has_order, ("add a milestone",)),
    "read again": Tale("a deal", _has_order, ("read the deal again",)),
    "cancelled": Tale("a deal", _has_order, ("cancel",)),
    "ended early": Tale("a retainer", _has_order, ("end the contract in 0 days",)),
    "too late": Tale("a long time", _is_settled_for_good, ("more hours are approved late",)),
}


class Led(NamedTuple):
    """A place on the good way of a small contract, or of a tale about one; with a `seed`, one that
    random moves lead to from there."""

    name: str
    budget: Budget
    steps: int
    seed: int = 0

    def begin(self) -> World:
        world = _good_way(self.name)[self.steps]
        if self.seed:
            random = Random(f"{self.seed} {self.name} {self.steps}")  # noqa: S311 - to repeat
            world = strayed(world.replace(budget=AMPLE), random, _MOST_STRAYED)
        return world.replace(budget=self.budget)

    def __str__(self) -> str:
        return f"Led({self.name!r}, {self.budget}, {self.steps}, {self.seed}).begin()"


class Large(NamedTuple):
    """A large contract at its beginning."""

    seed: int

    def begin(self) -> World:
        return large(self.seed)

    def __str__(self) -> str:
        return f"Large({self.seed}).begin()"


Start = Led | Large


def names() -> Iterator[str]:
    """Of all small contracts, and all tales about them."""
    yield from (*SMALL, *TALES)


def every_place(name: str) -> Iterator[Led]:
    """Each place on the good way of a contract."""
    for number in range(len(_good_way(name)) - 1):
        yield Led(name, BUDGETS[0], number)


def some_places(name: str, seed: int = 0) -> Iterator[Led]:
    """Some places on the good way of a contract, or near it, within each budget."""
    steps = len(_good_way(name)) - 1
    for budget in BUDGETS:
        for number in range(0, steps, max(steps // _PLACES, 1)):
            yield Led(name, budget, number, seed)


def good_place(name: str, kind: str) -> int:
    """How many good steps there are until an act of this kind runs; none without a kind."""
    begins = _runs(kind)
    return next(n for n, world in enumerate(_good_way(name)) if not kind or begins(world))


@cache
def _good_way(name: str) -> tuple[World, ...]:
    if name in SMALL:
        return tuple(good_way(small(name, Budget())))
    tale = TALES[name]
    world = next(world for world in _good_way(tale.name) if tale.begins(world))
    world = world.replace(budget=AMPLE)
    for label in tale.path:
        move = named(world, label)
        assert move is not None, f"{name}: {label} is not possible"
        world = move.after()
    return tuple(good_way(world))

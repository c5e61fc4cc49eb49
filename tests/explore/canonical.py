"""Which states are the same: those between which nothing that comes makes a difference.

Digests of frozen values are kept, so that only what has changed is gone through again.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from contracts.parking import StepException
from tests.explore.world import World

_MOST_KEPT = 200_000
_kept: dict[int, tuple[Any, int]] = {}
_LEFT_OUT = frozenset(
    {"journal", "waiting", "started_at", "closed_at", "next_action_at", "has_parked", "clock"}
)
"""Fields that people see and no rule asks for; the clock counts once, for the whole world."""


def canonical(world: World) -> int:
    """A number that is the same for the same states (and for others by a chance of 2 ** -64)."""
    invoices = tuple(
        (number, item.is_ended, digest(item.state), digest(item.requests))
        for number, item in world.invoices.items()
    )
    return hash(
        (
            digest(world.contract),
            digest(world.odoo),
            world.clock,
            world.budget,
            invoices,
            digest(world.requests),
            digest(world.landed),
            digest(world.mail),
            world.skipped,
            world.credits,
        )
    )


def digest(value: Any) -> int:
    """The number of a value, by all that is in it."""
    if isinstance(value, BaseModel):
        return _remembered(value)
    if isinstance(value, dict):
        return hash(tuple((digest(key), digest(item)) for key, item in value.items()))
    if isinstance(value, (tuple, list)):
        return hash(tuple(digest(item) for item in value))
    if is_dataclass(value) and not isinstance(value, type):
        return hash(tuple(digest(getattr(value, field.name)) for field in fields(value)))
    return hash(value)


def _remembered(value: BaseModel) -> int:
    known = _kept.get(id(value))
    if known is not None and known[0] is value:
        return known[1]
    found = hash(_of_model(value))
    if len(_kept) > _MOST_KEPT:
        _kept.clear()
    _kept[id(value)] = (value, found)
    return found


def _of_model(value: BaseModel) -> Any:
    if isinstance(value, StepException):
        attempts = min(value.attempts, 2)
        return value.key, value.step, value.basis, value.code, attempts, value.retry_at
    names = type(value).model_fields
    return tuple(digest(getattr(value, name)) for name in names if name not in _LEFT_OUT)

"""The number of a value, by all that is in it and that some rule asks for.

Values are frozen, so the digest of each is kept: only what has changed is gone through again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from pydantic import BaseModel

from contracts.agenda.actions import SignalReceived
from contracts.parking import StepException
from tests.explore.frozen import kept

V = TypeVar("V")
_MOST_KEPT = 300_000
_kept: dict[int, tuple[Any, int]] = {}
_MOST_FIRSTS = 50_000
_firsts: dict[Any, Any] = kept()
LEFT_OUT = frozenset(
    {
        "journal",
        "waiting",
        "started_at",
        "started_by",
        "closed_at",
        "next_action_at",
        "has_parked",
        "clock",
        "answers",
        "audit",
    }
)
"""Fields that people see and no rule asks for; the clock counts once, for the whole world."""

Parts = Callable[[Any], Iterable[Any]]
_known_parts: dict[type, Parts | None] = {}
_plain: set[type] = set()
"""Types whose values are numbers of their own."""


def digest(value: Any) -> int:
    """The number of a value, by all that is in it."""
    known = _kept.get(id(value))
    if known is not None and known[0] is value:
        return known[1]
    parts = _parts_of(type(value))
    if parts is None:
        return hash(value)
    # What has no parts, as most of it, is not asked for them.
    found = hash(tuple([hash(p) if type(p) in _plain else digest(p) for p in parts(value)]))
    if len(_kept) > _MOST_KEPT:
        _kept.clear()
    _kept[id(value)] = (value, found)
    return found


def _parts_of(kind: type) -> Parts | None:
    """What a value of this type consists of; None if it is a number of its own."""
    if kind not in _known_parts:
        _known_parts[kind] = _found_parts_of(kind)
        if _known_parts[kind] is None:
            _plain.add(kind)
    return _known_parts[kind]


def _found_parts_of(kind: type) -> Parts | None:
    if kind in (Decimal, bool):
        # Equal to a whole number, and yet no id that it could stand for.
        return lambda value: (kind.__name__, hash(value))
    if issubclass(kind, StepException):
        return _of_exception
    if issubclass(kind, SignalReceived):
        return lambda event: [event.message]  # What it is called, people see.
    if issubclass(kind, BaseModel):
        return _of_model([name for name in kind.model_fields if name not in LEFT_OUT])
    if issubclass(kind, Mapping):
        return lambda value: (*value, *value.values())
    if issubclass(kind, (tuple, list)):
        return iter
    if is_dataclass(kind):
        names = [field.name for field in fields(kind)]
        return attrgetter(*names) if len(names) > 1 else lambda value: [getattr(value, names[0])]
    return None


def _of_model(names: list[str]) -> Parts:
    if len(names) < 2:
        return lambda value: [getattr(value, name) for name in names]
    pick = itemgetter(*names)
    return lambda value: pick(vars(value))


def _of_exception(value: StepException) -> Iterable[Any]:
    """Which act is parked, and why; how often counts only as far as once or more."""
    attempts = min(value.attempts, 2)
    return value.key, value.step, value.basis, value.code, attempts, value.retry_at, value.uncertain


# --- one value for all that are the same ----------------------------------------------------------


def first_of(value: V, clock: datetime, *texts: str) -> V:
    """The first value that was the same, as old, and says these texts: no rule tells them apart."""
    first: V = _firsts_by((digest(value), clock, texts), value)
    return first


def first_equal(value: V) -> V:
    """The first value that was equal, in what people see, too."""
    first: V = _firsts_by(digest(value), value)
    return first if first == value else value


def _firsts_by(place: Any, value: Any) -> Any:
    if len(_firsts) > _MOST_FIRSTS:
        _firsts.clear()
    return _firsts.setdefault(place, value)

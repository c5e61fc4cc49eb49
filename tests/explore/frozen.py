"""Frozen values, and others made of them: every move makes several."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Self, TypeVar

R = TypeVar("R")
_kept: list[dict[Any, Any]] = []


class Frozen:
    """Base of frozen dataclasses without slots. A change is another value, which shares what did
    not change, and derives anew what is derived of its fields (`cached_property`)."""

    def replace(self, **changes: Any) -> Self:
        """The same with these fields changed. Raises TypeError for a field there is none of."""
        names = self.__dataclass_fields__  # type: ignore[attr-defined]
        if not changes.keys() <= names.keys():
            raise TypeError(f"{type(self).__name__} has no {sorted(changes.keys() - names.keys())}")
        # By hand: `dataclasses.replace` takes four times as long.
        copy, known = object.__new__(type(self)), self.__dict__
        if len(known) > len(names):  # Something is derived of them.
            known = {name: known[name] for name in names}
        copy.__dict__.update(known)
        copy.__dict__.update(changes)
        return copy


def kept() -> dict[Any, Any]:
    """What is known for as long as the rules are the same: nothing yet."""
    known: dict[Any, Any] = {}
    _kept.append(known)
    return known


def once(
    most: int, about: Callable[..., tuple[Any, ...]] | None = None
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Ask a question about the very same frozen values once; so many answers are kept. `about`
    gives what of the values an answer hangs on, where that is not all of them."""

    def of(ask: Callable[..., R]) -> Callable[..., R]:
        known = kept()

        @functools.wraps(ask)
        def asked(*given: Any) -> R:
            values = about(*given) if about else given
            place = tuple(map(id, values))
            found: tuple[Any, R] | None = known.get(place)
            if found is not None:
                return found[1]
            answer = ask(*given)
            if len(known) >= most:
                known.clear()
            # While the values are kept, no others get their places.
            known[place] = values, answer
            return answer

        return asked

    return of


def forget() -> None:
    """Ask everything again: the rules are others now."""
    for known in _kept:
        known.clear()

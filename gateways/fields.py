"""Lists of fields."""

from __future__ import annotations


def names(text: str) -> tuple[str, ...]:
    """The names that a text has, for lists that are read more easily in lines than in a column."""
    return tuple(text.split())

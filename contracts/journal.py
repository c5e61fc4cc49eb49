"""What happened, in words, newest last: bounded, for people; the history is the full record."""

from __future__ import annotations

from datetime import datetime

from contracts.model import Value

MAX_ENTRIES = 40
MAX_LENGTH = 1_500
"""Of an entry, in characters: what was said in full stands in the history."""


class Entry(Value):
    """One event at an aware (UTC) time."""

    at: datetime
    text: str


class Journal(Value):
    """The latest entries; older ones are dropped to keep the state small. Immutable."""

    entries: tuple[Entry, ...] = ()

    def noted(self, at: datetime, text: str) -> Journal:
        """The journal with one entry more."""
        if len(text) > MAX_LENGTH:
            text = text[: MAX_LENGTH - 1] + "…"
        return self.replace(
            entries=(*self.entries, Entry.of_checked(at=at, text=text))[-MAX_ENTRIES:]
        )

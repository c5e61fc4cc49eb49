"""What happened, in words, newest last: bounded, for people; the history is the full record."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

MAX_ENTRIES = 40
MAX_LENGTH = 1_500
"""Of an entry, in characters: what was said in full stands in the history."""


class Entry(BaseModel):
    """One event at an aware (UTC) time."""

    at: datetime
    text: str


class Journal(BaseModel):
    """The latest entries; older ones are dropped to keep the state small."""

    entries: list[Entry] = Field(default_factory=list)

    def note(self, at: datetime, text: str) -> None:
        if len(text) > MAX_LENGTH:
            text = text[: MAX_LENGTH - 1] + "…"
        self.entries = [*self.entries, Entry(at=at, text=text)][-MAX_ENTRIES:]

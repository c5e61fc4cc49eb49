"""Which of the files at a place are taken: those that nobody writes any more, each once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, Field

from contracts.model import Value

MAX_LISTED = 1_000
"""Files that one look finds; what is done is put away, so that the next look finds the others."""
MAX_TAKEN = 200
"""Files that one sweep takes; the next goes on."""
LOOKS_AGAIN_AFTER = timedelta(hours=1)
"""A file that was taken and still lies there is looked at again: its workflow waits for something,
or was ended by force."""


class SourceFile(Value):
    """A file that is there. `name` has no folder in it, and can be printed: what no text can say is
    percent-encoded. Somebody may be writing it still: its size or time then change."""

    name: str = Field(min_length=1, max_length=800)
    size: int = Field(ge=0)
    modified: AwareDatetime


class Seen(Value):
    """A file as a look found it, and when it was taken, if it was."""

    size: int
    modified: AwareDatetime
    taken_at: AwareDatetime | None = None

    def is_same(self, file: SourceFile) -> bool:
        return (self.size, self.modified) == (file.size, file.modified)


class BankSweepResult(BaseModel):
    """What one sweep of a bank's files did: what it has `seen`, by name, for the next one to
    compare with, and how many files it `started`, and put away as `repeated`."""

    seen: dict[str, Seen] = Field(default_factory=dict, max_length=MAX_LISTED)
    started: int = 0
    repeated: int = 0


def compared(
    found: Iterable[SourceFile], before: Mapping[str, Seen], now: datetime
) -> tuple[list[SourceFile], dict[str, Seen]]:
    """The files to take now, and all that are there, for the next look. A file is taken where the
    look before found it with the same size and time."""
    taken: list[SourceFile] = []
    seen: dict[str, Seen] = {}
    for file in found:
        known = before.get(file.name)
        stands_still = known is not None and known.is_same(file)
        taken_at = known.taken_at if known is not None and stands_still else None
        is_due = taken_at is None or now - taken_at >= LOOKS_AGAIN_AFTER
        if stands_still and is_due and len(taken) < MAX_TAKEN:
            taken.append(file)
            taken_at = now
        seen[file.name] = Seen(size=file.size, modified=file.modified, taken_at=taken_at)
    return taken, seen

"""Retention by rule: what it is about, what a run asks for, and what came of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from contracts.model import Frozen

REMOVED, CHAIN_REMOVED = "retention", "audit_removed"
"""Entries of a legal entity's chain: records that were removed by a rule, a chain that was."""


class Kind(StrEnum):
    """A kind of data with a rule of its own, in the order in which they are looked at."""

    PAYLOADS = "payloads"
    KEYS = "keys"
    AUDIT = "audit"
    DECODES = "decodes"

    @property
    def words(self) -> str:
        """As people read it."""
        return _WORDS[self]


_WORDS = {
    Kind.PAYLOADS: "large payloads",
    Kind.KEYS: "keys of contracts",
    Kind.AUDIT: "audit records of contracts and bank files",
    Kind.DECODES: "records of looks through the codec server",
}
OF_ENTITY, OF_NONE = (Kind.PAYLOADS, Kind.KEYS, Kind.AUDIT), (Kind.PAYLOADS, Kind.DECODES)
"""What a legal entity has, and what belongs to none."""


def kinds_of(legal_entity: str) -> tuple[Kind, ...]:
    """The kinds of a legal entity; where none is named, of what belongs to none."""
    return OF_ENTITY if legal_entity else OF_NONE


class Removed(Frozen):
    """What came of one kind: how many contracts (or days of records) were due, and how many records
    were removed. `held` are records that a bucket's lock holds, `undated` contracts of which
    nothing says when they ended: they are kept."""

    kind: Kind
    due: int = 0
    records: int = 0
    held: int = 0
    undated: int = 0

    def plus(self, other: Removed) -> Removed:
        """Both of one kind."""
        return Removed(
            kind=self.kind,
            due=self.due + other.due,
            records=self.records + other.records,
            held=self.held + other.held,
            undated=self.undated + other.undated,
        )


class Page(Frozen):
    """What came of one page, and what to go on behind; nothing where it was the last."""

    removed: Removed
    after: str = ""


class Progress(Frozen):
    """How far a run has come: the kind and what to go on behind, and what came of it so far."""

    kind: Kind
    after: str = ""
    done: tuple[Removed, ...] = ()

    def with_page(self, page: Page) -> Progress:
        """One page further."""
        others = tuple(item for item in self.done if item.kind is not self.kind)
        same = (item for item in self.done if item.kind is self.kind)
        removed = next(same, Removed(kind=self.kind)).plus(page.removed)
        return Progress(kind=self.kind, after=page.after, done=(*others, removed))


class RetentionDue(Frozen):
    """What a schedule asks for, daily: of a legal entity, or of what belongs to none. `progress` is
    that of a run that goes on in another."""

    legal_entity: str = ""
    time_zone: str = "UTC"
    progress: Progress | None = None


class RetentionReport(Frozen):
    """What a run has removed."""

    legal_entity: str
    removed: tuple[Removed, ...]


def is_over(ended_at: datetime, days: int, now: datetime) -> bool:
    """Whether so many days have passed since; both aware."""
    return now.astimezone(UTC) - ended_at.astimezone(UTC) >= timedelta(days=days)

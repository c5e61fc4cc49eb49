"""Logged time: what a time system says of the hours that people worked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, StringConstraints

from contracts.model import Value

MAX_NAME, MAX_NOTE, MAX_WHY = 200, 500, 300
"""What is kept of a name, of what people noted with their hours, and of why something is wrong."""
PLACES = Decimal("0.0001")
"""What hours are rounded to: a third of a second."""
_SECONDS_AN_HOUR = Decimal(3_600)
_DAY = Decimal(24)

EntryId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
"""An entry's id there: it becomes part of an Odoo external id, and is read back from `ref`."""
RecordId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
"""The id of a person, project or task there; the configuration names it."""
Hours = Annotated[Decimal, Field(ge=0, le=31 * _DAY)]


class LoggedTime(Value):
    """Hours of a person on a day, as they are now. `changed_at` is when this became so, by the
    system's clock (aware). `email` is empty where the system does not say it."""

    entry_id: EntryId
    person_id: RecordId
    person: str = ""
    email: str = ""
    project_id: RecordId
    project: str = ""
    task_id: RecordId | None = None
    task: str = ""
    on: date
    hours: Hours
    note: str = ""
    is_approved: bool
    changed_at: AwareDatetime


class UnreadableTime(Value):
    """An entry that is there, and of which something cannot be read."""

    entry_id: EntryId
    why: str


class LoggedTimes(Value):
    """A page of entries, those that cannot be read, the ids of those deleted, and what the system's
    own clock said (aware). `next` is the mark that the next page begins behind; "": this was the
    last."""

    entries: list[LoggedTime]
    unreadable: list[UnreadableTime] = Field(default_factory=list)
    deleted: list[EntryId] = Field(default_factory=list)
    as_of: AwareDatetime
    next: str = ""

    @property
    def there(self) -> set[str]:
        """The ids of the entries that are there, whether they can be read or not."""
        return {*(item.entry_id for item in self.entries), *(it.entry_id for it in self.unreadable)}

    @classmethod
    def of(
        cls, found: Iterable[LoggedTime | UnreadableTime], as_of: datetime, following: str
    ) -> LoggedTimes:
        """A page of what was found."""
        items = list(found)
        return cls(
            entries=[item for item in items if isinstance(item, LoggedTime)],
            unreadable=[item for item in items if isinstance(item, UnreadableTime)],
            as_of=as_of,
            next=following,
        )


class SubjectKind(StrEnum):
    """What may keep hours from their place in Odoo."""

    PERSON = "person"
    PROJECT = "project"
    ENTRY = "entry"
    DAYS = "days"
    """Days of which more lines are gone than anybody deletes, by the first of them."""


class Subject(Value):
    """A person, project, entry or days of a time system, by the id there or the first day."""

    kind: SubjectKind
    id: RecordId

    def __str__(self) -> str:
        return f"{self.kind}-{self.id}"


class Unplaced(Value):
    """What keeps hours from their place, once however many entries it keeps. `since` is when the
    first of them changed: whatever is read again from then on has all of them."""

    subject: Subject
    code: str
    message: str
    since: AwareDatetime

    @property
    def coded(self) -> str:
        """What is wrong and what to do about it, with its code."""
        return f"{self.message} [{self.code}]"


def hours_of(seconds: Decimal | int) -> Decimal:
    """Hours of so many seconds."""
    return rounded_hours(Decimal(seconds) / _SECONDS_AN_HOUR)


def rounded_hours(hours: Decimal) -> Decimal:
    """Hours as they are kept: exact to a third of a second, a tie to the even neighbour."""
    return hours.quantize(PLACES, ROUND_HALF_EVEN).normalize() + 0


def short(text: Any, most: int) -> str:
    """A text in one line without control characters, at most so long; "" for none."""
    words = " ".join(str(text or "").split())
    return "".join(letter for letter in words if letter.isprintable())[:most]

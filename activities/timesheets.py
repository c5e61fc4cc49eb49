"""Time systems: approved hours, kept in Odoo's timesheets as they are there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel, Field
from temporalio import activity

from activities.failures import BusinessRefusal
from activities.odoo.catalogue import Catalogue
from activities.odoo.time_lines import OdooTimeLines
from contracts.timesheets.entries import (
    LoggedTime,
    LoggedTimes,
    Subject,
    SubjectKind,
    Unplaced,
)
from contracts.timesheets.importing import LineInOdoo, changes, unreadable
from contracts.timesheets.mapping import TimeMapping
from gateways.odoo import OdooClient
from gateways.timesheets.protocol import Timesheets

DAYS_AT_ONCE = 7
"""What is compared in one activity."""
IMPORTING_CALLS, COMPARING_CALLS = 20, 60
"""How many calls an activity makes in a row, to the time system and to Odoo."""
MOST_PAGES = 500
FEW_GONE = 20
"""So many lines of a week may vanish without a question. Of more, half: a key that lost its rights
shows the hours of its owner alone, and that is no reason to delete everybody else's."""


class TimeChanges(BaseModel):
    """Hours that changed at or after `since` (aware; the system's clock). `after` is the mark that
    this page begins behind; "": the first page."""

    system: str
    since: datetime
    after: str = ""


class TimeDays(BaseModel):
    """Days to compare, from this one on."""

    system: str
    first: date


class OpenDays(BaseModel):
    """Which days are open on a day."""

    system: str
    today: date


class UnplacedIn(BaseModel):
    """What keeps hours of a system from their place."""

    system: str
    unplaced: Unplaced


class IsMended(BaseModel):
    """Whether it may keep them no longer."""

    is_mended: bool


class TimeImported(BaseModel):
    """What came of a page of hours: how many lines were loaded, lost their approval or were
    deleted, and what keeps others from their place. `as_of` is the system's own time; `next` is
    the mark that the next page begins behind."""

    loaded: int = 0
    withdrawn: int = 0
    deleted: int = 0
    unplaced: list[Unplaced] = Field(default_factory=list)
    as_of: datetime | None = None
    next: str = ""

    @property
    def changed(self) -> int:
        return self.loaded + self.withdrawn + self.deleted


class DaysCompared(BaseModel):
    """The first days of the weeks that are to be compared."""

    weeks: list[date]


@dataclass(frozen=True)
class TimeSystem:
    """A configured time system: its gateway, where its hours belong, and how long they may still
    change. `company` is the name of its legal entity's company in Odoo."""

    gateway: Timesheets
    legal_entity: str
    company: str
    mapping: TimeMapping
    open_days: int


class TimesheetActivities:
    """Activities on the `timesheets` task queue; one system a name that is configured."""

    def __init__(
        self,
        systems: Mapping[str, TimeSystem],
        odoo: OdooClient,
        catalogue: Catalogue,
        approved_field: str,
    ) -> None:
        self._systems = systems
        self._odoo = odoo
        self._catalogue = catalogue
        self._approved_field = approved_field

    @activity.defn
    def import_time(self, request: TimeChanges) -> TimeImported:
        """Bring a page of what changed into Odoo; safe to repeat."""
        system = self._system(request.system)
        page = system.gateway.changed(request.since, request.after)
        lines = self._lines(request.system)
        known = lines.of_entries([*(item.entry_id for item in page.entries), *page.deleted])
        imported = self._apply(request.system, page.entries, page.deleted, known)
        imported.unplaced += [
            unreadable(item, request.system, request.since) for item in page.unreadable
        ]
        return imported.model_copy(update={"as_of": page.as_of, "next": page.next})

    @activity.defn
    def compare_time(self, request: TimeDays) -> TimeImported:
        """Compare all hours of a week with Odoo's lines, and mend what differs.

        A line whose entry is missing is deleted once two readings in a row miss it: an entry may
        move from one page to another while they are read.
        """
        system, name = self._system(request.system), request.system
        last = request.first + timedelta(days=DAYS_AT_ONCE - 1)
        found = _all(lambda after: system.gateway.worked(request.first, last, after))
        known = self._lines(name).between(request.first, last)
        gone = {item.entry_id for item in known} - found.there
        if gone:
            again = _all(lambda after: system.gateway.worked(request.first, last, after))
            gone -= again.there
        approved = {item.entry_id for item in known if item.is_approved}
        lost = len(gone & approved)
        question = _question(name, request.first, last, lost, len(approved))
        # A line may be of an entry that was on another day when it came into Odoo.
        elsewhere = self._lines(name).of_entries(found.there - {item.entry_id for item in known})
        imported = self._apply(name, found.entries, () if question else gone, [*known, *elsewhere])
        imported.unplaced += [question] if question else []
        at = datetime(request.first.year, request.first.month, request.first.day, tzinfo=UTC)
        imported.unplaced += [unreadable(item, name, at) for item in found.unreadable]
        return imported

    @activity.defn
    def open_weeks(self, request: OpenDays) -> DaysCompared:
        """The weeks in which hours may still change, from Mondays on: what is asked about a week is
        known by its first day, and asked once."""
        first = request.today - timedelta(days=self._system(request.system).open_days)
        first -= timedelta(days=first.weekday())
        count = (request.today - first).days // DAYS_AT_ONCE + 1
        return DaysCompared(
            weeks=[first + timedelta(days=DAYS_AT_ONCE * week) for week in range(count)]
        )

    @activity.defn
    def is_mended(self, request: UnplacedIn) -> IsMended:
        """Whether it is worth while to read hours again: not for a project or person of whom
        neither the configuration, nor the system, nor Odoo says more than before."""
        system, unplaced = self._system(request.system), request.unplaced
        mapping, subject = system.mapping, unplaced.subject
        if subject.kind is SubjectKind.PROJECT:
            targets = mapping.of_project(subject.id)
            known = self._lines(request.system).directory(system.legal_entity, (), targets)
            is_mended = any(it.is_ignored or it in known.tasks for it in targets)
        elif subject.kind is SubjectKind.PERSON:
            email = mapping.people.get(subject.id) or system.gateway.email(subject.id)
            email = email.strip().lower()
            known = self._lines(request.system).directory(system.legal_entity, {email}, ())
            is_mended = len(known.employees.get(email, ())) == 1
        else:
            is_mended = True
        return IsMended(is_mended=is_mended)

    def _apply(
        self,
        name: str,
        entries: Sequence[LoggedTime],
        deleted: Collection[str],
        known: Sequence[LineInOdoo],
    ) -> TimeImported:
        system, lines = self._system(name), self._lines(name)
        mapping = system.mapping
        approved = [item for item in entries if item.is_approved]
        targets = {mapping.target(item) for item in approved} - {None}
        directory = lines.directory(
            system.legal_entity,
            {mapping.email(item) for item in approved},
            [target for target in targets if target is not None],
        )
        wanted = changes(name, entries, deleted, known, mapping, directory)
        written = lines.write(wanted)
        return TimeImported(
            loaded=written.loaded,
            withdrawn=written.withdrawn,
            deleted=written.deleted,
            unplaced=[*wanted.unplaced.values(), *written.refused],
        )

    def _system(self, name: str) -> TimeSystem:
        system = self._systems.get(name)
        if system is None:
            known = ", ".join(self._systems) or "none"
            raise BusinessRefusal(
                "timesheets_not_configured",
                f"no time system {name} is configured; configured: {known}",
                field="system",
                value=name,
            )
        return system

    def _lines(self, name: str) -> OdooTimeLines:
        company = self._system(name).company
        return OdooTimeLines(self._odoo, self._catalogue, self._approved_field, name, company)


def _all(read: Callable[[str], LoggedTimes]) -> LoggedTimes:
    """What is on all pages."""
    found = read("")
    for _ in range(MOST_PAGES):
        if not found.next:
            return found
        page = read(found.next)
        found = page.replace(
            entries=[*found.entries, *page.entries],
            unreadable=[*found.unreadable, *page.unreadable],
        )
    raise BusinessRefusal("time_too_many_lines", f"a week of more than {MOST_PAGES} pages")


def _question(name: str, first: date, last: date, gone: int, known: int) -> Unplaced | None:
    """What a person is asked before very many lines are deleted; None where they are few."""
    if gone <= max(FEW_GONE, known // 2):
        return None
    text = (
        f"{name} no longer shows {gone} of {known} entries from {first} to {last}, which Odoo has: "
        "see that the key may still read everybody's hours. If they are really gone, delete their "
        "lines in Odoo"
    )
    subject = Subject(kind=SubjectKind.DAYS, id=str(first))
    at = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return Unplaced(subject=subject, code="time_many_gone", message=text, since=at)

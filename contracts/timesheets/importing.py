"""What is to be done in Odoo for entries of a time system: decided of both as they are now.

An entry is one timesheet line, found again by its `ref`. Only what is approved gets a line; what
was approved and is no more keeps its line, without the approval, so that contracts credit it. What
was deleted, or is ignored now, loses its line. Nothing is written where nothing differs: nor where
a line is right and could not be made today, as its employee has left or its task is archived.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from contracts.model import Value
from contracts.timesheets.entries import (
    LoggedTime,
    Subject,
    SubjectKind,
    Unplaced,
    UnreadableTime,
)
from contracts.timesheets.mapping import IGNORED, Target, TimeMapping


class TaskInOdoo(Value):
    """A task, and the project that it is in."""

    task: int
    project: int


class LineInOdoo(Value):
    """A timesheet line of ours as Odoo has it; `entry_id` is what its `ref` says."""

    line: int
    entry_id: str
    employee: int
    project: int
    task: int
    on: date
    hours: Decimal
    note: str
    is_approved: bool


class PlacedTime(Value):
    """An approved entry with its place in Odoo."""

    entry: LoggedTime
    employee: int
    place: TaskInOdoo

    def is_shown_by(self, line: LineInOdoo) -> bool:
        """Whether Odoo's line says just this."""
        is_same = self.employee == line.employee and note_of(self.entry) == line.note
        return is_same and _bills(line, self.entry, self.place)


@dataclass(frozen=True)
class Directory:
    """What Odoo has of people and places: employees by their work e-mails in lower case, the tasks
    that targets name. On `archived` ones nobody logs hours any more; what is there counts."""

    employees: Mapping[str, Sequence[int]]
    tasks: Mapping[Target, TaskInOdoo]
    archived: Mapping[Target, TaskInOdoo] = field(default_factory=dict)


@dataclass
class Changes:
    """Lines to load, lines whose approval is taken back, lines to delete, copies of lines that
    somebody made in Odoo, which are let go, and what keeps entries from their place."""

    load: list[PlacedTime] = field(default_factory=list)
    withdraw: list[int] = field(default_factory=list)
    delete: list[int] = field(default_factory=list)
    let_go: list[int] = field(default_factory=list)
    unplaced: dict[Subject, Unplaced] = field(default_factory=dict)

    def park(self, found: Unplaced) -> None:
        """Keep each subject once, with the earliest of what it holds up."""
        known = self.unplaced.get(found.subject)
        if known is None or found.since < known.since:
            self.unplaced[found.subject] = found


def changes(
    system: str,
    entries: Iterable[LoggedTime],
    deleted: Collection[str],
    lines: Sequence[LineInOdoo],
    mapping: TimeMapping,
    known: Directory,
) -> Changes:
    """What brings Odoo's lines to the state of these entries."""
    found = Changes()
    by_entry: dict[str, LineInOdoo] = {}
    for line in sorted({it.line: it for it in lines}.values(), key=lambda it: it.line):
        # Who copies a line in Odoo copies its `ref`: the copy is a line of their own.
        if by_entry.setdefault(line.entry_id, line) is not line:
            found.let_go.append(line.line)
    for entry in {item.entry_id: item for item in entries}.values():
        if entry.entry_id not in deleted:
            _decide(system, entry, by_entry.get(entry.entry_id), mapping, known, found)
    found.delete += [by_entry[entry].line for entry in deleted if entry in by_entry]
    return found


def _decide(
    system: str,
    entry: LoggedTime,
    line: LineInOdoo | None,
    mapping: TimeMapping,
    known: Directory,
    found: Changes,
) -> None:
    target = mapping.target(entry)
    if target is not None and target.is_ignored:
        found.delete += [line.line] if line else []
        return
    placed = _placed(system, entry, target, mapping, known) if entry.is_approved else None
    if isinstance(placed, PlacedTime):
        if line is None or not placed.is_shown_by(line):
            found.load.append(placed)
        return
    if isinstance(placed, Unplaced):
        if line is not None and _stays(line, entry, target, known):
            return
        found.park(placed)
    if line is not None and line.is_approved:
        found.withdraw.append(line.line)


def _stays(line: LineInOdoo, entry: LoggedTime, target: Target | None, known: Directory) -> bool:
    """Whether a line is right although it could not be made now: people leave, or get another
    e-mail, and tasks are archived, but hours that were worked and billed were worked all the same.
    """
    place = (known.tasks.get(target) or known.archived.get(target)) if target else None
    return place is not None and _bills(line, entry, place)


def _bills(line: LineInOdoo, entry: LoggedTime, place: TaskInOdoo) -> bool:
    """Whether a line is approved and has the entry's hours on its day and task."""
    shown = (line.project, line.task, line.on, line.hours)
    return line.is_approved and shown == (place.project, place.task, entry.on, entry.hours)


def _placed(
    system: str,
    entry: LoggedTime,
    target: Target | None,
    mapping: TimeMapping,
    known: Directory,
) -> PlacedTime | Unplaced:
    """Its place is looked for first: who works on unknown projects only need not be known."""
    place = known.tasks.get(target) if target else None
    if place is None:
        return _without_place(system, entry, target)
    email = mapping.email(entry)
    employees = known.employees.get(email, ())
    if not email or len(employees) != 1:
        return _without_person(system, entry, email, len(employees))
    return PlacedTime(entry=entry, employee=employees[0], place=place)


def _without_place(system: str, entry: LoggedTime, target: Target | None) -> Unplaced:
    what = f"project {entry.project_id} ({entry.project}) of {system}"
    subject = Subject(kind=SubjectKind.PROJECT, id=entry.project_id)
    if target is not None:
        return Unplaced(
            subject=subject,
            code="time_target_unknown",
            message=f"{what} is mapped to {target}, which Odoo does not have: correct "
            f"[timesheets.{system}.projects] or .tasks, or wait until the contract is set up",
            since=entry.changed_at,
        )
    return Unplaced(
        subject=subject,
        code="time_project_unknown",
        message=f"{what} has no place in Odoo: add "
        f'"{entry.project_id}" = "<contract>/<milestone or plan>", "task <id in Odoo>" or '
        f'"{IGNORED}" to [timesheets.{system}.projects], and restart the workers',
        since=entry.changed_at,
    )


def _without_person(system: str, entry: LoggedTime, email: str, count: int) -> Unplaced:
    what = f"person {entry.person_id} ({entry.person}) of {system}"
    subject = Subject(kind=SubjectKind.PERSON, id=entry.person_id)
    if count:
        return Unplaced(
            subject=subject,
            code="time_person_ambiguous",
            message=f"{what}: Odoo has {count} employees with the work e-mail {email}: correct "
            "them there",
            since=entry.changed_at,
        )
    nobody = f"Odoo has no employee with the work e-mail {email}" if email else "has no e-mail"
    return Unplaced(
        subject=subject,
        code="time_person_unknown",
        message=f"{what}: {nobody}: set it on the employee in Odoo, or add "
        f'"{entry.person_id}" = "<work e-mail in Odoo>" to [timesheets.{system}.people] and '
        "restart the workers",
        since=entry.changed_at,
    )


def refused(entry: LoggedTime, system: str, why: str) -> Unplaced:
    """An entry whose line Odoo refuses."""
    return Unplaced(
        subject=Subject(kind=SubjectKind.ENTRY, id=entry.entry_id),
        code="time_line_refused",
        message=f"entry {entry.entry_id} of {system} ({entry.person}, {entry.on}): {why}",
        since=entry.changed_at,
    )


def unreadable(entry: UnreadableTime, system: str, since: datetime) -> Unplaced:
    """An entry that is not understood: it holds up no other."""
    return Unplaced(
        subject=Subject(kind=SubjectKind.ENTRY, id=entry.entry_id),
        code="time_entry_unreadable",
        message=f"entry {entry.entry_id} of {system}: {entry.why}: correct it there",
        since=since,
    )


def note_of(entry: LoggedTime) -> str:
    """What the line says: what was noted, else the task, as Odoo wants some text."""
    return entry.note or entry.task or "/"

"""What is done in Odoo for logged time: decided of both as they are."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.timesheets.entries import LoggedTime, hours_of, rounded_hours, short
from contracts.timesheets.importing import (
    Changes,
    Directory,
    LineInOdoo,
    PlacedTime,
    TaskInOdoo,
    changes,
    note_of,
)
from contracts.timesheets.mapping import Target, TimeMapping, target_of

NOW = datetime(2026, 10, 6, 12, tzinfo=UTC)
DEV = Target(contract_id="C-1", key="dev")
PLACE = TaskInOdoo(task=9, project=3)
MAPPING = TimeMapping(
    people={"7": "Petra@Northwind.example"},
    projects={"11": DEV, "12": Target(is_ignored=True), "13": Target(task=404)},
    tasks={"11/5": Target(is_ignored=True)},
)
KNOWN = Directory(
    employees={"petra@northwind.example": (2,), "two@northwind.example": (4, 5)},
    tasks={DEV: PLACE},
)


def entry(entry_id: str = "1", **changed: Any) -> LoggedTime:
    values = {
        "entry_id": entry_id,
        "person_id": "7",
        "person": "Petra",
        "project_id": "11",
        "project": "Site",
        "task": "Coding",
        "on": date(2026, 10, 5),
        "hours": Decimal("7.5"),
        "note": "Wired it",
        "is_approved": True,
        "changed_at": NOW,
    }
    return LoggedTime(**(values | changed))


def line(of: LoggedTime, **changed: Any) -> LineInOdoo:
    values = {
        "line": 100 + int(of.entry_id),
        "entry_id": of.entry_id,
        "employee": 2,
        "project": 3,
        "task": 9,
        "on": of.on,
        "hours": of.hours,
        "note": note_of(of),
        "is_approved": True,
    }
    return LineInOdoo(**(values | changed))


def decided(*entries: LoggedTime, lines: Any = (), deleted: Any = ()) -> Changes:
    return changes("harvest", entries, deleted, lines, MAPPING, KNOWN)


def test_an_approved_entry_gets_a_line_and_nothing_else_once_it_has_it() -> None:
    found = decided(entry())
    assert found.load == [PlacedTime(entry=entry(), employee=2, place=PLACE)]
    assert decided(entry(), lines=[line(entry())]) == Changes()


@pytest.mark.parametrize(
    "differs",
    [
        {"hours": Decimal("7.25")},
        {"on": date(2026, 10, 4)},
        {"note": "Something else"},
        {"employee": 4},
        {"task": 8},
        {"project": 2},
        {"is_approved": False},
    ],
)
def test_whatever_differs_is_loaded_again(differs: dict[str, Any]) -> None:
    found = decided(entry(), lines=[line(entry(), **differs)])
    assert [item.entry.entry_id for item in found.load] == ["1"]
    assert not found.withdraw
    assert not found.delete


def test_what_is_not_approved_gets_no_line_and_loses_the_approval_of_one() -> None:
    draft = entry(is_approved=False)
    assert decided(draft) == Changes()
    assert decided(draft, lines=[line(draft)]) == Changes(withdraw=[101])
    assert decided(draft, lines=[line(draft, is_approved=False)]) == Changes()


def test_what_is_deleted_or_ignored_loses_its_line() -> None:
    kept, gone = entry("1"), entry("2")
    lines = [line(kept), line(gone)]
    assert decided(kept, gone, lines=lines, deleted=["2", "3"]) == Changes(delete=[102])
    ignored = entry("2", project_id="12")
    assert decided(kept, ignored, lines=lines) == Changes(delete=[102])
    assert decided(entry("2", task_id="5"), lines=lines[1:]) == Changes(delete=[102])


def test_an_entry_that_comes_twice_counts_as_it_came_last() -> None:
    found = decided(entry(is_approved=False), entry(hours=Decimal(2)))
    assert [item.entry.hours for item in found.load] == [Decimal(2)]


@pytest.mark.parametrize(
    ("changed", "code", "subject", "words"),
    [
        ({"project_id": "99"}, "time_project_unknown", "project-99", '"99" = '),
        ({"project_id": "13"}, "time_target_unknown", "project-13", "task 404"),
        ({"person_id": "8"}, "time_person_unknown", "person-8", "no e-mail"),
        (
            {"person_id": "8", "email": "Nobody@firm.example"},
            "time_person_unknown",
            "person-8",
            "nobody@firm.example",
        ),
        (
            {"person_id": "8", "email": "two@northwind.example"},
            "time_person_ambiguous",
            "person-8",
            "2 employees",
        ),
    ],
)
def test_what_is_unknown_waits_once_with_what_to_do(
    changed: dict[str, Any], code: str, subject: str, words: str
) -> None:
    first = entry("1", **changed, changed_at=NOW - timedelta(days=1))
    found = decided(entry("2", **changed), first, entry("3"))
    assert [item.entry.entry_id for item in found.load] == ["3"], "it holds up nothing else"
    [unplaced] = found.unplaced.values()
    assert (unplaced.code, str(unplaced.subject)) == (code, subject)
    assert unplaced.since == NOW - timedelta(days=1)
    assert words in unplaced.message


def test_a_line_whose_entry_moved_to_an_unknown_project_loses_its_approval() -> None:
    moved = entry(project_id="99")
    found = decided(moved, lines=[line(entry())])
    assert found.withdraw == [101]
    assert [str(subject) for subject in found.unplaced] == ["project-99"]


@pytest.mark.parametrize(
    "known",
    [
        Directory(employees={}, tasks={DEV: PLACE}),
        Directory(employees={"petra@northwind.example": (4, 5)}, tasks={DEV: PLACE}),
        Directory(employees=KNOWN.employees, tasks={}, archived={DEV: PLACE}),
    ],
    ids=["who left", "whose e-mail two have", "on an archived task"],
)
def test_hours_keep_their_line_which_could_not_be_made_any_more(known: Directory) -> None:
    """They are billed, and paid: neither a contract nor the payroll takes them back for that."""

    def of(now: LoggedTime) -> Changes:
        return changes("harvest", [now], (), [line(entry())], MAPPING, known)

    assert of(entry()) == Changes()
    assert of(entry(note="Wired it all")) == Changes()
    for changed in ({"hours": Decimal(4)}, {"on": date(2026, 10, 6)}):
        corrected = of(entry(**changed))
        assert (corrected.withdraw, len(corrected.unplaced)) == ([101], 1)
    assert of(entry(is_approved=False)) == Changes(withdraw=[101])


def test_nobody_logs_hours_on_an_archived_task() -> None:
    known = Directory(employees=KNOWN.employees, tasks={}, archived={DEV: PLACE})
    found = changes("harvest", [entry()], (), (), MAPPING, known)
    assert (found.load, [it.code for it in found.unplaced.values()]) == (
        [],
        ["time_target_unknown"],
    )


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("C-1/dev", DEV),
        (" task 812 ", Target(task=812)),
        ("ignore", Target(is_ignored=True)),
    ],
)
def test_a_target_is_read_as_the_configuration_writes_it(text: str, target: Target) -> None:
    assert target_of(text) == target
    assert target_of(str(target)) == target


@pytest.mark.parametrize(
    "text", ["", "C-1", "C-1/", "/dev", "task", "task 0", "task x", "a/b/c", 7]
)
def test_what_is_no_target_says_what_would_be(text: Any) -> None:
    with pytest.raises(ValueError, match="such as"):
        target_of(text)


@settings(deadline=None)
@given(st.integers(0, 31 * 24 * 3600))
def test_hours_of_seconds_are_exact_to_a_third_of_one(seconds: int) -> None:
    hours = hours_of(seconds)
    assert abs(hours * 3600 - seconds) <= Decimal("0.18")
    assert rounded_hours(hours) == hours
    assert "E" not in str(hours)


def test_a_text_becomes_one_line_without_what_cannot_be_printed() -> None:
    assert short(" Wired\tthe\n\n till\x00 ", 50) == "Wired the till"
    assert short("x" * 9, 5) == "xxxxx"
    assert short(None, 5) == ""


@pytest.mark.parametrize("turned", [False, True])
def test_a_copy_that_somebody_made_of_a_line_is_let_go(*, turned: bool) -> None:
    """Odoo copies the `ref`: the entry's hours would count twice, and the copy be corrected."""
    original = line(entry())
    lines = [original, original.replace(line=900)]
    found = changes("harvest", [entry()], (), lines[::-1] if turned else lines, MAPPING, KNOWN)
    assert (found.let_go, found.load, found.delete) == ([900], [], [])

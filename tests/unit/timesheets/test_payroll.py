"""The payroll's files: everything once, then signed corrections, by which sums are always right."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.timesheets import payroll
from contracts.timesheets.payroll import COLUMNS, PayrollLine, Period, Row, Unreadable
from starters.payroll import NotWritten, PayrollRefused, export

OCTOBER = Period(year=2026, month=10)


def line(number: int = 1, hours: str = "7.5", **changed: Any) -> PayrollLine:
    values: dict[str, Any] = {
        "line": number,
        "employee_id": 2,
        "employee": "Petra Developer",
        "email": "petra@northwind.example",
        "on": date(2026, 10, 5),
        "hours": Decimal(hours),
        "project": "ERP roll-out",
        "task": "Development",
        "note": "Wired it",
    }
    return PayrollLine(**(values | changed))


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_bytes().decode(), newline="")))


def manifest(folder: Path, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"payroll-nw-2026-10-r{number}.json").read_text())
    return found


def test_the_first_revision_is_everything_in_the_documented_layout(tmp_path: Path) -> None:
    done = export(tmp_path, "nw", OCTOBER, [line(2, "1"), line(1), line(3, "0")])
    assert (done.revision, done.is_new, done.rows, done.hours) == (1, True, 2, "8.5")
    content = Path(done.file).read_bytes()
    header, first, second, end = content.split(b"\r\n")
    assert header.decode().split(",") == list(COLUMNS)
    assert first.decode() == (
        "1,nw,2026-10,1,time,1,2,Petra Developer,petra@northwind.example,2026-10-05,7.5,"
        "ERP roll-out,Development,Wired it"
    )
    assert second.split(b",")[5] == b"2"
    assert end == b""
    stated = manifest(tmp_path, 1)
    assert stated["sha256"] == hashlib.sha256(content).hexdigest()
    assert (stated["layout"], stated["rows"], stated["hours"]) == (1, 2, "8.5")
    assert stated["employees"] == [
        {"employee_id": 2, "employee": "Petra Developer", "hours": "8.5", "hours_to_date": "8.5"}
    ]


def test_later_revisions_are_signed_corrections(tmp_path: Path) -> None:
    kept, corrected, gone = line(1), line(2), line(3)
    export(tmp_path, "nw", OCTOBER, [kept, corrected, gone])
    late = line(4, "2", employee_id=5, employee="Conrad")
    done = export(tmp_path, "nw", OCTOBER, [kept, line(2, "6"), late])
    found = rows_of(Path(done.file))
    assert [(row["kind"], row["line"], row["hours"]) for row in found] == [
        ("reversal", "2", "-7.5"),
        ("time", "2", "6"),
        ("reversal", "3", "-7.5"),
        ("time", "4", "2"),
    ]
    assert (done.revision, done.hours) == (2, "-7.0")
    assert manifest(tmp_path, 2)["hours_to_date"] == "15.5"
    assert [item["hours_to_date"] for item in manifest(tmp_path, 2)["employees"]] == ["13.5", "2"]


def test_nothing_changed_is_no_revision(tmp_path: Path) -> None:
    export(tmp_path, "nw", OCTOBER, [line()])
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    done = export(tmp_path, "nw", OCTOBER, [line()])
    assert (done.revision, done.is_new, done.rows) == (1, False, 1)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_month_without_hours_is_exported_once_and_corrected_later(tmp_path: Path) -> None:
    assert export(tmp_path, "nw", OCTOBER, []).rows == 0
    assert not export(tmp_path, "nw", OCTOBER, []).is_new
    assert export(tmp_path, "nw", OCTOBER, [line()]).revision == 2
    september = Period(year=2026, month=9)
    assert export(tmp_path, "nw", september, []).revision == 1


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", " =cmd"])
def test_no_text_is_a_formula_and_stays_the_same(tmp_path: Path, text: str) -> None:
    [row] = rows_of(Path(export(tmp_path, "nw", OCTOBER, [line(note=text)]).file))
    assert row["note"] == f"'{text.strip()}"
    assert not export(tmp_path, "nw", OCTOBER, [line(note=text)]).is_new


def test_an_interrupted_export_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "payroll-nw-2026-10-r1.csv").write_text("half a fi")
    (tmp_path / ".payroll-nw-2026-10-r1.csv.part").write_text("hal")
    done = export(tmp_path, "nw", OCTOBER, [line()])
    assert (done.revision, len(rows_of(Path(done.file)))) == (1, 1)


def spoilt_csv(folder: Path) -> None:
    file = folder / "payroll-nw-2026-10-r1.csv"
    file.write_bytes(file.read_bytes().replace(b"7.5", b"9.5"))


def lost_csv(folder: Path) -> None:
    (folder / "payroll-nw-2026-10-r1.csv").unlink()


def lost_manifest(folder: Path) -> None:
    export(folder, "nw", OCTOBER, [line(hours="1")])
    (folder / "payroll-nw-2026-10-r1.json").unlink()


def spoilt_manifest(folder: Path) -> None:
    (folder / "payroll-nw-2026-10-r1.json").write_text("[]")


@pytest.mark.parametrize("spoil", [spoilt_csv, lost_csv, lost_manifest, spoilt_manifest])
def test_a_folder_that_is_not_as_it_was_left_is_refused(tmp_path: Path, spoil: Any) -> None:
    export(tmp_path, "nw", OCTOBER, [line()])
    spoil(tmp_path)
    with pytest.raises(PayrollRefused, match="payroll-nw-2026-10-r1"):
        export(tmp_path, "nw", OCTOBER, [line(hours="2")])


def test_two_exports_into_a_folder_do_not_run_at_once(tmp_path: Path) -> None:
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        with pytest.raises(PayrollRefused, match="running"):
            export(tmp_path, "nw", OCTOBER, [line()])
    finally:
        os.close(other)


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritten, match="file"):
        export(tmp_path / "file" / "below", "nw", OCTOBER, [line()])


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"a,b\r\n", ",".join(COLUMNS).encode() + b"\r\n1,nw,2026-10,2,time\r\n"],
)
def test_what_is_no_file_of_ours_is_not_read(content: bytes) -> None:
    with pytest.raises(Unreadable):
        payroll.read_file(content, "nw", OCTOBER, 1)


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "1999-01", "2026-10-01", ""])
def test_a_period_is_a_month(text: str) -> None:
    with pytest.raises(ValueError, match="2026-10"):
        Period.parse(text)


def test_a_month_ends_on_its_last_day() -> None:
    assert Period.parse("2028-02").last == date(2028, 2, 29)


states = st.dictionaries(
    st.integers(1, 6),
    st.tuples(st.sampled_from(["0", "1", "2.25", "7.5"]), st.integers(1, 3), st.text(max_size=5)),
)


@settings(deadline=None)
@given(st.lists(states, min_size=1, max_size=6))
def test_all_revisions_together_are_what_counts_now(story: Sequence[dict[int, Any]]) -> None:
    """Whatever happened to the hours, and however often it was exported."""
    before: list[list[Row]] = []
    for state in story:
        lines = [
            line(number, hours, employee_id=person, employee=str(person), note=note)
            for number, (hours, person, note) in state.items()
        ]
        revision = payroll.next_revision("nw", OCTOBER, before, lines)
        if revision is not None:
            rows = payroll.read_file(revision.file(), "nw", OCTOBER, revision.number)
            assert rows == list(revision.rows)
            before.append(rows)
        assert payroll.next_revision("nw", OCTOBER, before, lines) is None
        for person in (1, 2, 3):
            paid = sum(row.hours for rows in before for row in rows if row.cells[1] == str(person))
            worked = (Decimal(hours) for hours, who, _ in state.values() if who == person)
            assert paid == sum(worked)


def test_most_of_what_was_exported_is_taken_back_only_if_somebody_says_so(tmp_path: Path) -> None:
    """Whoever lost the right to see others' hours would take them from their pay."""
    lines = [line(number) for number in range(1, 6)]
    export(tmp_path, "nw", OCTOBER, lines)
    with pytest.raises(PayrollRefused, match="3 of the 5 lines"):
        export(tmp_path, "nw", OCTOBER, lines[:2])
    assert not (tmp_path / "payroll-nw-2026-10-r2.csv").exists()
    done = export(tmp_path, "nw", OCTOBER, lines[:2], may_be_gone=True)
    assert (done.revision, done.rows) == (2, 3)

"""A day's files in a folder and in a bucket: all of them or those of before, always the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import FileSelector

from contracts.analytics.columns import Row
from contracts.analytics.tables import AGING, BILLED, TABLES
from gateways import errors
from gateways.analytics.parquet import BadRow, day_export, folder_of, manifest_of
from gateways.analytics.places import BadPlace, NotInstalled, NotWritten, Place, place_of
from gateways.analytics.settings import AnalyticsSettings
from gateways.errors import GatewayError
from tests.amazon import served_services

ENTITY, DAY = "northwind", date(2026, 11, 30)
_BUCKET = "figures"


def billed(number: int) -> Row:
    made_on, amount = date(2026, 11, 1), Decimal(number) / 4
    return (
        *(f"C-{number}", "Website", "Acme", f"INV/{number}", "invoice"),
        *(made_on, made_on, None, amount, Decimal(0), amount, "EUR", amount, "EUR"),
    )


def rows(count: int) -> list[Row]:
    return [billed(number) for number in range(count)]


def export(place: Place, count: int, *, at_once: int = 1_000, day: date = DAY) -> None:
    made = rows(count)
    with day_export(place, ENTITY, day, TABLES) as opened:
        for start in range(0, count, at_once):
            opened.write(BILLED, made[start : start + at_once])


@dataclass
class Somewhere:
    """A place, and what is in it for whoever looks at it otherwise."""

    place: Place

    def files(self) -> dict[str, bytes]:
        """All that is there, by path."""
        files, root = self.place._files, self.place._root
        found = files.get_file_info(FileSelector(root, recursive=True, allow_not_found=True))
        return {
            item.path.removeprefix(f"{root}/"): files.open_input_file(item.path).readall()
            for item in found
            if item.is_file and not item.path.endswith("/")
        }

    def visible(self) -> dict[str, bytes]:
        return {path: data for path, data in self.files().items() if not path.startswith("_")}


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 that is none, on this machine."""
    with served_services() as address:
        yield address


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials that AWS's clients look for."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.long)])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Somewhere:
    if request.param == "folder":
        return Somewhere(place_of(str(tmp_path / "figures"), AnalyticsSettings()))
    request.getfixturevalue("keys")
    address = request.getfixturevalue("s3")
    from pyarrow.fs import S3FileSystem

    maker = S3FileSystem(
        endpoint_override=address.removeprefix("http://"),
        scheme="http",
        region="eu-west-1",
        allow_bucket_creation=True,
    )
    maker.create_dir(_BUCKET)
    settings = AnalyticsSettings(s3_endpoint=address, s3_region="eu-west-1")
    return Somewhere(place_of(f"s3://{_BUCKET}/{tmp_path.name}", settings))


# --- what is there --------------------------------------------------------------------------------


def test_each_table_has_one_file_and_the_last_file_says_so(there: Somewhere) -> None:
    export(there.place, 3)
    files = there.files()
    said = json.loads(files.pop(manifest_of(ENTITY, DAY)))
    assert (said["entity"], said["day"]) == (ENTITY, str(DAY))
    for table in TABLES:
        listed = said["tables"].pop(table.name)
        assert listed["file"].rpartition("/")[0] == folder_of(table, ENTITY, DAY)
        content = files.pop(listed["file"])
        assert listed["sha256"] == hashlib.sha256(content).hexdigest()
        assert listed["rows"] == pq.read_metadata(pa.BufferReader(content)).num_rows
        assert listed["rows"] == (3 if table is BILLED else 0)
    assert (files, said["tables"]) == ({}, {})


def test_the_same_rows_give_the_same_bytes_however_they_come(there: Somewhere) -> None:
    export(there.place, 12_345, at_once=1_000)
    before = there.files()
    export(there.place, 12_345, at_once=777)
    assert there.files() == before
    export(there.place, 12_345, at_once=12_345)
    assert there.files() == before


def test_fewer_rows_or_none_replace_those_of_before(there: Somewhere) -> None:
    for count in (7, 2, 0):
        export(there.place, count)
        assert counted(there.files()) == count


def test_other_days_stay(there: Somewhere) -> None:
    export(there.place, 3, day=date(2026, 11, 29))
    before = there.visible()
    export(there.place, 2)
    assert {path: there.files()[path] for path in before} == before


def test_what_has_not_changed_is_left_alone(
    there: Somewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[str] = []
    move = Place.move

    def seen(self: Place, source: str, target: str) -> None:
        moved.append(target.partition("/")[0])
        move(self, source, target)

    export(there.place, 3)
    monkeypatch.setattr(Place, "move", seen)
    export(there.place, 3)
    assert moved == []
    export(there.place, 4)
    assert moved == ["billed", "_exports"]


def counted(files: Mapping[str, bytes]) -> int:
    """The rows of the day by its own file."""
    [content] = [
        content
        for path, content in files.items()
        if path.startswith(folder_of(BILLED, ENTITY, DAY))
    ]
    return int(pq.read_metadata(pa.BufferReader(content)).num_rows)


# --- what is not there ----------------------------------------------------------------------------


def test_an_export_that_fails_midway_changes_nothing(there: Somewhere) -> None:
    export(there.place, 3)
    before = there.files()
    gone = errors.transient("odoo", "unreachable", "Odoo is gone")
    with (
        contextlib.suppress(GatewayError),
        day_export(there.place, ENTITY, DAY, TABLES) as opened,
    ):
        opened.write(BILLED, rows(12_000))
        raise gone
    assert there.files() == before


def test_a_day_that_is_not_in_its_place_as_a_whole_is_not_called_so(
    there: Somewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(there.place, 3)
    moved: list[str] = []

    def cut(self: Place, source: str, target: str) -> None:
        if len(moved) == 1:
            raise NotWritten("the machine ends")
        moved.append(target)
        move(self, source, target)

    move = Place.move
    with monkeypatch.context() as patch:
        patch.setattr(Place, "move", cut)
        with pytest.raises(NotWritten, match="the machine ends"):
            export(there.place, 2)
    assert manifest_of(ENTITY, DAY) not in there.files()
    export(there.place, 2)
    assert manifest_of(ENTITY, DAY) in there.files()
    assert counted(there.files()) == 2


def test_what_a_killed_export_left_goes_after_a_day(
    there: Somewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.place.write("_staging/killed/billed", b"half")
    export(there.place, 1)
    assert "_staging/killed/billed" in there.files(), "it may be still at work"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_401)
    export(there.place, 1)
    assert "_staging/killed/billed" not in there.files()


def test_whoever_reads_meanwhile_sees_one_export_or_no_file(tmp_path: Path) -> None:
    place = place_of(str(tmp_path), AnalyticsSettings())
    ended = threading.Event()

    def write() -> None:
        for turn in range(10):
            export(place, (3_000, 6_000)[turn % 2])
        ended.set()

    seen = set()
    writer = threading.Thread(target=write)
    writer.start()
    with duckdb.connect() as database:
        while not ended.is_set():
            with contextlib.suppress(duckdb.IOException):  # the file that it found is gone
                found = f"from '{tmp_path}/billed/*/*/*.parquet'"
                seen.add(database.execute(f"select count(*), sum(total) {found}").fetchone())
    writer.join()
    assert seen
    assert seen <= {(count, sum(Decimal(n) / 4 for n in range(count))) for count in (3_000, 6_000)}


def test_exports_at_the_same_time_leave_one(tmp_path: Path) -> None:
    place = place_of(str(tmp_path), AnalyticsSettings())
    counts = (1, 2, 3, 4)
    both = [threading.Thread(target=export, args=(place, count)) for count in counts]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    files = Somewhere(place).files()
    last = counted(files)
    assert last in counts
    said = json.loads(files[manifest_of(ENTITY, DAY)])
    assert said["tables"]["billed"]["rows"] == last
    assert len(files) == len(TABLES) + 1


def test_whole_groups_leave_no_empty_one(tmp_path: Path) -> None:
    place = place_of(str(tmp_path), AnalyticsSettings())
    for count, groups in ((4_000, [2_000, 2_000]), (0, [])):
        export(place, count)
        [file] = (tmp_path / folder_of(BILLED, ENTITY, DAY)).iterdir()
        found = pq.read_metadata(file)
        assert [found.row_group(n).num_rows for n in range(found.num_row_groups)] == groups


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    place, batch, held = place_of(str(tmp_path), AnalyticsSettings()), rows(1_000), []
    with day_export(place, ENTITY, DAY, TABLES) as opened:
        before = pa.total_allocated_bytes()
        for _ in range(60):
            opened.write(BILLED, batch)
            held.append(pa.total_allocated_bytes() - before)
    assert max(held) < 60 * held[0] / 4, "far less than all of them"


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("customer", 5),
        ("customer", b"Acme"),
        ("customer", None),
        ("customer", "\ud800"),
        ("untaxed", Decimal("0.00001")),
        ("untaxed", Decimal(10) ** 14),
        ("untaxed", Decimal("NaN")),
        ("untaxed", 1.5),
        ("untaxed", 3),
        ("invoiced_on", "2026-11-01"),
        ("due_on", datetime(2026, 11, 1)),  # noqa: DTZ001
    ],
)
def test_a_value_that_does_not_fit_its_column_is_named(
    tmp_path: Path, column: str, value: Any
) -> None:
    place = [item.name for item in BILLED.columns].index(column)
    row = (*billed(1)[:place], value, *billed(1)[place + 1 :])
    with (
        pytest.raises(BadRow, match=rf"billed\.{column}: .*; expected "),
        day_export(
            place_of(str(tmp_path), AnalyticsSettings()), ENTITY, DAY, [BILLED, AGING]
        ) as opened,
    ):
        opened.write(BILLED, [billed(0), row])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "target", ["", "gs://bucket/x", "s3://", "s3:///x", "s3://A_B/x", "http://x"]
)
def test_what_is_no_place_is_refused(target: str) -> None:
    with pytest.raises(BadPlace, match="neither a folder nor a bucket such as"):
        place_of(target, AnalyticsSettings())


def test_plain_http_goes_to_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="clear text"):
        AnalyticsSettings(s3_endpoint="http://store.example:9000")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://store.example:9000")
    with pytest.raises(BadPlace, match="clear text"):
        place_of("s3://bucket/x", AnalyticsSettings())


def test_without_pyarrow_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(NotInstalled, match=r"pip install 'contract-to-cash\[analytics\]'"):
        place_of(str(tmp_path), AnalyticsSettings())


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("")
    with pytest.raises(NotWritten, match="figures"):
        export(place_of(str(tmp_path / "figures"), AnalyticsSettings()), 1)


@pytest.mark.long
@pytest.mark.usefixtures("keys")
def test_a_bucket_that_is_not_there_is_named(s3: str) -> None:
    place = place_of("s3://no-such/x", AnalyticsSettings(s3_endpoint=s3, s3_region="eu-west-1"))
    with pytest.raises(NotWritten, match=r"s3://no-such/x: .*NO_SUCH_BUCKET"):
        export(place, 1)


@contextlib.contextmanager
def _nobody() -> Iterator[str]:
    """The address of a port of this machine that nobody listens on."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.long
@pytest.mark.usefixtures("keys")
def test_a_store_that_does_not_answer_is_named() -> None:
    with _nobody() as address:
        settings = AnalyticsSettings(s3_endpoint=address, s3_region="eu-west-1")
        with pytest.raises(NotWritten, match="s3://figures/x"):
            export(place_of("s3://figures/x", settings), 1)

"""Writes the payroll's files: a revision of a period behind those that are in the folder.

The folder is the only store. A revision counts once its manifest is there; its file is written
before, so that an export that is interrupted leaves nothing that counts.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.timesheets import payroll
from contracts.timesheets.payroll import PayrollLine, Period, Revision, Row, Unreadable

MOST_REVISIONS = 1_000
_MAX_BYTES = 500_000_000


class PayrollRefused(Exception):
    """The folder is not as earlier exports left it, or another export is running."""


class NotWritten(Exception):
    """A file cannot be read or written."""


@dataclass(frozen=True)
class Exported:
    """The period's newest revision; `is_new`: this export made it. `file` is its CSV."""

    entity: str
    period: str
    revision: int
    is_new: bool
    file: str
    rows: int
    hours: str


def export(
    folder: Path,
    entity: str,
    period: Period,
    lines: Sequence[PayrollLine],
    *,
    may_be_gone: bool = False,
) -> Exported:
    """Write the next revision, if anything differs from what the folder has. That most of it is
    gone is written only where it `may_be_gone`. Raises PayrollRefused and NotWritten."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            before = list(_revisions(folder, entity, period))
            gone = "" if may_be_gone else payroll.many_gone(before, lines)
            if gone:
                raise PayrollRefused(
                    f"{gone}: see that the service user may read everybody's timesheets (c2c check)"
                    "; if they are really gone, say --many-gone"
                )
            revision = payroll.next_revision(entity, period, before, lines)
            if revision is not None:
                _write(folder / f"{revision.name}.csv", revision.file())
                _write(folder / f"{revision.name}.json", revision.manifest())
    except OSError as error:
        raise NotWritten(f"{error.filename or folder}: {error.strerror}") from error
    return _exported(folder, entity, period, before, revision)


def _exported(
    folder: Path,
    entity: str,
    period: Period,
    before: list[list[Row]],
    revision: Revision | None,
) -> Exported:
    number, rows = (
        (revision.number, revision.rows) if revision else (len(before), tuple(before[-1]))
    )
    return Exported(
        entity=entity,
        period=str(period),
        revision=number,
        is_new=revision is not None,
        file=str(folder / f"{payroll.file_name(entity, period, number)}.csv"),
        rows=len(rows),
        hours=payroll.total(rows),
    )


def _revisions(folder: Path, entity: str, period: Period) -> Iterator[list[Row]]:
    """The rows of each revision, whose files are as their manifests say."""
    pattern = f"payroll-{entity}-{period}-r*.json"
    count = len(list(folder.glob(pattern)))
    for number in range(1, count + 1):
        manifest = folder / f"{payroll.file_name(entity, period, number)}.json"
        if not manifest.exists() or count > MOST_REVISIONS:
            raise PayrollRefused(f"{manifest} is missing: put the files of all revisions back")
        yield _rows(manifest, entity, period, number)


def _rows(manifest: Path, entity: str, period: Period, number: int) -> list[Row]:
    file = manifest.with_suffix(".csv")
    if not file.exists():
        raise PayrollRefused(f"{file} is missing: put the files of all revisions back")
    content = _read(file)
    try:
        stated = json.loads(_read(manifest))
        digest = stated["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise PayrollRefused(f"{manifest} is no manifest") from None
    if digest != hashlib.sha256(content).hexdigest():
        raise PayrollRefused(
            f"{file} is not what was exported (its SHA-256 differs): put the original back"
        )
    try:
        return payroll.read_file(content, entity, period, number)
    except Unreadable as error:
        raise PayrollRefused(f"{file}: {error}") from None


def _read(file: Path) -> bytes:
    if file.stat().st_size > _MAX_BYTES:
        raise PayrollRefused(f"{file} has more than {_MAX_BYTES // 1_000_000} MB")
    return file.read_bytes()


def _write(file: Path, content: bytes) -> None:
    """All of it or nothing, also where the machine fails meanwhile."""
    part = file.with_name(f".{file.name}.part")
    with part.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
    with _opened(file.parent) as folder:
        os.fsync(folder)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else exports into the folder meanwhile."""
    with _opened(folder) as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PayrollRefused(f"another export into {folder} is running") from None
        yield


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    opened = os.open(folder, os.O_RDONLY)
    try:
        yield opened
    finally:
        os.close(opened)

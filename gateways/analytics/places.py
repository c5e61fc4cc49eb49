"""Where files of analytics go: a folder, or a bucket of S3 or of what speaks its protocol.

pyarrow, of the extra `analytics`, is imported late: nothing else needs it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateways.analytics.settings import AnalyticsSettings

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

EXTRA = "contract-to-cash[analytics]"
STAGING = "_staging"
"""Readers skip folders whose names begin with `_`."""

_CONNECT_SECONDS, _REQUEST_SECONDS, _TRIES = 10, 60, 5
_ABANDONED_SECONDS = 86_400
_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


class NotInstalled(Exception):
    """pyarrow is missing."""


class BadPlace(Exception):
    """This names no folder and no bucket."""


class NotWritten(Exception):
    """A file cannot be written or put in its place."""


class Place:
    """A folder, or a prefix in a bucket. Paths are relative to it.

    A file is written in `STAGING` first and then moved. In a folder that is a rename on the same
    disk; in a bucket it is a copy within the store, and an object appears there only as a whole.
    Raises NotWritten.
    """

    def __init__(self, files: FileSystem, root: str, name: str, *, is_local: bool) -> None:
        self._files = files
        self._root = root
        self._is_local = is_local
        self.name = name

    def open(self, path: str) -> Any:
        """A new file to write to, as pyarrow writes."""
        with self.failures():
            self._with_folder(path)
            return self._files.open_output_stream(self._full(path))

    def write(self, path: str, content: bytes) -> None:
        with self.failures(), self.open(path) as file:
            file.write(content)

    def read(self, path: str) -> bytes | None:
        """A small file; None where there is none."""
        with (
            self.failures(),
            contextlib.suppress(FileNotFoundError),
            self._files.open_input_file(self._full(path)) as file,
        ):
            return bytes(file.read())
        return None

    def names(self, folder: str) -> list[str]:
        """The files that are directly in a folder."""
        from pyarrow.fs import FileSelector

        with self.failures():
            found = self._files.get_file_info(
                FileSelector(self._full(folder), allow_not_found=True)
            )
        return sorted(item.base_name for item in found if item.is_file)

    def move(self, source: str, target: str) -> None:
        """Put a whole file in its place."""
        with self.failures():
            self._with_folder(target)
            if self._is_local:
                self._to_disk(source)
            self._files.move(self._full(source), self._full(target))
            if self._is_local:
                self._to_disk(target.rpartition("/")[0])

    def remove(self, path: str) -> None:
        """Remove a file, if it is there."""
        with self.failures(), contextlib.suppress(FileNotFoundError):
            self._files.delete_file(self._full(path))

    def remove_folder(self, path: str) -> None:
        """Remove a folder with all that is in it, if it is there."""
        with self.failures(), contextlib.suppress(FileNotFoundError):
            self._files.delete_dir(self._full(path))

    def remove_abandoned(self) -> None:
        """Remove what exports left in `STAGING` that were killed at least a day ago."""
        from pyarrow.fs import FileSelector

        newest: dict[str, float] = {}
        with self.failures():
            staged = FileSelector(self._full(STAGING), recursive=True, allow_not_found=True)
            for found in self._files.get_file_info(staged):
                if found.is_file:
                    run = found.path.removeprefix(f"{staged.base_dir}/").partition("/")[0]
                    newest[run] = max(newest.get(run, 0), found.mtime_ns / 1e9)
        for run, at in newest.items():
            if at < time.time() - _ABANDONED_SECONDS:
                self.remove_folder(f"{STAGING}/{run}")

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else puts files in their places meanwhile; a bucket has no lock."""
        if not self._is_local:
            yield
            return
        with self.failures():
            opened = os.open(self._root, os.O_RDONLY)
        try:
            with self.failures():
                fcntl.flock(opened, fcntl.LOCK_EX)
            yield
        finally:
            os.close(opened)

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Raise NotWritten for whatever the disk or the store says."""
        try:
            yield
        except OSError as error:
            raise NotWritten(f"{self.name}: {error}") from error

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _with_folder(self, path: str) -> None:
        """A bucket has no folders."""
        if self._is_local:
            self._files.create_dir(self._full(path.rpartition("/")[0]))

    def _to_disk(self, path: str) -> None:
        """What was written survives a machine that fails now."""
        opened = os.open(self._full(path), os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def place_of(target: str, settings: AnalyticsSettings) -> Place:
    """The place that is meant by a folder's path or `s3://bucket/prefix`. Raises BadPlace, and
    NotInstalled."""
    try:
        from pyarrow import fs
    except ModuleNotFoundError as error:
        raise NotInstalled(
            f"pyarrow is not installed, which analytics requires: pip install '{EXTRA}'"
        ) from error
    if target and "://" not in target:
        root = str(Path(target).expanduser().absolute()).rstrip("/")
        return Place(fs.LocalFileSystem(), root, target, is_local=True)
    found = _BUCKET.fullmatch(target)
    if found is None:
        raise BadPlace(f"{target!r} is neither a folder nor a bucket such as s3://bucket/prefix")
    root = "/".join(filter(None, [found[1], *(found[2] or "").split("/")]))
    return Place(_s3(settings), root, target, is_local=False)


def _s3(settings: AnalyticsSettings) -> FileSystem:
    """A client with the keys of AWS's own variables, files and roles."""
    from pyarrow import fs

    options: dict[str, str] = {}
    if endpoint := _endpoint(settings):
        scheme, _, address = endpoint.partition("://")
        options = {"endpoint_override": address.rstrip("/"), "scheme": scheme}
    if settings.s3_region:
        options["region"] = settings.s3_region
    return fs.S3FileSystem(
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_TRIES),
        background_writes=False,  # else what is not sent yet waits in memory, however much it is
        **options,
    )


def _endpoint(settings: AnalyticsSettings) -> str | None:
    """Also that of AWS's own variables: pyarrow would take it, plain HTTP or not."""
    from gateways.http import refuse_plain_http

    given = (os.environ.get(name) for name in _ENDPOINT_VARIABLES)
    url = settings.s3_endpoint or next(filter(None, given), None)
    if url is not None:
        try:
            refuse_plain_http(url)
        except ValueError as error:
            raise BadPlace(str(error)) from None
    return url

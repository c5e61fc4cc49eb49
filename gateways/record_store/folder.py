"""Records as files of one folder, which several processes may share.

A file appears whole or not at all: it is written beside its place, brought to the disk, and linked
to its name, which fails where the name is taken.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from gateways.record_store.protocol import (
    MAX_PAGE,
    MAX_RECORD_BYTES,
    checked_name,
    checked_prefix,
    differs,
    unavailable,
)

_SUFFIX = ".record"
"""No name has a dot: so a file and a folder never have the same name."""
_BEGUN = ".begun-"
_FOLDER_MODE = 0o700


class FolderStore:
    """A RecordStore in a folder, which is made when the first record is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, name: str, content: bytes) -> bool:
        place = self._place(name)
        if len(content) > MAX_RECORD_BYTES:
            raise ValueError(f"a record holds at most {MAX_RECORD_BYTES} bytes")
        with _reached(name):
            self._make_folder(place.parent)
            begun = place.with_name(f"{_BEGUN}{secrets.token_hex(8)}")
            try:
                _write(begun, content)
                os.link(begun, place)
            except FileExistsError:
                if place.read_bytes() != content:
                    raise differs(name) from None
                return False
            finally:
                begun.unlink(missing_ok=True)
            _sync_folder(place.parent)
        return True

    def read(self, name: str) -> bytes | None:
        place = self._place(name)
        with _reached(name):
            try:
                return place.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def names(self, prefix: str, *, after: str = "", limit: int = MAX_PAGE) -> list[str]:
        below = self._folder / checked_prefix(prefix)
        with _reached(prefix or "of the store"):
            return list(islice(self._walk(below, prefix, after), min(limit, MAX_PAGE)))

    def delete(self, name: str) -> bool:
        place = self._place(name)
        with _reached(name):
            try:
                place.unlink()
            except FileNotFoundError:
                return False
            _sync_folder(place.parent)
        return True

    def _place(self, name: str) -> Path:
        return self._folder / f"{checked_name(name)}{_SUFFIX}"

    def _walk(self, below: Path, prefix: str, after: str) -> Iterator[str]:
        """The names in a folder behind `after`, in order; folders that end before it are not
        opened."""
        for place in _inside(below):
            name = f"{prefix}{place}"
            if not place.endswith("/"):
                if name > after:
                    yield name
            elif name > after or after.startswith(name):
                yield from self._walk(below / place, name, after)

    def _make_folder(self, folder: Path) -> None:
        """With every folder above it on the disk, too: a record in a lost folder is lost."""
        if folder.is_dir():
            return
        if folder != self._folder:
            self._make_folder(folder.parent)
        folder.mkdir(mode=_FOLDER_MODE, parents=folder == self._folder, exist_ok=True)
        _sync_folder(folder.parent)


@contextlib.contextmanager
def _reached(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unavailable(name, error.strerror or type(error).__name__) from error


def _inside(folder: Path) -> list[str]:
    """What is in a folder, in the order of names: folders end with a slash. One that cannot be
    listed may hold records: it must not look as if there were none."""
    try:
        with os.scandir(folder) as found:
            return sorted(
                f"{item.name}/" if item.is_dir() else item.name.removesuffix(_SUFFIX)
                for item in found
                if item.is_dir() or item.name.endswith(_SUFFIX)
            )
    except FileNotFoundError:
        return []


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

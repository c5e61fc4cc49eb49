"""Files on a disk of this machine, or one that is mounted."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateways.bank.drop import Entry, Gone
from gateways.errors import business, transient

_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EXDEV})


class LocalFiles:
    """The files of one folder."""

    def __init__(self, folder: Path, *, system: str) -> None:
        self.place = str(folder)
        self._root = os.fsencode(folder)
        self._system = system

    def close(self) -> None:
        """Nothing is held open."""

    def names(self) -> Iterator[tuple[bytes, Entry]]:
        with self._errors(), os.scandir(self._root) as found:
            for item in found:
                try:
                    yield item.name, _entry(item.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue  # moved since the list was read

    def entry(self, path: bytes) -> Entry:
        with self._errors():
            # The folder itself may be a link: that is the choice of whoever configured it.
            return _entry(os.lstat(self._at(path)) if path else os.stat(self._root))

    def read(self, path: bytes, most: int) -> bytes:
        with self._errors():
            opened = os.open(self._at(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(opened, "rb") as file:
                return file.read(most)

    def write(self, path: bytes, content: bytes) -> None:
        with self._errors():
            written = self._at(path + b".part")
            with open(written, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(written, self._at(path))

    def rename(self, old: bytes, new: bytes) -> None:
        with self._errors():
            os.rename(self._at(old), self._at(new))

    def remove(self, path: bytes) -> None:
        with self._errors():
            os.remove(self._at(path))

    def make_folder(self, path: bytes) -> None:
        with self._errors():
            os.makedirs(self._at(path), exist_ok=True)

    def _at(self, path: bytes) -> bytes:
        return os.path.join(self._root, path)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """The one place that gives an error of the file system its kind."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise Gone from None
        except OSError as error:
            text = f"{self.place}: {error.strerror}"
            if error.errno in _FORBIDDEN:
                raise business(self._system, "access_denied", text) from None
            if error.errno in (errno.ELOOP, errno.EISDIR):
                raise Gone from None  # a symbolic link, or a folder: no file of ours
            raise transient(self._system, "unavailable", text, maybe_done=True) from None


def _entry(found: os.stat_result) -> Entry:
    modified = datetime.fromtimestamp(max(found.st_mtime, 0), UTC)
    is_folder = stat.S_ISDIR(found.st_mode)
    return Entry(found.st_size, modified, stat.S_ISREG(found.st_mode), is_folder)

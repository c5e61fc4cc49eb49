"""A folder in which a bank or a person puts files: which are there, and where they go afterwards.

The rules are the same wherever the folder is; `Files` is the file system that it is on. What is
imported moves to `done/`, what is refused to `refused/` beside a text that says why. Nothing is
ever deleted, and nothing that has other content than was imported is moved away: banks write
tomorrow's file under the name of today's.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import NamedTuple, Protocol
from urllib.parse import quote_from_bytes, unquote_to_bytes

from contracts.problems import Problem, finding
from gateways.bank.protocol import MAX_FILE_BYTES, MAX_LISTED, SourceFile
from gateways.errors import FailureKind, GatewayError, business, transient

MAX_NAMES = 100_000
"""What a folder may hold, of all kinds; a list of more takes too long each time."""
_DONE, _REFUSED = b"done", b"refused"
_KEPT_NAME_BYTES = 180
"""Of a name, behind the hash: most file systems take 255 bytes."""
_OWN = b".c2c-check"
_TEMPORARY = (".*", "~*", "*~", "*.tmp", "*.temp", "*.part", "*.partial", "*.filepart", "*.writing")
"""Names under which programs write a file before they give it its own."""


class Entry(NamedTuple):
    """What a name stands for; `is_file`: a plain file, so neither a folder nor a symbolic link."""

    size: int
    modified: datetime
    is_file: bool
    is_folder: bool


class Gone(Exception):
    """There is no such file or folder."""


class Files(Protocol):
    """Files below one folder. Paths are relative to it, `b""` is the folder itself.

    Every method raises Gone where the path does not exist, and GatewayError otherwise.
    """

    @property
    def place(self) -> str:
        """The folder, in words for people."""

    def names(self) -> Iterator[tuple[bytes, Entry]]:
        """What the folder holds, in any order. Symbolic links are not followed."""

    def entry(self, path: bytes) -> Entry:
        """What is there. Symbolic links are not followed."""

    def read(self, path: bytes, most: int) -> bytes:
        """A file's content, but not more than so many bytes. Symbolic links are not followed."""

    def write(self, path: bytes, content: bytes) -> None:
        """Make a file, or replace it."""

    def rename(self, old: bytes, new: bytes) -> None:
        """Move a file within the folder, to a name that is free."""

    def remove(self, path: bytes) -> None:
        """Delete a file."""

    def make_folder(self, path: bytes) -> None:
        """Make a folder."""

    def close(self) -> None:
        """Let go of what it holds open."""


class Drop:
    """A source of bank files: a folder of some file system. `pattern` is what the names of bank
    files match, in any case."""

    def __init__(self, files: Files, *, system: str, pattern: str = "*") -> None:
        self._files = files
        self._system = system
        self._pattern = pattern.lower()

    @property
    def system(self) -> str:
        return self._system

    def close(self) -> None:
        self._files.close()

    # --- what is there ----------------------------------------------------------------------------

    def files(self) -> list[SourceFile]:
        """The oldest files first, and no more than MAX_LISTED: the others come when these are
        done. Raises `bank_source_incomplete` where files could not be put away."""
        if problems := self._lacking():
            text = "; ".join(f"{item.field}: expected {item.expected}" for item in problems)
            raise self._incomplete(text)
        with self._there():
            return heapq.nsmallest(
                MAX_LISTED, self._found(), key=lambda item: (item.modified, item.name)
            )

    def _found(self) -> Iterator[SourceFile]:
        for count, (raw, entry) in enumerate(self._files.names(), start=1):
            if count > MAX_NAMES:
                text = (
                    f"{self._files.place} holds more than {MAX_NAMES:,} files: move old ones away"
                )
                raise self._incomplete(text)
            name = shown(raw)
            if entry.is_file and self._is_wanted(name):
                yield SourceFile(name=name, size=entry.size, modified=entry.modified)

    def _is_wanted(self, name: str) -> bool:
        lower = name.lower()
        is_temporary = any(fnmatchcase(lower, pattern) for pattern in _TEMPORARY)
        return fnmatchcase(lower, self._pattern) and not is_temporary

    def read(self, name: str, sha256: str = "") -> bytes:
        """The whole file; with a hash the one that has it, also after it was put away. Raises
        `bank_file_missing`, `bank_file_too_large` or, of kind transient, `bank_file_changing` where
        somebody writes it meanwhile."""
        path = self._path(name)
        kept = [_kept(path, folder, sha256) for folder in (_DONE, _REFUSED) if sha256]
        for place in (path, *map(_hidden, kept), *kept):
            content = self._content(place, name)
            if content is not None and sha256 in ("", _sha256(content)):
                return content
        raise self._missing(name)

    def _content(self, path: bytes, name: str) -> bytes | None:
        try:
            before = self._files.entry(path)
            if not before.is_file:
                return None
            if before.size > MAX_FILE_BYTES:
                raise self._too_large(name)
            content = self._files.read(path, MAX_FILE_BYTES + 1)
            after = self._files.entry(path)
        except Gone:
            return None
        if len(content) > MAX_FILE_BYTES:
            raise self._too_large(name)
        if before != after or len(content) != after.size:
            raise transient(self._system, "bank_file_changing", f"{name} is being written")
        return content

    def add(self, name: str, content: bytes) -> None:
        """Put a file there, whole or not at all. The same again changes nothing; other content
        under a name that is taken is refused, `bank_file_exists`."""
        path = self._path(name)
        there = self._content(path, name)
        if there is None:
            written = b".%s.part" % _sha256(content).encode()
            with self._there():
                self._files.write(written, content)
                self._files.rename(written, path)
        elif there != content:
            text = f"there is another file {name} in {self._files.place}"
            raise business(self._system, "bank_file_exists", text, value=name)

    @contextmanager
    def _there(self) -> Iterator[None]:
        """For what needs the folders: one may vanish at any time, as a disk does."""
        try:
            yield
        except Gone:
            text = f"{self._files.place} lacks a folder, or is not there any more"
            raise self._incomplete(text) from None

    def _incomplete(self, text: str) -> GatewayError:
        return business(self._system, "bank_source_incomplete", text)

    def _missing(self, name: str) -> GatewayError:
        text = f"there is no file {name} in {self._files.place}"
        return business(self._system, "bank_file_missing", text, value=name)

    def _too_large(self, name: str) -> GatewayError:
        text = f"{name} has more than {MAX_FILE_BYTES:,} bytes"
        return business(self._system, "bank_file_too_large", text, value=name)

    def _path(self, name: str) -> bytes:
        """What a name that `files` gives stands for. Nothing outside the folder has one."""
        raw = unquote_to_bytes(name)
        if not raw or raw in (b".", b"..") or b"/" in raw or b"\\" in raw or b"\0" in raw:
            raise self._missing(name)
        return raw

    # --- where it goes ----------------------------------------------------------------------------

    def done(self, name: str, sha256: str) -> None:
        """Move the file with these bytes to `done/`; safe to repeat."""
        self._put_away(name, _DONE, sha256)

    def refuse(self, name: str, sha256: str, reason: str) -> None:
        """Move the file with these bytes to `refused/`, and say there why; safe to repeat. Without
        a hash, for what could not be read, it is whatever file has this name."""
        target = self._put_away(name, _REFUSED, sha256)
        if target is not None:
            text = f"{name} was refused and nothing of it was booked.\n\n{reason.strip()}\n"
            with self._there():
                self._files.write(target + b".txt", text.encode())

    def _put_away(self, name: str, folder: bytes, sha256: str) -> bytes | None:
        """Where the file is now; None where no file with these bytes is there any more.

        It is moved to a hidden name first, and read there, where nobody replaces it any more. An
        attempt that was broken off is found by that name.
        """
        path = self._path(name)
        target = _kept(path, folder, sha256)
        hidden = _hidden(target)
        if not self._is_there(hidden) and not self._move(path, hidden):
            if self._is_there(path):
                text = f"there is no folder {folder.decode()}/ in {self._files.place}"
                raise self._incomplete(text)
            return target if self._is_there(target) else None
        if sha256 and not self._has(hidden, sha256):
            self._move(hidden, self._free(path))
            return None
        target = self._free(target)
        self._move(hidden, target)
        return target

    def _move(self, old: bytes, new: bytes) -> bool:
        """False where somebody else has moved it."""
        try:
            self._files.rename(old, new)
        except Gone:
            return False
        return True

    def _has(self, path: bytes, sha256: str) -> bool:
        try:
            return _sha256(self._files.read(path, MAX_FILE_BYTES + 1)) == sha256
        except Gone:
            return True  # somebody else has moved it on

    def _free(self, path: bytes) -> bytes:
        """The path, or the first with a number before its name that is not taken."""
        folder, slash, name = path.rpartition(b"/")
        found, number = path, 1
        while self._is_there(found):
            number += 1
            found = b"%s%s%d-%s" % (folder, slash, number, name)
        return found

    def _is_there(self, path: bytes) -> bool:
        try:
            self._files.entry(path)
        except Gone:
            return False
        return True

    # --- set-up -----------------------------------------------------------------------------------

    def missing_setup(self) -> list[Problem]:
        return self._lacking() or self._forbidden()

    def ensure_setup(self) -> list[Problem]:
        """The folder itself is nobody's to make: where it is missing, a disk or a path is wrong."""
        for folder in (_DONE, _REFUSED):
            if self._is_there(b"") and not self._is_there(folder):
                self._files.make_folder(folder)
        return self.missing_setup()

    def _lacking(self) -> list[Problem]:
        if not self._is_folder(b""):
            return [self._problem("folder", self._files.place, "a folder that exists")]
        return [
            self._problem(f"{folder.decode()}/", "", f"this folder in {self._files.place}")
            for folder in (_DONE, _REFUSED)
            if not self._is_folder(folder)
        ]

    def _is_folder(self, path: bytes) -> bool:
        try:
            return self._files.entry(path).is_folder
        except Gone:
            return False

    def _forbidden(self) -> list[Problem]:
        """A file of our own goes the way that bank files go: nothing else proves that it can."""
        way = [_OWN, b"%s/%s" % (_DONE, _OWN), b"%s/%s" % (_REFUSED, _OWN)]
        try:
            with self._there():
                self._send_own(way)
        except GatewayError as error:
            if error.kind is not FailureKind.BUSINESS:
                raise
            right = "the right to read, write and rename here, in done/ and in refused/"
            return [self._problem("folder", self._files.place, f"{right}: {error.message}")]
        return []

    def _send_own(self, way: Sequence[bytes]) -> None:
        next(iter(self._files.names()), None)
        for left in filter(self._is_there, way):  # by a check that was broken off
            self._files.remove(left)
        self._files.write(way[0], b"c2c check looks whether it may write here.\n")
        for old, new in pairwise(way):
            self._files.rename(old, new)
        self._files.remove(way[-1])

    def _problem(self, field: str, value: str, expected: str) -> Problem:
        return finding("bank_source_incomplete", field, value, expected)


def shown(raw: bytes) -> str:
    """A name as text that can be printed, sent and turned back: what is no plain text, or holds the
    sign itself, is percent-encoded."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = ""
    is_plain = text.isprintable() and "%" not in text
    return text if text and is_plain else quote_from_bytes(raw, safe=" ")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _kept(path: bytes, folder: bytes, sha256: str) -> bytes:
    """What a file is called once it is put away."""
    return b"%s/%s-%s" % (folder, (sha256 or "unread").encode(), path[-_KEPT_NAME_BYTES:])


def _hidden(kept: bytes) -> bytes:
    """What it is called on the way there."""
    folder, _, name = kept.partition(b"/")
    return b"%s/.%s" % (folder, name)

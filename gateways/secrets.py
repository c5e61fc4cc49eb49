"""Secrets that never show themselves, and that may be replaced while a worker runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple, NoReturn

from gateways import errors
from gateways.errors import GatewayError

MAX_SECRET_BYTES = 64 * 1024
"""A key, a token or a PEM file is far smaller; anything larger is the wrong file."""


class _Stamp(NamedTuple):
    """What tells one version of a file from the next, also where it is replaced by a rename."""

    mtime_ns: int
    size: int
    inode: int


class Secret:
    """A secret held in memory (`Secret.of`) or in a file (`Secret.file`).

    A file is read again as soon as it changed: keys expire (Odoo's within three months), and
    putting the new one into the file must be enough. Thread-safe. Never printed and never
    pickled; only `reveal` gives the value away.
    """

    __slots__ = ("_path", "_read")

    def __init__(self, *, value: str | None = None, path: Path | None = None) -> None:
        if (value is None) == (path is None):
            raise ValueError("A secret is either a value or a file.")
        self._path = path
        # One attribute for stamp and value: replacing it is atomic, so no lock is needed.
        self._read: tuple[_Stamp | None, str] | None = None if value is None else (None, value)

    @classmethod
    def of(cls, value: str) -> Secret:
        """A secret with a fixed value. An empty one is refused when it is revealed."""
        return cls(value=value)

    @classmethod
    def file(cls, path: str | os.PathLike[str]) -> Secret:
        """A secret in a file. The file need not exist yet; blanks around the value are dropped."""
        return cls(path=Path(path))

    def reveal(self) -> str:
        """The value as it is now.

        Raises GatewayError of kind CREDENTIALS: `secret_missing` without a file or a value,
        `secret_unreadable` where the file may not be read or holds no text.
        """
        value = self._fixed() if self._path is None else self._from_file(self._path)
        if not value:
            raise _credentials("secret_missing", f"{self._where()} is empty.")
        return value

    def bearer(self) -> str:
        """The value as an `Authorization` header has it.

        Raises as `reveal` does; also `secret_unreadable` where no header may hold it: the HTTP
        library would quote it in its error.
        """
        value = self.reveal()
        if not (value.isascii() and value.isprintable()):
            text = f"{self._where()} holds characters that no HTTP header may have."
            raise _credentials("secret_unreadable", text)
        return f"Bearer {value}"

    def _fixed(self) -> str:
        return self._read[1] if self._read else ""

    def _from_file(self, path: Path) -> str:
        try:
            known = self._read
            if known is not None and known[0] == _stamp(path.stat()):
                return known[1]
            fresh = _read(path)
        except FileNotFoundError:
            raise _credentials("secret_missing", f"{self._where()} does not exist.") from None
        except (OSError, UnicodeDecodeError, _TooLarge) as error:
            # The cause is dropped: UnicodeDecodeError carries the file's bytes.
            text = f"{self._where()} cannot be read ({type(error).__name__})."
            raise _credentials("secret_unreadable", text) from None
        self._read = fresh
        return fresh[1]

    def _where(self) -> str:
        return "The secret" if self._path is None else f"The secret file {self._path}"

    def __repr__(self) -> str:
        return "Secret(***)" if self._path is None else f"Secret(file={str(self._path)!r})"

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Secret cannot be pickled: it would leave the process in clear text.")


class _TooLarge(Exception):
    """More than MAX_SECRET_BYTES."""


def _stamp(status: os.stat_result) -> _Stamp:
    return _Stamp(status.st_mtime_ns, status.st_size, status.st_ino)


def _read(path: Path) -> tuple[_Stamp, str]:
    # The stamp is of the very file that is open: one replaced meanwhile is read on the next call.
    with path.open("rb") as file:
        stamp = _stamp(os.fstat(file.fileno()))
        content = file.read(MAX_SECRET_BYTES + 1)
    if len(content) > MAX_SECRET_BYTES:
        raise _TooLarge
    return stamp, content.decode("utf-8-sig").strip()


def _credentials(code: str, message: str) -> GatewayError:
    return errors.credentials("secrets", code, message)

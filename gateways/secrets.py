"""Secrets that never show themselves, and that may be replaced while a worker runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from gateways import errors
from gateways.errors import GatewayError

MAX_SECRET_BYTES = 64 * 1024
"""A key, a token or a PEM file is far smaller; anything larger is the wrong file."""


class Secret:
    """A secret held in memory (`Secret.of`) or in a file (`Secret.file`).

    A file is read for each use: keys expire (Odoo's within three months), and putting the new one
    into the file must be enough. Thread-safe. Never printed and never pickled; only `reveal` gives
    the value away.
    """

    __slots__ = ("_path", "_value")

    def __init__(self, *, value: str | None = None, path: Path | None = None) -> None:
        if (value is None) == (path is None):
            raise ValueError("A secret is either a value or a file.")
        self._path = path
        self._value = value

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
        value = self._value if self._path is None else self._from_file(self._path)
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

    def _from_file(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                content = file.read(MAX_SECRET_BYTES + 1)
            if len(content) > MAX_SECRET_BYTES:
                raise _credentials("secret_unreadable", f"{self._where()} is too large for one.")
            return content.decode("utf-8-sig").strip()
        except FileNotFoundError:
            raise _credentials("secret_missing", f"{self._where()} does not exist.") from None
        except (OSError, UnicodeDecodeError) as error:
            # The cause is dropped: UnicodeDecodeError carries the file's bytes.
            text = f"{self._where()} cannot be read ({type(error).__name__})."
            raise _credentials("secret_unreadable", text) from None

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


def _credentials(code: str, message: str) -> GatewayError:
    return errors.credentials("secrets", code, message)

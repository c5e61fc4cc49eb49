"""Whoever has signed in with `c2c login`: one login for each application, in a file that only its
owner reads."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from starters.client.errors import SignedOut
from starters.client.signing_in import PublicClient, Tokens

FILE_VARIABLE = "C2C_LOGIN_FILE"
RENEWED_BEFORE_SECONDS = 30
_MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class Login:
    """A login at one application."""

    client: PublicClient
    tokens: Tokens


class Logins:
    """The file. Commands that run at once renew one after the other: a provider that sees the same
    refresh token twice ends the login."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def of_user(cls) -> Logins:
        """Where this user's are."""
        named = os.environ.get(FILE_VARIABLE, "")
        folder = Path(os.environ.get("XDG_CONFIG_HOME", "") or Path.home() / ".config")
        return cls(Path(named) if named else folder / "c2c" / "login.json")

    def token(self, address: str) -> str | None:
        """The token for an application, renewed if it ends soon; None where nobody has signed in.
        Raises SignedOut where the login has ended, Unreachable where the provider is away."""
        found = self._get(address)
        if found is None or not _ends_soon(found):
            return found.tokens.token if found else None
        with self._locked():
            found = self._get(address)  # another command may have renewed it meanwhile
            if found is None or not _ends_soon(found):
                return found.tokens.token if found else None
            if not found.tokens.refresh_token:
                self._put(address, None)
                raise SignedOut(f"your login at {address} has ended: c2c login")
            try:
                tokens = found.client.renewed(found.tokens.refresh_token)
            except SignedOut:
                self._put(address, None)
                raise
            self._put(address, Login(found.client, tokens))
            return tokens.token

    def keep(self, address: str, login: Login) -> None:
        with self._locked():
            self._put(address, login)

    def drop(self, address: str) -> Login | None:
        """Forget a login; it may be ended at the provider, too."""
        with self._locked():
            found = self._get(address)
            if found is not None:
                self._put(address, None)
            return found

    # --- the file -------------------------------------------------------------------------------

    def _get(self, address: str) -> Login | None:
        kept: Any = self._read().get(_key(address))
        try:
            client, tokens = kept["client"], kept["tokens"]
            scopes = tuple(map(str, client.pop("scopes")))
            return Login(PublicClient(scopes=scopes, **client), Tokens(**tokens))
        except (TypeError, KeyError, AttributeError):
            return None  # there is none, or another release wrote it

    def _put(self, address: str, login: Login | None) -> None:
        """Whoever reads the file finds all of the old or all of the new."""
        kept = {name: item for name, item in self._read().items() if name != _key(address)}
        if login is not None:
            kept[_key(address)] = asdict(login)
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1)
        beside.replace(self._path)

    def _read(self) -> dict[str, Any]:
        try:
            with self._path.open("rb") as file:
                content = file.read(_MAX_BYTES)
            found = json.loads(content)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise SignedOut(f"{self._path} cannot be read ({type(error).__name__})") from None
        return found if isinstance(found, dict) else {}

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        import fcntl  # late: who only reads needs it not

        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._path.with_name(f".{self._path.name}.lock")
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _key(address: str) -> str:
    return address.rstrip("/")


def _ends_soon(login: Login) -> bool:
    return time.time() >= login.tokens.ends_at - RENEWED_BEFORE_SECONDS

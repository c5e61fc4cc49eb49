"""A connection to an SFTP server, shared by threads one at a time, and the one mapping of errors.

The server must show one of the host keys that are configured, before anything is said to it. What
the machine has besides (an agent, `~/.ssh`) is not used.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import asyncssh

from gateways.bank.drop import Gone
from gateways.errors import GatewayError, business, credentials, defect, transient
from gateways.secrets import Secret

_IDLE_SECONDS = 20
"""Servers end connections that are idle; a new one is made before they do."""
_CLOSED_WITHIN_SECONDS = 5
_AGENT = ""
"""None is asked for keys."""
_ALGORITHMS = (
    "ssh-ed25519",
    "ssh-ed448",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
"""By which a server may prove its key; none with SHA-1."""

T = TypeVar("T")


@dataclass(frozen=True)
class Account:
    """Who signs in where, by a private key or a password. `host_keys` are the server's."""

    host: str
    port: int
    user: str
    host_keys: tuple[str, ...]
    private_key: Secret | None = None
    password: Secret | None = None


class SftpSession:
    """Runs coroutines over one connection, which is made when it is needed; one at a time."""

    def __init__(self, account: Account, *, system: str, timeout_seconds: float) -> None:
        self._account = account
        self._system = system
        self._timeout = timeout_seconds
        try:
            self._host_keys = [asyncssh.import_public_key(item) for item in account.host_keys]
        except asyncssh.KeyImportError as error:
            raise ValueError(f"host_keys: {error}") from None
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._open: list[asyncssh.SSHClientConnection] = []
        """The connection, if there is one."""
        self._client: asyncssh.SFTPClient | None = None
        self._used_at = 0.0
        self._end = weakref.finalize(self, _end, self._loop, self._open)

    @property
    def place(self) -> str:
        return f"{self._account.user}@{self._account.host}"

    def run(self, work: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        """What the work gives. Raises Gone, or GatewayError."""
        with self._lock:
            try:
                return self._loop.run_until_complete(self._run(work))
            finally:
                self._used_at = time.monotonic()

    async def ask(self, request: Awaitable[T]) -> T:
        """The answer to one request, which the server gives in time. Raises TimeoutError."""
        return await asyncio.wait_for(request, self._timeout)

    def in_time(self) -> asyncio.Timeout:
        """For what takes several requests: each is in time if it is rescheduled after each."""
        return asyncio.timeout(self._timeout)

    def more_time(self, timeout: asyncio.Timeout) -> None:
        timeout.reschedule(self._loop.time() + self._timeout)

    def close(self) -> None:
        """It is closed by itself, too, at the latest when the process ends."""
        with self._lock:
            self._end()

    async def _run(self, work: Callable[[asyncssh.SFTPClient], Awaitable[T]]) -> T:
        if self._client is None or time.monotonic() - self._used_at > _IDLE_SECONDS:
            await _hang_up(self._open)
            with self._connecting():
                self._client = await self._connect()
        client, self._client = self._client, None
        with self._working():
            try:
                found = await work(client)
            except asyncssh.SFTPError as error:
                if not isinstance(error, _LOST):
                    self._client = client
                raise
        # Where something else happens, answers may still come that nobody waits for: the
        # connection is of no use any more.
        self._client = client
        return found

    async def _connect(self) -> asyncssh.SFTPClient:
        account, key, password = self._account, self._account.private_key, self._account.password
        client_keys = None if key is None else [asyncssh.import_private_key(key.reveal() + "\n")]
        connection = await asyncssh.connect(
            account.host,
            account.port,
            username=account.user,
            client_keys=client_keys,
            password=None if password is None else password.reveal(),
            known_hosts=(self._host_keys, [], []),
            server_host_key_algs=self._algorithms(),
            x509_trusted_certs=None,
            config=None,
            agent_path=_AGENT,
            gss_auth=False,
            gss_kex=False,
            connect_timeout=self._timeout,
            login_timeout=self._timeout,
        )
        self._open.append(connection)
        return await self.ask(connection.start_sftp_client(path_encoding=None))

    def _algorithms(self) -> list[str]:
        """Those of the configured keys first. With the others a server that has none of these keys
        shows what it has, and does not look like one that is away."""
        own = {name.decode() for key in self._host_keys for name in key.sig_algorithms}
        return sorted(_ALGORITHMS, key=lambda name: name not in own)

    # --- errors -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _connecting(self) -> Iterator[None]:
        try:
            yield
        except asyncssh.KeyImportError as error:
            text = f"the private key cannot be used: {error}"
            raise credentials(self._system, "credentials_refused", text) from None
        except asyncssh.PermissionDenied as error:
            text = f"{self.place}: {error.reason}"
            raise credentials(self._system, "credentials_refused", text) from None
        except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
            raise self._unknown_host(error) from None
        except (OSError, asyncssh.DisconnectError, asyncssh.SFTPError) as error:
            text = f"{self.place}: {_words(error)}"
            raise transient(self._system, "unreachable", text) from None
        except asyncssh.Error as error:
            text = f"{self.place}: {_words(error)}"
            raise defect(self._system, "unexpected_answer", text) from None

    def _unknown_host(self, error: asyncssh.DisconnectError) -> GatewayError:
        text = (
            f"{self._account.host} shows none of its configured host keys ({error.reason}): ask "
            "the bank whether it has a new one, and write that into host_keys"
        )
        return credentials(self._system, "host_key_differs", text)

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        try:
            yield
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            raise Gone from None
        except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect) as error:
            text = f"{self.place}: {error.reason}"
            raise business(self._system, "access_denied", text) from None
        except (OSError, asyncssh.DisconnectError, *_LOST) as error:
            text = f"{self.place}: {_words(error)}"
            raise transient(self._system, "no_answer", text, maybe_done=True) from None
        except asyncssh.SFTPError as error:
            # Most servers have one word for all else, such as a disk that is full.
            text = f"{self.place}: {error.reason}"
            raise transient(self._system, "unavailable", text, maybe_done=True) from None


_LOST = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.SFTPBadMessage)
"""The server is not there any more, or says what nobody understands."""


def _words(error: Exception) -> str:
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else repr(error))


async def _hang_up(connections: list[asyncssh.SSHClientConnection]) -> None:
    while connections:
        connection = connections.pop()
        connection.abort()
        with contextlib.suppress(OSError, asyncssh.Error):
            await asyncio.wait_for(connection.wait_closed(), _CLOSED_WITHIN_SECONDS)


def _end(loop: asyncio.AbstractEventLoop, connections: list[asyncssh.SSHClientConnection]) -> None:
    loop.run_until_complete(_hang_up(connections))
    loop.close()

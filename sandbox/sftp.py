"""An SFTP server on the loopback, such as a bank's: asyncssh's own, over one folder. It loses
connections, and is slow, where it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from sandbox.meddling import Fault, Meddling

USER, PASSWORD = "northwind", "password-of-the-bank"
_STARTED_WITHIN_SECONDS = 10.0
_HANGS_SECONDS = 30.0


@dataclass(frozen=True)
class SftpServer:
    """A server that listens. `host_key` is what it shows, `private_key` is what lets in, as a
    password does."""

    port: int
    host_key: str
    private_key: str
    password: str
    folder: Path
    meddling: Meddling
    attempts: list[str]

    @property
    def sign_ins(self) -> int:
        """How often somebody has said who they are."""
        return len(self.attempts)

    @property
    def host(self) -> str:
        return "127.0.0.1"


def new_key(kind: str = "ssh-ed25519") -> tuple[str, str]:
    """A private key and its public one, as files hold them."""
    key = asyncssh.generate_private_key(kind)
    return key.export_private_key().decode(), key.export_public_key().decode().strip()


@contextlib.contextmanager
def served_sftp(folder: Path, *, password: str = PASSWORD, port: int = 0) -> Iterator[SftpServer]:
    """Serve a folder; whoever signs in sees nothing above it."""
    private_key, public_key = new_key()
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    meddling = Meddling()
    attempts: list[str] = []

    class Doorkeeper(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            if meddling.is_away:
                meddling.refused += 1
                conn.abort()

        def password_auth_supported(self) -> bool:
            return True

        def begin_auth(self, username: str) -> bool:
            attempts.append(username)
            return True

        def validate_password(self, username: str, given: str) -> bool:
            return (username, given) == (USER, password)

    def files(chan: asyncssh.SSHServerChannel[bytes]) -> _Meddled:
        return _Meddled(chan, bytes(folder.resolve()), meddling)

    loop, started, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    ports: list[int] = []

    async def serve() -> None:
        server = await asyncssh.listen(
            "127.0.0.1",
            port,
            server_factory=Doorkeeper,
            server_host_keys=[host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(public_key),
            sftp_factory=files,
            allow_scp=False,
        )
        ports.append(server.get_port())
        started.set()
        await stop.wait()
        server.close()
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()], daemon=True)
    thread.start()
    assert started.wait(_STARTED_WITHIN_SECONDS)
    shown = host_key.export_public_key().decode().strip()
    try:
        yield SftpServer(ports[0], shown, private_key, password, folder, meddling, attempts)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(_STARTED_WITHIN_SECONDS)
        loop.close()


class _Meddled(asyncssh.SFTPServer):
    """asyncssh's server for a folder; each request is subject to faults."""

    def __init__(
        self, chan: asyncssh.SSHServerChannel[bytes], folder: bytes, meddling: Meddling
    ) -> None:
        super().__init__(chan, chroot=folder)
        self._connection = chan.get_extra_info("connection")
        self._meddling = meddling

    async def _meddled(self, kind: str, effect: Callable[[], Any]) -> Any:
        fault = self._meddling.next(kind)
        if fault is Fault.BEFORE or self._meddling.is_away:
            return await self._cut()
        if fault is Fault.FORBIDDEN:
            raise asyncssh.SFTPPermissionDenied("Permission denied")
        if fault is Fault.NONE:
            return effect()
        with contextlib.suppress(OSError, asyncssh.SFTPError):
            effect()
        return await (self._cut() if fault is Fault.AFTER else asyncio.sleep(_HANGS_SECONDS))

    async def _cut(self) -> None:
        self._connection.abort()
        await asyncio.sleep(_HANGS_SECONDS)

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        return await self._meddled("open", lambda: super(_Meddled, self).open(path, pflags, attrs))

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        found: bytes = await self._meddled(
            "read", lambda: super(_Meddled, self).read(file_obj, offset, size)
        )
        return found

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        written: int = await self._meddled(
            "write", lambda: super(_Meddled, self).write(file_obj, offset, data)
        )
        return written

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._meddled("rename", lambda: super(_Meddled, self).rename(oldpath, newpath))

    async def remove(self, path: bytes) -> None:
        await self._meddled("remove", lambda: super(_Meddled, self).remove(path))

    async def lstat(self, path: bytes) -> Any:
        return await self._meddled("entry", lambda: super(_Meddled, self).lstat(path))

    async def stat(self, path: bytes) -> Any:
        return await self._meddled("entry", lambda: super(_Meddled, self).stat(path))

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        await self._meddled("names", lambda: None)
        async for item in super().scandir(path):
            yield item

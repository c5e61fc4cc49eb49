"""Files on an SFTP server."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime

from asyncssh import SFTPAttrs, SFTPClient

from gateways.bank.drop import MAX_NAMES, Entry
from gateways.bank.sftp.session import SftpSession

_CHUNK_BYTES = 1_000_000
_REGULAR, _FOLDER = 1, 2
"""Types of files, by the protocol."""


class SftpFiles:
    """The files of one folder there."""

    def __init__(self, session: SftpSession, folder: str) -> None:
        self._session = session
        self._root = folder.encode()
        self.place = f"{session.place}:{folder}"

    def close(self) -> None:
        self._session.close()

    def names(self) -> Iterator[tuple[bytes, Entry]]:
        async def work(sftp: SFTPClient) -> list[tuple[bytes, Entry]]:
            found: list[tuple[bytes, Entry]] = []
            async with self._session.in_time() as timeout:
                async for item in sftp.scandir(self._root):
                    self._session.more_time(timeout)
                    if item.filename not in (b".", b".."):
                        found.append((_bytes(item.filename), _entry(item.attrs)))
                    if len(found) > MAX_NAMES:
                        break
            return found

        return iter(self._session.run(work))

    def entry(self, path: bytes) -> Entry:
        async def work(sftp: SFTPClient) -> Entry:
            # The folder itself may be a link: that is the choice of whoever configured it.
            look = sftp.lstat if path else sftp.stat
            return _entry(await self._session.ask(look(self._at(path))))

        return self._session.run(work)

    def read(self, path: bytes, most: int) -> bytes:
        async def work(sftp: SFTPClient) -> bytes:
            ask, found = self._session.ask, bytearray()
            file = await ask(sftp.open(self._at(path), "rb", encoding=None))
            while len(found) < most:
                chunk = await ask(file.read(min(_CHUNK_BYTES, most - len(found)), len(found)))
                if not chunk:
                    break
                found += _bytes(chunk)
            await ask(file.close())
            return bytes(found)

        return self._session.run(work)

    def write(self, path: bytes, content: bytes) -> None:
        async def work(sftp: SFTPClient) -> None:
            ask = self._session.ask
            file = await ask(sftp.open(self._at(path), "wb", encoding=None))
            for first in range(0, len(content), _CHUNK_BYTES):
                await ask(file.write(content[first : first + _CHUNK_BYTES], first))
            await ask(file.close())

        self._session.run(work)

    def rename(self, old: bytes, new: bytes) -> None:
        async def work(sftp: SFTPClient) -> None:
            await self._session.ask(sftp.rename(self._at(old), self._at(new)))

        self._session.run(work)

    def remove(self, path: bytes) -> None:
        async def work(sftp: SFTPClient) -> None:
            await self._session.ask(sftp.remove(self._at(path)))

        self._session.run(work)

    def make_folder(self, path: bytes) -> None:
        async def work(sftp: SFTPClient) -> None:
            await self._session.ask(sftp.mkdir(self._at(path)))

        self._session.run(work)

    def _at(self, path: bytes) -> bytes:
        return b"%s/%s" % (self._root, path) if path else self._root


def _bytes(found: bytes | str) -> bytes:
    return found if isinstance(found, bytes) else found.encode()


def _entry(attrs: SFTPAttrs) -> Entry:
    """Some servers state no permissions, others no type."""
    mode = attrs.permissions or 0
    is_file = stat.S_ISREG(mode) or (not stat.S_IFMT(mode) and attrs.type == _REGULAR)
    is_folder = stat.S_ISDIR(mode) or attrs.type == _FOLDER
    modified = datetime.fromtimestamp(max(attrs.mtime or 0, 0), UTC)
    return Entry(attrs.size or 0, modified, is_file, is_folder)

"""Pages that are read ahead of whoever works on them; those that wait are in a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from typing import IO, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")

_END = -1


@contextlib.asynccontextmanager
async def spooled(pages: AsyncIterator[T], kind: TypeAdapter[T]) -> AsyncIterator[AsyncIterator[T]]:
    """The same pages in their order, read from now on as fast as they come.

    However many wait, memory holds one: the others are in a temporary file without a name, which is
    gone with the process. What reading them raises is raised behind the last one read.
    """
    sizes: asyncio.Queue[int] = asyncio.Queue()
    with tempfile.TemporaryFile() as file:
        reading = asyncio.create_task(_keep(pages, kind, file, sizes))
        try:
            yield _kept(kind, file, sizes, reading)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _keep(
    pages: AsyncIterator[T], kind: TypeAdapter[T], file: IO[bytes], sizes: asyncio.Queue[int]
) -> None:
    try:
        async for page in pages:
            size = file.write(kind.dump_json(page))
            file.flush()
            sizes.put_nowait(size)
    finally:
        sizes.put_nowait(_END)


async def _kept(
    kind: TypeAdapter[T], file: IO[bytes], sizes: asyncio.Queue[int], reading: asyncio.Task[None]
) -> AsyncIterator[T]:
    start = 0
    while (size := await sizes.get()) != _END:
        # At a place of its own: the file's is where the next page is written.
        yield kind.validate_json(os.pread(file.fileno(), size, start))
        start += size
    await reading

"""Pages that are read ahead wait in a file, and come in their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import TypeAdapter

from starters.spool import spooled

PAGE = TypeAdapter(list[str])


class Source:
    """Pages, and how many of them were read."""

    def __init__(self, *pages: list[str], fails: bool = False) -> None:
        self._pages, self._fails = pages, fails
        self.read = 0
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[list[str]]:
        try:
            for page in self._pages:
                await asyncio.sleep(0)
                self.read += 1
                yield page
            if self._fails:
                raise OSError("Temporal is away")
            await asyncio.sleep(0)
        finally:
            self.is_closed = True


async def collect(source: Source, found: list[list[str]]) -> None:
    async with spooled(aiter(source), PAGE) as pages:
        async for page in pages:
            found.append(page)


async def test_all_is_read_before_anything_is_asked_for_and_comes_in_its_order() -> None:
    source = Source(["a", "é\n"], [], ["b" * 100_000])
    async with spooled(aiter(source), PAGE) as pages:
        for _ in range(20):
            await asyncio.sleep(0)
        assert source.read == 3
        assert [page async for page in pages] == [["a", "é\n"], [], ["b" * 100_000]]


async def test_what_fails_is_raised_behind_what_was_read() -> None:
    found: list[list[str]] = []
    with pytest.raises(OSError, match="Temporal is away"):
        await collect(Source(["a"], ["b"], fails=True), found)
    assert found == [["a"], ["b"]]


async def test_who_stops_half_way_stops_the_reading() -> None:
    source = Source(*([str(number)] for number in range(1_000)))
    async with spooled(aiter(source), PAGE) as pages:
        assert await anext(pages) == ["0"]
    assert source.read < 1_000
    assert source.is_closed

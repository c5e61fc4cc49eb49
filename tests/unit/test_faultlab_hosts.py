"""The campaign's hosts: what a host passes on, and the faults of links."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from faultlab.hosts import ALL, Hosts, LinkFaults
from faultlab.tunnels import PIECE_BYTES, Tunnels
from sandbox.real_odoo.mailbox import free_port

LOOPBACK = "127.0.0.1"


@pytest.fixture
async def tunnels() -> AsyncIterator[Tunnels]:
    tunnels = Tunnels()
    yield tunnels
    tunnels.close()


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """A server that answers with all it got, once its client has said everything."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.close()
        await writer.wait_closed()

    port = free_port()
    server = await asyncio.start_server(answer, LOOPBACK, port)
    yield port
    server.close()


async def _through(tunnels: Tunnels, to: int) -> int:
    port = free_port()
    await tunnels.obey({"listen": [LOOPBACK, port], "to": [LOOPBACK, to]})
    return port


async def _said(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(text)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_tunnel_passes_everything_on_and_each_end_by_itself(
    tunnels: Tunnels, echo: int
) -> None:
    text = bytes(range(256)) * (PIECE_BYTES // 64)
    port = await _through(tunnels, echo)
    assert await asyncio.gather(*(_said(port, text) for _ in range(3))) == [text] * 3


async def test_a_tunnel_to_nobody_breaks_the_connection(tunnels: Tunnels) -> None:
    port = await _through(tunnels, free_port())
    with contextlib.suppress(ConnectionError):
        assert await _said(port, b"hello") == b""


async def test_a_slow_host_holds_up_both_ways(tunnels: Tunnels, echo: int) -> None:
    port = await _through(tunnels, echo)
    await tunnels.obey({"slow": 0.2})
    began = time.monotonic()
    assert await _said(port, b"hello") == b"hello"
    assert time.monotonic() - began >= 0.4


class Links(Hosts):
    """Hosts without a network: what is done to their links, and whether it was undone."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.broken = 0

    async def cut(self, name: str, seconds: float) -> None:
        await self._broken("cut", name, seconds)

    async def lose(self, name: str, to: str, seconds: float) -> None:
        await self._broken("lose", name, to, seconds)

    async def slow(self, name: str, each_seconds: float, seconds: float) -> None:
        await self._broken("slow", name, each_seconds, seconds)

    async def _broken(self, *what: Any) -> None:
        self.done.append(what)
        self.broken += 1
        try:
            await asyncio.sleep(0)
        finally:
            self.broken -= 1


async def _drawn(seed: int, monkeypatch: pytest.MonkeyPatch) -> Links:
    monkeypatch.setattr("faultlab.hosts._BETWEEN_SECONDS", (0.0, 0.0))
    links = Links()
    faults = LinkFaults(links, seed)
    running = asyncio.create_task(faults.run())
    while len(links.done) < 200:  # noqa: ASYNC110 - it only goes on
        await asyncio.sleep(0)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert len(faults.all) == len(links.done)
    return links


async def test_faults_of_links_are_drawn_from_the_seed_and_end_with_the_campaign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    links = await _drawn(7, monkeypatch)
    assert links.done[:200] == (await _drawn(7, monkeypatch)).done[:200]
    assert links.done[:200] != (await _drawn(8, monkeypatch)).done[:200]
    assert links.broken == 0
    assert {what for what, *_ in links.done} == {"cut", "lose", "slow"}
    assert {name for what, name, *_ in links.done if what == "cut"} == set(ALL)

"""The proxy of the fault campaign: it passes calls on unchanged, and spoils them as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from sandbox.proxy import PASSED, Fate, Kind, Moment, Proxy, Request

Answer = Callable[[dict[str, str], bytes], bytes]


class Remote:
    """A tiny HTTP server that counts what reaches it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.chunked = False
        self.truncated = False

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.partition(": ") for line in head[1:] if line)
        headers = {name.lower(): value for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append((head[0], headers, body))
        answer = json.dumps({"echo": body.decode(), "number": len(self.requests)}).encode()
        if self.chunked:
            framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(answer), answer)
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed)
        else:
            length = len(answer) + 7 * self.truncated
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + answer)
        await writer.drain()
        writer.close()


@pytest.fixture
async def remote() -> AsyncIterator[Remote]:
    remote = Remote()
    remote.url = await remote.start()  # type: ignore[attr-defined]
    yield remote
    await remote.stop()


@pytest.fixture
async def proxy(remote: Remote) -> AsyncIterator[Proxy]:
    proxy = Proxy(remote.url)  # type: ignore[attr-defined]
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def http(proxy: Proxy) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=5) as client:
        yield client


def always(proxy: Proxy, fate: Fate) -> None:
    proxy.fate_of = lambda request: fate


async def post(http: httpx.AsyncClient, text: str = "hello", **headers: str) -> Any:
    answer = await http.post("/json/2/res.partner/load", content=text, headers=headers)
    answer.raise_for_status()
    return answer.json()


async def test_calls_pass_unchanged_over_one_connection(
    http: httpx.AsyncClient, remote: Remote, proxy: Proxy
) -> None:
    for number in range(1, 4):
        assert await post(http, "hällo") == {"echo": "hällo", "number": number}
    assert remote.requests[0][0] == "POST /json/2/res.partner/load HTTP/1.1"
    assert len(proxy._open) == 1
    assert proxy.counts == {"pass": 3}


async def test_an_answer_in_chunks_and_a_request_in_chunks_pass_too(
    http: httpx.AsyncClient, remote: Remote
) -> None:
    remote.chunked = True

    async def parts() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    answer = await http.post("/", content=parts())
    assert answer.json()["echo"] == "one two"
    assert (await post(http))["number"] == 2


async def test_tags_are_read_and_kept_from_the_remote(
    http: httpx.AsyncClient, remote: Remote, proxy: Proxy
) -> None:
    seen: list[Request] = []

    def fate_of(request: Request) -> Fate:
        seen.append(request)
        return PASSED

    proxy.fate_of = fate_of
    await post(http, **{"X-Tag-Carrier": "a|b|1"})
    assert seen[0].tags == {"carrier": "a|b|1"}
    assert seen[0].call == ("res.partner", "load")
    assert "x-tag-carrier" not in remote.requests[0][1]


async def test_a_call_sent_twice_is_answered_once(
    http: httpx.AsyncClient, remote: Remote, proxy: Proxy
) -> None:
    always(proxy, Fate(Kind.TWICE))
    await post(http)
    assert len(remote.requests) == 2


@pytest.mark.parametrize(("kind", "reached"), [(Kind.CUT_BEFORE, 0), (Kind.CUT_AFTER, 1)])
async def test_a_call_is_cut_off_before_or_after_the_remote_did_it(
    http: httpx.AsyncClient, remote: Remote, proxy: Proxy, kind: Kind, reached: int
) -> None:
    always(proxy, Fate(kind))
    with pytest.raises(httpx.TransportError):
        await post(http)
    assert len(remote.requests) == reached


async def test_an_answer_breaks_off_although_the_remote_did_it(
    http: httpx.AsyncClient, remote: Remote, proxy: Proxy
) -> None:
    always(proxy, Fate(Kind.HALF))
    with pytest.raises(httpx.RemoteProtocolError):
        await post(http)
    assert len(remote.requests) == 1


async def test_an_answer_of_ours_takes_the_remote_s_place(
    http: httpx.AsyncClient, remote: Remote, proxy: Proxy
) -> None:
    headers = {"Content-Type": "text/html", "Retry-After": "7"}
    always(proxy, Fate(Kind.STATUS, status=429, headers=headers, body=b"<p>Slow down"))
    answer = await http.get("/")
    assert (answer.status_code, answer.content) == (429, b"<p>Slow down")
    assert (answer.headers["content-type"], answer.headers["retry-after"]) == ("text/html", "7")
    assert remote.requests == []


@pytest.mark.parametrize("keeps_host", [True, False])
async def test_the_remote_sees_the_proxy_s_address_where_it_is_to(
    http: httpx.AsyncClient, remote: Remote, proxy: Proxy, keeps_host: bool
) -> None:
    proxy.keeps_host = keeps_host
    await post(http)
    host = remote.requests[0][1]["host"]
    assert (f"http://{host}" == proxy.url) is keeps_host


async def test_a_call_that_is_held_is_done_and_times_out(
    http: httpx.AsyncClient, remote: Remote, proxy: Proxy
) -> None:
    always(proxy, Fate(Kind.HOLD))
    with pytest.raises(httpx.ReadTimeout):
        await http.post("/", content="x", timeout=0.3)
    assert len(remote.requests) == 1


async def test_an_error_is_answered_and_nothing_is_done(
    http: httpx.AsyncClient, remote: Remote, proxy: Proxy
) -> None:
    always(proxy, Fate(Kind.STATUS, status=429, retry_after_seconds=2))
    answer = await http.post("/", content="x")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    always(proxy, PASSED)
    assert (await post(http))["number"] == 1


async def test_a_call_trickles_and_arrives_whole(
    http: httpx.AsyncClient, remote: Remote, proxy: Proxy
) -> None:
    always(proxy, Fate(Kind.DRIP, seconds=0.2))
    assert (await post(http, "x" * 100))["echo"] == "x" * 100


async def test_a_watcher_is_told_of_every_moment_in_order_and_holds_the_call_up(
    http: httpx.AsyncClient, remote: Remote, proxy: Proxy
) -> None:
    moments: list[tuple[Moment, int]] = []

    async def watch(request: Request, moment: Moment) -> None:
        moments.append((moment, len(remote.requests)))

    proxy.watch = watch
    await post(http)
    assert [moment for moment, _ in moments] == list(Moment)
    assert (moments[0][1], moments[2][1]) == (0, 1)


async def test_an_answer_that_breaks_off_breaks_the_connection(
    http: httpx.AsyncClient, remote: Remote
) -> None:
    remote.truncated = True
    with pytest.raises(httpx.TransportError):
        await post(http)


async def test_a_remote_that_is_away_breaks_the_connection(
    http: httpx.AsyncClient, remote: Remote
) -> None:
    await remote.stop()
    with pytest.raises(httpx.TransportError):
        await post(http)

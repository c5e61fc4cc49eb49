"""A programmable HTTP/1.1 proxy in front of a remote, to do to calls what networks do.

    proxy = Proxy("http://127.0.0.1:8069", fate_of=lambda request: CUT_AFTER)
    url = await proxy.start()

`fate_of` decides the fate of each request. `watch` is told of the moments of a call and holds it
up until it returns: so a process can be killed exactly before, during or after a call. Clients'
connections are kept alive; towards the remote every call has a connection of its own, so that one
call's fate never touches another's. `signs_of_life_seconds` lets clients have short timeouts: for
as long as the remote is at work they are told so (102), and only where an answer is held back does
their time run out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

HOST = "127.0.0.1"
MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
TAG_PREFIX = "x-tag-"
"""Headers by which a client says what a request is about; the remote does not see them."""
_DRIPS = 8
_HOLD_SECONDS = 120.0
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "upgrade"})


class Kind(StrEnum):
    """What can happen to a call."""

    PASS = "pass"  # noqa: S105 - no password
    TWICE = "twice"
    """Sent twice at once, answered once."""
    DELAY = "delay"
    CUT_BEFORE = "cut_before"
    """The connection breaks before the remote got anything."""
    CUT_AFTER = "cut_after"
    """The remote did it, and the connection breaks before the answer."""
    HOLD = "hold"
    """The remote did it, and no answer comes until the client gives up."""
    STATUS = "status"
    """An HTTP error, and nothing is done."""
    DRIP = "drip"
    """Request and answer trickle."""
    HALF = "half"
    """The remote did it, and the connection breaks within the answer."""


class Moment(StrEnum):
    """When a watcher is told of a call."""

    BEFORE = "before"
    """The request is here, and nothing is sent on yet."""
    DURING = "during"
    """The remote has the request and works on it."""
    AFTER = "after"
    """The remote has answered, and nothing is passed on yet."""


@dataclass(frozen=True)
class Fate:
    """What happens to one call; `seconds` is the whole of a delay or of a trickle. `headers` and
    `body` are of the answer that takes the remote's place; without a body it is one of our own."""

    kind: Kind = Kind.PASS
    seconds: float = 0.0
    status: int = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after_seconds: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


PASSED = Fate()


@dataclass(frozen=True)
class Request:
    """One request as it came in; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def tags(self) -> dict[str, str]:
        """What the client says it is about, by name."""
        return {
            name.removeprefix(TAG_PREFIX): value
            for name, value in self.headers.items()
            if name.startswith(TAG_PREFIX)
        }

    @property
    def call(self) -> tuple[str, str]:
        """Odoo's model and method of a JSON-2 call; two empty texts for any other request."""
        parts = self.path.split("?")[0].split("/")
        return (parts[3], parts[4]) if parts[1:3] == ["json", "2"] and len(parts) == 5 else ("", "")

    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


FateOf = Callable[[Request], Fate]
Watch = Callable[[Request, Moment], Awaitable[None]]


async def _unwatched(request: Request, moment: Moment) -> None:
    """Watch nothing."""


@dataclass
class Proxy:
    """One proxy in front of one remote. `counts` says how often each fate came about.

    `keeps_host`: the remote sees the proxy as its own address, so that the addresses in its answers
    lead through the proxy too.
    """

    remote: str
    fate_of: FateOf = lambda request: PASSED
    watch: Watch = _unwatched
    signs_of_life_seconds: float | None = None
    keeps_host: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    url: str = field(init=False, default="")

    def __post_init__(self) -> None:
        parts = urlsplit(self.remote)
        self._host, self._port = parts.hostname or HOST, parts.port or 80
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> str:
        """Listen on a loopback port, a free one unless told otherwise; returns the address."""
        self._server = await asyncio.start_server(
            self._accept, HOST, port, limit=MAX_HEAD_BYTES, backlog=512
        )
        self.url = f"http://{HOST}:{self.port}"
        return self.url

    @property
    def port(self) -> int:
        """Where it listens. Raises RuntimeError before it was started."""
        if self._server is None:
            raise RuntimeError("the proxy was not started")
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and break every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while (request := await _read_request(reader)) is not None:
                if not await self._serve(request, reader, writer):
                    break
        except (OSError, EOFError, asyncio.LimitOverrunError, ValueError):
            pass  # whoever called is gone, or speaks no HTTP: the connection ends
        except asyncio.CancelledError:
            pass  # by `stop`: nobody waits for this task's word
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _serve(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; whether the connection goes on."""
        fate = self.fate_of(request)
        self.counts[fate.kind] = self.counts.get(fate.kind, 0) + 1
        await self.watch(request, Moment.BEFORE)
        if fate.kind is Kind.CUT_BEFORE:
            return False
        if fate.kind is Kind.STATUS:
            writer.write(_refusal(fate))
            await writer.drain()
            return True
        if fate.kind is Kind.DELAY:
            await asyncio.sleep(fate.seconds)
        with self._signs_of_life(writer, fate):
            answer = await self._answer(request, fate)
        await self.watch(request, Moment.AFTER)
        if fate.kind is Kind.CUT_AFTER:
            return False
        if fate.kind is Kind.HOLD:
            await _left(reader)
            return False
        if fate.kind is Kind.HALF:
            await _write(writer, answer[: -(len(answer.partition(b"\r\n\r\n")[2]) + 1) // 2], 0)
            return False
        await _write(writer, answer, fate.seconds / 2 if fate.kind is Kind.DRIP else 0)
        return True

    @contextlib.contextmanager
    def _signs_of_life(self, writer: asyncio.StreamWriter, fate: Fate) -> Iterator[None]:
        if self.signs_of_life_seconds is None or fate.kind is Kind.HOLD:
            yield
            return
        telling = asyncio.create_task(_say_it_is_at_work(writer, self.signs_of_life_seconds))
        try:
            yield
        finally:
            telling.cancel()

    async def _answer(self, request: Request, fate: Fate) -> bytes:
        if fate.kind is not Kind.TWICE:
            return await self._forward(request, fate)
        # The second answer is waited for too: what the remote still does must not outlive the call.
        both = [asyncio.create_task(self._forward(request, fate)) for _ in range(2)]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        first = next(task for task in both if task.done())
        await asyncio.wait(both)
        other = both[1] if first is both[0] else both[0]
        other.exception()  # looked at, so that it is not logged
        return first.result()

    async def _forward(self, request: Request, fate: Fate) -> bytes:
        """The remote's whole answer, framed for a connection that stays open."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            await _write(writer, self._framed(request), fate.seconds / 2 * (fate.kind is Kind.DRIP))
            await self.watch(request, Moment.DURING)
            raw = await reader.read(-1)
        finally:
            writer.transport.abort()
        return _reframed(raw)

    def _framed(self, request: Request) -> bytes:
        kept = {
            name: value
            for name, value in request.headers.items()
            if name not in _HOP_BY_HOP
            and not name.startswith(TAG_PREFIX)
            and name not in ("host", "content-length", "transfer-encoding")
        }
        host = request.headers.get("host", "") if self.keeps_host else ""
        kept |= {"host": host or f"{self._host}:{self._port}", "connection": "close"}
        if request.body or request.method not in ("GET", "HEAD"):
            kept["content-length"] = str(len(request.body))
        lines = [f"{request.method} {request.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in kept.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + request.body


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection; None where the client has closed it."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as ended:
        if ended.partial.strip():
            raise
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Request(method, path, headers, await _read_body(reader, headers))


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _read_chunks(reader)
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= MAX_BODY_BYTES:
        raise ValueError(f"a body of {length} bytes")
    return await reader.readexactly(length)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        if len(body) + size > MAX_BODY_BYTES:
            raise ValueError("a body that does not end")
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass  # trailers
    return bytes(body)


def _reframed(raw: bytes) -> bytes:
    """An answer that was ended by the connection's end, with its length said instead.

    Raises EOFError where the remote broke off before the end of its answer.
    """
    head, found, body = raw.partition(b"\r\n\r\n")
    if not found:
        raise EOFError("the remote broke off")
    first, *lines = head.decode("latin-1").split("\r\n")
    names = {line.partition(":")[0].strip().lower(): line.partition(":")[2] for line in lines}
    is_chunked = "chunked" in names.get("transfer-encoding", "").lower()
    wanted = int(names.get("content-length", len(body)))
    if len(body) < wanted or (is_chunked and not body.endswith(b"0\r\n\r\n")):
        raise EOFError("the remote broke off within its answer")
    kept = [line for line in lines if line.partition(":")[0].strip().lower() not in _HOP_BY_HOP]
    if not is_chunked and "content-length" not in names:
        kept.append(f"Content-Length: {len(body)}")
    return "\r\n".join([first, *kept, "", ""]).encode("latin-1") + body


async def _write(writer: asyncio.StreamWriter, data: bytes, seconds: float) -> None:
    """Send; over so many seconds in small pieces, or (0) at once."""
    if not seconds:
        writer.write(data)
        await writer.drain()
        return
    size = max(1, -(-len(data) // _DRIPS))
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
        await writer.drain()
        await asyncio.sleep(seconds / _DRIPS)


async def _say_it_is_at_work(writer: asyncio.StreamWriter, every_seconds: float) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")


async def _left(reader: asyncio.StreamReader) -> None:
    """Wait until the client has closed the connection."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HOLD_SECONDS):
            await reader.read()


def _refusal(fate: Fate) -> bytes:
    ours = {"name": "proxy.Fault", "message": f"fault injected: {fate.status}", "arguments": []}
    body = json.dumps(ours).encode() if fate.body is None else fate.body
    lines = [f"HTTP/1.1 {fate.status} {HTTPStatus(fate.status).phrase}"]
    named = {"Content-Type": "application/json", **fate.headers, "Content-Length": str(len(body))}
    lines += [f"{name}: {value}" for name, value in named.items()]
    if fate.retry_after_seconds is not None:
        lines.append(f"Retry-After: {fate.retry_after_seconds}")
    return "\r\n".join([*lines, "", ""]).encode() + body

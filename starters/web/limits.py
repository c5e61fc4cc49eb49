"""What a request may take: bytes, time, and how many come from one address."""

from __future__ import annotations

import asyncio
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starters.web.problems import HttpProblem

BODY_SECONDS = 10.0


class RateLimit:
    """So many requests a minute for each sender and address; the answer says when to come back."""

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def check(self, sender: str, address: str) -> None:
        """Count a request. Raises HttpProblem with 429."""
        if await self._limiter.hit(self._item, sender, address):
            return
        window = await self._limiter.get_window_stats(self._item, sender, address)
        wait = max(1, round(window.reset_time - time.time()))
        raise HttpProblem(429, "too many requests", headers={"Retry-After": str(wait)})


class BodyLimit:
    """Bounds the bodies of all requests but those whose routes alone read them, by `read_body`: a
    body is counted as it arrives, whoever reads it. Who asks may be looked for in a form, before a
    route has seen anything."""

    def __init__(self, app: ASGIApp, *, max_bytes: int, read_elsewhere: tuple[str, ...]) -> None:
        self._app, self._max_bytes, self._read_elsewhere = app, max_bytes, read_elsewhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._read_elsewhere):
            await self._app(scope, receive, send)
            return
        size, is_whole = 0, False
        ends = asyncio.get_running_loop().time() + BODY_SECONDS

        async def receiving() -> Message:
            nonlocal size, is_whole
            if is_whole:  # What follows is that the client has gone.
                return await receive()
            try:
                async with asyncio.timeout_at(ends):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, headers={"Connection": "close"}) from None
            size += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if size > self._max_bytes:
                raise HTTPException(413, headers={"Connection": "close"})
            return message

        await self._app(scope, receiving, send)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The body, counted as it arrives: what it says of its length may be wrong, or missing.

    Raises HttpProblem with 413, or 408 where it does not arrive.
    """
    too_large = HttpProblem(413, f"at most {max_bytes} bytes", headers={"Connection": "close"})
    stated = request.headers.get("content-length", "")
    if stated.isascii() and stated.isdigit() and (len(stated) > 18 or int(stated) > max_bytes):
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > max_bytes:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise HttpProblem(408, "the body did not arrive", headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise HttpProblem(400, "the body is not whole") from None
    return b"".join(parts)

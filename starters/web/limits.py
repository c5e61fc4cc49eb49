"""What a request may take: bytes, time, and how many come from one address."""

from __future__ import annotations

import asyncio
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
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
    """Counts what arrives of any request, however it is read."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0

        async def received() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._max_bytes:
                at_most = f"at most {self._max_bytes} bytes"
                raise HttpProblem(413, at_most, headers={"Connection": "close"})
            return message

        await self._app(scope, received if scope["type"] == "http" else receive, send)


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

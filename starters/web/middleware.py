"""Around every request: security headers, cookies, and one line in the log without a secret."""

from __future__ import annotations

import logging
import time
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGGER = logging.getLogger("c2c.web")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # With `no-referrer` a browser would hide from us that our own pages send a form.
    "Referrer-Policy": "same-origin",
}
_TLS_HEADER = "max-age=63072000"


class Around:
    """Adds the headers and whatever cookies the request's state holds, and logs what became of it.

    A path is logged as its route's pattern, with the sender's name: addresses may hold secrets.
    """

    def __init__(self, app: ASGIApp, *, tls: bool) -> None:
        self._app = app
        self._headers = {
            **_HEADERS,
            **({"Strict-Transport-Security": _TLS_HEADER} if tls else {}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500
        state: dict[str, Any] = scope.setdefault("state", {})

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                for cookie in state.get("cookies", {}).values():
                    headers.append("Set-Cookie", cookie)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            _log(scope, state, status, time.monotonic() - began)


def _log(scope: Scope, state: dict[str, Any], status: int, seconds: float) -> None:
    route = scope.get("route")
    line = {
        "method": scope["method"],
        "route": getattr(route, "path", None),
        "sender": state.get("sender"),
        "status": status,
        "ms": round(seconds * 1000),
        "client": (scope.get("client") or [None])[0],
        "events": state.get("events"),
        "new": state.get("new"),
        "who": state.get("who"),
        "keys": state.get("keys"),
        "payloads": state.get("payloads"),
        "why": state.get("why"),
    }
    known = {name: value for name, value in line.items() if value is not None}
    level = logging.WARNING if status >= 400 else logging.INFO
    LOGGER.log(level, "request", extra={"fields": known})

"""Serves a stand-in on a free port of the loopback."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

_STARTED_WITHIN_SECONDS = 10.0
_ENDS_WITHIN_SECONDS = 1
"""A client that keeps its connection open does not hold up the end."""


@contextlib.contextmanager
def served(app: ASGIApp, *, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yields the address; with TLS it is https://localhost."""
    # With its protocol named, or asyncio leaves Nagle's algorithm on: 40 ms for each answer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app,
            log_level="critical",
            lifespan="off",
            timeout_graceful_shutdown=_ENDS_WITHIN_SECONDS,
        )
        config.load()
        config.ssl = tls
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + _STARTED_WITHIN_SECONDS
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        port = listener.getsockname()[1]
        try:
            yield f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(_STARTED_WITHIN_SECONDS)

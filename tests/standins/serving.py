"""Stand-ins over real sockets of the loopback, with TLS where a client insists on it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send


@contextmanager
def served(app: ASGIApp, *, certificate: Path | None = None) -> Iterator[str]:
    """Serve on a free port; yields the address. `certificate` is a PEM file with its key."""
    # With its protocol named, or asyncio leaves Nagle's algorithm on: 40 ms for each answer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app,
            log_level="critical",
            lifespan="off",
            ssl_certfile=str(certificate) if certificate else None,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        scheme, host = ("https", "localhost") if certificate else ("http", "127.0.0.1")
        try:
            yield f"{scheme}://{host}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@contextmanager
def served_in_turn(*, certificate: Path | None = None) -> Iterator[tuple[str, list[ASGIApp]]]:
    """One server for many tests, as one takes long to start: its address, and a list whose last
    application answers there."""
    current: list[ASGIApp] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await current[-1](scope, receive, send)

    with served(app, certificate=certificate) as address:
        yield address, current

"""Serves an application for tests, on a free port of the loopback, with or without TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import trustme
import uvicorn
from starlette.types import ASGIApp


@contextlib.contextmanager
def served(app: ASGIApp, *, ca: trustme.CA | None = None) -> Iterator[str]:
    """Yields the address; with a certificate authority it is https://localhost."""
    with contextlib.ExitStack() as stack:
        # With its protocol named, or asyncio leaves Nagle's algorithm on: 40 ms for each answer.
        listener = stack.enter_context(
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        )
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="warning", lifespan="off")
        config.load()
        if ca is not None:
            config.ssl = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            ca.issue_cert("localhost").configure_cert(config.ssl)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        port = listener.getsockname()[1]
        try:
            yield f"https://localhost:{port}" if ca else f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(10)


@contextlib.contextmanager
def pem_of(ca: trustme.CA) -> Iterator[str]:
    """A file with the authority's certificate, for clients that take one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ca.pem"
        ca.cert_pem.write_to_path(path)
        yield str(path)

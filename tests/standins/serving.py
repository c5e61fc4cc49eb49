"""Stand-ins for many tests at one address, and TLS for clients that insist on it."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.conformance.serving import served


@contextmanager
def served_in_turn(*, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[ASGIApp]]]:
    """One server for many tests, as one takes long to start: its address, and a list whose last
    application answers there."""
    current: list[ASGIApp] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await current[-1](scope, receive, send)

    with served(app, tls=tls) as address:
        yield address, current


@contextmanager
def tls_of_localhost() -> Iterator[tuple[ssl.SSLContext, Path]]:
    """A server's TLS for localhost, and a file with the authority's certificate for its clients."""
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ca.pem"
        authority.cert_pem.write_to_path(path)
        yield tls, path

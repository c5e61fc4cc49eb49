"""Whether a worker process lives and is ready, for whoever starts it anew or waits for it.

Live: its event loop turns. Ready: it has looked at the open workflows, and polls; no more once it
drains. Neither asks Odoo or Temporal: a process is not started anew because another system is down.
It answers from a thread of its own, so that one whose loop stands still says so.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import make_wsgi_app

from contracts.addresses import host_and_port
from wiring.settings import ConfigurationError

STANDS_STILL_AFTER = 30.0
"""Seconds without a turn of the event loop after which a process does not live any more. A workflow
that is replayed whole may take some of them."""
_BEAT_SECONDS = 1.0
_CLIENT_SECONDS = 5.0

App = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


class Health:
    """What a process says of itself. `is_ready` is set by the process, `beat` by its loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_ready = False
        self._clock = clock
        self._beaten = clock()

    @property
    def is_live(self) -> bool:
        return self._clock() - self._beaten < STANDS_STILL_AFTER

    def beat(self) -> None:
        """The event loop has turned."""
        self._beaten = self._clock()

    async def beating(self) -> None:
        """Beat for as long as the loop turns."""
        while True:
            self.beat()
            await asyncio.sleep(_BEAT_SECONDS)

    def app(self, *, with_metrics: bool) -> App:
        """`/live`, `/ready`, and `/metrics` where those are wanted here."""
        metrics: App = make_wsgi_app()

        def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "")
            if with_metrics and path == "/metrics":
                return metrics(environ, start)
            known = {"/live": self.is_live, "/ready": self.is_live and self.is_ready}
            if path not in known:
                return _text(start, "404 Not Found", "there are /live and /ready")
            status = "200 OK" if known[path] else "503 Service Unavailable"
            return _text(start, status, "yes" if known[path] else "no")

        return answer


@contextmanager
def served(health: Health, address: str, *, with_metrics: bool) -> Iterator[None]:
    """Answer at an address (`host:port`) while the context is open; nowhere if it is empty.

    Raises ConfigurationError for an address that is malformed or cannot be listened on.
    """
    if not address:
        yield
        return
    try:
        host, port = host_and_port(address)
        app = health.app(with_metrics=with_metrics)
        server = make_server(host, port, app, _Server, _Quiet)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"worker.health {address}: {error}") from None
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    """A slow client holds up no other."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    timeout = _CLIENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: it is asked every few seconds."""


def _text(start: StartResponse, status: str, text: str) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")])
    return [f"{text}\n".encode()]

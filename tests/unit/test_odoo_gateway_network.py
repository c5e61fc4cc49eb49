"""What only a real socket shows: pooled connections, timeouts, cut connections, nobody there."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient, connect
from gateways.secrets import Secret

SLOW_SECONDS = 0.3


class Server(ThreadingHTTPServer):
    """Keeps connections alive and counts them; the method asked for says how it behaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.connections = 0
        self.requests = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: else each answer waits for a delayed ACK
    server: Server

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.requests += 1
        behaviour = self.path.rsplit("/", 1)[1]
        if behaviour == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if behaviour == "half":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"[1")
            self.close_connection = True
            return
        if behaviour == "last":
            self.close_connection = True  # without announcing it, as a proxy's idle timeout does
        if behaviour == "slow":
            time.sleep(SLOW_SECONDS)
        if behaviour == "zipped":
            self._answer(gzip.compress(b'["zipped"]'), "gzip")
        else:
            self._answer(b"[]", "identity")

    def _answer(self, body: bytes, encoding: str) -> None:
        self.send_response(200)
        self.send_header("Content-Encoding", encoding)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def client(server: Server, **options: Any) -> OdooClient:
    return connect(server.url, "firm", Secret.of("s3cret"), **options)


def test_one_connection_serves_many_calls(server: Server) -> None:
    odoo = client(server)
    for _ in range(30):
        assert odoo.call("x", "quick") == []
    odoo.with_company(2).call("x", "quick")
    odoo.close()
    assert (server.connections, server.requests) == (1, 31)


def test_threads_share_a_bounded_pool(server: Server) -> None:
    odoo = client(server, max_connections=3)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: odoo.call("x", "quick"), range(400)))
    odoo.close()
    assert answers == [[]] * 400
    assert server.requests == 400
    assert server.connections <= 3


def test_an_idle_connection_that_the_server_closed_is_replaced_not_used(server: Server) -> None:
    odoo = client(server)
    assert odoo.call("x", "last") == []
    time.sleep(0.05)
    assert odoo.call("x", "quick") == []
    odoo.close()
    assert (server.connections, server.requests) == (2, 2)


def test_a_compressed_answer_is_read(server: Server) -> None:
    odoo = client(server)
    assert odoo.call("x", "zipped") == ["zipped"]
    odoo.close()


def test_all_connections_in_use_is_told_and_surely_not_done(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.http.POOL_TIMEOUT_SECONDS", 0.05)
    odoo = client(server, max_connections=1)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(odoo.call, "x", "slow")
        while not server.requests:
            time.sleep(0.01)
        with pytest.raises(GatewayError) as caught:
            odoo.call("x", "quick")
        assert busy.result() == []
    odoo.close()
    assert (caught.value.kind, caught.value.code) == (FailureKind.TRANSIENT, "client_busy")
    assert not caught.value.maybe_done


def test_an_answer_that_is_too_late_is_perhaps_done(server: Server) -> None:
    odoo = client(server, read_timeout_seconds=0.1)
    with pytest.raises(GatewayError) as caught:
        odoo.call("x", "slow")
    odoo.close()
    assert (caught.value.kind, caught.value.code) == (FailureKind.TRANSIENT, "no_answer")
    assert caught.value.maybe_done
    assert server.requests == 1


@pytest.mark.parametrize("behaviour", ["drop", "half"])
def test_a_connection_cut_after_sending_is_perhaps_done_and_not_sent_twice(
    server: Server, behaviour: str
) -> None:
    odoo = client(server)
    with pytest.raises(GatewayError) as caught:
        odoo.call("x", behaviour)
    assert (caught.value.kind, caught.value.code) == (FailureKind.TRANSIENT, "no_answer")
    assert caught.value.maybe_done
    assert server.requests == 1
    assert odoo.call("x", "quick") == []
    odoo.close()


def test_nobody_there_is_unreachable_and_surely_not_done() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        odoo = connect(url, "firm", Secret.of("s3cret"))
        with pytest.raises(GatewayError) as caught:
            odoo.call("x", "quick")
        odoo.close()
    assert (caught.value.kind, caught.value.code) == (FailureKind.TRANSIENT, "unreachable")
    assert not caught.value.maybe_done

"""Programs of others that take what a worker exports: rotel, Prometheus and Alertmanager; and what
hears them in the end."""

from __future__ import annotations

import gzip
import http.server
import importlib.util
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError

import yaml

from sandbox.real_odoo.mailbox import LOOPBACK, free_port
from tests.monitoring.programs import program, templates


@dataclass
class Received:
    """What was posted to an address, by path."""

    url: str = ""
    kept: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))

    def bodies(self, path: str) -> bytes:
        return b"".join(self.kept[path])


def eventually(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


@contextmanager
def receiving() -> Iterator[Received]:
    """A server that takes whatever is posted."""
    received = Received()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_packed = self.headers.get("Content-Encoding") == "gzip"
            received.kept[self.path].append(gzip.decompress(body) if is_packed else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
    received.url = f"http://{LOOPBACK}:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def rotel(hands_on_to: str) -> Iterator[str]:
    """A collector that takes OTLP over HTTP; its address."""
    found = importlib.util.find_spec("rotel")
    assert found is not None, "rotel is among the tests' packages"
    assert found.origin is not None
    grpc, http_address = (f"{LOOPBACK}:{free_port()}" for _ in range(2))
    options = {
        "otlp-grpc-endpoint": grpc,
        "otlp-http-endpoint": http_address,
        "otlp-exporter-endpoint": hands_on_to,
        "otlp-exporter-protocol": "http",
        "batch-timeout": "200ms",
    }
    command = [str(Path(found.origin).with_name("rotel-agent")), "start", "--exporter", "otlp"]
    command += [word for name, value in options.items() for word in (f"--{name}", value)]
    with _running(command, lambda: _listens(http_address)):
        yield f"http://{http_address}"


@contextmanager
def alerting(folder: Path, rules: Any, targets: Sequence[str], hooks: Received) -> Iterator[None]:
    """Prometheus reads the targets once a second, and Alertmanager posts what fires."""
    manager, prometheus = (f"{LOOPBACK}:{free_port()}" for _ in range(2))
    webhook = {"name": "us", "webhook_configs": [{"url": f"{hooks.url}/alerts"}]}
    route = {"receiver": "us", "group_wait": "0s", "group_interval": "1s"}
    _write(folder / "alertmanager.yml", {"route": route, "receivers": [webhook]})
    _write(folder / "rules.yml", rules)
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]},
        "scrape_configs": [{"job_name": "c2c", "static_configs": [{"targets": list(targets)}]}],
    }
    _write(folder / "prometheus.yml", configuration)
    alertmanager = [
        str(program("alertmanager")),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={manager}",
        "--cluster.listen-address=",
    ]
    server = [
        str(program("prometheus")),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={prometheus}",
    ]
    with (
        _running(alertmanager, lambda: _is_ready(manager), templates()),
        _running(server, lambda: _is_ready(prometheus)),
    ):
        yield


def _write(file: Path, content: Any) -> None:
    file.write_text(yaml.safe_dump(content))


@contextmanager
def _running(
    command: Sequence[str], is_up: Callable[[], bool], folder: Path | None = None
) -> Iterator[None]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            eventually(lambda: process.poll() is not None or is_up())
            if process.poll() is not None:
                log.seek(0)
                raise AssertionError(f"{command[0]} ended: {log.read().decode()[-2_000:]}")
            yield
        finally:
            process.terminate()
            process.wait(20)


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False

"""A Redis of its own on a private socket, with its append-only file written every second."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.peers.environment import Environment
from sandbox.real_odoo.errors import HarnessError, last_lines_of
from sandbox.real_odoo.process import Process

START_SECONDS = 30


class Redis:
    """One server with its data in `folder`; use it as a context manager."""

    def __init__(self, environment: Environment, folder: Path) -> None:
        self._socket = folder / "redis.sock"
        self._log = folder / "redis.log"
        command: list[str | Path] = [environment.redis, "--port", "0", "--dir", folder]
        command += ["--unixsocket", self._socket, "--save", "", "--appendonly", "yes"]
        path = ":".join(str(folder) for folder in environment.libraries)
        self._process = Process(command, log=self._log, environment={"LD_LIBRARY_PATH": path})
        self._wait_until_it_listens()

    @property
    def url(self) -> str:
        """Its address, as Celery takes it."""
        return f"redis+socket://{self._socket}"

    def stop(self) -> None:
        """End it; a second call does nothing."""
        self._process.stop()

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._socket.exists():
            if time.monotonic() > deadline or not self._process.running:
                self.stop()
                raise HarnessError(f"Redis did not start:\n{last_lines_of(self._log)}")
            time.sleep(0.05)

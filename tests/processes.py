"""Worker processes as they run in production, for tests that stop and kill them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from temporalio.client import Client

from sandbox.stack import CONFIG
from tests.servers import OdooServer

ROOT = Path(__file__).parents[1]
START_SECONDS = 60.0


class WorkerProcess:
    """`c2c worker` in a process of its own, with its log in a file."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "starters", "worker"],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=stream,
                stderr=stream,
            )

    async def serving(self) -> WorkerProcess:
        """Wait until it says that it serves."""
        deadline = time.monotonic() + START_SECONDS
        while "serving contracts" not in self.said():
            assert self._process.poll() is None, f"the worker ended: {self.said()}"
            assert time.monotonic() < deadline, f"the worker does not serve: {self.said()}"
            await asyncio.sleep(0.02)
        return self

    def said(self) -> str:
        return self.log.read_text()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self, within_seconds: float = START_SECONDS) -> int:
        """Wait for its end; returns the exit code."""
        return await asyncio.to_thread(self._process.wait, within_seconds)

    async def stop(self) -> int:
        self.send(signal.SIGTERM)
        return await self.ended()

    def kill(self) -> None:
        """End it the hard way, if it has not ended."""
        self._process.kill()
        self._process.wait()


def environment(client: Client, server: OdooServer, **worker: object) -> dict[str, str]:
    """What a worker of this Temporal and this Odoo is told by its environment; `worker` are
    settings of its section."""
    return {
        "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": client.namespace,
        "C2C_CONFIG": str(CONFIG),
        "C2C_ODOO__URL": server.url,
        "C2C_ODOO__DATABASE": server.database,
        "C2C_ODOO__API_KEY_FILE": str(server.keys["c2c"]),
        **{f"C2C_WORKER__{name.upper()}": str(value) for name, value in worker.items()},
    }

"""The processes of the campaign's stack, each of which can be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import Runtime, TelemetryConfig

from faultlab.hosts import Host
from faultlab.worker_process import GO, stand_by
from sandbox.real_odoo.mailbox import free_port
from sandbox.real_odoo.process import Process
from sandbox.stack import StackError, temporal_command
from workflows import task_queues

HOST = "127.0.0.1"
NAMESPACE = "faults"
START_SECONDS = 60
_POLL_SECONDS = 0.05
_KEPT_SECONDS = 0.5

WORKFLOWS = (task_queues.CONTRACTS,)
"""Who decides; who speaks to remotes runs apart (`task_queues.REMOTES`), so that either can be
killed alone."""


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([stand_by.__module__])
"""To load everything takes a worker a second of the processor; here it is done once for all."""


@cache
def _mute() -> Runtime:
    """The SDK's core without its log: that a server is away is what we bring about."""
    return Runtime(telemetry=TelemetryConfig(logging=None))


class TemporalServer:
    """The real server on a file; killed, it starts again on the same port and file."""

    def __init__(self, folder: Path, host: Host | None = None) -> None:
        self._host = host
        self.port = free_port()
        self.address = f"{HOST}:{self.port}"
        self.log = folder / "temporal.log"
        self.database = folder / "temporal.db"
        self._process: Process | None = None

    async def start(self) -> Client:
        """Start it and return a client; raises StackError."""
        command = [*temporal_command(self.database, NAMESPACE, self.port), "--headless"]
        self._process = Process(on(self._host, command), log=self.log, environment=os.environ)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return await Client.connect(
                    self.address,
                    namespace=NAMESPACE,
                    data_converter=pydantic_data_converter,
                    runtime=_mute(),
                )
            except RuntimeError as error:
                if time.monotonic() > deadline or not self._process.running:
                    raise StackError(f"Temporal did not come up; see {self.log}") from error
                await asyncio.sleep(_POLL_SECONDS)

    @property
    def pid(self) -> int:
        if self._process is None:
            raise StackError("Temporal is not running")
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nobody is informed."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def fill_disk(self) -> None:
        """Let no file grow any more: such a write fails, and what there is can be written over.

        A limit of the process, since nobody needs a right to set it: a file system to be filled
        takes one to mount, which a container does not give.
        """
        files = (self.database, self.database.with_name(f"{self.database.name}-wal"))
        self._limit_files(max(file.stat().st_size for file in files))

    def clear_disk(self) -> None:
        """Let files grow again."""
        self._limit_files(resource.RLIM_INFINITY)

    def _limit_files(self, size_bytes: int) -> None:
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None


class SandboxServer:
    """The stand-ins for Odoo and the CRM in a process of their own, their data in files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "sandbox"
        self._log = folder / "sandbox.log"
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._process: Process | None = None

    @property
    def database(self) -> Path:
        """The SQLite file of the Odoo stand-in."""
        return self._folder / "odoo.sqlite"

    @property
    def crm_database(self) -> Path:
        """The SQLite file of the HubSpot stand-in."""
        return self._folder / "hubspot.sqlite"

    def key_file(self, name: str) -> Path:
        return self._folder / "keys" / name

    async def start(self) -> None:
        command = [sys.executable, "-m", "sandbox", "--port", str(self.port)]
        command += ["--data", str(self._folder)]
        self._process = Process(command, log=self._log, environment=os.environ)
        await until(
            lambda: _answers(f"{self.url}/web/health"),
            f"the sandbox does not answer; see {self._log}",
        )

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None


class GatewayServer:
    """The web gateway, `c2c serve`; killed, it starts again on the same port."""

    def __init__(self, folder: Path, host: Host | None = None) -> None:
        self._host = host
        self._log = folder / "gateway.log"
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._process: Process | None = None

    async def start(self, environment: Mapping[str, str]) -> None:
        command = on(self._host, [sys.executable, "-m", "starters", "serve"])
        self._process = Process(command, log=self._log, environment=environment)
        await until(
            lambda: _answers(f"{self.url}/health"), f"the gateway does not answer; see {self._log}"
        )

    def kill(self) -> None:
        """SIGKILL: what it was about to answer is never answered."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None


class Worker:
    """One kind of worker process, with the next one always standing by."""

    def __init__(
        self,
        queues: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        mutation: str | None = None,
        host: Host | None = None,
    ) -> None:
        self._host = host
        self._queues = tuple(queues)
        self._environment = dict(environment)
        self._log = log
        self._mutation = mutation
        self._serving: _Standby | None = None
        self._next: _Standby | None = None
        self._changing = asyncio.Lock()

    async def keep(self) -> None:
        """Start it again whenever it ends, as a process manager does; until cancelled."""
        while True:
            await asyncio.sleep(_KEPT_SECONDS)
            async with self._changing:
                if self._serving is not None and not self.is_running:
                    await self._start()

    @property
    def is_running(self) -> bool:
        return self._serving is not None and self._serving.process.is_alive()

    @property
    def pid(self) -> int | None:
        return self._serving.process.pid if self._serving is not None else None

    async def start(self) -> None:
        """Let the one that stands by serve, and have the next stand by."""
        async with self._changing:
            await self._start()

    async def replace(self) -> None:
        """SIGKILL it; the one that stands by takes over."""
        async with self._changing:
            self.kill()
            await self._start()

    async def _start(self) -> None:
        serving = self._next or self._spawn()
        self._next = None
        try:
            await asyncio.to_thread(serving.pipe.recv)
            serving.pipe.send(GO)
        except (EOFError, OSError) as error:
            raise StackError(f"a worker did not start; see {self._log}") from error
        self._serving = serving
        self._next = self._spawn()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._serving is not None:
            self._serving.end()

    def terminate(self) -> BaseProcess:
        """SIGTERM: it drains and ends by itself."""
        if self._serving is None:
            raise StackError("the worker is not running")
        self._serving.process.terminate()
        return self._serving.process

    def stop(self) -> None:
        for standby in (self._serving, self._next):
            if standby is not None:
                standby.end()
                standby.pipe.close()
        self._serving = self._next = None

    def _spawn(self) -> _Standby:
        pipe, parent = _FORKS.Pipe()
        process = _FORKS.Process(
            target=stand_by,
            args=(
                self._queues,
                self._environment,
                self._log,
                self._mutation,
                self._host.namespace if self._host else None,
                parent,
            ),
            daemon=True,
        )
        process.start()
        parent.close()
        return _Standby(process, pipe)


@dataclass(frozen=True)
class _Standby:
    """A worker's process, and the line to it."""

    process: BaseProcess
    pipe: Connection

    def end(self) -> None:
        self.process.kill()
        self.process.join()


class WorkerPool:
    """Worker processes of one kind, one for each place (a host, or None for here), so that one's
    death holds up its own work only."""

    def __init__(
        self,
        places: Sequence[Host | None],
        queues: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        mutation: str | None = None,
    ) -> None:
        self._workers = [Worker(queues, environment, log, mutation, host) for host in places]

    @property
    def first(self) -> Worker:
        return self._workers[0]

    async def start(self) -> None:
        await asyncio.gather(*(worker.start() for worker in self._workers))

    def has(self, pid: int) -> bool:
        """Whether one of those that serve now has this pid: a late call's maker may be dead."""
        return any(worker.pid == pid and worker.is_running for worker in self._workers)

    async def replace(self, pid: int | None = None) -> None:
        """SIGKILL the one with this pid, or (None) all at once; others take over."""
        killed = [worker for worker in self._workers if pid is None or worker.pid == pid]
        await asyncio.gather(*(worker.replace() for worker in killed))

    async def keep(self) -> None:
        """Start again whoever ends, until cancelled."""
        await asyncio.gather(*(worker.keep() for worker in self._workers))

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop()


def on(host: Host | None, command: Sequence[str | Path]) -> list[str | Path]:
    """What starts a program on a host, or here."""
    return host.command(command) if host is not None else list(command)


async def until(is_so: Callable[[], bool], otherwise: str, seconds: float = START_SECONDS) -> float:
    """Wait until it is so; returns the seconds that took. Raises StackError."""
    began = time.monotonic()
    while not await asyncio.to_thread(is_so):
        if time.monotonic() - began > seconds:
            raise StackError(otherwise)
        await asyncio.sleep(_POLL_SECONDS)
    return time.monotonic() - began


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False

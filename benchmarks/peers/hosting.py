"""The process a peer's program runs in, seen from the benchmark."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.peers.environment import ROOT
from sandbox.real_odoo.errors import HarnessError, last_lines_of

READY_SECONDS = 120
STOP_SECONDS = 20


def surroundings(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a peer's process: its own settings, and where it finds this package."""
    path = os.environ.get("PATH", "/usr/bin:/bin")
    return {"PATH": path, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **environment}


class Program:
    """A program that serves requests (`serving.py`); use it as a context manager."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=surroundings(environment),
                cwd=log.parent,
                text=True,
                bufsize=1,
            )
        try:
            self._answer(READY_SECONDS)
        except BaseException:
            self.stop()
            raise

    def run(self, name: str, argument: Any, *, seconds: float) -> None:
        """Have something done. Raises HarnessError if it failed or took longer than `seconds`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"run": name, "with": argument}) + "\n")
        self._answer(seconds)

    def stop(self) -> None:
        """Let the program end, and insist after a while; a second call does nothing."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _answer(self, seconds: float) -> None:
        """Wait for one answer; a program that is late is killed, which ends the wait."""
        assert self._process.stdout is not None
        late = threading.Timer(seconds, self._process.kill)
        late.start()
        try:
            line = self._process.stdout.readline()
        finally:
            late.cancel()
        if not line or "error" in (answer := json.loads(line)):
            reason = answer["error"] if line else f"ended, or was not done within {seconds:.0f} s"
            raise HarnessError(f"the peer's program: {reason}\n{last_lines_of(self._log)}")

"""Keeps the parts of the local stack alive: says which one has ended, and starts it again.

A part is also started again when somebody asks for it: `c2c dev --restart worker` in another shell
leaves a file in the stack's folder, which goes away once it is done.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

Say = Callable[[str], None]

PARTS = ("temporal", "sandbox", "worker", "gateway")
LOOK_SECONDS = 0.5
STOP_SECONDS = 10
_STEADY_SECONDS = 10
"""A part that lived so long is started again at once; others wait longer each time."""
_MOST_SECONDS = 30


class Part(Protocol):
    """A part of the stack that can end by itself, and start again over the same data."""

    def ended(self) -> str | None:
        """How it has ended; None while it lives."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass
class ProcessPart:
    """A process, with the file its output goes to."""

    command: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def ended(self) -> str | None:
        code = self.process.poll() if self.process else None
        if code is None:
            return None
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"{how}; see {self.log}"

    def stop(self) -> None:
        """Ask it to end; insist after a while."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it the hard way: SIGKILL, no draining."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@dataclass
class Supervisor:
    """Looks after the parts; `look` is to be called every LOOK_SECONDS."""

    folder: Path
    parts: Mapping[str, Part]
    say: Say
    now: Callable[[], float] = time.monotonic
    _began: dict[str, float] = field(default_factory=dict)
    _waits: dict[str, float] = field(default_factory=dict)
    _again_at: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.parts:
            self._began[name] = self.now()
            request_file(self.folder, name).unlink(missing_ok=True)

    def look(self) -> None:
        """Start again what has ended, and what somebody asked for."""
        for name, part in self.parts.items():
            request = request_file(self.folder, name)
            if request.exists():
                self.say(f"{name}: started again, as asked")
                part.stop()
                self._start(name, part)
                request.unlink(missing_ok=True)
            elif name in self._again_at:
                if self.now() >= self._again_at[name]:
                    self._start(name, part)
            elif (how := part.ended()) is not None:
                self._plan(name, how)

    def _plan(self, name: str, how: str) -> None:
        """Starts at once after a steady life, and ever later if it keeps ending."""
        steady = self.now() - self._began[name] >= _STEADY_SECONDS
        wait = 0.0 if steady else min(self._waits.get(name, 0.5) * 2, _MOST_SECONDS)
        self._waits[name] = wait or 0.5
        self._again_at[name] = self.now() + wait
        then = f"in {wait:.0f} s" if wait else "now"
        self.say(f"{name} has ended ({how}); it is started again {then}")

    def _start(self, name: str, part: Part) -> None:
        self._again_at.pop(name, None)
        self._began[name] = self.now()
        part.start()


def request_file(folder: Path, part: str) -> Path:
    """The file that asks for a part to be started again."""
    return folder / f"restart-{part}"


def restart(folder: Path, part: str, timeout_seconds: float = 30) -> bool:
    """Ask the stack that runs over this folder to start a part again; whether it has."""
    request = request_file(folder, part)
    try:
        request.touch()
    except FileNotFoundError:
        return False
    deadline = time.monotonic() + timeout_seconds
    while request.exists():
        if time.monotonic() > deadline:
            request.unlink(missing_ok=True)
            return False
        time.sleep(LOOK_SECONDS / 2)
    return True

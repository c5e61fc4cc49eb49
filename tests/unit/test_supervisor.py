"""The local stack's parts: what ends is said and started again, and one can be on request."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from sandbox import supervisor
from sandbox.supervisor import ProcessPart, Supervisor, request_file

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


class FakePart:
    """Lives until it is told otherwise."""

    def __init__(self) -> None:
        self.how: str | None = None
        self.starts = 0
        self.stops = 0

    def ended(self) -> str | None:
        return self.how

    def start(self) -> None:
        self.how = None
        self.starts += 1

    def stop(self) -> None:
        self.stops += 1


class Clock:
    def __init__(self) -> None:
        self.seconds = 0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def worker() -> FakePart:
    return FakePart()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def keeper(tmp_path: Path, worker: FakePart, clock: Clock, said: list[str]) -> Supervisor:
    return Supervisor(tmp_path, {"worker": worker, "temporal": FakePart()}, said.append, clock)


def test_a_part_that_ends_is_named_and_started_again(
    keeper: Supervisor, worker: FakePart, clock: Clock, said: list[str]
) -> None:
    keeper.look()
    assert (said, worker.starts) == ([], 0)
    clock.seconds = 60
    worker.how = "signal 9"
    keeper.look()
    keeper.look()
    assert said == ["worker has ended (signal 9); it is started again now"]
    assert worker.starts == 1


def test_a_part_that_keeps_ending_is_started_ever_later(
    keeper: Supervisor, worker: FakePart, clock: Clock, said: list[str]
) -> None:
    for _ in range(400):
        worker.how = "exit code 4"
        keeper.look()
        clock.seconds += 1
    assert 10 < worker.starts < 30
    assert "it is started again in 30 s" in said[-1]


def test_one_part_is_started_again_on_request(
    keeper: Supervisor, worker: FakePart, tmp_path: Path, said: list[str]
) -> None:
    asked = threading.Thread(target=supervisor.restart, args=(tmp_path, "worker"))
    asked.start()
    deadline = time.monotonic() + 20
    while asked.is_alive() and time.monotonic() < deadline:
        keeper.look()
        time.sleep(0.02)
    asked.join(1)
    assert not asked.is_alive()
    assert (worker.stops, worker.starts) == (1, 1)
    assert said == ["worker: started again, as asked"]


def test_without_a_stack_nothing_is_restarted(tmp_path: Path) -> None:
    assert not supervisor.restart(tmp_path / "nothing", "worker", timeout_seconds=0)
    assert not supervisor.restart(tmp_path, "worker", timeout_seconds=0)
    assert not request_file(tmp_path, "worker").exists()


def test_a_process_that_is_killed_lives_again(tmp_path: Path, said: list[str]) -> None:
    part = ProcessPart(SLEEPS, tmp_path / "worker.log")
    part.start()
    try:
        keeper = Supervisor(tmp_path, {"worker": part}, said.append)
        first = part.process
        assert first is not None
        first.kill()
        first.wait()
        deadline = time.monotonic() + 20
        while part.process is first and time.monotonic() < deadline:
            keeper.look()
            time.sleep(0.05)
        assert part.ended() is None
        assert said[0].startswith("worker has ended (signal 9; see ")
    finally:
        part.stop()
    assert part.ended() is not None

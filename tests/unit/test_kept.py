"""Answers of a slow remote are asked for once, kept for a while, and never lost to a failure."""

from __future__ import annotations

import asyncio
import threading

import pytest

from starters.kept import FRESH_SECONDS, OLDEST_SECONDS, Kept


class Remote:
    """Answers with how often it was asked; fails, or waits, as told."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = False
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self) -> int:
        self.asked += 1
        assert self.may_answer.wait(5)
        if self.fails:
            raise OSError("away")
        return self.asked


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_a_young_answer_is_kept_and_an_old_one_is_read_again() -> None:
    clock, remote = Clock(), Remote()
    kept = Kept(clock)
    assert (await kept.get("a", remote)).value == 1
    assert (await kept.get("a", remote)).value == 1
    assert (await kept.get("b", remote)).value == 2
    clock.now += OLDEST_SECONDS
    assert (await kept.get("a", remote)).value == 3


async def test_an_answer_that_is_no_longer_young_is_given_while_it_is_read_again() -> None:
    clock, remote = Clock(), Remote()
    kept = Kept(clock)
    await kept.get("a", remote)
    clock.now += FRESH_SECONDS
    remote.may_answer.clear()
    assert (await kept.get("a", remote)).value == 1
    assert (await kept.get("a", remote)).value == 1
    remote.may_answer.set()
    for _ in range(500):
        if (await kept.get("a", remote)).value == 2:
            break
        await asyncio.sleep(0.01)
    assert ((await kept.get("a", remote)).value, remote.asked) == (2, 2)


async def test_whoever_asks_at_the_same_time_waits_for_one_answer() -> None:
    remote = Remote()
    kept = Kept()
    found = await asyncio.gather(*(kept.get("a", remote) for _ in range(20)))
    assert {item.value for item in found} == {1}


async def test_a_failure_is_told_and_takes_no_answer_that_there_is() -> None:
    clock, remote = Clock(), Remote()
    kept = Kept(clock)
    remote.fails = True
    with pytest.raises(OSError, match="away"):
        await kept.get("a", remote)
    remote.fails = False
    assert (await kept.get("a", remote)).value == 2
    remote.fails = True
    clock.now += FRESH_SECONDS
    for _ in range(3):
        assert (await kept.get("a", remote)).value == 2
        await asyncio.sleep(0.02)
    clock.now += OLDEST_SECONDS
    with pytest.raises(OSError, match="away"):
        await kept.get("a", remote)


async def test_whoever_goes_away_takes_no_answer_from_the_others() -> None:
    remote = Remote()
    remote.may_answer.clear()
    kept = Kept()
    first = asyncio.create_task(kept.get("a", remote))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(kept.get("a", remote))
    first.cancel()
    await asyncio.sleep(0.01)
    remote.may_answer.set()
    assert (await second).value == 1

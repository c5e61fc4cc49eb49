"""Hundreds of random lives of contracts through the core: ten times as many as there were."""

from __future__ import annotations

from random import Random

import pytest

from tests.unit.contract.random_life import RandomLife

LIVES, STEPS = 300, 40
_SHARDS = 10


@pytest.mark.parametrize("shard", range(_SHARDS))
def test_a_random_life_ends_with_everything_served(
    shard: int, capsys: pytest.CaptureFixture[str]
) -> None:
    events, seconds = 0, 0.0
    for seed in range(shard, LIVES, _SHARDS):
        story = RandomLife(Random(seed))  # noqa: S311 - to repeat
        for _ in range(STEPS):
            story.step()
        story.to_the_end()
        events, seconds = events + story.life.steps, seconds + story.life.seconds
    with capsys.disabled():
        print(f" {events} steps, the agenda {events / seconds:.0f} a second", end="")

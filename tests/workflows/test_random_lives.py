"""Random lives through the workflows: each closes, to the cent."""

from __future__ import annotations

from tests.e2e.lives import lead
from tests.world import World


async def test_whatever_happens_a_contract_closes_to_the_cent(world: World) -> None:
    await lead(world, range(8), steps=5, at_once=4)

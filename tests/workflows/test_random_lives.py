"""Random lives through the workflows: each closes, to the cent."""

from __future__ import annotations

import pytest

from tests.e2e.lives import lead
from tests.world import World

pytestmark = pytest.mark.long


@pytest.mark.parametrize("first", [0, 4, 8])
async def test_whatever_happens_a_contract_closes_to_the_cent(world: World, first: int) -> None:
    await lead(world, range(first, first + 4), steps=5, at_once=2)

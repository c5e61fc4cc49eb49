"""The faults that depend on Odoo itself, on the real one; the sandbox has them in tests/faults."""

from __future__ import annotations

import pytest

from tests.faults.stories import NAMES, tell_of_a_name, tell_of_an_expired_key
from tests.world import World

pytestmark = pytest.mark.parametrize(
    "odoo_server", [pytest.param("real", marks=pytest.mark.real)], indirect=True
)


@pytest.mark.parametrize("name", ["emoji, quotes and tags", "the longest of emoji", "an injection"])
async def test_names_of_every_kind_come_to_odoo_as_they_are(world: World, name: str) -> None:
    await tell_of_a_name(world, NAMES[name])


async def test_a_new_key_in_the_file_mends_everything_that_was_under_way(
    world: World,
) -> None:
    await tell_of_an_expired_key(world)

"""Some random lives on the real Odoo: its own books say what ours do."""

from __future__ import annotations

import pytest

from tests.e2e.lives import lead
from tests.world import World


@pytest.mark.parametrize(
    "odoo_server", [pytest.param("real", marks=pytest.mark.real)], indirect=True
)
async def test_whatever_happens_a_contract_closes_to_the_cent(world: World) -> None:
    await lead(world, range(100, 103), steps=5, at_once=2)

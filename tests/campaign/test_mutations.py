"""A campaign can fail: each safeguard that is taken out of the product turns it red."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultlab import campaign
from faultlab.campaign import Plan, seeds_of
from faultlab.contract_generator import Flavour
from faultlab.mutations import MUTATIONS
from faultlab.scenario import EVERY_SAFEGUARD_NEEDED
from sandbox.proxy import Kind

pytestmark = pytest.mark.timeout(900)

SCENARIOS = 3
WORDS = {
    "create-for-load": ("times in Odoo", "customers", "projects"),
    "no-read-before-button": ("left to a person",),
    "no-event-deduplication": ("payment gw-",),
    "no-content-hash": ("nobody approved it",),
}
"""What the campaign says of each, in words that only it brings about."""


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_a_campaign_notices_a_safeguard_that_is_gone(mutation: str, tmp_path: Path) -> None:
    seeds = seeds_of(frozenset({Flavour.PLAIN}), SCENARIOS)
    plan = Plan(
        seeds=seeds,
        families=frozenset({"F2", "F7"}),
        mutation=mutation,
        # Nobody waits for a time-out: a broken connection says as much.
        losses=(Kind.CUT_AFTER,),
        habits=EVERY_SAFEGUARD_NEEDED,
    )
    outcome = await campaign.run(plan, tmp_path)
    texts = [text for _, text in outcome.violations]
    assert any(word in text for text in texts for word in WORDS[mutation]), texts


def test_every_mutation_has_its_words() -> None:
    assert WORDS.keys() == MUTATIONS.keys()

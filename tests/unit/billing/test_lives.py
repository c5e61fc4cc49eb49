"""Random lives of contracts: whatever happens in whichever order, every invariant holds."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.billing import account
from tests.unit.billing.lives import Life

STEPS = 60


def lived(life: Life, steps: int) -> Life:
    """A life with all invariants checked after each step, led to its end."""
    for _ in range(steps):
        before, copy = life.billing, life.billing.model_copy()
        life.step()
        assert before == copy, "a state is never changed in place"
        assert account.check(life.billing, life.today) == []
    life.to_the_end()
    assert account.check(life.billing, life.today) == []
    return life


@pytest.mark.parametrize("seed", range(80))
def test_every_invariant_holds_after_every_step_of_a_life(seed: int) -> None:
    lived(Life(Random(seed)), STEPS)  # noqa: S311 - to repeat


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_every_invariant_holds_in_lives_that_shrink(random: Random, steps: int) -> None:
    lived(Life(random), steps)


def test_at_the_end_everything_is_billed_waived_or_above_a_cap() -> None:
    for seed in range(10):
        life = lived(Life(Random(seed)), 30)  # noqa: S311 - to repeat
        found = account.sums(life.billing, life.today)
        assert found.to_bill.is_zero
        assert found.billed == found.committed == found.value
        assert account.occasions(life.billing, life.today) == ()
        assert account.next_day(life.billing, life.today) is None or account.is_over(
            life.billing, life.today
        )

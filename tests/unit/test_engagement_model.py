"""Random lives of a contract, in any order, against what must always hold of its money."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from contracts.model import Contract
from contracts.validation import validate
from tests.unit.billing.story import GROUPS, Draw, Story
from tests.unit.billing.strategies import (
    contract_data,
    contracts,
)

LIVES = int(os.environ.get("LIVES", "2000"))
"""How many, about 40 a second on an idle machine; set it higher after a change of rules."""
PARTS, STEPS_A_LIFE = 8, 60


# --- lives told by chance -----------------------------------------------------------------------


def chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - to repeat, not to keep a secret


def told(seed: int) -> Iterator[tuple[str, Draw]]:
    """The steps of a life. Each has more of some groups than of others."""
    random = chance(seed)
    weights = [random.choice((0.3, 1, 1, 3)) for _ in GROUPS]
    for group in random.choices(GROUPS, weights, k=random.randint(5, STEPS_A_LIFE)):
        yield (
            group,
            Draw(
                what=random.randint(0, 999),
                index=random.randint(0, 11),
                count=random.randint(0, 900_000),
                days=random.randint(-40, 30),
                flag=random.random() < 0.5,
            ),
        )


def lived(contract: Contract, steps: Sequence[tuple[str, Draw]]) -> Exception | None:
    """What goes wrong in this life; None if nothing does."""
    try:
        story = Story(contract)
        for group, draw in steps:
            story.step(group, draw)
        story.end()
    except Exception as error:
        return error
    return None


def shortest(contract: Contract, steps: list[tuple[str, Draw]]) -> list[tuple[str, Draw]]:
    """The steps without those that it takes not to go wrong."""
    for index in reversed(range(len(steps))):
        fewer = steps[:index] + steps[index + 1 :]
        if lived(contract, fewer) is not None:
            steps = fewer
    return steps


@pytest.mark.parametrize("part", range(PARTS))
def test_lives(part: int) -> None:
    """Whatever happens in whichever order, no cent is made, lost, or billed twice."""
    for seed in range(part, LIVES, PARTS):
        contract, steps = validate(contract_data(chance(seed))), list(told(seed))
        error = lived(contract, steps)
        if error is not None:
            story = "\n".join(f"  {group}: {draw}" for group, draw in shortest(contract, steps))
            error.add_note(f"seed {seed}, {contract!r}\n{story}")
            raise error


# --- lives that Hypothesis tells, and shortens --------------------------------------------------


_draws = st.builds(
    Draw,
    what=st.integers(0, 999),
    index=st.integers(0, 11),
    count=st.integers(0, 900_000),
    days=st.integers(-40, 30),
    flag=st.booleans(),
)


class Lives(RuleBasedStateMachine):
    """The same steps, chosen by Hypothesis."""

    story: Story

    @initialize(contract=contracts())
    def sign(self, contract: Contract) -> None:
        self.story = Story(contract)

    @rule(draw=_draws)
    def deliver(self, draw: Draw) -> None:
        self.story.step("deliver", draw)

    @rule(draw=_draws)
    def contract_data(self, draw: Draw) -> None:
        self.story.step("invoice", draw)

    @rule(draw=_draws)
    def credit(self, draw: Draw) -> None:
        self.story.step("credit", draw)

    @rule(draw=_draws)
    def collect(self, draw: Draw) -> None:
        self.story.step("collect", draw)

    @rule(draw=_draws)
    def agree(self, draw: Draw) -> None:
        self.story.step("agree", draw)

    @rule(draw=_draws)
    def end(self, draw: Draw) -> None:
        self.story.step("end", draw)

    @rule(draw=_draws)
    def go_on(self, draw: Draw) -> None:
        self.story.step("pass", draw)

    def teardown(self) -> None:
        if hasattr(self, "story"):
            self.story.end()


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)

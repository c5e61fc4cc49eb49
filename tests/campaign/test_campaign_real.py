"""The campaign on the real Odoo 19 and its PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultlab import campaign, report
from faultlab.campaign import Outcome, Plan

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]

RUNS = 50
FIRST = 10_001
"""Other scenarios than on the sandbox."""
REPORT = Path(".run/faults-real.json")


@pytest.fixture(scope="module")
async def outcome(folder: Path) -> Outcome:
    plan = Plan(
        seeds=range(FIRST, FIRST + RUNS),
        real=True,
        at_once=campaign.AT_ONCE_REAL,
        evidence=REPORT.parent / "histories",
    )
    found = await campaign.run(plan, folder, say=print)
    report.write(REPORT, [found])
    return found


async def test_nothing_is_lost_and_nothing_is_there_twice(outcome: Outcome) -> None:
    assert report.last_line([outcome]) == f"faults: {RUNS} runs, 0 violations", "\n".join(
        f"seed {seed}: {text}\n  {report.again(outcome, seed)}" for seed, text in outcome.violations
    )


async def test_every_scenario_came_to_its_end(outcome: Outcome) -> None:
    assert [scenario.generated.seed for scenario in outcome.scenarios if not scenario.closed] == []


async def test_odoo_postgresql_and_temporal_were_killed(outcome: Outcome) -> None:
    assert {kill.what for kill in outcome.kills} >= {"Odoo", "PostgreSQL", "Temporal"}

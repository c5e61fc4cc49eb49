"""The campaign on the sandbox: CI's scenarios, with every boundary of every activity."""

from __future__ import annotations

from pathlib import Path

import pytest

from faultlab import campaign, report
from faultlab.campaign import Outcome, Plan
from sandbox.proxy import Kind

pytestmark = pytest.mark.timeout(1800)

RUNS = 450
OFTEN = 5
"""A write that is done less often may come in activities that have lost enough answers already."""
REPORT = Path(".run/faults-sandbox.json")


@pytest.fixture(scope="module")
async def outcome(folder: Path) -> Outcome:
    plan = Plan(seeds=range(1, RUNS + 1), boundaries=True, evidence=REPORT.parent / "histories")
    found = await campaign.run(plan, folder, say=print)
    report.write(REPORT, [found])
    return found


async def test_nothing_is_lost_and_nothing_is_there_twice(outcome: Outcome) -> None:
    assert report.last_line([outcome]) == f"faults: {RUNS} runs, 0 violations", "\n".join(
        f"seed {seed}: {text}\n  {report.again(outcome, seed)}" for seed, text in outcome.violations
    )


async def test_every_scenario_came_to_its_end(outcome: Outcome) -> None:
    assert [scenario.generated.seed for scenario in outcome.scenarios if not scenario.closed] == []


async def test_the_worker_was_killed_before_during_and_after_the_call_of_every_activity(
    outcome: Outcome,
) -> None:
    left = [f"{item.activity} {item.moment}" for item in outcome.boundaries if not item.is_hit]
    assert left == []
    assert len(outcome.boundaries) == 3 * len({item.activity for item in outcome.boundaries})


async def test_what_was_killed_was_done_after_all(outcome: Outcome) -> None:
    left = [
        f"{item.activity} {item.moment}"
        for item in outcome.boundaries
        if item.is_hit and item.seconds is None
    ]
    assert left == []


async def test_every_kind_of_write_was_done_without_an_answer(outcome: Outcome) -> None:
    lost = [loss for loss, _ in outcome.lost.hit]
    cut = {(loss.activity, loss.write) for loss in lost if loss.way is Kind.CUT_AFTER}
    assert cut == outcome.lost.seen.keys()
    held = {(loss.activity, loss.write) for loss in lost if loss.way is Kind.HOLD}
    assert held >= {key for key, count in outcome.lost.seen.items() if count > OFTEN}


async def test_every_fate_befell_calls_and_every_server_was_killed(outcome: Outcome) -> None:
    assert outcome.fates.keys() == set(Kind) - {Kind.HALF}, "half an answer is the kit's"
    assert {kill.what for kill in outcome.kills} == {
        "worker of the activities",
        "worker of the workflows",
        "Odoo",
        "Temporal",
        "web gateway",
    }
    assert any(kill.family == "F13" for kill in outcome.kills)

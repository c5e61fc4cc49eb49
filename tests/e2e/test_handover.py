"""Hand-over to delivery, end to end: from the signature to a staffed project, its budget watched,
and change orders that meet what people have edited."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.handover import in_words
from contracts.sweeps import BurnSweepProgress, BurnSweepResult
from contracts.views.details import contract_details
from starters.client import Refused
from tests.activities.handed import ADA, PM, log, one, template, user
from tests.e2e.telling import changed
from tests.world import World, single, unique
from workflows import task_queues
from workflows.burn_sweep import BurnSweepWorkflow

OLGA = "olga@northwind.example"


async def swept(world: World, before: dict[int, int] | None = None) -> BurnSweepResult:
    """Look once how far projects have burned their hours, after a sweep that has seen this."""
    progress = BurnSweepProgress(
        before=before or {}, result=BurnSweepResult(), after=0, began_at=datetime.now(UTC)
    )
    return await world.client.execute_workflow(
        BurnSweepWorkflow.run, progress, id=unique("sweep"), task_queue=task_queues.CONTRACTS
    )


def rows(world: World, project: int, model: str, *fields: str) -> list[dict[str, Any]]:
    domain = [("project_id", "=", project)]
    return world.admin.search_read(model, domain, list(fields), order="id")


async def test_a_project_is_staffed_watched_and_follows_change_orders(world: World) -> None:
    """The project of a signed contract is handed over from a template, the burn is shown, and a
    change order leaves what people have edited."""
    of = template(world.server.client())
    budget = {"service": "s", "template": of.name, "hours": "40", "cost": "2000.00"}
    people = [
        {"task": "all", "person": ADA, "hours": "30"},
        {"task": "QA", "role": "Tester", "hours": "8"},
        {"task": "Kick-off", "person": PM},
    ]
    named = {"manager": PM, "people": people, "services": [budget]}
    workflow_id = await world.active(one(named))
    state = await world.contract(workflow_id, lambda now: now.handed_over is not None)
    project = state.odoo.project_id
    assert project is not None
    assert len(rows(world, project, "project.task", "name")) == 4
    # A tester is still to be found: so the project is not staffed.
    assert state.staffed_on is None

    [tester] = [
        row["id"] for row in rows(world, project, "project.task", "name") if row["name"] == "QA"
    ]
    pm = world.server.client("pm")
    pm.write("project.task", [tester], {"user_ids": [(4, user(pm, PM))]})
    log(world.admin, project, state.odoo.task_ids["all"], 12)
    first = await swept(world)
    state = await world.contract(workflow_id, lambda now: now.burn is not None)
    assert state.staffed_on is not None
    burned = "12 of 40 hours (30 %), 600.00 EUR of 2000.00 EUR (30 %)"
    assert burned in contract_details(state)

    # Nothing was worked since: the next sweep is no news to it. Then another step is.
    assert (await swept(world, first.seen)).signalled == 0
    log(world.admin, project, state.odoo.task_ids["all"], 8)
    assert (await swept(world, first.seen)).signalled == 1
    await world.contract(workflow_id, lambda now: now.burn is not None and _hours(now) == 20)

    pm.write("project.project", [project], {"user_id": user(pm, ADA)})
    state = await changed(
        world,
        workflow_id,
        set={"handover.manager": "c2c@northwind.example", "handover.ends_on": "2026-11-30"},
    )
    state = await world.contract(
        workflow_id, lambda now: now.handed_over is not None and now.handed_over.version == 2
    )
    [there] = world.admin.read("project.project", [project], ["user_id", "date"])
    assert there["user_id"][0] == user(pm, ADA)
    assert there["date"] == "2026-11-30"
    assert any("the manager: Ada Accountant" in entry.text for entry in state.journal.entries)


def _hours(state: Any) -> int:
    return int(sum(item.hours for item in state.burn.services))


async def test_the_burn_is_read_for_whoever_asks(world: World) -> None:
    budget = {"service": "s", "hours": "10"}
    workflow_id = await world.active(one({"manager": PM, "services": [budget]}))
    state = await world.contract(workflow_id, lambda now: now.handed_over is not None)
    assert state.odoo.project_id is not None
    log(world.admin, state.odoo.project_id, state.odoo.task_ids["all"], 5)
    found = await world.c2c.contract(workflow_id).read_burn(by=OLGA)
    assert [in_words(row) for row in found] == ["5 of 10 hours (50 %), 250.00 EUR"] * 2
    plain = await world.active(single())
    with pytest.raises(Refused, match="no hand-over"):
        await world.c2c.contract(plain).read_burn(by=OLGA)

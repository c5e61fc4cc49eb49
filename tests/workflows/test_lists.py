"""What lists say of contracts, read from visibility alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from contracts.money import Money
from starters.client import ContractRow, calls
from starters.client.parked import ParkedRow
from tests.workflows.test_long_lives import many_milestones
from tests.world import World, eur, single


async def listed(
    world: World, workflow_id: str, until: Callable[[ContractRow], bool]
) -> ContractRow:
    """The contract's row, once it is so: visibility is a moment behind."""
    where = f"ContractId = '{workflow_id.split('/')[-1]}'"
    deadline = time.monotonic() + 30
    rows: list[ContractRow] = []
    while time.monotonic() < deadline:
        rows = await world.c2c.contracts(where=where)
        if len(rows) == 1 and until(rows[0]):
            return rows[0]
        await asyncio.sleep(0.2)
    raise AssertionError(f"not listed so within 30 s; last seen: {rows}")


async def test_what_is_due_on_a_contract_is_what_is_open_on_its_invoices(world: World) -> None:
    def owes(amount: Money) -> Callable[[ContractRow], bool]:
        return lambda row: row.due == amount

    workflow_id = await world.active(many_milestones(2))
    await listed(world, workflow_id, owes(eur("0.00")))
    for number, milestone in ((1, "m1"), (2, "m2")):
        await world.reach(workflow_id, milestone)
        await world.issue(workflow_id, number)
    await listed(world, workflow_id, owes(eur("200.00")))
    await world.pay(f"{workflow_id}/invoice/1", "33.33")
    await world.sweep()
    await listed(world, workflow_id, owes(eur("166.67")))


async def test_what_is_parked_is_listed_without_asking_its_workflow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = single()
    contract["services"][0]["code"] = "ALCHEMY"
    workflow_id = await world.start(contract)
    step = await world.parked(workflow_id)
    monkeypatch.setattr(calls, "query", None)  # nothing can be asked from here on
    deadline = time.monotonic() + 30
    rows: list[ParkedRow] = []
    while time.monotonic() < deadline and not any(row.steps for row in rows):
        found = await world.c2c.parked(["northwind"])
        rows = [row for row in found.items if row.workflow_id == workflow_id]
        await asyncio.sleep(0.1)
    [row] = rows
    assert [(item.step, item.code) for item in row.steps] == [(step.step, "service_code_unknown")]
    assert row.steps[0].since == step.since
    assert (await world.c2c.parked(["elsewhere"])).items == []

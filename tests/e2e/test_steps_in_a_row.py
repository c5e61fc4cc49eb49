"""Steps that one activity takes in a row: each parks under its own name, and nothing is lost of
what those before it did."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from activities.failures import BusinessRefusal
from activities.odoo import closing, milestones, orders, projects, provisioning
from contracts.contract.state import ContractStage, ContractState
from contracts.parking import Action
from starters.client import Refused
from tests.e2e.telling import closing_record, order_lines, project
from tests.world import World, contract_data, odoo_order, single

SET_UP_PROJECT, CREATE_ORDER = projects.set_up_project, orders.create_order
WHY = "it was closed by hand"


def refusing(patch: pytest.MonkeyPatch, module: ModuleType, function: str) -> None:
    """Odoo refuses what this function asks for."""

    def refused(*_: Any) -> None:
        raise BusinessRefusal("not_today", "Odoo does not take it")

    patch.setattr(module, function, refused)


def counting(patch: pytest.MonkeyPatch, module: ModuleType, function: str) -> list[str]:
    """The names of calls of a function, one each."""
    real: Callable[..., Any] = getattr(module, function)
    calls: list[str] = []

    def counted(*arguments: Any) -> Any:
        calls.append(function)
        return real(*arguments)

    patch.setattr(module, function, counted)
    return calls


# --- provisioning ---------------------------------------------------------------------------


async def test_an_order_that_is_refused_parks_and_goes_on_behind_the_project(
    world: World,
) -> None:
    contract = single()
    with pytest.MonkeyPatch.context() as patch:
        refusing(patch, provisioning, "create_order")
        workflow_id = await world.start(contract)
        parked = await world.parked(workflow_id)
        assert (parked.step, parked.code) == ("order", "not_today")
        assert parked.allowed == (Action.RETRY, Action.AMEND, Action.CANCEL)
        state = await world.contract(workflow_id)
        assert state.odoo.order_id is None
        assert project(world, state)["active"]
        begun = counting(patch, provisioning, "set_up_project")
        patch.setattr(provisioning, "create_order", CREATE_ORDER)
        changes = {"purchase_order": "PO-9"}
        await world.resolve(workflow_id, Action.AMEND, changes=changes)
        now = await world.stage(workflow_id, ContractStage.ACTIVE)
    assert begun == []
    assert now.odoo.project_id == state.odoo.project_id
    [order] = odoo_order(world.admin, workflow_id)
    [told] = world.admin.read("sale.order", [order["id"]], ["client_order_ref"])
    assert told["client_order_ref"] == "PO-9"


async def test_a_contract_that_is_cancelled_half_way_leaves_no_project_behind(
    world: World,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        refusing(patch, provisioning, "create_order")
        workflow_id = await world.start(single())
        await world.parked(workflow_id)
        await world.resolve(workflow_id, Action.CANCEL, reason="signed by mistake")
        state = await world.stage(workflow_id, ContractStage.CANCELLED)
    assert not project(world, state)["active"]
    assert odoo_order(world.admin, workflow_id) == []


async def test_an_order_that_was_confirmed_before_its_work_was_refused_is_cancelled_too(
    world: World,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        refusing(patch, milestones, "plan")
        workflow_id = await world.start(contract_data())
        parked = await world.parked(workflow_id)
        assert (parked.step, parked.allowed) == ("confirm", (Action.RETRY, Action.CANCEL))
        [order] = odoo_order(world.admin, workflow_id)
        assert order["state"] == "sale"
        await world.cancel(workflow_id)
        state = await world.stage(workflow_id, ContractStage.CANCELLED)
    [order] = odoo_order(world.admin, workflow_id)
    assert order["state"] == "cancel"
    assert not project(world, state)["active"]


async def test_one_step_after_the_other_parks_each_with_an_age_of_its_own(world: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        refusing(patch, provisioning, "set_up_project")
        refusing(patch, provisioning, "create_order")
        workflow_id = await world.start(single())
        first = await world.parked(workflow_id)
        assert first.step == "customer"
        await world.resolve(workflow_id, Action.RETRY)
        state = await world.contract(
            workflow_id, lambda found: [item.attempts for item in found.exceptions] == [2]
        )
        assert state.exceptions[0].since == first.since
        patch.setattr(provisioning, "set_up_project", SET_UP_PROJECT)
        await world.resolve(workflow_id, Action.RETRY)
        state = await world.contract(
            workflow_id, lambda found: [item.step for item in found.exceptions] == ["order"]
        )
        [second] = state.exceptions
        assert (second.attempts, second.since > first.since) == (1, True)
    await world.resolve(workflow_id, Action.RETRY)
    await world.stage(workflow_id, ContractStage.ACTIVE)


# --- the close-out --------------------------------------------------------------------------


async def settled(world: World) -> str:
    """A contract that is billed and paid: what is left is to close it."""
    workflow_id = await world.active(single())
    await world.reach(workflow_id, "all")
    await world.issue(workflow_id, 1)
    await world.collect(workflow_id, 1)
    return workflow_id


def closing_notes(world: World, state: ContractState) -> list[str]:
    about = [("model", "=", "sale.order"), ("res_id", "=", state.odoo.order_id)]
    rows = world.admin.search_read("mail.message", about, ["subject"])
    return [row["subject"] for row in rows if "closing.json" in str(row["subject"])]


async def test_a_person_lets_a_contract_close_although_it_does_not_add_up(world: World) -> None:
    workflow_id = await world.active(single())
    await world.reach(workflow_id, "all")
    await world.issue(workflow_id, 1)
    line = (await order_lines(world, workflow_id))["all"]["id"]
    world.admin.write("sale.order.line", [line], {"product_uom_qty": 2, "price_unit": 1000.0})
    await world.collect(workflow_id, 1)
    parked = await world.parked(workflow_id)
    assert (parked.step, parked.code) == ("close_out", "close_out_differs")
    assert parked.allowed == (Action.RETRY, Action.SKIP)
    before = await world.contract(workflow_id)
    assert project(world, before)["active"]
    assert closing_notes(world, before) == []
    await world.resolve(workflow_id, Action.SKIP, reason="agreed with the customer")
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert closing_record(world, state)["odoo"]["total"] == "2000.00 EUR"
    assert not project(world, state)["active"]


async def test_an_archive_that_is_refused_does_not_attach_the_record_twice(world: World) -> None:
    with pytest.MonkeyPatch.context() as patch:
        refusing(patch, closing, "archive")
        workflow_id = await settled(world)
        parked = await world.parked(workflow_id)
        assert (parked.step, parked.allowed) == ("archive_project", (Action.RETRY, Action.SKIP))
        assert len(closing_notes(world, await world.contract(workflow_id))) == 1
    await world.resolve(workflow_id, Action.RETRY)
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert len(closing_notes(world, state)) == 1
    assert not project(world, state)["active"]


async def test_a_project_that_cannot_be_archived_is_left_where_a_person_says_so(
    world: World,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        refusing(patch, closing, "archive")
        workflow_id = await settled(world)
        await world.parked(workflow_id)
        await world.resolve(workflow_id, Action.SKIP, reason=WHY)
        state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert project(world, state)["active"]
    assert closing_record(world, state)["ending"] == "completed"


async def test_a_record_that_cannot_be_attached_is_left_out_where_a_person_says_so(
    world: World,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        refusing(patch, closing, "attach_closing_record")
        workflow_id = await settled(world)
        parked = await world.parked(workflow_id)
        assert (parked.step, parked.allowed) == ("closing_record", (Action.RETRY, Action.SKIP))
        with pytest.raises(Refused, match="skip needs a reason"):
            await world.resolve(workflow_id, Action.SKIP)
        await world.resolve(workflow_id, Action.SKIP, reason=WHY)
        state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert closing_notes(world, state) == []
    assert not project(world, state)["active"]

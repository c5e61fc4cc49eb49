"""What awaits approval is found in invoices and contracts alike, and decided in bulk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from temporalio.client import Client

from contracts.approvals import ApprovalKind
from contracts.changes import ChangeOrder
from contracts.invoice.state import InvoiceStage
from starters.client import Awaiting, NoAnswer, calls
from tests.world import ANA, CLEO, World, contract_data, eur, single


async def listed(
    world: World, customer: str, enough: Callable[[list[Awaiting]], bool]
) -> list[Awaiting]:
    """What awaits approval for a customer, once the list, which lags a little, shows enough."""
    while True:
        found = await world.c2c.approvals(customer=customer)
        if enough(found.items):
            return found.items
        await asyncio.sleep(0.1)


async def test_an_invoice_and_a_change_order_of_one_customer_are_listed_and_approved_at_once(
    world: World,
) -> None:
    contract = contract_data()
    workflow_id = await world.active(contract)
    await world.reach(workflow_id, "design")
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    order = ChangeOrder(number=1, by=ANA, reason="more work", reprice={"build": "3500.00 EUR"})
    await world.c2c.contract(workflow_id).propose_change(order)
    customer = contract["customer"]["key"]
    items = await listed(world, customer, lambda found: len(found) == 2)
    kinds = {item.workflow_id: item.approval_round.subject.kind for item in items}
    assert kinds == {
        workflow_id: ApprovalKind.CHANGE_ORDER,
        f"{workflow_id}/invoice/1": ApprovalKind.INVOICE,
    }
    # Ana asked for the change: hers is refused, and the invoice is approved all the same.
    outcomes = await world.c2c.approve_all(items, by=ANA)
    assert {item.workflow_id: item.is_taken for item in outcomes} == {
        workflow_id: False,
        f"{workflow_id}/invoice/1": True,
    }
    [problem] = [item.problem for item in outcomes if not item.is_taken]
    assert "segregation" in problem
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.OPEN)
    [left] = await listed(world, customer, lambda found: len(found) == 1)
    assert not left.may_be_approved_by(ANA)
    assert not left.may_be_approved_by("sam@northwind.example")


async def test_what_was_decided_meanwhile_is_refused_and_listed_no_more(world: World) -> None:
    contract = single()
    invoice = await world.proposed(contract)
    customer = contract["customer"]["key"]
    [item] = await listed(world, customer, lambda found: len(found) == 1)
    assert item.approval_round.subject.amount == eur("1000.00")
    assert not item.may_be_approved_by(CLEO)
    await world.c2c.invoice(invoice).approve(by=ANA, comment="looked at", seen=item.approval_round)
    [outcome] = await world.c2c.approve_all([item], by=ANA)
    assert "nothing" in outcome.problem
    await world.invoice(invoice, InvoiceStage.OPEN)
    assert await world.c2c.invoice(invoice).approvals() == []
    assert await listed(world, customer, lambda found: not found) == []


async def test_whose_answer_was_lost_is_asked_once_more_and_counts_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = single(), single()
    invoices = [await world.proposed(contract) for contract in (first, second)]
    items = [
        item
        for contract in (first, second)
        for item in await listed(world, contract["customer"]["key"], lambda found: len(found) == 1)
    ]
    told, update = [], calls.update

    async def lossy(client: Client, workflow_id: str, *message: Any, **options: Any) -> Any:
        told.append(workflow_id)
        answer = await update(client, workflow_id, *message, **options)
        if told.count(workflow_id) == 1 and workflow_id == invoices[0]:
            raise NoAnswer("nobody answered")
        return answer

    monkeypatch.setattr(calls, "update", lossy)
    outcomes = await world.c2c.approve_all(items, by=ANA)
    assert [item.is_taken for item in outcomes] == [True, True]
    assert (told.count(invoices[0]), told.count(invoices[1])) == (2, 1)


async def test_without_any_answer_nobody_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = single()
    await world.proposed(contract)
    items = await listed(world, contract["customer"]["key"], lambda found: len(found) == 1)
    asked: list[str] = []

    async def dead(client: Client, workflow_id: str, *message: Any, **options: Any) -> Any:
        asked.append(workflow_id)
        raise NoAnswer("no worker answered")

    monkeypatch.setattr(calls, "update", dead)
    [outcome] = await world.c2c.approve_all(items, by=ANA)
    assert (outcome.problem, outcome.unanswered, len(asked)) == ("no worker answered", True, 1)

"""Continue-as-new at quiet points: nothing is lost, and people notice nothing."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from contracts.contract.state import ContractStage
from contracts.invoice.messages import PaymentReceived
from contracts.invoice.state import InvoiceStage, InvoiceState
from starters.client import Refused, messages
from tests.world import World, contract_data, eur, odoo_invoices, single
from workers.worker import WORKFLOWS, workflow_runner

OLGA = "olga@northwind.example"


def many_milestones(count: int) -> dict[str, object]:
    return contract_data(
        value=f"{count}00.00",
        services=[{"key": "s", "code": "BUILD", "description": "B", "amount": f"{count}00.00"}],
        milestones=[
            {"key": f"m{n}", "name": f"Part {n}", "service": "s", "amount": "100.00"}
            for n in range(1, count + 1)
        ],
    )


def _owes(amount: str) -> Callable[[InvoiceState], bool]:
    return lambda found: bool(found.balance and found.balance.residual == eur(amount))


@pytest.mark.long
async def test_a_contract_with_many_milestones_continues_as_new_and_bills_each_once(
    world: World,
) -> None:
    contract = many_milestones(12)
    workflow_id = await world.active(contract)
    handle = world.client.get_workflow_handle(workflow_id)
    first_run = (await handle.describe()).run_id
    for number in range(1, 13):
        await world.reach(workflow_id, f"m{number}")
        invoice = f"{workflow_id}/invoice/{number}"
        await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
        await world.approve(invoice)
        await world.invoice(invoice, InvoiceStage.OPEN)
    state = await world.stage(workflow_id, ContractStage.CLOSING)
    assert (await handle.describe()).run_id != first_run
    assert len(state.invoices) == 12
    moves = odoo_invoices(world.admin, workflow_id)
    assert [move["amount_untaxed"] for move in moves] == [100.0] * 12


@pytest.mark.long
async def test_an_invoice_with_many_part_payments_continues_as_new(world: World) -> None:
    invoice = await world.open(single())
    first_run = (await world.client.get_workflow_handle(invoice).describe()).run_id
    today = datetime.now(UTC).date()
    for number in range(1, 21):
        payment = PaymentReceived(
            reference=f"{invoice}-{number}", amount=eur("50.00"), paid_on=today
        )
        await world.tell(invoice, messages.RECORD_PAYMENT, payment)
        await world.invoice(invoice, until=_owes(f"{1000 - 50 * number}.00"))
    await world.invoice(invoice, InvoiceStage.PAID)
    await world.renewed(invoice, first_run)
    state = await world.invoice(invoice, InvoiceStage.PAID)
    assert len(state.known_payments) == 20
    # A payment that is announced again in a later run still counts once.
    again = PaymentReceived(reference=f"{invoice}-1", amount=eur("50.00"), paid_on=today)
    await world.tell(invoice, messages.RECORD_PAYMENT, again)
    assert not (await world.invoice(invoice)).payments
    paid = world.accountant.search_read(
        "account.payment", [("memo", "=like", f"{invoice}-%")], ["amount"]
    )
    assert [row["amount"] for row in paid] == [50.0] * 20


async def test_a_long_history_stays_bounded_by_continuing(world: World) -> None:
    invoice = await world.open(single())
    for _ in range(25):
        await world.skip(invoice, days=1)
    history = await world.client.get_workflow_handle(invoice).fetch_history()
    assert len(history.events) < 400


async def test_an_invoice_that_is_ended_by_force_leaves_no_unseen_error(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    workflow_id = (await world.proposed(single())).removesuffix("/invoice/1")
    handle = world.client.get_workflow_handle(workflow_id)
    await world.client.get_workflow_handle(f"{workflow_id}/invoice/1").terminate("by hand")
    await world.parked(workflow_id)
    history = await handle.fetch_history()
    replayer = Replayer(
        workflows=WORKFLOWS,
        workflow_runner=workflow_runner(),
        data_converter=pydantic_data_converter,
    )
    await replayer.replay_workflow(history)
    gc.collect()  # asyncio tells of an error nobody has seen once its task is gone
    assert "never retrieved" not in caplog.text


async def test_a_request_whose_answer_was_lost_counts_once_in_a_later_run_too(
    world: World,
) -> None:
    invoice = await world.open(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    contract, handle = (
        world.c2c.contract(workflow_id),
        world.client.get_workflow_handle(workflow_id),
    )
    first_run = (await handle.describe()).run_id

    async def credit(request_id: str, amount: str = "100.00") -> None:
        await contract.once(request_id).request_credit(
            1, by=OLGA, reason="two days late", amount=eur(amount)
        )

    async def another_credit_is_refused_under(request_id: str) -> None:
        with pytest.raises(Refused, match="was accepted before, with another message"):
            await credit(request_id, "200.00")

    await credit("credit-1")
    await world.invoice(f"{workflow_id}/invoice/2", InvoiceStage.AWAITING_APPROVAL)
    await another_credit_is_refused_under("credit-1")
    await handle.signal("renew_run")
    await world.renewed(workflow_id, first_run)
    await credit("credit-1")
    await another_credit_is_refused_under("credit-1")
    state = await world.contract(workflow_id)
    assert len(state.account.credit_requests) == 1
    # Another request is another credit, proposed once the first is issued.
    await credit("credit-2")
    state = await world.contract(workflow_id)
    assert len(state.account.credit_requests) == 2

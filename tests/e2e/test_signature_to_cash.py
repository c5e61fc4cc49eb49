"""The main road: a signed contract becomes an order, a project, invoices and money."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contracts.contract.messages import MilestoneReached
from contracts.contract.state import ContractStage
from contracts.invoice.messages import PaymentReceived
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action
from starters.client import Refused, messages
from tests.world import (
    ANA,
    CLEO,
    DORA,
    World,
    contract_data,
    credit,
    eur,
    odoo_invoices,
    odoo_order,
    single,
    undo_payment,
)


async def test_from_signature_to_close_out_odoo_agrees_with_the_contract_to_the_cent(
    world: World,
) -> None:
    contract = contract_data()
    workflow_id = await world.active(contract)
    for item in contract["milestones"]:
        await world.reach(workflow_id, item["key"])
    invoices = [f"{workflow_id}/invoice/{number}" for number in (1, 2, 3)]
    for invoice in invoices:
        await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
        await world.approve(invoice)
    for invoice in invoices:
        await world.invoice(invoice, InvoiceStage.OPEN)
        await world.pay(invoice)
    await world.sweep()
    for invoice in invoices:
        await world.invoice(invoice, InvoiceStage.PAID)
        await world.skip(invoice, days=31)
    state = await world.stage(workflow_id, ContractStage.CLOSED)

    [order] = odoo_order(world.accountant, workflow_id)
    moves = odoo_invoices(world.accountant, workflow_id)
    assert order["state"] == "sale"
    assert order["amount_untaxed"] == 9000.00
    assert sorted(move["amount_untaxed"] for move in moves) == [2999.70, 2999.70, 3000.60]
    assert sum(move["amount_residual"] for move in moves) == 0
    project = world.admin.search_read(
        "project.project",
        [("id", "=", order["project_id"][0]), ("active", "in", [True, False])],
        ["active"],
    )
    assert [row["active"] for row in project] == [False]
    assert not state.exceptions


async def test_the_order_follows_the_milestones_in_odoo(world: World) -> None:
    contract = contract_data()
    workflow_id = await world.active(contract)
    await world.reach(workflow_id, "design")
    invoice = f"{workflow_id}/invoice/1"
    await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    await world.approve(invoice)
    await world.invoice(invoice, InvoiceStage.OPEN)
    [order] = odoo_order(world.accountant, workflow_id)
    lines = world.accountant.search_read(
        "sale.order.line",
        [("order_id", "=", order["id"])],
        ["name", "qty_delivered", "qty_invoiced", "product_uom_qty"],
        order="id",
    )
    assert [(row["qty_delivered"], row["qty_invoiced"]) for row in lines] == [
        (1, 1),
        (0, 0),
        (0, 0),
    ]
    milestones = world.admin.search_read(
        "project.milestone",
        [("project_id", "=", order["project_id"][0])],
        ["name", "is_reached"],
        order="id",
    )
    assert [(row["name"], row["is_reached"]) for row in milestones] == [
        ("Design", True),
        ("Build", False),
        ("Go-live", False),
    ]


async def test_starting_twice_is_one_contract_one_customer_one_order_one_project_one_invoice(
    world: World,
) -> None:
    contract = single()
    first = await world.c2c.start(contract)
    second = await world.c2c.start(contract)
    assert first.new
    assert not second.new
    assert second.workflow_id == first.workflow_id
    state = await world.stage(first.workflow_id, ContractStage.ACTIVE)
    reached = MilestoneReached(milestone="all", by="pia@northwind.example")
    handle = world.client.get_workflow_handle(first.workflow_id)
    for _ in range(2):
        await handle.signal("milestone_reached", reached)
        await world.tell(first.workflow_id, messages.REACH_MILESTONE, reached)
    invoice = f"{first.workflow_id}/invoice/1"
    await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    await world.approve(invoice)
    await world.invoice(invoice, InvoiceStage.OPEN)
    odoo = world.admin
    customer = contract["customer"]["name"]
    assert len(odoo.search_read("res.partner", [("name", "=", customer)], ["id"])) == 1
    assert len(odoo_order(odoo, first.workflow_id)) == 1
    title = state.odoo.project_name
    assert len(odoo.search_read("project.project", [("name", "=", title)], ["id"])) == 1
    assert len(odoo_invoices(odoo, first.workflow_id)) == 1


async def test_the_invoice_arrives_by_mail_as_pdf(world: World) -> None:
    contract = single()
    await world.open(contract)
    mails = world.server.mails(contract["customer"]["billing_email"])
    assert len(mails) == 1
    [pdf] = [part for part in mails[0].iter_attachments() if part.get_filename("").endswith(".pdf")]
    assert pdf.get_content()[:5] == b"%PDF-"


async def test_larger_amounts_need_two_directors(world: World) -> None:
    contract = single(
        value="25000.00",
        services=[{"key": "s", "code": "BUILD", "description": "B", "amount": "25000.00"}],
        milestones=[{"key": "all", "name": "All", "service": "s", "amount": "25000.00"}],
    )
    invoice = await world.proposed(contract)
    with pytest.raises(Refused, match="may not decide"):
        await world.approve(invoice, ANA)
    await world.approve(invoice, CLEO)
    with pytest.raises(Refused, match="has approved this already"):
        await world.approve(invoice, CLEO)
    state = await world.invoice(invoice)
    assert state.stage is InvoiceStage.AWAITING_APPROVAL
    await world.approve(invoice, DORA)
    await world.invoice(invoice, InvoiceStage.OPEN)


async def test_a_payment_announced_by_signal_is_registered_once(world: World) -> None:
    invoice = await world.open(single())
    handle = world.client.get_workflow_handle(invoice)
    payment = PaymentReceived(reference=f"pi-{invoice}", amount=eur("400.00"), paid_on="2026-11-25")
    for _ in range(3):
        await handle.signal("payment_received", payment)
    state = await world.invoice(invoice, InvoiceStage.PARTIALLY_PAID)
    assert state.balance is not None
    assert state.balance.residual == eur("600.00")
    paid = world.accountant.search_read(
        "account.payment", [("memo", "=", payment.reference)], ["amount"]
    )
    assert [row["amount"] for row in paid] == [400.0]


async def test_a_payment_undone_in_odoo_reopens_the_invoice(world: World) -> None:
    invoice = await world.open(single())
    payment = await world.pay(invoice)
    await world.sweep()
    await world.invoice(invoice, InvoiceStage.PAID)
    undo_payment(world.accountant, payment)
    await world.sweep()
    state = await world.invoice(invoice, InvoiceStage.OPEN)
    assert state.balance is not None
    assert state.balance.residual == eur("1000.00")
    assert state.settles_at is None
    await world.pay(invoice)
    await world.sweep()
    await world.invoice(invoice, InvoiceStage.PAID)


async def test_two_reminders_then_a_part_payment_and_the_rest_is_dunned_on(world: World) -> None:
    contract = single()
    invoice = await world.open(contract)
    email = contract["customer"]["billing_email"]
    await world.skip(invoice, days=40)
    state = await world.invoice(invoice, until=lambda found: found.dunning.level == 1)
    assert state.stage is InvoiceStage.OVERDUE
    await world.pay(invoice, "600.00")
    await world.sweep()
    await world.invoice(
        invoice, until=lambda found: bool(found.balance and found.balance.residual == eur("400"))
    )
    await world.skip(invoice, days=14)
    state = await world.invoice(invoice, until=lambda found: found.dunning.level == 2)
    reminders = [
        str(mail["Subject"]) for mail in world.server.mails(email) if "eminder" in mail["Subject"]
    ]
    assert len(reminders) == 2
    assert reminders[0].startswith("Reminder: invoice")
    assert reminders[1].startswith("Second reminder: invoice")
    last = world.server.mails(email)[-1].get_body(("plain", "html"))
    assert last is not None
    assert "400.00 EUR" in last.get_content()
    await world.pay(invoice)
    await world.sweep()
    state = await world.invoice(invoice, InvoiceStage.PAID)
    assert state.dunning.level == 0


async def test_a_milestone_marked_reached_in_odoo_is_billed(world: World) -> None:
    contract = contract_data()
    workflow_id = await world.active(contract)
    state = await world.contract(workflow_id)
    world.server.client("pm").write(
        "project.milestone", [state.odoo.milestone_ids["build"]], {"is_reached": True}
    )
    await world.sweep()
    invoice = await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    assert [line.order_line for line in invoice.proposal.lines] == ["build"]


async def test_cancelling_before_anything_is_billed_takes_back_order_and_project(
    world: World,
) -> None:
    workflow_id = await world.active(contract_data())
    await world.cancel(workflow_id)
    await world.stage(workflow_id, ContractStage.CANCELLED)
    [order] = odoo_order(world.admin, workflow_id)
    assert order["state"] == "cancel"
    archived = world.admin.search_read(
        "project.project",
        [("id", "=", order["project_id"][0]), ("active", "=", False)],
        ["id"],
    )
    assert len(archived) == 1


async def test_a_contract_with_a_proposal_cannot_be_cancelled(world: World) -> None:
    invoice = await world.proposed(contract_data())
    contract = invoice.removesuffix("/invoice/1")
    with pytest.raises(Refused, match="reject a proposal first"):
        await world.cancel(contract)
    await world.reject(invoice, "not agreed")
    await world.parked(contract)
    await world.resolve(contract, Action.CANCEL, reason="the customer withdrew")
    await world.stage(contract, ContractStage.CANCELLED)


async def test_a_credited_invoice_keeps_the_contract_from_closing_silently(world: World) -> None:
    contract = single()
    invoice = await world.open(contract)
    state = await world.invoice(invoice)
    assert state.balance is not None
    credit(world.accountant, state.balance.invoice_id)
    await world.sweep()
    state = await world.invoice(invoice, InvoiceStage.CREDITED)
    assert state.balance is not None
    assert state.balance.credited == eur("1000.00")
    await world.skip(invoice, days=31)
    workflow_id = invoice.removesuffix("/invoice/1")
    parked = await world.parked(workflow_id)
    assert parked.code == "close_out_differs"
    assert "0.00 EUR" in parked.message
    await world.resolve(workflow_id, Action.SKIP, reason="goodwill, agreed with the customer")
    await world.stage(workflow_id, ContractStage.CLOSED)


async def test_the_settlement_period_keeps_a_paid_invoice_watched(world: World) -> None:
    invoice = await world.open(single())
    await world.pay(invoice)
    await world.sweep()
    state = await world.invoice(invoice, InvoiceStage.PAID)
    assert state.settles_at is not None
    started = state.journal.entries[-1].at
    assert state.settles_at - started >= timedelta(days=29)
    await world.skip(invoice, days=20)
    assert (await world.invoice(invoice)).stage is InvoiceStage.PAID

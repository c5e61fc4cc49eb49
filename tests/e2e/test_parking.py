"""Parked, never lost: what a person mends, and how each step goes on."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from contracts.contract.state import ContractStage
from contracts.identifiers import invoice_origin
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action
from starters.client import Refused
from tests.e2e.telling import NEW_YEAR, YEAR_END, today
from tests.world import ANA, BOB, World, contract_data, odoo_invoices, single


async def test_bad_data_parks_with_every_problem_and_resumes_once_amended(world: World) -> None:
    contract = single()
    contract["customer"]["vat_number"] = "BE0477472702"
    contract["services"][0]["code"] = "ALCHEMY"
    contract["currency"] = "EUR"
    workflow_id = await world.start(contract)
    parked = await world.parked(workflow_id)
    assert parked.step == "validate"
    assert {(p.code, p.field, p.value) for p in parked.problems} == {
        ("vat_invalid", "customer.vat_number", "BE0477472702"),
        ("service_code_unknown", "services.0.code", "ALCHEMY"),
    }
    changes: dict[str, object] = {"customer.vat_number": "BE0477472703"}
    with pytest.raises(Refused, match="check digits"):
        await world.resolve(workflow_id, Action.AMEND, changes=changes)
    changes = {"customer.vat_number": None, "services.0.code": "BUILD"}
    await world.resolve(workflow_id, Action.AMEND, changes=changes)
    state = await world.stage(workflow_id, ContractStage.ACTIVE)
    assert not state.exceptions


async def test_a_vat_number_only_odoo_refuses_parks_the_customer(world: World) -> None:
    contract = single()
    contract["customer"] |= {"country": "UA", "vat_number": "12345"}
    workflow_id = await world.start(contract)
    parked = await world.parked(workflow_id)
    assert (parked.step, parked.code) == ("customer", "vat_refused")
    assert parked.field == "customer.vat_number", "as the contract names it, to be amended"
    assert parked.value == "12345"
    assert "12345" in parked.message
    await world.resolve(workflow_id, Action.AMEND, changes={"customer.vat_number": None})
    await world.stage(workflow_id, ContractStage.ACTIVE)


async def test_a_customer_in_doubt_parks_until_a_person_chooses(world: World) -> None:
    first = single()
    first["customer"] |= {"vat_number": None, "zip": "9000", "street": "Kerkstraat 12"}
    begun = await world.stage(await world.start(first), ContractStage.ACTIVE)
    moved = single()
    moved["customer"] |= first["customer"] | {
        "key": moved["customer"]["key"],
        "zip": "1000",
        "street": "Nieuwstraat 1",
    }
    workflow_id = await world.start(moved)
    parked = await world.parked(workflow_id)
    assert (parked.step, parked.code) == ("customer", "customer_ambiguous")
    assert parked.field == "customer.odoo_partner"
    assert [problem.expected.split()[0] for problem in parked.problems] == [
        str(begun.odoo.partner_id),
        '"new"',
    ]
    changes: dict[str, object] = {"customer.odoo_partner": "Acme"}
    with pytest.raises(Refused, match='the id of a partner in Odoo, or "new"'):
        await world.resolve(workflow_id, Action.AMEND, changes=changes)
    changes = {"customer.odoo_partner": begun.odoo.partner_id}
    await world.resolve(workflow_id, Action.AMEND, changes=changes)
    state = await world.stage(workflow_id, ContractStage.ACTIVE)
    assert state.odoo.partner_id == begun.odoo.partner_id
    assert not state.exceptions


async def test_a_locked_period_parks_the_posting_and_an_amended_date_is_approved_again(
    world: World,
) -> None:
    invoice = await world.proposed(single())
    admin = world.admin
    admin.write("res.company", [1], {"fiscalyear_lock_date": str(YEAR_END)})
    try:
        await world.approve(invoice)
        parked = await world.parked(invoice)
        assert (parked.step, parked.code) == ("post_invoice", "period_locked")
        assert parked.field == "invoice_on"
        await world.resolve(invoice, Action.AMEND, changes={"invoice_on": str(NEW_YEAR)})
        await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
        await world.approve(invoice)
        state = await world.invoice(invoice, InvoiceStage.OPEN)
    finally:
        admin.write("res.company", [1], {"fiscalyear_lock_date": False})
    assert state.approval_round is not None
    assert [item.by for item in state.approval_round.approvals] == [ANA]
    [move] = admin.search_read(
        "account.move", [("invoice_origin", "=", invoice_origin(invoice))], ["invoice_date", "date"]
    )
    assert move["invoice_date"] == move["date"] == str(NEW_YEAR)


async def test_a_service_user_without_rights_parks_and_goes_on_when_they_are_back(
    world: World,
) -> None:
    invoice = await world.proposed(single())
    await asyncio.to_thread(world.server.take_rights, "c2c")
    try:
        await world.approve(invoice)
        parked = await world.parked(invoice)
        assert parked.code == "access_denied"
        assert parked.step == "post_invoice"
    finally:
        await asyncio.to_thread(world.server.give_rights, "c2c")
    await world.resolve(invoice, Action.RETRY)
    await world.invoice(invoice, InvoiceStage.OPEN)


async def test_an_expired_key_parks_and_a_new_file_mends_it_without_a_restart(
    world: World,
) -> None:
    invoice = await world.proposed(single())
    await asyncio.to_thread(world.server.expire_keys, "c2c")
    try:
        await world.approve(invoice)
        parked = await world.parked(invoice)
        assert (parked.kind, parked.code) == ("credentials", "api_key_refused")
        key = await asyncio.to_thread(world.server.new_key, "c2c")
        world.server.keys["c2c"].write_text(key)
        await world.skip(invoice, minutes=2)
        state = await world.invoice(invoice, InvoiceStage.OPEN)
    finally:
        await asyncio.to_thread(world.server.renew_keys, "c2c")
    assert not state.exceptions


async def test_posted_but_not_delivered_is_a_state_of_its_own(world: World) -> None:
    invoice = await world.proposed(single())
    world.server.refuse_mail(True)
    try:
        await world.approve(invoice)
        parked = await world.parked(invoice)
        assert (parked.step, parked.code) == ("deliver", "invoice_not_delivered")
        state = await world.invoice(invoice)
        assert state.stage is InvoiceStage.POSTED_NOT_DELIVERED
        assert state.balance is not None
        assert state.balance.posted
    finally:
        world.server.refuse_mail(False)
    await world.resolve(invoice, Action.RETRY)
    await world.invoice(invoice, InvoiceStage.OPEN)


async def test_a_rejected_proposal_is_proposed_again_with_a_new_number(world: World) -> None:
    contract = single()
    invoice = await world.proposed(contract)
    workflow_id = invoice.removesuffix("/invoice/1")
    with pytest.raises(Refused, match="needs a comment"):
        await world.reject(invoice, " ")
    await world.reject(invoice, "the order number is missing")
    parked = await world.parked(workflow_id)
    assert parked.code == "proposal_rejected"
    assert "order number is missing" in parked.message
    changes = {"value": "1.00", "services.0.amount": "1.00", "milestones.0.amount": "1.00"}
    with pytest.raises(Refused, match="change order"):
        await world.resolve(workflow_id, Action.AMEND, changes=changes)
    await world.resolve(workflow_id, Action.AMEND, changes={"purchase_order": "PO-77"})
    second = f"{workflow_id}/invoice/2"
    state = await world.invoice(second, InvoiceStage.AWAITING_APPROVAL)
    assert state.proposal.purchase_order == "PO-77"
    await world.approve(second, BOB)
    await world.invoice(second, InvoiceStage.OPEN)
    assert len(odoo_invoices(world.admin, workflow_id)) == 1


async def test_one_parked_milestone_does_not_hold_up_another(world: World) -> None:
    contract = contract_data()
    workflow_id = await world.active(contract)
    await world.reach(workflow_id, "design")
    first = f"{workflow_id}/invoice/1"
    await world.invoice(first, InvoiceStage.AWAITING_APPROVAL)
    await world.reject(first, "later")
    await world.parked(workflow_id)
    await world.reach(workflow_id, "build")
    await world.invoice(f"{workflow_id}/invoice/2", InvoiceStage.AWAITING_APPROVAL)


async def test_who_the_contract_is_cannot_be_amended(world: World) -> None:
    contract = single()
    contract["services"][0]["code"] = "ALCHEMY"
    workflow_id = await world.start(contract)
    await world.parked(workflow_id)
    changes = {"contract_id": "C-other", "services.0.code": "BUILD"}
    with pytest.raises(Refused, match="contract_id cannot be amended"):
        await world.resolve(workflow_id, Action.AMEND, changes=changes)


async def test_a_backdated_invoice_does_not_slip_into_a_locked_period(world: World) -> None:
    locked, free = str(today() - timedelta(days=75)), str(today() - timedelta(days=50))
    invoice = await world.proposed(single())
    admin = world.admin
    admin.write("res.company", [1], {"fiscalyear_lock_date": str(YEAR_END)})
    try:
        await world.approve(invoice)
        await world.parked(invoice)
        admin.write("res.company", [1], {"fiscalyear_lock_date": str(today() - timedelta(days=60))})
        await world.resolve(invoice, Action.AMEND, changes={"invoice_on": locked})
        await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
        await world.approve(invoice)
        state = await world.invoice(
            invoice, until=lambda found: any(locked in e.message for e in found.exceptions)
        )
        assert state.exceptions[0].code == "period_locked"
        await world.resolve(invoice, Action.AMEND, changes={"invoice_on": free})
        await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
        await world.approve(invoice)
        await world.invoice(invoice, InvoiceStage.OVERDUE)
    finally:
        admin.write("res.company", [1], {"fiscalyear_lock_date": False})
    [move] = admin.search_read(
        "account.move", [("invoice_origin", "=", invoice_origin(invoice))], ["invoice_date", "date"]
    )
    assert move["invoice_date"] == move["date"] == free

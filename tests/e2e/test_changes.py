"""What changes while a contract runs: change orders, holds, credits, limits, companies, taxes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contracts.billing.lines import InvoiceKind
from contracts.changes import ChangeOrder
from contracts.contract.messages import CreditRequest, Hold, HoldKind, HoldRequest, RetainageRelease
from contracts.contract.state import ContractStage
from contracts.identifiers import invoice_origin
from contracts.invoice.state import InvoiceStage
from contracts.money import Money
from contracts.parking import Action
from starters.client import Refused, messages
from tests.e2e.telling import (
    CLARA,
    HELD,
    RETAINER,
    SAM,
    TRAINING,
    american,
    cared_for,
    change,
    changed,
    hourly,
    invoiced,
    invoices,
    known_version,
    lines_of,
    month,
    noted,
    notes,
    order_lines,
    subjects,
    today,
)
from tests.world import (
    ANA,
    BOB,
    CLEO,
    DORA,
    World,
    contract_data,
    eur,
    odoo_order,
    register_payment,
    single,
)

# --- change orders --------------------------------------------------------------------------


async def test_a_change_order_adds_drops_reprices_and_reschedules_and_odoo_follows(
    world: World,
) -> None:
    """A change order changes what is not yet billed, as a new approved version of the contract."""
    workflow_id = await world.active(contract_data())
    await world.reach(workflow_id, "design")
    await world.issue(workflow_id, 1)
    due = today() + timedelta(days=90)
    state = await changed(
        world,
        workflow_id,
        add_services=({"key": "course", "code": "TRAINING", "description": "Course"},),
        add_milestones=(
            {"key": "trained", "name": "Trained", "service": "course", "amount": "500.00"},
        ),
        drop=("build",),
        reprice={"live": "4000.00"},
        reschedule={"live": due},
    )
    assert known_version(state) == 2
    assert [(item.version, str(item.fixed_price)) for item in state.versions] == [
        (1, "9000.00 EUR"),
        (2, "7499.70 EUR"),
    ]
    [order] = odoo_order(world.admin, workflow_id)
    assert order["amount_untaxed"] == 7499.70
    lines = await order_lines(world, workflow_id)
    assert lines["build"]["product_uom_qty"] == 0
    assert (lines["live"]["price_unit"], lines["live"]["product_uom_qty"]) == (4000.0, 1)
    assert lines["trained"]["price_unit"] == 500.0
    milestones = world.admin.search_read(
        "project.milestone",
        [("project_id", "=", state.odoo.project_id)],
        ["name", "deadline"],
        order="id",
    )
    assert [(row["name"], row["deadline"]) for row in milestones] == [
        ("Design", False),
        ("Go-live", str(due)),
        ("Trained", False),
    ]
    for number, key in enumerate(("live", "trained"), start=2):
        await world.reach(workflow_id, key)
        await world.issue(workflow_id, number)
    for number in (1, 2, 3):
        await world.collect(workflow_id, number)
    await world.stage(workflow_id, ContractStage.CLOSED)
    assert invoiced(world, workflow_id) == eur("7499.70")


async def test_a_mark_that_a_change_order_writes_over_before_a_sweep_is_not_lost(
    world: World,
) -> None:
    """We are who wrote the milestone last then, and a sweep might take the mark for ours."""
    workflow_id = await world.active(contract_data())
    milestone = (await world.contract(workflow_id)).odoo.milestone_ids["build"]
    world.server.client("pm").write("project.milestone", [milestone], {"is_reached": True})
    await changed(world, workflow_id, reschedule={"build": today() + timedelta(days=90)})
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    progress = (await world.contract(workflow_id)).milestones["build"]
    assert (progress.reached_by, progress.marked_in_odoo) == ("odoo", True)


async def test_what_is_billed_or_proposed_changes_only_by_credit_note(world: World) -> None:
    """What is billed changes only by credit note."""
    workflow_id = await world.active(contract_data())
    await world.reach(workflow_id, "design")
    await world.issue(workflow_id, 1)
    await world.reach(workflow_id, "build")
    await world.invoice(f"{workflow_id}/invoice/2", InvoiceStage.AWAITING_APPROVAL)
    for key in ("design", "build"):
        order = ChangeOrder(number=1, by=SAM, reason="less", reprice={key: "1.00"})
        with pytest.raises(Refused, match="credit note"):
            await world.tell(workflow_id, messages.PROPOSE_CHANGE, order)
    assert known_version(await world.contract(workflow_id)) == 1


async def test_a_change_order_needs_an_approval_by_its_size_and_not_by_who_asked(
    world: World,
) -> None:
    """A new approved version: by the rules of its size, and never by who proposed it."""
    workflow_id = await world.active(contract_data())
    await change(world, workflow_id, reprice={"live": "20000.00"})
    for person in (SAM, ANA):
        with pytest.raises(Refused, match=r"may not decide|segregation"):
            await world.approve(workflow_id, person)
    await world.approve(workflow_id, CLEO)
    assert known_version(await world.contract(workflow_id)) == 1
    with pytest.raises(Refused, match="awaits its approval first"):
        await world.tell(
            workflow_id,
            messages.PROPOSE_CHANGE,
            ChangeOrder(number=1, by=SAM, reason="more", drop=("build",)),
        )
    await world.approve(workflow_id, DORA)
    state = await world.contract(workflow_id, lambda found: known_version(found) == 2)
    assert state.versions[-1].by == SAM


async def test_a_rejected_change_order_leaves_everything_as_it_was(world: World) -> None:
    workflow_id = await world.active(contract_data())
    await change(world, workflow_id, drop=("live",))
    await world.reject(workflow_id, "they must pay for it")
    state = await world.contract(workflow_id, lambda found: found.change is None)
    assert known_version(state) == 1
    assert noted(state, "they must pay for it")
    [order] = odoo_order(world.admin, workflow_id)
    assert order["amount_untaxed"] == 9000.0


async def test_a_change_order_is_void_once_what_it_changes_is_billed(world: World) -> None:
    """Approvals never outlive a change: what was proposed meanwhile is not repriced."""
    workflow_id = await world.active(contract_data())
    await change(world, workflow_id, reprice={"design": "1.00"})
    await world.reach(workflow_id, "design")
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    await world.approve(workflow_id)
    state = await world.contract(workflow_id, notes("is void"))
    assert (known_version(state), state.change) == (1, None)


async def test_a_plan_that_is_added_by_a_change_order_bills_from_then_on(world: World) -> None:
    workflow_id = await world.active(single())
    plan = {
        "key": "care",
        "service": "care",
        "fee": "300.00",
        "starts_on": str(month(1)),
        "ends_on": str(month(2) - timedelta(days=1)),
    }
    await changed(world, workflow_id, add_services=(RETAINER,), add_retainers=(plan,))
    await world.skip_to(workflow_id, month(1))
    state = await world.issue(workflow_id, 1)
    assert lines_of(state) == [("care", "300.00")]
    lines = await order_lines(world, workflow_id)
    assert (lines["care"]["qty_delivered"], lines["care"]["qty_invoiced"]) == (1, 1)


# --- holds ----------------------------------------------------------------------------------


async def test_a_billing_hold_stops_proposals_and_a_dunning_hold_reminders(world: World) -> None:
    """Holds on invoicing and holds on dunning are two things."""
    contract = contract_data()
    workflow_id = await world.active(contract)
    await world.reach(workflow_id, "design")
    await world.issue(workflow_id, 1)
    billing = HoldRequest(kind=HoldKind.BILLING, by=CLARA, hold=Hold(by=CLARA, reason="audit"))
    await world.tell(workflow_id, messages.SET_HOLD, billing)
    await world.reach(workflow_id, "build")
    held = await world.contract(
        workflow_id, lambda found: found.waiting.on == "hold" and not found.exceptions
    )
    assert list(held.invoices) == [1]
    # Odoo shows it reached all the same: only its bill has to wait.
    await world.contract(workflow_id, lambda found: bool(found.milestones["build"].marked_in_odoo))
    milestone = held.odoo.milestone_ids["build"]
    [row] = world.admin.read("project.milestone", [milestone], ["is_reached"])
    assert row["is_reached"]
    # Reminders go on meanwhile.
    first = f"{workflow_id}/invoice/1"
    await world.skip(first, days=40)
    await world.invoice(first, until=lambda found: found.dunning.level == 1)

    dunning = HoldRequest(kind=HoldKind.DUNNING, by=CLARA, hold=Hold(by=CLARA, reason="talks"))
    await world.tell(workflow_id, messages.SET_HOLD, dunning)
    await world.invoice(first, until=lambda found: found.contract_hold is not None)
    released = HoldRequest(kind=HoldKind.BILLING, by=CLARA)
    await world.tell(workflow_id, messages.SET_HOLD, released)
    # Billing goes on, and the new invoice is on the dunning hold from its start.
    await world.issue(workflow_id, 2)
    second = await world.invoice(f"{workflow_id}/invoice/2", InvoiceStage.OPEN)
    assert second.contract_hold is not None
    await world.skip(first, days=60)
    assert (await world.invoice(first)).dunning.level == 1
    assert len(subjects(world, contract)) == 1
    with pytest.raises(Refused, match="no billing hold"):
        await world.tell(workflow_id, messages.SET_HOLD, released)


async def test_a_billing_hold_ends_by_itself_after_its_last_day(world: World) -> None:
    workflow_id = await world.active(single())
    hold = Hold(by=CLARA, reason="audit", until=today() + timedelta(days=20))
    request = HoldRequest(kind=HoldKind.BILLING, by=CLARA, hold=hold)
    await world.tell(workflow_id, messages.SET_HOLD, request)
    await world.reach(workflow_id, "all")
    await world.skip(workflow_id, days=15)
    assert (await world.contract(workflow_id)).invoices == {}
    await world.skip(workflow_id, days=7)
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)


# --- credits --------------------------------------------------------------------------------


async def test_an_invoice_is_credited_and_issued_anew_with_the_same_lines(world: World) -> None:
    """Credit notes (whole, partial, re-invoice): here the wrong customer address."""
    workflow_id = await world.active(single())
    await world.reach(workflow_id, "all")
    await world.issue(workflow_id, 1)
    request = CreditRequest(number=1, by=CLARA, reason="wrong order number", reinvoice=True)
    await world.tell(workflow_id, messages.REQUEST_CREDIT, request)
    note = await world.issue(workflow_id, 2)
    assert note.proposal.kind is InvoiceKind.CREDIT_NOTE
    again = await world.issue(workflow_id, 3)
    assert lines_of(again) == [("all", "1000.00")]
    for number in (1, 2, 3):
        await world.collect(workflow_id, number)
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert not state.exceptions
    assert [row["move_type"] for row in invoices(world, workflow_id)] == [
        "out_invoice",
        "out_refund",
        "out_invoice",
    ]
    assert invoiced(world, workflow_id) == eur("1000.00")
    assert (await order_lines(world, workflow_id))["all"]["qty_invoiced"] == 1


async def test_a_partial_credit_lowers_the_value_and_no_more_than_was_billed_is_credited(
    world: World,
) -> None:
    workflow_id = await world.active(single())
    await world.reach(workflow_id, "all")
    await world.issue(workflow_id, 1)
    part = CreditRequest(number=1, amount=eur("250.00"), by=CLARA, reason="goodwill")
    await world.tell(workflow_id, messages.REQUEST_CREDIT, part)
    with pytest.raises(Refused, match=r"750\.00 EUR of invoice 1"):
        await world.tell(
            workflow_id, messages.REQUEST_CREDIT, part.model_copy(update={"amount": eur("750.01")})
        )
    await world.issue(workflow_id, 2)
    for number in (1, 2):
        await world.collect(workflow_id, number)
    await world.stage(workflow_id, ContractStage.CLOSED)
    assert invoiced(world, workflow_id) == eur("750.00")


async def test_a_rejected_credit_note_leaves_the_invoice_as_it_was(world: World) -> None:
    workflow_id = await world.active(single())
    await world.reach(workflow_id, "all")
    await world.issue(workflow_id, 1)
    request = CreditRequest(number=1, by=CLARA, reason="wrong order number", reinvoice=True)
    await world.tell(workflow_id, messages.REQUEST_CREDIT, request)
    note = f"{workflow_id}/invoice/2"
    await world.invoice(note, InvoiceStage.AWAITING_APPROVAL)
    await world.reject(note, "the number is right")
    parked = await world.parked(workflow_id)
    assert parked.code == "proposal_rejected"
    await world.resolve(workflow_id, Action.SKIP, reason="it stands")
    await world.collect(workflow_id, 1)
    await world.stage(workflow_id, ContractStage.CLOSED)
    assert invoiced(world, workflow_id) == eur("1000.00")


async def test_a_refund_of_a_credited_and_paid_invoice_is_paid_out_in_odoo(world: World) -> None:
    """A refund: what a credit note leaves over is the customer's, until an accountant pays it."""
    workflow_id = await world.active(single())
    await world.reach(workflow_id, "all")
    await world.issue(workflow_id, 1)
    await world.pay(f"{workflow_id}/invoice/1")
    await world.sweep()
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.PAID)
    request = CreditRequest(number=1, amount=eur("400.00"), by=CLARA, reason="two days too many")
    await world.tell(workflow_id, messages.REQUEST_CREDIT, request)
    await world.issue(workflow_id, 2)
    note = f"{workflow_id}/invoice/2"
    state = await world.invoice(note, until=lambda found: found.waiting.on == "refund")
    assert state.balance is not None
    register_payment(world.accountant, state.balance.invoice_id)
    await world.sweep()
    await world.invoice(note, InvoiceStage.CREDITED)
    for number in (1, 2):
        await world.skip(f"{workflow_id}/invoice/{number}", days=31)
    await world.stage(workflow_id, ContractStage.CLOSED)
    assert invoiced(world, workflow_id) == eur("600.00")


# --- retainage by an event ------------------------------------------------------------------


async def test_retainage_is_released_by_an_event_a_person_reports(world: World) -> None:
    """Retainage: due at a release date or event."""
    contract = single(retainage={"percent": "10", "service": "held"})
    contract["services"].append(HELD)
    contract["retainage"]["release_on"] = str(today() + timedelta(days=300))
    workflow_id = await world.active(contract)
    release = RetainageRelease(by=CLARA, reason="defects mended and accepted")
    with pytest.raises(Refused, match="nothing is held back"):
        await world.tell(workflow_id, messages.RELEASE_RETAINAGE, release)
    await world.reach(workflow_id, "all")
    await world.issue(workflow_id, 1)
    await world.tell(workflow_id, messages.RELEASE_RETAINAGE, release)
    state = await world.issue(workflow_id, 2)
    assert lines_of(state) == [("retainage", "100.00")]
    assert "defects mended" in state.proposal.reason
    for number in (1, 2):
        await world.collect(workflow_id, number)
    await world.stage(workflow_id, ContractStage.CLOSED)
    assert invoiced(world, workflow_id) == eur("1000.00")


# --- the customer's purchase order ----------------------------------------------------------


async def test_a_purchase_order_s_limit_parks_until_it_is_raised(world: World) -> None:
    """Purchase-order numbers and PO limits."""
    contract = contract_data(purchase_order="PO-7", purchase_order_limit="4000.00")
    workflow_id = await world.active(contract)
    await world.reach(workflow_id, "design")
    first = await world.issue(workflow_id, 1)
    assert first.proposal.purchase_order == "PO-7"
    assert [row["ref"] for row in invoices(world, workflow_id)] == ["PO-7"]
    await world.reach(workflow_id, "build")
    parked = await world.parked(workflow_id)
    assert (parked.code, parked.value) == ("purchase_order_limit", "4000.00 EUR")
    assert list((await world.contract(workflow_id)).invoices) == [1]
    await changed(world, workflow_id, set={"purchase_order_limit": "9000.00"})
    await world.issue(workflow_id, 2)
    [order] = world.admin.search_read(
        "sale.order", [("origin", "=", workflow_id)], ["client_order_ref"]
    )
    assert order["client_order_ref"] == "PO-7"


async def test_a_purchase_order_s_limit_may_be_passed_by_a_person_s_word(world: World) -> None:
    contract = single(purchase_order="PO-8", purchase_order_limit="999.99")
    workflow_id = await world.active(contract)
    await world.reach(workflow_id, "all")
    await world.parked(workflow_id)
    await world.resolve(workflow_id, Action.SKIP, reason="the customer agreed by phone")
    state = await world.issue(workflow_id, 1)
    assert state.proposal.amount == eur("1000.00")


# --- companies, currencies, taxes -----------------------------------------------------------


@pytest.mark.parametrize(("country", "tax"), [("US", "150.00"), ("BE", "0.00")])
async def test_the_tax_of_odoo_s_fiscal_position_is_on_the_proposal_before_approval(
    world: World, country: str, tax: str
) -> None:
    """Taxes computed by Odoo (fiscal positions) and shown on the proposal before approval."""
    contract = single(services=[TRAINING])
    contract["milestones"][0]["service"] = "course"
    if country == "US":
        contract = american(contract)
    invoice = await world.proposed(contract)
    state = await world.invoice(invoice)
    assert state.odoo_totals is not None
    assert state.odoo_totals.tax == eur(tax)
    assert state.odoo_totals.total == eur("1000.00") + eur(tax)
    assert state.approval_round is not None
    assert state.approval_round.subject.total == state.odoo_totals.total
    assert [str(item.amount) for item in state.odoo_totals.taxes] == (
        ["150.00 EUR"] if country == "US" else []
    )
    await world.approve(invoice, BOB)
    state = await world.invoice(invoice, InvoiceStage.OPEN)
    assert state.balance is not None
    assert state.odoo_totals is not None
    assert state.balance.total == state.odoo_totals.total
    workflow_id = invoice.removesuffix("/invoice/1")
    await world.collect(workflow_id, 1)
    await world.stage(workflow_id, ContractStage.CLOSED)


async def test_a_contract_of_the_second_company_is_in_its_own_books_and_currency(
    world: World,
) -> None:
    """Several currencies and legal entities (Odoo companies)."""
    contract = cared_for(months=1, legal_entity="northwind-uk", currency="GBP")
    contract["customer"] |= {"country": "GB", "vat_number": None}
    workflow_id = await world.active(contract)
    assert workflow_id.startswith("contract/northwind-uk/")
    await world.skip_to(workflow_id, month(1))
    state = await world.issue(workflow_id, 1)
    assert state.odoo_totals is not None
    assert str(state.odoo_totals.total) == "2400.00 GBP"
    [move] = world.admin.search_read(
        "account.move",
        [("invoice_origin", "=", invoice_origin(f"{workflow_id}/invoice/1"))],
        ["company_id", "currency_id"],
    )
    assert (move["company_id"][1], move["currency_id"][1]) == ("Northwind UK", "GBP")
    await world.collect(workflow_id, 1)
    await world.skip_to(workflow_id, month(2))
    closed = await world.stage(workflow_id, ContractStage.CLOSED)
    assert not closed.exceptions
    assert invoiced(world, workflow_id, "GBP") == Money("2000.00", "GBP")


async def test_hours_priced_in_another_currency_close_to_the_cent(world: World) -> None:
    """Several currencies: dollars of a customer of the euro company."""
    contract = american(hourly(months=1)) | {"currency": "USD"}
    contract["time"][0]["rates"] = [{"price": "133.33"}]
    workflow_id = await world.active(contract)
    await world.work(workflow_id, "dev", "7.75", str(month(1)))
    await world.skip_to(workflow_id, month(2))
    state = await world.issue(workflow_id, 1, CLEO, DORA)
    assert str(state.proposal.amount) == "1033.31 USD"
    await world.collect(workflow_id, 1)
    await world.stage(workflow_id, ContractStage.CLOSED)
    assert invoiced(world, workflow_id, "USD") == Money("1033.31", "USD")

"""What ends: completion, early termination, cancellation, expiry and renewal. Every ending leaves
Odoo, the books and the closing record in agreement."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.contract.messages import CancelRequest, NoticeGiven, Side, TerminationRequest
from contracts.contract.state import ContractStage, Ending
from contracts.invoice.state import InvoiceStage
from contracts.model import JsonObject
from contracts.parking import Action
from starters.client import Refused, messages
from tests.e2e.telling import (
    BUILD,
    CLARA,
    DEPOSIT,
    HELD,
    SAM,
    TRAINING,
    cared_for,
    closing_record,
    hourly,
    invoiced,
    invoices,
    known_version,
    last_of,
    lines_of,
    month,
    noted,
    order_lines,
    project,
    today,
)
from tests.world import World, contract_data, eur, odoo_order, single

FEE = {"key": "out", "code": "USAGE", "description": "Early end", "amount": "0.00"}


def terms(**termination: Any) -> JsonObject:
    """Two milestones with a deposit and retainage, and what an early end means."""
    return contract_data(
        services=[BUILD, DEPOSIT, HELD, FEE],
        milestones=[
            {"key": "design", "name": "Design", "service": "build", "amount": "3000.00"},
            {"key": "live", "name": "Go-live", "service": "build", "amount": "6000.00"},
        ],
        deposit={"amount": "1800.00", "service": "down"},
        retainage={"percent": "10", "service": "held"},
        termination=termination,
    )


async def ended(world: World, workflow_id: str, side: Side, **words: Any) -> None:
    """One side ends the contract, today as agreed, and the last day passes."""
    request = TerminationRequest(
        side=side, by=SAM, reason="the programme was stopped", on=today(), agreed=True
    )
    await world.tell(workflow_id, messages.TERMINATE, request.model_copy(update=words))
    await world.skip(workflow_id, days=2)
    await world.contract(workflow_id, lambda found: found.terminated)


async def collected(world: World, workflow_id: str) -> None:
    for number in (await world.contract(workflow_id)).invoices:
        await world.collect(workflow_id, number)


# --- completion -----------------------------------------------------------------------------


async def test_close_out_is_a_checklist_and_leaves_a_closing_record(world: World) -> None:
    """All milestones reached or cancelled, sum of invoices less credits = contract value as
    amended, nothing open, closing record exported (Odoo chatter and a file), project archived."""
    workflow_id = await world.active(single())
    await world.reach(workflow_id, "all")
    await world.issue(workflow_id, 1)
    await world.collect(workflow_id, 1)
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert state.ending is Ending.COMPLETED
    assert not project(world, state)["active"]
    record = closing_record(world, state)
    assert record["ending"] == "completed"
    assert record["money"]["invoiced"] == record["money"]["value"] == "1000.00 EUR"
    assert record["odoo"]["total"] == "1000.00 EUR"
    assert [item["stage"] for item in record["invoices"]] == ["settled"]
    told = world.admin.search_read(
        "mail.message",
        [("model", "=", "sale.order"), ("res_id", "=", state.odoo.order_id)],
        ["subject", "body"],
    )
    [closing] = [row for row in told if "closing.json" in str(row["subject"])]
    assert "Invoiced 1000.00 EUR, credited 0.00 EUR" in closing["body"]


async def test_what_somebody_added_to_the_order_in_odoo_keeps_it_from_closing(
    world: World,
) -> None:
    """The sum of invoices less credits equals the value to the cent, or close-out refuses and
    says what is off."""
    workflow_id = await world.active(single())
    await world.reach(workflow_id, "all")
    await world.issue(workflow_id, 1)
    state = await world.contract(workflow_id)
    line = state.odoo.order_line_ids["all"]
    world.admin.write("sale.order.line", [line], {"product_uom_qty": 2, "price_unit": 1000.0})
    await world.collect(workflow_id, 1)
    parked = await world.parked(workflow_id)
    assert parked.code == "close_out_differs"
    assert "the order totals 2000.00 EUR, the contract 1000.00 EUR" in parked.message
    assert [problem.field for problem in parked.problems] == ["the order says what was agreed"]
    world.admin.write("sale.order.line", [line], {"product_uom_qty": 1, "price_unit": 1000.0})
    await world.resolve(workflow_id, Action.RETRY)
    await world.stage(workflow_id, ContractStage.CLOSED)


# --- early termination ----------------------------------------------------------------------


async def test_the_customer_ends_early_pays_the_fee_and_the_retainage_is_forfeited(
    world: World,
) -> None:
    """Early termination bills what is delivered, credits what is not, releases or forfeits
    retainage by its terms."""
    contract = terms(fee="500.00", fee_service="out", retainage="forfeit")
    workflow_id = await world.active(contract)
    await world.issue(workflow_id, 1)
    await world.reach(workflow_id, "design")
    second = await world.issue(workflow_id, 2)
    assert lines_of(second) == [
        ("design", "3000.00"),
        ("deposit", "-600.00"),
        ("retainage", "-300.00"),
    ]
    await ended(world, workflow_id, Side.CUSTOMER)
    last = await world.issue(workflow_id, 3)
    assert sorted(lines_of(last)) == [("deposit", "-1200.00"), ("termination", "500.00")]
    await collected(world, workflow_id)
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert (state.ending, state.exceptions) == (Ending.TERMINATED, ())
    assert noted(state, "Retainage of 300.00 EUR is forfeited")
    assert invoiced(world, workflow_id) == eur("3200.00")
    record = closing_record(world, state)
    assert record["ending"] == "terminated"
    assert record["money"]["value"] == "3200.00 EUR"
    assert [row["what"] for row in record["unbilled"]] == ["retainage"]
    lines = await order_lines(world, workflow_id)
    assert (lines["live"]["product_uom_qty"], lines["live"]["qty_invoiced"]) == (0, 0)
    [order] = odoo_order(world.admin, workflow_id)
    assert order["amount_untaxed"] == 3000.0


async def test_the_firm_ends_early_without_a_fee_gives_back_and_gets_what_was_held_back(
    world: World,
) -> None:
    """Early termination by the other side: no fee, the retainage is released."""
    contract = terms(fee="500.00", fee_service="out")
    workflow_id = await world.active(contract)
    await world.issue(workflow_id, 1)
    await world.reach(workflow_id, "design")
    await world.issue(workflow_id, 2)
    await ended(world, workflow_id, Side.FIRM)
    third = await world.issue(workflow_id, 3)
    assert lines_of(third) == [("retainage", "300.00")]
    fourth = await world.issue(workflow_id, 4)
    assert lines_of(fourth) == [("deposit", "-1200.00")]
    assert fourth.proposal.kind == "credit_note"
    await collected(world, workflow_id)
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert (state.ending, state.exceptions) == (Ending.TERMINATED, ())
    assert invoiced(world, workflow_id) == eur("3000.00")


async def test_a_fee_in_advance_is_given_back_for_the_days_after_an_early_end(
    world: World,
) -> None:
    """Early termination credits what is not delivered."""
    workflow_id = await world.active(cared_for(months=12))
    await world.skip_to(workflow_id, month(1))
    await world.issue(workflow_id, 1)
    days = (last_of(1) - month(1)).days + 1
    request = TerminationRequest(
        side=Side.CUSTOMER,
        by=SAM,
        reason="sold",
        on=month(1) + timedelta(days=9),
        agreed=True,
    )
    await world.tell(workflow_id, messages.TERMINATE, request)
    await world.skip(workflow_id, days=12)
    note = await world.issue(workflow_id, 2)
    unused = eur("2000.00") - eur(f"{20000 / days:.2f}")
    assert lines_of(note) == [("care", f"-{unused.amount}")]
    await collected(world, workflow_id)
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert state.ending is Ending.TERMINATED
    assert invoiced(world, workflow_id) == eur("2000.00") - unused
    lines = await order_lines(world, workflow_id)
    assert lines["care"]["qty_invoiced"] == lines["care"]["qty_delivered"]


async def test_hours_until_the_last_day_are_billed_at_an_early_end(world: World) -> None:
    """Early termination bills what is delivered."""
    workflow_id = await world.active(hourly(months=12))
    await world.work(workflow_id, "dev", "5", str(month(1)))
    await world.skip_to(workflow_id, month(1))
    request = TerminationRequest(
        side=Side.FIRM, by=SAM, reason="no staff", on=month(1) + timedelta(days=4), agreed=True
    )
    await world.tell(workflow_id, messages.TERMINATE, request)
    await world.skip(workflow_id, days=6)
    state = await world.issue(workflow_id, 1)
    assert lines_of(state) == [("dev", "600.00")]
    await collected(world, workflow_id)
    await world.stage(workflow_id, ContractStage.CLOSED)
    assert invoiced(world, workflow_id) == eur("600.00")


async def test_an_early_end_keeps_to_the_notice_the_terms_ask_for(world: World) -> None:
    workflow_id = await world.active(terms(notice_days=30))
    soon = TerminationRequest(
        side=Side.CUSTOMER, by=SAM, reason="sold", on=today() + timedelta(days=10)
    )
    with pytest.raises(Refused, match="earliest last day"):
        await world.tell(workflow_id, messages.TERMINATE, soon)
    await world.tell(workflow_id, messages.TERMINATE, soon.model_copy(update={"agreed": True}))
    with pytest.raises(Refused, match="already ends on"):
        await world.tell(workflow_id, messages.TERMINATE, soon)


async def test_a_milestone_reached_before_the_last_day_is_billed_after_it(world: World) -> None:
    workflow_id = await world.active(contract_data())
    await world.reach(workflow_id, "design")
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    await ended(world, workflow_id, Side.CUSTOMER)
    await world.issue(workflow_id, 1)
    with pytest.raises(Refused, match="no such milestone"):
        await world.reach(workflow_id, "build")
    await collected(world, workflow_id)
    await world.stage(workflow_id, ContractStage.CLOSED)
    assert invoiced(world, workflow_id) == eur("2999.70")


# --- cancellation ---------------------------------------------------------------------------


async def test_a_cancellation_takes_back_what_was_provisioned_and_bills_nothing(
    world: World,
) -> None:
    """Cancels what was provisioned and unused, in reverse order."""
    workflow_id = await world.active(
        contract_data(services=[BUILD, DEPOSIT, TRAINING | {"amount": "0.00"}])
    )
    request = CancelRequest(by=SAM, reason="signed by mistake")
    await world.tell(workflow_id, messages.REQUEST_CANCEL, request)
    state = await world.stage(workflow_id, ContractStage.CANCELLED)
    assert state.ending is Ending.CANCELLED
    [order] = odoo_order(world.admin, workflow_id)
    assert order["state"] == "cancel"
    assert not project(world, state)["active"]
    assert invoices(world, workflow_id) == []
    texts = [entry.text for entry in state.journal.entries]
    assert "Cancelled by sam@northwind.example: signed by mistake" in texts


async def test_what_is_billed_is_not_cancelled_but_ended_early(world: World) -> None:
    workflow_id = await world.active(contract_data())
    await world.reach(workflow_id, "design")
    await world.issue(workflow_id, 1)
    request = CancelRequest(by=SAM, reason="no more money")
    with pytest.raises(Refused, match="end the contract early"):
        await world.tell(workflow_id, messages.REQUEST_CANCEL, request)


# --- expiry and renewal ---------------------------------------------------------------------


async def test_a_term_that_is_over_expires_with_everything_billed(world: World) -> None:
    """Expiry: nothing is renewed that does not say so."""
    workflow_id = await world.active(cared_for(months=2))
    for number in (1, 2):
        await world.skip_to(workflow_id, month(number))
        await world.issue(workflow_id, number)
    await collected(world, workflow_id)
    # All is billed in advance and paid: the term is not over for that.
    state = await world.contract(workflow_id)
    assert state.stage is ContractStage.ACTIVE
    assert project(world, state)["active"]
    await world.skip_to(workflow_id, month(3))
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert state.ending is Ending.EXPIRED
    assert invoiced(world, workflow_id) == eur("4000.00")


def renewing(**term: Any) -> JsonObject:
    notice = {"auto_renew": True, "renew_months": 1, "notice_days": 10}
    return cared_for(months=1, term=notice | term)


async def test_a_term_is_renewed_unless_notice_is_given_in_time(world: World) -> None:
    """Renewal with notice period and auto-renew."""
    workflow_id = await world.active(renewing())
    await world.skip_to(workflow_id, month(1))
    await world.issue(workflow_id, 1)
    await world.skip_to(workflow_id, last_of(1))
    state = await world.contract(workflow_id, lambda found: known_version(found) == 2)
    assert state.contract is not None
    assert state.contract.ends_on == last_of(2)
    late = NoticeGiven(side=Side.CUSTOMER, by=CLARA)
    await world.skip_to(workflow_id, month(2))
    await world.issue(workflow_id, 2)
    # In time for the second term: it is the last.
    await world.tell(workflow_id, messages.GIVE_NOTICE, late)
    with pytest.raises(Refused, match="was given"):
        await world.tell(workflow_id, messages.GIVE_NOTICE, late)
    await world.skip_to(workflow_id, month(3))
    await collected(world, workflow_id)
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert (state.ending, known_version(state)) == (Ending.EXPIRED, 2)
    assert invoiced(world, workflow_id) == eur("4000.00")


async def test_notice_that_comes_too_late_is_refused_and_the_term_goes_on(world: World) -> None:
    workflow_id = await world.active(renewing())
    late = NoticeGiven(side=Side.CUSTOMER, by=CLARA, on=last_of(1) - timedelta(days=3))
    with pytest.raises(Refused, match="had to be given by"):
        await world.tell(workflow_id, messages.GIVE_NOTICE, late)
    fixed = await world.active(cared_for(months=1))
    with pytest.raises(Refused, match="needs no notice"):
        await world.tell(fixed, messages.GIVE_NOTICE, late)

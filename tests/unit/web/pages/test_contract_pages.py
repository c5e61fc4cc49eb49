"""The pages of a contract and of an invoice: what they show, and what their forms send."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from contracts.access import OF_MESSAGES, Role
from contracts.contract.state import ContractState
from contracts.invoice.messages import PaymentReceived
from contracts.invoice.state import InvoiceStage
from contracts.money import Money
from starters.client import NoAnswer, NotFound, Refused
from starters.web.forms import ONCE
from starters.web.pages.actions import BY_NAME, OF_CONTRACTS, OF_INVOICES, offers
from starters.web.pages.message_forms import Kind, fields
from tests.unit import engagements
from tests.unit.command import Calls
from tests.unit.examples import balance, contract_state, draft, invoice_state
from tests.unit.web.pages.conftest import CORA, FINN, ODOO, PIA, SUE, TEMPORAL, VIC, Desk

CONTRACT = "/c/northwind/C-1004"
INVOICE = "/c/northwind/C-1/invoices/1"
HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def mixed(calls: Calls) -> ContractState:
    state = engagements.mixed()
    calls.answer("contract", state)
    return state


@pytest.fixture
def posted(calls: Calls) -> None:
    state = invoice_state(
        stage=InvoiceStage.OPEN, issued=True, draft=draft(), balance=balance(), delivered=True
    )
    calls.answer("invoice", state)


# --- what is shown ------------------------------------------------------------------------------


async def test_a_contract_is_shown_whole(desk: Desk, mixed: ContractState) -> None:
    text = await desk.open(CONTRACT)
    assert desk.status == 200
    for told in ("Warehouse control", "Harbour Logistics", "62,000.00", "Concept accepted"):
        assert told in text
    assert "a milestone to be reached: handover" in text
    assert "Held back: 1570.00 EUR" in text
    assert f"{ODOO}/web#id=42&amp;model=sale.order" in text
    assert f"{TEMPORAL}/namespaces/default/workflows/contract%2Fnorthwind%2FC-1004" in text
    assert f'href="{CONTRACT}/invoices/3"' in text


async def test_what_others_wrote_is_escaped(desk: Desk, calls: Calls) -> None:
    state = engagements.mixed()
    named = state.terms.replace(title=HOSTILE)
    calls.answer("contract", state.replace(contract=named).noted(HOSTILE))
    text = await desk.open(CONTRACT)
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"<script(?! src=)|<style|\son[a-z]+=|\sstyle=", text)


async def test_an_invoice_is_shown_whole(desk: Desk, posted: None) -> None:
    text = await desk.open(INVOICE)
    assert desk.status == 200
    for told in ("Acme NV", "3,630.00", "Total with tax", "Record a payment"):
        assert told in text


async def test_another_entitys_contract_is_not_there(desk: Desk, mixed: ContractState) -> None:
    await desk.open(CONTRACT, SUE)
    assert desk.status == 404
    assert "Warehouse" not in desk.text


async def test_a_contract_that_is_gone_is_said_to_be(desk: Desk, calls: Calls) -> None:
    calls.answer("contract", NotFound("nothing"))
    text = await desk.open(CONTRACT)
    assert desk.status == 404
    assert "ended longer ago than Temporal keeps" in text


async def test_what_temporal_has_forgotten_is_shown_from_the_audit_record(
    desk: Desk, calls: Calls
) -> None:
    calls.answer("contract", NotFound("nothing"))
    text = await desk.open("/c/northwind/C-9")
    assert desk.status == 200
    assert "Temporal does not keep it any more" in text
    assert "closed the contract out" in text
    assert "Because: all is paid" in text
    await desk.open("/c/northwind/C-9", SUE)
    assert desk.status == 404


async def test_without_a_worker_the_page_says_so(desk: Desk, calls: Calls) -> None:
    calls.answer("contract", NoAnswer("no worker"))
    text = await desk.open(CONTRACT)
    assert desk.status == 503
    assert "No worker answers" in text


# --- what may be sent ---------------------------------------------------------------------------


def test_every_message_of_people_has_a_form() -> None:
    files_and_events = {"settle_line", "decide_file", "deliver_again", "dismiss"}
    elsewhere = files_and_events | {"report_signature", "decide_approval"}
    assert set(BY_NAME) == set(OF_MESSAGES) - elsewhere


@pytest.mark.parametrize("act", [*OF_CONTRACTS, *OF_INVOICES], ids=lambda act: act.name)
def test_no_form_asks_who_sends_it(act: object) -> None:
    asked = {field.name.rpartition(".")[2] for field in fields(act.update.message)}  # type: ignore[attr-defined]
    assert not asked & {"by", "actor", "as_of"}


def test_fields_are_asked_with_what_fits_them() -> None:
    found = {field.name: field for field in fields(PaymentReceived)}
    assert found["amount"].kind is Kind.MONEY
    assert found["paid_on"].kind is Kind.DAY
    assert found["reference"].required
    assert not found["journal"].required


async def test_what_one_may_not_send_is_shown_with_who_may(
    desk: Desk, mixed: ContractState
) -> None:
    text = await desk.open(CONTRACT, VIC)
    assert "this needs one of the roles project manager" in text
    assert "/actions/" not in text
    await desk.send(f"{CONTRACT}/actions/reach_milestone", {ONCE: "f" * 12, "milestone": "x"})
    assert desk.status == 403


async def test_a_role_that_may_send_something_else_is_refused(
    desk: Desk, mixed: ContractState, calls: Calls
) -> None:
    desk.person = FINN
    form = {ONCE: "f" * 12, "reason": "because"}
    await desk.send(f"{CONTRACT}/actions/release_retainage", form)
    assert desk.status == 403
    assert "controller" in desk.text
    assert [name for name, *_ in calls.made] == []


def test_what_nobody_can_do_now_says_why() -> None:
    roles = frozenset({Role.CONTROLLER, Role.PROJECT_MANAGER})
    found = {offer.act.name: offer for offer in offers(contract_state(), roles)}
    assert found["request_credit"].not_now == "no invoice is issued yet"
    assert found["withdraw_termination"].not_now
    assert found["propose_change"].is_possible
    of_running = {item.act.name: item for item in offers(engagements.mixed(), roles)}
    assert of_running["set_hold"].is_possible
    assert of_running["reach_milestone"].is_possible


# --- what is sent -------------------------------------------------------------------------------


async def test_a_form_sends_its_message_in_the_visitors_name_under_its_id(
    desk: Desk, mixed: ContractState, calls: Calls
) -> None:
    await desk.open(CONTRACT, PIA)
    place = f"{CONTRACT}/actions/reach_milestone"
    form = desk.form(place)
    form |= {"milestone": "handover", "on": "2026-03-30", "by": "mallory@northwind.example"}
    calls.answer("reach_milestone", None)
    await desk.send(place, form)
    assert (desk.status, desk.location) == (303, CONTRACT)
    assert calls.message.by == PIA.person
    assert calls.message.milestone == "handover"
    assert calls.last[2] == {"request_id": form[ONCE]}


async def test_each_rendering_has_an_id_of_its_own(desk: Desk, mixed: ContractState) -> None:
    place, ids = f"{CONTRACT}/actions/reach_milestone", set()
    for _ in range(2):
        await desk.open(CONTRACT, PIA)
        ids.add(desk.form(place)[ONCE])
        ids.add(desk.form(f"{CONTRACT}/actions/unreach_milestone")[ONCE])
    assert len(ids) == 4


async def test_amounts_are_taken_in_the_currency_of_the_invoice(
    desk: Desk, posted: None, calls: Calls
) -> None:
    await desk.open(INVOICE)
    place = f"{INVOICE}/actions/record_payment"
    form = desk.form(place) | {"reference": "W-1", "amount": "100.00", "paid_on": "2026-03-02"}
    calls.answer("record_payment", None)
    await desk.send(place, form)
    assert desk.status == 303
    assert calls.message.amount == Money("100.00", "EUR")


async def test_a_hold_is_released_by_leaving_it_out_and_set_in_ones_own_name(
    desk: Desk, mixed: ContractState, calls: Calls
) -> None:
    await desk.open(CONTRACT, CORA)
    place = f"{CONTRACT}/actions/set_hold"
    calls.answer("set_hold", None)
    form = desk.form(place) | {"kind": "billing"}
    await desk.send(place, form)
    assert calls.message.model_dump(include={"hold"}) == {"hold": None}
    await desk.send(place, form | {"hold.reason": "audit", "hold.until": "2026-05-01"})
    assert calls.message.hold.by == CORA.person
    assert calls.message.hold.reason == "audit"


async def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(
    desk: Desk, posted: None, calls: Calls
) -> None:
    await desk.open(INVOICE)
    place = f"{INVOICE}/actions/record_payment"
    form = desk.form(place) | {"reference": "W-7", "amount": "1.234,50", "paid_on": "2026-03-02"}
    text = await desk.send(place, form)
    assert desk.status == 422
    assert 'value="1.234,50" ' in text or 'value="1.234,50"' in text
    assert 'aria-describedby="record_payment-amount-wrong"' in text
    assert 'value="W-7"' in text


async def test_a_refusal_says_what_happened_since_the_page_was_opened(
    desk: Desk, calls: Calls
) -> None:
    before = engagements.mixed().noted("Pilot proposed")
    calls.answer("contract", before)
    await desk.open(CONTRACT, PIA)
    place = f"{CONTRACT}/actions/reach_milestone"
    form = desk.form(place) | {"milestone": "handover"}
    later = before.replace(clock=before.clock + timedelta(minutes=1))
    calls.answer("contract", later.noted("Cancelled by cora"))
    calls.answer("reach_milestone", Refused("the contract is being cancelled"))
    text = await desk.send(place, form)
    assert desk.status == 409
    assert "Refused: the contract is being cancelled" in text
    assert "Cancelled by cora" in text.split("Since you opened this page", 1)[1].split("</ul>")[0]


async def test_an_answer_that_never_came_can_be_sent_again_under_the_same_id(
    desk: Desk, mixed: ContractState, calls: Calls
) -> None:
    await desk.open(CONTRACT, PIA)
    place = f"{CONTRACT}/actions/reach_milestone"
    form = desk.form(place) | {"milestone": "handover"}
    calls.answer("reach_milestone", NoAnswer("late"))
    text = await desk.send(place, form)
    assert desk.status == 504
    assert "may still carry out" in text
    again = desk.form(place)
    assert again[ONCE] == form[ONCE]
    calls.answer("reach_milestone", None)
    await desk.send(place, again)
    assert desk.status == 303
    assert calls.last[2] == {"request_id": form[ONCE]}


async def test_what_nothing_takes_back_is_asked_twice(
    desk: Desk, mixed: ContractState, calls: Calls
) -> None:
    await desk.open(CONTRACT, CORA)
    place = f"{CONTRACT}/actions/terminate"
    form = desk.form(place) | {"side": "customer", "reason": "merged", "on": "2026-06-30"}
    calls.answer("terminate", None)
    text = await desk.send(place, form)
    assert desk.status == 200
    assert "Yes: terminate early" in text
    assert "terminate" not in [name for name, *_ in calls.made]
    await desk.send(place, desk.form(place))
    assert desk.status == 303
    assert calls.message.reason == "merged"
    assert calls.last[2] == {"request_id": form[ONCE]}


async def test_a_change_is_shown_before_it_is_proposed(
    desk: Desk, mixed: ContractState, calls: Calls
) -> None:
    await desk.open(CONTRACT, PIA)
    place = f"{CONTRACT}/actions/propose_change"
    form = desk.form(place)
    form |= {"reason": "more work", "change": '{"reprice": {"handover": "12000.00"}}'}
    calls.answer("propose_change", None)
    text = await desk.send(place, form)
    assert "Change order 1" in text
    assert "propose_change" not in [name for name, *_ in calls.made]
    await desk.send(place, desk.form(place))
    assert desk.status == 303
    assert calls.message.reprice == {"handover": "12000.00"}
    assert calls.message.by == PIA.person


async def test_a_change_that_cannot_be_is_refused_with_its_problems(
    desk: Desk, mixed: ContractState, calls: Calls
) -> None:
    await desk.open(CONTRACT, PIA)
    place = f"{CONTRACT}/actions/propose_change"
    form = desk.form(place) | {"reason": "x", "change": '{"drop": ["nothing"]}'}
    text = await desk.send(place, form)
    assert desk.status == 422
    assert "nothing" in text
    text = await desk.send(place, form | {"change": "not json"})
    assert desk.status == 422
    assert "a change in JSON" in text


async def test_usage_is_written_a_record_a_line(desk: Desk, calls: Calls) -> None:
    calls.answer("contract", engagements.managed())
    place = "/c/northwind/C-1005/actions/record_usage"
    await desk.open("/c/northwind/C-1005", PIA)
    form = desk.form(place) | {"records": "r1, tickets, 2026-03-01, 12\nr2, tickets, 2026-03-02, 3"}
    calls.answer("record_usage", None)
    await desk.send(place, form)
    assert desk.status == 303
    assert [(item.id, item.on.isoformat()) for item in calls.message.records] == [
        ("r1", "2026-03-01"),
        ("r2", "2026-03-02"),
    ]
    text = await desk.send(place, form | {"records": "r1, tickets"})
    assert desk.status == 422
    assert "id, plan, on, quantity" in text


async def test_a_form_without_its_id_is_none_of_ours(desk: Desk, mixed: ContractState) -> None:
    desk.person = PIA
    await desk.send(f"{CONTRACT}/actions/reach_milestone", {"milestone": "handover"})
    assert desk.status == 400


# --- how fast -----------------------------------------------------------------------------------


async def test_a_large_contract_is_drawn_at_once(desk: Desk, calls: Calls) -> None:
    from tests.unit.web.pages.large import large_contract

    calls.answer("contract", large_contract(200))
    await desk.open(CONTRACT, CORA)
    began = datetime.now(UTC)
    await desk.open(CONTRACT, CORA)
    assert desk.status == 200
    assert (datetime.now(UTC) - began).total_seconds() < 0.5

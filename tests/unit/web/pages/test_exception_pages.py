"""Exceptions: the list from visibility, one exception's form, retrying many, files and events."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from contracts import parking
from contracts.bank.file import BankFileState, BankFileView, FileRef, FileStage, ParkedLine
from contracts.contract.state import ContractStage
from contracts.events import Delivery, EventOutcome, EventRecord, ForContract, InboundEvent
from contracts.model import JsonObject
from contracts.money import Money
from contracts.page_addresses import step_of, step_part
from contracts.parking import Action, Step
from contracts.problems import Problem
from contracts.views.parked import cards
from starters.client import NoAnswer, Refused, events
from starters.web.forms import ONCE
from tests.unit.command import Calls
from tests.unit.examples import NOON, contract_data, contract_state, invoice_state, parked
from tests.unit.web.pages.conftest import CORA, FINN, OLE, PIA, SUE, VIC, Desk, Lists
from workflows import search_attributes

CONTRACT, INVOICE = "contract/northwind/C-1", "contract/northwind/C-1/invoice/1"
VAT = Problem(code="vat_invalid", field="customer.vat_number", value="BE1", expected="a valid one")
HOSTILE = '<img src=x onerror="alert(1)">' + "y" * 5_000
SHA = "3f2a9c0d1e2f" + "0" * 52


def run(workflow_id: str, memo: JsonObject, **attributes: Any) -> Any:
    known = {key.name: key for key in search_attributes.ALL}
    pairs = [SearchAttributePair(known[name], value) for name, value in attributes.items()]
    kind = "InvoiceWorkflow" if "/invoice/" in workflow_id else "ContractWorkflow"
    kind = "BankFileWorkflow" if workflow_id.startswith("bank/") else kind
    kind = "EventWorkflow" if workflow_id.startswith("event/") else kind

    async def memo_value(key: str, default: object) -> object:
        found = memo.get(key, default)
        if isinstance(found, Exception):
            raise found
        return found

    async def whole() -> JsonObject:
        return memo

    return SimpleNamespace(
        id=workflow_id,
        kind=kind,
        typed_search_attributes=TypedSearchAttributes(pairs),
        start_time=NOON,
        memo_value=memo_value,
        memo=whole,
    )


def listed(lists: Lists, workflow_id: str, step: Step, /, **changes: Any) -> None:
    """Lists show a contract or an invoice with this step parked."""
    found = cards(contract_state(exceptions=(parked(step, **changes),)))
    assert found is not None
    memo = {"customer": "Acme NV", "parked": found.model_dump(mode="json")}
    lists.runs.append(run(workflow_id, memo, LegalEntity="northwind"))


def validating(**changes: Any) -> Any:
    """A contract whose data has a wrong VAT number."""
    step = parked(parking.VALIDATE, code="vat_invalid", problems=[VAT], **changes)
    return contract_state(
        contract=None,
        billing=None,
        stage=ContractStage.VALIDATING,
        contract_data=contract_data(),
        exceptions=(step,),
    )


# --- the list -----------------------------------------------------------------------------------


async def test_what_waits_is_grouped_by_code_the_oldest_first(desk: Desk, lists: Lists) -> None:
    listed(lists, CONTRACT, parking.CUSTOMER, code="newer", since=NOON)
    listed(lists, INVOICE, parking.DELIVER, code="older", since=NOON - timedelta(days=3))
    text = await desk.open("/exceptions")
    assert desk.status == 200
    assert text.index('id="code-1"><a href="/exceptions?code=older') < text.index("code=newer")
    assert "Acme NV" in text
    assert "/exceptions/northwind/C-1/1/deliver" in text
    assert "2 things wait" in text
    [asked] = [query for query in lists.asked if "'ContractWorkflow'" in query]
    assert "LegalEntity IN ('northwind')" in asked


async def test_the_address_narrows_the_list(desk: Desk, lists: Lists) -> None:
    listed(lists, CONTRACT, parking.CUSTOMER, code="one")
    listed(lists, INVOICE, parking.DELIVER, code="two")
    assert "C-1/1" not in (await desk.open("/exceptions?code=one"))
    assert "/exceptions/northwind/C-1/customer" not in (
        await desk.open("/exceptions?responsible=finance")
    )
    assert "1 thing waits" in (await desk.open("/exceptions?of=c-1/1"))
    assert "2 things wait" in (await desk.open("/exceptions?of=acme"))
    await desk.open("/exceptions?entity=southwind")
    assert desk.status == 404


async def test_one_record_that_cannot_be_read_spoils_one_row(desk: Desk, lists: Lists) -> None:
    listed(lists, CONTRACT, parking.CUSTOMER, code="fine")
    lists.runs.append(run("contract/northwind/C-2", {"customer": RuntimeError("key erased")}))
    text = await desk.open("/exceptions")
    assert desk.status == 200
    assert "cannot be read" in text
    assert "/c/northwind/C-2" in text
    assert "/exceptions/northwind/C-1/customer" in text


async def test_what_a_remote_said_is_escaped_and_cut(desk: Desk, lists: Lists) -> None:
    listed(lists, CONTRACT, parking.CUSTOMER, message=HOSTILE)
    text = await desk.open("/exceptions")
    assert "<img" not in text
    assert "y" * 400 not in text


async def test_hundreds_are_listed_without_asking_a_workflow(
    desk: Desk, lists: Lists, calls: Calls
) -> None:
    for number in range(300):
        listed(lists, f"contract/northwind/C-{number}", parking.CUSTOMER, code=f"code_{number % 9}")
    await desk.open("/exceptions")
    began = datetime.now(UTC)
    text = await desk.open("/exceptions")
    assert "300 things wait" in text
    assert calls.made == []
    assert (datetime.now(UTC) - began).total_seconds() < 0.8


# --- retrying many ------------------------------------------------------------------------------


async def test_many_are_tried_again_and_one_refusal_stops_nothing(
    desk: Desk, lists: Lists, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("C-1", "C-2"):
        listed(lists, f"contract/northwind/{name}", parking.ORDER, code="refused")
    step = parked(parking.ORDER, code="refused")
    text = await desk.open("/exceptions", OLE)
    form: dict[str, Any] = desk.form("/exceptions/retry")
    picked = [part.split('"')[0] for part in text.split('name="pick" value="')[1:]]
    assert len(picked) == 2
    calls.answer("contract", contract_state(exceptions=(step,)))
    calls.answer("resolve_exception", step)
    stale = picked[1].replace("refused", "another_code")
    await desk.send("/exceptions/retry", form | {"pick": [picked[0], stale]})
    assert (desk.status, desk.location) == (303, "/exceptions")
    sent = [made for made in calls.made if made[0] == "resolve_exception"]
    assert [made[1][0] for made in sent] == ["contract/northwind/C-1"]
    assert sent[0][1][1].by == OLE.person
    assert sent[0][2] == {"request_id": f"{form[ONCE]}/order"}


async def test_nobody_retries_what_belongs_to_another_entity_or_role(
    desk: Desk, lists: Lists, calls: Calls
) -> None:
    listed(lists, INVOICE, parking.DELIVER, code="refused")
    text = await desk.open("/exceptions", FINN)
    pick = text.split('name="pick" value="')[1].split('"')[0]
    calls.answer("invoice", invoice_state(exceptions=(parked(parking.DELIVER),)))
    for person in (SUE, OLE):
        desk.person = person
        await desk.send("/exceptions/retry", {ONCE: "f" * 12, "pick": pick})
        assert desk.status == 303
    assert "resolve_exception" not in [name for name, *_ in calls.made]
    desk.person = VIC
    await desk.send("/exceptions/retry", {ONCE: "f" * 12, "pick": pick})
    assert desk.status == 403


# --- one exception ------------------------------------------------------------------------------

PLACE = "/exceptions/northwind/C-1/validate"


async def test_an_exception_asks_for_exactly_the_fields_that_are_wrong(
    desk: Desk, calls: Calls
) -> None:
    calls.answer("contract", validating(message=HOSTILE))
    text = await desk.open(PLACE, PIA)
    assert desk.status == 200
    form = desk.form(PLACE, act="amend")
    values = [name for name in form if name.startswith("value:")]
    assert values == ["value:customer.vat_number"]
    assert form["value:customer.vat_number"] == "BE1"
    assert "a valid one" in text
    assert "other_path" in text
    assert "<img" not in text


async def test_only_what_would_be_accepted_is_offered(desk: Desk, calls: Calls) -> None:
    calls.answer("contract", validating())
    text = await desk.open(PLACE, PIA)
    assert "Try again" in text
    assert 'id="do-skip"' not in text
    await desk.open(PLACE, VIC)
    assert "this needs one of the roles" in desk.text
    await desk.send(PLACE, {ONCE: "f" * 12, "act": "retry"})
    assert desk.status == 403


async def test_a_correction_is_sent_in_the_visitors_name(desk: Desk, calls: Calls) -> None:
    state = validating()
    calls.answer("contract", state)
    calls.answer("resolve_exception", state.exceptions[0])
    await desk.open(PLACE, PIA)
    form = desk.form(PLACE, act="amend")
    form |= {"value:customer.vat_number": "BE0477472701", "by": "mallory@northwind.example"}
    form |= {"other_path": "customer.odoo_partner", "other_value": "7"}
    await desk.send(PLACE, form)
    assert (desk.status, desk.location) == (303, "/exceptions")
    sent = calls.message
    assert sent.by == PIA.person
    assert sent.step == "validate"
    assert sent.changes == {"customer.vat_number": "BE0477472701", "customer.odoo_partner": 7}
    assert calls.last[2] == {"request_id": form[ONCE]}


async def test_skipping_wants_a_reason_and_a_second_click(desk: Desk, calls: Calls) -> None:
    place = "/exceptions/northwind/C-1/1/deliver"
    state = invoice_state(exceptions=(parked(parking.DELIVER),))
    calls.answer("invoice", state)
    calls.answer("resolve_exception", state.exceptions[0])
    await desk.open(place, CORA)
    form = desk.form(place, act="skip")
    await desk.send(place, form)
    assert desk.status == 422
    text = await desk.send(place, form | {"reason": "sent by post"})
    assert desk.status == 200
    assert "sent by post" in text
    assert "resolve_exception" not in [name for name, *_ in calls.made]
    await desk.send(place, desk.form(place))
    assert desk.status == 303
    assert calls.message.action is Action.SKIP
    assert calls.message.reason == "sent by post"


async def test_leaving_out_money_is_for_the_controller(desk: Desk, calls: Calls) -> None:
    place = "/exceptions/northwind/C-1/1/deliver"
    calls.answer("invoice", invoice_state(exceptions=(parked(parking.DELIVER),)))
    text = await desk.open(place, FINN)
    assert "this needs one of the roles controller" in text
    form = desk.form(place, act="retry") | {"act": "skip", "reason": "x", "confirmed": "yes"}
    await desk.send(place, form)
    assert desk.status == 403


async def test_a_stale_page_is_answered_with_what_changed(desk: Desk, calls: Calls) -> None:
    calls.answer("contract", validating())
    await desk.open(PLACE, PIA)
    form = desk.form(PLACE, act="retry")
    later = validating(since=NOON + timedelta(hours=1), attempts=7).replace(
        clock=NOON + timedelta(hours=1)
    )
    calls.answer("contract", later.noted("Amended by sam"))
    text = await desk.send(PLACE, form)
    assert desk.status == 409
    assert "it has changed since you opened this page" in text
    assert "Amended by sam" in text
    assert "<dd>7</dd>" in text
    calls.answer("contract", contract_state())
    text = await desk.send(PLACE, form)
    assert desk.status == 409
    assert "Not parked any more" in text
    assert "resolve_exception" not in [name for name, *_ in calls.made]


async def test_a_double_click_counts_once_and_is_told_the_same(desk: Desk, calls: Calls) -> None:
    from contracts.agenda.state import Answer

    calls.answer("contract", validating())
    await desk.open(PLACE, PIA)
    form = desk.form(PLACE, act="retry")
    answer = Answer(request_id=form[ONCE], digest="x")
    calls.answer("contract", contract_state(answers=(answer,)))
    await desk.send(PLACE, form)
    assert desk.status == 303
    assert "resolve_exception" not in [name for name, *_ in calls.made]


async def test_no_answer_says_so_with_a_button_of_the_same_id(desk: Desk, calls: Calls) -> None:
    calls.answer("contract", validating())
    calls.answer("resolve_exception", NoAnswer("late"))
    await desk.open(PLACE, PIA)
    form = desk.form(PLACE, act="retry")
    await desk.send(PLACE, form)
    assert desk.status == 504
    assert desk.form(PLACE)[ONCE] == form[ONCE]


async def test_a_refusal_is_shown_on_the_page(desk: Desk, calls: Calls) -> None:
    calls.answer("contract", validating())
    calls.answer("resolve_exception", Refused("customer.key cannot be amended"))
    await desk.open(PLACE, PIA)
    text = await desk.send(PLACE, desk.form(PLACE, act="amend"))
    assert desk.status == 409
    assert "customer.key cannot be amended" in text


@pytest.mark.parametrize("step", ["deliver", "register_payment:A/B~1", "milestone:ü x"])
def test_a_steps_key_survives_its_address(step: str) -> None:
    from urllib.parse import unquote

    assert "/" not in step_part(step)
    assert step_of(unquote(step_part(step))) == step


# --- files of a bank, inbound events ------------------------------------------------------------


def bank_view() -> BankFileView:
    line = ParkedLine(
        number=3,
        key="k3",
        booked_on=date(2026, 3, 2),
        amount=Money("120.00", "EUR"),
        counterparty="Acme NV",
        text="INV/2026/00001",
        problem=Problem(code="payer_unknown", field="invoice", value="", expected="an invoice"),
    )
    file = FileRef(bank="kbc", legal_entity="northwind", name="stmt.xml", sha256=SHA)
    state = BankFileState(file=file, received_at=NOON, stage=FileStage.OPEN, parked=(line,))
    return BankFileView(state=state, open_lines=1, more=False)


async def test_the_lines_of_a_bank_are_listed_and_settled(
    desk: Desk, lists: Lists, calls: Calls
) -> None:
    lists.runs.append(run(f"bank/northwind/{SHA}", {}))
    calls.answer("bank_file", bank_view())
    calls.answer("settle_line", "booked on INV/2026/00001")
    place = f"/bank/northwind/{SHA}"
    assert f"{place}#line-3" in await desk.open("/exceptions")
    await desk.open(place)
    form = desk.form(place, act="settle") | {"invoices": "INV/2026/00001, INV/2026/00002"}
    await desk.send(place, form)
    assert (desk.status, desk.location) == (303, place)
    assert calls.message.invoices == ("INV/2026/00001", "INV/2026/00002")
    assert calls.message.by == FINN.person
    ignored = form | {"act": "ignore", "reason": "ours"}
    await desk.send(place, ignored)
    assert desk.status == 200
    await desk.send(place, desk.form(place))
    assert calls.message.ignore == "ours"
    calls.answer("settle_line", Refused("INV/9 is not known"))
    assert "INV/9 is not known" in await desk.send(place, form)
    assert desk.status == 409
    await desk.open(place, VIC)
    assert "this needs one of the roles finance" in desk.text
    await desk.send(place, form)
    assert desk.status == 403


def event_record() -> EventRecord:
    event = InboundEvent(
        source="tickets",
        key="msg_2f",
        kind="milestone.reached",
        received_at=NOON,
        sha256="0" * 64,
        size=10,
        task=ForContract(contract=CONTRACT, update="reach_milestone", message={"milestone": "x"}),
    )
    delivery = Delivery(outcome=EventOutcome.PARKED, why="no such milestone")
    return EventRecord(event=event, delivery=delivery, since=NOON)


async def test_events_that_wait_are_listed_delivered_again_and_dismissed(
    desk: Desk, lists: Lists, calls: Calls
) -> None:
    memo = {
        "event": event_record().event.model_dump(mode="json", exclude={"task"}),
        "delivery": event_record().delivery.model_dump(mode="json"),
        "needs_person": True,
    }
    lists.runs.append(run("event/tickets/msg_2f", memo, LegalEntity="northwind"))
    lists.runs.append(run("event/tickets/other", memo, LegalEntity="southwind"))
    text = await desk.open("/exceptions", OLE)
    assert "/events/tickets/msg_2f" in text
    assert "/events/tickets/other" not in text
    place = "/events/tickets/msg_2f"
    calls.answer("show", event_record(), events)
    await desk.open(place)
    again, dismissed = desk.form(place, act="again"), desk.form(place, act="dismiss")
    calls.answer("deliver_again", "tickets/msg_2f", events)
    calls.answer("dismiss", "tickets/msg_2f", events)
    await desk.send(place, again)
    assert desk.status == 303
    await desk.send(place, dismissed | {"reason": "a test"})
    assert "dismiss" not in [name for name, *_ in calls.made]
    await desk.send(place, desk.form(place))
    said = {"by": OLE.person, "reason": "a test", "sign": None}
    assert calls.last == ("dismiss", ("tickets/msg_2f",), said | {"request_id": dismissed[ONCE]})
    await desk.open(place, SUE)
    assert desk.status == 404
    desk.person = FINN
    await desk.send(place, again)
    assert desk.status == 403

"""Inbound events, from the gateway's door to the contract: none is lost, each counts once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from contracts.contract.state import ContractStage
from contracts.events import EventOutcome, EventRecord
from contracts.invoice.state import InvoiceStage
from sandbox import clock
from sandbox.real_odoo.mailbox import free_port
from sandbox.stack import temporal_command
from sandbox.supervisor import ProcessPart
from starters.client import NotFound, Refused, events
from starters.client.event_rows import EventRow
from tests.webhooks import Gateway, gateway_over
from tests.world import World, contract_data, single, unique

AT = datetime(2026, 5, 4, 10, tzinfo=UTC)
WITHIN_SECONDS = 150.0


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[Gateway]:
    async with gateway_over(world.client) as gateway:
        yield gateway


async def became(
    world: World, id: str, enough: Callable[[EventRecord], bool] = lambda record: not record.is_open
) -> EventRecord:
    """The event once it is `enough`: done with, unless told otherwise."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while True:
        try:
            record = await events.show(world.client, f"tickets/{id}")
            if enough(record):
                return record
        except NotFound:
            record = None
        assert time.monotonic() < deadline, record
        await asyncio.sleep(0.05)


def outcome(wanted: EventOutcome) -> Callable[[EventRecord], bool]:
    return lambda record: record.delivery.outcome is wanted and record.attempts > 0


async def listed(world: World, id: str, outcome: str) -> EventRow:
    """The event in the lists, which lag, once they show this outcome."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while True:
        found = await events.rows(world.client, source="tickets", outcome=outcome)
        rows = [row for row in found if row.id == f"tickets/{id}"]
        if rows:
            return rows[0]
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


def today() -> date:
    return datetime.now(ZoneInfo("Europe/Brussels")).date()


def metered(**changes: Any) -> dict[str, Any]:
    """A contract of a retainer, `desk`, and of use, `calls`, from today on."""
    return (
        contract_data(
            signed_on=str(today()),
            ends_on=str(today() + timedelta(days=300)),
            value="5000.00",
            milestones=[],
            services=[
                {"key": "desk", "code": "RETAINER", "description": "Desk", "amount": "4000.00"},
                {"key": "calls", "code": "USAGE", "description": "Calls", "amount": "1000.00"},
            ],
            retainers=[{"key": "desk", "service": "desk", "fee": "1000.00"}],
            usage=[
                {"key": "calls", "service": "calls", "unit": "call", "tiers": [{"price": "0.05"}]}
            ],
        )
        | changes
    )


def reference(workflow_id: str) -> str:
    return workflow_id.removeprefix("contract/")


async def test_an_event_that_comes_before_its_contract_is_kept_and_applied(
    world: World, gateway: Gateway
) -> None:
    contract, id = single(), unique("msg")
    name = f"northwind/{contract['contract_id']}"
    data = {"contract": name, "milestone": "all", "on": "2026-05-04"}
    answer = await gateway.event(id, "milestone.reached", data, AT)
    assert answer.status_code == 202, answer.text
    waiting = await became(world, id, outcome(EventOutcome.WAITING))
    assert waiting.delivery.why == "there is no such contract yet"
    workflow_id = await world.start(contract)
    record = await became(world, id)
    assert record.delivery.outcome is EventOutcome.APPLIED
    assert record.delivery.touched == (workflow_id,)
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    row = await listed(world, id, "applied")
    assert row.touched == (workflow_id,)
    assert row.sha256 == record.event.sha256


async def test_an_event_received_three_times_counts_once(world: World, gateway: Gateway) -> None:
    workflow_id, id = await world.active(metered()), unique("msg")
    record = {"id": unique("u"), "plan": "calls", "on": str(today()), "quantity": "5"}
    data = {"contract": reference(workflow_id), "records": [record]}
    answers = [await gateway.event(id, "usage.recorded", data, AT) for _ in range(3)]
    assert sorted(answer.json()["events"][0]["new"] for answer in answers) == [False, False, True]
    record_ = await became(world, id)
    assert (record_.delivery.outcome, record_.attempts) == (EventOutcome.APPLIED, 1)
    state = await world.contract(workflow_id)
    assert state.account.usage["calls"].keys() == {record["id"]}


@pytest.mark.parametrize("seed", range(3))
async def test_news_of_one_milestone_may_overtake_each_other(
    world: World, gateway: Gateway, seed: int
) -> None:
    workflow_id = await world.active(single())
    data = {"contract": reference(workflow_id), "milestone": "all"}
    kinds = ["reached", "unreached", "reached", "unreached", "reached", "unreached"]
    told = [
        (unique("msg"), f"milestone.{kind}", data, AT + timedelta(minutes=number))
        for number, kind in enumerate(kinds)
    ] * 2
    # Held, so that nothing is billed in between: then a person would review it.
    await world.c2c.contract(workflow_id).set_hold("billing", by="pia", reason="a test")
    random.Random(seed).shuffle(told)  # noqa: S311
    for id, type_, data_, at in told:
        assert (await gateway.event(id, type_, data_, at)).status_code == 202
    for id, *_ in told:
        assert (await became(world, id)).delivery.outcome is EventOutcome.APPLIED
    state = await world.contract(workflow_id)
    assert state.milestones["all"].reached_on is None
    assert state.milestones["all"].told_as_of == AT + timedelta(minutes=5)


async def test_usage_and_credits_of_a_contract_that_is_not_validated_yet_wait_for_it(
    world: World, gateway: Gateway
) -> None:
    contract = metered(currency="XYZ")  # it parks at validation
    workflow_id, usage, credit = await world.start(contract), unique("msg"), unique("msg")
    await world.parked(workflow_id)
    name = reference(workflow_id)
    record = {"id": "u1", "plan": "calls", "on": str(today()), "quantity": "5"}
    owed = {"contract": name, "retainer": "desk", "reference": "SLA-1", "reason": "late"}
    await gateway.event(usage, "usage.recorded", {"contract": name, "records": [record]}, AT)
    await gateway.event(credit, "service_credit.owed", owed | {"amount": "10.00 EUR"}, AT)
    for id in (usage, credit):
        assert (await became(world, id, outcome(EventOutcome.WAITING))).is_open
    contract_ = world.c2c.contract(workflow_id)
    await contract_.resolve_exception("amend", by="sam", changes={"currency": "EUR"})
    for id in (usage, credit):
        assert (await became(world, id)).delivery.outcome is EventOutcome.APPLIED
    state = await world.contract(workflow_id)
    assert "u1" in state.account.usage["calls"]
    assert state.account.service_credits.keys() == {"service_credit:desk:SLA-1"}


async def test_an_event_after_the_contracts_close_is_listed(world: World, gateway: Gateway) -> None:
    workflow_id, id = await world.active(single()), unique("msg")
    await world.cancel(workflow_id)
    await world.stage(workflow_id, ContractStage.CANCELLED)
    data = {"contract": reference(workflow_id), "milestone": "all"}
    await gateway.event(id, "milestone.reached", data, AT)
    assert (await became(world, id)).delivery.outcome is EventOutcome.AFTER_CLOSE
    row = await listed(world, id, "after_close")
    assert (row.kind, row.needs_person) == ("milestone.reached", False)


async def test_what_the_contract_refuses_waits_for_a_person_who_corrects_and_delivers_it_again(
    world: World, gateway: Gateway
) -> None:
    workflow_id, id = await world.active(single()), unique("msg")
    data = {"contract": reference(workflow_id), "milestone": "extra"}
    await gateway.event(id, "milestone.reached", data, AT)
    refused = await became(world, id, outcome(EventOutcome.REFUSED))
    assert "no such milestone" in refused.delivery.why
    row = await listed(world, id, "refused")
    assert row.needs_person
    await add_milestone(world, workflow_id, "extra")
    assert (
        await events.deliver_again(world.client, f"tickets/{id}", by="ole@northwind.example")
        == f"tickets/{id}"
    )
    record = await became(world, id)
    assert (record.delivery.outcome, record.attempts) == (EventOutcome.APPLIED, 2)


async def add_milestone(world: World, workflow_id: str, key: str) -> None:
    contract = world.c2c.contract(workflow_id)
    row = {"key": key, "name": "Extra", "service": "s", "amount": "500.00"}
    preview = await contract.preview_change({"add_milestones": [row]}, by="pia", reason="more")
    await contract.propose_change(preview.order)
    await world.contract(
        workflow_id,
        lambda state: state.change is not None and state.change.approval_round is not None,
    )
    await contract.approve(by="ana@northwind.example")
    await world.contract(workflow_id, lambda state: key in state.milestones)


async def test_a_person_may_dismiss_what_waits_and_nothing_else(
    world: World, gateway: Gateway
) -> None:
    id = unique("msg")
    data = {"contract": f"northwind/{unique('no')}", "milestone": "all"}
    await gateway.event(id, "milestone.reached", data, AT)
    await became(world, id, outcome(EventOutcome.WAITING))
    await events.dismiss(world.client, f"tickets/{id}", by="pia", reason="a slip")
    record = await became(world, id)
    assert record.delivery.outcome is EventOutcome.DISMISSED
    assert record.delivery.why == "pia: a slip"
    with pytest.raises(Refused):
        await events.dismiss(world.client, f"tickets/{id}", by="pia", reason="again")
    with pytest.raises(NotFound):
        await events.dismiss(world.client, "tickets/unknown", by="pia", reason="again")


async def test_what_was_applied_may_be_delivered_again_and_counts_once(
    world: World, gateway: Gateway
) -> None:
    workflow_id, id = await world.active(metered()), unique("msg")
    record = {"id": "u1", "plan": "calls", "on": str(today()), "quantity": "5"}
    await gateway.event(
        id, "usage.recorded", {"contract": reference(workflow_id), "records": [record]}, AT
    )
    await became(world, id)
    before = (await world.contract(workflow_id)).account.usage
    await events.deliver_again(world.client, f"event/tickets/{id}", by="ole@northwind.example")
    assert (await became(world, id)).delivery.outcome is EventOutcome.APPLIED
    assert (await world.contract(workflow_id)).account.usage == before
    answer = await gateway.event(id, "usage.recorded", {"contract": "x/y", "records": [record]}, AT)
    assert answer.json()["events"][0]["new"] is False


@pytest.mark.long
async def test_an_event_that_waits_for_a_day_is_listed_with_the_exceptions(
    world: World, gateway: Gateway
) -> None:
    id = unique("msg")
    data = {"contract": f"northwind/{unique('no')}", "milestone": "all"}
    await gateway.event(id, "milestone.reached", data, AT)
    await became(world, id, outcome(EventOutcome.WAITING))
    handle = world.client.get_workflow_handle(f"event/tickets/{id}")
    await world.time.fast_forward(handle, timedelta(days=1, hours=2))
    record = await became(world, id, lambda record: record.attempts > 10)
    assert (await listed(world, id, "waiting")).needs_person
    assert record.needs_person(await clock.now(world.time, handle.id))


async def test_a_payment_in_odoo_is_seen_by_its_hint_without_a_sweep(
    world: World, gateway: Gateway
) -> None:
    invoice = await world.open(single())
    await world.pay(invoice)
    state = await world.invoice(invoice)
    assert state.balance is not None
    answer = await gateway.odoo("account.move", state.balance.invoice_id, payment_state="paid")
    assert answer.status_code == 202, answer.text
    await world.invoice(invoice, InvoiceStage.PAID)


async def test_a_milestone_marked_in_odoo_is_seen_by_its_hint_without_a_sweep(
    world: World, gateway: Gateway
) -> None:
    workflow_id = await world.active(single())
    state = await world.contract(workflow_id)
    [milestone] = state.odoo.milestone_ids.values()
    pm = world.server.client("pm")
    await asyncio.to_thread(pm.write, "project.milestone", [milestone], {"is_reached": True})
    await gateway.odoo("project.milestone", milestone, is_reached=True)
    await world.contract(workflow_id, lambda now: now.milestones["all"].reached_on is not None)


async def test_a_hint_about_what_is_not_ours_comes_to_nothing(
    world: World, gateway: Gateway
) -> None:
    answer = await gateway.odoo("account.move", 999_999)
    [found] = answer.json()["events"]
    handle = world.client.get_workflow_handle(f"event/{found['id']}", result_type=EventRecord)
    record: EventRecord = await handle.result()
    assert record.delivery.outcome is EventOutcome.NOTHING_TO_DO


@pytest.mark.long
async def test_temporal_goes_away_and_comes_back_and_nothing_is_lost_or_doubled(
    tmp_path: Path,
) -> None:
    server = ProcessPart(
        temporal_command(tmp_path / "temporal.db", "default", port := free_port(), "--headless"),
        tmp_path / "log",
    )
    client = await Client.connect(
        f"127.0.0.1:{port}", data_converter=pydantic_data_converter, lazy=True
    )
    data = {"contract": "northwind/C-1", "milestone": "all"}
    async with gateway_over(client) as gateway:
        away = await gateway.event("m1", "milestone.reached", data, AT)
        assert (away.status_code, away.headers["retry-after"]) == (503, "30")
        assert (await gateway.http.get("/ready")).status_code == 503
        server.start()
        try:
            assert await accepted(gateway, "m1") is True
            server.kill()
            assert (await gateway.event("m1", "milestone.reached", data, AT)).status_code == 503
            server.start()
            assert await accepted(gateway, "m1") is False
            assert await accepted(gateway, "m2") is True
            assert (await gateway.http.get("/ready")).status_code == 200
        finally:
            server.kill()


async def accepted(gateway: Gateway, id: str) -> bool:
    """Send an event as its sender does, until it is accepted; whether it was new."""
    data = {"contract": "northwind/C-1", "milestone": "all"}
    deadline = time.monotonic() + WITHIN_SECONDS
    while True:
        answer = await gateway.event(id, "milestone.reached", data, AT)
        if answer.status_code == 202:
            return bool(answer.json()["events"][0]["new"])
        assert answer.status_code == 503, answer.text
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)

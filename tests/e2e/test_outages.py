"""An hour's outage of any one system, and of the gateway, loses nothing and is caught up with by
itself; and while it lasts nothing is asked more than about once a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from temporalio.client import ScheduleIntervalSpec, ScheduleUpdate, ScheduleUpdateInput

from contracts.contract.state import ContractStage
from contracts.events import EventOutcome
from contracts.invoice.state import InvoiceStage
from sandbox.proxy import Request
from starters.client import events
from starters.schedules import BURN_SWEEP, ODOO_SWEEP
from tests.e2e import outages
from tests.e2e.outages import (
    CRMS,
    DOCUSIGN,
    ESIGNS,
    HOUR,
    HUBSPOT,
    MINUTE,
    ODOO,
    ODOO_CRM,
    PROCESSORS,
    SIGNED_DEALS,
    TICKETS,
    TIME_SYSTEMS,
    TIMED,
    Firm,
    Wire,
    contract_of,
    crm_sweep,
    esign_sweep,
    kept,
    payments_sweep,
    time_sweep,
)
from tests.e2e.telling import hourly
from tests.servers import OdooServer
from tests.world import (
    ENTITY,
    eur,
    odoo_invoices,
    odoo_order,
    register_payment,
    single,
    unique,
)

MOST_ATTEMPTS_AN_HOUR = 75
"""Of an activity: a minute apart, and closer at first."""
ON_THE_STAND_IN = pytest.mark.parametrize(
    "odoo_server", ["sandbox"], indirect=True, scope="session"
)
"""Where another system is away, Odoo only has to be there."""
UNTIL_ITS_END = HOUR / 3
"""Somewhat less than a sweep may take."""
RECENTLY = timedelta(days=3)
"""Later than where a sweep without a predecessor begins."""
DONE = (EventOutcome.APPLIED, EventOutcome.NOTHING_TO_DO)


@pytest.fixture(scope="module")
async def firm(
    odoo_server: OdooServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Firm]:
    async with outages.running(tmp_path_factory.mktemp("firm"), odoo_server) as firm:
        yield firm


# --- the systems ----------------------------------------------------------------------------------


@ON_THE_STAND_IN
@pytest.mark.parametrize("system", CRMS, ids=lambda name: CRMS[name].connector.kind)
async def test_a_crm_may_be_away_for_an_hour(firm: Firm, system: str) -> None:
    """Deals are won there meanwhile, and what is billed here is to be shown there."""
    deal = await firm.deal(system)
    contract = await started(firm, system, deal)
    invoice = await proposed(firm, contract)
    await firm.shows(system, deal, waiting_on="approval")
    await swept_before(firm, crm_sweep(system))
    waiting: list[str] = []
    with firm.away(system) as [wire]:
        another = await firm.deal(system)
        if firm.remotes[system].connector.webhook is not None:
            for record in (deal, another):
                answer = await firm.post(system, firm.webhook(system, record))
                waiting.append(kept(answer))
        sweep = await firm.swept(crm_sweep(system))
        await firm.approve(invoice)
        await paid(firm, invoice)
        await firm.passes(HOUR, contract, sweep, *waiting)
        # A sweep gives up by itself, and the next begins where that began.
        sweep = await firm.swept(crm_sweep(system))
        await firm.passes(UNTIL_ITS_END, sweep)
        assert datetime.now(UTC) - await firm.since(sweep) < RECENTLY
        await firm.end_sessions(system)
        was_patient(wire, activities=3 + len(waiting))
    await firm.passes(MINUTE, contract, sweep, *waiting)

    await firm.shows(system, deal, paid="1000.00 EUR")
    await firm.stage(contract_of(system, another), ContractStage.ACTIVE)
    await firm.shows(system, another, stage="active")
    for event in waiting:
        await firm.event(event, *DONE)
    await is_there_once(firm, contract, invoices=1)
    await is_there_once(firm, contract_of(system, another))
    await nothing_was_parked(firm, contract, invoice, contract_of(system, another))


@ON_THE_STAND_IN
@pytest.mark.parametrize("system", ESIGNS)
async def test_a_service_for_signatures_may_be_away_for_an_hour(firm: Firm, system: str) -> None:
    """Documents are to be fetched from there, and what is signed meanwhile starts contracts."""
    crm = SIGNED_DEALS[system]
    wire = firm.wires[system]
    with wire.cut(_of_documents):
        first = await firm.deal(crm)
        await firm.signed(system, envelope := await firm.sent(system, first))
        await firm.post(system, firm.webhook(system, envelope))
        fetching = contract_of(crm, first)
        await firm.stage(fetching, ContractStage.ACTIVE)
    second, third = await firm.deal(crm), await firm.deal(crm)
    sent = [await firm.sent(system, deal) for deal in (second, third)]
    signing = await started(firm, crm, second, stage=ContractStage.SIGNING)
    with wire.cut():
        for envelope in sent:
            await firm.signed(system, envelope)
        answer = await firm.post(system, firm.webhook(system, sent[0]))
        event = f"event/{system}/{sent[0]}-completed"
        assert answer.is_success
        sweep = await firm.swept(esign_sweep(system))
        await firm.passes(HOUR, fetching, event, sweep)
        sweep = await firm.swept(esign_sweep(system))
        await firm.passes(UNTIL_ITS_END, sweep)
        await firm.end_sessions(system)
        was_patient(wire, activities=4)
    await firm.passes(MINUTE, fetching, event, sweep)

    for contract in (fetching, signing, contract_of(crm, third)):
        state = await firm.contract(contract, lambda now: now.signature.attached is not None)
        assert state.stage is ContractStage.ACTIVE
        await is_there_once(firm, contract)
    for envelope in sent:
        await firm.event(f"{system}/{envelope}-completed", EventOutcome.APPLIED)
        # The service sends again what was not taken: it is the event that the sweep has found.
        assert (await firm.post(system, firm.webhook(system, envelope))).is_success
        assert await firm.starts(f"event/{system}/{envelope}-completed") == 1
    await nothing_was_parked(firm, fetching, signing, contract_of(crm, third))


@ON_THE_STAND_IN
@pytest.mark.parametrize("system", PROCESSORS)
async def test_a_payment_processor_may_be_away_for_an_hour(firm: Firm, system: str) -> None:
    """Customers pay there meanwhile; of one payment it has told, of the other it has not."""
    invoices = [await issued(firm, await firm.active(single())) for _ in range(2)]
    await swept_before(firm, payments_sweep(system))
    with firm.away(system) as [wire]:
        pay_for = firm.processor(system).pay
        payments = [
            await asyncio.to_thread(pay_for, eur("1000.00"), invoice) for invoice in invoices
        ]
        event = kept(await firm.post(system, firm.webhook(system, payments[0])))
        sweep = await firm.swept(payments_sweep(system))
        await firm.passes(HOUR, event, sweep)
        sweep = await firm.swept(payments_sweep(system))
        await firm.passes(UNTIL_ITS_END, sweep)
        assert datetime.now(UTC) - await firm.since(sweep) < RECENTLY
        was_patient(wire, activities=3)
    await firm.passes(MINUTE, event, sweep)

    for invoice in invoices:
        await firm.invoice(invoice, InvoiceStage.PAID)
    await firm.event(event, EventOutcome.APPLIED)
    # The processor sends again what was not taken: it is the event that is known.
    for payment in payments:
        again = kept(await firm.post(system, firm.webhook(system, payment)))
        assert await firm.starts(again) == 1
        booked = firm.admin.search_read("account.payment", [("memo", "=", payment)], ["state"])
        assert len(booked) == 1
    await nothing_was_parked(firm, *invoices)


@ON_THE_STAND_IN
@pytest.mark.parametrize("system", TIME_SYSTEMS)
async def test_a_time_system_may_be_away_for_an_hour(firm: Firm, system: str) -> None:
    """Hours are logged, corrected and approved there meanwhile."""
    contract = await firm.active(hourly() | {"contract_id": TIMED[system]})
    corrected = await firm.approved(system, "2")
    await swept_before(firm, time_sweep(system))
    assert await firm.hours(contract, system) == {corrected: 2.0}
    with firm.away(system) as [wire]:
        new = await firm.approved(system, "3")
        await asyncio.to_thread(firm.time_system(system).correct, corrected, "1.5")
        sweep = await firm.swept(time_sweep(system))
        await firm.passes(HOUR, sweep)
        sweep = await firm.swept(time_sweep(system))
        await firm.passes(UNTIL_ITS_END, sweep)
        assert datetime.now(UTC) - await firm.since(sweep) < RECENTLY
        was_patient(wire, activities=2)
    await firm.passes(MINUTE, sweep)
    await firm.client.get_workflow_handle(sweep).result()
    # A sweep that waited for long ends after its page, and the next goes on there.
    await swept_before(firm, time_sweep(system))
    assert await firm.hours(contract, system) == {corrected: 1.5, new: 3.0}
    await nothing_was_parked(firm, contract)


async def test_odoo_may_be_away_for_an_hour(firm: Firm) -> None:
    """Its people work on meanwhile, and so do those who approve, sell and deliver."""
    owed = await issued(firm, await firm.active(single()))
    approved = await proposed(firm, await firm.active(single()))
    delivered = await firm.active(single())
    await swept_before(firm, ODOO_SWEEP)
    with firm.away(ODOO, ODOO_CRM) as [wire, crm_wire]:
        new = await firm.start(single())
        deal = await firm.deal(ODOO_CRM)
        await firm.pay(owed)
        payment = firm.payment_seen(await invoice_id_of(firm, owed))
        event = kept(await firm.post(*payment))
        await firm.approve(approved)
        schedules = ODOO_SWEEP, crm_sweep(ODOO_CRM)
        daily = await firm.swept(BURN_SWEEP)
        sweeps = [await firm.swept(schedule) for schedule in schedules]
        await firm.passes(HOUR, new, approved, event, daily, *sweeps)
        sweeps = [await firm.swept(schedule) for schedule in schedules]
        await firm.passes(UNTIL_ITS_END, *sweeps)
        assert datetime.now(UTC) - await firm.since(sweeps[0]) < RECENTLY
        message = unique("msg")
        reached = firm.milestone_reached(message, delivered, datetime.now(UTC))
        await firm.event(kept(await firm.post(TICKETS, reached)), EventOutcome.APPLIED)
        was_patient(wire, activities=8)
        was_patient(crm_wire, activities=2)
    await firm.passes(MINUTE, new, approved, event, daily, *sweeps)

    await firm.client.get_workflow_handle(daily).result()
    await firm.stage(new, ContractStage.ACTIVE)
    await firm.invoice(owed, InvoiceStage.PAID)
    await firm.event(event, EventOutcome.APPLIED)
    await firm.invoice(approved, until=lambda invoice: invoice.delivered)
    await firm.invoice(f"{delivered}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    await firm.stage(contract_of(ODOO_CRM, deal), ContractStage.ACTIVE)
    await is_there_once(firm, new)
    await is_there_once(firm, contract_of(ODOO_CRM, deal))
    await is_there_once(firm, approved.rpartition("/invoice/")[0], invoices=1)
    await nothing_was_parked(firm, new, owed, approved, delivered, contract_of(ODOO_CRM, deal))


# --- our own side ---------------------------------------------------------------------------------


async def test_the_gateway_may_be_away_for_an_hour(firm: Firm) -> None:
    """Sweeps find what it was not told; what they cannot know is sent again."""
    owed = await issued(firm, await firm.active(single()))
    delivered = await firm.active(single())
    deal, signed = await firm.deal(HUBSPOT), await firm.deal(SIGNED_DEALS[DOCUSIGN])
    envelope = await firm.sent(DOCUSIGN, signed)
    await firm.signed(DOCUSIGN, envelope)
    await firm.pay(owed)
    at, message = datetime.now(UTC), unique("msg")
    firm.gateway.kill()
    firm.gateway.stop()
    untold = [
        (TICKETS, firm.milestone_reached(message, delivered, at)),
        (HUBSPOT, firm.webhook(HUBSPOT, deal)),
        (DOCUSIGN, firm.webhook(DOCUSIGN, envelope)),
        firm.payment_seen(await invoice_id_of(firm, owed)),
    ]
    for system, sent in untold:
        with pytest.raises(httpx.ConnectError):
            await firm.post(system, sent)
    await firm.passes(HOUR, owed, delivered)
    for schedule in (ODOO_SWEEP, crm_sweep(HUBSPOT), esign_sweep(DOCUSIGN)):
        await firm.swept(schedule)
    await firm.invoice(owed, InvoiceStage.PAID)
    for contract in (contract_of(HUBSPOT, deal), contract_of(SIGNED_DEALS[DOCUSIGN], signed)):
        await firm.stage(contract, ContractStage.ACTIVE)
    await firm.gateway.start(firm.environment)

    # Each sender sends again, signed anew; Odoo never does.
    for system, sent in (
        (TICKETS, firm.milestone_reached(message, delivered, at)),
        (HUBSPOT, firm.webhook(HUBSPOT, deal)),
        (DOCUSIGN, firm.webhook(DOCUSIGN, envelope)),
    ):
        for _ in range(2):
            assert (await firm.post(system, sent)).is_success
    await firm.event(f"{TICKETS}/{message}", EventOutcome.APPLIED)
    await firm.invoice(f"{delivered}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    await firm.event(f"{DOCUSIGN}/{envelope}-completed", EventOutcome.APPLIED)
    await is_listed(firm, TICKETS, message)
    for event in (f"{TICKETS}/{message}", f"{DOCUSIGN}/{envelope}-completed"):
        assert await firm.starts(f"event/{event}") == 1
    for contract in (contract_of(HUBSPOT, deal), contract_of(SIGNED_DEALS[DOCUSIGN], signed)):
        await is_there_once(firm, contract)
    await nothing_was_parked(firm, owed, delivered)


async def test_temporal_may_be_away(firm: Firm) -> None:
    """Nothing can be skipped while it is down, so that it is away for seconds. What was scheduled
    meanwhile runs once, what was under way goes on, and senders are told to come again."""
    owed = await issued(firm, await firm.active(single()))
    delivered = await firm.active(single())
    bill = await invoice_id_of(firm, owed)
    at, message = datetime.now(UTC), unique("msg")
    due = at + timedelta(seconds=4)
    runs = await due_at(firm, BURN_SWEEP, due)
    under_way = await firm.start(single())
    firm.temporal.kill()
    calls = {name: wire.passed for name, wire in firm.wires.items()}

    await asyncio.to_thread(pay, firm, bill)
    deal = await firm.deal(HUBSPOT)
    sent = firm.milestone_reached(message, delivered, at)
    posted = (TICKETS, sent), (HUBSPOT, firm.webhook(HUBSPOT, deal)), firm.payment_seen(bill)
    answers = await asyncio.gather(*(firm.post(*item) for item in posted))
    for answer in answers:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    made = sum(wire.passed - calls[name] for name, wire in firm.wires.items())
    assert made <= 20, "what was under way, and nothing again and again"
    await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()) + 1)
    firm.temporal.stop()
    await firm.temporal.start()

    assert kept(await firm.post(TICKETS, sent)) == f"event/{TICKETS}/{message}"
    await firm.event(f"{TICKETS}/{message}", EventOutcome.APPLIED)
    await firm.stage(under_way, ContractStage.ACTIVE)
    for schedule in (ODOO_SWEEP, crm_sweep(HUBSPOT)):
        await firm.swept(schedule)
    await firm.invoice(owed, InvoiceStage.PAID)
    await firm.stage(contract_of(HUBSPOT, deal), ContractStage.ACTIVE)
    await firm.invoice(f"{delivered}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    await has_run(firm, BURN_SWEEP, runs + 1)
    for contract in (under_way, contract_of(HUBSPOT, deal)):
        await is_there_once(firm, contract)
    await nothing_was_parked(firm, owed, delivered, under_way)


# --- how ------------------------------------------------------------------------------------------


def _of_documents(request: Request) -> bool:
    return "/documents/" in request.path or "/files/" in request.path


async def started(
    firm: Firm, system: str, deal: str, stage: ContractStage = ContractStage.ACTIVE
) -> str:
    """The contract of a won deal."""
    contract = (await firm.c2c.start_deal(system, deal, ENTITY)).workflow_id
    await firm.stage(contract, stage)
    return contract


async def proposed(firm: Firm, contract: str) -> str:
    """The first invoice, which awaits approval. Its contract then has no pending child, which would
    stop its clock."""
    [milestone] = (await firm.contract(contract)).milestones
    await firm.reach(contract, milestone)
    invoice = f"{contract}/invoice/1"
    await firm.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    await firm.skip(contract, seconds=2)
    return invoice


async def issued(firm: Firm, contract: str) -> str:
    invoice = await proposed(firm, contract)
    await firm.approve(invoice)
    await firm.invoice(invoice, until=lambda state: state.delivered)
    return invoice


async def invoice_id_of(firm: Firm, invoice: str) -> int:
    """Its id in Odoo."""
    balance = (await firm.invoice(invoice)).balance
    assert balance is not None
    return balance.invoice_id


async def paid(firm: Firm, invoice: str) -> None:
    """The customer pays what has been approved, and the sweep of Odoo sees it."""
    await firm.invoice(invoice, until=lambda state: state.delivered)
    await firm.pay(invoice)
    await firm.swept(ODOO_SWEEP)
    await firm.invoice(invoice, InvoiceStage.PAID)


async def swept_before(firm: Firm, schedule: str) -> None:
    """A sweep that succeeds: the next one begins where it ended."""
    await firm.client.get_workflow_handle(await firm.swept(schedule)).result()


def was_patient(wire: Wire, *, activities: int) -> None:
    """Each of so many activities asked for as long as the hour lasted, and no more often than about
    once a minute."""
    assert 55 <= wire.refused <= activities * MOST_ATTEMPTS_AN_HOUR, wire.refused


async def is_there_once(firm: Firm, contract: str, *, invoices: int = 0) -> None:
    """One contract, one order, and so many invoices, each of which was mailed once."""
    assert await firm.starts(contract) == 1
    email = (await firm.contract(contract)).terms.customer.billing_email
    assert len(firm.server.mails(email)) == invoices
    assert len(odoo_order(firm.admin, contract)) == 1
    assert len(odoo_invoices(firm.admin, contract)) == invoices


async def nothing_was_parked(firm: Firm, *workflow_ids: str) -> None:
    """Nothing of these waited for a person, and nothing at all does now, as lists show it."""
    for workflow_id in workflow_ids:
        journal = (await firm.c2c.contract_or_invoice(workflow_id).state()).journal
        assert not [entry.text for entry in journal.entries if entry.text.startswith("Parked")]
    found = await firm.c2c.exceptions()
    assert (found.items, found.events) == ([], 0)


async def is_listed(firm: Firm, source: str, key: str) -> None:
    """Lists show what became of the event."""

    async def look() -> list[str]:
        found = await events.rows(firm.client, source=source, outcome=EventOutcome.APPLIED)
        return [row.id for row in found]

    await firm.until(look, lambda ids: f"{source}/{key}" in ids)


async def due_at(firm: Firm, schedule: str, at: datetime) -> int:
    """Let a schedule's next time be this, all else as declared; how often it has run."""
    handle = firm.client.get_schedule_handle(schedule)
    before = await handle.describe()
    catch_up = before.schedule.policy.catchup_window
    assert catch_up is not None
    assert catch_up > HOUR, "so long Temporal may be away"
    every = before.schedule.spec.intervals[0].every
    offset = timedelta(seconds=at.timestamp() % every.total_seconds())

    def sooner(there: ScheduleUpdateInput) -> ScheduleUpdate:
        changed = there.description.schedule
        changed.state.paused = False
        changed.spec.intervals = [ScheduleIntervalSpec(every=every, offset=offset)]
        return ScheduleUpdate(schedule=changed)

    await handle.update(sooner)
    # Only from then on does the schedule go by it.
    await firm.until(handle.describe, lambda now: now.schedule.spec.intervals[0].offset == offset)
    return before.info.num_actions


async def has_run(firm: Firm, schedule: str, times: int) -> None:
    """The schedule has started so many runs, and no more."""

    async def look() -> int:
        return (await firm.client.get_schedule_handle(schedule).describe()).info.num_actions

    assert await firm.until(look, lambda found: found >= times) == times


def pay(firm: Firm, invoice_id: int) -> None:
    register_payment(firm.accountant, invoice_id)

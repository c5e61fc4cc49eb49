"""A paid link, a refund, a chargeback and a payout of Stripe's stand-in, in both Odoos."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from contracts.events import EventOutcome, EventRecord
from contracts.invoice.state import InvoiceStage, InvoiceState
from contracts.sweeps import ConnectorSweep, ConnectorSweepResult
from gateways.payments.stripe import StripeSettings
from sandbox.clearing_books import (
    CLEARING,
    FEES,
    JOURNAL,
    TRANSFER,
    ClearingBooks,
    clearing_books,
)
from sandbox.conformance.serving import served
from sandbox.stripe import StripeStore, signed, stripe_app
from starters.client import NotFound, events
from starters.web.app import application
from starters.web.senders import senders
from tests.conftest import settings_for
from tests.servers import OdooServer
from tests.temporal import end_all, new_namespace
from tests.world import ENTITY, World, eur, single, unique
from wiring import remotes
from wiring.settings import Settings
from workers import worker
from workflows import task_queues
from workflows.payments_sweep import PaymentsSweepWorkflow

SECRET = "whsec_of_the_test"
WITHIN_SECONDS = 90.0


@dataclass
class PayingWorld(World):
    """Workers with Stripe, whose webhooks arrive when a test says so."""

    stripe: StripeStore
    http: httpx.AsyncClient
    books: ClearingBooks
    told: list[dict[str, Any]] = field(default_factory=list)

    async def webhooks(self) -> list[EventRecord]:
        """Everything that Stripe has not told yet is told now, the newest first, and delivered."""
        known = {event["id"] for event in self.told}
        news = [event for event in self.stripe.rows("events") if event["id"] not in known]
        self.told += news
        for event in news:
            await self.send(event)
        return [await self.event(str(event["id"])) for event in news]

    async def send(self, event: dict[str, Any]) -> None:
        body, headers = signed(event, SECRET)
        answer = await self.http.post("/webhooks/stripe", content=body, headers=headers)
        assert answer.is_success, answer.text

    async def event(self, key: str) -> EventRecord:
        """The event once something came of it."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while True:
            record = None
            with contextlib.suppress(NotFound):
                record = await events.show(self.client, f"stripe/{key}")
            if record is not None and record.delivery.outcome not in (
                EventOutcome.RECEIVED,
                EventOutcome.WAITING,
            ):
                return record
            assert time.monotonic() < deadline, record
            await asyncio.sleep(0.1)

    async def payments_sweep(self) -> ConnectorSweepResult:
        return await self.client.execute_workflow(
            PaymentsSweepWorkflow.run,
            ConnectorSweep(system="stripe", legal_entity=ENTITY, overlap=timedelta(minutes=5)),
            id=unique("payments-sweep"),
            task_queue=task_queues.CONTRACTS,
        )

    async def owes(self, invoice: str, amount: str) -> InvoiceState:
        return await self.invoice(
            invoice,
            until=lambda found: (
                found.balance is not None
                and found.balance.residual == eur(amount)
                and not found.running
                and not found.payments
            ),
        )

    def booked(self, reference: str) -> list[dict[str, Any]]:
        fields = ["amount", "payment_type", "state", "journal_id"]
        return self.admin.search_read("account.payment", [("memo", "=", reference)], fields)

    def balances(self) -> dict[str, float]:
        return {code: self.books.balance(self.admin, code) for code in (CLEARING, FEES, TRANSFER)}


@pytest.fixture(scope="module")
def store(odoo_server: OdooServer) -> StripeStore:
    """Each Odoo has a Stripe of its own."""
    return StripeStore()


@pytest.fixture(scope="module")
def paying_settings(odoo_server: OdooServer, store: StripeStore) -> Iterator[Settings]:
    with served(stripe_app(store)) as url:
        table = StripeSettings(
            kind="stripe",
            url=url,
            legal_entity=ENTITY,
            api_key=SecretStr(store.api_key),
            webhook_secrets=(SecretStr(SECRET),),
            journal=JOURNAL,
            fee_account=FEES,
            payout_account=TRANSFER,
            links=True,
        )
        yield settings_for(odoo_server).model_copy(update={"payments": {"stripe": table}})


@pytest.fixture(scope="module")
async def namespace(temporal_client: Client, odoo_server: OdooServer) -> Client:
    """A namespace of its own: the session's workers must not answer here."""
    return await new_namespace(temporal_client, f"paying-{odoo_server.name}")


@pytest.fixture(scope="module")
async def world(
    namespace: Client, paying_settings: Settings, odoo_server: OdooServer, store: StripeStore
) -> AsyncIterator[PayingWorld]:
    gateways = remotes.gateways(paying_settings, remotes.odoo(paying_settings))
    admin = odoo_server.client("admin")
    books = clearing_books(admin)
    admin.close()
    skipper = TimeSkipper(namespace, config=TimeSkippingConfig(enabled=False))

    async def connect() -> Client:
        return namespace

    app = application(paying_settings.web, senders(paying_settings), connect)
    app.state.temporal = namespace  # httpx runs no lifespan
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://gateway")
        )
        running = worker.running(namespace, paying_settings, gateways=gateways)
        await stack.enter_async_context(running)
        yield PayingWorld(skipper.client, skipper, odoo_server, store, http, books)
        await end_all(namespace)
    gateways.odoo.close()


async def paid(world: PayingWorld) -> tuple[str, str]:
    """An invoice of 1,000 EUR that was paid by its link; its workflow, and the payment."""
    invoice = await world.open(single())
    state = await world.invoice(invoice)
    assert state.payment_link is not None
    payment = world.stripe.pay(state.payment_link.url.rpartition("/")[2])
    await world.webhooks()
    await world.owes(invoice, "0.00")
    return invoice, payment


async def test_what_is_paid_refunded_charged_back_and_paid_out_is_so_in_odoo(
    world: PayingWorld,
) -> None:
    before = world.balances()
    data = single()
    invoice = await world.open(data)
    state = await world.invoice(invoice)
    assert state.payment_link is not None
    [mail] = await asyncio.to_thread(world.server.mails, data["customer"]["billing_email"])
    letter = mail.get_body(("html",))
    assert letter is not None
    assert state.payment_link.url in letter.get_content()
    assert "Pay this invoice online" in letter.get_content()

    # Paid by the link.
    payment = world.stripe.pay(state.payment_link.url.rpartition("/")[2])
    [record] = await world.webhooks()
    assert record.delivery.touched == (invoice,)
    state = await world.owes(invoice, "0.00")
    assert state.stage is InvoiceStage.PAID
    assert [row["amount"] for row in world.booked(payment)] == [1000.0]

    # A part is given back: it is owed again.
    refund = world.stripe.refund(payment, 25000)
    await world.webhooks()
    state = await world.owes(invoice, "250.00")
    assert state.stage is InvoiceStage.PARTIALLY_PAID
    [outgoing] = world.booked(refund)
    assert (outgoing["amount"], outgoing["payment_type"]) == (250.0, "outbound")

    # The bank takes the rest back: nobody is reminded of that.
    dispute = world.stripe.dispute(payment, 75000)
    await world.webhooks()
    state = await world.owes(invoice, "1000.00")
    assert state.dispute is not None
    assert (state.dispute.amount, state.dispute.by) == (eur("750.00"), "stripe")

    # It comes again.
    world.stripe.decide(dispute, "won")
    await world.webhooks()
    state = await world.owes(invoice, "250.00")
    assert state.dispute is None

    # What is left is paid out, less the fees: 3 % of the payment, and 15 for the dispute.
    payout = world.stripe.pay_out("eur")
    [record] = await world.webhooks()
    assert record.delivery.outcome is EventOutcome.APPLIED, record
    net = world.stripe.find("payouts", payout)["amount"] / 100
    moved = {code: round(now - before[code], 2) for code, now in world.balances().items()}
    assert moved == {CLEARING: 0.0, FEES: 45.0, TRANSFER: net}

    # All of it again, by webhook and by sweep, changes nothing.
    for event in reversed(world.told):
        await world.send(event)
    await world.payments_sweep()
    for event in world.told:
        await events.deliver_again(world.client, f"stripe/{event['id']}")
    for event in world.told:
        await world.event(event["id"])
    after = await world.owes(invoice, "250.00")
    assert len(after.reversals) == len(state.reversals) == 2
    assert {code: round(now - before[code], 2) for code, now in world.balances().items()} == moved

"""Stripe's stand-in in both Odoos, GoCardless' in the stand-in: what is paid, fails late, is given
back, charged back and paid out. A month of it twice changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from contracts.events import EventOutcome, EventRecord
from contracts.invoice.state import InvoiceStage, InvoiceState
from contracts.sweeps import ConnectorSweep, ConnectorSweepResult
from gateways.payments.gocardless import GoCardlessSettings
from gateways.payments.objects import INVOICE_FIELD
from gateways.payments.stripe import StripeSettings
from sandbox import gocardless, stripe
from sandbox.clearing_books import (
    CLEARING,
    FEES,
    JOURNAL,
    TRANSFER,
    ClearingBooks,
    clearing_books,
)
from sandbox.conformance.serving import served
from sandbox.gocardless import GoCardlessStore, gocardless_app
from sandbox.stripe import StripeStore, stripe_app
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
WITHIN_SECONDS = 150.0
DAY = timedelta(days=1)

Json: TypeAlias = dict[str, Any]


@dataclass
class PayingWorld(World):
    """Workers with Stripe and GoCardless, whose webhooks arrive when a test says so."""

    stripe: StripeStore
    gocardless: GoCardlessStore
    http: httpx.AsyncClient
    books: ClearingBooks
    told: list[tuple[str, Json]] = field(default_factory=list)
    """What the processors have told, and which one."""

    async def webhooks(self) -> list[EventRecord]:
        """Everything that a processor has not told yet is told now, the newest first, and
        delivered."""
        known = {event["id"] for _, event in self.told}
        news = [
            (system, event)
            for system, store in (("stripe", self.stripe), ("gocardless", self.gocardless))
            for event in store.rows("events")
            if event["id"] not in known
        ]
        self.told += news
        kept = [key for system, event in news for key in await self.send(system, event)]
        return [await self.event(key) for key in kept]

    async def send(self, system: str, event: Json) -> list[str]:
        """Post one event; the ids of what is kept of it."""
        by_stripe = system == "stripe"
        signed = stripe.signed(event, SECRET) if by_stripe else gocardless.signed([event], SECRET)
        body, headers = signed
        answer = await self.http.post(f"/webhooks/{system}", content=body, headers=headers)
        assert answer.is_success, answer.text
        return [kept["id"] for kept in answer.json()["events"]]

    async def event(self, key: str) -> EventRecord:
        """The event once something came of it."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while True:
            record = None
            with contextlib.suppress(NotFound):
                record = await events.show(self.client, key)
            if record is not None and record.delivery.outcome not in (
                EventOutcome.RECEIVED,
                EventOutcome.WAITING,
            ):
                return record
            assert time.monotonic() < deadline, record
            await asyncio.sleep(0.1)

    async def payments_sweep(self, system: str) -> ConnectorSweepResult:
        return await self.client.execute_workflow(
            PaymentsSweepWorkflow.run,
            ConnectorSweep(system=system, legal_entity=ENTITY, overlap=timedelta(minutes=5)),
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

    def moved(self, before: dict[str, float]) -> dict[str, float]:
        return {code: round(now - before[code], 2) for code, now in self.balances().items()}

    def journal(self) -> list[Json]:
        """All that Odoo has in the journal of the processors."""
        mine = [("journal_id", "=", self.books.journal)]
        payments = ["memo", "amount", "payment_type", "state", "date"]
        entries = ["ref", "amount_total", "state", "date"]
        return [
            *self.admin.search_read("account.payment", mine, payments, order="id"),
            *self.admin.search_read("account.move", mine, entries, order="id"),
        ]

    async def tell_all_again(self) -> None:
        """Every webhook once more, the newest first; the sweeps; and each event delivered anew."""
        kept = [key for told in reversed(self.told) for key in await self.send(*told)]
        for system in ("stripe", "gocardless"):
            assert (await self.payments_sweep(system)).started == 0
        for key in kept:
            await events.deliver_again(self.client, key, by="ole@northwind.example")
        for key in kept:
            await self.event(key)


@pytest.fixture(scope="module")
def stores(odoo_server: OdooServer) -> tuple[StripeStore, GoCardlessStore]:
    """Each Odoo has processors of its own."""
    return StripeStore(), GoCardlessStore()


@pytest.fixture(scope="module")
def paying_settings(
    odoo_server: OdooServer, stores: tuple[StripeStore, GoCardlessStore]
) -> Iterator[Settings]:
    by_card, by_debit = stores
    common: Json = {
        "legal_entity": ENTITY,
        "webhook_secrets": (SecretStr(SECRET),),
        "journal": JOURNAL,
        "fee_account": FEES,
        "payout_account": TRANSFER,
    }
    with served(stripe_app(by_card)) as card_url, served(gocardless_app(by_debit)) as debit_url:
        tables = {
            "stripe": StripeSettings(
                kind="stripe",
                url=card_url,
                api_key=SecretStr(by_card.api_key),
                links=True,
                **common,
            ),
            "gocardless": GoCardlessSettings(
                kind="gocardless", url=debit_url, api_key=SecretStr(by_debit.token), **common
            ),
        }
        yield settings_for(odoo_server).model_copy(update={"payments": tables})


@pytest.fixture(scope="module")
async def namespace(temporal_client: Client, odoo_server: OdooServer) -> Client:
    """A namespace of its own: the session's workers must not answer here."""
    return await new_namespace(temporal_client, f"paying-{odoo_server.name}")


@pytest.fixture(scope="module")
async def world(
    namespace: Client,
    paying_settings: Settings,
    odoo_server: OdooServer,
    stores: tuple[StripeStore, GoCardlessStore],
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
        yield PayingWorld(skipper.client, skipper, odoo_server, *stores, http, books)
        await end_all(namespace)
    gateways.odoo.close()


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
    assert world.moved(before) == {CLEARING: 0.0, FEES: 45.0, TRANSFER: net}

    journal = world.journal()
    await world.tell_all_again()
    after = await world.owes(invoice, "250.00")
    assert after.reversals == state.reversals
    assert len(after.reversals) == 2
    assert world.journal() == journal


@pytest.mark.parametrize("odoo_server", ["sandbox"], indirect=True, scope="session")
async def test_a_month_of_direct_debits_is_so_in_odoo_and_twice_changes_nothing(
    world: PayingWorld,
) -> None:
    before, store = world.balances(), world.gocardless
    invoice = await world.open(single())
    state = await world.invoice(invoice)
    assert state.balance is not None
    total, ago = 100_000, 28

    def days_pass(days: int) -> None:
        nonlocal ago
        ago -= days
        store.now = lambda: datetime.now(UTC) - ago * DAY

    # Collected, it fails after it was confirmed.
    days_pass(0)
    first = store.charge(total, "EUR", {INVOICE_FIELD: invoice})
    assert await world.webhooks() == [], "what is only begun is no event"
    days_pass(4)
    store.set_status(first, "confirmed")
    await world.webhooks()
    await world.owes(invoice, "0.00")
    days_pass(2)
    store.set_status(first, "failed")
    await world.webhooks()
    state = await world.owes(invoice, "1000.00")
    assert state.dispute is None, "people are reminded of it"
    [undone] = world.booked(f"{first} failure")
    assert (undone["amount"], undone["payment_type"]) == (1000.0, "outbound")

    # Paid again, by the invoice's number; a part is given back, which the bank returns.
    assert state.balance is not None
    second = store.charge(total, "EUR", None, f"for {state.balance.number}")
    store.set_status(second, "confirmed")
    await world.webhooks()
    await world.owes(invoice, "0.00")
    days_pass(5)
    refund = store.refund(second, 25_000)
    await world.webhooks()
    await world.owes(invoice, "250.00")
    store.return_refund(refund)
    await world.webhooks()
    await world.owes(invoice, "0.00")

    # Charged back, and cancelled; then paid out.
    days_pass(5)
    store.set_status(second, "charged_back")
    await world.webhooks()
    state = await world.owes(invoice, "1000.00")
    assert state.dispute is not None
    assert (state.dispute.amount, state.dispute.by) == (eur("1000.00"), "gocardless")
    days_pass(5)
    store.set_status(second, "confirmed", "chargeback_cancelled")
    store.find("payments", second)["amount_refunded"] = 0
    await world.webhooks()
    state = await world.owes(invoice, "0.00")
    assert state.dispute is None
    days_pass(5)
    payout = store.pay_out("EUR")
    delivered = await world.webhooks()
    assert {record.delivery.outcome for record in delivered} == {EventOutcome.APPLIED}
    net = store.find("payouts", payout)["amount"] / 100
    assert world.moved(before) == {CLEARING: 0.0, FEES: 10.0, TRANSFER: net}

    journal = world.journal()
    for _ in range(2):
        await world.tell_all_again()
    after = await world.owes(invoice, "0.00")
    assert after.reversals == state.reversals
    assert after.known_payments == state.known_payments
    assert world.journal() == journal

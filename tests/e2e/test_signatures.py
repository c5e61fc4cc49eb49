"""From a signed envelope to a confirmed order: DocuSign's stand-in, a deal, and both Odoos."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from contracts.contract.state import ContractStage, ContractState
from contracts.events import EventOutcome, EventRecord
from contracts.identifiers import contract_workflow_id, deal_contract_id
from contracts.parking import Action
from contracts.signatures import EnvelopeStatus
from contracts.sweeps import ConnectorSweep, ConnectorSweepResult
from gateways.crm.hubspot import HubSpotSettings
from gateways.esign.docusign import DocuSignSettings
from sandbox.conformance.serving import served
from sandbox.docusign import INTEGRATION_KEY, USER, DocuSignStore, docusign_app, signed
from sandbox.server import Sandbox
from starters.client import NotFound, events
from starters.web.app import application
from starters.web.senders import senders
from tests.conftest import settings_for
from tests.servers import OdooServer
from tests.temporal import end_all, new_namespace
from tests.world import ENTITY, World, belgian_vat, odoo_order, unique
from wiring import remotes
from wiring.settings import Settings
from workers import worker
from workflows import task_queues
from workflows.esign_sweep import EsignSweepWorkflow

SECRET = "connect-key-1"
WITHIN_SECONDS = 150.0
KEY = RSAKey.generate_key(2048, private=True)


@dataclass
class SignedWorld(World):
    """Workers with a CRM whose deals wait for DocuSign, and what people do there."""

    sandbox: Sandbox
    docusign: DocuSignStore
    http: httpx.AsyncClient

    def deal(self, *, won: bool = True) -> str:
        name = unique("Deal")
        return self.sandbox.hubspot.add_deal(
            name=name,
            amount="1000",
            won=won,
            owner_email="sam@northwind.example",
            company={"name": f"Acme {name}", "hs_country_code": "BE", "vat_number": belgian_vat()},
            contacts=[{"email": f"{name.lower()}@acme.example.com", "label": "Billing"}],
            line_items=[{"name": "Build", "hs_sku": "BUILD", "price": "1000"}],
        )

    def sent(self, deal: str) -> str:
        return self.docusign.send(f"hubspot/{deal}")

    async def connect(self, envelope_id: str, event: str = "") -> httpx.Response:
        """Connect tells of an envelope as it is now."""
        body = self.docusign.message(envelope_id, event)
        return await self.http.post(
            "/webhooks/docusign", content=body, headers=signed(body, SECRET)
        )

    async def waits(self, workflow_id: str) -> ContractState:
        return await self.state_until(
            workflow_id, lambda now: now.stage is ContractStage.SIGNING and not now.running
        )

    async def state_until(
        self, workflow_id: str, enough: Callable[[ContractState], bool]
    ) -> ContractState:
        deadline = time.monotonic() + WITHIN_SECONDS
        while True:
            try:
                state = await self.c2c.contract(workflow_id).state()
                if enough(state):
                    return state
            except NotFound:
                state = None
            assert time.monotonic() < deadline, state
            await asyncio.sleep(0.1)

    async def event(self, key: str, outcome: EventOutcome) -> EventRecord:
        """The event once it came to this."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while True:
            record = None
            with contextlib.suppress(NotFound):
                record = await events.show(self.client, f"docusign/{key}")
            if record is not None and record.delivery.outcome is outcome:
                return record
            assert time.monotonic() < deadline, record
            await asyncio.sleep(0.1)

    async def esign_sweep(self) -> ConnectorSweepResult:
        return await self.client.execute_workflow(
            EsignSweepWorkflow.run,
            ConnectorSweep(system="docusign", legal_entity=ENTITY, overlap=timedelta(minutes=5)),
            id=unique("esign-sweep"),
            task_queue=task_queues.CONTRACTS,
        )


def workflow_of(deal: str) -> str:
    return contract_workflow_id(ENTITY, deal_contract_id("hubspot", deal))


def files(world: World, state: ContractState) -> list[dict[str, Any]]:
    """The signed documents of the contract's order in Odoo."""
    domain = [
        ("res_model", "=", "sale.order"),
        ("res_id", "=", state.odoo.order_id),
        ("mimetype", "=", "application/pdf"),
    ]
    return world.admin.search_read("ir.attachment", domain, ["id", "name", "datas"])


@pytest.fixture(scope="module")
def store() -> Iterator[DocuSignStore]:
    store = DocuSignStore(public_key=KEY.as_pem(private=False).decode())
    yield store
    store.close()


@pytest.fixture(scope="module")
def signing_settings(
    odoo_server: OdooServer, sandbox: Sandbox, store: DocuSignStore
) -> Iterator[Settings]:
    with served(docusign_app(store)) as url:
        hubspot = HubSpotSettings(
            kind="hubspot",
            url=f"{sandbox.url}/hubspot",
            api_key=sandbox.hubspot_token,
            legal_entity=ENTITY,
            closed_since=date(2020, 1, 1),
            signature="docusign",
        )
        docusign = DocuSignSettings(
            kind="docusign",
            url=url,
            legal_entity=ENTITY,
            integration_key=INTEGRATION_KEY,
            user_id=USER,
            private_key=SecretStr(KEY.as_pem(private=True).decode()),
            webhook_secrets=(SecretStr(SECRET),),
        )
        tables = {"crm": {"hubspot": hubspot}, "esign": {"docusign": docusign}}
        yield settings_for(odoo_server).model_copy(update=tables)


@pytest.fixture(scope="module")
async def namespace(temporal_client: Client, odoo_server: OdooServer) -> Client:
    """A namespace of its own: the session's workers must not answer here."""
    return await new_namespace(temporal_client, f"signed-{odoo_server.name}")


@pytest.fixture(scope="module")
async def world(
    namespace: Client,
    signing_settings: Settings,
    odoo_server: OdooServer,
    sandbox: Sandbox,
    store: DocuSignStore,
) -> AsyncIterator[SignedWorld]:
    odoo = remotes.odoo(signing_settings)
    gateways = remotes.gateways(signing_settings, odoo)
    gateways.crm["hubspot"].ensure_setup()
    skipper = TimeSkipper(namespace, config=TimeSkippingConfig(enabled=False))

    async def connect() -> Client:
        return namespace

    app = application(signing_settings.web, senders(signing_settings), connect)
    app.state.temporal = namespace  # httpx runs no lifespan
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://gateway")
        )
        running = worker.running(namespace, signing_settings, gateways=gateways)
        await stack.enter_async_context(running)
        yield SignedWorld(skipper.client, skipper, odoo_server, sandbox, store, http)
        await end_all(namespace)
    odoo.close()


# --- the signature starts it, or lets it go on ----------------------------------------------------


async def test_a_signed_envelope_starts_the_contract_of_its_won_deal(world: SignedWorld) -> None:
    deal = world.deal()
    envelope_id = world.sent(deal)
    world.docusign.complete(envelope_id)
    answer = await world.connect(envelope_id)
    assert answer.status_code == 200
    workflow_id = workflow_of(deal)
    state = await world.state_until(workflow_id, lambda now: now.signature.attached is not None)
    assert state.stage is ContractStage.ACTIVE
    assert state.signature.envelope is not None
    assert state.signature.envelope.signers == ("Ada Client <ada@client.example>",)
    today = datetime.now(UTC).date()
    assert abs(state.terms.signed_on - today) <= timedelta(days=1)
    [order] = odoo_order(world.admin, workflow_id)
    assert order["state"] == "sale"
    await world.event(f"{envelope_id}-completed", EventOutcome.APPLIED)


async def test_what_was_signed_is_on_the_order_once_with_its_hash(world: SignedWorld) -> None:
    deal = world.deal()
    envelope_id = world.sent(deal)
    world.docusign.complete(envelope_id)
    await world.connect(envelope_id)
    state = await world.state_until(
        workflow_of(deal), lambda now: now.signature.attached is not None
    )
    attached = state.signature.attached
    assert attached is not None
    [file] = files(world, state)
    content = base64.b64decode(file["datas"])
    assert content.startswith(b"%PDF-")
    assert b"Certificate of completion" in content
    assert (file["id"], file["name"]) == (attached.attachment_id, attached.name)
    assert attached.sha256 == hashlib.sha256(content).hexdigest()
    subject = f"{attached.name} (SHA-256 {attached.sha256})"
    notes = world.admin.search_read("mail.message", [("subject", "=", subject)], ["attachment_ids"])
    assert [row["attachment_ids"] for row in notes] == [[attached.attachment_id]]


async def test_a_won_deal_waits_for_its_envelope_and_goes_on(world: SignedWorld) -> None:
    deal = world.deal()
    envelope_id = world.sent(deal)
    workflow_id = (await world.c2c.start_deal("hubspot", deal, ENTITY)).workflow_id
    state = await world.waits(workflow_id)
    assert (state.waiting.on, odoo_order(world.admin, workflow_id)) == ("signature", [])
    await world.connect(envelope_id)  # it was sent
    await world.event(f"{envelope_id}-sent", EventOutcome.FOLLOWED)
    world.docusign.complete(envelope_id)
    await world.connect(envelope_id)
    await world.stage(workflow_id, ContractStage.ACTIVE)


async def test_a_declined_envelope_is_for_a_person_and_a_new_one_goes_on(
    world: SignedWorld,
) -> None:
    deal = world.deal()
    first, second = world.sent(deal), world.sent(deal)
    workflow_id = (await world.c2c.start_deal("hubspot", deal, ENTITY)).workflow_id
    await world.waits(workflow_id)
    world.docusign.decline(first, "the price is wrong")
    await world.connect(first)
    parked = await world.parked(workflow_id)
    assert (parked.code, parked.step) == ("envelope_declined", "signature")
    assert "the price is wrong" in parked.message
    await world.resolve(workflow_id, Action.RETRY)
    world.docusign.complete(second)
    await world.connect(second)
    await world.stage(workflow_id, ContractStage.ACTIVE)


async def test_a_person_says_that_it_was_signed_on_paper(world: SignedWorld) -> None:
    deal = world.deal()
    workflow_id = (await world.c2c.start_deal("hubspot", deal, ENTITY)).workflow_id
    await world.waits(workflow_id)
    contract = world.c2c.contract(workflow_id)
    await contract.confirm_signature(by="sam@northwind.example", reason="on paper", on="2026-01-05")
    state = await world.stage(workflow_id, ContractStage.ACTIVE)
    assert state.terms.signed_on == date(2026, 1, 5)


async def test_a_signature_of_a_deal_that_is_not_won_waits_for_it(world: SignedWorld) -> None:
    deal = world.deal(won=False)
    envelope_id = world.sent(deal)
    world.docusign.complete(envelope_id)
    await world.connect(envelope_id)
    record = await world.event(f"{envelope_id}-completed", EventOutcome.WAITING)
    assert record.delivery.why == "the deal is not won, or had its contract before"
    world.sandbox.hubspot.update("deals", deal, {"dealstage": "closedwon"})
    await events.deliver_again(
        world.client, f"docusign/{envelope_id}-completed", by="ole@northwind.example"
    )
    await world.state_until(workflow_of(deal), lambda now: now.stage is ContractStage.ACTIVE)
    assert world.docusign.polled.count(envelope_id) == 1


# --- twice, out of order, behind, lost ------------------------------------------------------------


async def test_a_message_that_comes_again_counts_once(world: SignedWorld) -> None:
    deal = world.deal()
    envelope_id = world.sent(deal)
    world.docusign.complete(envelope_id)
    answers = [(await world.connect(envelope_id)).text for _ in range(3)]
    assert answers == ["received"] * 3
    state = await world.state_until(
        workflow_of(deal), lambda now: now.signature.attached is not None
    )
    assert len(files(world, state)) == 1


async def test_the_envelope_counts_as_it_is_and_not_as_a_late_message_says(
    world: SignedWorld,
) -> None:
    deal = world.deal()
    envelope_id = world.sent(deal)
    world.docusign.complete(envelope_id)
    await world.connect(envelope_id, "envelope-sent")
    state = await world.state_until(workflow_of(deal), lambda now: now.signature.is_completed)
    assert state.signature.envelope is not None
    assert state.signature.envelope.status is EnvelopeStatus.COMPLETED


async def test_a_message_ahead_of_its_envelope_waits_until_the_service_shows_it(
    world: SignedWorld,
) -> None:
    """Done with at once, its key would keep out the real end: the message of it and the sweep's."""
    deal = world.deal()
    envelope_id = world.sent(deal)
    await world.connect(envelope_id, "envelope-completed")
    key = f"{envelope_id}-completed"
    await world.event(key, EventOutcome.WAITING)
    world.docusign.complete(envelope_id)
    await world.connect(envelope_id)
    await world.skip(f"event/docusign/{key}", minutes=20)
    await world.state_until(workflow_of(deal), lambda now: now.stage is ContractStage.ACTIVE)


@pytest.mark.parametrize("is_told", [True, False])
async def test_an_end_whose_message_was_lost_is_found_within_a_day(
    world: SignedWorld, is_told: bool
) -> None:
    """Whether the contract was there when the envelope was sent, or came after."""
    deal = world.deal()
    envelope_id, workflow_id = world.sent(deal), workflow_of(deal)
    if is_told:
        await world.c2c.start_deal("hubspot", deal, ENTITY)
        await world.waits(workflow_id)
    await world.connect(envelope_id)
    record = await world.event(f"{envelope_id}-sent", EventOutcome.FOLLOWED)
    assert bool(record.delivery.touched) is is_told
    if not is_told:
        await world.c2c.start_deal("hubspot", deal, ENTITY)
        await world.waits(workflow_id)
    world.docusign.decline(envelope_id, "the price is wrong")
    await world.skip(f"event/docusign/{envelope_id}-sent", days=1, minutes=1)
    await world.event(f"{envelope_id}-sent", EventOutcome.APPLIED)
    assert (await world.parked(workflow_id)).code == "envelope_declined"


async def test_an_envelope_that_the_service_has_no_more_is_void_to_its_contract(
    world: SignedWorld,
) -> None:
    """A cancelled request of Dropbox Sign cannot be read any more."""
    deal = world.deal()
    envelope_id, workflow_id = world.sent(deal), workflow_of(deal)
    await world.c2c.start_deal("hubspot", deal, ENTITY)
    await world.waits(workflow_id)
    await world.connect(envelope_id)
    await world.event(f"{envelope_id}-sent", EventOutcome.FOLLOWED)
    message = world.docusign.message(envelope_id, "envelope-voided")
    world.docusign.delete(envelope_id)
    await world.skip(f"event/docusign/{envelope_id}-sent", minutes=20)
    await world.http.post("/webhooks/docusign", content=message, headers=signed(message, SECRET))
    voided = await world.event(f"{envelope_id}-voided", EventOutcome.NOTHING_TO_DO)
    assert "tells its contract" in voided.delivery.why
    parked = await world.parked(workflow_id)
    assert (parked.code, parked.value) == ("envelope_voided", envelope_id)


async def test_a_deal_that_is_won_weeks_after_its_signature_is_set_up_by_itself(
    world: SignedWorld,
) -> None:
    deal = world.deal(won=False)
    envelope_id = world.sent(deal)
    world.docusign.complete(envelope_id)
    await world.connect(envelope_id)
    key = f"{envelope_id}-completed"
    await world.event(key, EventOutcome.WAITING)
    await world.skip(f"event/docusign/{key}", days=9)
    world.sandbox.hubspot.update("deals", deal, {"dealstage": "closedwon"})
    await world.skip(f"event/docusign/{key}", days=1, minutes=1)
    await world.stage(workflow_of(deal), ContractStage.ACTIVE)


async def test_a_deal_that_changes_before_its_signature_gives_the_new_terms(
    world: SignedWorld,
) -> None:
    deal = world.deal()
    workflow_id = (await world.c2c.start_deal("hubspot", deal, ENTITY)).workflow_id
    await world.waits(workflow_id)
    world.sandbox.hubspot.update("deals", deal, {"dealname": "As negotiated"})
    told = await world.c2c.contract(workflow_id).refresh_customer(by="sam@northwind.example")
    assert [text.partition(":")[0] for text in told] == ["title"]
    state = await world.waits(workflow_id)
    assert state.terms.title == "As negotiated"


async def test_an_envelope_that_cannot_be_read_holds_up_no_other(world: SignedWorld) -> None:
    bad, good = world.sent(world.deal()), world.sent(deal := world.deal())
    for envelope_id in (bad, good):
        world.docusign.complete(envelope_id)
    world.docusign.damage(bad)
    await world.esign_sweep()
    await world.event(f"{good}-completed", EventOutcome.APPLIED)
    await world.state_until(workflow_of(deal), lambda now: now.stage is ContractStage.ACTIVE)
    record = await world.event(f"{bad}-unreadable", EventOutcome.PARKED)
    assert bad in record.delivery.why
    assert record.needs_person(datetime.now(UTC))
    assert (await world.esign_sweep()).started == 0


async def test_an_envelope_that_names_no_deal_comes_to_nothing(world: SignedWorld) -> None:
    envelope_id = world.docusign.send()
    world.docusign.complete(envelope_id)
    await world.connect(envelope_id)
    record = await world.event(f"{envelope_id}-completed", EventOutcome.NOTHING_TO_DO)
    assert record.delivery.why == "the envelope names no deal"


async def test_an_envelope_of_a_crm_that_nobody_configured_is_for_a_person(
    world: SignedWorld,
) -> None:
    envelope_id = world.docusign.send("elsewhere/1")
    world.docusign.complete(envelope_id)
    await world.connect(envelope_id)
    record = await world.event(f"{envelope_id}-completed", EventOutcome.REFUSED)
    assert "configured CRMs: hubspot" in record.delivery.why


async def test_a_signature_after_the_close_is_listed(world: SignedWorld) -> None:
    deal = world.deal()
    envelope_id = world.sent(deal)
    workflow_id = (await world.c2c.start_deal("hubspot", deal, ENTITY)).workflow_id
    await world.waits(workflow_id)
    await world.cancel(workflow_id)
    await world.stage(workflow_id, ContractStage.CANCELLED)
    world.docusign.complete(envelope_id)
    await world.connect(envelope_id)
    await world.event(f"{envelope_id}-completed", EventOutcome.AFTER_CLOSE)


async def test_the_sweep_finds_what_no_message_told_and_only_that(world: SignedWorld) -> None:
    told, untold, nobodys = world.deal(), world.deal(), world.docusign.send()
    envelopes = [world.sent(told), world.sent(untold), nobodys]
    for envelope_id in envelopes:
        world.docusign.complete(envelope_id)
    await world.connect(envelopes[0])
    await world.event(f"{envelopes[0]}-completed", EventOutcome.APPLIED)
    first = await world.esign_sweep()
    await world.event(f"{envelopes[1]}-completed", EventOutcome.APPLIED)
    await world.state_until(workflow_of(untold), lambda now: now.stage is ContractStage.ACTIVE)
    assert first.started >= 1
    again = await world.esign_sweep()
    assert again.started == 0
    assert not [key for key in again.seen if key.startswith(nobodys)]


async def test_a_message_with_a_wrong_signature_is_not_let_in(world: SignedWorld) -> None:
    body = world.docusign.message(world.docusign.send())
    answer = await world.http.post(
        "/webhooks/docusign", content=body, headers=signed(body, "another")
    )
    assert answer.status_code == 401

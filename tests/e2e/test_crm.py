"""Deals become contracts, and show how these stand: HubSpot's stand-in, and Odoo's own CRM."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from contracts.contract.state import ContractStage
from contracts.events import Delivery, EventOutcome, EventRecord
from contracts.identifiers import contract_workflow_id, deal_contract_id
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action
from contracts.sweeps import ConnectorSweep, ConnectorSweepResult
from gateways.crm.hubspot import HubSpotSettings
from gateways.crm.odoo_crm import OdooCrmSettings
from gateways.crm.protocol import Crm
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient
from sandbox.server import Sandbox
from starters.client import NotFound
from tests.conftest import settings_for
from tests.servers import OdooServer
from tests.temporal import end_all, new_namespace
from tests.webhooks import deal_changed, gateway_over
from tests.world import ENTITY, World, belgian_vat, odoo_order, unique
from wiring import remotes
from wiring.settings import Settings
from workers import worker
from workflows import task_queues
from workflows.sweeps import CrmSweepWorkflow

HUBSPOT, ODOO_CRM = "hubspot", "odoo-crm"
WITHIN_SECONDS = 150.0
Told = Callable[[dict[str, str]], bool]


ADOPTED = date(2020, 1, 1)
"""Deals closed before it start no contract by themselves."""


@dataclass
class CrmWorld(World):
    """Workers with both CRMs, and what sales people do and see there."""

    sandbox: Sandbox
    crms: Mapping[str, Crm]

    # --- HubSpot

    def deal(self, *, won: bool = True, amount: str = "1000", **customer: str | None) -> str:
        """A deal of one service, billed as a whole; `customer` changes the company's values."""
        name = unique("Deal")
        company = {"name": f"Acme {name}", "hs_country_code": "BE", "vat_number": belgian_vat()}
        email = customer.pop("email", f"{name.lower()}@acme.example.com")
        return self.sandbox.hubspot.add_deal(
            name=name,
            amount=amount,
            won=won,
            owner_email="sam@northwind.example",
            company=company | customer,
            contacts=[{"email": email, "label": "Billing"}] if email else [],
            line_items=[{"name": "Build", "hs_sku": "BUILD", "price": amount}],
        )

    def hubspot_shows(self, deal_id: str) -> dict[str, str]:
        """What the deal says about its contract."""
        deal = self.sandbox.hubspot.get("deals", deal_id)
        assert deal is not None
        return {
            name.removeprefix("c2c_"): value
            for name, value in deal.properties.items()
            if name.startswith("c2c_")
        }

    async def hubspot_until(self, deal_id: str, told: Told) -> dict[str, str]:
        return await until(lambda: self.hubspot_shows(deal_id), told)

    # --- Odoo's CRM

    def opportunity(self, *, won: bool = True, vat: str | None = None) -> tuple[int, int]:
        """An opportunity with a quotation of 1,000 EUR; returns its id and the customer's."""
        odoo, name = self.admin, unique("Lead")
        country, stage, team, pricelist, product = (
            first(odoo, model, *domain)
            for model, domain in (
                ("res.country", [("code", "=", "BE")]),
                ("crm.stage", [("is_won", "=", won)]),
                ("crm.team", []),
                ("product.pricelist", [("currency_id.name", "=", "EUR")]),
                ("product.product", [("default_code", "=", "BUILD")]),
            )
        )
        company: dict[str, Any] = {"name": f"Acme {name}", "is_company": True, "vat": vat or False}
        company |= {"email": f"{name.lower()}@acme.example.com", "country_id": country}
        [customer] = odoo.create("res.partner", [company])
        lead = {"name": name, "type": "opportunity", "partner_id": customer, "team_id": team}
        [lead_id] = odoo.create("crm.lead", [lead | {"stage_id": stage}])
        line = {"product_id": product, "product_uom_qty": 1, "price_unit": 1000}
        order = {"partner_id": customer, "opportunity_id": lead_id, "pricelist_id": pricelist}
        odoo.create("sale.order", [order | {"order_line": [[0, 0, line]]}])
        return lead_id, customer

    def odoo_shows(self, lead: int) -> dict[str, str]:
        [row] = self.admin.read("crm.lead", [lead], ["lead_properties"])
        return {
            item["name"].removeprefix("c2c_"): item.get("value") or ""
            for item in row["lead_properties"]
        }

    async def odoo_until(self, lead: int, told: Told) -> dict[str, str]:
        return await until(lambda: self.odoo_shows(lead), told)

    # --- both

    async def won(self, system: str, deal_id: str) -> str:
        """Start a deal's contract and wait until it is provisioned."""
        started = await self.c2c.start_deal(system, deal_id, ENTITY)
        await self.stage(started.workflow_id, ContractStage.ACTIVE)
        return started.workflow_id

    async def billed(self, workflow_id: str) -> str:
        """Reach the contract's one milestone and approve its invoice."""
        state = await self.contract(workflow_id)
        [milestone] = state.milestones
        await self.reach(workflow_id, milestone)
        invoice = f"{workflow_id}/invoice/1"
        await self.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
        await self.approve(invoice)
        await self.invoice(invoice, InvoiceStage.OPEN)
        return invoice

    async def crm_sweep(self, system: str) -> ConnectorSweepResult:
        """Look once for won deals, as the first sweep ever."""
        return await self.client.execute_workflow(
            CrmSweepWorkflow.run,
            ConnectorSweep(system=system, legal_entity=ENTITY, overlap=timedelta(minutes=5)),
            id=unique("crm-sweep"),
            task_queue=task_queues.CONTRACTS,
        )

    async def is_started(self, system: str, deal_id: str) -> bool:
        try:
            await self.c2c.contract(workflow_of(system, deal_id)).state()
        except NotFound:
            return False
        return True


def workflow_of(system: str, deal_id: str) -> str:
    return contract_workflow_id(ENTITY, deal_contract_id(system, deal_id))


def first(odoo: OdooClient, model: str, *domain: Any) -> int:
    return int(odoo.search_read(model, domain, ["id"], limit=1)[0]["id"])


async def until(look: Callable[[], dict[str, str]], told: Told) -> dict[str, str]:
    """Look again until a deal shows what is expected."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while not told(shown := await asyncio.to_thread(look)):
        assert time.monotonic() < deadline, shown
        await asyncio.sleep(0.1)
    return shown


@pytest.fixture(scope="module")
def crm_settings(odoo_server: OdooServer, sandbox: Sandbox) -> Settings:
    """Both CRMs configured, as an installation would."""
    hubspot = HubSpotSettings(
        kind="hubspot",
        url=f"{sandbox.url}/hubspot",
        api_key=sandbox.hubspot_token,
        legal_entity=ENTITY,
        closed_since=ADOPTED,
    )
    opportunities = OdooCrmSettings(kind="odoo-crm", legal_entity=ENTITY, closed_since=ADOPTED)
    crm = {"hubspot": hubspot, "odoo-crm": opportunities}
    return settings_for(odoo_server).model_copy(update={"crm": crm})


@pytest.fixture(scope="module")
async def namespace(temporal_client: Client, odoo_server: OdooServer) -> Client:
    """A namespace of its own: the session's workers, which have no CRM, must not answer here, and
    two Odoos give the same ids to different opportunities."""
    return await new_namespace(temporal_client, f"crm-{odoo_server.name}")


@pytest.fixture(scope="module")
async def world(
    namespace: Client, crm_settings: Settings, odoo_server: OdooServer, sandbox: Sandbox
) -> AsyncIterator[CrmWorld]:
    odoo = remotes.odoo(crm_settings)
    gateways = remotes.gateways(crm_settings, odoo)
    for crm in gateways.crm.values():
        assert [problem for problem in crm.ensure_setup() if "team" not in problem.code] == []
    skipper = TimeSkipper(namespace, config=TimeSkippingConfig(enabled=False))
    async with contextlib.AsyncExitStack() as stack:
        running = worker.running(namespace, crm_settings, gateways=gateways)
        await stack.enter_async_context(running)
        yield CrmWorld(skipper.client, skipper, odoo_server, sandbox, gateways.crm)
        await end_all(namespace)
    odoo.close()


@pytest.fixture(autouse=True)
def unharmed(world: CrmWorld) -> Iterator[None]:
    """Each test leaves HubSpot up and set up."""
    yield
    world.sandbox.faults.clear()
    world.crms[HUBSPOT].ensure_setup()


# --- a deal and what it shows -------------------------------------------------------------------


async def test_a_hubspot_deal_shows_its_contract_from_signature_to_cash(world: CrmWorld) -> None:
    deal = world.deal()
    workflow_id = await world.won(HUBSPOT, deal)
    shown = await world.hubspot_until(deal, lambda now: now.get("stage") == "active")
    state = await world.contract(workflow_id)
    assert shown["project"] == state.odoo.project_name
    assert (shown["invoiced"], shown["paid"], shown["overdue"]) == ("0.00 EUR",) * 3
    [order] = odoo_order(world.admin, workflow_id)
    assert (order["state"], order["amount_untaxed"]) == ("sale", 1000.00)
    assert state.contract is not None
    assert state.contract.requested_by == "sam@northwind.example"

    invoice = await world.billed(workflow_id)
    await world.hubspot_until(deal, lambda now: now["invoiced"] == "1000.00 EUR")
    await world.skip(invoice, days=40)
    await world.hubspot_until(deal, lambda now: now["overdue"] == "1000.00 EUR")
    await world.pay(invoice, "400.00")
    await world.sweep()
    await world.hubspot_until(
        deal, lambda now: (now["paid"], now["overdue"]) == ("400.00 EUR", "600.00 EUR")
    )
    await world.pay(invoice)
    await world.sweep()
    shown = await world.hubspot_until(deal, lambda now: now["paid"] == "1000.00 EUR")
    assert (shown["overdue"], shown["stage"]) == ("0.00 EUR", "closing")
    await world.skip(invoice, days=31)
    shown = await world.hubspot_until(deal, lambda now: now["stage"] == "closed")
    assert "waiting_on" not in shown


async def test_an_opportunity_of_odoo_shows_its_contract_too(world: CrmWorld) -> None:
    lead, customer = world.opportunity(vat=belgian_vat())
    workflow_id = await world.won(ODOO_CRM, str(lead))
    state = await world.contract(workflow_id)
    shown = await world.odoo_until(lead, lambda now: now["stage"] == "active")
    assert shown["project"] == state.odoo.project_name
    [order] = odoo_order(world.admin, workflow_id)
    assert order["partner_id"][0] == customer

    invoice = await world.billed(workflow_id)
    await world.odoo_until(lead, lambda now: now["invoiced"] == "1000.00 EUR")
    await world.pay(invoice)
    await world.sweep()
    shown = await world.odoo_until(lead, lambda now: now["paid"] == "1000.00 EUR")
    assert (shown["stage"], shown["overdue"]) == ("closing", "0.00 EUR")


async def test_an_opportunity_s_customer_without_a_vat_number_is_not_made_anew(
    world: CrmWorld,
) -> None:
    lead, customer = world.opportunity()
    workflow_id = await world.won(ODOO_CRM, str(lead))
    [order] = odoo_order(world.admin, workflow_id)
    assert order["partner_id"][0] == customer
    [row] = world.admin.read("res.partner", [customer], ["name"])
    assert len(world.admin.search_read("res.partner", [("name", "=", row["name"])], ["id"])) == 1


async def test_a_deal_with_a_fee_and_terms_bills_by_them(world: CrmWorld) -> None:
    """A recurring line item and `c2c_terms` become plans that bill."""
    name, today = unique("Deal"), datetime.now(UTC).date()
    deal = world.sandbox.hubspot.add_deal(
        name=name,
        amount="24000",
        owner_email="sam@northwind.example",
        company={"name": f"Acme {name}", "hs_country_code": "BE", "vat_number": belgian_vat()},
        contacts=[{"email": f"{name.lower()}@acme.example.com", "label": "Billing"}],
        line_items=[
            {"name": "Build", "hs_sku": "BUILD", "price": "12000"},
            {"name": "Down payment", "hs_sku": "DEPOSIT", "price": "0"},
            {
                "name": "Desk",
                "hs_sku": "RETAINER",
                "price": "1000",
                "quantity": "1",
                "recurringbillingfrequency": "weekly",
                "hs_recurring_billing_start_date": str(today),
                "hs_recurring_billing_period": "P12M",
            },
        ],
        c2c_terms='deposit = {percent = "25", service = "DEPOSIT"}',
    )
    workflow_id = await world.won(HUBSPOT, deal)
    # What begins today is billed once business has opened, which may be hours ahead.
    await world.skip(workflow_id, days=1)
    state = await world.contract(workflow_id, lambda found: len(found.invoices) == 2)
    assert state.contract is not None
    [plan] = state.contract.retainers
    assert (plan.every, plan.starts_on, plan.ends_on) == ("1 week", today, None)
    assert str(state.contract.service("RETAINER").amount) == "12000.00 EUR"
    proposed = {
        line.order_line: str(line.amount)
        for number in (1, 2)
        for line in (await world.invoice(f"{workflow_id}/invoice/{number}")).proposal.lines
    }
    assert proposed == {"deposit": "3000.00 EUR", "RETAINER-fee": "1000.00 EUR"}
    assert list(state.milestones) == ["BUILD-1"]


@pytest.mark.parametrize("system", [HUBSPOT, ODOO_CRM])
async def test_terms_nobody_can_read_park_until_they_are_corrected_on_the_deal(
    world: CrmWorld, system: str
) -> None:
    deal = world.deal() if system == HUBSPOT else str(world.opportunity()[0])

    def write(text: str) -> None:
        if system == HUBSPOT:
            world.sandbox.hubspot.update("deals", deal, {"c2c_terms": text})
        else:
            row = {".id": deal, "lead_properties.c2c_terms": text}
            _in_spite_of_the_write_back(lambda: world.admin.load("crm.lead", [row]))

    write("[term")
    started = await world.c2c.start_deal(system, deal, ENTITY)
    parked = await world.parked(started.workflow_id)
    assert (parked.step, parked.code, parked.field) == (
        "read_deal",
        "terms_unreadable",
        "c2c_terms",
    )
    write("[termination]\nnotice_days = 30")
    await world.resolve(started.workflow_id, Action.RETRY, step="read_deal")
    state = await world.stage(started.workflow_id, ContractStage.ACTIVE)
    assert state.contract is not None
    assert state.contract.termination.notice_days == 30


def _in_spite_of_the_write_back(write: Callable[[], object]) -> None:
    """The contract may write to the same opportunity in that moment, and Odoo then refuses one."""
    for _ in range(10):
        try:
            write()
        except GatewayError as error:
            if error.kind is not FailureKind.TRANSIENT:
                raise
        else:
            return
    raise AssertionError("the opportunity could not be written ten times in a row")


async def test_starting_a_deal_twice_is_one_contract(world: CrmWorld) -> None:
    deal = world.deal()
    one = await world.c2c.start_deal(HUBSPOT, deal, ENTITY)
    two = await world.c2c.start_deal(HUBSPOT, deal, ENTITY)
    assert (one.new, two.new) == (True, False)
    assert one.workflow_id == two.workflow_id == workflow_of(HUBSPOT, deal)


# --- deals that are not ready -------------------------------------------------------------------


async def test_an_incomplete_deal_parks_with_every_problem_and_says_so_on_the_deal(
    world: CrmWorld,
) -> None:
    deal = world.deal(vat_number="0477.472.701", email=None)
    started = await world.c2c.start_deal(HUBSPOT, deal, ENTITY)
    parked = await world.parked(started.workflow_id)
    assert (parked.step, parked.code) == ("validate", "contract_invalid")
    assert {problem.field for problem in parked.problems} == {
        "customer.vat_number",
        "customer.billing_email",
    }
    shown = await world.hubspot_until(deal, lambda now: bool(now.get("waiting_on")))
    assert (shown["stage"], shown["waiting_on"]) == ("validating", "exception")
    changes = {"customer.vat_number": belgian_vat(), "customer.billing_email": "ap@acme.example"}
    await world.resolve(started.workflow_id, Action.AMEND, changes=changes)
    await world.stage(started.workflow_id, ContractStage.ACTIVE)
    await world.hubspot_until(deal, lambda now: now["stage"] == "active")


@pytest.mark.parametrize("system", [HUBSPOT, ODOO_CRM])
async def test_a_deal_that_is_not_won_parks_until_it_is(world: CrmWorld, system: str) -> None:
    deal = world.deal(won=False) if system == HUBSPOT else str(world.opportunity(won=False)[0])
    started = await world.c2c.start_deal(system, deal, ENTITY)
    parked = await world.parked(started.workflow_id)
    assert (parked.step, parked.code) == ("read_deal", "deal_not_won")
    if system == HUBSPOT:
        world.sandbox.hubspot.update("deals", deal, {"dealstage": "closedwon"})
    else:
        world.admin.call("crm.lead", "action_set_won", [int(deal)])
    await world.resolve(started.workflow_id, Action.RETRY, step="read_deal")
    await world.stage(started.workflow_id, ContractStage.ACTIVE)


# --- the CRM never holds the billing up ---------------------------------------------------------


async def test_a_refused_write_back_parks_beside_the_billing_and_is_mended_by_a_retry(
    world: CrmWorld,
) -> None:
    deal = world.deal()
    workflow_id = await world.won(HUBSPOT, deal)
    await world.hubspot_until(deal, lambda now: now.get("stage") == "active")
    delete_property(world.sandbox, "c2c_paid")
    await world.billed(workflow_id)
    parked = await world.parked(workflow_id)
    assert (parked.step, parked.code, parked.field) == (
        "write_back",
        "crm_property_unknown",
        "c2c_paid",
    )
    assert world.hubspot_shows(deal)["invoiced"] == "0.00 EUR"
    world.crms[HUBSPOT].ensure_setup()
    await world.resolve(workflow_id, Action.RETRY)
    shown = await world.hubspot_until(deal, lambda now: now["invoiced"] == "1000.00 EUR")
    assert shown["paid"] == "0.00 EUR"
    assert not (await world.contract(workflow_id)).exceptions


async def test_a_deal_deleted_in_the_crm_does_not_keep_the_contract_from_closing(
    world: CrmWorld,
) -> None:
    deal = world.deal()
    workflow_id = await world.won(HUBSPOT, deal)
    await world.hubspot_until(deal, lambda now: now.get("stage") == "active")
    world.sandbox.hubspot.delete("deals", deal)
    invoice = await world.billed(workflow_id)
    parked = await world.parked(workflow_id)
    assert (parked.step, parked.code) == ("write_back", "status_refused")
    await world.pay(invoice)
    await world.sweep()
    await world.skip(invoice, days=31)
    await world.stage(workflow_id, ContractStage.CLOSED)


async def test_a_crm_that_is_down_does_not_hold_the_billing_up(world: CrmWorld) -> None:
    deal = world.deal()
    workflow_id = await world.won(HUBSPOT, deal)
    await world.hubspot_until(deal, lambda now: now.get("stage") == "active")
    world.sandbox.faults.add(path="^/hubspot", kind="status", status=503)
    await world.billed(workflow_id)
    assert world.sandbox.faults.report()[0]["done"] > 0
    assert not (await world.contract(workflow_id)).exceptions
    assert world.hubspot_shows(deal)["invoiced"] == "0.00 EUR"
    world.sandbox.faults.clear()
    await world.hubspot_until(deal, lambda now: now["invoiced"] == "1000.00 EUR")


async def test_a_contract_whose_crm_is_down_from_the_start_begins_when_it_is_back(
    world: CrmWorld,
) -> None:
    deal = world.deal()
    world.sandbox.faults.add(path="^/hubspot", kind="status", status=503, times=3)
    await world.won(HUBSPOT, deal)
    await world.hubspot_until(deal, lambda now: now.get("stage") == "active")


def delete_property(sandbox: Sandbox, name: str) -> None:
    """As an administrator of HubSpot does who tidies up."""
    sandbox.hubspot._db.execute("DELETE FROM property WHERE name = ?", [name])


# --- sweeps -------------------------------------------------------------------------------------


async def test_a_sweep_starts_each_won_deal_once_and_no_open_one(world: CrmWorld) -> None:
    won, still_open = world.deal(), world.deal(won=False)
    earlier = world.deal()
    await world.won(HUBSPOT, earlier)
    await world.hubspot_until(earlier, lambda now: now.get("stage") == "active")

    results = await asyncio.gather(*(world.crm_sweep(HUBSPOT) for _ in range(2)))
    assert sum(result.started for result in results) == 1
    assert earlier not in results[0].seen
    assert not await world.is_started(HUBSPOT, still_open)
    await world.stage(workflow_of(HUBSPOT, won), ContractStage.ACTIVE)
    await world.hubspot_until(won, lambda now: now.get("stage") == "active")
    again = await world.crm_sweep(HUBSPOT)
    assert again.started == 0
    assert not {won, earlier, still_open} & again.seen.keys()

    world.sandbox.hubspot.update("deals", still_open, {"dealstage": "closedwon"})
    later = await world.crm_sweep(HUBSPOT)
    assert later.started == 1
    assert still_open in later.seen
    assert await world.is_started(HUBSPOT, still_open)
    await world.hubspot_until(still_open, lambda now: now.get("stage") == "active")


async def test_a_contract_the_engine_has_forgotten_is_not_started_again(world: CrmWorld) -> None:
    deal = world.deal()
    world.sandbox.hubspot.update("deals", deal, {"c2c_stage": "closed"})
    result = await world.crm_sweep(HUBSPOT)
    assert deal not in result.seen
    assert not await world.is_started(HUBSPOT, deal)


async def test_a_sweep_of_odoo_s_crm_starts_won_opportunities_only(world: CrmWorld) -> None:
    (won, _), (still_open, _) = world.opportunity(), world.opportunity(won=False)
    await asyncio.sleep(1.1)  # Odoo's times have seconds: this very one belongs to the next sweep
    result = await world.crm_sweep(ODOO_CRM)
    assert str(won) in result.seen
    assert str(still_open) not in result.seen
    await world.stage(workflow_of(ODOO_CRM, str(won)), ContractStage.ACTIVE)
    await world.odoo_until(won, lambda now: now["stage"] == "active")
    assert not await world.is_started(ODOO_CRM, str(still_open))
    again = await world.crm_sweep(ODOO_CRM)
    assert str(won) not in again.seen
    assert again.started == 0


# --- webhooks -----------------------------------------------------------------------------------


async def became(world: CrmWorld, answer: httpx.Response) -> list[Delivery]:
    """What became of the events of a request."""
    assert answer.status_code == 202, answer.text
    ids = [item["id"] for item in answer.json()["events"]]
    handles = [
        world.client.get_workflow_handle(f"event/{id}", result_type=EventRecord) for id in ids
    ]
    records: list[EventRecord] = [await handle.result() for handle in handles]
    return [record.delivery for record in records]


async def test_a_webhook_about_a_won_deal_starts_its_contract_and_a_repeat_does_not(
    world: CrmWorld,
) -> None:
    won, lost = world.deal(), world.deal(won=False)
    changes = [deal_changed(won), deal_changed(lost), deal_changed("999999999")]
    async with gateway_over(world.client) as gateway:
        first = await became(world, await gateway.deals(*changes))
        again = await gateway.deals(*changes)
    assert [item["new"] for item in again.json()["events"]] == [False] * 3
    nothing = EventOutcome.NOTHING_TO_DO
    assert [item.outcome for item in first] == [EventOutcome.APPLIED, nothing, nothing]
    await world.stage(workflow_of(HUBSPOT, won), ContractStage.ACTIVE)
    assert not await world.is_started(HUBSPOT, lost)


async def test_a_webhook_about_a_deal_with_a_contract_lets_it_read_the_deal_again(
    world: CrmWorld,
) -> None:
    deal = world.deal()
    workflow_id = await world.won(HUBSPOT, deal)
    owner = world.sandbox.hubspot.add_owner("pat@northwind.example")
    world.sandbox.hubspot.update("deals", deal, {"hubspot_owner_id": owner})
    async with gateway_over(world.client) as gateway:
        [found] = await became(world, await gateway.deals(deal_changed(deal, 2)))
    assert found.outcome is EventOutcome.APPLIED
    await world.contract(
        workflow_id,
        lambda state: (
            state.contract is not None and state.contract.requested_by == "pat@northwind.example"
        ),
    )


@pytest.mark.parametrize("system", [HUBSPOT, ODOO_CRM])
async def test_a_deal_is_due_once_it_is_won_and_until_it_shows_a_contract(
    world: CrmWorld, system: str
) -> None:
    crm = world.crms[system]

    def made(won: bool) -> str:
        return world.deal(won=won) if system == HUBSPOT else str(world.opportunity(won=won)[0])

    won, lost = made(True), made(False)
    assert await asyncio.to_thread(crm.is_due, won)
    assert not await asyncio.to_thread(crm.is_due, lost)
    assert not await asyncio.to_thread(crm.is_due, "999999999")
    assert not await asyncio.to_thread(crm.is_due, "no number")
    await world.won(system, won)
    deadline = time.monotonic() + WITHIN_SECONDS
    while await asyncio.to_thread(crm.is_due, won):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)

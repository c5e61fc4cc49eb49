"""A deal won in each CRM becomes a confirmed order and an invoice, and the CRM shows it. Where a
CRM is away: test_outages.py."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from contracts.contract.state import ContractStage
from contracts.identifiers import contract_workflow_id, deal_contract_id
from contracts.invoice.state import InvoiceStage
from contracts.sweeps import ConnectorSweep, ConnectorSweepResult
from gateways.connectors import Surroundings
from sandbox.conformance.crm import CrmRemote, Deal, Line
from tests.conftest import settings_for
from tests.connectors.test_dynamics import DynamicsRemote
from tests.connectors.test_hubspot import HubSpotRemote
from tests.connectors.test_salesforce import SalesforceRemote
from tests.servers import OdooServer
from tests.temporal import end_all, new_namespace
from tests.world import ENTITY, World, belgian_vat, odoo_order, unique
from wiring import remotes
from workers import worker
from workflows import task_queues
from workflows.sweeps import CrmSweepWorkflow

SYSTEM = "sales"
WITHIN_SECONDS = 150.0
REMOTES: tuple[type[CrmRemote], ...] = (SalesforceRemote, DynamicsRemote, HubSpotRemote)


@dataclass
class SalesWorld(World):
    """Workers with one CRM, and what sales people do and see there."""

    remote: CrmRemote

    def deal(self) -> str:
        """A won deal of one service, billed as a whole."""
        name = unique("Deal")
        return self.remote.add(
            Deal(
                title=name,
                customer=f"Acme {name}",
                vat_number=belgian_vat(),
                email=f"{name.lower()}@{name.lower()}.example.com",
                lines=(Line("BUILD", "Build", Decimal("1000.00")),),
            )
        )

    async def crm_sweep(self) -> WorkflowHandle[CrmSweepWorkflow, ConnectorSweepResult]:
        return await self.client.start_workflow(
            CrmSweepWorkflow.run,
            ConnectorSweep(system=SYSTEM, legal_entity=ENTITY, overlap=timedelta(minutes=5)),
            id=unique("crm-sweep"),
            task_queue=task_queues.CONTRACTS,
        )

    async def shows(self, deal: str, told: Callable[[Mapping[str, str]], bool]) -> None:
        """Look again until the deal shows what is expected."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while not told(shown := await asyncio.to_thread(self.remote.shown, deal)):
            assert time.monotonic() < deadline, shown
            await asyncio.sleep(0.2)


@pytest.fixture(scope="module", params=REMOTES, ids=lambda remote: remote.connector.kind)
async def world(
    request: pytest.FixtureRequest, temporal_client: Client, odoo_server: OdooServer
) -> AsyncIterator[SalesWorld]:
    remote_type: type[CrmRemote] = request.param
    namespace = await new_namespace(temporal_client, "sales")
    settings = settings_for(odoo_server)
    skipper = TimeSkipper(namespace, config=TimeSkippingConfig(enabled=False))
    with contextlib.ExitStack() as stack:
        odoo = remotes.odoo(settings)
        stack.callback(odoo.close)
        remote = stack.enter_context(remote_type.running())  # type: ignore[attr-defined]
        declared = remote_type.connector
        table = {
            **remote.settings(remote.address),
            "kind": declared.kind,
            "legal_entity": ENTITY,
            "closed_since": date(2020, 1, 1),
        }
        around = Surroundings(name=SYSTEM, entity=settings.entities[ENTITY], odoo=odoo)
        assert declared.build is not None
        crm = declared.build(declared.settings.model_validate(table), around)
        gateways = remotes.Gateways(odoo, crm={SYSTEM: crm})
        async with worker.running(namespace, settings, gateways=gateways):
            yield SalesWorld(skipper.client, skipper, odoo_server, remote)
            await end_all(namespace)
        crm.close()


async def test_a_won_deal_shows_its_contract_from_signature_to_invoice(world: SalesWorld) -> None:
    deal = await asyncio.to_thread(world.deal)

    assert (await (await world.crm_sweep()).result()).started == 1

    workflow_id = contract_workflow_id(ENTITY, deal_contract_id(SYSTEM, deal))
    await world.stage(workflow_id, ContractStage.ACTIVE)
    await world.shows(deal, lambda status: status.get("c2c_stage") == "active")
    state = await world.contract(workflow_id)
    [order] = odoo_order(world.admin, workflow_id)
    assert (order["state"], order["amount_untaxed"]) == ("sale", 1000.00)
    shown = await asyncio.to_thread(world.remote.shown, deal)
    assert shown["c2c_project"] == state.odoo.project_name

    await _billed(world, workflow_id)
    await world.shows(deal, lambda status: status.get("c2c_invoiced") == "1000.00 EUR")
    assert (await (await world.crm_sweep()).result()).started == 0


async def _billed(world: SalesWorld, workflow_id: str) -> None:
    """Its one milestone is reached, and the invoice is issued."""
    [milestone] = (await world.contract(workflow_id)).milestones
    await world.reach(workflow_id, milestone)
    invoice = f"{workflow_id}/invoice/1"
    await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    await world.approve(invoice)
    await world.invoice(invoice, InvoiceStage.OPEN)

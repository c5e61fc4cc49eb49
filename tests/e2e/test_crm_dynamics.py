"""A deal won in Dynamics 365 becomes a confirmed order and an invoice, and its row shows it."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from contracts.contract.state import ContractStage
from contracts.identifiers import contract_workflow_id, deal_contract_id
from contracts.invoice.state import InvoiceStage
from contracts.sweeps import ConnectorSweep, ConnectorSweepResult
from sandbox.conformance.serving import served
from starters import schedules
from tests.conftest import settings_for
from tests.servers import OdooServer
from tests.standins.dataverse import Row
from tests.standins.dynamics import Failure, Organisation, dynamics_app
from tests.unit.crm.dynamics import connect
from tests.world import ENTITY, World, belgian_vat, odoo_order, unique
from wiring import remotes
from workers import worker
from workflows import task_queues
from workflows.sweeps import CrmSweepWorkflow

SYSTEM = "dynamics"
WITHIN_SECONDS = 60.0


@dataclass
class DynamicsWorld(World):
    """Workers with one CRM, and what sales people do and see there."""

    organisation: Organisation

    def deal(self) -> str:
        """A deal of one service, billed as a whole."""
        name = unique("Deal")
        account = {
            "name": f"Acme {name}",
            "address1_country": "BE",
            "c2c_vat_number": belgian_vat(),
            "emailaddress1": f"{name.lower()}@acme.example.com",
        }
        line = {"product": "BUILD", "productdescription": "Build", "extendedamount": "1000"}
        return self.organisation.add_deal(
            name=name,
            value="1000",
            closed_on=datetime.now(UTC).date().isoformat(),
            account=account,
            owner="sam@northwind.example",
            lines=[line],
        )

    async def swept(self) -> ConnectorSweepResult:
        """Look once for won deals."""
        return await self.client.execute_workflow(
            CrmSweepWorkflow.run,
            ConnectorSweep(system=SYSTEM, legal_entity=ENTITY, overlap=timedelta(minutes=5)),
            id=unique("crm-sweep"),
            task_queue=task_queues.CONTRACTS,
        )

    async def shows(self, deal: str, told: Callable[[Row], bool]) -> Row:
        """Look again until the deal's row shows what is expected."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while not told(shown := self.organisation.billing(deal) or {}):
            assert time.monotonic() < deadline, shown
            await asyncio.sleep(0.1)
        return shown


@pytest.fixture(scope="module")
async def namespace(temporal_client: Client, odoo_server: OdooServer) -> Client:
    """A namespace of its own: the session's workers, which have no CRM, must not answer here."""
    name = f"dynamics-{odoo_server.name}-{uuid.uuid4().hex[:8]}"
    request = RegisterNamespaceRequest(
        namespace=name, workflow_execution_retention_period=Duration(seconds=86_400)
    )
    await temporal_client.workflow_service.register_namespace(request)
    address = temporal_client.service_client.config.target_host
    client = await Client.connect(address, namespace=name, data_converter=pydantic_data_converter)
    deadline = time.monotonic() + WITHIN_SECONDS
    while True:  # the server's caches take a moment to know it
        try:
            await schedules.ensure_search_attributes(client)
            return client
        except RPCError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
async def world(namespace: Client, odoo_server: OdooServer) -> AsyncIterator[DynamicsWorld]:
    organisation = Organisation(set_up=False)
    settings = settings_for(odoo_server)
    odoo = remotes.odoo(settings)
    with served(dynamics_app(organisation)) as url:
        crm = connect(url, closed_since=date(2020, 1, 1))
        assert await asyncio.to_thread(crm.ensure_setup) == []
        skipper = TimeSkipper(namespace, config=TimeSkippingConfig(enabled=False))
        async with worker.running(namespace, settings, odoo=odoo, crms={SYSTEM: crm}):
            yield DynamicsWorld(skipper.client, skipper, odoo_server, organisation)
            async for left in namespace.list_workflows("ExecutionStatus = 'Running'"):
                with contextlib.suppress(RPCError):  # the list lags: it may be over by now
                    await namespace.get_workflow_handle(left.id).terminate("the module is done")
        crm.close()
    odoo.close()


async def test_a_won_deal_shows_its_contract_from_signature_to_cash(world: DynamicsWorld) -> None:
    deal = world.deal()
    world.organisation.fail_next(Failure.UNAVAILABLE)
    world.organisation.expire_tokens()

    assert (await world.swept()).started == 1

    workflow_id = contract_workflow_id(ENTITY, deal_contract_id(SYSTEM, deal))
    await world.stage(workflow_id, ContractStage.ACTIVE)
    shown = await world.shows(deal, lambda row: row.get("c2c_stage") == "active")
    state = await world.contract(workflow_id)
    assert shown["c2c_project"] == state.odoo.project_name
    assert shown["c2c_contract"] == deal_contract_id(SYSTEM, deal)
    [order] = odoo_order(world.admin, workflow_id)
    assert (order["state"], order["amount_untaxed"]) == ("sale", 1000.00)
    assert state.contract is not None
    assert state.contract.requested_by == "sam@northwind.example"

    [milestone] = state.milestones
    await world.reach(workflow_id, milestone)
    invoice = f"{workflow_id}/invoice/1"
    await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    await world.approve(invoice)
    await world.invoice(invoice, InvoiceStage.OPEN)
    await world.shows(deal, lambda row: row["c2c_invoiced"] == "1000.00 EUR")

    assert (await world.swept()).started == 0

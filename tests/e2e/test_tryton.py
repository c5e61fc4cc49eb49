"""From an opportunity won in Tryton to a confirmed order and an invoice in Odoo, and back: Tryton
shows how its contract stands. The connector is another package, found by its entry point."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from contracts.contract.state import ContractStage
from contracts.identifiers import contract_workflow_id, deal_contract_id
from contracts.invoice.state import InvoiceStage
from contracts.sweeps import ConnectorSweep, ConnectorSweepResult
from gateways.connectors import Group, connector
from sandbox.conformance.crm import Deal, Line
from tests.conftest import settings_for
from tests.servers import OdooServer
from tests.temporal import end_all, new_namespace
from tests.world import ENTITY, World, belgian_vat, odoo_order, unique
from wiring import remotes
from wiring.settings import Settings
from workers import worker
from workflows import task_queues
from workflows.sweeps import CrmSweepWorkflow

if TYPE_CHECKING:
    from tests.connectors.tryton_server import TrytonRemote

pytestmark = [
    pytest.mark.long,
    pytest.mark.parametrize("odoo_server", ["sandbox"], indirect=True, scope="session"),
]
NAME = "tryton"
WITHIN_SECONDS = 150.0


@dataclass
class TrytonWorld(World):
    """Workers with Tryton as the CRM."""

    tryton: TrytonRemote

    async def shows(self, deal: str, **wanted: str) -> None:
        """Wait until the opportunity shows this of its contract."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while True:
            shown: Mapping[str, str] = await asyncio.to_thread(self.tryton.shown, deal)
            if wanted.items() <= {key.removeprefix("c2c_"): shown[key] for key in shown}.items():
                return
            assert time.monotonic() < deadline, shown
            await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def tryton_settings(odoo_server: OdooServer, tryton_remote: TrytonRemote) -> Settings:
    table = {**tryton_remote.settings(tryton_remote.address), "kind": NAME}
    common = {"legal_entity": ENTITY, "closed_since": "2020-01-01"}
    configured = connector(Group.CRM, NAME).settings.model_validate({**table, **common})
    return settings_for(odoo_server).model_copy(update={"crm": {NAME: configured}})


@pytest.fixture(scope="module")
async def namespace(temporal_client: Client) -> Client:
    """A namespace of its own: the session's workers must not answer here."""
    return await new_namespace(temporal_client, "tryton")


@pytest.fixture(scope="module")
async def world(
    namespace: Client,
    tryton_settings: Settings,
    odoo_server: OdooServer,
    tryton_remote: TrytonRemote,
) -> AsyncIterator[TrytonWorld]:
    odoo = remotes.odoo(tryton_settings)
    gateways = remotes.gateways(tryton_settings, odoo)
    skipper = TimeSkipper(namespace, config=TimeSkippingConfig(enabled=False))
    async with contextlib.AsyncExitStack() as stack:
        running = worker.running(namespace, tryton_settings, gateways=gateways)
        await stack.enter_async_context(running)
        yield TrytonWorld(skipper.client, skipper, odoo_server, tryton_remote)
        await end_all(namespace)
    odoo.close()


async def test_an_opportunity_won_in_tryton_shows_its_contract_from_signature_to_cash(
    world: TrytonWorld,
) -> None:
    name = unique("Acme")
    sold = (Line("BUILD", "Build", Decimal("1000.00")),)
    deal = await asyncio.to_thread(
        world.tryton.add,
        Deal(title="Website", customer=name, vat_number=belgian_vat(), lines=sold),
    )
    result: ConnectorSweepResult = await world.client.execute_workflow(
        CrmSweepWorkflow.run,
        ConnectorSweep(system=NAME, legal_entity=ENTITY, overlap=timedelta(minutes=5)),
        id=unique("crm-sweep"),
        task_queue=task_queues.CONTRACTS,
    )
    assert result.started >= 1
    workflow_id = contract_workflow_id(ENTITY, deal_contract_id(NAME, deal))
    await world.stage(workflow_id, ContractStage.ACTIVE)
    state = await world.contract(workflow_id)
    [order] = odoo_order(world.admin, workflow_id)
    assert (order["state"], order["amount_untaxed"]) == ("sale", 1000.00)
    assert order["partner_id"][1] == name
    await world.shows(deal, stage="active", project=state.odoo.project_name, paid="0.00 EUR")

    [milestone] = state.milestones
    await world.reach(workflow_id, milestone)
    invoice = f"{workflow_id}/invoice/1"
    await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    await world.approve(invoice)
    await world.invoice(invoice, InvoiceStage.OPEN)
    await world.shows(deal, invoiced="1000.00 EUR")
    await world.pay(invoice)
    await world.sweep()
    await world.shows(deal, paid="1000.00 EUR", overdue="0.00 EUR")

"""The stories whose histories are kept; run by `make histories`, not by the test suite."""

from __future__ import annotations

import pytest

from contracts.parking import Action
from contracts.receivable import InvoiceStage
from contracts.state import ContractStage
from sandbox.server import Sandbox
from starters import operations
from tests.replay.record import HISTORIES
from tests.servers import OdooServer, SandboxServer
from tests.world import ANA, World, document, single


@pytest.fixture(scope="session")
def odoo_server(sandbox: Sandbox) -> OdooServer:
    return SandboxServer(sandbox)


async def keep(world: World, name: str, workflow_id: str) -> None:
    """Write every run of a workflow to a file of its own, the newest as run 0."""
    runs = [item async for item in world.client.list_workflows(f"WorkflowId = '{workflow_id}'")]
    for number, run in enumerate(runs):
        handle = world.client.get_workflow_handle(workflow_id, run_id=run.run_id)
        history = await handle.fetch_history()
        (HISTORIES / f"{name}-{number}.json").write_text(history.to_json() + "\n")


async def test_smooth(world: World) -> None:
    workflow_id = await world.active(document())
    for number, key in enumerate(("design", "build", "live"), start=1):
        await world.reach(workflow_id, key)
        invoice = f"{workflow_id}/invoice/{number}"
        await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
        await world.approve(invoice)
        await world.invoice(invoice, InvoiceStage.OPEN)
        await world.pay(invoice)
        await world.sweep()
        await world.invoice(invoice, InvoiceStage.PAID)
        await world.skip(invoice, days=31)
    await world.stage(workflow_id, ContractStage.CLOSED)
    await keep(world, "contract-smooth", workflow_id)
    await keep(world, "receivable-smooth", f"{workflow_id}/invoice/1")


async def test_parked_and_amended(world: World) -> None:
    contract = single()
    contract["services"][0]["code"] = "NOPE"
    workflow_id = await world.start(contract)
    await world.parked(workflow_id)
    await world.resolve(workflow_id, Action.AMEND, changes={"services.0.code": "BUILD"})
    await world.stage(workflow_id, ContractStage.ACTIVE)
    await world.cancel(workflow_id)
    await world.stage(workflow_id, ContractStage.CANCELLED)
    await keep(world, "contract-parked-cancelled", workflow_id)


async def test_rejected_then_late(world: World) -> None:
    invoice = await world.proposed(single())
    workflow_id = invoice.removesuffix("/invoice/1")
    await world.skip(invoice, days=9)
    await world.reject(invoice, "wrong reference")
    await world.parked(workflow_id)
    await world.resolve(workflow_id, Action.AMEND, changes={"purchase_order": "PO-1"})
    second = f"{workflow_id}/invoice/2"
    await world.invoice(second, InvoiceStage.AWAITING_APPROVAL)
    await world.approve(second)
    await world.invoice(second, InvoiceStage.OPEN)
    await world.skip(second, days=40)
    await world.invoice(second, until=lambda found: found.dunning.level == 1)
    await world.pay(second, "400.00")
    await world.sweep()
    await world.skip(second, days=14)
    await world.invoice(second, until=lambda found: found.dunning.level == 2)
    await keep(world, "contract-rejected", workflow_id)
    await keep(world, "receivable-rejected", invoice)
    await keep(world, "receivable-late", second)

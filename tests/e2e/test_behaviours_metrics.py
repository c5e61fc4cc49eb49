"""Key figures nobody has together: each comes out of a run, with its labels.

The workers here have a runtime of their own, whose metrics are read from memory, and a namespace of
their own, so that they get all the work.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import date

import pytest
from temporalio.client import Client
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig
from temporalio.testing import TimeSkipper

from contracts import metrics
from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action
from sandbox import clock
from starters.client import ParkedStep
from tests.conftest import settings_for
from tests.e2e.telling import today
from tests.servers import OdooServer
from tests.temporal import end_all, new_namespace
from tests.world import ENTITY, World, single
from workers import worker
from workflows.metrics import LAG

Labels = dict[str, str]


class Meter:
    """What the workers have measured so far."""

    def __init__(self) -> None:
        self._buffer = MetricBuffer(100_000)
        self.runtime = Runtime(telemetry=TelemetryConfig(metrics=self._buffer))
        self._seen: list[tuple[str, float, Labels]] = []

    def of(self, name: str, **labels: str) -> list[float]:
        """The values of a figure with these labels, in their order."""
        for update in self._buffer.retrieve_updates():
            attributes = {key: str(value) for key, value in update.attributes.items()}
            self._seen.append((update.metric.name, float(update.value), attributes))
        return [
            value
            for metric, value, found in self._seen
            if metric == name and labels.items() <= found.items()
        ]

    async def until(self, name: str, count: int, **labels: str) -> list[float]:
        """The values, once there are so many."""
        deadline = time.monotonic() + 30
        while len(values := self.of(name, **labels)) < count:
            assert time.monotonic() < deadline, f"{name} {labels}: {values}"
            await asyncio.sleep(0.1)
        return values


@pytest.fixture(scope="module")
def meter(odoo_server: OdooServer) -> Meter:
    """One for each of the two Odoos."""
    return Meter()


@pytest.fixture(scope="module")
async def world(
    temporal_client: Client, odoo_server: OdooServer, meter: Meter
) -> AsyncIterator[World]:
    client = await new_namespace(temporal_client, f"kpis-{odoo_server.name}", runtime=meter.runtime)
    skipper = TimeSkipper(client, config=clock.BY_HAND)
    settings = settings_for(odoo_server)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(worker.running(client, settings))
        yield World(client=skipper.client, time=skipper, server=odoo_server)
        await end_all(client)


async def test_the_times_on_the_way_from_signature_to_cash_are_measured(
    world: World, meter: Meter
) -> None:
    """Signature to project, milestone reached to invoice posted, invoice to cash (DSO), approval
    waiting time, sync lag."""
    contract = single()
    workflow_id = await world.active(contract)
    signed = (today() - date.fromisoformat(str(contract["signed_on"]))).days
    assert (await meter.until(metrics.PROJECT, 1, legal_entity=ENTITY))[-1] == signed
    await world.reach(workflow_id, "all")
    invoice = f"{workflow_id}/invoice/1"
    await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    await world.skip(invoice, days=3)
    await world.approve(invoice)
    assert (await meter.until(metrics.APPROVAL, 1, kind="invoice"))[-1] == 3
    await world.invoice(invoice, InvoiceStage.OPEN)
    assert len(await meter.until(metrics.POSTED, 1, legal_entity=ENTITY)) == 1
    await world.skip(invoice, days=20)
    await world.pay(invoice)
    await world.sweep()
    assert (await meter.until(metrics.CASH, 1, legal_entity=ENTITY))[-1] == 20
    lags = await meter.until(LAG, 1)
    assert min(lags) >= 0
    await world.skip(invoice, days=31)
    await world.stage(workflow_id, ContractStage.CLOSED)
    await meter.until(metrics.ENDED, 1, ending="completed", parked="no")


async def test_exceptions_and_contracts_without_a_human_touch_are_counted(
    world: World, meter: Meter
) -> None:
    """Exceptions open and their age, share of contracts with no human touch."""
    contract = single()
    contract["services"][0]["code"] = "ALCHEMY"
    workflow_id = await world.start(contract)
    await world.parked(workflow_id)
    await world.skip(workflow_id, hours=5)
    assert meter.of(metrics.EXCEPTION, step="validate") == []
    [open_now] = [item for item in await listed(world) if item.workflow_id == workflow_id]
    assert open_now.exception.step == "validate"
    await world.resolve(workflow_id, Action.AMEND, changes={"services.0.code": "BUILD"})
    [age] = await meter.until(metrics.EXCEPTION, 1, step="validate", responsible="sales")
    assert 5 <= age < 6
    await world.stage(workflow_id, ContractStage.ACTIVE)
    await world.cancel(workflow_id)
    await world.stage(workflow_id, ContractStage.CANCELLED)
    await meter.until(metrics.ENDED, 1, ending="cancelled", parked="yes")
    assert meter.of(metrics.ENDED, ending="cancelled", parked="no") == []


async def listed(world: World) -> list[ParkedStep]:
    """The parked steps as the list shows them, which lags a little."""
    deadline = time.monotonic() + 30
    while not (found := (await world.c2c.exceptions()).items):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
    return found

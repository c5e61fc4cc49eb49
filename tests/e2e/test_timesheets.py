"""From an hour that is approved in Harvest to an invoiced hour: its stand-in, and both Odoos."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from contracts.events import EventOutcome, EventRecord, ForTime, InboundEvent
from contracts.sweeps import ConnectorSweep, ConnectorSweepResult
from contracts.timesheets.mapping import Target
from gateways.timesheets.harvest import HarvestSettings
from sandbox import clock
from sandbox.conformance.serving import served
from sandbox.harvest import HarvestStore, harvest_app
from starters.client import NotFound, events
from tests.conftest import settings_for
from tests.e2e.telling import hourly, lines_of, month
from tests.servers import OdooServer
from tests.temporal import end_all, new_namespace
from tests.world import ENTITY, World, unique
from wiring.settings import Settings
from workers import worker
from workflows import task_queues
from workflows.timesheet_sweep import TimesheetSweepWorkflow

WITHIN_SECONDS = 150.0
CONTRACT, UNKNOWN_PROJECT = unique("TIME"), 77
PROJECT, OTHER_PROJECT, INTERNAL = 14_307_913, 14_307_914, 88


@dataclass
class TimeWorld(World):
    """Workers with a Harvest, and what people do there."""

    harvest: HarvestStore
    settings: Settings

    async def time_sweep(self) -> ConnectorSweepResult:
        return await self.client.execute_workflow(
            TimesheetSweepWorkflow.run,
            ConnectorSweep(system="harvest", legal_entity=ENTITY, overlap=timedelta(minutes=15)),
            id=unique("time-sweep"),
            task_queue=task_queues.CONTRACTS,
        )

    async def event(self, key: str, outcome: EventOutcome) -> EventRecord:
        """The event once it came to this."""
        deadline = time.monotonic() + WITHIN_SECONDS
        while True:
            record = None
            with contextlib.suppress(NotFound):
                record = await events.show(self.client, f"harvest/{key}")
            if record is not None and record.delivery.outcome is outcome:
                return record
            assert time.monotonic() < deadline, record
            await asyncio.sleep(0.1)

    def lines(self, *entries: int) -> dict[int, tuple[float, bool, Any]]:
        """Hours, approval and order line in Odoo, by entry."""
        rows = self.admin.search_read(
            "account.analytic.line",
            [("ref", "in", [f"harvest {entry}" for entry in entries])],
            ["ref", "unit_amount", "x_approved", "so_line"],
        )
        return {
            int(row["ref"].split()[1]): (row["unit_amount"], row["x_approved"], row["so_line"])
            for row in rows
        }


@pytest.fixture(scope="module")
def store(odoo_server: OdooServer) -> HarvestStore:
    """Each Odoo has one of its own."""
    return HarvestStore()


@pytest.fixture(scope="module")
def time_settings(odoo_server: OdooServer, store: HarvestStore) -> Iterator[Settings]:
    with served(harvest_app(store)) as url:
        harvest = HarvestSettings(
            kind="harvest",
            url=url,
            legal_entity=ENTITY,
            api_key=SecretStr(store.token),
            account_id=store.account_id,
            projects={
                str(PROJECT): Target(contract_id=contract_of(odoo_server), key="dev"),
                str(OTHER_PROJECT): Target(contract_id=f"{CONTRACT}-other", key="dev"),
                str(INTERNAL): Target(is_ignored=True),
            },
        )
        yield settings_for(odoo_server).model_copy(update={"timesheets": {"harvest": harvest}})


def contract_of(server: OdooServer) -> str:
    return f"{CONTRACT}-{server.name}"


@pytest.fixture(scope="module")
async def world(
    temporal_client: Client,
    time_settings: Settings,
    odoo_server: OdooServer,
    store: HarvestStore,
) -> AsyncIterator[TimeWorld]:
    namespace = await new_namespace(temporal_client, f"time-{odoo_server.name}")
    skipper = TimeSkipper(namespace, config=clock.BY_HAND)
    async with worker.running(namespace, time_settings):
        yield TimeWorld(skipper.client, skipper, odoo_server, store, time_settings)
        await end_all(namespace)


@pytest.fixture(scope="module")
async def other_contract(world: TimeWorld) -> str:
    return await world.active(hourly() | {"contract_id": f"{CONTRACT}-other"})


@pytest.mark.parametrize("odoo_server", ["sandbox"], indirect=True, scope="session")
@pytest.mark.usefixtures("other_contract")
async def test_a_person_waits_until_odoo_knows_them(world: TimeWorld) -> None:
    """A webhook brings the hours at once; those of an unknown person come once the e-mail is right,
    also what was logged meanwhile."""
    harvest, today = world.harvest, str(datetime.now(UTC).date())
    petra = harvest.add_person("Petra Developer", "petra@northwind.example")
    nina = harvest.add_person("Nina Newcomer", "nina@northwind.example")
    known, first = (
        harvest.log(person, "1", today, project=OTHER_PROJECT, is_closed=True)
        for person in (petra, nina)
    )
    now = datetime.now(UTC)
    task = ForTime(system="harvest", since=now - timedelta(minutes=10))
    hint = InboundEvent(
        source="harvest",
        key=unique("hint"),
        kind="approval",
        received_at=now,
        sha256="0",
        size=1,
        task=task,
    )
    await events.receive(world.client, hint, within_seconds=10)
    await world.event(hint.key, EventOutcome.APPLIED)
    waiting = await world.event(f"person-{nina}", EventOutcome.PARKED)
    assert "nina@northwind.example" in waiting.delivery.why
    assert "[time_person_unknown]" in waiting.delivery.why
    assert set(world.lines(known, first)) == {known}
    [row] = [
        item
        for item in await events.rows(world.client, source="harvest", needs_person=True)
        if item.id == f"harvest/person-{nina}"
    ]
    assert row.needs_person

    second = harvest.log(nina, "2", today, project=OTHER_PROJECT, is_closed=True)
    values = {"name": "Nina Newcomer", "work_email": "Nina.N@Northwind.example", "company_id": 1}
    world.admin.create("hr.employee", [values])
    harvest.set_email(nina, "nina.n@northwind.example")
    await events.deliver_again(world.client, f"harvest/person-{nina}", by="ole@northwind.example")
    await world.event(f"person-{nina}", EventOutcome.APPLIED)
    assert set(world.lines(first, second)) == {first, second}


@pytest.mark.parametrize("odoo_server", ["sandbox"], indirect=True, scope="session")
@pytest.mark.usefixtures("other_contract")
async def test_a_week_that_cannot_be_compared_holds_up_no_later_one(
    world: TimeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    harvest, today = world.harvest, datetime.now(UTC).date()
    petra = harvest.add_person("Petra Developer", "petra@northwind.example")
    monday = today - timedelta(days=today.weekday() + 14)
    gone = harvest.log(petra, "1", str(today), project=OTHER_PROJECT, is_closed=True)
    broken = harvest.log(petra, "1", str(monday), project=OTHER_PROJECT, is_closed=True)
    await world.time_sweep()
    assert set(world.lines(gone, broken)) == {gone, broken}
    harvest.delete(gone)
    real = harvest.entries

    def without_an_id(since: str, first: str, last: str) -> list[dict[str, Any]]:
        """Where days are compared."""
        return [
            {**item, "id": None} if first and item["id"] == broken else item
            for item in real(since, first, last)
        ]

    with monkeypatch.context() as patch:
        patch.setattr(harvest, "entries", without_an_id)
        await world.time_sweep()
        waiting = await world.event(f"days-{monday}", EventOutcome.PARKED)
        assert "a time entry without an id" in waiting.delivery.why
    assert set(world.lines(gone, broken)) == {broken}, "the later week was compared"
    await events.deliver_again(world.client, f"harvest/days-{monday}", by="ole@northwind.example")
    await world.event(f"days-{monday}", EventOutcome.NOTHING_TO_DO)


async def test_an_approved_hour_becomes_an_invoiced_one(world: TimeWorld) -> None:
    """Nobody is stopped by an unknown project; withdrawn hours are not billed, corrected ones are
    billed by their difference."""
    harvest, first, second = world.harvest, str(month(1)), str(month(2))
    petra = harvest.add_person("Petra Developer", "Petra@Northwind.example")
    kept = harvest.log(petra, "8", first, project=PROJECT, notes="Wired it", is_closed=True)
    taken_back = harvest.log(petra, "4", first, project=PROJECT, is_closed=True)
    draft = harvest.log(petra, "2", first, project=PROJECT)
    internal = harvest.log(petra, "1", first, project=INTERNAL, is_closed=True)
    for _ in range(2):
        harvest.log(petra, "1", first, project=UNKNOWN_PROJECT, is_closed=True)
    await world.time_sweep()
    unknown = await world.event(f"project-{UNKNOWN_PROJECT}", EventOutcome.PARKED)
    assert '"77" = "<contract>/<milestone or plan>"' in unknown.delivery.why
    assert "[time_project_unknown]" in unknown.delivery.why
    await world.event(f"project-{PROJECT}", EventOutcome.PARKED)  # its contract is not there yet
    assert world.lines(kept, taken_back) == {}

    workflow_id = await world.active(hourly() | {"contract_id": contract_of(world.server)})
    await world.event(f"project-{PROJECT}", EventOutcome.APPLIED)
    found = world.lines(kept, taken_back, draft, internal)
    assert {entry: line[:2] for entry, line in found.items()} == {
        kept: (8.0, True),
        taken_back: (4.0, True),
    }
    assert all(line[2] for line in found.values()), "each is on the plan's order line"

    harvest.withdraw(taken_back)
    await world.time_sweep()
    assert {entry: line[:2] for entry, line in world.lines(kept, taken_back).items()} == {
        kept: (8.0, True),
        taken_back: (4.0, False),
    }
    await world.skip_to(workflow_id, month(2))
    bill = await world.issue(workflow_id, 1)
    assert lines_of(bill) == [("dev", "960.00")]

    harvest.change(kept, hours="6.5")
    late = harvest.log(petra, "1", second, project=PROJECT, is_closed=True)
    again = await world.time_sweep()
    assert again.started == 2
    await world.skip_to(workflow_id, month(3))
    second_bill = await world.issue(workflow_id, 2)
    assert sum(line.amount.amount for line in second_bill.proposal.lines) == 120 - 180
    assert world.lines(late)[late][0] == 1.0
    assert (await world.time_sweep()).started == 0, "nothing is written where nothing changed"

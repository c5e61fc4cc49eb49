"""A firm with every system around c2c, each of which can be away for an hour.

Between c2c and each system there is a wire that can be cut; people keep working on the other side
of it. The gateway and Temporal are processes that can be killed. An hour passes by Temporal's time
skipping: whatever waits makes every attempt that it would make in an hour of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel
from temporalio.client import ScheduleActionExecutionStartWorkflow
from temporalio.service import RPCError
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from contracts.events import EventOutcome, EventRecord
from contracts.identifiers import EVENT_PREFIX, contract_workflow_id, deal_contract_id
from contracts.model import Source
from faultlab.processes import GatewayServer, TemporalServer
from gateways.connectors import Group, Preparable, Surroundings, connector
from gateways.crm.protocol import Crm
from gateways.throttle import Throttle
from sandbox.clearing_books import clearing_books
from sandbox.conformance.crm import CrmRemote, Deal, Line
from sandbox.conformance.esign import EsignRemote
from sandbox.conformance.payments import PaymentsRemote
from sandbox.conformance.remote import NAME, Delivery, Remote
from sandbox.conformance.timesheets import TimesheetRemote
from sandbox.proxy import PASSED, Fate, Kind, Proxy, Request
from starters import schedules
from starters.client import events
from tests.connectors.test_clockify import ClockifyRemote
from tests.connectors.test_docusign import DocuSignRemote
from tests.connectors.test_dropbox_sign import DropboxSignRemote
from tests.connectors.test_dynamics import DynamicsRemote
from tests.connectors.test_gocardless import GoCardlessRemote
from tests.connectors.test_harvest import HarvestRemote
from tests.connectors.test_hubspot import HubSpotRemote
from tests.connectors.test_odoo_crm import OdooCrmRemote
from tests.connectors.test_salesforce import SalesforceRemote
from tests.connectors.test_stripe import StripeRemote
from tests.processes import environment
from tests.servers import OdooServer
from tests.unit.web.signing import SECRET, STANDARD_SECRET, standard_headers
from tests.world import ENTITY, World, belgian_vat, unique
from wiring import remotes
from wiring.settings import Settings, load_settings
from workers import worker

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WITHIN_SECONDS = 150.0

ODOO, ODOO_CRM, DOCUSIGN = "odoo", "odoo-crm", "docusign"
HUBSPOT = NAME
"""The name that its remote signs webhooks for."""
CRMS: Mapping[str, type[CrmRemote]] = {
    "salesforce": SalesforceRemote,
    "dynamics": DynamicsRemote,
    HUBSPOT: HubSpotRemote,
    ODOO_CRM: OdooCrmRemote,
}
ESIGNS: Mapping[str, type[EsignRemote]] = {
    DOCUSIGN: DocuSignRemote,
    "dropbox-sign": DropboxSignRemote,
}
PROCESSORS: Mapping[str, type[PaymentsRemote]] = {
    "stripe": StripeRemote,
    "gocardless": GoCardlessRemote,
}
TIME_SYSTEMS: Mapping[str, type[TimesheetRemote]] = {
    "harvest": HarvestRemote,
    "clockify": ClockifyRemote,
}
TIMED = {name: unique(f"TIME-{name}") for name in TIME_SYSTEMS}
"""The contract that all hours of a time system belong to, on its plan `dev`."""
_PROJECTS = {"harvest": "14307913", "clockify": "5b641568b07987035750505e"}
SIGNED_DEALS = {name: f"deals-{name}" for name in ESIGNS}
"""A CRM for each service for signatures, whose deals wait for its envelopes."""
TICKETS = "tickets"

PUBLIC_URL = "https://c2c.example"
_ADOPTED = "2020-01-01"
_SKIPS = 10_000

Concerned = Callable[[Request], bool]


def _all(_: Request) -> bool:
    return True


class Wire:
    """Between c2c and a system. While it is cut, calls end without an answer or with a 503 of
    something in between, in turn; `refused` counts them, `passed` the others."""

    def __init__(self, address: str) -> None:
        self._proxy = Proxy(address, fate_of=self._fate_of, keeps_host=True)
        self._is_cut_for: Concerned | None = None
        self.refused = self.passed = 0
        self.url = ""

    def _fate_of(self, request: Request) -> Fate:
        if self._is_cut_for is None or not self._is_cut_for(request):
            self.passed += 1
            return PASSED
        self.refused += 1
        if self.refused % 2:
            return Fate(Kind.CUT_BEFORE)
        return Fate(Kind.STATUS, status=503, headers={"Content-Type": "text/html"}, body=b"<html>")

    @contextlib.contextmanager
    def cut(self, concerned: Concerned = _all) -> Iterator[None]:
        self.refused, self._is_cut_for = 0, concerned
        yield
        self._is_cut_for = None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Wire]:
        self.url = await self._proxy.start()
        yield self
        await self._proxy.stop()


class _Reads(BaseModel):
    """What every sweep asks for, among other things."""

    since: datetime


@dataclass
class Firm(World):
    """The whole product with all its connectors, the systems, and what people do there."""

    temporal: TemporalServer
    gateway: GatewayServer
    wires: Mapping[str, Wire]
    remotes: Mapping[str, Remote]
    settings: Settings
    environment: Mapping[str, str]

    @contextlib.contextmanager
    def away(self, *systems: str) -> Iterator[list[Wire]]:
        """These systems cannot be reached."""
        with contextlib.ExitStack() as stack:
            for name in systems:
                stack.enter_context(self.wires[name].cut())
            yield [self.wires[name] for name in systems]

    async def passes(self, duration: timedelta, *workflow_ids: str) -> None:
        """Let time pass for workflows that run, as far as they live."""
        await asyncio.gather(*(self._passes(duration, item) for item in workflow_ids))

    async def _passes(self, duration: timedelta, workflow_id: str) -> None:
        handle = self.client.get_workflow_handle(workflow_id)
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                await self.time.fast_forward(handle, duration)
        except RPCError as error:
            if "already completed" not in error.message:
                raise

    # --- CRMs and services for signatures

    def crm(self, system: str) -> CrmRemote:
        found = self.remotes[system]
        assert isinstance(found, CrmRemote)
        return found

    def esign(self, system: str) -> EsignRemote:
        found = self.remotes[system]
        assert isinstance(found, EsignRemote)
        return found

    def processor(self, system: str) -> PaymentsRemote:
        found = self.remotes[system]
        assert isinstance(found, PaymentsRemote)
        return found

    def time_system(self, system: str) -> TimesheetRemote:
        found = self.remotes[system]
        assert isinstance(found, TimesheetRemote)
        return found

    async def approved(self, system: str, hours: str) -> str:
        """An entry of today's, approved."""

        def work() -> str:
            remote = self.time_system(system)
            entry = remote.log(hours, datetime.now(UTC).date())
            remote.approve(entry)
            return entry

        return await asyncio.to_thread(work)

    async def hours(self, contract: str, system: str) -> dict[str, float]:
        """What Odoo has of a time system in the project of this contract, by entry."""
        project = (await self.contract(contract)).odoo.project_id
        rows = self.admin.search_read(
            "account.analytic.line",
            [
                ("project_id", "=", project),
                ("ref", "=like", f"{system} %"),
                ("x_approved", "=", True),
            ],
            ["ref", "unit_amount"],
        )
        return {row["ref"].removeprefix(f"{system} "): row["unit_amount"] for row in rows}

    async def deal(self, system: str) -> str:
        """A won deal of one service, billed as a whole."""
        name = unique("Deal")
        deal = Deal(
            title=name,
            customer=f"Acme {name}",
            vat_number=belgian_vat(),
            email=f"{name.lower()}@{name.lower()}.example.com",
            lines=(Line("BUILD", "Build", Decimal("1000.00")),),
        )
        return await asyncio.to_thread(self.crm(system).add, deal)

    async def sent(self, system: str, deal: str) -> str:
        """An envelope that signs a deal of the CRM beside this service."""
        source = Source(system=SIGNED_DEALS[system], id=deal)
        people = {"Ada Client": "ada@client.example"}
        return await asyncio.to_thread(self.esign(system).send, source, people)

    async def signed(self, system: str, envelope_id: str) -> None:
        await asyncio.to_thread(self.esign(system).sign, envelope_id)

    async def shows(self, system: str, deal: str, **wanted: str) -> None:
        """Wait until the deal shows these."""

        async def look() -> dict[str, str]:
            return _without_prefix(await asyncio.to_thread(self.crm(system).shown, deal))

        await self.until(look, lambda shown: wanted.items() <= shown.items())

    async def end_sessions(self, system: str) -> None:
        """What we signed in with there ends, as it does within an hour."""
        if "end_sessions" not in self.remotes[system].cannot:
            await asyncio.to_thread(self.remotes[system].end_sessions)

    # --- webhooks

    async def post(self, system: str, sent: Delivery) -> httpx.Response:
        """Deliver a webhook once. Raises httpx.TransportError while the gateway is away."""
        address, headers = f"{self.gateway.url}/webhooks/{system}", dict(sent.headers)
        async with httpx.AsyncClient(trust_env=False, timeout=WITHIN_SECONDS) as http:
            return await http.post(address, content=sent.body, headers=headers)

    def webhook(self, system: str, record_id: str) -> Delivery:
        """What a CRM or a service for signatures says of a record, as it is now."""
        return self.remotes[system].webhook(record_id, SECRET)

    def milestone_reached(self, event_id: str, workflow_id: str, at: datetime) -> Delivery:
        """What a delivery tool says of the milestone `all`, which was reached at a time."""
        data = {"contract": workflow_id.removeprefix("contract/"), "milestone": "all"}
        event = {"type": "milestone.reached", "timestamp": at.isoformat(), "data": data}
        body = json.dumps(event).encode()
        return Delivery(body, standard_headers(body, datetime.now(UTC), id=event_id))

    def payment_seen(self, invoice_id: int) -> tuple[str, Delivery]:
        """What an automation rule of Odoo's says of an invoice, and where to."""
        body = json.dumps({"_model": "account.move", "_id": invoice_id}).encode()
        return f"{ODOO}?secret={SECRET}", Delivery(body, {})

    async def event(self, event_id: str, *outcomes: EventOutcome) -> EventRecord:
        """The event once it came to one of these."""

        async def look() -> EventRecord:
            return await events.show(self.client, event_id)

        return await self.until(look, lambda record: record.delivery.outcome in outcomes)

    # --- what runs

    async def swept(self, schedule: str) -> str:
        """Let a schedule start its sweep; the id of the workflow."""
        handle = self.client.get_schedule_handle(schedule)
        before = (await handle.describe()).info.num_actions
        await handle.trigger()

        async def started() -> list[str]:
            info = (await handle.describe()).info
            actions = [item.action for item in info.recent_actions]
            return [
                item.workflow_id
                for item in actions[-1:]
                if info.num_actions > before
                and isinstance(item, ScheduleActionExecutionStartWorkflow)
            ]

        [workflow_id] = await self.until(started, bool)
        return str(workflow_id)

    async def since(self, sweep: str) -> datetime:
        """From when on a sweep reads what changed."""
        async for event in self.client.get_workflow_handle(sweep).fetch_history_events():
            if event.HasField("activity_task_scheduled_event_attributes"):
                payloads = event.activity_task_scheduled_event_attributes.input.payloads
                asked: list[_Reads] = await self.client.data_converter.decode(payloads, [_Reads])
                return asked[0].since
        raise AssertionError(f"{sweep} reads nothing")

    async def starts(self, workflow_id: str) -> int:
        """How often a workflow was started; what a run continued as is no start."""
        query = f"WorkflowId = '{workflow_id}' AND ExecutionStatus != 'ContinuedAsNew'"
        return (await self.client.count_workflows(query)).count


def contract_of(system: str, deal: str) -> str:
    return contract_workflow_id(ENTITY, deal_contract_id(system, deal))


def kept(answer: httpx.Response) -> str:
    """The id of the workflow of the one event that a webhook became."""
    assert answer.is_success, answer.text
    [event] = answer.json()["events"]
    return f"{EVENT_PREFIX}{event['id']}"


def crm_sweep(system: str) -> str:
    return f"c2c-crm-sweep-{system}"


def payments_sweep(system: str) -> str:
    return f"c2c-payments-sweep-{system}"


def time_sweep(system: str) -> str:
    return f"c2c-timesheets-sweep-{system}"


def esign_sweep(system: str) -> str:
    return f"c2c-esign-sweep-{system}"


def _without_prefix(shown: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix("c2c_"): text for name, text in shown.items()}


# --- the stack ------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def running(folder: Path, server: OdooServer) -> AsyncIterator[Firm]:
    """Temporal on a file, the gateway, workers with all connectors, and the systems."""
    async with contextlib.AsyncExitStack() as stack:
        # A connector's own pace goes by our clock, by which an hour takes seconds.
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(Throttle, "wait", lambda throttle: None)
        temporal = TemporalServer(folder)
        stack.callback(temporal.stop)
        client = await temporal.start()
        there = {name: stack.enter_context(_running(kind, server)) for name, kind in _kinds()}
        addresses = {ODOO: server.url, **{name: item.address for name, item in there.items()}}
        wires = {
            name: await stack.enter_async_context(Wire(address).open())
            for name, address in addresses.items()
        }
        gateway = GatewayServer(folder)
        variables = {
            **os.environ,
            **environment(client, server, sandboxed=True),
            **_configuration(wires, there, gateway),
        }
        settings = _settings(variables)
        stack.callback(gateway.stop)
        await gateway.start(variables)
        odoo = remotes.odoo(settings)
        stack.callback(odoo.close)
        gateways = remotes.gateways(settings, odoo)
        crms = {**gateways.crm, ODOO_CRM: _odoo_crm(settings, wires[ODOO_CRM])}
        gateways = replace(gateways, crm=crms)
        built: list[Preparable] = [*gateways.crm.values(), *gateways.esign.values()]
        for connected in built:
            await asyncio.to_thread(connected.ensure_setup)
        with contextlib.closing(server.client("admin")) as admin:
            await asyncio.to_thread(clearing_books, admin)
        await schedules.ensure_sweeps(client, settings)
        for sweep in schedules.sweeps(settings):  # each begins when a test asks for it
            await client.get_schedule_handle(sweep.id).pause()
        config = TimeSkippingConfig(
            enabled=False, disable_propagation=True, max_session_skip_count=_SKIPS
        )
        skipper = TimeSkipper(client, config=config)
        await stack.enter_async_context(worker.running(client, settings, gateways=gateways))
        yield Firm(
            client=skipper.client,
            time=skipper,
            server=server,
            temporal=temporal,
            gateway=gateway,
            wires=wires,
            remotes=there,
            settings=settings,
            environment=variables,
        )


def _kinds() -> Iterator[tuple[str, Any]]:
    yield from CRMS.items()
    yield from ESIGNS.items()
    yield from PROCESSORS.items()
    yield from TIME_SYSTEMS.items()
    for name in SIGNED_DEALS.values():
        yield name, HubSpotRemote


@contextlib.contextmanager
def _running(kind: Any, server: OdooServer) -> Iterator[Remote]:
    if kind is OdooCrmRemote:
        yield OdooCrmRemote(server)
    else:
        with kind.running() as remote:
            yield remote


def _odoo_crm(settings: Settings, wire: Wire) -> Crm:
    """Odoo's own CRM on a wire of its own, so that it can be away alone."""
    declared = connector(Group.CRM, ODOO_CRM)
    reached = settings.model_copy(
        update={"odoo": settings.odoo.model_copy(update={"url": wire.url})}
    )
    around = Surroundings(ODOO_CRM, settings.entities[ENTITY], remotes.odoo(reached))
    assert declared.build is not None
    found: Crm = declared.build(settings.crm[ODOO_CRM], around)
    return found


def _configuration(
    wires: Mapping[str, Wire], there: Mapping[str, Remote], gateway: GatewayServer
) -> dict[str, str]:
    """Every system behind its wire."""
    signed_by = {deals: name for name, deals in SIGNED_DEALS.items()}

    def table(name: str, **more: Any) -> dict[str, Any]:
        remote = there[name]
        given = {"kind": remote.connector.kind, "legal_entity": ENTITY, **more}
        given |= remote.settings(wires[name].url)
        if remote.connector.webhook is not None:
            given["webhook_secrets"] = [SECRET]
        return given

    crms = {name: table(name, closed_since=_ADOPTED) for name in CRMS}
    crms |= {
        deals: table(deals, closed_since=_ADOPTED, signature=name)
        for deals, name in signed_by.items()
    }
    senders = {
        TICKETS: {"kind": "events", "webhook_secrets": [STANDARD_SECRET]},
        ODOO: {"kind": "odoo", "webhook_secrets": [SECRET]},
    }
    return {
        "C2C_ODOO__URL": wires[ODOO].url,
        "C2C_CRM": json.dumps(crms),
        "C2C_ESIGN": json.dumps({name: table(name) for name in ESIGNS}),
        "C2C_PAYMENTS": json.dumps({name: table(name) for name in PROCESSORS}),
        "C2C_TIMESHEETS": json.dumps(
            {
                name: table(name, projects={_PROJECTS[name]: f"{TIMED[name]}/dev"})
                for name in TIME_SYSTEMS
            }
        ),
        "C2C_SENDER": json.dumps(senders),
        "C2C_WEB__PORT": str(gateway.port),
        "C2C_WEB__PUBLIC_URL": PUBLIC_URL,
    }


def _settings(variables: Mapping[str, str]) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        return load_settings()

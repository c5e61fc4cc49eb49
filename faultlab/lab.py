"""The stack a campaign runs in: all that the product needs, behind proxies, each part killable."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from contracts.identifiers import contract_of
from faultlab.books import Books, PostgresRows, SqliteRows
from faultlab.contract_generator import ENTITY
from faultlab.hosts import HOME, TEMPORAL, WEB, WORKERS, Hosts
from faultlab.ledger import Ledger
from faultlab.processes import (
    NAMESPACE,
    WORKFLOWS,
    GatewayServer,
    SandboxServer,
    TemporalServer,
    WorkerPool,
)
from faultlab.webhooks import EVENTS, HUBSPOT, STRIPE, Webhooks
from gateways.connectors import Group
from gateways.odoo import OdooClient
from gateways.odoo import connect as connect_odoo
from gateways.secrets import Secret
from sandbox import clock, real_odoo
from sandbox.clearing_books import FEES, JOURNAL, TRANSFER, ClearingBooks, clearing_books
from sandbox.conformance.serving import served
from sandbox.environ import settings_in
from sandbox.odoo.app import DATABASE
from sandbox.proxy import Proxy
from sandbox.real_odoo import RealOdoo
from sandbox.stack import CONFIG
from sandbox.stripe import StripeStore, stripe_app
from starters import environment as bindings
from starters import schedules
from starters.client import C2C
from wiring import remotes
from wiring.settings import Settings, SweepSettings
from workflows import task_queues

_SETTLEMENT = "settlement_days = 30"
"""As the stack's configuration has it. Here a paid invoice settles at once."""
_SWEEP_SECONDS = 10
BANK_ACCOUNT = "BE68539007547034"
_LOOK_SECONDS = 0.4
_SIGNS_OF_LIFE_SECONDS = 1.0
_MAX_LISTED = 1_000
"""As many as the server returns at once, and more than run at once."""


@dataclass
class Lab:
    """What runs, and the means to break it."""

    folder: Path
    temporal: TemporalServer
    sandbox: SandboxServer
    gateway: GatewayServer
    webhooks: Webhooks
    real: RealOdoo | None
    odoo_proxy: Proxy
    crm_proxy: Proxy
    stripe_proxy: Proxy
    stripe: StripeStore
    """The payment processor, in this process."""
    clearing: ClearingBooks
    client: Client
    workflow_workers: WorkerPool
    """Host the workflows."""
    activity_workers: WorkerPool
    """Host what speaks to Odoo and the CRM."""
    books: Books
    ledger: Ledger
    changes: ListedChanges
    clocks: TimeSkipper
    settings: Settings
    environment: Mapping[str, str]
    """What configures a process to use this stack."""
    hosts: Hosts | None = None
    """Where its processes are, if they are on hosts of their own."""
    odoo_mending: asyncio.Lock = field(default_factory=asyncio.Lock)
    temporal_mending: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a server is away, and by people who need it there."""

    @property
    def bank_files(self) -> Path:
        """The folder that files of the bank are put into."""
        return _bank_files(self.folder)

    @property
    def c2c(self) -> C2C:
        return C2C(self.client)

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        """One for Odoo and the CRM where they are the same stand-in."""
        return _distinct(self.odoo_proxy, self.crm_proxy, self.stripe_proxy)

    # --- people in Odoo ---------------------------------------------------------------------

    def odoo(self, login: str) -> OdooClient:
        """Odoo as one of the firm's people has it: not through the proxy."""
        return _odoo(self.sandbox, self.real, login)

    async def add_deal(self, deal: Mapping[str, object]) -> str:
        """A deal is won in the CRM; returns its id there."""
        async with httpx.AsyncClient(base_url=self.sandbox.url, trust_env=False) as http:
            answer = await http.post("/sandbox/deals", json=dict(deal))
            answer.raise_for_status()
            return str(answer.json()["id"])

    # --- breaking and mending -----------------------------------------------------------------

    async def restart_temporal(self, down_seconds: float = 0.0) -> None:
        """SIGKILL Temporal, and start it again on its file."""
        async with self.temporal_mending:
            self.temporal.kill()
            await asyncio.sleep(down_seconds)
            self.temporal.stop()
            await self.temporal.start()

    async def restart_gateway(self) -> None:
        """SIGKILL the web gateway in the middle of its requests, and start it again."""
        self.gateway.kill()
        self.gateway.stop()
        await self.gateway.start(self.environment)

    async def restart_odoo(self) -> None:
        """SIGKILL Odoo in the middle of its calls, and start it again."""
        async with self.odoo_mending:
            if self.real is None:
                self.sandbox.kill()
                self.sandbox.stop()
                await self.sandbox.start()
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.real.pid, signal.SIGKILL)
                await asyncio.to_thread(self.real.start_server)

    async def restart_postgres(self) -> None:
        """Stop PostgreSQL at once, as `pg_ctl -m immediate` does, and start it again: it recovers
        from its log. Odoo keeps running without it meanwhile."""
        assert self.real is not None
        postgres = self.real.postgres
        async with self.odoo_mending:
            os.kill(postgres.pid, signal.SIGQUIT)
            await asyncio.to_thread(postgres.stop)
            await asyncio.to_thread(postgres.start)


class ListedChanges:
    """Wakes those who wait for a workflow as soon as what is listed of it changes: one look at
    the whole list instead of a question to each workflow."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen: dict[str, bytes] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self._changed_at: dict[str, float] = {}

    async def watch(self) -> None:
        """Look again and again until cancelled."""
        while True:
            with contextlib.suppress(Exception):  # Temporal may be down: that is the campaign
                await self._look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        request = ListWorkflowExecutionsRequest(
            namespace=NAMESPACE, query="ExecutionStatus = 'Running'", page_size=_MAX_LISTED
        )
        listed = await self._client.workflow_service.list_workflow_executions(request)
        # Compared as they come: to decode each attribute of each would cost more than all else.
        there = {
            item.execution.workflow_id: item.execution.run_id.encode()
            + item.search_attributes.SerializeToString(deterministic=True)
            for item in listed.executions
        }
        for workflow_id in there.keys() | self._seen.keys():
            if there.get(workflow_id) != self._seen.get(workflow_id):
                self._changed_at[workflow_id] = time.monotonic()
                contract = contract_of(workflow_id)
                if contract in self._changed:
                    self._changed[contract].set()
        self._seen = there

    def unchanged_for(self, seconds: float) -> set[str]:
        """The workflows that run and have been listed as they are for so long."""
        since = time.monotonic() - seconds
        return {item for item in self._seen if self._changed_at[item] <= since}

    async def of(self, workflow_id: str, seconds: float) -> bool:
        """Wait so long at most for a change of a contract or an invoice; whether there was one."""
        event = self._changed.setdefault(workflow_id, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
        had = event.is_set()
        event.clear()
        return had


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    *,
    real: bool = False,
    mutation: str | None = None,
    worker_count: int = 1,
    on_hosts: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> AsyncIterator[Lab]:
    """A stack of its own in `folder`, on the sandbox or on a real Odoo, with so many workers for
    activities; or on hosts, two of which have a worker of each kind. Raises StackError."""
    folder.mkdir(parents=True, exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        hosts: Hosts | None = None
        if on_hosts:
            hosts = await asyncio.to_thread(Hosts)
            stack.callback(hosts.stop)
        say("Starting Temporal ...")
        temporal = TemporalServer(folder, hosts[TEMPORAL] if hosts else None)
        if hosts is not None:
            hosts.serve(temporal.port, on=TEMPORAL)
        stack.callback(temporal.stop)
        client = await temporal.start()
        sandbox = SandboxServer(folder)
        stack.callback(sandbox.stop)
        await sandbox.start()
        odoo = None
        if real:
            say("Starting a real Odoo 19 ...")
            odoo = await asyncio.to_thread(real_odoo.start, durable=True)
            stack.callback(odoo.stop)
        crm_proxy = Proxy(sandbox.url, signs_of_life_seconds=_SIGNS_OF_LIFE_SECONDS)
        odoo_proxy = (
            Proxy(odoo.url, signs_of_life_seconds=_SIGNS_OF_LIFE_SECONDS)
            if odoo is not None
            else crm_proxy
        )
        stripe = StripeStore()
        served_stripe = stack.enter_context(served(stripe_app(stripe)))
        stripe_proxy = Proxy(served_stripe, signs_of_life_seconds=_SIGNS_OF_LIFE_SECONDS)
        for proxy in _distinct(crm_proxy, odoo_proxy, stripe_proxy):
            await proxy.start()
            stack.push_async_callback(proxy.stop)
        gateway = GatewayServer(folder, hosts[WEB] if hosts else None)
        if hosts is not None:
            hosts.serve(gateway.port, on=WEB)
            for proxy in _distinct(crm_proxy, odoo_proxy, stripe_proxy):
                hosts.serve(proxy.port, on=HOME)
        webhooks = Webhooks(gateway.url, folder)
        environment = _environment(folder, temporal, sandbox, odoo, odoo_proxy, crm_proxy)
        environment |= _of_webhooks(webhooks, gateway)
        environment |= _of_bank(folder)
        environment["C2C_PAYMENTS"] = json.dumps(_of_stripe(webhooks, stripe_proxy, stripe))
        settings = _settings(environment)
        await asyncio.to_thread(_prepare_crm, settings)
        # Not through the proxy, whose time-outs are for a server that is warm.
        with contextlib.closing(_odoo(sandbox, odoo, "c2c")) as direct:
            await bindings.ensure_bound(client, settings, direct, moves=False)
        await schedules.ensure_sweeps(client, settings)
        stack.callback(gateway.stop)
        await gateway.start(environment)
        apart = [hosts[name] for name in WORKERS] if hosts is not None else None
        workflow_workers = WorkerPool(
            apart or [None], WORKFLOWS, environment, folder / "workflow_workers.log", mutation
        )
        activity_workers = WorkerPool(
            apart or [None] * worker_count,
            task_queues.REMOTES,
            environment,
            folder / "activity_workers.log",
            mutation,
        )
        for workers in (workflow_workers, activity_workers):
            stack.callback(workers.stop)
            await workers.start()
            keeping = asyncio.create_task(workers.keep())
            stack.callback(keeping.cancel)
        changes = ListedChanges(client)
        watching = asyncio.create_task(changes.watch())
        stack.callback(watching.cancel)
        clearing = await asyncio.to_thread(_clearing, settings, sandbox, odoo)
        rows = PostgresRows(odoo) if odoo is not None else SqliteRows(sandbox.database)
        yield Lab(
            folder=folder,
            temporal=temporal,
            sandbox=sandbox,
            gateway=gateway,
            webhooks=webhooks,
            real=odoo,
            odoo_proxy=odoo_proxy,
            crm_proxy=crm_proxy,
            stripe_proxy=stripe_proxy,
            stripe=stripe,
            clearing=clearing,
            client=client,
            workflow_workers=workflow_workers,
            activity_workers=activity_workers,
            books=Books(rows),
            ledger=Ledger(client),
            changes=changes,
            clocks=TimeSkipper(client, config=clock.BY_HAND),
            settings=settings,
            environment=environment,
            hosts=hosts,
        )


def _environment(
    folder: Path,
    temporal: TemporalServer,
    sandbox: SandboxServer,
    odoo: RealOdoo | None,
    odoo_proxy: Proxy,
    crm_proxy: Proxy,
) -> dict[str, str]:
    """What configures a process to use this stack."""
    config = folder / "c2c.toml"
    config.write_text(CONFIG.read_text().replace(_SETTLEMENT, "settlement_days = 0"))
    return {
        **os.environ,
        "TEMPORAL_ADDRESS": temporal.address,
        "TEMPORAL_NAMESPACE": NAMESPACE,
        "C2C_CONFIG": str(config),
        "C2C_ODOO__URL": odoo_proxy.url,
        "C2C_ODOO__DATABASE": odoo.database if odoo else DATABASE,
        "C2C_ODOO__API_KEY_FILE": str(odoo.keys["c2c"] if odoo else sandbox.key_file("c2c")),
        "C2C_ODOO__READ_TIMEOUT_SECONDS": "45",
        "C2C_CRM__HUBSPOT__URL": f"{crm_proxy.url}/hubspot",
        "C2C_CRM__HUBSPOT__API_KEY_FILE": str(sandbox.key_file("hubspot")),
        "C2C_CRM__HUBSPOT__LEGAL_ENTITY": ENTITY,
        "C2C_CRM__HUBSPOT__CLOSED_SINCE": "2020-01-01",
    }


def _of_webhooks(webhooks: Webhooks, gateway: GatewayServer) -> dict[str, str]:
    """Where the gateway listens, and who sends what to it."""
    sender = {"kind": "events", "webhook_secret_files": [str(webhooks.secret_file(EVENTS))]}
    return {
        "C2C_WEB__PORT": str(gateway.port),
        "C2C_WEB__PUBLIC_URL": gateway.url,
        "C2C_SENDER": json.dumps({EVENTS: sender}),
        "C2C_CRM__HUBSPOT__WEBHOOK_SECRET_FILES": json.dumps([str(webhooks.secret_file(HUBSPOT))]),
    }


def _bank_files(folder: Path) -> Path:
    return folder / "bank"


def _of_bank(folder: Path) -> dict[str, str]:
    """A folder that a bank's files are put into."""
    for name in ("done", "refused"):
        (_bank_files(folder) / name).mkdir(parents=True)
    inbox = {
        "kind": "folder",
        "legal_entity": "northwind",
        "folder": str(_bank_files(folder)),
        "accounts": {BANK_ACCOUNT: "BNK1"},
    }
    return {"C2C_BANK": json.dumps({"inbox": inbox})}


def _of_stripe(webhooks: Webhooks, proxy: Proxy, stripe: StripeStore) -> dict[str, Any]:
    """The payment processor, by whose links every invoice can be paid."""
    table = {
        "kind": "stripe",
        "url": proxy.url,
        "legal_entity": ENTITY,
        "api_key": stripe.api_key,
        "webhook_secret_files": [str(webhooks.secret_file(STRIPE))],
        "journal": JOURNAL,
        "fee_account": FEES,
        "payout_account": TRANSFER,
        "links": True,
    }
    return {STRIPE: table}


def _settings(environment: Mapping[str, str]) -> Settings:
    settings = settings_in(environment)
    every = _SWEEP_SECONDS
    sweeps = SweepSettings(
        odoo_seconds=every, crm_seconds=every, payments_seconds=every, bank_seconds=every
    )
    return settings.model_copy(update={"sweeps": sweeps})


def _distinct(*proxies: Proxy) -> tuple[Proxy, ...]:
    return tuple({id(proxy): proxy for proxy in proxies}.values())


def _odoo(sandbox: SandboxServer, real: RealOdoo | None, login: str) -> OdooClient:
    if real is not None:
        return connect_odoo(real.url, real.database, Secret.file(real.keys[login]))
    return connect_odoo(sandbox.url, DATABASE, Secret.file(sandbox.key_file(login)))


def _clearing(settings: Settings, sandbox: SandboxServer, real: RealOdoo | None) -> ClearingBooks:
    """The books of the payment processor, set up by an administrator."""
    name = settings.entities[ENTITY].odoo_company
    with contextlib.closing(_odoo(sandbox, real, "admin")) as admin:
        [company] = admin.search_read("res.company", [("name", "=", name)], ["id"])
        return clearing_books(admin, company["id"])


def _prepare_crm(settings: Settings) -> None:
    """Create the custom properties, as `c2c setup --connectors` does for a real account."""
    with contextlib.closing(remotes.odoo(settings)) as odoo:
        for crm in remotes.built(settings, Group.CRM, odoo).values():
            crm.ensure_setup()

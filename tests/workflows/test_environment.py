"""A namespace and an Odoo belong to each other, and a worker serves no other."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from contracts.contract.state import ContractStage
from contracts.environment import WORKFLOW_ID
from gateways.odoo import mark
from gateways.odoo.mark import Mark
from sandbox import clock
from starters import environment as bindings
from starters.findings import Did, SetupRefused, Verdict
from tests.conftest import settings_for
from tests.servers import OdooServer
from tests.temporal import end_all, new_namespace
from tests.world import World, single
from wiring import environment, remotes
from wiring.settings import ConfigurationError, Settings
from workers import worker


@pytest.fixture
def settings(odoo_server: OdooServer) -> Iterator[Settings]:
    """Of an Odoo that belongs to nobody, as a new one; other tests may bind it afterwards."""
    odoo_server.unbind()
    yield settings_for(odoo_server)
    odoo_server.unbind()


@pytest.fixture(scope="module")
async def namespaces(temporal_client: Client) -> AsyncIterator[tuple[Client, Client]]:
    pair = [await new_namespace(temporal_client, name) for name in ("one", "another")]
    yield pair[0], pair[1]
    for namespace in pair:
        await end_all(namespace)


@pytest.fixture
async def client(namespaces: tuple[Client, Client]) -> AsyncIterator[Client]:
    """A namespace that is bound to nothing yet."""
    yield namespaces[0]
    with contextlib.suppress(Exception):
        await namespaces[0].get_workflow_handle(WORKFLOW_ID).terminate()


async def refusal(client: Client, settings: Settings) -> str:
    with pytest.raises(SetupRefused) as caught:
        await bindings.bind(client, settings)
    return str(caught.value)


async def test_a_namespace_is_bound_once(client: Client, settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="not bound to an Odoo yet: run c2c setup"):
        await environment.check(client, settings)
    assert (await bindings.bind(client, settings)).did is Did.CREATED
    assert (await bindings.bind(client, settings)).did is Did.UNCHANGED
    bound = await environment.check(client, settings)
    with contextlib.closing(remotes.odoo(settings, mark=bound.mark)) as odoo:
        assert (await bindings.check(client, settings, odoo)).verdict is Verdict.OK
        assert mark.read(odoo) == Mark(bound.mark, "production")
        [row] = odoo.search_read(
            "res.partner", [("ref", "=like", "c2c-%"), ("active", "=", False)], ["name"]
        )
    assert row["name"] == "Contract to Cash: production", "nobody meets it among the contacts"


async def test_an_odoo_of_another_namespace_is_refused(
    namespaces: tuple[Client, Client], client: Client, settings: Settings
) -> None:
    """As a copy, which carries the mark of the Odoo that it was made of."""
    await bindings.bind(client, settings)
    said = await refusal(namespaces[1], settings)
    assert "belongs to environment production, by another namespace" in said
    assert "c2c setup --neutralise" in said
    assert await environment.bound(namespaces[1]) is None


async def test_another_address_or_name_is_refused_until_it_is_said_to_have_moved(
    client: Client, settings: Settings
) -> None:
    await bindings.bind(client, settings)
    elsewhere = settings.odoo.model_copy(
        update={"url": settings.odoo.url.replace("127.0.0.1", "localhost")}
    )
    for changed, difference in (
        ({"odoo": elsewhere}, "belongs to the Odoo at http://127.0.0.1"),
        ({"environment": "acceptance"}, "is environment production, and environment says"),
    ):
        others = settings.model_copy(update=changed)
        with pytest.raises(ConfigurationError, match=difference):
            await environment.check(client, others)
        assert difference in await refusal(client, others)
        assert (await bindings.bind(client, others, moves=True)).did is Did.UPDATED
        await environment.check(client, others)
        await bindings.bind(client, settings, moves=True)


async def test_binding_goes_on_where_it_was_cut_off(client: Client, settings: Settings) -> None:
    await bindings.bind(client, settings)
    await client.get_workflow_handle(WORKFLOW_ID).terminate()
    assert (await bindings.bind(client, settings)).did is Did.CREATED
    with contextlib.closing(remotes.odoo(settings)) as odoo:
        mark.remove(odoo)
        found = await bindings.check(client, settings, odoo)
        assert (found.verdict, "carries no mark" in found.detail) == (Verdict.MISSING, True)
        assert (await bindings.bind(client, settings)).did is Did.UPDATED
        assert (await bindings.check(client, settings, odoo)).verdict is Verdict.OK


async def test_nothing_is_done_in_a_database_that_was_exchanged(
    client: Client, settings: Settings, odoo_server: OdooServer
) -> None:
    """The contract waits, and goes on by itself in its own."""
    await bindings.bind(client, settings)
    bound = await environment.check(client, settings)
    with contextlib.closing(odoo_server.client()) as odoo:
        mark.write(odoo, Mark("another", "acceptance"))
        ours = remotes.odoo(settings, mark=bound.mark)
        skipper = TimeSkipper(client, config=clock.BY_HAND)
        world = World(client=skipper.client, time=skipper, server=odoo_server)
        gateways = remotes.gateways(settings, ours)
        async with worker.running(client, settings, gateways=gateways):
            contract = await world.start(single())
            parked = await world.parked(contract)
            assert (parked.kind, parked.code) == ("credentials", "other_database")
            assert "belongs to environment acceptance" in parked.message
            mark.write(odoo, Mark(bound.mark, "production"))
            await world.skip(contract, minutes=2)
            await world.stage(contract, ContractStage.ACTIVE)
            await world.cancel(contract)

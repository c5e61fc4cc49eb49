"""A copy of production's Odoo that somebody restored for tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from temporalio.client import Client

from gateways.errors import GatewayError
from gateways.odoo import mark
from gateways.secrets import Secret
from sandbox import real_odoo
from sandbox.real_odoo import RealOdoo
from starters import environment as bindings
from starters.findings import Change, Did, SetupRefused
from tests.conftest import settings_for
from tests.servers import RealServer
from tests.temporal import end_all, new_namespace
from wiring import environment, remotes
from wiring.settings import ConfigurationError

pytestmark = pytest.mark.real


@pytest.fixture
def odoo() -> Iterator[RealOdoo]:
    """One of its own, which may become another."""
    with real_odoo.start() as odoo:
        yield odoo


async def test_a_copy_is_neither_billed_in_nor_mailed_from_until_it_is_safe(
    odoo: RealOdoo, temporal_client: Client
) -> None:
    production, tests = [
        await new_namespace(temporal_client, name) for name in ("production", "tests")
    ]
    original = settings_for(RealServer(odoo))
    await bindings.bind(production, original)
    bound = await environment.check(production, original)
    odoo.psql(
        "INSERT INTO mail_mail (mail_message_id, state, email_to)"
        " SELECT id, 'outgoing', 'customer@acme.example' FROM mail_message LIMIT 1"
    )
    odoo.restore_copy("copy")
    copied = settings_for(RealServer(odoo)).model_copy(update={"environment": "tests"})

    # Production's workers: pointed at the copy on purpose, or because it is in its place.
    with pytest.raises(ConfigurationError, match="database copy"):
        await environment.check(production, copied.model_copy(update={"environment": "production"}))
    # A worker of the tests' namespace.
    with pytest.raises(SetupRefused, match="belongs to environment production"):
        await bindings.bind(tests, copied)
    with contextlib.closing(remotes.odoo(copied, mark="of the tests")) as guarded:
        with pytest.raises(GatewayError) as caught:
            guarded.create("res.partner", [{"name": "Nobody"}])
        assert caught.value.code == "other_database"

    key = Secret.file(odoo.keys["admin"])
    changes = {item.name: item for item in bindings.neutralise(copied, key)}
    assert changes["waiting mails"] == Change(
        "copy", "waiting mails", Did.UPDATED, "1 switched off"
    )
    assert changes["scheduled actions"].did is Did.UPDATED
    assert odoo.psql("SELECT count(*) FROM mail_mail WHERE state = 'outgoing'").strip() == "0"
    assert (
        odoo.psql("SELECT DISTINCT smtp_host FROM ir_mail_server WHERE active").strip() == "invalid"
    )
    assert odoo.psql("SELECT count(*) FROM ir_cron WHERE active").strip() == "1", "the vacuum's"
    flag = "SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'"
    assert odoo.psql(flag).strip() == "True"
    with pytest.raises(SetupRefused, match="nothing to make safe"):
        bindings.neutralise(copied, key)

    assert (await bindings.bind(tests, copied)).did is Did.CREATED
    own = await environment.check(tests, copied)
    assert own.mark != bound.mark
    with contextlib.closing(remotes.odoo(copied, mark=own.mark)) as served:
        found = mark.read(served)
    assert found is not None
    assert found.environment == "tests"
    for namespace in (production, tests):
        await end_all(namespace)

"""`c2c reconcile`: running contracts beside either Odoo."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from contracts.contract.state import require_id
from starters.cli import app
from starters.cli.errors import ExitCode
from tests.conftest import settings_for
from tests.world import ENTITY, World, odoo_order, single


@pytest.fixture
def c2c(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    settings = settings_for(world.server)
    monkeypatch.setenv("TEMPORAL_ADDRESS", world.client.service_client.config.target_host)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", world.client.namespace)
    monkeypatch.setattr("wiring.settings.load_settings", lambda: settings)
    return lambda *words: CliRunner().invoke(app, ["--entity", ENTITY, *words, "reconcile"])


async def test_what_people_changed_in_odoo_behind_a_contract_is_listed(
    world: World, c2c: Callable[..., Result]
) -> None:
    """Contracts of other tests are lost to this namespace, and are listed as such."""
    contract, other = single(), single()
    name, second = await world.active(contract), await world.active(other)
    for each in (name, second):
        await world.reach(each, "all")
        await world.issue(each, 1)

    async def differences(of: str) -> set[tuple[str, str]]:
        done = await asyncio.to_thread(c2c, "--json")
        [found] = json.loads(done.stdout)["entities"]
        assert found["contracts"] >= 2
        assert done.exit_code == (ExitCode.REFUSED if found["differences"] else ExitCode.OK)
        return {
            (item["kind"], item["record"])
            for item in found["differences"]
            if item["contract"] == of
        }

    assert await differences(name) == await differences(second) == set()
    state = await world.contract(name)
    invoice = require_id(state.invoices[1].invoice_id)
    world.accountant.call("account.move", "button_draft", [invoice])
    assert await differences(name) == {("invoice_not_posted", "invoice 1")}
    world.accountant.call("account.move", "button_cancel", [invoice])
    [order] = odoo_order(world.admin, name)
    world.admin.write("sale.order", [order["id"]], {"origin": "copied"})
    assert await differences(name) == {
        ("invoice_missing", "invoice 1"),
        ("order_missing", "order"),
        ("project_missing", "project"),
    }
    assert await differences(second) == set()
    shown = await asyncio.to_thread(c2c)
    assert "invoice missing" in shown.stdout
    assert "order missing: Odoo is older than the contract" in shown.stdout.replace("\n", " ")

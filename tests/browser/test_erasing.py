"""A customer is erased in Chromium, with and without scripts, on any screen."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from gateways.audit.entity_chain import EntityChain
from gateways.encryption.large_payloads import LargePayloads
from gateways.record_store.folder import FolderStore
from gateways.retention.customers import CustomerIndex
from gateways.retention.erasing import Eraser
from gateways.retention.settings import RetentionSettings
from sandbox.real_odoo.mailbox import free_port
from starters.erasing import Erasing
from tests.browser.conftest import every_screen, opened_window, served, watched
from tests.browser.test_access import ADMIN
from tests.unit.encryption.stores import CONTRACT, key_ring
from tests.unit.retention.executions import Executions
from tests.unit.web.login.configured import settings
from tests.unit.web.login.conftest import app_of

OPEN = "contract/northwind/C-1003"
SHOWN = "/erase?entity=northwind&customer=20001"


@pytest.fixture
def eraser(tmp_path: Path) -> Eraser:
    """Of what a customer has: a contract that has ended, and one that is open."""
    store = FolderStore(tmp_path)
    found = Eraser(store, key_ring(tmp_path), LargePayloads(store, larger_than=10))
    for contract in (CONTRACT, OPEN):
        found.ring.key_for(contract)
        CustomerIndex(store).note("20001", contract)
    return found


@contextlib.asynccontextmanager
async def serving(eraser: Eraser) -> AsyncIterator[str]:
    """The application with its login, over contracts that are made up."""
    port = free_port()
    app, _ = app_of(settings({"port": port}), lambda: datetime.now(UTC))
    app.state.temporal = Executions({CONTRACT: datetime(2026, 3, 2, 12, tzinfo=UTC), OPEN: None})
    app.state.workbench = replace(
        app.state.workbench, erasing=lambda client: Erasing(client, eraser, RetentionSettings())
    )
    app.state.links = [link for link in app.state.links if link.path == "/access"]
    async with served(app, port, lifespan="off") as site:
        yield site


async def test_the_page_is_accessible_on_any_screen_and_in_the_dark(
    browser: Browser, eraser: Eraser
) -> None:
    async with serving(eraser) as site:
        async for screen, visit in every_screen(browser, site):
            await visit.open("/login?to=/access")
            await visit.page.locator(f"button[value='{ADMIN}']").click()
            await visit.page.get_by_role("link", name="Erase a customer").click()
            await expect(visit.page.locator("h1")).to_have_text("Erase a customer")
            await visit.open(SHOWN)
            await expect(visit.page.get_by_text("Would be erased: 1")).to_be_visible()
            await visit.picture(f"erase-{screen}")
            await visit.check()


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_customer_is_erased_by_whoever_types_its_key(
    browser: Browser, eraser: Eraser, scripts: bool
) -> None:
    async with serving(eraser) as site:
        context = await opened_window(browser, scripts=scripts)
        visit = watched(await context.new_page(), site, scripts=scripts)
        await visit.open("/login?to=/access")
        await visit.page.locator(f"button[value='{ADMIN}']").click()
        await visit.open(SHOWN)
        await visit.page.get_by_label("Reason").fill("ticket 4711")
        await visit.page.get_by_label("Type the customer's key").fill("2000")
        await visit.page.get_by_role("button", name="Erase for good").click()
        await expect(visit.page.get_by_role("alert")).to_contain_text("Nothing was erased")
        assert len(list(eraser.ring.wrapped(CONTRACT))) == 1
        await visit.page.get_by_label("Type the customer's key").fill("20001")
        await visit.page.get_by_label("Leave those that may not be erased yet").check()
        await visit.page.get_by_role("button", name="Erase for good").click()
        await visit.outcome("1 contracts of 20001 were erased. 1 are left.")
        await visit.check()
        await context.close()
    assert [len(list(eraser.ring.wrapped(item))) for item in (CONTRACT, OPEN)] == [0, 1]
    whats = [item.what for item in EntityChain(eraser.store, "northwind").entries()]
    assert whats == ["customer_erased", "contract_erased"]

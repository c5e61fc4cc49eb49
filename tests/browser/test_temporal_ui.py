"""Temporal's own pages with the codec server: who is signed in as an operator reads there what a
contract says, and nobody else does."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page, expect

from gateways.identity.settings import IdentitySettings
from sandbox.real_odoo.mailbox import free_port
from starters.web import serving
from starters.web.app import application
from starters.web.login.wiring import signing_in
from starters.web.pages.workbench import Workbench
from tests import sealed
from tests.browser import firm, life
from tests.browser.conftest import SCREENSHOTS, opened_window, served
from tests.browser.firm import OLAF, VERA, sign_in
from tests.oidc import Judge
from tests.sealed import NAMESPACE, Sealed
from tests.servers import OdooServer
from tests.world import single
from wiring.settings import Settings, WebSettings

MARKED = "Quetzal Marionettes"
"""A customer's name, which Temporal must not know."""
CLIENT = "c2c-codec"


@dataclass(frozen=True)
class Pages:
    """Where Temporal's pages, the application, and the history of the contract are."""

    ui: str
    site: str
    history: str
    records: Path

    @property
    def codec(self) -> str:
        return f"{self.site}/codec"


@pytest.fixture(scope="module")
async def pages(
    sandbox_settings: Settings,
    odoo_server: OdooServer,
    judge: Judge,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Pages]:
    folder, port, ui_port = tmp_path_factory.mktemp("ui"), free_port(), free_port()
    ui, site = (f"http://127.0.0.1:{item}" for item in (ui_port, port))
    arguments = ("--ui-port", str(ui_port), "--ui-codec-endpoint", f"{site}/codec")
    firm.enrol(judge, CLIENT, site)
    async with contextlib.AsyncExitStack() as stack:
        running = sealed.running(folder, sandbox_settings, ui=arguments)
        server = await stack.enter_async_context(running)
        world = await stack.enter_async_context(sealed.world(server, odoo_server))
        workflow_id = await world.active(life.named(MARKED, "Stage", single()))
        run = (await server.client.get_workflow_handle(workflow_id).describe()).run_id
        await stack.enter_async_context(_codec(server, judge, port, ui))
        place = f"{ui}/namespaces/{NAMESPACE}/workflows/{quote(workflow_id, safe='')}/{run}"
        yield Pages(ui, site, f"{place}/history", server.records)


@contextlib.asynccontextmanager
async def _codec(server: Sealed, judge: Judge, port: int, ui: str) -> AsyncIterator[str]:
    """The application, whose codec server pages of `ui` may ask."""
    encryption = server.settings.encryption
    codec = encryption.codec.model_copy(update={"origins": (ui,)})
    settings = server.settings.model_copy(
        update={
            "web": WebSettings(port=port),
            "identity": IdentitySettings.model_validate(firm.identity(judge, CLIENT)),
            "encryption": encryption.model_copy(update={"codec": codec}),
        }
    )
    login = signing_in(settings)

    async def connect() -> object:
        return server.client

    app = application(
        settings.web,
        {},
        connect,
        codec=serving.codec_server(settings, login.identity),
        workbench=Workbench.of(settings),
        visits=login.identity,
        login=login.routes,
    )
    async with served(app, port) as address:
        yield address


async def test_an_operator_reads_a_contract_in_temporals_pages_and_that_is_recorded(
    browser: Browser, pages: Pages
) -> None:
    window = await opened_window(browser)
    page = await window.new_page()
    await sign_in(page, pages.site, OLAF)
    await page.goto(pages.history)
    # As it is started, the UI knows the codec server, and sends no cookie of ours to it.
    problem = page.locator("#content").get_by_text("Codec Server could not connect")
    await expect(problem).to_be_visible()
    await expect(page.locator("body")).not_to_contain_text(MARKED)
    await send_credentials(page, pages.codec)
    async with page.expect_response(f"{pages.codec}/decode*") as answer:
        await page.reload()
    assert (await answer.value).status == 200
    await expect(page.get_by_text(MARKED).first).to_be_visible()
    await expect(problem).to_have_count(0)
    if SCREENSHOTS:
        await page.screenshot(path=Path(SCREENSHOTS) / "temporal-ui.png")
    await window.close()
    found = [json.loads(item.read_text()) for item in pages.records.glob("decodes/*/*")]
    assert {entry["who"] for entry in found} == {OLAF}
    assert all(entry["keys"] for entry in found)


@pytest.mark.parametrize("person", [VERA, None])
async def test_nobody_else_reads_it_there(
    browser: Browser, pages: Pages, person: str | None
) -> None:
    window = await opened_window(browser)
    page = await window.new_page()
    if person is not None:
        await sign_in(page, pages.site, person)
    await page.goto(pages.history)
    await send_credentials(page, pages.codec)
    async with page.expect_response(f"{pages.codec}/decode*") as answer:
        await page.reload()
    refused = await answer.value
    # The page is allowed to read why.
    assert refused.status == (401 if person is None else 403)
    assert refused.headers["access-control-allow-origin"] == pages.ui
    await expect(page.locator("#content").get_by_text("ContractWorkflow").first).to_be_visible()
    await expect(page.locator("body")).not_to_contain_text(MARKED)
    await window.close()


async def test_another_page_reads_nothing_even_with_an_operators_cookie(
    browser: Browser, pages: Pages, site: str
) -> None:
    """`site` is the other application of these tests: the same machine, another port."""
    window = await opened_window(browser)
    page = await window.new_page()
    await sign_in(page, pages.site, OLAF)
    await page.goto(f"{site}/health")
    asked = """async (address) => {
        const body = JSON.stringify({payloads: []});
        const headers = {"Content-Type": "application/json"};
        const asked = {method: "POST", credentials: "include", mode: "cors", headers, body};
        try { return (await fetch(address, asked)).status } catch (error) { return error.name }
    }"""
    assert await page.evaluate(asked, f"{pages.codec}/decode") == "TypeError"
    await window.close()


async def send_credentials(page: Page, codec: str) -> None:
    """What the documentation says to choose in Temporal's pages."""
    await page.locator("[data-testid^='data-encoder-status']").first.click()
    dialog = page.locator("#modal-content-data-encoder-settings")
    await dialog.get_by_text("Use my browser setting").click()
    await dialog.locator("textarea").fill(codec)
    await dialog.get_by_text("Include cross-origin credentials").click()
    await page.get_by_test_id("confirm-modal-button").locator("visible=true").click()

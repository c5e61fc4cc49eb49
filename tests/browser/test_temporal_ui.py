"""Temporal's own pages with the codec server: who is signed in as an operator reads there what a
contract says, and nobody else does."""

from __future__ import annotations

import contextlib
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
from tests.browser.conftest import opened_window, served
from tests.browser.firm import OLAF, VERA, sign_in
from tests.oidc import Judge
from tests.servers import OdooServer
from tests.sealed import NAMESPACE, Sealed
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


async def test_explore(browser: Browser, pages: Pages) -> None:
    window = await opened_window(browser)
    page = await window.new_page()
    page.on("console", lambda said: print("CONSOLE", said.type, said.text[:300]))
    page.on("request", lambda r: print("REQ", r.method, r.url[:150]) if "codec" in r.url else None)
    page.on("response", lambda r: print("RES", r.status, r.url[:150]) if "codec" in r.url else None)
    await sign_in(page, pages.site, OLAF)
    await page.goto(pages.history)
    await page.wait_for_timeout(8000)
    await page.screenshot(path="/tmp/brow-shots/ui-1.png", full_page=True)
    print(await page.locator("body").inner_text())
    print([await b.get_attribute("aria-label") or await b.inner_text() for b in await page.get_by_role("button").all()])
    print(await page.evaluate("JSON.stringify(localStorage)"))

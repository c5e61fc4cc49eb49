"""A browser on the pages over real workflows, where people sign in with a provider of others."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.async_playwright import Axe
from fastapi import FastAPI
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from temporalio.client import Client
from temporalio.testing import TimeSkipper, WorkflowEnvironment

from sandbox import clock
from sandbox.real_odoo.mailbox import free_port
from sandbox.server import Sandbox
from starters.books import Books
from starters.kept import OLDEST_SECONDS, Kept
from starters.web import serving
from starters.web.app import application
from starters.web.login.wiring import signing_in
from starters.web.pages.workbench import Workbench
from tests import oidc
from tests.browser import firm
from tests.browser.firm import sign_in
from tests.oidc import Judge
from tests.servers import OdooServer
from tests.temporal import end_all
from tests.webhooks import SENDERS
from tests.world import World
from wiring import remotes
from wiring.settings import Settings
from workers import worker

WIDTHS = {"wide": 1200, "narrow": 390}
SCHEMES = ("light", "dark")
SCREENSHOTS = os.environ.get("SCREENSHOTS", "")
"""A folder for pictures of what is looked at; none are made without it."""
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
_PATIENCE_MILLISECONDS = 30_000
_NAME_IN_PICTURES = 60
_REFUSED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d ")

expect.set_options(timeout=_PATIENCE_MILLISECONDS)


def chromium() -> str:
    """The program: CHROMIUM names another."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
    assert found, "Chromium is missing: apt-get install chromium, or set CHROMIUM to its path"
    return found


# --- what runs ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    """The provider."""
    with oidc.started() as found:
        yield found


@pytest.fixture(scope="session")
def firm_settings(
    sandbox: Sandbox,
    sandbox_settings: Settings,
    judge: Judge,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    port, folder = free_port(), tmp_path_factory.mktemp("firm")
    firm.enrol(judge, firm.CLIENT, f"http://127.0.0.1:{port}")
    return firm.configured(sandbox_settings, sandbox, judge, port, folder)


@pytest.fixture(scope="session")
async def world(
    temporal: WorkflowEnvironment, odoo_server: OdooServer, firm_settings: Settings
) -> AsyncIterator[World]:
    """Workers that verify who sends what is signed; what tests send themselves is not."""
    skipper = TimeSkipper(temporal.client, config=clock.BY_HAND)
    gateways = remotes.gateways(firm_settings, remotes.odoo(firm_settings))
    gateways.crm[firm.DEALS].ensure_setup()
    async with worker.running(temporal.client, firm_settings, gateways=gateways):
        yield World(client=skipper.client, time=skipper, server=odoo_server)
    await end_all(temporal.client)
    gateways.odoo.close()


@pytest.fixture(scope="session")
async def site(world: World, firm_settings: Settings) -> AsyncIterator[str]:
    """The address of the application."""
    login = signing_in(firm_settings)
    app = application(
        firm_settings.web,
        SENDERS,
        lambda: _given(world.client),
        workbench=replace(
            Workbench.of(firm_settings, signing=serving.signing(firm_settings)),
            books=replace(Books.of(firm_settings), kept=Kept(_later_each_time)),
        ),
        visits=login.identity,
        login=login.routes,
    )
    async with served(app, firm_settings.web.port) as address:
        yield address


_later_each_time = partial(next, itertools.count(step=OLDEST_SECONDS))
"""A clock by which nothing of Odoo's is young: what a test did there is seen at once."""


async def _given(client: Client) -> Client:
    return client


@contextlib.asynccontextmanager
async def served(app: FastAPI, port: int, lifespan: Any = "on") -> AsyncIterator[str]:
    """The application at a port of this machine."""
    config = uvicorn.Config(app, port=port, log_config=None, lifespan=lifespan)
    server = uvicorn.Server(config)
    serving_ = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving_


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=chromium(), args=list(_ARGUMENTS)
        )
        yield started
        await started.close()


# --- somebody's page ------------------------------------------------------------------------------


@dataclass
class Visit:
    """One person's page. What the browser complains of is kept: a page gives it no reason to."""

    page: Page
    site: str
    scripts: bool = True
    complaints: list[str] = field(default_factory=list)

    async def open(self, address: str) -> None:
        await self.page.goto(f"{self.site}{address}", wait_until="load")

    async def picture(self, name: str) -> None:
        if SCREENSHOTS:
            folder = Path(SCREENSHOTS)
            folder.mkdir(parents=True, exist_ok=True)
            place = folder / f"{name[:_NAME_IN_PICTURES]}.png"
            await self.page.screenshot(path=place, full_page=True)

    async def check(self) -> None:
        """No violation of accessibility, nothing wider than the window, and no complaint."""
        if self.scripts:  # axe is one
            found = await Axe().run(self.page)
            assert found.violations_count == 0, found.generate_report()
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await self.page.evaluate(overflow) <= 0, "it is wider than the window"
        assert self.complaints == []

    async def another_tab(self) -> Visit:
        """The same person's, in the same browser."""
        return watched(await self.page.context.new_page(), self.site, scripts=self.scripts)

    async def outcome(self, *words: str) -> None:
        """What became of a form says so."""
        for text in words:
            await expect(self.page.locator("#outcome")).to_contain_text(text)


def watched(page: Page, site: str, *, scripts: bool = True) -> Visit:
    """A page whose browser's complaints are kept."""
    visit = Visit(page, site, scripts)
    page.on("console", lambda said: _complains(visit, said.type, said.text))
    page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    return visit


def _complains(visit: Visit, kind: str, text: str) -> None:
    # A form that is refused is answered with a status that says so.
    if kind in ("error", "warning") and not _REFUSED.match(text):
        visit.complaints.append(text)


Visiting = Callable[..., contextlib.AbstractAsyncContextManager[Visit]]


@pytest.fixture
def visiting(browser: Browser, site: str) -> Visiting:
    """Signs in: `visiting(person, width=..., scheme=..., scripts=...)`."""

    @contextlib.asynccontextmanager
    async def opened(
        person: str, *, width: int = 1200, scheme: str = "light", scripts: bool = True
    ) -> AsyncIterator[Visit]:
        context = await opened_window(browser, width=width, scheme=scheme, scripts=scripts)
        page = await context.new_page()
        await sign_in(page, site, person)
        yield watched(page, site, scripts=scripts)
        await context.close()

    return opened


async def opened_window(
    browser: Browser, *, width: int = 1200, scheme: str = "light", scripts: bool = True
) -> BrowserContext:
    """A browser that knows nobody yet."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=scripts,
    )
    context.set_default_timeout(_PATIENCE_MILLISECONDS)
    return context


async def every_screen(browser: Browser, site: str) -> AsyncIterator[tuple[str, Visit]]:
    """A visit by a browser that knows nobody yet, for each width and colour scheme, and what its
    pictures' names end with."""
    for (name, width), scheme in itertools.product(WIDTHS.items(), SCHEMES):
        context = await opened_window(browser, width=width, scheme=scheme)
        yield f"{name}-{scheme}", watched(await context.new_page(), site)
        await context.close()


async def eventually(ask: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(300):
        if await ask():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("waited in vain")

"""A browser on the pages over real workflows, and what waits in them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

from contracts.access import Role
from contracts.changes import ChangeOrder
from contracts.model import JsonObject
from starters.books import Books
from starters.web.app import application
from starters.web.login.personas import Persona
from starters.web.login.wiring import signing_in
from starters.web.pages.workbench import Workbench
from tests.world import ANA, World, contract_data, single
from wiring.settings import Settings, WebSettings

WIDTHS = {"wide": 1200, "narrow": 390}
SCHEMES = ("light", "dark")
SCREENSHOTS = os.environ.get("SCREENSHOTS", "")
"""A folder for pictures of what is looked at; none are made without it."""
PIA = "pia@northwind.example"
"""Of no approval rule, so that the list of people has her by name only."""
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")


def chromium() -> str:
    """The program: CHROMIUM names another."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
    assert found, "Chromium is missing: apt-get install chromium, or set CHROMIUM to its path"
    return found


@pytest.fixture(scope="session")
async def site(world: World, sandbox_settings: Settings) -> AsyncIterator[str]:
    """The address of the pages, where people sign in by the list of personas."""

    async def connect() -> Any:
        return world.client

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    web = WebSettings(port=port)
    login = signing_in(sandbox_settings.model_copy(update={"web": web}))
    roles = {"northwind": frozenset({Role.PROJECT_MANAGER})}
    login.identity.personas[PIA] = Persona(PIA, "Pia", roles)
    app = application(
        web,
        {},
        connect,
        workbench=Workbench(
            sandbox_settings.entities,
            "https://odoo.example",
            books=Books.of(sandbox_settings),
        ),
        visits=login.identity,
        login=login.routes,
    )
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: _started(server))
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


async def _started(server: uvicorn.Server) -> bool:
    return server.started


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=chromium(), args=list(_ARGUMENTS)
        )
        yield started
        await started.close()


@dataclass
class Visit:
    """One person's page. What the browser complains of is kept: a page gives it no reason to."""

    page: Page
    site: str
    complaints: list[str] = field(default_factory=list)

    async def open(self, address: str) -> None:
        await self.page.goto(f"{self.site}{address}", wait_until="load")

    async def picture(self, name: str) -> None:
        if SCREENSHOTS:
            folder = Path(SCREENSHOTS)
            folder.mkdir(parents=True, exist_ok=True)
            await self.page.screenshot(path=folder / f"{name}.png", full_page=True)

    async def check(self) -> None:
        """No violation of accessibility, nothing wider than the window, and no complaint."""
        found = await Axe().run(self.page)
        assert found.violations_count == 0, found.generate_report()
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await self.page.evaluate(overflow) <= 0
        assert self.complaints == []


Visiting = Callable[..., contextlib.AbstractAsyncContextManager[Visit]]


@pytest.fixture
def visiting(browser: Browser, site: str) -> Visiting:
    """Opens a page: `visiting(person, width=..., scheme=..., scripts=...)`."""

    @contextlib.asynccontextmanager
    async def opened(
        person: str, *, width: int = 1200, scheme: str = "light", scripts: bool = True
    ) -> AsyncIterator[Visit]:
        context = await browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=scripts,
        )
        page = await context.new_page()
        visit = Visit(page, site)
        await visit.open("/login")
        await page.locator(f"button[value='{person}']").click()
        await page.wait_for_url("**/inbox")
        page.on("console", lambda said: _complains(visit, said.type, said.text))
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        yield visit
        await context.close()

    return opened


def _complains(visit: Visit, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        visit.complaints.append(text)


@dataclass(frozen=True)
class Waiting:
    """Workflows that await approval: two invoices Ana may approve, one that directors must, and a
    change order that she asked for."""

    invoices: tuple[str, str]
    large: str
    contract: str


@pytest.fixture
async def waiting(world: World) -> Waiting:
    first, second = await asyncio.gather(
        world.proposed(_of("Harbour Logistics", "Warehouse roll-out", single())),
        world.proposed(_of("Meridian Partners", "Data platform", single(**_priced("8750.00")))),
    )
    large = await world.proposed(
        _of("Castellan Group", "ERP migration", single(**_priced("42000.00")))
    )
    contract = await world.active(_of("Osprey Robotics", "Support", contract_data()))
    order = ChangeOrder(number=1, by=ANA, reason="more work", reprice={"build": "3500.00 EUR"})
    await world.c2c.contract(contract).propose_change(order)
    await listed(world, {first, second, large, contract})
    return Waiting((first, second), large, contract)


def _of(customer: str, title: str, contract: JsonObject) -> JsonObject:
    """The contract of a named customer."""
    return {**contract, "title": title, "customer": {**contract["customer"], "name": customer}}


def _priced(amount: str) -> JsonObject:
    service = {"key": "s", "code": "BUILD", "description": "Build", "amount": amount}
    whole = {"key": "all", "name": "Go-live", "service": "s", "amount": amount}
    return {"value": amount, "services": [service], "milestones": [whole]}


async def listed(world: World, ids: set[str]) -> None:
    """Wait until lists, which lag a little, show these."""
    await eventually(lambda: _shown(world, ids))


async def _shown(world: World, ids: set[str]) -> bool:
    found = await world.c2c.approval_cards(legal_entities=["northwind"], unreadable=lambda *_: None)
    return ids <= {item.workflow_id for item in found.items}


async def eventually(ask: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(150):
        if await ask():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("waited in vain")

"""The pages of the audit record in Chromium: on any screen, in the dark, without scripts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.async_api import Browser, expect

from contracts.access import Role
from contracts.audit import records
from contracts.audit.entries import Entry, Who
from gateways.audit import anchoring
from gateways.audit.chains import Chains
from gateways.audit.reading import Reader
from gateways.record_store.folder import FolderStore
from starters.web.middleware import Around
from starters.web.pages import errors
from starters.web.pages.modules import add_pages
from starters.web.pages.workbench import Workbench
from starters.web.problems import add_handlers
from tests.browser.conftest import eventually, every_screen
from tests.visitors import FakeVisits, visitor

CORA = visitor("cora@northwind.example", northwind=Role.CONTROLLER)
CONTRACT, BROKEN = "contract/northwind/C-1", "contract/northwind/C-2"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class NoTemporal:
    """Temporal does not answer: the record is read all the same."""

    namespace = "default"

    def get_workflow_handle(self, *_: object) -> NoReturn:
        raise RuntimeError("no answer")


def kept(folder: Path) -> Chains:
    """A contract with an invoice and a long chain, anchored, and one that was changed."""
    chains = Chains(FolderStore(folder), None)
    ana = Who(
        person="ana@northwind.example",
        roles=("controller",),
        issuer="https://id.northwind.example/realms/northwind",
        subject="0b9e6f52-9f6e-4c56-a7a0-2f6f7c3b1d11",
        token_id="6f1d2a",
    )
    hold = Entry(
        at=NOON,
        what="hold_request",
        actor=ana,
        why="the customer asked for it",
        details={"kind": "billing"},
        after={"hold on billing": "until released"},
        content_hash="c0" * 32,
        source_hash="5e" * 32,
    )
    reports = [
        Entry(at=NOON + timedelta(hours=hour), what="usage_report", actor=ana)
        for hour in range(105)
    ]
    chains.write(CONTRACT, 0, "", [Entry(at=NOON, what="started"), hold, *reports])
    posted = Entry(at=NOON, what="post_invoice", remote_id="account.move 12")
    chains.write(f"{CONTRACT}/invoice/1", 0, "", [posted])
    chains.write(BROKEN, 0, "", [Entry(at=NOON, what="started"), hold])
    anchoring.make(chains, "northwind", "2026-03-09T00:00:00+00:00", None)
    chains.store.delete(records.record_name(BROKEN, 1))
    return chains


@pytest.fixture(scope="module")
async def audited(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of pages that have an audit record, where Cora is signed in."""
    app = FastAPI()
    app.add_middleware(Around, tls=False)
    add_handlers(app, errors.shown)
    entity: Any = SimpleNamespace(time_zone="Europe/Brussels")
    reader = Reader(kept(tmp_path_factory.mktemp("records")), None, {})
    add_pages(app, Workbench({"northwind": entity}, "https://odoo.example", audit=reader))
    app.state.links = [link for link in app.state.links if link.path == "/audit"]
    app.state.temporal = NoTemporal()
    app.state.visits = FakeVisits({CORA.person: CORA}, always=CORA.person)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: _has_started(server))
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


async def _has_started(server: uvicorn.Server) -> bool:
    return server.started


async def test_the_record_is_accessible_on_any_screen_and_in_the_dark(
    browser: Browser, audited: str
) -> None:
    pages = {
        "audit": "/audit",
        "audit-nothing": "/audit?person=nobody",
        "audit-chain": "/audit/northwind/C-1",
        "audit-invoice": "/audit/northwind/C-1/invoices/1",
        "audit-broken": "/audit/northwind/C-2",
    }
    async for screen, visit in every_screen(browser, audited):
        for page, address in pages.items():
            await visit.open(address)
            await visit.picture(f"{page}-{screen}")
            await visit.check()


async def test_an_entry_is_found_and_its_proof_read_without_scripts_and_by_keyboard(
    browser: Browser, audited: str
) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{audited}/audit")
    await page.get_by_label("Contract or invoice").fill("C-1")
    await page.get_by_label("What").select_option("hold_request")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Show").press("Enter")
    await page.get_by_role("link", name="northwind/C-1", exact=True).press("Enter")
    await expect(page.get_by_text("the customer asked for it")).to_be_visible()
    await page.locator("#entry-2 summary").press("Enter")
    await expect(page.get_by_text("c0" * 32)).to_be_visible()
    await page.get_by_role("link", name="Next").press("Enter")
    await expect(page.get_by_text("101 to 107 of 107")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="JSON lines").press("Enter")
    assert (await download.value).suggested_filename == "audit-northwind-C-1.jsonl"
    await context.close()

"""The access review in Chromium, and a form of whoever is to be asked again who they are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import uvicorn
from playwright.async_api import Browser, expect

from sandbox.real_odoo.mailbox import free_port
from tests import oidc
from tests.browser.conftest import every_screen
from tests.oidc import SECRET
from tests.unit.web.login.configured import settings
from tests.unit.web.login.conftest import Clock, app_of

ADMIN = "admin@c2c.example"
ROLES = {
    "northwind": {
        "finance": {"groups": ["accounts"], "people": ["ana@northwind.example"]},
        "project_manager": {"people": ["ana@northwind.example"]},
    }
}
FORM = """
const form = document.createElement("form");
form.action = "/probe/northwind";
form.innerHTML = '<input name="stage" value="active">';
document.body.append(form);
form.submit();
"""
"""Sends a form as those that narrow a list."""


class Away:
    """Temporal is away: what is tried here does not need it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("Temporal is away")


def _now() -> datetime:
    return datetime.now(UTC)


@contextlib.asynccontextmanager
async def serving(clock: Callable[[], datetime] = _now, **identity: Any) -> AsyncIterator[str]:
    """The application at a free port, without Temporal."""
    port = free_port()
    app, _ = app_of(settings({"port": port}, **identity), clock)
    app.state.temporal = Away()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
        assert not task.done()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task


async def test_the_access_review_is_accessible_on_any_screen_and_in_the_dark(
    browser: Browser,
) -> None:
    async with serving(roles=ROLES) as site:
        async for screen, visit in every_screen(browser, site):
            await visit.open("/login?to=/access")
            await visit.page.locator(f"button[value='{ADMIN}']").click()
            await expect(visit.page.locator("h1")).to_have_text("Access")
            await expect(visit.page.get_by_text("delivers and bills")).to_be_visible()
            await visit.picture(f"access-{screen}")
            await visit.check()


async def test_a_form_leads_whoever_is_to_be_asked_again_over_the_provider(
    browser: Browser,
) -> None:
    roles, clock = {"northwind": {"viewer": {"groups": ["all"]}}}, Clock()
    with oidc.started() as judge:
        client = {"issuer": judge.issuer, "client_id": "c2c-stale", "client_secret": SECRET}
        async with serving(clock, oidc=client, roles=roles) as site:
            await asyncio.to_thread(judge.client, "c2c-stale", site)
            await asyncio.to_thread(judge.person, "ana", "ana@northwind.example", "all")
            context = await browser.new_context()
            page = await context.new_page()
            await page.goto(f"{site}/probe/northwind")
            await page.goto(f"{page.url}?account=ana")
            await page.wait_for_url(f"{site}/probe/northwind")
            clock.pass_(minutes=20)
            await page.evaluate(FORM)
            await page.wait_for_url(f"{site}/probe/northwind?stage=active", timeout=10_000)
            await expect(page.locator("h1")).to_have_text("Forbidden")
            await context.close()

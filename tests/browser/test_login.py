"""Signing in and out in Chromium: with a list of people, and with a provider. What a browser says
of where a form comes from, and what it makes of our policies, no other test knows."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Browser, Page, expect

from tests import oidc
from tests.browser.conftest import SCHEMES, WIDTHS, Visit, eventually
from tests.oidc import SECRET, Judge
from tests.unit.web.login.configured import settings
from tests.unit.web.login.conftest import app_of


class Away:
    """Temporal is away: what signs people in does not need it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("Temporal is away")


@contextlib.asynccontextmanager
async def serving(**identity: Any) -> AsyncIterator[str]:
    """The application at a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app, _ = app_of(settings({"port": port}, **identity), lambda: datetime.now(UTC))
    app.state.temporal = Away()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with oidc.started() as found:
        yield found


async def sign_out(page: Page, name: str) -> None:
    await page.locator("summary", has_text=name).click()
    await page.get_by_role("button", name="Sign out").click()


@pytest.mark.parametrize("scripts", [True, False])
async def test_somebody_is_chosen_and_signs_out(browser: Browser, scripts: bool) -> None:
    async with serving() as site:
        context = await browser.new_context(java_script_enabled=scripts)
        page = await context.new_page()
        await page.goto(f"{site}/probe/northwind")
        await page.get_by_role("button", name="Go on as Viewer").click()
        await page.wait_for_url(f"{site}/probe/northwind")
        await expect(page.get_by_role("note")).to_contain_text("nobody has signed in")
        await expect(page.locator("h1")).to_have_text("Forbidden")
        await sign_out(page, "Viewer")
        await expect(page.locator("h1")).to_have_text("You are signed out")
        await page.goto(f"{site}/probe/northwind")
        await expect(page.locator("h1")).to_have_text("Who are you?")
        await context.close()


async def test_the_list_is_accessible_on_any_screen_and_in_the_dark(browser: Browser) -> None:
    async with serving() as site:
        for name, width in WIDTHS.items():
            for scheme in SCHEMES:
                page = await browser.new_page(
                    viewport={"width": width, "height": 900},
                    color_scheme="dark" if scheme == "dark" else "light",
                )
                visit = Visit(page, site)
                await visit.open("/login")
                await visit.picture(f"login-{name}-{scheme}")
                await visit.check()
                await page.close()


async def test_a_person_signs_in_with_the_provider_and_out_of_both(
    browser: Browser, judge: Judge
) -> None:
    client = {"issuer": judge.issuer, "client_id": "c2c-browser", "client_secret": SECRET}
    roles = {"northwind": {"viewer": {"groups": ["all"]}}}
    async with serving(oidc=client, roles=roles) as site:
        await asyncio.to_thread(judge.client, "c2c-browser", site)
        await asyncio.to_thread(judge.person, "ana", "ana@northwind.example", "all")
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"{site}/probe/northwind")
        await page.goto(f"{page.url}?account=ana")
        await page.wait_for_url(f"{site}/probe/northwind")
        await sign_out(page, "Ana")
        await page.wait_for_url(f"{judge.issuer}/session/end*")
        await page.get_by_role("button", name="Yes, sign me out").click()
        await page.wait_for_url(f"{site}/logout")
        await page.goto(f"{site}/probe/northwind")
        assert page.url.startswith(f"{judge.issuer}/interaction/"), "it asks who they are"
        await context.close()

"""Signing in and out in Chromium: with a list of people, and with a provider. What a browser says
of where a form comes from, and what it makes of our policies, no other test knows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from sandbox.real_odoo.mailbox import free_port
from tests.browser.conftest import every_screen, opened_window, served
from tests.browser.firm import VERA, sign_in
from tests.oidc import Judge
from tests.unit.web.login.configured import settings
from tests.unit.web.login.conftest import app_of
from tests.world import ANA


class Away:
    """Temporal is away: what signs people in does not need it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("Temporal is away")


@contextlib.asynccontextmanager
async def alone(port: int, **identity: Any) -> AsyncIterator[str]:
    """The application, with no Temporal behind it."""
    app, _ = app_of(settings({"port": port}, **identity), lambda: datetime.now(UTC))
    app.state.temporal = Away()
    async with served(app, port, lifespan="off") as site:
        yield site


async def sign_out(page: Page, name: str) -> None:
    await page.locator("summary", has_text=name).click()
    await page.get_by_role("button", name="Sign out").click()


@pytest.mark.parametrize("scripts", [True, False])
async def test_somebody_is_chosen_and_signs_out(browser: Browser, scripts: bool) -> None:
    async with alone(free_port()) as site:
        context = await browser.new_context(java_script_enabled=scripts)
        page = await context.new_page()
        await page.goto(f"{site}/probe/northwind")
        await page.get_by_role("button", name="Go on as Viewer").click()
        await page.wait_for_url(f"{site}/probe/northwind")
        await expect(page.get_by_role("complementary")).to_contain_text("nobody has signed in")
        await expect(page.locator("h1")).to_have_text("Forbidden")
        await sign_out(page, "Viewer")
        await expect(page.locator("h1")).to_have_text("You are signed out")
        await page.goto(f"{site}/probe/northwind")
        await expect(page.locator("h1")).to_have_text("Who are you?")
        await context.close()


async def test_the_list_is_accessible_on_any_screen_and_in_the_dark(browser: Browser) -> None:
    async with alone(free_port()) as site:
        async for screen, visit in every_screen(browser, site):
            await visit.open("/login")
            await visit.picture(f"login-{screen}")
            await visit.check()


async def test_a_person_signs_in_with_the_provider_and_out_of_both(
    browser: Browser, site: str, judge: Judge
) -> None:
    window = await opened_window(browser)
    page = await window.new_page()
    # What was asked for is come back to, with its filters.
    await sign_in(page, site, VERA, "/contracts?stage=active")
    await expect(page.locator("h1")).to_have_text("Contracts")
    await sign_out(page, "Vera")
    await page.wait_for_url(f"{judge.issuer}/session/end*")
    await page.get_by_role("button", name="Yes, sign me out").click()
    await page.wait_for_url(f"{site}/logout")
    await page.goto(f"{site}/contracts")
    assert page.url.startswith(f"{judge.issuer}/interaction/"), "it asks who they are"
    await window.close()


async def test_a_command_line_is_let_in_by_a_code_that_is_typed_into_a_browser(
    browser: Browser, site: str, judge: Judge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    command = ("-m", "starters", "--api", site, "login", "--device")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    said = (await process.stdout.readline()).decode()
    found = re.search(r"Sign in at (\S+) with the code (\S+)", said)
    assert found, said
    window = await opened_window(browser)
    page = await window.new_page()
    await page.goto(found[1])
    await confirm_code(page, found[2])
    await page.goto(f"{page.url}?account=ana")
    await expect(page.locator("body")).to_contain_text("Success")
    rest = (await process.stdout.read()).decode()
    assert f"You are signed in at {site} as {ANA}." in rest
    assert await process.wait() == 0
    answer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "starters", "--api", site, "contract", "list", "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    listed, _ = await answer.communicate()
    assert answer.returncode == 0, listed
    assert "contracts" in json.loads(listed)
    await window.close()


async def confirm_code(page: Page, code: str) -> None:
    """On the provider's pages: the code, unless the address has it, and that it is theirs."""
    await page.wait_for_load_state()
    field = page.locator("input[name=user_code][type=text]")
    if await field.count():
        await field.fill(code)
        await page.locator("button[type=submit]").first.click()
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url("**/interaction/*")

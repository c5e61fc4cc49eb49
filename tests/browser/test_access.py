"""The access review in Chromium: for an admin whom the list of people has."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from tests.browser.conftest import SCHEMES, WIDTHS, Visit
from tests.browser.test_login import serving

ADMIN = "admin@c2c.example"
ROLES = {
    "northwind": {
        "finance": {"groups": ["accounts"], "people": ["ana@northwind.example"]},
        "project_manager": {"people": ["ana@northwind.example"]},
    }
}


async def test_the_access_review_is_accessible_on_any_screen_and_in_the_dark(
    browser: Browser,
) -> None:
    async with serving(roles=ROLES) as site:
        for name, width in WIDTHS.items():
            for scheme in SCHEMES:
                page = await browser.new_page(
                    viewport={"width": width, "height": 900},
                    color_scheme="dark" if scheme == "dark" else "light",
                )
                visit = Visit(page, site)
                await visit.open("/login?to=/access")
                await page.locator(f"button[value='{ADMIN}']").click()
                await expect(page.locator("h1")).to_have_text("Access")
                await expect(page.get_by_text("delivers and bills")).to_be_visible()
                await visit.picture(f"access-{name}-{scheme}")
                await visit.check()
                await page.close()

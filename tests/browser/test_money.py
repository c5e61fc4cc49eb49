"""Receivables, questions and figures: narrowed, opened by their numbers, and acted on."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from starters.client.references import short
from starters.web.pages.receivable_pages import ACTS
from tests.browser import life
from tests.browser.conftest import Visiting
from tests.browser.firm import VERA
from tests.browser.life import in_days
from tests.world import ANA, BOB, World, single
from wiring.settings import Settings

SAID = {
    "promise": {"on": in_days(5), "amount": "100.00 EUR"},
    "dispute": {"reason": "the hours", "amount": "200.00 EUR", "revised_due_on": in_days(40)},
    "resolve-dispute": {"comment": "half of it", "accepted": "100.00 EUR"},
    "hold": {"reason": "they moved", "until": in_days(9)},
    "release": {"reason": "found them"},
    "write-off": {"reason": "they are gone"},
}
"""What each form is filled in with; in this order each is possible."""


@pytest.mark.parametrize("scripts", [True, False])
async def test_everything_about_a_receivable_is_done_from_the_list_on(
    visiting: Visiting, world: World, *, scripts: bool
) -> None:
    assert list(SAID) == list(ACTS)
    invoice = short(await world.open(single()))
    async with visiting(ANA, scripts=scripts, width=1200 if scripts else 390) as visit:
        page = visit.page
        await visit.open("/receivables")
        await page.get_by_label("Customer").fill(f"Acme {invoice.split('/')[1]}")
        await page.get_by_role("button", name="Show").click()
        await page.locator(f'a[href="/receivables/{invoice}"]').click()
        for name, say in SAID.items():
            act = ACTS[name]
            form = page.locator("details.act", has=page.locator(f"form[action$='/{name}']"))
            await form.locator("summary").click()
            for field, value in say.items():
                await form.locator(f"[name='{field}']").fill(value)
            await form.get_by_role("button").click()
            await visit.outcome(act.done)
        await visit.check()
    async with visiting(BOB) as visit:
        await visit.open(f"/receivables/{invoice}")
        await expect(visit.page.locator("main")).to_contain_text(SAID["promise"]["on"])


async def test_who_may_only_look_has_no_form(visiting: Visiting, world: World) -> None:
    invoice = short(await world.open(single()))
    async with visiting(VERA) as visit:
        await visit.open(f"/receivables/{invoice}")
        await expect(visit.page.locator("aside form")).to_have_count(0)
        await visit.page.get_by_text("Promise to pay").first.click()
        await expect(visit.page.locator("aside")).to_contain_text("Not for you")


async def test_numbers_open_into_what_they_count(
    visiting: Visiting, world: World, firm_settings: Settings
) -> None:
    await world.open(single())
    await life.measured(world, firm_settings)
    async with visiting(VERA) as visit:
        page = visit.page
        await visit.open("/questions")
        tiles = await page.locator(".tiles a").evaluate_all("all => all.map(a => a.href)")
        assert tiles
        for address in tiles:
            await page.goto(address)
            await expect(page.locator("h1")).to_be_visible()
            assert visit.complaints == []
        await visit.open("/figures")
        await page.locator(".plots a").first.click()
        await expect(page.locator("table").first).to_be_visible()
        async with page.expect_download() as file:
            await page.get_by_role("link", name="CSV").click()
        assert (await file.value).suggested_filename.endswith(".csv")

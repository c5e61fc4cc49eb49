"""The inbox and the page of an approval in Chromium: for everybody, on any screen."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from contracts.invoice.state import InvoiceStage
from starters.client.references import short
from tests.browser.conftest import SCHEMES, WIDTHS, Visiting, Waiting
from tests.world import ANA, World


async def test_both_pages_are_accessible_on_any_screen_and_in_the_dark(
    visiting: Visiting, waiting: Waiting
) -> None:
    for name, width in WIDTHS.items():
        for scheme in SCHEMES:
            async with visiting(ANA, width=width, scheme=scheme) as visit:
                await visit.open("/inbox")
                await visit.page.locator("input[name=pick]").first.check()
                await visit.picture(f"inbox-{name}-{scheme}")
                await visit.check()
                await visit.page.get_by_role("link", name="Invoice 1 of").first.click()
                await expect(visit.page.locator("button[value=approve]")).to_be_visible()
                await visit.picture(f"approval-{name}-{scheme}")
                await visit.check()


async def test_the_keyboard_alone_picks_and_approves(
    visiting: Visiting, waiting: Waiting, world: World
) -> None:
    async with visiting(ANA) as visit:
        await visit.open("/inbox")
        page, keys = visit.page, visit.page.keyboard
        refs = await page.locator("[data-row]").evaluate_all("rows => rows.map(r => r.dataset.row)")
        await keys.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        chosen = refs.index(short(waiting.invoices[0]))
        for _ in range(chosen + 1):
            await keys.press("j")
        await keys.press("x")
        await expect(page.locator("[data-picked]")).to_have_text("1 picked: 1,000.00 EUR")
        # A reload keeps it, and so does a login in between.
        await page.reload()
        await expect(page.locator("[data-picked]")).to_have_text("1 picked: 1,000.00 EUR")
        await keys.press("r")
        await expect(page.locator("[name=reason]")).to_be_focused()
        await keys.press("Escape")
        await keys.press("a")
        await expect(page.locator("#outcome")).to_contain_text("1 approved.")
        assert page.url.endswith("/inbox")
        await visit.check()
    await world.invoice(waiting.invoices[0], InvoiceStage.OPEN)


async def test_without_scripts_it_works_the_same(
    visiting: Visiting, waiting: Waiting, world: World
) -> None:
    async with visiting(ANA, scripts=False, width=390) as visit:
        await visit.open("/inbox")
        for invoice in waiting.invoices:
            await visit.page.locator(f"input[value^='{short(invoice)}:']").check()
        await visit.page.locator("button[value=approve]").click()
        await expect(visit.page.locator("#outcome")).to_contain_text("2 approved.")
    for invoice in waiting.invoices:
        await world.invoice(invoice, InvoiceStage.OPEN)


async def test_a_filter_keeps_the_focus_and_is_in_the_address(
    visiting: Visiting, waiting: Waiting
) -> None:
    async with visiting(ANA) as visit:
        await visit.open("/inbox")
        kind = visit.page.locator("select[name=kind]")
        await kind.focus()
        await kind.select_option("change_order")
        await visit.page.wait_for_url("**/inbox?*kind=change_order*")
        await expect(kind).to_be_focused()
        titles = visit.page.locator("[data-row] a")
        await expect(titles.first).to_contain_text("Change order")
        assert not [text for text in await titles.all_text_contents() if "Invoice" in text]
        assert visit.complaints == []


@pytest.mark.parametrize("verb", ["reject", "ask"])
async def test_what_lacks_a_reason_says_so_and_keeps_the_picks(
    visiting: Visiting, waiting: Waiting, verb: str
) -> None:
    async with visiting(ANA) as visit:
        await visit.open("/inbox")
        box = visit.page.locator(f"input[value^='{short(waiting.invoices[1])}:']")
        await box.check()
        await visit.page.locator(f"button[value={verb}]").click()
        await expect(visit.page.locator("#outcome")).to_contain_text("Say why")
        await expect(box).to_be_checked()

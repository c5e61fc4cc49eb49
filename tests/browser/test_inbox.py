"""The inbox and the page of an approval: decided with the mouse, the keyboard, without scripts; by
two at once, twice, too late, and after the login has ended."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from contracts.invoice.state import InvoiceStage
from starters.client.references import short
from tests.browser import life
from tests.browser.conftest import Visit, Visiting, eventually
from tests.browser.firm import VERA, sign_in_there
from tests.browser.life import Waiting
from tests.world import ANA, BOB, CLEO, DORA, World, single


@pytest.fixture
async def waiting(world: World) -> Waiting:
    return await life.waiting(world)


@pytest.fixture
async def invoice(world: World) -> str:
    """One that Ana or Bob may approve."""
    found = await world.proposed(life.named("Harbour Logistics", "Warehouse roll-out", single()))
    await life.listed(world, {found})
    return found


def pick(page: Page, workflow_id: str) -> str:
    return f"input[value^='{short(workflow_id)}:']"


async def decided_by(world: World, invoice: str) -> list[str]:
    """Who approved it, as their signatures say."""
    state = await world.invoice(invoice)
    assert state.approval_round is not None
    return [item.by for item in state.approval_round.approvals]


# --- the keyboard ---------------------------------------------------------------------------------


async def test_the_keyboard_alone_picks_and_approves(
    visiting: Visiting, waiting: Waiting, world: World
) -> None:
    async with visiting(ANA) as visit:
        page, keys = visit.page, visit.page.keyboard
        await visit.open("/inbox")
        await keys.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await walk_to(page, waiting.invoices[0])
        assert await outline(page) != "none", "where one is can be seen"
        await keys.press("x")
        await expect(page.locator("[data-picked]")).to_have_text("1 picked: 1,000.00 EUR")
        await page.reload()
        await expect(page.locator("[data-picked]")).to_have_text("1 picked: 1,000.00 EUR")
        await keys.press("a")
        await visit.outcome("1 approved.")
        assert page.url.endswith("/inbox")
        await visit.check()
    await world.invoice(waiting.invoices[0], InvoiceStage.OPEN)


async def test_the_keyboard_alone_rejects_with_a_reason(
    visiting: Visiting, invoice: str, world: World
) -> None:
    async with visiting(ANA) as visit:
        page, keys = visit.page, visit.page.keyboard
        await visit.open("/inbox")
        await walk_to(page, invoice)
        await keys.press("x")
        await keys.press("r")
        await expect(page.locator("[name=reason]")).to_be_focused()
        await keys.press("Escape")
        await expect(page.locator("[name=reason]")).not_to_be_focused()
        await keys.press("r")
        await keys.type("j and k are letters here")
        await keys.press("Tab")
        await expect(page.get_by_role("button", name="Reject")).to_be_focused()
        await keys.press("Enter")
        await visit.outcome("1 rejected.")
    state = await world.invoice(invoice, InvoiceStage.REJECTED)
    assert any("j and k are letters here" in entry.text for entry in state.journal.entries)


async def test_enter_opens_a_row_and_menus_close_by_escape(
    visiting: Visiting, invoice: str
) -> None:
    async with visiting(ANA) as visit:
        page, keys = visit.page, visit.page.keyboard
        await visit.open("/inbox")
        menu = page.locator("details.menu").last
        await menu.locator("summary").focus()
        await keys.press("Enter")
        await expect(menu.get_by_role("button", name="Sign out")).to_be_visible()
        await keys.press("Escape")
        await expect(menu.get_by_role("button", name="Sign out")).to_be_hidden()
        await walk_to(page, invoice)
        await keys.press("Tab")
        await keys.press("Enter")
        await expect(page.locator("h1")).to_contain_text("Harbour Logistics")


async def walk_to(page: Page, workflow_id: str) -> None:
    """Move down to the row of a workflow, and one up from behind it."""
    refs = await page.locator("[data-row]").evaluate_all("rows => rows.map(r => r.dataset.row)")
    place = refs.index(short(workflow_id))
    for _ in range(place + 1):
        await page.keyboard.press("j")
    if place + 1 < len(refs):
        await page.keyboard.press("j")
        await page.keyboard.press("k")
    await expect(page.locator("tr.at")).to_have_attribute("data-row", short(workflow_id))


async def outline(page: Page) -> str:
    found = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    return str(found)


# --- decisions ------------------------------------------------------------------------------------


async def test_without_scripts_many_are_approved_at_once(
    visiting: Visiting, waiting: Waiting, world: World
) -> None:
    async with visiting(ANA, scripts=False, width=390) as visit:
        await visit.open("/inbox")
        for invoice in waiting.invoices:
            await visit.page.locator(pick(visit.page, invoice)).check()
        await visit.page.locator("button[value=approve]").click()
        await visit.outcome("2 approved.")
    for invoice in waiting.invoices:
        await world.invoice(invoice, InvoiceStage.OPEN)
        assert await decided_by(world, invoice) == [ANA]


@pytest.mark.parametrize("verb", ["reject", "ask"])
async def test_what_lacks_a_reason_says_so_and_keeps_the_picks(
    visiting: Visiting, invoice: str, world: World, verb: str
) -> None:
    async with visiting(ANA) as visit:
        page = visit.page
        await visit.open("/inbox")
        await page.locator(pick(page, invoice)).check()
        await page.locator(f"button[value={verb}]").click()
        await visit.outcome("Say why")
        await expect(page.locator(pick(page, invoice))).to_be_checked()
        await page.locator("[name=reason]").fill("the hours are of another project")
        await page.locator(f"button[value={verb}]").click()
        await visit.outcome("1 rejected." if verb == "reject" else "1 sent back for changes.")
    await world.invoice(invoice, InvoiceStage.REJECTED)


async def test_what_is_not_ones_own_is_grey_and_says_why(
    visiting: Visiting, waiting: Waiting
) -> None:
    async with visiting(ANA) as visit:
        await visit.open("/inbox")
        page = visit.page
        own, others = (
            page.locator(f"tr[data-row='{short(item)}']")
            for item in (waiting.contract, waiting.large)
        )
        await expect(own).to_contain_text("You may reject it only")
        await expect(others).to_contain_text("Not yours to decide")
        await expect(others.locator("input")).to_have_count(0)
    async with visiting(VERA) as visit:
        await visit.open("/inbox")
        await expect(visit.page.locator("input[name=pick]")).to_have_count(0)
        await expect(visit.page.locator("tbody tr").first).to_contain_text("this needs one of")


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


async def test_what_changed_since_one_looked_is_marked_in_the_list_and_on_an_old_page(
    visiting: Visiting, invoice: str, world: World
) -> None:
    old = await life.approval_page(world, invoice)
    async with visiting(BOB) as visit:
        page = visit.page
        await visit.open("/inbox")
        row = page.locator(f"tr[data-row='{short(invoice)}']")
        await expect(row.get_by_role("link")).to_have_attribute("href", old)
        await life.drafted_again(world, invoice)
        new = await life.approval_page(world, invoice)

        async def shows_it() -> bool:
            await page.reload()
            return await row.get_by_role("link").get_attribute("href") == new

        await eventually(shows_it)
        await expect(row).to_contain_text("changed since you looked")
        await expect(row.locator("ins")).to_contain_text("Acceptance tests")
        await visit.check()
        await visit.open(old)
        await expect(page.locator(".note")).to_contain_text("no longer what awaits approval")
        await expect(page.locator("[name=decision]")).to_have_count(0)
        await visit.check()
        await page.get_by_role("link", name="Show what awaits approval now").click()
        await page.get_by_role("button", name="Approve", exact=True).click()
        await visit.outcome("1 approved.")
    await world.invoice(invoice, InvoiceStage.OPEN)


# --- twice, at once, too late ---------------------------------------------------------------------


@pytest.mark.parametrize("place", ["inbox", "page"])
async def test_a_double_click_approves_once(
    visiting: Visiting, invoice: str, world: World, place: str
) -> None:
    async with visiting(ANA) as visit:
        page = visit.page
        if place == "inbox":
            await visit.open("/inbox")
            await page.locator(pick(page, invoice)).check()
        else:
            await visit.open(await life.approval_page(world, invoice))
        await page.get_by_role("button", name="Approve", exact=True).dblclick()
        await visit.outcome("1 approved.")
    await world.invoice(invoice, InvoiceStage.OPEN)
    assert await decided_by(world, invoice) == [ANA]


async def test_a_stale_tab_is_refused_in_words_and_decides_the_rest(
    visiting: Visiting, waiting: Waiting, world: World
) -> None:
    first, second = waiting.invoices
    async with visiting(ANA) as visit:
        await visit.open("/inbox")
        stale = await visit.another_tab()
        await stale.open("/inbox")
        await visit.page.locator(pick(visit.page, first)).check()
        await visit.page.locator("button[value=approve]").click()
        await visit.outcome("1 approved.")
        for invoice in (first, second):
            await stale.page.locator(pick(stale.page, invoice)).check()
        await stale.page.locator("button[value=approve]").click()
        await stale.outcome("1 approved, 1 not.", f"{short(first)}: ")
        await stale.check()
    for invoice in waiting.invoices:
        await world.invoice(invoice, InvoiceStage.OPEN)
        assert await decided_by(world, invoice) == [ANA]


async def test_of_two_approvers_at_once_one_counts_and_the_other_is_told(
    visiting: Visiting, invoice: str, world: World
) -> None:
    place = await life.approval_page(world, invoice)
    async with visiting(ANA) as ana, visiting(BOB) as bob:
        for visit in (ana, bob):
            await visit.open(place)
        buttons = [
            visit.page.get_by_role("button", name="Approve", exact=True) for visit in (ana, bob)
        ]
        await asyncio.gather(*(button.click() for button in buttons))
        for visit in (ana, bob):
            await expect(visit.page.locator("#outcome .outcome")).to_be_visible()
        said = [await visit.page.locator("#outcome").inner_text() for visit in (ana, bob)]
    await world.invoice(invoice, InvoiceStage.OPEN)
    [counted] = await decided_by(world, invoice)
    assert ["1 approved." in text for text in said] == [counted == ANA, counted == BOB], said


async def test_two_directors_at_once_are_the_two_that_are_needed(
    visiting: Visiting, waiting: Waiting, world: World
) -> None:
    async with visiting(CLEO) as cleo, visiting(DORA) as dora:
        for visit in (cleo, dora):
            await visit.open("/inbox")
            await visit.page.locator(pick(visit.page, waiting.large)).check()
        buttons = [visit.page.locator("button[value=approve]") for visit in (cleo, dora)]
        await asyncio.gather(*(button.click() for button in buttons))
        for visit in (cleo, dora):
            await visit.outcome("1 approved.")
    await world.invoice(waiting.large, InvoiceStage.OPEN)
    assert sorted(await decided_by(world, waiting.large)) == [CLEO, DORA]


# --- the login ends -------------------------------------------------------------------------------


@pytest.mark.parametrize("scripts", [True, False])
async def test_after_the_login_has_ended_a_decision_is_sent_again_with_its_words(
    visiting: Visiting, invoice: str, world: World, *, scripts: bool
) -> None:
    async with visiting(ANA, scripts=scripts) as visit:
        page = visit.page
        await visit.open("/inbox")
        await page.locator(pick(page, invoice)).check()
        await page.locator("[name=reason]").fill("the <b>second</b> day & night is missing")
        await sign_out(await visit.another_tab())
        await page.locator("button[value=reject]").click()
        await expect(page.locator("h1")).to_have_text("You were signed out meanwhile")
        await visit.check()
        assert (await world.invoice(invoice)).stage is InvoiceStage.AWAITING_APPROVAL
        async with page.context.expect_page() as opened:
            await page.get_by_role("link", name="Sign in in a new tab").click()
        tab = await opened.value
        await sign_in_there(tab, ANA)
        await page.get_by_role("button", name="Send it again").click()
        await visit.outcome("1 rejected.")
    state = await world.invoice(invoice, InvoiceStage.REJECTED)
    words = "the <b>second</b> day & night is missing"
    assert [words in entry.text for entry in state.journal.entries].count(True) == 1


async def test_what_was_typed_into_a_contracts_form_outlives_the_login(
    visiting: Visiting, world: World
) -> None:
    opened_invoice = await world.open(single())
    place = f"/c/{short(opened_invoice).rpartition('/')[0]}/invoices/1"
    async with visiting(ANA) as visit:
        page = visit.page
        await visit.open(place)
        await page.locator("#open_dispute summary").click()
        await page.locator("#open_dispute-reason").fill("two days were not delivered")
        await sign_out(await visit.another_tab())
        await page.get_by_role("button", name="Customer disputes it").click()
        async with page.context.expect_page() as opened:
            await page.get_by_role("link", name="Sign in in a new tab").click()
        await sign_in_there(await opened.value, ANA)
        await page.get_by_role("button", name="Send it again").dblclick()
        await visit.outcome("Accepted")
    state = await world.c2c.invoice(opened_invoice).state()
    assert state.dispute is not None
    assert state.dispute.reason == "two days were not delivered"


async def sign_out(visit: Visit) -> None:
    """Here; the provider still knows the person."""
    await visit.open("/inbox")
    await visit.page.locator("details.menu summary").last.click()
    await visit.page.get_by_role("button", name="Sign out").click()
    await visit.page.wait_for_url("**/session/end?*")
    await visit.page.close()

"""Exceptions of every kind, and each thing that may be done about them."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from contracts.parking import StepException
from starters.client.references import short
from tests.bank_source import paid
from tests.browser import life
from tests.browser.conftest import Visit, Visiting
from tests.browser.firm import OLAF, PIA, VERA
from tests.world import ANA, CLEO, World, single
from wiring.settings import Settings

# --- contracts and invoices -----------------------------------------------------------------------


async def test_without_scripts_what_is_wrong_is_corrected_and_goes_on(
    visiting: Visiting, world: World
) -> None:
    workflow_id, _ = await life.parked(world, life.unknown_service())
    async with visiting(PIA, scripts=False, width=390) as visit:
        await visit.open("/exceptions")
        await visit.page.get_by_role("link", name=short(workflow_id)).click()
        field = visit.page.get_by_label("services.0.code")
        await expect(field).to_have_value("ALCHEMY")
        await field.fill("BUILD")
        await visit.page.get_by_role("button", name="Correct and try again").click()
        await visit.outcome("with the correction")
    await world.stage(workflow_id, ContractStage.ACTIVE)


async def test_many_of_one_code_are_tried_again_together(visiting: Visiting, world: World) -> None:
    found = [await life.parked(world, life.unknown_service()) for _ in range(2)]
    names = [short(workflow_id) for workflow_id, _ in found]
    async with visiting(PIA) as visit:
        await visit.open("/exceptions?of=")
        for name in names:
            await visit.page.get_by_label(f"Pick {name}").check()
        section = visit.page.locator("section", has_text=names[0])
        await section.get_by_role("button", name="Try the picked ones again").click()
        await visit.outcome("2 tried again.")
    for one in found:
        await tried_again(world, one)


async def test_one_is_tried_again_and_cancelled_by_whoever_may_end_a_contract(
    visiting: Visiting, world: World
) -> None:
    found = await life.parked(world, life.unknown_service())
    async with visiting(PIA) as visit:
        await visit.open(life.exception_page(found))
        await visit.page.get_by_role("button", name="Try again", exact=True).click()
        await visit.outcome("is tried again")
        await tried_again(world, found)
        await visit.open(life.exception_page(found))
        card = visit.page.locator("section", has=visit.page.locator("#do-cancel"))
        await expect(card.get_by_role("button", name="Cancel")).to_be_disabled()
    async with visiting(CLEO) as visit:
        await visit.open(life.exception_page(found))
        await twice(visit, "Cancel", "they signed elsewhere")
        await visit.outcome("ends what it belongs to")
    await world.stage(found[0], ContractStage.CANCELLED)


async def test_finances_step_is_skipped_by_a_controller_alone(
    visiting: Visiting, world: World
) -> None:
    found = await life.rejected(world)
    async with visiting(ANA) as visit:
        await visit.open(life.exception_page(found))
        card = visit.page.locator("section", has=visit.page.locator("#do-skip"))
        await expect(card.get_by_role("button", name="Skip")).to_be_disabled()
        await expect(card).to_contain_text("this needs one of the roles controller")
    async with visiting(CLEO) as visit:
        await visit.open(life.exception_page(found))
        await twice(visit, "Skip", "it is billed elsewhere")
        await visit.outcome("is skipped")
    assert await world.until(world.c2c.contract(found[0]).exceptions, lambda steps: not steps) == []


async def test_what_is_no_longer_parked_says_what_happened(
    visiting: Visiting, world: World
) -> None:
    found = await life.rejected(world)
    async with visiting(CLEO) as visit:
        await visit.open(life.exception_page(found))
        stale = await visit.another_tab()
        await stale.open(life.exception_page(found))
        await visit.page.get_by_role("button", name="Try again", exact=True).click()
        await visit.outcome("is tried again")
        await world.invoice(f"{found[0]}/invoice/2", InvoiceStage.AWAITING_APPROVAL)
        await stale.page.get_by_role("button", name="Try again", exact=True).click()
        await expect(stale.page.locator("h1")).to_have_text("Not parked any more")
        await stale.check()


async def test_who_may_only_look_sees_why(visiting: Visiting, world: World) -> None:
    found = await life.parked(world, life.unknown_service())
    async with visiting(VERA) as visit:
        await visit.open(life.exception_page(found))
        await expect(visit.page.locator("form[method=post][action^='/exceptions']")).to_have_count(
            0
        )
        await expect(visit.page.get_by_role("button", name="Cancel")).to_be_disabled()
        await visit.check()


async def tried_again(world: World, found: tuple[str, StepException]) -> None:
    """Wait until it has failed once more."""
    workflow_id, before = found
    await world.until(
        world.c2c.contract(workflow_id).exceptions,
        lambda steps: bool(steps) and steps[0].attempts > before.attempts,
    )


async def twice(visit: Visit, title: str, reason: str) -> None:
    """Say why, and that it is meant."""
    page = visit.page
    await page.locator(f"#reason-{title.lower()}").fill(reason)
    await page.get_by_role("button", name=f"{title}…").click()
    await expect(page.locator("dl")).to_contain_text(reason)
    await visit.check()
    await page.get_by_role("button", name="Yes: ").click()


# --- bank files -----------------------------------------------------------------------------------


async def test_lines_of_a_bank_file_are_settled_returned_and_left_out(
    visiting: Visiting, world: World, firm_settings: Settings
) -> None:
    invoice = await world.open(single())
    number = (await world.invoice(invoice)).balance
    assert number is not None
    lines = (
        paid("1000.00", "thank you", "Harbour Logistics"),
        paid("7.00", "a gift", "Somebody"),
        paid("-9.00", "back", "Somebody", returned="AC04"),
    )
    file = await life.bank_file(world, firm_settings, life.statement(*lines))
    await file.until_parked(3)
    async with visiting(ANA) as visit:
        page = visit.page
        await visit.open("/exceptions")
        await page.get_by_role("link", name=file.name).first.click()
        first = page.locator("#line-1")
        await first.get_by_label("Other invoices").fill("INV/1999/1")
        await first.get_by_role("button", name="It pays these").click()
        await expect(page.locator("#line-1 [role=alert]")).to_contain_text("Refused")
        await visit.check()
        await page.locator("#line-1").get_by_label("Other invoices").fill(number.number)
        await page.locator("#line-1").get_by_role("button", name="It pays these").click()
        await file.until_parked(2)
        third = page.locator("#line-3")
        await third.get_by_label("It returns the line").fill("nothing-like-it")
        await third.get_by_role("button", name="It returns this").click()
        await expect(page.locator("#line-3 [role=alert]")).to_contain_text("Refused")
        for line in (2, 3):
            await visit.open(file.page)
            form = page.locator(f"#line-{line}")
            await form.get_by_label("Reason to ignore it").fill("it is not ours")
            await form.get_by_role("button", name="Ignore").click()
            await page.get_by_role("button", name="Yes: ").click()
            await file.until_parked(4 - line - 1)
        await visit.open(file.page)
        await expect(page.locator("main")).to_contain_text("Nothing of this file waits")


async def test_a_file_is_read_again_refused_and_a_gap_accepted(
    visiting: Visiting, world: World, firm_settings: Settings
) -> None:
    broken = await life.bank_file(world, firm_settings, life.NO_STATEMENT)
    await broken.until_parked(1)
    life.skip_statement()
    gap = await life.bank_file(world, firm_settings, life.statement(paid("12.00", "hello")))
    await gap.until_parked(2)
    async with visiting(ANA) as visit:
        page = visit.page
        await visit.open(broken.page)
        await visit.check()
        await page.get_by_role("button", name="Try again").click()
        await visit.outcome("")
        await broken.until_parked(1)
        await page.get_by_label("Reason to refuse").fill("it is a letter")
        await page.get_by_role("button", name="Refuse").click()
        await page.get_by_role("button", name="Yes: ").click()
        await expect(page.locator(".tag", has_text="refused")).to_be_visible()
        await visit.open(gap.page)
        await page.get_by_role("button", name="Accept").click()
        await gap.until_parked(1)
    async with visiting(VERA) as visit:
        await visit.open(gap.page)
        await expect(visit.page.get_by_role("button", name="Settle")).to_be_disabled()
        await visit.check()


# --- events ---------------------------------------------------------------------------------------


async def test_an_event_is_delivered_again_and_dismissed_at_the_second_click(
    visiting: Visiting, world: World, site: str
) -> None:
    event = await life.unknown_milestone(world, site)
    async with visiting(OLAF) as visit:
        page = visit.page
        await visit.open(event)
        await page.get_by_role("button", name="Deliver again").click()
        await visit.outcome("is delivered again")
        await visit.open(event)
        await page.get_by_label("Reason").fill("it belongs to the old system")
        await page.get_by_role("button", name="Dismiss").click()
        await visit.check()
        await page.get_by_role("button", name="Yes: ").click()
        await visit.outcome("is dismissed")
        await visit.open(event)
        await expect(page.locator(".tag")).to_have_text("dismissed")
    async with visiting(PIA) as visit:
        await visit.open(event)
        await expect(visit.page.get_by_role("button", name="Deliver again")).to_be_disabled()


@pytest.mark.parametrize("address", ["/exceptions/northwind/none/validate", "/c/northwind/none"])
async def test_what_is_not_there_says_so(visiting: Visiting, address: str) -> None:
    async with visiting(VERA, width=390, scheme="dark") as visit:
        await visit.open(address)
        await expect(visit.page.locator("h1")).to_be_visible()
        await visit.picture(f"missing-{address.split('/')[1]}")
        await visit.check()

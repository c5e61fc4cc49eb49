"""The pages of contracts and of exceptions in Chromium: for everybody, on any screen."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from starters.client.references import short
from tests.browser.conftest import PIA, SCHEMES, WIDTHS, Visiting, eventually
from tests.world import ANA, CLEO, World, contract_data, single


@pytest.fixture
async def billed(world: World) -> str:
    """A contract with an invoice that the customer has."""
    contract = await world.active(contract_data())
    await world.reach(contract, "design")
    await world.issue(contract, 1)
    return contract


@pytest.fixture
async def parked(world: World) -> str:
    """A contract that names a service that Odoo does not know."""
    data = single()
    data["services"][0]["code"] = "ALCHEMY"
    workflow_id = await world.start(data)
    await world.parked(workflow_id)
    await eventually(lambda: _listed(world, workflow_id))
    return workflow_id


async def _listed(world: World, workflow_id: str) -> bool:
    found = await world.c2c.parked(["northwind"])
    return any(row.workflow_id == workflow_id and row.steps for row in found.items)


async def test_the_pages_are_accessible_on_any_screen_and_in_the_dark(
    visiting: Visiting, billed: str, parked: str, world: World
) -> None:
    contract, step = f"/c/{short(billed)}", (await world.parked(parked)).step
    pages = {
        "contracts": "/contracts",
        "contract": contract,
        "invoice": f"{contract}/invoices/1",
        "exceptions": "/exceptions",
        "exception": f"/exceptions/{short(parked)}/{step}",
    }
    for name, width in WIDTHS.items():
        for scheme in SCHEMES:
            person = PIA if width < 600 else CLEO
            async with visiting(person, width=width, scheme=scheme) as visit:
                for page, address in pages.items():
                    await visit.open(address)
                    await visit.picture(f"{page}-{name}-{scheme}")
                    await visit.check()


async def test_without_scripts_an_exception_is_mended_and_a_milestone_reached(
    visiting: Visiting, parked: str, world: World
) -> None:
    async with visiting(PIA, scripts=False, width=390) as visit:
        await visit.open("/exceptions")
        await visit.page.get_by_role("link", name=short(parked)).click()
        await visit.page.get_by_label("services.0.code").fill("BUILD")
        await visit.page.get_by_role("button", name="Correct and try again").click()
        await expect(visit.page.locator("#outcome")).to_contain_text("with the correction")
        await world.stage(parked, ContractStage.ACTIVE)
        await visit.open(f"/c/{short(parked)}")
        await visit.page.get_by_text("Milestone reached", exact=True).first.click()
        await visit.page.get_by_role("button", name="Milestone reached").click()
        await expect(visit.page.locator("#outcome")).to_contain_text("Accepted")
    await world.invoice(f"{parked}/invoice/1", InvoiceStage.AWAITING_APPROVAL)


async def test_a_double_click_records_one_payment(
    visiting: Visiting, billed: str, world: World
) -> None:
    async with visiting(ANA) as visit:
        await visit.open(f"/c/{short(billed)}/invoices/1")
        await visit.page.locator("#record_payment summary").click()
        await visit.page.locator("#record_payment-reference").fill("W-1")
        await visit.page.locator("#record_payment-amount").fill("100.00")
        await visit.page.locator("#record_payment-paid_on").fill("2026-02-02")
        await visit.page.get_by_role("button", name="Record a payment").dblclick()
        await expect(visit.page.locator("#outcome")).to_contain_text("Accepted")
        await visit.check()
    state = await world.c2c.invoice(f"{billed}/invoice/1").state()
    assert list(state.known_payments) == ["W-1"]

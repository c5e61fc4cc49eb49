"""The pages of receivables, questions and figures in Chromium: on any screen, with a form sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from starters import schedules
from starters.client.names import FIGURES_SCHEDULE
from starters.client.references import short
from starters.figures import series
from tests.browser.conftest import SCHEMES, WIDTHS, Visiting, eventually
from tests.world import ANA, ENTITY, World, contract_data, single
from wiring.settings import Settings


@pytest.fixture(scope="session")
async def owed(world: World, sandbox_settings: Settings) -> str:
    """An invoice that is open, a milestone that is late, and figures that are measured."""
    late = contract_data()
    late["milestones"][0]["due_on"] = str(datetime.now(UTC).date() - timedelta(days=3))
    await world.active(late)
    invoice = await world.open(single(title="Audit"))
    [measured] = [
        item
        for item in schedules.sweeps(sandbox_settings)
        if item.id == f"{FIGURES_SCHEDULE}{ENTITY}"
    ]
    await schedules._ensure(world.client, measured)
    await world.client.get_schedule_handle(measured.id).trigger()
    await eventually(lambda: _is_measured(world))
    return short(invoice)


async def _is_measured(world: World) -> bool:
    return bool((await series(world.client, ENTITY)).days)


async def test_the_pages_are_accessible_on_any_screen_and_in_the_dark(
    visiting: Visiting, owed: str
) -> None:
    pages = {
        "receivables": "/receivables",
        "receivable": f"/receivables/{owed}",
        "questions": "/questions",
        "milestones-late": "/questions/milestones-late",
        "figures": "/figures",
        "figure": "/figures/aging",
    }
    # Widths and colours do not depend on each other.
    for (name, width), scheme in zip(WIDTHS.items(), SCHEMES, strict=True):
        async with visiting(ANA, width=width, scheme=scheme) as visit:
            for page, address in pages.items():
                await visit.open(address)
                await visit.picture(f"{page}-{name}-{scheme}")
                await visit.check()


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_promise_is_noted_from_the_list_with_and_without_scripts(
    visiting: Visiting, owed: str, *, scripts: bool
) -> None:
    customer = f"Acme {owed.split('/')[1]}"
    until = str(datetime.now(UTC).date() + timedelta(days=5))
    async with visiting(ANA, scripts=scripts) as visit:
        page = visit.page
        await visit.open("/receivables")
        await page.get_by_label("Customer").fill(customer)
        await page.get_by_role("button", name="Show").click()
        await page.locator(f'a[href="/receivables/{owed}"]').click()
        await page.get_by_text("Promise to pay").first.click()
        await page.get_by_label("Paid by the end of").fill(until)
        await page.get_by_role("button", name="Promise to pay").click()
        await expect(page.get_by_text("The promise is noted")).to_be_visible()
        await expect(page.get_by_text(f"until {until}, noted by {ANA}")).to_be_visible()
        assert visit.complaints == []

"""Everything that people send to a contract or an invoice, each by its form; and what they may not
send, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from playwright.async_api import Locator, expect

from contracts.access import allows
from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from contracts.model import JsonObject
from sandbox.server import Sandbox
from starters.client.references import short
from starters.web.pages import actions
from tests.browser.conftest import Visit, Visiting, eventually
from tests.browser.firm import ADA, DEALS, OLAF, ON_PAPER, PIA, ROLES, VERA
from tests.browser.life import in_days
from tests.world import ANA, CLEO, ENTITY, World, belgian_vat, contract_data, single, unique

Say = Mapping[str, str]
SENT: set[str] = set()
"""The messages that some test here has sent by their forms."""


def whole() -> JsonObject:
    """A contract of everything: milestones with retainage, a retainer, usage, a term, a budget."""
    return contract_data(
        title="Managed platform",
        signed_on=in_days(0),
        ends_on=in_days(300),
        value="6000.00",
        services=[
            {"key": "build", "code": "BUILD", "description": "Build", "amount": "1000.00"},
            {"key": "desk", "code": "RETAINER", "description": "Desk", "amount": "4000.00"},
            {"key": "calls", "code": "USAGE", "description": "Calls", "amount": "1000.00"},
            {"key": "held", "code": "RETAINAGE", "description": "Retainage", "amount": "0.00"},
        ],
        milestones=[
            {"key": "one", "name": "One", "service": "build", "amount": "600.00"},
            {"key": "two", "name": "Two", "service": "build", "amount": "300.00"},
            {"key": "three", "name": "Three", "service": "build", "amount": "100.00"},
        ],
        retainers=[{"key": "desk", "service": "desk", "fee": "1000.00"}],
        usage=[{"key": "calls", "service": "calls", "unit": "call", "tiers": [{"price": "0.05"}]}],
        retainage={"percent": "10", "service": "held"},
        term={"auto_renew": True, "renew_months": 1, "notice_days": 10},
        handover={"shows_amounts": True},
    )


async def send(visit: Visit, place: str, name: str, say: Say) -> None:
    """Fill in the form of a message on the page of a contract or an invoice, and send it."""
    page, act = visit.page, actions.BY_NAME[name]
    await visit.open(place)
    form = page.locator(f"details#{name}")
    await form.locator("summary").click()
    for field, value in say.items():
        await fill(form.locator(f"[name='{field}']"), value)
    await form.get_by_role("button").click()
    if act.is_grave:
        await visit.check()
        await page.get_by_role("button", name="Yes: ").click()
    if name == "propose_change":
        await expect(page.locator("h1")).to_contain_text("Change order")
        await visit.check()
        await page.get_by_role("button", name="Propose this change").click()
    await visit.outcome(f"Accepted: {act.title.lower()}.")
    SENT.add(name)


async def fill(field: Locator, value: str) -> None:
    kind = await field.evaluate("it => it.type")
    if kind == "checkbox":
        await field.set_checked(value == "yes")
    elif kind.startswith("select"):
        await field.select_option(value)
    else:
        await field.fill(value)


# --- contracts ------------------------------------------------------------------------------------


async def test_who_delivers_reports_and_changes_and_a_controller_holds(
    visiting: Visiting, world: World
) -> None:
    workflow_id = await world.active(whole())
    place = f"/c/{short(workflow_id)}"
    async with visiting(PIA) as pia, visiting(CLEO) as cleo:
        await send(pia, place, "reach_milestone", {"milestone": "one", "on": in_days(0)})
        await send(pia, place, "reach_milestone", {"milestone": "two"})
        again = {"milestone": "two", "reason": "the test failed"}
        await send(pia, place, "unreach_milestone", again)
        records = f"{unique('u')}, calls, {in_days(0)}, 40"
        await send(pia, place, "record_usage", {"records": records})
        breach = {"retainer": "desk", "reference": "sla-1", "amount": "50.00", "reason": "down"}
        await send(pia, place, "credit_service", breach)
        await send(pia, place, "read_burn", {})
        change = {"reason": "one more interface", "change": '{"reprice": {"three": "500.00"}}'}
        await send(pia, place, "propose_change", change)
        hold = {"kind": "dunning", "hold.reason": "a new address", "hold.until": in_days(9)}
        await send(cleo, place, "set_hold", hold)
    state = await world.contract(workflow_id)
    assert state.change is not None
    assert state.holds
    assert state.account.usage["calls"]


async def test_finance_credits_and_a_controller_ends_and_releases(
    visiting: Visiting, world: World
) -> None:
    workflow_id = await world.active(whole() | {"starts_on": in_days(10)})  # no fee is due yet
    await world.reach(workflow_id, "one")
    place = f"/c/{short(workflow_id)}"
    await world.issue(workflow_id, 1)
    async with visiting(ANA) as ana, visiting(CLEO) as cleo:
        asked = {"number": "1", "amount": "20.00", "reason": "one day less"}
        await send(ana, place, "request_credit", asked)
        await send(cleo, place, "release_retainage", {"reason": "the warranty is over"})
        early = {"side": "customer", "reason": "stopped", "on": in_days(60), "agreed": "yes"}
        await send(cleo, place, "terminate", early)
        await send(cleo, place, "withdraw_termination", {"reason": "they go on"})
        await send(cleo, place, "give_notice", {"side": "customer"})
    state = await world.contract(workflow_id)
    assert state.termination is None
    assert state.notice is not None


async def test_a_deal_is_read_again_and_a_contract_signed_on_paper_and_cancelled(
    visiting: Visiting, world: World, sandbox: Sandbox
) -> None:
    running, paper = [
        (await world.c2c.start_deal(system, _deal(sandbox), ENTITY)).workflow_id
        for system in (DEALS, ON_PAPER)
    ]
    await world.stage(running, ContractStage.ACTIVE)
    await world.stage(paper, ContractStage.SIGNING)
    async with visiting(PIA) as pia, visiting(CLEO) as cleo:
        await send(pia, f"/c/{short(running)}", "refresh_customer", {})
        signed = {"reason": "the letter is in the safe", "on": in_days(0)}
        await send(pia, f"/c/{short(paper)}", "confirm_signature", signed)
        await world.stage(paper, ContractStage.ACTIVE)
        await send(cleo, f"/c/{short(paper)}", "request_cancel", {"reason": "they withdrew"})
    await world.stage(paper, ContractStage.CANCELLED)


def _deal(sandbox: Sandbox) -> str:
    name = unique("Deal")
    return sandbox.hubspot.add_deal(
        name=name,
        amount="1000",
        won=True,
        owner_email="sam@northwind.example",
        company={"name": f"Acme {name}", "hs_country_code": "BE", "vat_number": belgian_vat()},
        contacts=[{"email": f"{name.lower()}@acme.example.com", "label": "Billing"}],
        line_items=[{"name": "Build", "hs_sku": "BUILD", "price": "1000"}],
    )


# --- invoices -------------------------------------------------------------------------------------


async def test_finance_does_all_that_can_be_done_about_an_invoice(
    visiting: Visiting, world: World
) -> None:
    invoice = await world.open(single())
    place = f"/c/{short(invoice).rpartition('/')[0]}/invoices/1"
    async with visiting(ANA) as visit:
        promise = {"on": in_days(5), "amount": "300.00"}
        await send(visit, place, "promise_payment", promise)
        await send(visit, place, "change_dunning_hold", {"on": "yes", "reason": "they moved"})
        dispute = {"reason": "two days missing", "amount": "200.00", "revised_due_on": in_days(40)}
        await send(visit, place, "open_dispute", dispute)
        resolved = {"comment": "one day was missing", "accepted": "100.00"}
        await send(visit, place, "resolve_dispute", resolved)
        paid = {"reference": "W-1", "amount": "100.00", "paid_on": in_days(0)}
        await send(visit, place, "record_payment", paid)
        await send(visit, place, "ask_write_off", {"reason": "they are gone"})
    state = await world.c2c.invoice(invoice).state()
    assert list(state.known_payments) == ["W-1"]
    assert state.hold is not None


async def test_a_double_click_records_one_payment(visiting: Visiting, world: World) -> None:
    invoice = await world.open(single())
    async with visiting(ANA) as visit:
        page = visit.page
        await visit.open(f"/c/{short(invoice).rpartition('/')[0]}/invoices/1")
        await page.locator("#record_payment summary").click()
        await page.locator("#record_payment-reference").fill("W-1")
        await page.locator("#record_payment-amount").fill("100.00")
        await page.locator("#record_payment-paid_on").fill(in_days(0))
        await page.get_by_role("button", name="Record a payment").dblclick()
        await visit.outcome("Accepted")
    state = await world.c2c.invoice(invoice).state()
    assert list(state.known_payments) == ["W-1"]


# --- what is refused, and what is not offered -----------------------------------------------------


async def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(
    visiting: Visiting, world: World
) -> None:
    invoice = await world.open(single())
    async with visiting(ANA, scripts=False, width=390) as visit:
        page = visit.page
        await visit.open(f"/c/{short(invoice).rpartition('/')[0]}/invoices/1")
        await page.locator("#open_dispute summary").click()
        await page.locator("#open_dispute-reason").fill("two <days> are missing")
        await page.locator("#open_dispute-amount").fill("all of it")
        await page.get_by_role("button", name="Customer disputes it").click()
        await expect(page.locator("#open_dispute [role=alert]")).to_contain_text("Not sent")
        await expect(page.locator("#open_dispute-amount")).to_have_attribute("aria-invalid", "true")
        await expect(page.locator("#open_dispute-reason")).to_have_value("two <days> are missing")
        await visit.check()
        await page.locator("#open_dispute-amount").fill("9999.00")
        await page.get_by_role("button", name="Customer disputes it").click()
        await expect(page.locator("#open_dispute [role=alert]")).to_contain_text("Refused")
        await visit.check()
        await page.locator("#open_dispute-amount").fill("200.00")
        await page.get_by_role("button", name="Customer disputes it").click()
        await visit.outcome("Accepted")


async def test_without_scripts_a_milestone_is_reached(visiting: Visiting, world: World) -> None:
    workflow_id = await world.active(single())
    async with visiting(PIA, scripts=False, width=390) as visit:
        await visit.open("/contracts")
        await visit.page.get_by_role("link", name=workflow_id.rpartition("/")[2]).first.click()
        await visit.page.get_by_text("Milestone reached", exact=True).first.click()
        await visit.page.get_by_role("button", name="Milestone reached").click()
        await visit.outcome("Accepted")
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)


@pytest.mark.parametrize("person", [ANA, CLEO, PIA, OLAF, VERA, ADA])
async def test_a_role_has_forms_for_what_it_may_send_and_reasons_for_the_rest(
    visiting: Visiting, world: World, person: str, both: tuple[str, str]
) -> None:
    async with visiting(person) as visit:
        for place, acts in zip(both, (actions.OF_CONTRACTS, actions.OF_INVOICES), strict=True):
            await visit.open(place)
            for act in acts:
                form = visit.page.locator(f"form[action$='/actions/{act.name}']")
                refused = visit.page.locator(".act.barred", has_text=act.title).filter(
                    has_text="this needs one of the roles"
                )
                may = allows([ROLES[person]], act.permission)
                assert await refused.count() == (not may), (act.name, person)
                assert await form.count() <= may, (act.name, person)


@pytest.fixture(scope="module")
async def both(world: World) -> tuple[str, str]:
    """The pages of a contract, and of an invoice of it."""
    workflow_id = await world.active(whole())
    place = f"/c/{short(workflow_id)}"
    await world.reach(workflow_id, "one")
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    return place, f"{place}/invoices/1"


async def test_the_list_of_contracts_is_narrowed_by_its_address(
    visiting: Visiting, world: World
) -> None:
    contract = single()
    workflow_id = await world.active(contract)
    async with visiting(VERA) as visit:
        page = visit.page

        async def shows_it() -> bool:
            await visit.open(f"/contracts?customer={contract['customer']['key']}&stage=active")
            return await page.locator("tr[data-row]").count() == 1

        await eventually(shows_it)
        await expect(page.get_by_role("link", name=contract["contract_id"]).first).to_be_visible()
        await page.get_by_label("Running").select_option("ended")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator(".card")).to_contain_text("No contract is like that")
        assert "state=ended" in page.url
        await visit.check()
    assert (await world.contract(workflow_id)).stage is ContractStage.ACTIVE


def test_every_message_of_people_was_sent_by_its_form() -> None:
    """The last of this module: what a new message needs is one more line above."""
    assert set(actions.BY_NAME) - SENT == set()

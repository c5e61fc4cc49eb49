"""The inbox and the approval page over real workflows: what is listed, decided and told."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
import pytest

from contracts.access import Role
from contracts.changes import ChangeOrder
from contracts.invoice.state import InvoiceStage
from contracts.parking import Action
from sandbox.server import Sandbox
from starters.client.references import short
from starters.web.app import application
from starters.web.pages.workbench import Workbench
from tests.visitors import CSRF, PERSON, FakeVisits, visitor
from tests.world import ANA, BOB, CLEO, World, contract_data, single
from wiring.settings import Settings, WebSettings

OLAF = "olaf@northwind.example"
VISITORS = {
    ANA: visitor(ANA, northwind=Role.FINANCE),
    BOB: visitor(BOB, northwind=Role.FINANCE),
    CLEO: visitor(CLEO, northwind=Role.CONTROLLER),
    OLAF: visitor(OLAF, northwind=Role.OPERATOR),
    "eve@elsewhere.example": visitor("eve@elsewhere.example", elsewhere=Role.CONTROLLER),
}


class Browser:
    """One person's browser, without scripts: it keeps cookies, and fills in the forms it gets."""

    def __init__(self, http: httpx.AsyncClient, person: str) -> None:
        self._http, self._headers = http, {"accept": "text/html", PERSON: person}

    async def get(self, address: str, status: int = 200) -> str:
        answer = await self._http.get(address, headers=self._headers)
        assert answer.status_code == status, answer.text
        return answer.text

    async def decide(self, decision: str, picked: list[str], seen: str, **more: str) -> str:
        """The page that follows."""
        fields: dict[str, Any] = {
            "csrf": CSRF,
            "once": field(seen, "once"),
            "decision": decision,
            "pick": picked,
            **more,
        }
        answer = await self._http.post("/inbox/decide", data=fields, headers=self._headers)
        if answer.status_code == 303:
            return await self.get(answer.headers["location"])
        return answer.text


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, page
    return html.unescape(found[1])


def picks(page: str, customer: Mapping[str, Any]) -> list[str]:
    """What may be picked of a contract."""
    ref = f"northwind/{customer['contract_id']}"
    found = re.findall(r'name="pick" value="([^"]*)"', page)
    return [item for item in map(html.unescape, found) if item.startswith((f"{ref}:", f"{ref}/"))]


def page_of(picked: str, listing: str) -> tuple[str, str]:
    """The address of the page of what is picked, as the list links to it, and its content."""
    _, content_hash, _ = picked.rsplit(":", 2)
    [address] = set(re.findall(rf'href="(/c/[^"]*/approvals/{content_hash})"', listing))
    return address, content_hash


@pytest.fixture
async def http(world: World, sandbox_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async def connect() -> Any:
        return world.client

    workbench = Workbench(sandbox_settings.entities, "https://odoo.example")
    app = application(WebSettings(), {}, connect, workbench=workbench, visits=FakeVisits(VISITORS))
    app.state.temporal = world.client  # httpx runs no lifespan
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def listed(
    browser: Browser, contract: Mapping[str, Any], enough: Callable[[list[str]], bool]
) -> tuple[str, list[str]]:
    """The inbox for a contract's customer, once the list, which lags a little, shows enough."""
    for _ in range(100):
        page = await browser.get(f"/inbox?customer={contract['customer']['key']}")
        if enough(picks(page, contract)):
            return page, picks(page, contract)
        await asyncio.sleep(0.1)
    raise AssertionError(page)


def one(found: list[str]) -> bool:
    return len(found) == 1


async def test_an_invoice_and_a_change_order_are_listed_from_their_memos_and_decided(
    world: World, http: httpx.AsyncClient
) -> None:
    contract = contract_data()
    workflow_id = await world.active(contract)
    await world.reach(workflow_id, "design")
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.AWAITING_APPROVAL)
    order = ChangeOrder(number=1, by=ANA, reason="more work", reprice={"build": "3500.00 EUR"})
    await world.c2c.contract(workflow_id).propose_change(order)
    bob, ana = Browser(http, BOB), Browser(http, ANA)
    page, picked = await listed(bob, contract, lambda found: len(found) == 2)
    assert "Invoice 1 of" in page
    assert "Change order 1 of" in page
    # Ana asked for the change: hers to reject alone. The invoice is approved all the same.
    page, picked = await listed(ana, contract, lambda found: len(found) == 2)
    assert "segregation" in page
    after = await ana.decide("approve", picked, page, customer=contract["customer"]["key"])
    assert "1 approved, 1 not." in after
    assert "segregation" in after
    await world.invoice(f"{workflow_id}/invoice/1", InvoiceStage.OPEN)
    page, [left] = await listed(bob, contract, one)
    assert left.startswith(f"{short(workflow_id)}:")
    after = await bob.decide("ask", [left], page, reason="too dear")
    assert "1 sent back for changes." in after
    state = await world.c2c.contract(workflow_id).state()
    assert any("Changes asked for: too dear" in item.text for item in state.journal.entries)


async def test_a_double_click_counts_once_and_a_stale_tab_is_told(
    world: World, http: httpx.AsyncClient
) -> None:
    contract = single()
    invoice = await world.proposed(contract)
    ana = Browser(http, ANA)
    page, picked = await listed(ana, contract, one)
    twice = await asyncio.gather(
        ana.decide("approve", picked, page), ana.decide("approve", picked, page)
    )
    assert all("1 approved." in item for item in twice)
    state = await world.invoice(invoice, InvoiceStage.OPEN)
    assert state.approval_round is not None
    assert [item.by for item in state.approval_round.approvals] == [ANA]
    # Another tab shows the same rows still: it is refused, in words.
    after = await ana.decide(
        "approve", picked, page.replace('name="once" value="', 'name="once" value="x')
    )
    assert "0 approved, 1 not." in after
    assert "nothing is to be decided" in after


async def test_a_rejection_needs_a_reason_and_keeps_what_was_picked(
    world: World, http: httpx.AsyncClient
) -> None:
    contract = single()
    invoice = await world.proposed(contract)
    ana = Browser(http, ANA)
    page, picked = await listed(ana, contract, one)
    after = await ana.decide("reject", picked, page)
    assert "Say why" in after
    assert re.search(r'value="' + re.escape(html.escape(picked[0])) + r'"[^>]* checked', after)
    assert field(after, "once") == field(page, "once")
    after = await ana.decide("reject", picked, after, reason="wrong order")
    assert "1 rejected." in after
    await world.invoice(invoice, InvoiceStage.REJECTED)


async def test_who_may_not_decide_is_told_why_and_another_entity_does_not_exist(
    world: World, http: httpx.AsyncClient
) -> None:
    contract = single()
    await world.proposed(contract)
    _, picked = await listed(Browser(http, ANA), contract, one)
    customer = f"/inbox?customer={contract['customer']['key']}"
    olaf = Browser(http, OLAF)
    page = await olaf.get(customer)
    assert picks(page, contract) == []
    assert "this needs one of the roles" in page
    assert contract["contract_id"] in page
    eve = Browser(http, "eve@elsewhere.example")
    page = await eve.get("/inbox")
    assert contract["contract_id"] not in page
    after = await eve.decide("approve", picked, 'name="once" value="1"')
    assert "there is no such thing" in after
    ref, content_hash, _ = picked[0].rsplit(":", 2)
    _, name, number = ref.split("/")
    address = f"/c/northwind/{name}/invoices/{number}/approvals/{content_hash}"
    await eve.get(address, 404)
    assert "Not yours to decide" in await olaf.get(address)


async def test_the_page_of_an_approval_shows_lines_taxes_terms_and_is_decided_there(
    world: World, http: httpx.AsyncClient
) -> None:
    contract = single()
    invoice = await world.proposed(contract)
    ana = Browser(http, ANA)
    listing, [picked] = await listed(ana, contract, one)
    address, content_hash = page_of(picked, listing)
    page = await ana.get(address)
    for said in (
        "The draft in Odoo",
        "1,000.00",
        "Milestone",
        "Once approved",
        "https://odoo.example/web#id=",
    ):
        assert said in page
    assert 'href="/c/northwind/' in page
    after = await ana.decide("approve", [picked], page, back=address)
    assert "1 approved." in after
    await world.invoice(invoice, InvoiceStage.OPEN)
    assert "Nothing awaits approval here any more" in await ana.get(address)
    await ana.get(f"/c/northwind/none/approvals/{content_hash}", 404)
    await ana.get("/c/northwind/none/approvals/abc", 404)


async def test_a_write_off_is_shown_with_its_reason_and_what_is_open(
    world: World, http: httpx.AsyncClient
) -> None:
    contract = single()
    invoice = await world.open(contract)
    await world.c2c.invoice(invoice).ask_write_off("customer is gone", by=ANA)
    bob = Browser(http, BOB)
    listing, [picked] = await listed(bob, contract, one)
    address, _ = page_of(picked, listing)
    page = await bob.get(address)
    for said in ("Write-off of", "because: customer is gone", "How it stands in Odoo"):
        assert said in page
    after = await bob.decide("approve", [picked], page)
    assert "1 approved." in after


async def test_what_changed_since_a_browser_looked_is_told_and_an_old_page_has_no_buttons(
    world: World, http: httpx.AsyncClient
) -> None:
    contract = single()
    invoice = await world.proposed(contract)
    ana = Browser(http, ANA)
    _, [before] = await listed(ana, contract, one)
    ref, old_hash, _ = before.rsplit(":", 2)
    state = await world.c2c.invoice(invoice).state()
    assert state.invoice_id is not None
    line = (
        await asyncio.to_thread(
            world.accountant.search_read,
            "account.move.line",
            [("move_id", "=", state.invoice_id), ("display_type", "=", "product")],
            ["id"],
        )
    )[0]
    await asyncio.to_thread(
        world.accountant.write, "account.move.line", [line["id"]], {"name": "Somebody's text"}
    )
    # It is found out before it is posted; then somebody writes what is to be said.
    await ana.decide("approve", [before], await ana.get("/inbox"))
    await world.parked(invoice)
    changes = {"lines.0.description": "Another text"}
    await world.resolve(invoice, Action.AMEND, changes=changes)
    bob = Browser(http, BOB)
    await listed(bob, contract, lambda found: one(found) and found != [before])
    page = await bob.get(f"/inbox?customer={contract['customer']['key']}&since={ref}:{old_hash}")
    assert "changed since you looked" in page
    assert "Another text" in page
    old = await bob.get(f"/c/{ref.rpartition('/')[0]}/invoices/1/approvals/{old_hash}")
    assert "This is no longer what awaits approval" in old
    assert "<del>" in old
    assert 'name="decision"' not in old


async def test_what_is_approved_while_odoo_is_away_is_not_listed_as_open(
    world: World, http: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    contract = single()
    invoice = await world.proposed(contract)
    ana, bob = Browser(http, ANA), Browser(http, BOB)
    page, [picked] = await listed(ana, contract, one)
    sandbox.faults.configure([{"kind": "status", "path": "account.move", "status": 503}])
    try:
        await ana.decide("approve", [picked], page)
        # Lists show it as it was. Bob reads what is known here, and cannot decide once more.
        for person in (ana, bob):
            after = await person.get(f"/inbox?customer={contract['customer']['key']}")
            assert "approved</span> here," in after
            assert picks(after, contract) == []
    finally:
        sandbox.faults.clear()
    await world.invoice(invoice, InvoiceStage.OPEN)

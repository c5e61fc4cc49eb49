"""Every page on any screen and in the dark: accessible, no wider than the window, and looked at."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields

import pytest
from fastapi.routing import APIRoute

from starters.client.references import short
from starters.web.pages.modules import MODULES
from tests.bank_source import paid
from tests.browser import life
from tests.browser.conftest import SCHEMES, WIDTHS, Visiting
from tests.browser.firm import ADA, OLAF, PIA, VERA
from tests.world import ANA, CLEO, World, contract_data
from wiring.settings import Settings


@dataclass(frozen=True)
class Firm:
    """Addresses of what there is."""

    contract: str
    invoice: str
    approval: str
    change_order: str
    exception: str
    rejected: str
    payment: str
    bank_file: str
    event: str
    receivable: str
    audit: str


PAGES = {
    "inbox": ("/inbox", ANA),
    "approval": ("{approval}", CLEO),
    "change-order": ("{change_order}", ANA),
    "contracts": ("/contracts", VERA),
    "contract": ("{contract}", PIA),
    "contract-of-controller": ("{contract}", CLEO),
    "invoice": ("{invoice}", ANA),
    "exceptions": ("/exceptions", CLEO),
    "exception": ("{exception}", PIA),
    "exception-of-money": ("{rejected}", CLEO),
    "exception-of-invoice": ("{payment}", CLEO),
    "bank-file": ("{bank_file}", ANA),
    "event": ("{event}", OLAF),
    "receivables": ("/receivables", ANA),
    "receivable": ("{receivable}", ANA),
    "questions": ("/questions", VERA),
    "question": ("/questions/milestones-late", VERA),
    "figures": ("/figures", ADA),
    "figure": ("/figures/aging", ADA),
    "access": ("/access", ADA),
    "erase": ("/erase", ADA),
    "audit": ("/audit", CLEO),
    "audit-chain": ("{audit}", CLEO),
}
"""Each page by a name for its pictures, and who opens it."""


@pytest.fixture(scope="session")
async def firm(world: World, firm_settings: Settings, site: str) -> Firm:
    """A month at the firm."""
    late = contract_data(title="Plant automation")
    late["milestones"][2]["due_on"] = life.in_days(-3)
    mixed = life.named("Osprey Robotics", "Plant automation", late)
    contract = await world.active(mixed)
    await world.reach(contract, "design")
    await world.issue(contract, 1)
    await world.reach(contract, "build")
    waiting, stuck, rejected, payment, event = await asyncio.gather(
        life.waiting(world),
        life.parked(world, life.named("Tern & Sons", "Data room", life.unknown_service())),
        life.rejected(world),
        life.refused_payment(world),
        life.unknown_milestone(world, site),
    )
    lines = [
        paid(amount, "services rendered", "Harbour Logistics") for amount in ("120.00", "9.50")
    ]
    file = await life.bank_file(world, firm_settings, life.statement(*lines))
    await file.until_parked(2)
    await life.measured(world, firm_settings)
    change = (await world.contract(waiting.contract)).change
    assert change is not None
    assert change.approval_round is not None
    place = f"/c/{short(contract)}"
    return Firm(
        contract=place,
        invoice=f"{place}/invoices/1",
        approval=await life.approval_page(world, waiting.large),
        change_order=f"/c/{short(waiting.contract)}/approvals/{change.approval_round.subject.content_hash}",
        exception=life.exception_page(stuck),
        rejected=life.exception_page(rejected),
        payment=life.exception_page(payment),
        bank_file=file.page,
        event=event,
        receivable=f"/receivables/{short(contract)}/1",
        audit=f"/audit/{short(contract)}",
    )


def _address(firm: Firm, page: str) -> str:
    return PAGES[page][0].format(
        **{field.name: getattr(firm, field.name) for field in fields(firm)}
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", WIDTHS)
async def test_every_page_is_accessible(
    visiting: Visiting, firm: Firm, size: str, scheme: str
) -> None:
    people = dict.fromkeys(person for _, person in PAGES.values())
    for person in people:
        async with visiting(person, width=WIDTHS[size], scheme=scheme) as visit:
            for name in (name for name, (_, who) in PAGES.items() if who == person):
                await visit.open(_address(firm, name))
                if name == "inbox":
                    await visit.page.locator("input[name=pick]").first.check()
                await visit.picture(f"{name}-{size}-{scheme}")
                await visit.check()


def test_no_page_is_left_out(firm: Firm) -> None:
    addresses = [_address(firm, name) for name in PAGES]
    routes = [
        route
        for module in MODULES
        for route in module.routes.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    ]
    missing = [
        route.path
        for route in routes
        if route.path != "/"  # leads to the inbox
        and not route.path.endswith((".csv", ".jsonl"))  # are files
        and not any(route.path_regex.match(address) for address in addresses)
    ]
    assert missing == []

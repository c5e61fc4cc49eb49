"""Changes and endings as the CRM sees them; test_changes.py and test_endings.py tell the rest."""

from __future__ import annotations

from contracts.contract.messages import Side, TerminationRequest
from contracts.contract.state import ContractStage, Ending
from starters.client import messages
from tests.e2e import test_crm
from tests.e2e.telling import CLARA, SAM, invoiced, today
from tests.e2e.test_crm import HUBSPOT, CrmWorld
from tests.world import ANA, belgian_vat, eur, unique

crm_settings, namespace = test_crm.crm_settings, test_crm.namespace
world, unharmed = test_crm.world, test_crm.unharmed


def deal(world: CrmWorld, email: str) -> str:
    """A won deal of two services, 1,000 EUR each."""
    name = unique("Deal")
    company = {"name": f"Acme {name}", "hs_country_code": "BE", "vat_number": belgian_vat()}
    return world.sandbox.hubspot.add_deal(
        name=name,
        amount="2000",
        owner_email=SAM,
        company=company,
        contacts=[{"email": email, "label": "Billing"}],
        line_items=[
            {"name": code.title(), "hs_sku": code, "price": "1000"} for code in ("BUILD", "SUPPORT")
        ],
    )


async def test_an_early_end_is_told_in_the_crm_with_the_money_it_came_to(world: CrmWorld) -> None:
    """Early termination ... and says so in the CRM."""
    deal_id = deal(world, f"{unique('ap').lower()}@acme.example.com")
    workflow_id = await world.won(HUBSPOT, deal_id)
    first, _ = (await world.contract(workflow_id)).milestones
    await world.reach(workflow_id, first)
    await world.issue(workflow_id, 1)
    request = TerminationRequest(
        side=Side.CUSTOMER, by=SAM, reason="the programme was stopped", on=today(), agreed=True
    )
    await world.tell(workflow_id, messages.TERMINATE, request)
    await world.skip(workflow_id, days=2)
    await world.contract(workflow_id, lambda found: found.terminated)
    await world.collect(workflow_id, 1)
    state = await world.stage(workflow_id, ContractStage.CLOSED)
    assert state.ending is Ending.TERMINATED
    shown = await world.hubspot_until(deal_id, lambda told: "terminated" in told.get("stage", ""))
    assert shown["invoiced"] == shown["paid"] == "1000.00 EUR"
    assert invoiced(world, workflow_id) == eur("1000.00")


async def test_what_changed_in_the_crm_is_taken_where_the_crm_owns_it_and_else_only_named(
    world: CrmWorld,
) -> None:
    """Customer data changed in the CRM, by field ownership."""
    email, new = (f"{unique('ap').lower()}@acme.example.com" for _ in range(2))
    deal_id = deal(world, email)
    workflow_id = await world.won(HUBSPOT, deal_id)
    hubspot = world.sandbox.hubspot
    [contact] = [
        str(row.id) for row in hubspot.all("contacts") if row.properties.get("email") == email
    ]
    hubspot.update("contacts", contact, {"email": new})
    hubspot.update("deals", deal_id, {"hubspot_owner_id": hubspot.add_owner(CLARA)})
    told = await world.c2c.contract(workflow_id).refresh_customer(by=CLARA)
    state = await world.contract(workflow_id)
    assert state.contract is not None
    # Who sells is the CRM's to say; where invoices go is Odoo's since the contract was signed.
    assert state.contract.requested_by == CLARA
    assert state.contract.customer.billing_email == email
    [taken] = [text for text in told if not text.startswith("not taken")]
    assert CLARA in taken
    [refused] = [text for text in told if new in text]
    assert refused.startswith("not taken")
    assert "change it there" in refused
    first, _ = state.milestones
    await world.reach(workflow_id, first)
    await world.issue(workflow_id, 1, ANA)

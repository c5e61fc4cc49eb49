"""What is told on the sandbox here, and on the real Odoo in tests/e2e."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from temporalio.client import WorkflowFailureError

from contracts.contract.state import ContractStage
from contracts.invoice.messages import PaymentReceived
from contracts.invoice.state import InvoiceStage
from starters.client import messages
from tests.world import World, odoo_invoices, odoo_order, single, unique

EMOJI = "Zoë & Söhne „GmbH“ <b>'1'</b> 🏗️ שלום"
NAMES = {
    "emoji, quotes and tags": EMOJI,
    "the longest there is": "x" * 200,
    "the longest of emoji": "🏗" * 200,
    "an injection": "'; DROP TABLE res_partner; --",
}


async def tell_of_a_name(world: World, name: str) -> None:
    """A customer, contract, service and milestone of that name, to the invoice that is sent."""
    contract = single(title=name)
    # Of a domain of its own: many customers of the tests share one.
    email = f"ap@{unique('firm').lower()}.example.com"
    contract["customer"] |= {
        "name": name,
        "vat_number": None,
        "city": name,
        "billing_email": email,
    }
    contract["services"][0]["description"] = name
    contract["milestones"][0]["name"] = name
    workflow_id = await world.active(contract)
    await world.reach(workflow_id, "all")
    await world.issue(workflow_id, 1)
    [order] = odoo_order(world.admin, workflow_id)
    [partner] = world.admin.read("res.partner", [order["partner_id"][0]], ["name", "city"])
    assert (partner["name"], partner["city"]) == (name, name)
    [move] = odoo_invoices(world.admin, workflow_id)
    assert move["amount_untaxed"] == 1000.0


async def tell_of_an_expired_key(world: World) -> None:
    """The key expires in the middle of everything; a new one in the file mends all of it."""
    unpaid, undecided = await world.open(single()), await world.proposed(single())
    starting = [await world.start(single()) for _ in range(4)]
    await world.contract(starting[0], lambda found: found.odoo.partner_id is not None)
    await asyncio.to_thread(world.server.expire_keys, "c2c")
    try:
        state = await world.invoice(unpaid)
        assert state.balance is not None
        payment = PaymentReceived(
            reference=unique("PAY"),
            amount=state.balance.residual,
            paid_on=datetime.now(UTC).date(),
        )
        await world.tell(unpaid, messages.RECORD_PAYMENT, payment)
        await world.approve(undecided)
        late = await world.start(single())
        for parked_id in (unpaid, undecided, late):
            parked = await world.parked(parked_id)
            assert (parked.kind, parked.code) == ("credentials", "api_key_refused")
        with pytest.raises(WorkflowFailureError):
            await world.sweep()
        await world.contract(
            starting[-1],
            lambda found: bool(found.exceptions) or found.stage is ContractStage.ACTIVE,
        )
        key = await asyncio.to_thread(world.server.new_key, "c2c")
        world.server.keys["c2c"].write_text(key)
        # They try again by themselves: nobody restarts or resolves anything.
        for parked_id in (unpaid, undecided, late, *starting):
            await world.skip(parked_id, minutes=2)
        for workflow_id in (late, *starting):
            await world.stage(workflow_id, ContractStage.ACTIVE)
        await world.invoice(unpaid, InvoiceStage.PAID)
        await world.invoice(undecided, InvoiceStage.OPEN)
        await world.sweep()
    finally:
        await asyncio.to_thread(world.server.renew_keys, "c2c")
    _assert_nothing_doubled(world, [late, *starting], [unpaid, undecided], payment.reference)


def _assert_nothing_doubled(
    world: World, contracts: list[str], invoices: list[str], reference: str
) -> None:
    admin = world.admin
    for workflow_id in contracts:
        [order] = odoo_order(admin, workflow_id)
        assert order["state"] == "sale"
    for invoice in invoices:
        [_] = odoo_invoices(admin, invoice.removesuffix("/invoice/1"))
    [_] = admin.search_read("account.payment", [("memo", "=", reference)], ["memo"])

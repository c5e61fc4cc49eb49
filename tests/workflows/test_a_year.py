"""A year of a managed service: overage, an index, a credit, a dispute, a late payer, a renewal.

It runs through many runs of its workflow, none of them long, and its books agree with Odoo's.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from contracts.billing.lines import InvoiceKind
from contracts.contract.messages import ServiceCredit, Side, TerminationRequest
from contracts.contract.state import ContractStage, Ending, money_table
from contracts.identifiers import origins_of_contract
from contracts.invoice.messages import DisputeOpened, DisputeResolved
from contracts.invoice.state import InvoiceStage
from starters.client import messages
from tests.e2e.telling import last_of, month, on
from tests.world import ANA, BOB, World, contract_data, eur

pytestmark = pytest.mark.long

MAX_EVENTS = 2_000
SLA_CREDIT = ServiceCredit(
    retainer="care", reference="sla-1", reason="outage", amount=eur("150.00"), by=ANA
)
SERVICE = {
    "value": "0.00",
    "milestones": [],
    "starts_on": str(month(1)),
    "ends_on": str(last_of(12)),
    "services": [
        {"key": "care", "code": "RETAINER", "description": "Managed service", "amount": "0.00"}
    ],
    "retainers": [
        {
            "key": "care",
            "service": "care",
            "fee": "2000.00",
            "included_hours": "10",
            "overage_price": "100.00",
            "indexation": {"percent": "3", "first_on": str(month(7))},
        }
    ],
    "term": {"auto_renew": True, "renew_months": 12, "notice_days": 30},
}


async def test_a_year_of_a_managed_service(world: World) -> None:
    workflow_id = await world.active(contract_data(**SERVICE))
    for nth in range(1, 13):
        await world.skip_to(workflow_id, month(nth))
        # The dispute's credit note comes between, in the fourth month.
        number = nth if nth <= 4 else nth + 1
        issued = await world.issue(workflow_id, number, *_approvers(nth))
        if nth == 3:
            await world.work(workflow_id, "care", "14", str(on(3, 10)))
            await world.tell(workflow_id, messages.CREDIT_SERVICE, SLA_CREDIT)
        if nth == 4:
            amounts = [str(line.amount.amount) for line in issued.proposal.lines]
            assert amounts == ["2000.00", "400.00", "-150.00"]
            assert issued.proposal.amount == eur("2250.00")
            await _dispute(world, workflow_id, number)
        if nth == 5:
            await _is_reminded(world, f"{workflow_id}/invoice/{number}")
        if nth == 8:
            assert issued.proposal.amount == eur("2060.00"), "indexed from the seventh month on"
        await world.pay(f"{workflow_id}/invoice/{number}")
        await world.sweep()
        await world.invoice(f"{workflow_id}/invoice/{number}", InvoiceStage.PAID)
    await world.skip_to(workflow_id, on(12, 3))
    state = await world.contract(workflow_id, lambda found: len(found.versions) == 2)
    assert state.contract is not None
    assert state.contract.ends_on == last_of(24), "renewed: nobody gave notice"
    await _end(world, workflow_id)
    await _agrees(world, workflow_id)
    assert await _longest_run(world, workflow_id) < MAX_EVENTS


def _approvers(nth: int) -> tuple[str, ...]:
    return (ANA,) if nth % 2 else (BOB,)


async def _dispute(world: World, workflow_id: str, number: int) -> None:
    """The customer contests an hour of the overage; half of it is credited, the rest dunned."""
    invoice = f"{workflow_id}/invoice/{number}"
    opened = DisputeOpened(by=ANA, reason="an hour too many", amount=eur("200.00"))
    await world.tell(invoice, messages.OPEN_DISPUTE, opened)
    resolved = DisputeResolved(by=ANA, accepted=eur("100.00"), comment="one hour it is")
    await world.tell(invoice, messages.RESOLVE_DISPUTE, resolved)
    await world.issue(workflow_id, number + 1, BOB)
    await world.invoice(
        invoice, until=lambda found: bool(found.balance and found.balance.residual == eur("2150"))
    )


async def _is_reminded(world: World, invoice: str) -> None:
    for _ in range(8):
        if (await world.invoice(invoice)).dunning.level:
            return
        await world.skip(invoice, days=7)
    raise AssertionError("nobody was reminded")


async def _end(world: World, workflow_id: str) -> None:
    """The customer ends the renewed term early: the last fee is settled, the contract closes."""
    ending = TerminationRequest(
        side=Side.CUSTOMER, by=ANA, reason="moved in-house", on=on(12, 20), agreed=True
    )
    await world.tell(workflow_id, messages.TERMINATE, ending)
    await world.skip_to(workflow_id, on(12, 21))
    final = await world.issue(workflow_id, 14)
    assert final.proposal.kind is InvoiceKind.CREDIT_NOTE, "unused days are given back"
    state = await world.contract(workflow_id)
    for number in state.invoices:
        await world.collect(workflow_id, number)
    closed = await world.stage(workflow_id, ContractStage.CLOSED)
    assert closed.ending is Ending.TERMINATED


async def _agrees(world: World, workflow_id: str) -> None:
    state = await world.contract(workflow_id)
    table = money_table(state)
    assert table is not None
    moves = world.admin.search_read(
        "account.move",
        [("invoice_origin", "=like", origins_of_contract(workflow_id)), ("state", "=", "posted")],
        ["move_type", "amount_untaxed", "amount_residual"],
    )
    signs = {"out_invoice": 1, "out_refund": -1}
    booked = sum(signs[move["move_type"]] * Decimal(str(move["amount_untaxed"])) for move in moves)
    assert booked == table.value.amount
    assert table.to_invoice.is_zero
    assert not any(move["amount_residual"] for move in moves)


async def _longest_run(world: World, workflow_id: str) -> int:
    """The number of events of the longest run, the contract's or any of its invoices'."""
    found = [
        item
        async for item in world.client.list_workflows(f"WorkflowId STARTS_WITH '{workflow_id}'")
    ]
    assert len(found) > 20, "the contract continued as new on its way"
    longest = 0
    for item in found:
        handle = world.client.get_workflow_handle(item.id, run_id=item.run_id)
        longest = max(longest, len((await handle.fetch_history()).events))
    return longest

"""Collections: the lines of behaviours.md that test_collections.py does not tell already."""

from __future__ import annotations

from datetime import timedelta

from contracts.contract.messages import CreditRequest
from contracts.contract.state import ContractStage
from contracts.invoice.messages import HoldChange
from contracts.invoice.state import InvoiceStage, InvoiceState
from contracts.parking import Action
from starters.client import messages
from tests.e2e.telling import CLARA, noted, notes, project, subjects, today
from tests.world import World, contract_data, eur, single, undo_payment


async def at_level(world: World, invoice: str, level: int) -> InvoiceState:
    return await world.invoice(invoice, until=lambda found: found.dunning.level == level)


async def test_clears_after_an_external_payment_and_the_pending_timer_is_cancelled(
    world: World,
) -> None:
    """Nothing unpaid clears and cancels the pending timer; clears after an external payment."""
    contract = single()
    invoice = await world.open(contract)
    await world.skip(invoice, days=40)
    await at_level(world, invoice, 1)
    await world.pay(invoice)
    await world.sweep()
    state = await world.invoice(invoice, InvoiceStage.PAID)
    assert (state.dunning.level, state.next_action_at) == (0, state.settles_at)
    await world.skip(invoice, days=25)
    assert len(subjects(world, contract)) == 1


async def test_clears_after_a_credit(world: World) -> None:
    """Clears after a credit."""
    contract = single()
    invoice = await world.open(contract)
    await world.skip(invoice, days=40)
    await at_level(world, invoice, 1)
    workflow_id = invoice.removesuffix("/invoice/1")
    request = CreditRequest(number=1, by=CLARA, reason="not delivered as agreed")
    await world.tell(workflow_id, messages.REQUEST_CREDIT, request)
    await world.issue(workflow_id, 2)
    state = await world.invoice(invoice, InvoiceStage.CREDITED)
    assert state.dunning.level == 0
    await world.skip(invoice, days=31)
    assert len(subjects(world, contract)) == 1


async def test_overdue_again_after_a_refund_without_an_adjustment(world: World) -> None:
    """Overdue again after a refund without adjustment."""
    contract = single()
    invoice = await world.open(contract)
    payment = await world.pay(invoice)
    await world.sweep()
    await world.invoice(invoice, InvoiceStage.PAID)
    await world.skip(invoice, days=29)
    undo_payment(world.accountant, payment)
    await world.sweep()
    await world.invoice(invoice, until=notes("Reopened: 1000.00 EUR is owed again"))
    await world.skip(invoice, days=8)
    state = await at_level(world, invoice, 1)
    assert state.stage is InvoiceStage.OVERDUE


async def test_drafts_never_count(world: World) -> None:
    """Drafts never count: what nobody approved is neither owed nor overdue."""
    contract = single()
    invoice = await world.proposed(contract)
    await world.skip(invoice, days=90)
    state = await world.invoice(invoice)
    assert (state.stage, state.dunning.level) == (InvoiceStage.AWAITING_APPROVAL, 0)
    assert state.balance is None
    assert subjects(world, contract) == []
    report = (await world.contract(invoice.removesuffix("/invoice/1"))).invoices[1]
    assert (report.overdue, report.residual) == (False, None)


async def test_levels_rise_one_at_a_time_however_late_it_is(world: World) -> None:
    """Levels rise one at a time; states are not skipped."""
    contract = single()
    invoice = await world.open(contract)
    hold = HoldChange(by=CLARA, reason="talks", until=today() + timedelta(days=100))
    await world.tell(invoice, messages.CHANGE_DUNNING_HOLD, hold)
    await world.skip(invoice, days=35)
    await world.invoice(invoice, InvoiceStage.OVERDUE)
    await world.skip(invoice, days=69)
    await at_level(world, invoice, 1)
    await world.skip(invoice, days=21)
    state = await at_level(world, invoice, 3)
    sent = {
        entry.text[: len("Reminder 1 sent")]: entry.at.date()
        for entry in state.journal.entries
        if entry.text.startswith("Reminder ") and " sent" in entry.text
    }
    assert list(sent) == ["Reminder 1 sent", "Reminder 2 sent", "Reminder 3 sent"]
    first, second, third = sent.values()
    assert min(second - first, third - second) >= timedelta(days=5)
    assert [text.split(":")[0] for text in subjects(world, contract)] == [
        "Reminder",
        "Second reminder",
        "Last reminder",
    ]


async def test_a_reminder_that_was_not_delivered_does_not_count(world: World) -> None:
    """The last reminder confirmed delivered before the next counts (Lago counts attempts)."""
    contract = single()
    invoice = await world.open(contract)
    world.server.refuse_mail(True)
    try:
        await world.skip(invoice, days=40)
        parked = await world.parked(invoice)
        assert (parked.step, parked.code) == ("remind:1", "reminder_not_delivered")
        await world.skip(invoice, days=30)
        assert (await world.invoice(invoice)).dunning.level == 0
    finally:
        world.server.refuse_mail(False)
    await world.resolve(invoice, Action.RETRY)
    await at_level(world, invoice, 1)
    assert [text.split(":")[0] for text in subjects(world, contract)] == ["Reminder"]


async def test_the_residual_is_read_again_right_before_a_reminder_is_sent(world: World) -> None:
    """Re-read the residual right before sending: reminders miss partial payments and credits."""
    contract = single()
    invoice = await world.open(contract)
    await world.pay(invoice, "600.00")
    # No sweep has told anybody.
    await world.skip(invoice, days=40)
    state = await at_level(world, invoice, 1)
    assert noted(state, "Reminder 1 sent: 400.00 EUR asked for")
    await world.pay(invoice)
    await world.skip(invoice, days=14)
    await world.invoice(invoice, InvoiceStage.PAID)
    assert len(subjects(world, contract)) == 1


async def test_money_on_its_way_pauses_dunning_and_does_not_close(world: World) -> None:
    """`in_payment` pauses dunning but does not close. Odoo Community calls such an invoice paid
    at once, so here the sweep's signal says it, on both."""
    contract = single()
    invoice = await world.open(contract)
    state = await world.invoice(invoice)
    assert state.balance is not None
    on_its_way = state.balance.model_copy(
        update={
            "in_payment": True,
            "residual": eur("0"),
            "as_of": state.balance.as_of + timedelta(seconds=1),
        }
    )
    handle = world.client.get_workflow_handle(invoice)
    await handle.signal("balance_changed", on_its_way)
    state = await world.invoice(invoice, InvoiceStage.IN_PAYMENT)
    await world.skip(invoice, days=90)
    state = await world.invoice(invoice)
    assert (state.stage, state.settles_at) == (InvoiceStage.IN_PAYMENT, None)
    assert subjects(world, contract) == []
    bounced = on_its_way.model_copy(
        update={
            "in_payment": False,
            "residual": eur("1000"),
            "as_of": on_its_way.as_of + timedelta(seconds=1),
        }
    )
    await handle.signal("balance_changed", bounced)
    await world.invoice(invoice, InvoiceStage.OVERDUE)


async def test_work_is_suspended_at_a_level_and_resumes_on_payment(world: World) -> None:
    """A contract may be suspended at a configured level (work stops; project flagged in Odoo) and
    resumes on payment."""
    workflow_id = await world.active(contract_data())
    await world.reach(workflow_id, "design")
    await world.issue(workflow_id, 1)
    invoice = f"{workflow_id}/invoice/1"
    for level, days in ((1, 36), (2, 14), (3, 18)):
        await world.skip(invoice, days=days)
        await at_level(world, invoice, level)
    state = await world.contract(workflow_id, lambda found: found.odoo.project_suspended)
    assert project(world, state)["last_update_status"] == "on_hold"
    assert noted(state, "Work is suspended: unpaid")
    await world.pay(invoice)
    await world.sweep()
    state = await world.contract(workflow_id, lambda found: not found.odoo.project_suspended)
    assert project(world, state)["last_update_status"] == "on_track"
    assert state.stage is ContractStage.ACTIVE
    updates = world.admin.search_read(
        "project.update", [("project_id", "=", state.odoo.project_id)], ["status"], order="id"
    )
    assert [row["status"] for row in updates] == ["on_hold", "on_track"]


async def test_each_instalment_is_reminded_of_from_its_own_due_date(world: World) -> None:
    """Anchor levels on the due date (per instalment), not on the invoice date."""
    contract = single(payment_term="30% Now, Balance 60 Days")
    invoice = await world.open(contract)
    await world.skip(invoice, days=8)
    state = await at_level(world, invoice, 1)
    assert noted(state, "Reminder 1 sent: 300.00 EUR asked for")
    await world.pay(invoice, "300.00")
    await world.sweep()
    state = await world.invoice(invoice, InvoiceStage.PARTIALLY_PAID)
    assert state.dunning.level == 0
    await world.skip(invoice, days=40)
    assert len(subjects(world, contract)) == 1
    await world.skip(invoice, days=20)
    state = await at_level(world, invoice, 1)
    assert noted(state, "Reminder 1 sent: 700.00 EUR asked for")

"""Collections recompute from balances, whatever is agreed, disputed, promised or undone.

Named after the lines they show. Days are moved by hand; invoices are due after 30.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from contracts.billing.lines import InvoiceKind
from contracts.contract.messages import CreditRequest
from contracts.identifiers import invoice_origin
from contracts.invoice.messages import (
    ContractHoldChange,
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    PaymentPromised,
    PaymentReceived,
    WriteOffAsked,
)
from contracts.invoice.state import InvoiceStage, InvoiceState
from contracts.money import Money
from contracts.parking import Action
from starters.client import Refused, messages
from tests.e2e.telling import today
from tests.world import ANA, BOB, CLEO, World, eur, single, undo_payment

CLARA = "clara@northwind.example"


async def dispute(world: World, invoice: str, amount: str | None = None, **words: Any) -> None:
    opened = DisputeOpened(
        by=CLARA, reason="two days were not worked", amount=eur(amount) if amount else None, **words
    )
    await world.tell(invoice, messages.OPEN_DISPUTE, opened)


async def resolve(world: World, invoice: str, accepted: str | None = None, **words: Any) -> None:
    resolved = DisputeResolved(
        by=CLARA, comment="talked it over", accepted=eur(accepted) if accepted else None, **words
    )
    await world.tell(invoice, messages.RESOLVE_DISPUTE, resolved)


async def promise(world: World, invoice: str, days: int, amount: str | None = None) -> None:
    promised = PaymentPromised(
        by=CLARA, on=today() + timedelta(days=days), amount=eur(amount) if amount else None
    )
    await world.tell(invoice, messages.PROMISE_PAYMENT, promised)


async def ask_write_off(world: World, invoice: str, by: str = CLARA) -> None:
    asked = WriteOffAsked(by=by, reason="the customer is bankrupt")
    await world.tell(invoice, messages.ASK_WRITE_OFF, asked)


async def at_level(world: World, invoice: str, level: int) -> InvoiceState:
    return await world.invoice(invoice, until=lambda found: found.dunning.level == level)


async def waits_on(world: World, invoice: str, what: str) -> InvoiceState:
    return await world.invoice(invoice, until=lambda found: found.waiting.on == what)


async def owed(world: World, invoice: str, amount: str) -> InvoiceState:
    return await world.invoice(
        invoice, until=lambda found: bool(found.balance and found.balance.residual == eur(amount))
    )


def noted(state: InvoiceState, words: str) -> bool:
    return any(words in entry.text for entry in state.journal.entries)


def reminders(world: World, contract: dict[str, Any]) -> list[str]:
    """The texts of the reminders the customer got."""
    mails = world.server.mails(contract["customer"]["billing_email"])
    bodies = [mail.get_body(("plain", "html")) for mail in mails if "eminder" in mail["Subject"]]
    return [body.get_content() for body in bodies if body is not None]


# --- disputes -------------------------------------------------------------------------------


async def test_a_dispute_only_the_rest_is_dunned_and_rejected_all_of_it_again(
    world: World,
) -> None:
    contract = single()
    invoice = await world.open(contract)
    await dispute(world, invoice, "400.00")
    await world.skip(invoice, days=40)
    state = await at_level(world, invoice, 1)
    assert state.stage is InvoiceStage.OVERDUE
    assert state.waiting.on == "dispute"
    assert "600.00 EUR" in reminders(world, contract)[-1]
    await resolve(world, invoice)
    await world.skip(invoice, days=14)
    state = await at_level(world, invoice, 2)
    assert state.dispute is None
    assert "1000.00 EUR" in reminders(world, contract)[-1]


async def test_an_invoice_disputed_in_whole_is_not_dunned_until_that_is_resolved(
    world: World,
) -> None:
    contract = single()
    invoice = await world.open(contract)
    await dispute(world, invoice)
    await world.skip(invoice, days=60)
    state = await world.invoice(invoice)
    assert (state.stage, state.dunning.level) == (InvoiceStage.OPEN, 0)
    assert reminders(world, contract) == []
    await resolve(world, invoice)
    await world.skip(invoice, days=4)
    await at_level(world, invoice, 1)
    assert len(reminders(world, contract)) == 1


async def test_a_revised_due_date_moves_the_reminders(world: World) -> None:
    contract = single()
    invoice = await world.open(contract)
    await dispute(world, invoice, revised_due_on=today() + timedelta(days=90))
    await resolve(world, invoice)
    await world.skip(invoice, days=60)
    state = await world.invoice(invoice)
    assert (state.stage, state.dunning.level) == (InvoiceStage.OPEN, 0)
    await world.skip(invoice, days=40)
    await at_level(world, invoice, 1)
    assert str(today() + timedelta(days=90)) in reminders(world, contract)[-1]


async def test_an_accepted_part_is_credited_and_stays_disputed_until_then(world: World) -> None:
    invoice = await world.open(single())
    contract = invoice.removesuffix("/invoice/1")
    await dispute(world, invoice, "300.00")
    await resolve(world, invoice, accepted="100.00")
    note = f"{contract}/invoice/2"
    state = await world.invoice(note, InvoiceStage.AWAITING_APPROVAL)
    assert state.proposal.kind is InvoiceKind.CREDIT_NOTE
    assert (state.proposal.credited_number, state.proposal.amount) == (1, eur("-100.00"))
    disputed = await world.invoice(invoice)
    assert disputed.dispute is not None
    assert disputed.dispute.accepted == eur("100.00")

    await world.approve(note)
    credited = await world.invoice(note, InvoiceStage.CREDITED)
    assert credited.balance is not None
    assert credited.balance.residual.is_zero
    state = await owed(world, invoice, "900.00")
    assert state.dispute is None
    assert state.stage is InvoiceStage.PARTIALLY_PAID
    assert noted(state, "as accepted in the dispute")
    [move] = world.accountant.search_read(
        "account.move",
        [("invoice_origin", "=", invoice_origin(note))],
        ["move_type", "reversed_entry_id", "amount_residual", "payment_state"],
    )
    assert state.balance is not None
    assert move["move_type"] == "out_refund"
    assert move["reversed_entry_id"][0] == state.balance.invoice_id
    assert move["amount_residual"] == 0


@pytest.mark.parametrize(
    ("amount", "why"),
    [(eur("1000.01"), "1000.00 EUR is open"), (Money("1.00", "USD"), "not in USD")],
)
async def test_a_dispute_that_makes_no_sense_is_refused_with_the_reason(
    world: World, amount: Money, why: str
) -> None:
    invoice = await world.open(single())
    opened = DisputeOpened(by=CLARA, reason="no", amount=amount)
    with pytest.raises(Refused, match=why):
        await world.tell(invoice, messages.OPEN_DISPUTE, opened)
    await world.client.get_workflow_handle(invoice).signal("dispute_opened", opened)
    await world.invoice(invoice, until=lambda found: noted(found, "Refused a dispute"))


# --- promises -------------------------------------------------------------------------------


async def test_a_promise_pauses_until_its_date_and_broken_the_level_it_had_goes_on(
    world: World,
) -> None:
    invoice = await world.open(single())
    await world.skip(invoice, days=36)
    await at_level(world, invoice, 1)
    await promise(world, invoice, days=80)
    await world.skip(invoice, days=35)
    state = await waits_on(world, invoice, "promise")
    assert state.dunning.level == 1
    await world.skip(invoice, days=14)
    state = await at_level(world, invoice, 2)
    assert (state.promise, state.promises_broken) == (None, 1)
    assert noted(state, "Promise broken")


async def test_a_promise_kept_is_noted_and_dunning_goes_on_for_the_rest(world: World) -> None:
    invoice = await world.open(single())
    await promise(world, invoice, days=60, amount="700.00")
    await world.pay(invoice, "700.00")
    await world.sweep()
    state = await owed(world, invoice, "300.00")
    assert (state.promise, state.promises_broken) == (None, 0)
    assert noted(state, "Promise kept: 700.00 EUR")
    await world.skip(invoice, days=40)
    await at_level(world, invoice, 1)


# --- holds ----------------------------------------------------------------------------------


async def test_a_hold_on_the_invoice_and_one_on_the_contract_are_two_things(world: World) -> None:
    invoice = await world.open(single())
    hold = HoldChange(by=CLARA, reason="talks")
    await world.tell(invoice, messages.CHANGE_DUNNING_HOLD, hold)
    whole = ContractHoldChange(by=CLARA, reason="merger")
    await world.client.get_workflow_handle(invoice).signal("contract_dunning_hold", whole)
    await world.invoice(invoice, until=lambda found: found.contract_hold is not None)
    await world.skip(invoice, days=60)
    state = await waits_on(world, invoice, "hold")
    assert (state.stage, state.dunning.level) == (InvoiceStage.OVERDUE, 0)
    released = HoldChange(by=CLARA, reason="agreed", on=False)
    await world.tell(invoice, messages.CHANGE_DUNNING_HOLD, released)
    with pytest.raises(Refused, match="on the whole contract"):
        await world.tell(invoice, messages.CHANGE_DUNNING_HOLD, released)
    await world.skip(invoice, days=5)
    assert (await world.invoice(invoice)).dunning.level == 0
    ended = ContractHoldChange(by=CLARA, reason="merged", on=False)
    await world.client.get_workflow_handle(invoice).signal("contract_dunning_hold", ended)
    await world.skip(invoice, days=4)
    await at_level(world, invoice, 1)


async def test_a_hold_ends_by_itself_after_its_last_day(world: World) -> None:
    invoice = await world.open(single())
    hold = HoldChange(by=CLARA, reason="talks", until=today() + timedelta(days=50))
    await world.tell(invoice, messages.CHANGE_DUNNING_HOLD, hold)
    await world.skip(invoice, days=45)
    assert (await world.invoice(invoice)).dunning.level == 0
    await world.skip(invoice, days=10)
    state = await at_level(world, invoice, 1)
    assert state.hold is None


# --- amounts not worth it, and write-off ----------------------------------------------------


async def test_a_rest_under_tolerance_is_skipped_and_waits_to_be_written_off(world: World) -> None:
    contract = single()
    invoice = await world.open(contract)
    await world.pay(invoice, "999.50")
    await world.sweep()
    await waits_on(world, invoice, "write_off")
    await world.skip(invoice, days=60)
    state = await world.invoice(invoice)
    assert (state.stage, state.dunning.level) == (InvoiceStage.PARTIALLY_PAID, 0)
    assert reminders(world, contract) == []


async def test_a_write_off_needs_an_approval_by_others_and_counts_as_cleared(world: World) -> None:
    invoice = await world.open(single())
    await ask_write_off(world, invoice, by=ANA)
    await waits_on(world, invoice, "approval")
    with pytest.raises(Refused, match="segregation"):
        await world.approve(invoice, ANA)
    await world.approve(invoice, BOB, CLEO)
    state = await world.invoice(invoice, InvoiceStage.WRITTEN_OFF)
    assert state.balance is not None
    assert state.balance.written_off == eur("1000.00")
    assert state.write_off is None
    [move] = world.accountant.read(
        "account.move", [state.balance.invoice_id], ["amount_residual", "payment_state"]
    )
    assert (move["amount_residual"], move["payment_state"]) == (0, "paid")
    await world.skip(invoice, days=31)
    result = await world.client.get_workflow_handle(invoice).result()
    assert result["stage"] == InvoiceStage.SETTLED


async def test_a_rejected_write_off_leaves_the_invoice_to_be_collected(world: World) -> None:
    invoice = await world.open(single())
    await ask_write_off(world, invoice)
    await waits_on(world, invoice, "approval")
    await world.c2c.contract_or_invoice(invoice).reject(by=BOB, comment="ask them again")
    state = await world.invoice(invoice, until=lambda found: found.write_off is None)
    assert noted(state, "Write-off of 1000.00 EUR: rejected")
    await world.skip(invoice, days=40)
    await at_level(world, invoice, 1)


async def test_a_payment_voids_a_write_off_that_was_asked_for(world: World) -> None:
    invoice = await world.open(single())
    await ask_write_off(world, invoice)
    await world.approve(invoice, BOB)
    await world.pay(invoice, "100.00")
    await world.sweep()
    state = await world.invoice(invoice, until=lambda found: found.write_off is None)
    assert noted(state, "void: 900.00 EUR is open now")
    with pytest.raises(Refused, match="nothing"):
        await world.c2c.contract_or_invoice(invoice).approve(by=CLEO)


async def test_a_write_off_that_odoo_refuses_is_asked_for_again_with_what_is_open(
    world: World,
) -> None:
    """A payment that nobody has told of yet: what is lost in the end is what was approved then."""
    invoice = await world.open(single())
    await ask_write_off(world, invoice)
    await world.pay(invoice, "400.00")
    await world.approve(invoice, BOB, CLEO)
    parked = await world.parked(invoice)
    assert (parked.step, parked.code) == ("write_off", "write_off_too_large")
    await world.resolve(invoice, Action.SKIP, reason="money came")
    await world.sweep()
    await owed(world, invoice, "600.00")
    await ask_write_off(world, invoice)
    await world.approve(invoice, BOB, CLEO)
    state = await world.invoice(invoice, InvoiceStage.WRITTEN_OFF)
    assert state.balance is not None
    assert state.balance.written_off == eur("600.00")
    entries = world.admin.search_read(
        "account.move",
        [("move_type", "=", "entry"), ("invoice_origin", "=", invoice_origin(invoice))],
        ["state", "amount_total"],
    )
    assert [(row["state"], row["amount_total"]) for row in entries] == [("posted", 600.0)]


async def test_a_write_off_undone_in_odoo_reopens_the_invoice(world: World) -> None:
    invoice = await world.open(single())
    await ask_write_off(world, invoice)
    await world.approve(invoice, BOB, CLEO)
    state = await world.invoice(invoice, InvoiceStage.WRITTEN_OFF)
    assert state.balance is not None
    [entry] = world.admin.search_read(
        "account.move",
        [("move_type", "=", "entry"), ("invoice_origin", "=", invoice_origin(invoice))],
        ["id"],
    )
    world.admin.call("account.move", "button_draft", [entry["id"]])
    world.admin.call("account.move", "button_cancel", [entry["id"]])
    await world.sweep()
    state = await owed(world, invoice, "1000.00")
    assert noted(state, "The write-off of 1000.00 EUR was undone in Odoo")
    assert state.stage is InvoiceStage.OPEN
    assert state.settles_at is None


# --- refunds, chargebacks, credits ----------------------------------------------------------


async def test_overdue_again_after_a_chargeback_and_reminded_from_the_first_level(
    world: World,
) -> None:
    contract = single()
    invoice = await world.open(contract)
    # A week late: on any weekday the first reminder is out, and the second is not within five days.
    await world.skip(invoice, days=38)
    await at_level(world, invoice, 1)
    payment = await world.pay(invoice)
    await world.sweep()
    state = await world.invoice(invoice, InvoiceStage.PAID)
    assert state.dunning.level == 0
    undo_payment(world.accountant, payment)
    await world.sweep()
    await world.invoice(invoice, InvoiceStage.OVERDUE)
    # Past any weekend with a holiday, and not so far that the second is due.
    await world.skip(invoice, days=4)
    await at_level(world, invoice, 1)
    assert len(reminders(world, contract)) == 2


async def test_what_a_credit_note_leaves_over_waits_to_be_refunded(world: World) -> None:
    invoice = await world.open(single())
    contract = invoice.removesuffix("/invoice/1")
    await world.pay(invoice)
    await world.sweep()
    await world.invoice(invoice, InvoiceStage.PAID)
    request = CreditRequest(number=1, amount=eur("250.00"), by=CLARA, reason="goodwill")
    await world.tell(contract, messages.REQUEST_CREDIT, request)
    note = f"{contract}/invoice/2"
    await world.invoice(note, InvoiceStage.AWAITING_APPROVAL)
    await world.approve(note)
    state = await waits_on(world, note, "refund")
    assert state.stage is InvoiceStage.OPEN
    assert state.balance is not None
    assert state.balance.residual == eur("250.00")
    await world.skip(note, days=90)
    assert (await world.invoice(note)).dunning.level == 0
    refund = PaymentReceived(reference=f"out-{note}", amount=eur("250.00"), paid_on=today())
    await world.tell(note, messages.RECORD_PAYMENT, refund)
    await world.invoice(note, InvoiceStage.CREDITED)
    assert (await world.invoice(invoice)).stage is InvoiceStage.PAID


async def test_a_refund_without_a_credit_note_reopens_the_invoice(world: World) -> None:
    invoice = await world.open(single())
    await world.pay(invoice, "600.00")
    returned = await world.pay(invoice, "400.00")
    await world.sweep()
    await world.invoice(invoice, InvoiceStage.PAID)
    undo_payment(world.accountant, returned)
    await world.sweep()
    state = await owed(world, invoice, "400.00")
    assert state.stage is InvoiceStage.PARTIALLY_PAID
    await world.invoice(
        invoice, until=lambda found: noted(found, "Reopened: 400.00 EUR is owed again")
    )


# --- reminders that cannot be mailed --------------------------------------------------------


async def test_no_email_address_falls_back_to_a_task_for_a_person(world: World) -> None:
    contract = single()
    invoice = await world.open(contract)
    state = await world.invoice(invoice)
    world.admin.write("res.partner", [state.partner_id], {"email": False})
    await world.skip(invoice, days=40)
    state = await at_level(world, invoice, 1)
    assert noted(state, "left to a person")
    assert not state.exceptions
    assert reminders(world, contract) == []
    assert state.balance is not None
    todos = world.admin.search_read(
        "mail.activity",
        [("res_model", "=", "account.move"), ("res_id", "=", state.balance.invoice_id)],
        ["summary"],
    )
    assert len(todos) == 1
    assert "Reminder" in todos[0]["summary"]


# --- what it costs --------------------------------------------------------------------------


async def test_an_undisturbed_invoice_tells_its_contract_no_more_than_it_needs(
    world: World,
) -> None:
    invoice = await world.open(single())
    contract = invoice.removesuffix("/invoice/1")
    await world.pay(invoice)
    await world.sweep()
    await world.invoice(invoice, InvoiceStage.PAID)
    state = await world.contract(
        contract, lambda found: found.invoices[1].stage is InvoiceStage.PAID
    )
    history = await world.client.get_workflow_handle(contract).fetch_history()
    told = [
        event.workflow_execution_signaled_event_attributes.signal_name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    ]
    # It is posted, it is paid; that it awaits approval the contract knows.
    assert told.count("invoice_changed") == 2
    assert state.invoices[1].residual == eur("0")


async def test_what_was_agreed_outlives_a_continued_run(world: World) -> None:
    invoice = await world.open(single())
    handle = world.client.get_workflow_handle(invoice)
    first = (await handle.describe()).run_id
    await dispute(world, invoice, "400.00")
    await promise(world, invoice, days=60, amount="600.00")
    whole = ContractHoldChange(by=CLARA, reason="merger")
    await handle.signal("contract_dunning_hold", whole)
    for number in range(80):
        change = HoldChange(by=CLARA, reason=f"call {number}", on=number % 2 == 0)
        await world.tell(invoice, messages.CHANGE_DUNNING_HOLD, change)
    state = await world.invoice(invoice)
    assert (await handle.describe()).run_id != first
    assert state.dispute is not None
    assert state.promise is not None
    assert (state.dispute.amount, state.promise.amount) == (eur("400.00"), eur("600.00"))
    assert (state.hold, state.contract_hold is not None) == (None, True)

"""What an invoice waits for: a word for lists, and a sentence for people."""

from __future__ import annotations

from contracts.invoice import collecting
from contracts.invoice.state import CLEARED, InvoiceStage, InvoiceState
from contracts.parking import waits_on


def invoice_waits(state: InvoiceState) -> tuple[str | None, str]:
    """What the invoice waits on: the WaitingOn value and a sentence."""
    if state.exceptions:
        return waits_on(state.exceptions)
    if state.open_round:
        return "approval", state.open_round.missing
    if state.stage is InvoiceStage.POSTED_NOT_DELIVERED:
        return "delivery", "the invoice to be delivered"
    if state.stage is InvoiceStage.IN_PAYMENT:
        return "payment", "the payment to reach the bank statement"
    if state.stage in CLEARED - {InvoiceStage.SETTLED}:
        return "settlement", "the settlement period to end"
    if state.stage in (InvoiceStage.SETTLED, InvoiceStage.REJECTED):
        return None, "nothing, it has ended"
    if state.stage is InvoiceStage.PROPOSED:
        return "approval", "its draft, which then awaits approval"
    balance = collecting.posted(state)
    if balance is None:
        return None, "the systems (no person is needed)"
    if collecting.is_credit_note(state):
        return "refund", f"{balance.residual} to be paid out to the customer, or set off"
    if collecting.is_small(state, balance):
        return "write_off", f"somebody to write off {balance.residual}, or the customer's payment"
    return _waits_for_money(state)


def _waits_for_money(state: InvoiceState) -> tuple[str, str]:
    if state.dispute and state.dispute.accepted:
        return "dispute", f"a credit note over {state.dispute.accepted}, which was accepted"
    if state.dispute:
        return "dispute", f"the dispute over {state.dispute.amount} to be resolved"
    held = collecting.holds(state)
    if held:
        until = f" until {held[0].until}" if held[0].until else ""
        return "hold", f"the hold on reminders{until} to end: {held[0].reason}"
    if state.promise:
        return "promise", f"{state.promise.amount}, promised until {state.promise.on}"
    if state.revised_due_on is not None and state.today <= state.revised_due_on:
        return "new_due_date", f"the customer's payment, due on {state.revised_due_on} as agreed"
    if state.reminders_exhausted and state.stage is InvoiceStage.OVERDUE:
        return "collector", "a person to collect: every reminder was sent"
    return "payment", "the customer's payment"

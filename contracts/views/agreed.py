"""What is agreed of an open invoice, as lists show it."""

from __future__ import annotations

from datetime import date

from contracts.invoice import collecting
from contracts.invoice.state import InvoiceState
from contracts.model import Value


class AgreedCard(Value):
    """All that is agreed, whatever the invoice waits on: it may wait on something else first.

    `promised_on` is the day by which the customer promised to pay, `revised_due_on` the due date
    that counts instead of Odoo's.
    """

    disputed: bool = False
    held: bool = False
    promised_on: date | None = None
    revised_due_on: date | None = None

    @property
    def agreed_on(self) -> date | None:
        """The day that counts instead of Odoo's due date."""
        return max(filter(None, (self.promised_on, self.revised_due_on)), default=None)


def agreed(state: InvoiceState) -> AgreedCard | None:
    """What lists show of the agreements; None while nothing is owed, when no list reads it."""
    balance = collecting.posted(state)
    if balance is None or balance.is_clear or collecting.is_credit_note(state):
        return None
    return AgreedCard(
        disputed=state.dispute is not None,
        held=bool(collecting.holds(state)),
        promised_on=state.promise.on if state.promise else None,
        revised_due_on=state.revised_due_on,
    )

"""One invoice or credit note: payments, and what is agreed with the customer about it."""

from __future__ import annotations

from datetime import date

from contracts.invoice.state import InvoiceReport, InvoiceState
from contracts.money import Money
from starters.client import messages
from starters.client.workflow import WorkflowClient


class InvoiceClient(WorkflowClient[InvoiceState]):
    """One invoice or credit note. Messages are answered with how it stands then.

    Amounts are Money or text with the currency, "100.00 EUR"; they include tax, and are positive
    on a credit note too. Days are dates, or text such as "2026-05-04", in the legal entity's zone.
    What every method raises is said in WorkflowClient.
    """

    _STATE = messages.INVOICE

    async def record_payment(
        self, reference: str, amount: Money | str, *, paid_on: date | str
    ) -> InvoiceReport:
        """Record a payment that is known outside Odoo; it is registered there once, by its
        reference. More than is open, and another currency, are Refused."""
        return await self._send(
            messages.RECORD_PAYMENT, reference=reference, amount=amount, paid_on=paid_on
        )

    async def open_dispute(
        self,
        reason: str,
        *,
        by: str,
        amount: Money | str | None = None,
        revised_due_on: date | str | None = None,
    ) -> InvoiceReport:
        """The customer contests the invoice, or an `amount` of it: only the rest is reminded of.

        `revised_due_on` is when the rest is due once it is resolved.
        """
        return await self._send(
            messages.OPEN_DISPUTE,
            by=by,
            reason=reason,
            amount=amount,
            revised_due_on=revised_due_on,
        )

    async def resolve_dispute(
        self,
        comment: str,
        *,
        by: str,
        accepted: Money | str | None = None,
        revised_due_on: date | str | None = None,
    ) -> InvoiceReport:
        """End a dispute: what is `accepted` is credited once that is approved; nothing accepted
        rejects it. `revised_due_on` moves the due date of what is owed."""
        return await self._send(
            messages.RESOLVE_DISPUTE,
            by=by,
            comment=comment,
            accepted=accepted,
            revised_due_on=revised_due_on,
        )

    async def promise_payment(
        self, on: date | str, *, by: str, amount: Money | str | None = None
    ) -> InvoiceReport:
        """The customer will pay by the end of that day: reminders pause until it has passed.

        Without `amount` all that is not disputed is promised.
        """
        return await self._send(messages.PROMISE_PAYMENT, by=by, on=on, amount=amount)

    async def hold_reminders(
        self, reason: str, *, by: str, until: date | str | None = None
    ) -> InvoiceReport:
        """Stop the reminders, up to and including the day `until`, or until they are released.

        The contract has a hold of its own for all its invoices.
        """
        return await self._send(messages.CHANGE_DUNNING_HOLD, by=by, reason=reason, until=until)

    async def release_reminders(self, reason: str, *, by: str) -> InvoiceReport:
        """Let the reminders go on at the level they had."""
        return await self._send(messages.CHANGE_DUNNING_HOLD, on=False, by=by, reason=reason)

    async def ask_write_off(self, reason: str, *, by: str) -> InvoiceReport:
        """Propose to write off what is open; nothing happens before another person approves it."""
        return await self._send(messages.ASK_WRITE_OFF, by=by, reason=reason)

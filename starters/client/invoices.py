"""One invoice or credit note: payments, and what is agreed with the customer about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from contracts.invoice.messages import (
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    PaymentPromised,
    PaymentReceived,
    WriteOffAsked,
)
from contracts.invoice.state import InvoiceReport, InvoiceState
from contracts.money import Money
from contracts.parking import StepException
from starters.client import calls, messages
from starters.client.protocol import built
from starters.client.workflow import WAIT_SECONDS, WorkflowClient


class InvoiceClient(WorkflowClient):
    """One invoice or credit note. Messages are answered with how it stands then.

    Amounts are Money or text with the currency, "100.00 EUR"; they include tax, and are positive
    on a credit note too. Days are dates, or text such as "2026-05-04", in the legal entity's zone.
    What every method raises is said in WorkflowClient.
    """

    async def state(self) -> InvoiceState:
        """Everything the invoice's workflow knows; of a closed one within its retention."""
        return await calls.query(self._client, self.workflow_id, messages.INVOICE)

    async def wait_until(
        self, enough: Callable[[InvoiceState], bool], *, timeout_seconds: float = WAIT_SECONDS
    ) -> InvoiceState:
        """The state once it is `enough`; the workflow may still have to start. Raises TimeoutError
        with the last state."""
        return await calls.until(self.workflow_id, self.state, enough, timeout_seconds)

    async def exceptions(self) -> list[StepException]:
        return list((await self.state()).exceptions)

    async def record_payment(
        self,
        reference: str,
        amount: Money | str,
        *,
        paid_on: date | str,
        request_id: str | None = None,
    ) -> InvoiceReport:
        """Record a payment that is known outside Odoo; it is registered there once, by its
        reference. More than is open, and another currency, are Refused."""
        payment = built(PaymentReceived, reference=reference, amount=amount, paid_on=paid_on)
        return await self._send(messages.RECORD_PAYMENT, payment, request_id)

    async def open_dispute(
        self,
        reason: str,
        *,
        by: str,
        amount: Money | str | None = None,
        revised_due_on: date | str | None = None,
        request_id: str | None = None,
    ) -> InvoiceReport:
        """The customer contests the invoice, or an `amount` of it: only the rest is reminded of.

        `revised_due_on` is when the rest is due once it is resolved.
        """
        opened = built(
            DisputeOpened, by=by, reason=reason, amount=amount, revised_due_on=revised_due_on
        )
        return await self._send(messages.OPEN_DISPUTE, opened, request_id)

    async def resolve_dispute(
        self,
        comment: str,
        *,
        by: str,
        accepted: Money | str | None = None,
        revised_due_on: date | str | None = None,
        request_id: str | None = None,
    ) -> InvoiceReport:
        """End a dispute: what is `accepted` is credited once that is approved; nothing accepted
        rejects it. `revised_due_on` moves the due date of what is owed."""
        resolved = built(
            DisputeResolved,
            by=by,
            comment=comment,
            accepted=accepted,
            revised_due_on=revised_due_on,
        )
        return await self._send(messages.RESOLVE_DISPUTE, resolved, request_id)

    async def promise_payment(
        self,
        on: date | str,
        *,
        by: str,
        amount: Money | str | None = None,
        request_id: str | None = None,
    ) -> InvoiceReport:
        """The customer will pay by the end of that day: reminders pause until it has passed.

        Without `amount` all that is not disputed is promised.
        """
        promised = built(PaymentPromised, by=by, on=on, amount=amount)
        return await self._send(messages.PROMISE_PAYMENT, promised, request_id)

    async def hold_reminders(
        self,
        reason: str,
        *,
        by: str,
        until: date | str | None = None,
        request_id: str | None = None,
    ) -> InvoiceReport:
        """Stop the reminders, up to and including the day `until`, or until they are released.

        The contract has a hold of its own for all its invoices.
        """
        change = built(HoldChange, by=by, reason=reason, until=until)
        return await self._send(messages.CHANGE_DUNNING_HOLD, change, request_id)

    async def release_reminders(
        self, reason: str, *, by: str, request_id: str | None = None
    ) -> InvoiceReport:
        """Let the reminders go on at the level they had."""
        change = built(HoldChange, on=False, by=by, reason=reason)
        return await self._send(messages.CHANGE_DUNNING_HOLD, change, request_id)

    async def ask_write_off(
        self, reason: str, *, by: str, request_id: str | None = None
    ) -> InvoiceReport:
        """Propose to write off what is open; nothing happens before another person approves it."""
        asked = built(WriteOffAsked, by=by, reason=reason)
        return await self._send(messages.ASK_WRITE_OFF, asked, request_id)

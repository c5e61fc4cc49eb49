"""What people agree with a customer about one posted invoice, sent to its workflow.

Each answers how the invoice stands then. A refusal is raised as `operations.Refused`.
"""

from __future__ import annotations

from temporalio.client import Client

from contracts.invoice.messages import (
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    PaymentPromised,
    WriteOffAsked,
)
from contracts.invoice.state import InvoiceReport
from starters import operations
from workflows.invoice import InvoiceWorkflow


async def dispute(client: Client, workflow_id: str, opened: DisputeOpened) -> InvoiceReport:
    """The customer contests the invoice or a part of it."""
    return await operations.update(client, workflow_id, InvoiceWorkflow.open_dispute, opened)


async def resolve_dispute(
    client: Client, workflow_id: str, resolved: DisputeResolved
) -> InvoiceReport:
    """A dispute is rejected, or an amount of it accepted and credited."""
    return await operations.update(client, workflow_id, InvoiceWorkflow.resolve_dispute, resolved)


async def promise(client: Client, workflow_id: str, promised: PaymentPromised) -> InvoiceReport:
    """The customer will pay by a day: reminders pause until then."""
    return await operations.update(client, workflow_id, InvoiceWorkflow.promise_payment, promised)


async def change_hold(client: Client, workflow_id: str, change: HoldChange) -> InvoiceReport:
    """Stop the reminders of one invoice, or let them go on."""
    return await operations.update(client, workflow_id, InvoiceWorkflow.change_dunning_hold, change)


async def ask_write_off(client: Client, workflow_id: str, asked: WriteOffAsked) -> InvoiceReport:
    """Propose to write off what is open; nothing happens before it is approved."""
    return await operations.update(client, workflow_id, InvoiceWorkflow.ask_write_off, asked)

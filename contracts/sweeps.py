"""What a sweep over a whole portfolio asks and answers."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from contracts.receivable import InvoiceBalance


class SweepWindow(BaseModel):
    """Everything changed at or after `since` (aware; the remote's clock) is wanted."""

    since: datetime


class ChangedInvoice(BaseModel):
    model_config = ConfigDict(frozen=True)

    workflow_id: str
    balance: InvoiceBalance


class ReachedMilestone(BaseModel):
    """A milestone found reached in Odoo, by its database id there, and its contract's workflow."""

    model_config = ConfigDict(frozen=True)

    workflow_id: str
    milestone_id: int
    reached_on: date | None
    changed_at: datetime


class OdooChanges(BaseModel):
    """Answer of one sweep, with the watermark the next one starts from."""

    invoices: list[ChangedInvoice] = Field(default_factory=list)
    milestones: list[ReachedMilestone] = Field(default_factory=list)
    watermark: datetime

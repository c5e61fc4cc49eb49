"""What a sweep over a whole portfolio asks and answers."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from contracts.invoice.messages import InvoiceBalance


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


class UnreachedMilestone(BaseModel):
    """A milestone that somebody edited in Odoo and that is not reached there: news only to a
    contract that holds it as reached."""

    model_config = ConfigDict(frozen=True)

    workflow_id: str
    milestone_id: int
    changed_at: datetime


class OdooChanges(BaseModel):
    """Answer of one sweep, with the watermark the next one starts from."""

    invoices: list[ChangedInvoice] = Field(default_factory=list)
    milestones: list[ReachedMilestone] = Field(default_factory=list)
    unreached: list[UnreachedMilestone] = Field(default_factory=list)
    watermark: datetime


class SweepResult(BaseModel):
    """What one sweep did; its successor starts from `watermark`.

    `seen` holds what was told already and is young enough to be read again: a digest of the news
    (or a deal's id) and when it changed. `unknown` are workflows that no longer run, `unfollowed`
    those of them whose invoices are open: each has a to-do in Odoo.
    """

    watermark: datetime
    seen: dict[str, datetime] = Field(default_factory=dict)
    signalled: int = 0
    unknown: list[str] = Field(default_factory=list)
    unfollowed: list[str] = Field(default_factory=list)


class CrmSweepInput(BaseModel):
    """Which CRM to look through, and the legal entity its contracts belong to."""

    system: str
    legal_entity: str

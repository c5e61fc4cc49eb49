"""One invoice's life: stages, balance, messages and the state its workflow carries."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from contracts.approvals import Approval, ApprovalRequirement, Person
from contracts.billing import InvoiceProposal
from contracts.dunning import DunningState
from contracts.journal import Journal
from contracts.model import Text
from contracts.money import Money
from contracts.parking import StepException, Waiting
from contracts.policy import EntityPolicy


class InvoiceStage(StrEnum):
    """Where an invoice is. `posted_not_delivered` and `in_payment` are states of their own: the
    customer has not got it yet; money is on its way but not on the bank statement yet."""

    PROPOSED = "proposed"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    POSTED_NOT_DELIVERED = "posted_not_delivered"
    OPEN = "open"
    PARTIALLY_PAID = "partially_paid"
    OVERDUE = "overdue"
    IN_PAYMENT = "in_payment"
    PAID = "paid"
    CREDITED = "credited"
    REJECTED = "rejected"
    SETTLED = "settled"


UNBILLED = frozenset({InvoiceStage.REJECTED})
PENDING = frozenset({InvoiceStage.PROPOSED, InvoiceStage.AWAITING_APPROVAL})
CLEARED = frozenset({InvoiceStage.PAID, InvoiceStage.CREDITED, InvoiceStage.SETTLED})


class InvoiceBalance(BaseModel):
    """What Odoo says about an invoice now; amounts in the invoice's currency.

    `total` includes tax, `untaxed` does not; `residual` is what is still owed; `credited` is the
    sum of posted credit notes against it, with tax, and `credited_untaxed` without. `as_of` is when
    the record last changed by Odoo's clock: of two balances the newer one counts.
    """

    model_config = ConfigDict(frozen=True)

    invoice_id: int
    as_of: datetime
    number: str = ""
    posted: bool = False
    cancelled: bool = False
    in_payment: bool = False
    sent: bool = False
    due_on: date | None = None
    untaxed: Money
    total: Money
    residual: Money
    credited: Money
    credited_untaxed: Money

    @property
    def paid(self) -> Money:
        return self.total - self.residual - self.credited

    @property
    def is_clear(self) -> bool:
        """Nothing is owed any more; money still on its way (`in_payment`) does not count yet."""
        return self.posted and not self.residual.is_positive and not self.in_payment


class Decision(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


class ApprovalDecision(BaseModel):
    """Finance's word on a proposal. `content_hash` is the proposal's hash or its first 12
    characters, `amount` its amount: an approval is bound to what was seen."""

    model_config = ConfigDict(extra="forbid")

    decision: Decision = Decision.APPROVE
    by: Person
    content_hash: str = ""
    amount: Money | None = None
    comment: str = ""


class PaymentReceived(BaseModel):
    """A payment known outside Odoo; `reference` identifies it (a repeat counts once)."""

    model_config = ConfigDict(extra="forbid")

    reference: Text
    amount: Money
    paid_on: date


class InvoiceReport(BaseModel):
    """What a receivable tells its contract whenever something about it changes."""

    number: int
    stage: InvoiceStage
    amount: Money
    milestones: tuple[str, ...]
    content_hash: str = ""
    odoo_number: str = ""
    due_on: date | None = None
    untaxed: Money | None = None
    total: Money | None = None
    residual: Money | None = None
    credited: Money | None = None
    credited_untaxed: Money | None = None
    dunning_level: int = 0
    overdue: bool = False
    because: str = ""
    exceptions: list[StepException] = Field(default_factory=list)


class ReceivableState(BaseModel):
    """Everything a receivable's workflow knows; carried over continue-as-new."""

    contract_workflow_id: str
    company_id: int
    order_id: int
    partner_id: int
    requested_by: str
    proposal: InvoiceProposal
    stage: InvoiceStage = InvoiceStage.PROPOSED
    policy: EntityPolicy | None = None
    requirement: ApprovalRequirement | None = None
    approvals: list[Approval] = Field(default_factory=list)
    reminded: bool = False
    escalated: bool = False
    rejected_because: str = ""
    invoice_on: date | None = None
    invoice_id: int | None = None
    issued: bool = False
    balance: InvoiceBalance | None = None
    delivered: bool = False
    payments: list[PaymentReceived] = Field(default_factory=list)
    payment_references: list[str] = Field(default_factory=list)
    dunning: DunningState = Field(default_factory=DunningState)
    reminders_exhausted: bool = False
    reported: InvoiceReport | None = None
    settles_at: datetime | None = None
    next_action_at: datetime | None = None
    waiting: Waiting = Field(default_factory=Waiting)
    exceptions: list[StepException] = Field(default_factory=list)
    journal: Journal = Field(default_factory=Journal)


class ReceivableInput(BaseModel):
    """Starts a receivable, or continues it: there is nothing beside the state."""

    state: ReceivableState

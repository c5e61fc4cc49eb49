"""The contract's life: stages, messages and the state its workflow carries."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from pydantic import (
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from contracts.approvals import ApprovalRound
from contracts.billing.book import Book
from contracts.billing.proposals import Document
from contracts.changes import ChangeOrder
from contracts.contract.messages import (
    CancelRequest,
    CreditRequest,
    Hold,
    HoldKind,
    MilestoneReached,
    NoticeGiven,
    TerminationRequest,
)
from contracts.crm import ContractStatus
from contracts.invoice.state import InvoiceReport
from contracts.journal import Journal
from contracts.model import (
    Contract,
    JsonObject,
    Key,
    Source,
)
from contracts.money import Money
from contracts.parking import StepException, Waiting
from contracts.problems import InvalidContract, problems_of


class ContractStage(StrEnum):
    RECEIVED = "received"
    VALIDATING = "validating"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    CLOSING = "closing"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Ending(StrEnum):
    """How a contract ended, or will: everything delivered, its term over, or stopped early."""

    COMPLETED = "completed"
    EXPIRED = "expired"
    TERMINATED = "terminated"
    CANCELLED = "cancelled"


class OdooRefs(BaseModel):
    """What provisioning has made in Odoo so far: database ids, and names people know them by."""

    company_id: int | None = None
    partner_id: int | None = None
    project_id: int | None = None
    project_name: str = ""
    analytic_account_id: int | None = None
    order_id: int | None = None
    order_name: str = ""
    order_line_ids: dict[str, int] = Field(default_factory=dict)
    milestone_ids: dict[str, int] = Field(default_factory=dict)
    task_ids: dict[str, int] = Field(default_factory=dict)
    order_confirmed: bool = False
    delivered: dict[str, Decimal] = Field(default_factory=dict)
    project_suspended: bool = False
    suspensions: int = 0


def known(value: int | None) -> int:
    """An id an earlier step has set; its absence is a defect of ours."""
    if value is None:
        raise RuntimeError("a step ran before the one it needs")
    return value


class ReadMark(BaseModel):
    """How far a plan's records in Odoo were read: everything that changed before `since` (Odoo's
    clock) and is dated up to `until` is known."""

    since: datetime | None = None
    until: date | None = None


class MilestoneProgress(BaseModel):
    """A milestone's way: reached on a date (entity's zone) by somebody, and marked so in Odoo.

    `marked_as_of` is when that was, by Odoo's clock: older news of it is no news. `under_review`
    says that it was un-reached after its invoice was proposed."""

    reached_on: date | None = None
    reached_by: str = ""
    marked_in_odoo: bool = False
    marked_as_of: datetime | None = None
    under_review: bool = False


class ContractVersion(BaseModel):
    """One version of the contract in its history: what changed, by whom, the fixed price (without
    tax), and who approved it (empty: it needed nobody)."""

    version: int
    on: date
    by: str
    reason: str
    changes: list[str] = Field(default_factory=list)
    fixed_price: Money
    approved: str = ""


class PendingChange(BaseModel):
    """A change order on its way: what it would make of the contract, and its approval."""

    order: ChangeOrder
    document: JsonObject
    contract: Contract
    changes: list[str]
    round: ApprovalRound | None = None


class ContractState(BaseModel):
    """Everything a contract's workflow knows; carried over continue-as-new."""

    contract_id: Key
    legal_entity: Key
    source: Source
    document: JsonObject = Field(default_factory=dict)
    stage: ContractStage = ContractStage.RECEIVED
    ending: Ending | None = None
    contract: Contract | None = None
    versions: list[ContractVersion] = Field(default_factory=list)
    change_orders: int = 0
    change: PendingChange | None = None
    ordered: Contract | None = None
    amended: bool = False
    time_zone: str = "UTC"
    odoo: OdooRefs = Field(default_factory=OdooRefs)
    milestones: dict[str, MilestoneProgress] = Field(default_factory=dict)
    early: list[MilestoneReached] = Field(default_factory=list)
    book: Book = Field(default_factory=Book)
    marks: dict[str, ReadMark] = Field(default_factory=dict)
    caps_waived: list[str] = Field(default_factory=list)
    limit_waived: list[str] = Field(default_factory=list)
    invoices: dict[int, InvoiceReport] = Field(default_factory=dict)
    credits_asked: list[CreditRequest] = Field(default_factory=list)
    lost: list[int] = Field(default_factory=list)
    """Documents whose workflows were ended by force: nobody collects them any more."""
    holds: dict[HoldKind, Hold] = Field(default_factory=dict)
    termination: TerminationRequest | None = None
    terminated: bool = False
    finished: bool = False
    notice: NoticeGiven | None = None
    cancel: CancelRequest | None = None
    crm_written: ContractStatus | None = None
    refreshed: list[str] = Field(default_factory=list)
    waiting: Waiting = Field(default_factory=Waiting)
    exceptions: list[StepException] = Field(default_factory=list)
    has_parked: bool = False
    """A step of it, or of one of its documents, was parked at some time."""
    journal: Journal = Field(default_factory=Journal)
    started_at: datetime | None = None
    closed_at: datetime | None = None


class ContractInput(BaseModel):
    """Starts a contract: by a document, or by the deal it is read from; or continues one.

    With neither `document` nor `state` the deal named by `source` is read from the CRM. What came
    in as JSON and is no such input is one with `unreadable`, which says why: a workflow can fail
    by that, and not by a payload that its first task cannot read.
    """

    contract_id: Key
    legal_entity: Key
    source: Source
    document: JsonObject = Field(default_factory=dict)
    state: ContractState | None = None
    unreadable: str = ""

    @model_validator(mode="wrap")
    @classmethod
    def _or_why_not(
        cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            # A state was readable once: then it is this release that must be mended.
            goes_on = isinstance(data, dict) and data.get("state") is not None
            if info.mode != "json" or goes_on:
                raise
            return cls.not_read(str(InvalidContract(problems_of(error))))

    @classmethod
    def not_read(cls, why: str) -> Self:
        """The input that stands for one that is none."""
        nobody = Source(system="unknown", id="unknown")
        return cls(contract_id="unknown", legal_entity="unknown", source=nobody, unreadable=why)


class MoneyTable(BaseModel):
    """A contract's figures. `value` (as amended), `invoiced`, `credited` and `to_invoice` are
    without tax, as the contract is; `total`, `paid`, `open` and `overdue` are what the customer
    owes and pays, with tax, less what was credited."""

    value: Money
    invoiced: Money
    credited: Money
    to_invoice: Money
    total: Money
    paid: Money
    open: Money
    overdue: Money


class ContractOutcome(BaseModel):
    """What a contract's workflow returns."""

    contract_id: str
    stage: ContractStage
    ending: Ending | None = None
    money: MoneyTable | None = None


def money_table(state: ContractState) -> MoneyTable | None:
    """The contract's figures from its documents' reports; None before it is validated.

    `credited` counts our credit notes and those people made in Odoo.
    """
    contract = state.contract
    if contract is None:
        return None
    invoices, notes = _posted(state, Document.INVOICE), _posted(state, Document.CREDIT_NOTE)

    def total(reports: list[InvoiceReport], field: str) -> Money:
        amounts = (getattr(item, field) for item in reports)
        return Money.total((a for a in amounts if a is not None), contract.currency)

    value = state.book.value(contract)
    invoiced = total(invoices, "untaxed")
    credited = total(notes, "untaxed") + total(invoices, "credited_untaxed")
    gross = total(invoices, "total") - total(notes, "total") - total(invoices, "credited")
    still_open = total(invoices, "residual") - total(notes, "residual")
    late = [item for item in invoices if item.overdue]
    return MoneyTable(
        value=value,
        invoiced=invoiced,
        credited=credited,
        to_invoice=value - invoiced + credited,
        total=gross,
        paid=gross - still_open - total(invoices, "written_off"),
        open=still_open,
        overdue=total(late, "residual"),
    )


def _posted(state: ContractState, document: Document) -> list[InvoiceReport]:
    found = (item for item in state.invoices.values() if item.document is document)
    return [item for item in found if item.total is not None]

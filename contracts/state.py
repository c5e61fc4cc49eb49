"""The contract's life: stages, messages and the state its workflow carries."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from contracts.crm import ContractStatus
from contracts.journal import Journal
from contracts.model import Contract, JsonObject, Key, Source
from contracts.money import Money
from contracts.parking import StepException, Waiting
from contracts.receivable import InvoiceReport


class ContractStage(StrEnum):
    RECEIVED = "received"
    VALIDATING = "validating"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    CLOSING = "closing"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class OdooRefs(BaseModel):
    """What provisioning has made in Odoo so far: database ids, and names people know them by."""

    company_id: int | None = None
    partner_id: int | None = None
    project_id: int | None = None
    project_name: str = ""
    order_id: int | None = None
    order_name: str = ""
    milestone_ids: dict[str, int] = Field(default_factory=dict)
    tasks_created: bool = False
    order_confirmed: bool = False


class MilestoneProgress(BaseModel):
    """A milestone's way: reached on a date (entity's zone), marked in Odoo, on which proposal."""

    reached_on: date | None = None
    reached_by: str = ""
    marked_in_odoo: bool = False
    proposal: int | None = None


class MilestoneReached(BaseModel):
    """A milestone was delivered. `on` is the delivery date; left out, today."""

    model_config = ConfigDict(extra="forbid")

    milestone: Key
    by: str = ""
    on: date | None = None


class MilestoneReachedInOdoo(BaseModel):
    """The sweep found a milestone marked reached in Odoo, by its database id."""

    milestone_id: int
    on: date | None = None


class CancelRequest(BaseModel):
    """Stop a contract that has not billed anything, and take back what was provisioned."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1)
    reason: str = ""


class ContractState(BaseModel):
    """Everything a contract's workflow knows; carried over continue-as-new."""

    contract_id: Key
    legal_entity: Key
    source: Source
    document: JsonObject = Field(default_factory=dict)
    stage: ContractStage = ContractStage.RECEIVED
    contract: Contract | None = None
    amended: bool = False
    time_zone: str = "UTC"
    odoo: OdooRefs = Field(default_factory=OdooRefs)
    milestones: dict[str, MilestoneProgress] = Field(default_factory=dict)
    early: list[MilestoneReached] = Field(default_factory=list)
    invoices: dict[int, InvoiceReport] = Field(default_factory=dict)
    cancel: CancelRequest | None = None
    crm_written: ContractStatus | None = None
    waiting: Waiting = Field(default_factory=Waiting)
    exceptions: list[StepException] = Field(default_factory=list)
    journal: Journal = Field(default_factory=Journal)
    started_at: datetime | None = None
    closed_at: datetime | None = None


class ContractInput(BaseModel):
    """Starts a contract: by a document, or by the deal it is read from; or continues one.

    With neither `document` nor `state` the deal named by `source` is read from the CRM.
    """

    contract_id: Key
    legal_entity: Key
    source: Source
    document: JsonObject = Field(default_factory=dict)
    state: ContractState | None = None


class MoneyTable(BaseModel):
    """A contract's figures. Value and invoiced are without tax, as the contract is; total, paid,
    open and overdue are what the customer owes and pays, with tax."""

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
    money: MoneyTable | None = None


def money_table(state: ContractState) -> MoneyTable | None:
    """The contract's figures from its invoices' reports; None before it is validated."""
    contract = state.contract
    if contract is None:
        return None
    posted = [item for item in state.invoices.values() if item.total is not None]

    def total(field: str) -> Money:
        amounts = (getattr(item, field) for item in posted)
        return Money.total((a for a in amounts if a is not None), contract.currency)

    gross, residual, credited = total("total"), total("residual"), total("credited")
    invoiced, credited_untaxed = total("untaxed"), total("credited_untaxed")
    late = (item.residual for item in posted if item.overdue and item.residual)
    return MoneyTable(
        value=contract.value,
        invoiced=invoiced,
        credited=credited_untaxed,
        to_invoice=contract.value - invoiced + credited_untaxed,
        total=gross,
        paid=gross - residual - credited,
        open=residual,
        overdue=Money.total(late, contract.currency),
    )

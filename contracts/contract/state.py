"""The contract's life: its stages, and the state that its workflow carries."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, Self

from pydantic import (
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from contracts.agenda.state import AgendaState
from contracts.approvals import ApprovalRound
from contracts.billing import account
from contracts.billing.lines import InvoiceKind, InvoiceProposal
from contracts.billing.state import BillingState
from contracts.calendar import BusinessCalendar
from contracts.changes import ChangeOrder
from contracts.contract import derived
from contracts.contract.messages import (
    BurnRequest,
    CancelRequest,
    CreditRequest,
    CustomerRefresh,
    Hold,
    HoldKind,
    MilestoneReached,
    MilestoneUnreached,
    NoticeGiven,
    TerminationRequest,
)
from contracts.contract.signature import Signature
from contracts.crm import ContractStatus
from contracts.handover import Burn, HandoverPlan
from contracts.invoice.state import UNBILLED, InvoiceReport, InvoiceStage
from contracts.model import Contract, JsonObject, Key, OptionalText, Source, Value
from contracts.money import Money
from contracts.problems import InvalidContract, problems_of

DAY = timedelta(days=1)


class ContractStage(StrEnum):
    """`signing` says that it is valid and not signed yet, `closing` that everything is billed and
    only has to be collected."""

    RECEIVED = "received"
    VALIDATING = "validating"
    SIGNING = "signing"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    CLOSING = "closing"
    CLOSED = "closed"
    CANCELLED = "cancelled"


ENDED = frozenset({ContractStage.CLOSED, ContractStage.CANCELLED})
RUNNING = frozenset({ContractStage.ACTIVE, ContractStage.CLOSING})
UNSIGNED = frozenset({ContractStage.RECEIVED, ContractStage.VALIDATING, ContractStage.SIGNING})
"""Nothing is done yet that needs the signature."""
FILE_SOURCE = "file"
"""The system of a contract that came as a file: there is no CRM to read from or to tell."""


class Ending(StrEnum):
    """How a contract ended, or will: everything delivered, its term over, or stopped early."""

    COMPLETED = "completed"
    EXPIRED = "expired"
    TERMINATED = "terminated"
    CANCELLED = "cancelled"


class CopiedTask(Value):
    """A task that came of a project template: its name and hours there, the key of the service that
    it delivers, and the roles it asks for."""

    name: str
    service: str = ""
    hours: Decimal = Decimal(0)
    roles: tuple[str, ...] = ()


class OdooRefs(BaseModel):
    """What there is in Odoo of a contract: database ids, and names people know them by.

    `delivered` are the quantities Odoo got last, `suspensions` counts how often work was
    suspended, `vat_check` is what VIES said of the customer's VAT number, where it was asked.
    `template_tasks` are the tasks that came of templates, by their ids.
    """

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
    template_tasks: dict[int, CopiedTask] = Field(default_factory=dict)
    order_confirmed: bool = False
    delivered: dict[str, Decimal] = Field(default_factory=dict)
    project_suspended: bool = False
    suspensions: int = 0
    vat_check: str = ""

    def replace(self, **changes: Any) -> Self:
        return self.model_copy(update=changes)


def require_id(value: int | None) -> int:
    """An id that an earlier act has set; its absence is a defect of ours."""
    if value is None:
        raise RuntimeError("an act ran before the one it needs")
    return value


class ReadCursor(Value):
    """How far a plan's records in Odoo were read: everything that changed before `since` (Odoo's
    clock) and is dated up to `until` is known."""

    since: datetime | None = None
    until: date | None = None


class MilestoneProgress(Value):
    """A milestone's way: reached on a date (entity's zone) by somebody.

    `marked_in_odoo` is what Odoo shows as far as we know (None: a mark of ours has failed, and may
    have been set); until it shows what is so, it is marked, or unmarked. `marked_as_of` is when it
    changed there, by Odoo's clock: older news of it is no news. `told_as_of` is the same of other
    systems' news. `is_unclear`: within the second of that change Odoo was seen to show otherwise,
    and it is to be looked up. `under_review` says that it was un-reached after its invoice was
    proposed."""

    reached_on: date | None = None
    reached_by: str = ""
    marked_in_odoo: bool | None = False
    marked_as_of: datetime | None = None
    is_unclear: bool = False
    told_as_of: datetime | None = None
    under_review: bool = False


class ContractVersion(Value):
    """One version of the contract in its history: what changed, by whom, the fixed price (without
    tax), and who approved it (empty: it needed nobody)."""

    version: int
    on: date
    by: str
    reason: str
    changes: tuple[str, ...] = ()
    fixed_price: Money
    approved: str = ""


class PendingChange(Value):
    """A change order on its way: what it would make of the contract, and its approval.

    `calendar` is the one by which its approvers are reminded.
    """

    order: ChangeOrder
    contract: Contract
    changes: tuple[str, ...]
    approval_round: ApprovalRound | None = None
    calendar: BusinessCalendar = Field(default_factory=BusinessCalendar)


class InvoiceStart(Value):
    """What the workflow of a proposed invoice is started with.

    `reached` are the milestones (ids in Odoo) that its draft marks reached on its way;
    `requested_by` are the people who may not approve it.
    """

    proposal: InvoiceProposal
    title: str
    reached: tuple[int, ...] = ()
    requested_by: tuple[str, ...] = ()


class CapWarning(Value):
    """A sentence for the order's chatter in Odoo; `number` counts a contract's warnings."""

    number: int
    text: str
    on: date


def _lean(reports: dict[int, InvoiceReport]) -> JsonObject:
    return {
        str(number): report.model_dump(mode="json", exclude_defaults=True)
        for number, report in reports.items()
    }


Reports = Annotated[dict[int, InvoiceReport], PlainSerializer(_lean, when_used="json")]
"""By number; written without what is as it is at the beginning: there may be a thousand."""


class ContractState(AgendaState):
    """Everything a contract's workflow knows; carried over continue-as-new.

    Terms: `contract` is the version that counts, `order_version` the one that the order and the
    project in Odoo follow. While both are brought to another, that one is `following`, and
    `order_follows` says that the order is there already. `amended` says that a person corrected
    what is to be validated, `was_amended` that somebody ever did: then no rule alone approves what
    is billed. `requesters` are all who ever signed, amended or changed the terms: they approve
    nothing that follows from them.

    Invoices: `starting` are proposed, and their workflows are to be started. `followed` are those
    whose end this run of the workflow hears by itself, `reporting_end` those that report it by
    Signal. `orphaned_invoices` have lost their workflows. `dunning_holds` are the holds on
    the whole contract that invoices know of, by number.

    Billing: `read_cursors` says how far each plan is read in Odoo; `read_again` are plans to be
    read once more, because a person corrected something there; `looked_again` are those that were
    looked at once more before the close. `came_too_late` names, by plan, hours and expenses of
    periods that are settled for good. `limits_passed` says which occasions may
    exceed the purchase order, by what amount.

    The deal: `deal_news` counts what calls for reading it again (it changed, the contract was
    signed), `deal_read` how much of that the last reading before the contract runs knew of.

    Delivery: `handed_over` is the plan that the project in Odoo got last, and `staffed_on` the day
    since which it has a manager and people. `burn` was read for whoever asked last; it is read
    once more if somebody asked meanwhile (`burn_again`).
    """

    contract_id: Key
    legal_entity: Key
    source: Source
    contract_data: JsonObject = Field(default_factory=dict)
    stage: ContractStage = ContractStage.RECEIVED
    ending: Ending | None = None
    signature: Signature = Field(default_factory=Signature)
    deal_news: int = 0
    deal_read: int = 0

    contract: Contract | None = None
    versions: tuple[ContractVersion, ...] = ()
    change_orders: int = 0
    change: PendingChange | None = None
    order_version: Contract | None = None
    following: Contract | None = None
    order_follows: bool = False
    amended: bool = False
    was_amended: bool = False
    requesters: tuple[str, ...] = ()
    time_zone: str = "UTC"

    odoo: OdooRefs = Field(default_factory=OdooRefs)
    milestones: dict[str, MilestoneProgress] = Field(default_factory=dict)
    early_milestones: tuple[MilestoneReached | MilestoneUnreached, ...] = ()

    billing: BillingState | None = None
    read_cursors: dict[str, ReadCursor] = Field(default_factory=dict)
    read_again: tuple[str, ...] = ()
    looked_again: tuple[str, ...] = ()
    came_too_late: dict[str, str] = Field(default_factory=dict)
    limits_passed: tuple[str, ...] = ()
    warnings: tuple[CapWarning, ...] = ()
    warned: int = 0

    invoices: Reports = Field(default_factory=dict)
    starting: dict[int, InvoiceStart] = Field(default_factory=dict)
    followed: tuple[int, ...] = ()
    reporting_end: tuple[int, ...] = ()
    orphaned_invoices: tuple[int, ...] = ()
    credits_asked: tuple[CreditRequest, ...] = ()

    holds: dict[HoldKind, Hold] = Field(default_factory=dict)
    dunning_holds: dict[int, Hold] = Field(default_factory=dict)
    termination: TerminationRequest | None = None
    terminated: bool = False
    notice: NoticeGiven | None = None
    cancel: CancelRequest | None = None
    close_out_done: tuple[str, ...] = ()

    handed_over: HandoverPlan | None = None
    staffed_on: date | None = None
    burn: Burn | None = None
    burn_asked: BurnRequest | None = None
    burn_again: bool = False

    refresh: CustomerRefresh | None = None
    refreshed: tuple[str, ...] = ()
    crm_written: ContractStatus | None = None
    has_parked: bool = False
    """An act of it, or of one of its invoices, was parked at some time."""
    started_at: datetime | None = None
    started_by: str = ""
    """Who was signed in at the application that started it."""
    closed_at: datetime | None = None
    came_after_close: tuple[str, ...] = ()
    """Messages that were accepted by the engine then, and that a person looks after."""

    # --- what every rule asks -------------------------------------------------------------------

    @property
    def terms(self) -> Contract:
        """The validated contract; to ask before it is validated is a defect of ours."""
        if self.contract is None:
            raise RuntimeError("the contract is not validated yet")
        return self.contract

    @property
    def account(self) -> BillingState:
        """What the contract's billing stores; to ask before it is provisioned is a defect."""
        if self.billing is None:
            raise RuntimeError("nothing of the contract is billed before it is provisioned")
        return self.billing

    @property
    def today(self) -> date:
        """The date of the clock in the legal entity's zone."""
        return _today(self.clock, self.time_zone)

    def day_of(self, at: datetime) -> date:
        """The date of an aware time in the legal entity's zone."""
        return _today(at, self.time_zone)

    @property
    def billing_day(self) -> date:
        """The latest day on which business has opened: what is due by then may be billed."""
        return _billing_day(self.clock, self.time_zone)

    @property
    def is_held(self) -> bool:
        """Whether a hold on billing is in force today."""
        hold = self.holds.get(HoldKind.BILLING)
        return hold is not None and (hold.until is None or self.today <= hold.until)

    def opening(self, day: date) -> datetime:
        """When business opens on a day, as an aware UTC time."""
        return _opening(day, self.time_zone)

    def has_come(self, day: date) -> bool:
        """Whether business has opened on that day, or a later one."""
        return self.clock >= self.opening(day)

    def enter(self, stage: ContractStage) -> Self:
        return self.replace(stage=stage).noted(f"Stage: {stage}")

    @property
    def reads_deal(self) -> bool:
        """Whether the deal is to be read again: until the signature its terms are the CRM's, and
        may have changed since they were read. What a person amended meanwhile counts instead."""
        is_due = self.stage in UNSIGNED and self.deal_news > self.deal_read
        return is_due and not self.was_amended and self.source.system != FILE_SOURCE

    def with_deal_news(self) -> Self:
        return self.replace(deal_news=self.deal_news + 1)

    def with_requesters(self, *people: str) -> Self:
        """The state with others who asked for the terms that it has now; nobody ever goes."""
        known = dict.fromkeys((*self.requesters, *people))
        return self.replace(requesters=tuple(person for person in known if person))

    def with_milestone(self, key: str, **changes: Any) -> Self:
        """The state with a milestone's progress changed."""
        progress = self.milestones.get(key, MilestoneProgress()).replace(**changes)
        return self.replace(milestones={**self.milestones, key: progress})

    def with_invoice(self, report: InvoiceReport) -> Self:
        return self.replace(invoices={**self.invoices, report.number: report})

    def without_start(self, number: int) -> Self:
        """The workflow of this invoice is known to be started, or is not to be."""
        left = {key: start for key, start in self.starting.items() if key != number}
        return self if len(left) == len(self.starting) else self.replace(starting=left)


@functools.lru_cache(maxsize=1_024)
def _opening(day: date, time_zone: str) -> datetime:
    return BusinessCalendar(time_zone=time_zone).opening(day)


@functools.lru_cache(maxsize=1_024)
def _today(clock: datetime, time_zone: str) -> date:
    return BusinessCalendar(time_zone=time_zone).today(clock)


@functools.lru_cache(maxsize=1_024)
def _billing_day(clock: datetime, time_zone: str) -> date:
    today = _today(clock, time_zone)
    return today if clock >= _opening(today, time_zone) else today - DAY


def has_ended(report: InvoiceReport) -> bool:
    """Whether an invoice needs nothing any more: settled, or rejected."""
    return report.stage is InvoiceStage.SETTLED or report.stage in UNBILLED


def not_running(state: ContractState, _: Any = None) -> str | None:
    """Why nothing about a running contract can be accepted, as a sentence; None if it can."""
    if state.cancel is not None and state.stage not in ENDED:
        return "the contract is being cancelled"
    return None if state.stage in RUNNING else f"the contract is {state.stage}"


class ContractInput(Value):
    """Starts a contract: by its data, or by the deal it is read from; or continues one.

    With neither `contract_data` nor `state` the deal named by `source` is read from the CRM. What
    came in as JSON and is no such input is one with `unreadable`, which says why: a workflow can
    fail by that, and not by a payload that its first task cannot read.

    `started_by` is who was signed in at the application that started it, whoever the data says has
    asked for it: neither approves anything of it.
    """

    contract_id: Key
    legal_entity: Key
    source: Source
    started_by: OptionalText = ""
    contract_data: JsonObject = Field(default_factory=dict)
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
            # A state was readable once: then it is this release that must be corrected.
            goes_on = isinstance(data, dict) and data.get("state") is not None
            if info.mode != "json" or goes_on:
                raise
            return cls.not_read(str(InvalidContract(problems_of(error))))

    @classmethod
    def not_read(cls, why: str) -> Self:
        """The input that stands for one that is none."""
        nobody = Source(system="unknown", id="unknown")
        return cls(contract_id="unknown", legal_entity="unknown", source=nobody, unreadable=why)


class MoneyTable(Value):
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


class Figures(NamedTuple):
    """What a contract's invoices come to; see `MoneyTable`."""

    invoiced: Money
    credited: Money
    total: Money
    paid: Money
    open: Money
    overdue: Money


class ContractOutcome(Value):
    """What a contract's workflow returns, and answers to most Updates."""

    contract_id: str
    stage: ContractStage
    ending: Ending | None = None
    money: MoneyTable | None = None


def outcome(state: ContractState) -> ContractOutcome:
    """How the contract stands."""
    return ContractOutcome.of_checked(
        contract_id=state.contract_id,
        stage=state.stage,
        ending=state.ending,
        money=money_table(state),
    )


def money_table(state: ContractState) -> MoneyTable | None:
    """The contract's figures; None before it is validated."""
    contract = state.contract
    if contract is None:
        return None
    found, value = figures(state.invoices, contract.currency), _value(state, contract)
    to_invoice = value - found.invoiced + found.credited
    return MoneyTable.of_checked(value=value, to_invoice=to_invoice, **found._asdict())


def percent_billed(state: ContractState) -> int | None:
    """How much of the contract's value is invoiced, net of credits; None where it has none."""
    money = money_table(state)
    if money is None or not money.value.is_positive:
        return None
    return int((money.invoiced - money.credited).amount * 100 / money.value.amount)


@derived.remembered
def figures(reports: Mapping[int, InvoiceReport], currency: str) -> Figures:
    """What the invoices of a contract come to, by their reports. `credited` counts our credit notes
    and those people made in Odoo."""
    invoices = _posted(reports, InvoiceKind.INVOICE)
    notes = _posted(reports, InvoiceKind.CREDIT_NOTE)

    def total(reports: list[InvoiceReport], field: str) -> Money:
        amounts = (getattr(item, field) for item in reports)
        return Money.total((a for a in amounts if a is not None), currency)

    invoiced = total(invoices, "untaxed")
    credited = total(notes, "untaxed") + total(invoices, "credited_untaxed")
    gross = total(invoices, "total") - total(notes, "total") - total(invoices, "credited")
    still_open = total(invoices, "residual") - total(notes, "residual")
    late = [item for item in invoices if item.overdue]
    return Figures(
        invoiced=invoiced,
        credited=credited,
        total=gross,
        paid=gross - still_open - total(invoices, "written_off"),
        open=still_open,
        overdue=total(late, "residual"),
    )


def _value(state: ContractState, contract: Contract) -> Money:
    """What the contract comes to as amended; before anything is billed, its milestones."""
    if state.billing is None:
        return contract.fixed_price
    return account.sums(state.billing, state.billing_day).value


def _posted(reports: Mapping[int, InvoiceReport], kind: InvoiceKind) -> list[InvoiceReport]:
    found = (item for item in reports.values() if item.kind is kind)
    return [item for item in found if item.total is not None]

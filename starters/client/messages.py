"""The Updates and Queries of contracts and invoices, by name.

They are sent by name, so that whoever talks to contracts need not import the workflows. A test
holds this list against the workflows: each name, what is sent with it, what it answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from contracts.approvals import ApprovalDecision, ApprovalRound
from contracts.changes import ChangeOrder
from contracts.contract.messages import (
    CancelRequest,
    CreditRequest,
    CustomerRefresh,
    HoldRequest,
    MilestoneReached,
    MilestoneUnreached,
    NoticeGiven,
    RetainageRelease,
    ServiceCredit,
    TerminationRequest,
    TerminationWithdrawn,
    UsageReport,
    UsageTaken,
)
from contracts.contract.state import ContractOutcome, ContractState
from contracts.invoice.messages import (
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    PaymentPromised,
    PaymentReceived,
    WriteOffAsked,
)
from contracts.invoice.state import InvoiceReport, InvoiceState
from contracts.parking import Resolution, StepException
from contracts.problems import InvalidContract, problems_of

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


@dataclass(frozen=True)
class Update(Generic[M, T]):
    """An Update of a workflow: its name, the message sent with it, and what it answers."""

    name: str
    message: type[M]
    result: type[T]


@dataclass(frozen=True)
class Query(Generic[T]):
    """A Query of a workflow, and what it answers."""

    name: str
    result: type[T]


REACH_MILESTONE = Update("reach_milestone", MilestoneReached, ContractOutcome)
UNREACH_MILESTONE = Update("unreach_milestone", MilestoneUnreached, ContractOutcome)
RECORD_USAGE = Update("record_usage", UsageReport, UsageTaken)
CREDIT_SERVICE = Update("credit_service", ServiceCredit, ContractOutcome)
REQUEST_CREDIT = Update("request_credit", CreditRequest, ContractOutcome)
RELEASE_RETAINAGE = Update("release_retainage", RetainageRelease, ContractOutcome)
PROPOSE_CHANGE = Update("propose_change", ChangeOrder, ContractOutcome)
SET_HOLD = Update("set_hold", HoldRequest, ContractOutcome)
REFRESH_CUSTOMER = Update("refresh_customer", CustomerRefresh, ContractOutcome)
TERMINATE = Update("terminate", TerminationRequest, ContractOutcome)
WITHDRAW_TERMINATION = Update("withdraw_termination", TerminationWithdrawn, ContractOutcome)
GIVE_NOTICE = Update("give_notice", NoticeGiven, ContractOutcome)
REQUEST_CANCEL = Update("request_cancel", CancelRequest, ContractOutcome)
CONTRACT = Query("contract", ContractState)

RECORD_PAYMENT = Update("record_payment", PaymentReceived, InvoiceReport)
OPEN_DISPUTE = Update("open_dispute", DisputeOpened, InvoiceReport)
RESOLVE_DISPUTE = Update("resolve_dispute", DisputeResolved, InvoiceReport)
PROMISE_PAYMENT = Update("promise_payment", PaymentPromised, InvoiceReport)
CHANGE_DUNNING_HOLD = Update("change_dunning_hold", HoldChange, InvoiceReport)
ASK_WRITE_OFF = Update("ask_write_off", WriteOffAsked, InvoiceReport)
INVOICE = Query("invoice", InvoiceState)

# Contracts and invoices have these alike.
DECIDE_APPROVAL = Update("decide_approval", ApprovalDecision, ApprovalRound)
RESOLVE_EXCEPTION = Update("resolve_exception", Resolution, StepException)
OPEN_APPROVALS = Query("open_approvals", list[ApprovalRound])


def built(model: type[M], **fields: object) -> M:
    """A message of these fields; None is left out. Raises InvalidContract with every problem."""
    try:
        return model.model_validate(
            {name: value for name, value in fields.items() if value is not None}
        )
    except ValidationError as error:
        raise InvalidContract(problems_of(error)) from error

"""The Updates and Queries of contracts and invoices, by name.

They are sent by name, so that whoever talks to contracts need not import the workflows. A test
holds this list against the workflows: each name, what is sent with it, what it answers.
"""

from __future__ import annotations

from typing import Any

from contracts.analytics.contract import ContractFacts
from contracts.changes import ChangeOrder
from contracts.contract.messages import (
    BurnRequest,
    CancelRequest,
    CreditRequest,
    CustomerRefresh,
    HoldRequest,
    MilestoneReached,
    MilestoneUnreached,
    NoticeGiven,
    RetainageRelease,
    ServiceCredit,
    SignatureConfirmed,
    SignatureReported,
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
from starters.client.protocol import DECIDE_APPROVAL as DECIDE_APPROVAL
from starters.client.protocol import OPEN_APPROVALS as OPEN_APPROVALS
from starters.client.protocol import Query, Update

REPORT_SIGNATURE = Update("report_signature", SignatureReported, ContractOutcome)
CONFIRM_SIGNATURE = Update("confirm_signature", SignatureConfirmed, ContractOutcome)
REACH_MILESTONE = Update("reach_milestone", MilestoneReached, ContractOutcome)
UNREACH_MILESTONE = Update("unreach_milestone", MilestoneUnreached, ContractOutcome)
RECORD_USAGE = Update("record_usage", UsageReport, UsageTaken)
CREDIT_SERVICE = Update("credit_service", ServiceCredit, ContractOutcome)
REQUEST_CREDIT = Update("request_credit", CreditRequest, ContractOutcome)
RELEASE_RETAINAGE = Update("release_retainage", RetainageRelease, ContractOutcome)
PROPOSE_CHANGE = Update("propose_change", ChangeOrder, ContractOutcome)
SET_HOLD = Update("set_hold", HoldRequest, ContractOutcome)
REFRESH_CUSTOMER = Update("refresh_customer", CustomerRefresh, ContractOutcome)
READ_BURN = Update("read_burn", BurnRequest, ContractOutcome)
TERMINATE = Update("terminate", TerminationRequest, ContractOutcome)
WITHDRAW_TERMINATION = Update("withdraw_termination", TerminationWithdrawn, ContractOutcome)
GIVE_NOTICE = Update("give_notice", NoticeGiven, ContractOutcome)
REQUEST_CANCEL = Update("request_cancel", CancelRequest, ContractOutcome)
CONTRACT = Query("contract", ContractState)
FACTS = Query("facts", list[ContractFacts])

RECORD_PAYMENT = Update("record_payment", PaymentReceived, InvoiceReport)
OPEN_DISPUTE = Update("open_dispute", DisputeOpened, InvoiceReport)
RESOLVE_DISPUTE = Update("resolve_dispute", DisputeResolved, InvoiceReport)
PROMISE_PAYMENT = Update("promise_payment", PaymentPromised, InvoiceReport)
CHANGE_DUNNING_HOLD = Update("change_dunning_hold", HoldChange, InvoiceReport)
ASK_WRITE_OFF = Update("ask_write_off", WriteOffAsked, InvoiceReport)
INVOICE = Query("invoice", InvoiceState)

# Contracts and invoices have this alike, and those of `protocol`.
RESOLVE_EXCEPTION = Update("resolve_exception", Resolution, StepException)

OF_BOTH: tuple[Update[Any, Any], ...] = (DECIDE_APPROVAL, RESOLVE_EXCEPTION)
OF_CONTRACTS: tuple[Update[Any, Any], ...] = (
    REPORT_SIGNATURE,
    CONFIRM_SIGNATURE,
    REACH_MILESTONE,
    UNREACH_MILESTONE,
    RECORD_USAGE,
    CREDIT_SERVICE,
    REQUEST_CREDIT,
    RELEASE_RETAINAGE,
    PROPOSE_CHANGE,
    SET_HOLD,
    REFRESH_CUSTOMER,
    READ_BURN,
    TERMINATE,
    WITHDRAW_TERMINATION,
    GIVE_NOTICE,
    REQUEST_CANCEL,
    *OF_BOTH,
)
OF_INVOICES: tuple[Update[Any, Any], ...] = (
    RECORD_PAYMENT,
    OPEN_DISPUTE,
    RESOLVE_DISPUTE,
    PROMISE_PAYMENT,
    CHANGE_DUNNING_HOLD,
    ASK_WRITE_OFF,
    *OF_BOTH,
)

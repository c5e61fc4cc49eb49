"""Why a message cannot be accepted, as a sentence. A contract that is busy closing is the machine's
business (contracts/agenda); here is what the contract itself cannot serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from contracts import approvals, changes
from contracts.approvals import ApprovalDecision, ApprovalRound
from contracts.billing import account
from contracts.billing.state import NotPossible
from contracts.changes import ChangeOrder
from contracts.contract import amendments
from contracts.contract.invoices import why_not_credited
from contracts.contract.messages import (
    CancelRequest,
    CreditRequest,
    CustomerRefresh,
    HoldRequest,
    InvoiceEnded,
    InvoiceLost,
    MilestoneReached,
    MilestoneReachedInOdoo,
    MilestoneUnreached,
    MilestoneUnreachedInOdoo,
    NoticeGiven,
    RetainageRelease,
    ServiceCredit,
    TerminationRequest,
    TerminationWithdrawn,
    UsageReport,
)
from contracts.contract.proposing import start_key
from contracts.contract.state import (
    DAY,
    ENDED,
    FILE_SOURCE,
    RUNNING,
    ContractStage,
    ContractState,
)
from contracts.invoice.messages import CreditRequested
from contracts.invoice.state import UNBILLED, InvoiceReport
from contracts.model import Contract, JsonObject
from contracts.parking import Action as Choice
from contracts.parking import Resolution
from contracts.problems import InvalidContract
from contracts.validation import amended, validate

_IDENTITY = ("contract_id", "legal_entity", "source", "version")
_MAY_BE_AMENDED = {"customer", "purchase_order", "payment_term", "title", "requested_by"}
"""What a correction may still change once the order exists; the rest needs a change order."""
_MAX_EARLY = 1_000
_MAX_CREDITS_ASKED = 100


def refusal(state: ContractState, message: Any) -> str | None:
    """Why this message cannot be accepted now; None if it can."""
    return _REFUSALS[type(message)](state, message)


def credit_of(asked: CreditRequested) -> CreditRequest:
    """The credit that an invoice asks for, whose dispute was accepted in part."""
    return CreditRequest(
        number=asked.number, amount=asked.untaxed, by=asked.by, reason=asked.reason
    )


# --- delivery -------------------------------------------------------------------------------------


def _running(state: ContractState, _: Any = None) -> str | None:
    if state.cancel is not None and state.stage not in ENDED:
        return "the contract is being cancelled"
    return None if state.stage in RUNNING else f"the contract is {state.stage}"


def _milestone(state: ContractState, message: MilestoneReached | MilestoneUnreached) -> str | None:
    if state.stage in ENDED:
        return f"the contract is {state.stage}"
    if state.cancel is not None:
        return "the contract is being cancelled"
    if state.contract is None and isinstance(message, MilestoneUnreached):
        return "the contract is not validated yet"
    if state.contract is None:
        return None if len(state.early_milestones) < _MAX_EARLY else "too many early messages"
    if message.milestone not in state.milestones:
        known = ", ".join(state.milestones) or "none"
        return f"the contract has no such milestone; it has: {known}"
    return None


def _found_in_odoo(
    state: ContractState, message: MilestoneReachedInOdoo | MilestoneUnreachedInOdoo
) -> str | None:
    return None if state.cancel is None else "the contract is being cancelled"


def _service_credit(state: ContractState, credit: ServiceCredit) -> str | None:
    return _running(state) or _why_not(
        lambda: account.credit_service(
            state.account,
            credit.retainer,
            credit.reference,
            credit.reason,
            credit.amount,
            state.today,
        )
    )


def _why_not(act: Callable[[], object]) -> str | None:
    """Why billing refuses an act; None if it does not. Billing is frozen: to try costs nothing."""
    try:
        act()
    except NotPossible as impossible:
        return str(impossible)
    return None


# --- invoices -------------------------------------------------------------------------------------


def _report(state: ContractState, report: InvoiceReport) -> str | None:
    return None if report.number in state.invoices else f"there is no invoice {report.number}"


def _ended(state: ContractState, ended: InvoiceEnded) -> str | None:
    return _report(state, ended.report)


def _lost(state: ContractState, lost: InvoiceLost) -> str | None:
    return None if lost.number in state.invoices else f"there is no invoice {lost.number}"


def _credit(state: ContractState, request: CreditRequest) -> str | None:
    return _running(state) or why_not_credited(state, request)


def _credit_asked(state: ContractState, asked: CreditRequested) -> str | None:
    """What cannot be credited waits for a person: a customer expects the money."""
    if len(state.credits_asked) >= _MAX_CREDITS_ASKED:
        return "too many credits wait for a person already"
    return _running(state)


def _release(state: ContractState, release: RetainageRelease) -> str | None:
    return _running(state) or _why_not(
        lambda: account.release_retainage(state.account, state.today, release.reason)
    )


# --- changes --------------------------------------------------------------------------------------


def _change(state: ContractState, order: ChangeOrder) -> str | None:
    if state.stage not in RUNNING:
        return f"the contract is {state.stage}; amend the parked step instead"
    if state.cancel is not None:
        return "the contract is being cancelled"
    if state.change is not None:
        return f"change order {state.change.order.number} awaits its approval first"
    if state.terminated and _brings_work(order):
        return "the contract was ended early: only the terms of what was done until then change"
    try:
        amendments.changed(state, order)
    except InvalidContract as invalid:
        return str(invalid)
    return None


def _brings_work(order: ChangeOrder) -> bool:
    """Whether a change order is about what is still to be done: new work, or other days."""
    added = (
        order.add_services,
        order.add_milestones,
        order.add_time,
        order.add_retainers,
        order.add_usage,
        order.add_expenses,
    )
    moved = [path for path in order.set if path.endswith(("starts_on", "ends_on"))]
    return any(added) or bool(moved or order.reschedule or order.end_plans)


def _decision(state: ContractState, decision: ApprovalDecision) -> str | None:
    approval_round = open_round(state)
    if approval_round is None:
        return "nothing awaits approval here"
    return approvals.decision_refusal([approval_round], decision, state.clock)


def open_round(state: ContractState) -> ApprovalRound | None:
    """The round of the pending change order; None if there is none."""
    return state.change.approval_round if state.change is not None else None


def _hold(state: ContractState, request: HoldRequest) -> str | None:
    refusal = _running(state)
    if refusal:
        return refusal
    if request.hold is None and request.kind not in state.holds:
        return f"there is no {request.kind} hold to release"
    if request.hold and request.hold.until and request.hold.until < state.today:
        return f"a hold until {request.hold.until} is over already"
    return None


def _refresh(state: ContractState, request: CustomerRefresh) -> str | None:
    if state.source.system == FILE_SOURCE:
        return "the contract came from a file, not from a CRM"
    if state.refresh is not None:
        return "the deal is being read already"
    return _running(state)


# --- endings --------------------------------------------------------------------------------------


def _termination(state: ContractState, request: TerminationRequest) -> str | None:
    refusal = _active(state)
    if refusal:
        return refusal
    if state.termination is not None:
        return f"the contract already ends on {state.termination.on}"
    if state.change is not None:
        return f"change order {state.change.order.number} awaits its approval first"
    contract = state.terms
    if contract.ends_on is not None and request.on >= contract.ends_on:
        return f"the contract ends on {contract.ends_on} anyway; give notice instead"
    earliest = _earliest_end(state.today, contract, agreed=request.agreed)
    if request.on < earliest:
        return f"the earliest last day is {earliest}, by the notice the terms ask for"
    return None


def _active(state: ContractState) -> str | None:
    refusal = _running(state)
    if refusal is None and state.stage is not ContractStage.ACTIVE:
        return f"the contract is {state.stage}"
    return refusal


def _earliest_end(today: date, contract: Contract, *, agreed: bool) -> date:
    return today if agreed else today + timedelta(days=contract.termination.notice_days)


def _withdrawal(state: ContractState, _: TerminationWithdrawn) -> str | None:
    if state.termination is None:
        return "the contract is not being ended early"
    if state.terminated:
        return f"the contract ended on {state.termination.on}"
    return _running(state)


def _notice(state: ContractState, notice: NoticeGiven) -> str | None:
    refusal = _active(state)
    if refusal:
        return refusal
    contract, day = state.terms, amendments.renewal_day(state.terms)
    if day is None or not contract.term.auto_renew:
        return "the contract is not renewed by itself, so it needs no notice"
    if state.notice is not None:
        return f"notice was given by {state.notice.by} already"
    if (notice.on or state.today) >= day:
        return f"notice for {contract.ends_on} had to be given by {day - DAY}"
    return None


def _cancel(state: ContractState, _: Any = None) -> str | None:
    """A contract is cancelled only where nothing is billed, and nothing may be."""
    if state.stage in (ContractStage.CLOSING, *ENDED):
        return f"the contract is {state.stage}"
    if state.cancel is not None:
        return None
    if state.uncertain:
        names = ", ".join(state.uncertain)
        return f"nobody knows yet whether this has happened: {names}; retry it first"
    billed = [
        report
        for number, report in state.invoices.items()
        if report.stage not in UNBILLED and not is_only_entered(state, number)
    ]
    if billed:
        names = ", ".join(f"{item.number} ({item.stage})" for item in billed)
        return (
            f"something is billed or about to be: invoice {names}; reject a proposal first, "
            "or end the contract early"
        )
    return None


def is_only_entered(state: ContractState, number: int) -> bool:
    """Whether an invoice is entered as proposed and its workflow was surely never started."""
    key = start_key(number)
    return number in state.starting and key not in state.running and key not in state.uncertain


# --- exceptions -----------------------------------------------------------------------------------


def _resolution(state: ContractState, resolution: Resolution) -> str | None:
    if resolution.action is Choice.CANCEL:
        return _cancel(state)
    return _amendment(state, resolution) if resolution.action is Choice.AMEND else None


def _amendment(state: ContractState, resolution: Resolution) -> str | None:
    fixed = [path for path in resolution.changes if path.split(".")[0] in _IDENTITY]
    if fixed:
        return f"{', '.join(fixed)} cannot be amended: the contract's workflow is named so"
    try:
        right = validate(corrected(state, resolution))
    except InvalidContract as invalid:
        return str(invalid)
    if state.odoo.order_id is not None and _changes_order(state, right):
        return "the order exists: amounts, milestones and plans change by a change order"
    return None


def may_amend(state: ContractState, path: str) -> bool:
    """Whether the contract data may be corrected at this path now."""
    head = path.split(".")[0]
    if head in _IDENTITY or head not in Contract.model_fields:
        return False
    return state.odoo.order_id is None or head in _MAY_BE_AMENDED


def corrected(state: ContractState, resolution: Resolution) -> JsonObject:
    """The contract data as corrected. Raises InvalidContract for a path that leads nowhere."""
    contract = state.contract
    has_order = contract is not None and state.odoo.order_id is not None
    base = changes.contract_data_of(contract) if has_order and contract else state.contract_data
    return amended(base, resolution.changes)


def _changes_order(state: ContractState, right: Contract) -> bool:
    contract = state.contract
    return contract is not None and contract.model_dump(
        exclude=_MAY_BE_AMENDED
    ) != right.model_dump(exclude=_MAY_BE_AMENDED)


_REFUSALS: Mapping[type, Callable[[ContractState, Any], str | None]] = {
    MilestoneReached: _milestone,
    MilestoneUnreached: _milestone,
    MilestoneReachedInOdoo: _found_in_odoo,
    MilestoneUnreachedInOdoo: _found_in_odoo,
    UsageReport: _running,
    ServiceCredit: _service_credit,
    InvoiceReport: _report,
    InvoiceEnded: _ended,
    InvoiceLost: _lost,
    CreditRequest: _credit,
    CreditRequested: _credit_asked,
    RetainageRelease: _release,
    ChangeOrder: _change,
    ApprovalDecision: _decision,
    HoldRequest: _hold,
    CustomerRefresh: _refresh,
    TerminationRequest: _termination,
    TerminationWithdrawn: _withdrawal,
    NoticeGiven: _notice,
    CancelRequest: _cancel,
    Resolution: _resolution,
}

REOPENING = frozenset(
    {
        MilestoneReached,
        MilestoneUnreached,
        MilestoneReachedInOdoo,
        MilestoneUnreachedInOdoo,
        UsageReport,
        ServiceCredit,
        CreditRequest,
        CreditRequested,
        RetainageRelease,
        ChangeOrder,
        HoldRequest,
        CustomerRefresh,
    }
)
"""Messages that bring work: while the contract is being closed nothing of it could be served."""


def reopens(message: Any) -> bool:
    """Whether a message asks for something that a close-out would leave undone."""
    return type(message) in REOPENING

"""Key figures that come about in a contract's life; the shell records them."""

from __future__ import annotations

from datetime import date, timedelta

from contracts.agenda.actions import Metric
from contracts.approvals import ApprovalRound
from contracts.contract.state import ContractState

PROJECT_READY = "c2c_signature_to_project_days"
INVOICE_POSTED = "c2c_earned_to_posted_days"
APPROVAL = "c2c_approval_waiting_days"
ENDED = "c2c_contracts_ended"


def project_ready(state: ContractState) -> Metric:
    """The order is confirmed and the project stands."""
    waited = state.today - state.terms.signed_on
    return _days(PROJECT_READY, waited, {"legal_entity": state.legal_entity})


def invoice_posted(state: ContractState, earned_on: date) -> Metric:
    """What was earned on a day (a milestone reached, a period over) is invoiced."""
    return _days(INVOICE_POSTED, state.today - earned_on, {"legal_entity": state.legal_entity})


def approval_decided(state: ContractState, approval_round: ApprovalRound) -> Metric:
    """People approved or rejected something; days from the request to the last word."""
    requirement = approval_round.requirement
    waited = requirement.today(state.clock) - requirement.asked_on
    return _days(APPROVAL, waited, {"kind": str(approval_round.subject.kind)})


def contract_ended(state: ContractState) -> Metric:
    """`parked` says whether a step of it, or of one of its invoices, ever waited for a person to
    correct it; approvals are no such thing."""
    labels = {
        "legal_entity": state.legal_entity,
        "ending": str(state.ending),
        "parked": "yes" if state.has_parked else "no",
    }
    return Metric(ENDED, 1, labels)


def _days(name: str, duration: timedelta, labels: dict[str, str]) -> Metric:
    return Metric(name, max(duration.days, 0), labels)

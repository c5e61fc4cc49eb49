"""Key figures that come about in the rules; the shell records them. The end of a name is its unit:
days, hours, or none where it counts."""

from __future__ import annotations

from datetime import datetime, timedelta

from contracts.agenda.actions import Metric
from contracts.approvals import ApprovalRound

PROJECT = "c2c_signature_to_project_days"
STAFFED = "c2c_signature_to_staffed_days"
POSTED = "c2c_earned_to_posted_days"
CASH = "c2c_posted_to_cash_days"
APPROVAL = "c2c_approval_waiting_days"
EXCEPTION = "c2c_exception_age_hours"
ENDED = "c2c_contracts_ended"

TEXTS = {
    PROJECT: "Days from the signature to the project",
    STAFFED: "Days from the signature to a project with a manager and people on its tasks",
    POSTED: "Days from a milestone reached, or a period's end, to its posted invoice",
    CASH: "Days from an invoice's date to its last payment",
    APPROVAL: "Days from the request of an approval to its last word",
    EXCEPTION: "Hours a step was parked",
    ENDED: "Contracts ended, and whether anything of them ever parked",
}


def days(name: str, duration: timedelta, **labels: str) -> Metric:
    """How many days something took; what lies ahead took none."""
    return Metric(name, max(duration.days, 0), labels)


def approval_decided(approval_round: ApprovalRound, now: datetime) -> Metric:
    """People approved or rejected something; days from the request to the last word."""
    requirement = approval_round.requirement
    waited = requirement.today(now) - requirement.asked_on
    return days(APPROVAL, waited, kind=str(approval_round.subject.kind))

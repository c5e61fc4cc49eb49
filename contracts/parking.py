"""Parked, never lost: a step that needs a person, what is wrong with it, and what may be done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from contracts.model import MAX_MILESTONES, Text, Words
from contracts.validation import Problem, payload_problems


class Action(StrEnum):
    """What a person may do about a parked step."""

    RETRY = "retry"
    AMEND = "amend"
    SKIP = "skip"
    CANCEL = "cancel"


class Responsible(StrEnum):
    """Who is expected to look after a parked step."""

    SALES = "sales"
    OPERATIONS = "operations"
    FINANCE = "finance"


class Step(BaseModel):
    """A step that can park: its name, what it does in words, and who mends it how."""

    model_config = ConfigDict(frozen=True)

    name: str
    doing: str
    responsible: Responsible
    allowed: tuple[Action, ...]


_MEND = (Action.RETRY, Action.AMEND, Action.CANCEL)
_RETRY = (Action.RETRY, Action.CANCEL)
_OPTIONAL = (Action.RETRY, Action.SKIP)

READ_DEAL = Step(
    name="read_deal",
    doing="Read the deal from the CRM",
    responsible=Responsible.SALES,
    allowed=_RETRY,
)
VALIDATE = Step(
    name="validate", doing="Validate the contract", responsible=Responsible.SALES, allowed=_MEND
)
CUSTOMER = Step(
    name="customer",
    doing="Set up the customer and the project",
    responsible=Responsible.OPERATIONS,
    allowed=_MEND,
)
ORDER = Step(
    name="order", doing="Create the sales order", responsible=Responsible.OPERATIONS, allowed=_MEND
)
CONFIRM = Step(
    name="confirm",
    doing="Confirm the sales order and plan its work",
    responsible=Responsible.OPERATIONS,
    allowed=_RETRY,
)
PROVISION = Step(
    name="provision",
    doing="Set up customer, project and order",
    responsible=Responsible.OPERATIONS,
    allowed=_RETRY,
)
MARK_MILESTONE = Step(
    name="mark_milestone",
    doing="Show in Odoo whether the milestone is reached",
    responsible=Responsible.OPERATIONS,
    allowed=(Action.RETRY, Action.SKIP, Action.CANCEL),
)
PROPOSAL = Step(
    name="proposal",
    doing="Have the invoice approved",
    responsible=Responsible.FINANCE,
    allowed=(Action.RETRY, Action.AMEND, Action.SKIP, Action.CANCEL),
)
REVIEW = Step(
    name="review",
    doing="Review an invoiced milestone that is not reached after all",
    responsible=Responsible.FINANCE,
    allowed=(Action.SKIP,),
)
FOLLOW = Step(
    name="follow",
    doing="Follow an invoice whose workflow was ended by force",
    responsible=Responsible.OPERATIONS,
    allowed=(Action.SKIP,),
)
READ_PLAN = Step(
    name="read",
    doing="Read approved hours and expenses",
    responsible=Responsible.FINANCE,
    allowed=_RETRY,
)
TOO_LATE = Step(
    name="too_late",
    doing="Look after hours or expenses of a period that is settled for good",
    responsible=Responsible.FINANCE,
    allowed=(Action.SKIP,),
)
BILLING_CHECK = Step(
    name="billing_check",
    doing="Check the sums of the billing",
    responsible=Responsible.OPERATIONS,
    allowed=(Action.RETRY,),
)
START_INVOICE = Step(
    name="start",
    doing="Start the invoice's workflow",
    responsible=Responsible.OPERATIONS,
    allowed=(Action.RETRY,),
)
CAP = Step(
    name="cap",
    doing="Bill within the plan's cap",
    responsible=Responsible.FINANCE,
    allowed=(Action.RETRY, Action.SKIP, Action.CANCEL),
)
BILL_PERIOD = Step(
    name="bill_period",
    doing="Bill the period",
    responsible=Responsible.FINANCE,
    allowed=_RETRY,
)
CREDIT = Step(
    name="credit",
    doing="Credit what was accepted of a dispute",
    responsible=Responsible.FINANCE,
    allowed=_OPTIONAL,
)
PURCHASE_ORDER = Step(
    name="purchase_order",
    doing="Bill within the customer's purchase order",
    responsible=Responsible.SALES,
    allowed=(Action.RETRY, Action.SKIP, Action.CANCEL),
)
DELIVERED = Step(
    name="delivered",
    doing="Tell Odoo the delivered quantities",
    responsible=Responsible.OPERATIONS,
    allowed=_OPTIONAL,
)
AMEND_ORDER = Step(
    name="amend_order",
    doing="Bring the sales order to the contract's version",
    responsible=Responsible.OPERATIONS,
    allowed=(Action.RETRY,),
)
AMEND_PROJECT = Step(
    name="amend_project",
    doing="Bring milestones and tasks to the contract's version",
    responsible=Responsible.OPERATIONS,
    allowed=_OPTIONAL,
)
PROJECT_STATUS = Step(
    name="project_status",
    doing="Show on the project whether work goes on",
    responsible=Responsible.OPERATIONS,
    allowed=_OPTIONAL,
)
REFRESH = Step(
    name="refresh",
    doing="Read the deal again",
    responsible=Responsible.SALES,
    allowed=_OPTIONAL,
)
WRITE_BACK = Step(
    name="write_back",
    doing="Write the status to the CRM",
    responsible=Responsible.SALES,
    allowed=_OPTIONAL,
)
CANCEL_ORDER = Step(
    name="cancel_order",
    doing="Cancel the sales order",
    responsible=Responsible.OPERATIONS,
    allowed=_OPTIONAL,
)
ARCHIVE_PROJECT = Step(
    name="archive_project",
    doing="Archive the project",
    responsible=Responsible.OPERATIONS,
    allowed=_OPTIONAL,
)
CLOSE_OUT = Step(
    name="close_out",
    doing="Check the close-out",
    responsible=Responsible.FINANCE,
    allowed=(Action.RETRY,),
)
AUDIT = Step(
    name="audit",
    doing="Attach the audit record",
    responsible=Responsible.FINANCE,
    allowed=_OPTIONAL,
)

POLICY = Step(
    name="policy",
    doing="Load the legal entity's rules",
    responsible=Responsible.OPERATIONS,
    allowed=(Action.RETRY,),
)
CREATE_INVOICE = Step(
    name="create_invoice",
    doing="Create the invoice",
    responsible=Responsible.FINANCE,
    allowed=_MEND,
)
POST_INVOICE = Step(
    name="post_invoice",
    doing="Post the invoice",
    responsible=Responsible.FINANCE,
    allowed=_MEND,
)
DELIVER = Step(
    name="deliver", doing="Send the invoice", responsible=Responsible.FINANCE, allowed=_OPTIONAL
)
BALANCE = Step(
    name="balance",
    doing="Read the invoice's balance",
    responsible=Responsible.FINANCE,
    allowed=(Action.RETRY,),
)
REGISTER_PAYMENT = Step(
    name="register_payment",
    doing="Register the payment",
    responsible=Responsible.FINANCE,
    allowed=_OPTIONAL,
)
SETTLE_PAYMENT = Step(
    name="settle_payment",
    doing="Settle money that is not owed",
    responsible=Responsible.FINANCE,
    allowed=_OPTIONAL,
)
REMIND = Step(
    name="remind", doing="Send the reminder", responsible=Responsible.FINANCE, allowed=_OPTIONAL
)
NOTIFY = Step(
    name="notify",
    doing="Remind the approvers",
    responsible=Responsible.FINANCE,
    allowed=_OPTIONAL,
)
DISCARD = Step(
    name="discard",
    doing="Cancel the rejected draft in Odoo",
    responsible=Responsible.FINANCE,
    allowed=_OPTIONAL,
)
RECONCILE = Step(
    name="reconcile",
    doing="Set the credit note off against its invoice",
    responsible=Responsible.FINANCE,
    allowed=_OPTIONAL,
)
WRITE_OFF = Step(
    name="write_off",
    doing="Write off what is open",
    responsible=Responsible.FINANCE,
    allowed=_OPTIONAL,
)

CREDENTIALS = "credentials"
"""The kind of a parked step that waits for a secret; it tries again by itself, slowly."""


class StepException(BaseModel):
    """A parked step as people see it. `since` is aware (UTC); `value` is the offending value.

    `key`, `act` (its kind) and `basis` are those of the act that is parked, `retry_at` is when it
    is tried again by itself (none: when a person says so). `uncertain`: it may have happened all
    the same.
    """

    step: str
    kind: str
    doing: str
    responsible: Responsible
    code: str
    message: str
    field: str = ""
    value: str = ""
    problems: list[Problem] = Field(default_factory=list)
    allowed: tuple[Action, ...]
    since: datetime
    attempts: int = 1
    key: str = ""
    act: str = ""
    basis: str = ""
    retry_at: datetime | None = None
    uncertain: bool = False

    @property
    def subject(self) -> str:
        """What the parked act is about: what its key names behind its first word."""
        return self.key.partition(":")[2]


class Waiting(BaseModel):
    """What a workflow waits on (a WaitingOn value) and since when (aware, UTC). Immutable."""

    model_config = ConfigDict(frozen=True)

    on: str | None = None
    since: datetime | None = None

    def updated(
        self, on: str | None, now: datetime, exceptions: Sequence[StepException]
    ) -> Waiting:
        """What it waits on now: since now where the reason changed; an exception is as old as it
        is."""
        since = self.since if on == self.on else (now if on else None)
        if exceptions:
            since = min(item.since for item in exceptions)
        return self if (on, since) == (self.on, self.since) else Waiting(on=on, since=since)


class Resolution(BaseModel):
    """What a person decided about a parked step. `step` may be left out if only one is parked.

    `changes` (for amend) maps paths to corrected values: `{"customer.vat_number": "BE..."}`.
    """

    model_config = ConfigDict(extra="forbid")

    action: Action
    by: Text
    step: Words = ""
    reason: Words = ""
    changes: dict[str, Any] = Field(default_factory=dict, max_length=MAX_MILESTONES)


def waits_on(exceptions: Sequence[StepException]) -> tuple[str, str]:
    """What a workflow with exceptions waits on: the WaitingOn value, and a sentence."""
    first = min(exceptions, key=lambda item: item.since)
    kind = first.kind if first.kind == CREDENTIALS else "exception"
    return kind, f"{first.responsible}: {first.doing}"


def refusal(exceptions: Sequence[StepException], resolution: Resolution) -> str | None:
    """Why a resolution cannot be taken, as a sentence; None if it can."""
    if not exceptions:
        return "nothing is parked here"
    names = ", ".join(item.step for item in exceptions)
    if not resolution.step and len(exceptions) > 1:
        return f"several steps are parked; name one in `step`: {names}"
    parked = find(exceptions, resolution.step)
    if parked is None:
        return f"step {resolution.step!r} is not parked; parked: {names}"
    if parked.uncertain and resolution.action is not Action.RETRY:
        return (
            f"{parked.step} may have happened although no answer came; only retry, which looks "
            "for it first, is possible until that is known"
        )
    if resolution.action not in parked.allowed:
        allowed = ", ".join(parked.allowed)
        return f"{resolution.action} is not possible for {parked.step}; possible: {allowed}"
    if resolution.action is Action.AMEND and not resolution.changes:
        return 'amend needs changes, such as {"customer.vat_number": "BE0477472701"}'
    problems = payload_problems(resolution.changes)
    if problems:
        return str(problems[0])
    if resolution.action is Action.SKIP and not resolution.reason.strip():
        return "skip needs a reason"
    return None


def find(exceptions: Sequence[StepException], step: str) -> StepException | None:
    """The parked step of that name; with no name, the only one."""
    if not step and len(exceptions) == 1:
        return exceptions[0]
    return next((item for item in exceptions if item.step == step), None)

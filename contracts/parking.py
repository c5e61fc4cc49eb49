"""Parked, never lost: a step that needs a person, what is wrong with it, and what may be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from contracts.model import MAX_MILESTONES, Message, Text, Value, Words
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


@dataclass(frozen=True)
class Step:
    """A step that can park: its name, what it does in words, and who mends it how."""

    name: str
    doing: str
    responsible: Responsible
    allowed: tuple[Action, ...]


_SALES, _OPERATIONS, _FINANCE = Responsible.SALES, Responsible.OPERATIONS, Responsible.FINANCE
_MEND = (Action.RETRY, Action.AMEND, Action.CANCEL)
_RETRY = (Action.RETRY, Action.CANCEL)
_OPTIONAL = (Action.RETRY, Action.SKIP)
_WAIVABLE = (Action.RETRY, Action.SKIP, Action.CANCEL)
_ONLY_RETRY, _ONLY_SKIP = (Action.RETRY,), (Action.SKIP,)

READ_DEAL = Step("read_deal", "Read the deal from the CRM", _SALES, _RETRY)
VALIDATE = Step("validate", "Validate the contract", _SALES, _MEND)
CUSTOMER = Step("customer", "Set up the customer and the project", _OPERATIONS, _MEND)
ORDER = Step("order", "Create the sales order", _OPERATIONS, _MEND)
CONFIRM = Step("confirm", "Confirm the sales order and plan its work", _OPERATIONS, _RETRY)
SIGNATURE = Step("signature", "Have the contract signed", _SALES, _WAIVABLE)
ATTACH_SIGNED = Step(
    "attach_signed", "Attach the signed document to the order", _OPERATIONS, _OPTIONAL
)
PROVISION = Step("provision", "Set up customer, project and order", _OPERATIONS, _RETRY)
MARK_MILESTONE = Step(
    "mark_milestone", "Show in Odoo whether the milestone is reached", _OPERATIONS, _WAIVABLE
)
LOOK_UP_MILESTONE = Step(
    "look_up_milestone", "Look up in Odoo whether the milestone is reached", _OPERATIONS, _OPTIONAL
)
PROPOSAL = Step("proposal", "Have the invoice approved", _FINANCE, tuple(Action))
REVIEW = Step(
    "review", "Review an invoiced milestone that is not reached after all", _FINANCE, _ONLY_SKIP
)
FOLLOW = Step(
    "follow", "Follow an invoice whose workflow was ended by force", _OPERATIONS, _ONLY_SKIP
)
READ_PLAN = Step("read", "Read approved hours and expenses", _FINANCE, _RETRY)
TOO_LATE = Step(
    "too_late",
    "Look after hours or expenses of a period that is settled for good",
    _FINANCE,
    _ONLY_SKIP,
)
BILLING_CHECK = Step("billing_check", "Check the sums of the billing", _OPERATIONS, _ONLY_RETRY)
START_INVOICE = Step("start", "Start the invoice's workflow", _OPERATIONS, _ONLY_RETRY)
CAP = Step("cap", "Bill within the plan's cap", _FINANCE, _WAIVABLE)
BILL_PERIOD = Step("bill_period", "Bill the period", _FINANCE, _RETRY)
CREDIT = Step("credit", "Credit what was accepted of a dispute", _FINANCE, _OPTIONAL)
PURCHASE_ORDER = Step(
    "purchase_order", "Bill within the customer's purchase order", _SALES, _WAIVABLE
)
DELIVERED = Step("delivered", "Tell Odoo the delivered quantities", _OPERATIONS, _OPTIONAL)
AMEND_ORDER = Step(
    "amend_order", "Bring the sales order to the contract's version", _OPERATIONS, _ONLY_RETRY
)
AMEND_PROJECT = Step(
    "amend_project", "Bring milestones and tasks to the contract's version", _OPERATIONS, _OPTIONAL
)
HAND_OVER = Step("hand_over", "Hand the project over to delivery", _OPERATIONS, _OPTIONAL)
READ_BURN = Step(
    "burn", "Read hours and costs of the project against the budget", _OPERATIONS, _OPTIONAL
)
PROJECT_STATUS = Step(
    "project_status", "Show on the project whether work goes on", _OPERATIONS, _OPTIONAL
)
REFRESH = Step("refresh", "Read the deal again", _SALES, _OPTIONAL)
WRITE_BACK = Step("write_back", "Write the status to the CRM", _SALES, _OPTIONAL)
CANCEL_ORDER = Step("cancel_order", "Cancel the sales order", _OPERATIONS, _OPTIONAL)
ARCHIVE_PROJECT = Step("archive_project", "Archive the project", _OPERATIONS, _OPTIONAL)
CLOSE_OUT = Step("close_out", "Check the close-out", _FINANCE, _ONLY_RETRY)
AFTER_CLOSE = Step(
    "after_close", "Look after what came once the contract was closed", _FINANCE, _ONLY_SKIP
)
CLOSING_RECORD = Step("closing_record", "Attach the closing record", _FINANCE, _OPTIONAL)
AUDIT = Step("audit", "Write the audit record", _OPERATIONS, _OPTIONAL)
POLICY = Step("policy", "Load the legal entity's rules", _OPERATIONS, _ONLY_RETRY)
CREATE_INVOICE = Step("create_invoice", "Create the invoice", _FINANCE, _MEND)
POST_INVOICE = Step("post_invoice", "Post the invoice", _FINANCE, _MEND)
DELIVER = Step("deliver", "Send the invoice", _FINANCE, _OPTIONAL)
BALANCE = Step("balance", "Read the invoice's balance", _FINANCE, _ONLY_RETRY)
REGISTER_PAYMENT = Step("register_payment", "Register the payment", _FINANCE, _OPTIONAL)
SETTLE_PAYMENT = Step("settle_payment", "Settle money that is not owed", _FINANCE, _OPTIONAL)
REVERSE_PAYMENT = Step("reverse_payment", "Undo the payment", _FINANCE, _OPTIONAL)
REMIND = Step("remind", "Send the reminder", _FINANCE, _OPTIONAL)
NOTIFY = Step("notify", "Remind the approvers", _FINANCE, _OPTIONAL)
DISCARD = Step("discard", "Cancel the rejected draft in Odoo", _FINANCE, _OPTIONAL)
TAKE_BACK = Step("take_back", "Cancel the draft in Odoo of what is not booked", _FINANCE, _OPTIONAL)
RECONCILE = Step("reconcile", "Set the credit note off against its invoice", _FINANCE, _OPTIONAL)
WRITE_OFF = Step("write_off", "Write off what is open", _FINANCE, _OPTIONAL)

STEPS = {step.name: step for step in list(vars().values()) if isinstance(step, Step)}
"""Every step by its name, in this order."""

CREDENTIALS = "credentials"
"""The kind of a parked step that waits for a secret; it tries again by itself, slowly."""


class StepException(Value):
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
    def coded(self) -> str:
        """What is wrong, with its code; many messages end with it already."""
        code = f"[{self.code}]"
        return self.message if code in self.message else f"{self.message} {code}"

    @property
    def subject(self) -> str:
        """What the parked act is about: what its key names behind its first word."""
        return self.key.partition(":")[2]


class Waiting(Value):
    """What a workflow waits on (a WaitingOn value) and since when (aware, UTC). Immutable."""

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


class Resolution(Message):
    """What a person decided about a parked step. `step` may be left out if only one is parked.

    `changes` (for amend) maps paths to corrected values: `{"customer.vat_number": "BE..."}`.
    """

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

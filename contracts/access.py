"""Who may do what: roles by legal entity, permissions, and one table of both.

Whether a person may approve *this* proposal is a matter of the approval rules (`approvals`), which
ask more. Nobody has a role everywhere unless it is given for `EVERYWHERE`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from contracts.parking import Action, Responsible, StepException

EVERYWHERE = "*"
"""In the place of a legal entity: all of them, and what belongs to none."""


class Role(StrEnum):
    """What a person is, for one legal entity."""

    VIEWER = "viewer"
    PROJECT_MANAGER = "project_manager"
    FINANCE = "finance"
    CONTROLLER = "controller"
    OPERATOR = "operator"
    ADMIN = "admin"
    SENDER = "sender"
    """A system whose webhooks are verified: it reports, and reads nothing."""

    @property
    def words(self) -> str:
        """The role as people write it."""
        return self.value.replace("_", " ")


class Permission(StrEnum):
    """One thing that one may be allowed to do; each message and each route needs one."""

    READ = "read"
    """Contracts, invoices, lists and figures."""
    REPORT = "report"
    """Milestones, usage and service credits; reading the deal or the project again."""
    CHANGE = "change"
    """Change orders, and that a contract is signed on paper."""
    DECIDE = "decide"
    """Approve and reject, where the approval rules name the person."""
    COLLECT = "collect"
    """Payments, disputes, promises, and the reminders of an invoice."""
    CREDIT = "credit"
    """Ask for credits and write-offs, which others approve."""
    HOLD = "hold"
    """Stop the billing or the reminders of a whole contract; release what was held back."""
    END = "end"
    """Terminate, give notice, cancel."""
    MEND_DELIVERY = "mend_delivery"
    """Exceptions of sales and operations: customer, order, project. To cancel them is `END`."""
    MEND_MONEY = "mend_money"
    """Exceptions of finance, and what a bank's files leave open."""
    SKIP_MONEY = "skip_money"
    """Leave out, or cancel, a step that finance is responsible for."""
    MEND_EVENTS = "mend_events"
    """Inbound events that could not be delivered."""
    DECODE = "decode"
    """Read what Temporal keeps encrypted."""
    EXPORT_AUDIT = "export_audit"
    """The audit record as a file."""
    REVIEW_ACCESS = "review_access"
    """Who has which role."""
    SET_UP = "set_up"
    """What belongs to the installation: keys, schedules, erasing a customer."""


_READ = frozenset({Permission.READ})
_FINANCE = _READ | {
    Permission.DECIDE,
    Permission.COLLECT,
    Permission.CREDIT,
    Permission.MEND_MONEY,
}
ALLOWED: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _READ,
    Role.PROJECT_MANAGER: _READ
    | {Permission.REPORT, Permission.CHANGE, Permission.DECIDE, Permission.MEND_DELIVERY},
    Role.FINANCE: _FINANCE,
    Role.CONTROLLER: _FINANCE
    | {Permission.HOLD, Permission.END, Permission.SKIP_MONEY, Permission.EXPORT_AUDIT},
    Role.OPERATOR: _READ | {Permission.MEND_DELIVERY, Permission.MEND_EVENTS, Permission.DECODE},
    Role.ADMIN: _READ | {Permission.REVIEW_ACCESS, Permission.SET_UP},
    Role.SENDER: frozenset({Permission.REPORT}),
}
"""What each role may do. Who operates or sets up decides nothing about money."""

OF_MESSAGES: Mapping[str, Permission] = {
    # Contracts.
    "report_signature": Permission.REPORT,
    "confirm_signature": Permission.CHANGE,
    "reach_milestone": Permission.REPORT,
    "unreach_milestone": Permission.REPORT,
    "record_usage": Permission.REPORT,
    "credit_service": Permission.REPORT,
    "read_burn": Permission.REPORT,
    "refresh_customer": Permission.REPORT,
    "propose_change": Permission.CHANGE,
    "request_credit": Permission.CREDIT,
    "release_retainage": Permission.HOLD,
    "set_hold": Permission.HOLD,
    "terminate": Permission.END,
    "withdraw_termination": Permission.END,
    "give_notice": Permission.END,
    "request_cancel": Permission.END,
    # Invoices.
    "record_payment": Permission.COLLECT,
    "open_dispute": Permission.COLLECT,
    "resolve_dispute": Permission.COLLECT,
    "promise_payment": Permission.COLLECT,
    "change_dunning_hold": Permission.COLLECT,
    "ask_write_off": Permission.CREDIT,
    # Both.
    "decide_approval": Permission.DECIDE,
    # Files of a bank.
    "settle_line": Permission.MEND_MONEY,
    "decide_file": Permission.MEND_MONEY,
    # Inbound events.
    "deliver_again": Permission.MEND_EVENTS,
    "dismiss": Permission.MEND_EVENTS,
}
"""What each Update needs. `resolve_exception` depends on the step: see `to_resolve`."""

UPDATE_OF_SIGNAL: Mapping[str, str] = {
    "signature_reported": "report_signature",
    "milestone_reached": "reach_milestone",
    "usage_reported": "record_usage",
    "burn_requested": "read_burn",
    "cancel_requested": "request_cancel",
    "payment_received": "record_payment",
    "dispute_opened": "open_dispute",
    "dispute_resolved": "resolve_dispute",
    "payment_promised": "promise_payment",
    "dunning_hold": "change_dunning_hold",
    "write_off_asked": "ask_write_off",
    "approval_decided": "decide_approval",
    "exception_resolved": "resolve_exception",
}
"""Signals that decide: each needs what the Update does that says the same."""

RESOLVE_EXCEPTION = "resolve_exception"
TO_RESOLVE = frozenset({Permission.MEND_DELIVERY, Permission.MEND_MONEY})
"""Either of them is needed to resolve any exception."""


def needed(name: str) -> frozenset[Permission]:
    """One of these is needed to send the Update or the Signal of this name. Raises KeyError."""
    update = UPDATE_OF_SIGNAL.get(name, name)
    return TO_RESOLVE if update == RESOLVE_EXCEPTION else frozenset({OF_MESSAGES[update]})


def to_resolve(step: StepException, action: Action) -> Permission:
    """What is needed to decide this about a parked step. To cancel one of delivery ends the
    contract."""
    if step.responsible is not Responsible.FINANCE:
        return Permission.END if action is Action.CANCEL else Permission.MEND_DELIVERY
    is_waived = action in (Action.SKIP, Action.CANCEL)
    return Permission.SKIP_MONEY if is_waived else Permission.MEND_MONEY


def allows(roles: Iterable[Role], permission: Permission) -> bool:
    """Whether one of the roles comes with the permission."""
    return any(permission in ALLOWED[role] for role in roles)


def who_may(permission: Permission) -> tuple[Role, ...]:
    """The roles that come with it, in the order of the enumeration."""
    return tuple(role for role in Role if permission in ALLOWED[role])


def refusal(roles: Iterable[Role], *permissions: Permission) -> str | None:
    """Why these roles come with none of the permissions, as a sentence; None if they do."""
    has = frozenset(roles)
    if any(allows(has, item) for item in permissions):
        return None
    who = ", ".join(role.words for role in Role if not ALLOWED[role].isdisjoint(permissions))
    return f"this needs one of the roles {who}"

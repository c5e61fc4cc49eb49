"""How the terms change: change orders, their approval, and Odoo's order and project that follow.

The contract changes first, as a new version; its order and project in Odoo follow. Until they
have, nothing is billed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime

from contracts import changes, parking
from contracts.agenda.actions import Action
from contracts.agenda.machine import ActRule, MessageRule
from contracts.approvals import ApprovalDecision, ApprovalKind, ApprovalRound, Subject
from contracts.billing import account
from contracts.billing.periods import life
from contracts.change_weight import weight
from contracts.changes import ChangeOrder
from contracts.contract import delivery, derived, recording
from contracts.contract.answers import ProjectAmended
from contracts.contract.state import (
    RUNNING,
    ContractState,
    ContractVersion,
    MilestoneProgress,
    PendingChange,
    not_running,
)
from contracts.metrics import approval_decided
from contracts.model import Contract
from contracts.policy import EntityPolicy
from contracts.problems import InvalidContract

POLICY, NOTIFY = "policy", "notify"
AMEND_ORDER, AMEND_PROJECT, PROJECT_STATUS = "amend_order", "amend_project", "project_status"
_ORDER_IS_WRITTEN = frozenset({"order_total_differs", "order_cancelled"})
"""What is refused of an order that has the new version already."""


def wanted(state: ContractState) -> Iterator[Action]:
    """The rules for a change order, reminders of its approvers, and what Odoo follows."""
    yield from _approval(state)
    if is_behind(state) and state.following is not None:
        kind = AMEND_PROJECT if state.order_follows else AMEND_ORDER
        version = str(state.following.version)
        yield Action(kind, kind, basis=version, lane="project" if state.order_follows else "order")
    if is_suspended(state) != state.odoo.project_suspended:
        yield Action(PROJECT_STATUS, PROJECT_STATUS, basis=status_key(state), lane="project")


def wake(state: ContractState) -> datetime | None:
    """When the approvers of a change order are reminded, or others may decide as well."""
    change = state.change
    if change is None or change.approval_round is None:
        return None
    return change.approval_round.next_wake(change.calendar, state.clock)


# --- change orders --------------------------------------------------------------------------------


def _change_refusal(state: ContractState, order: ChangeOrder) -> str | None:
    if state.stage not in RUNNING:
        return f"the contract is {state.stage}; amend the parked step instead"
    if state.cancel is not None:
        return "the contract is being cancelled"
    if state.change is not None:
        return f"change order {state.change.order.number} awaits its approval first"
    try:
        contract = changed(state, order)
    except InvalidContract as invalid:
        return str(invalid)
    end = state.termination
    if end is not None and state.terminated and _brings_work(state, contract, end.on):
        return "the contract was ended early: only the terms of what was done until then change"
    return None


def _brings_work(state: ContractState, after: Contract, last_day: date) -> bool:
    """Whether a version has anything to be done that the one before has not: a milestone that is
    still to be reached, or a plan that runs beyond the last day."""
    planned = (
        item
        for item in after.milestones
        if item != state.terms.milestone(item.key) and item.key not in state.account.reached
    )
    ends = (life(after, plan)[1] for plan in after.plans)
    return any(planned) or any(end is None or end > last_day for end in ends)


def _change(state: ContractState, order: ChangeOrder) -> ContractState:
    """From now on the change order awaits its approval."""
    number = state.change_orders + 1
    contract = changed(state, order)
    order = order.replace(number=number)
    change = PendingChange(
        order=order,
        contract=contract,
        changes=tuple(changes.summary(state.terms, contract)),
    )
    state = state.replace(change_orders=number, change=change)
    return state.noted(f"Change order {number} by {order.by}: {order.reason}")


def changed(state: ContractState, order: ChangeOrder) -> Contract:
    """The next version by a change order. Raises InvalidContract with every problem found."""
    return _changed(state.account.contract, order, account.billed_keys(state.account))


@derived.remembered
def _changed(contract: Contract, order: ChangeOrder, billed: frozenset[str]) -> Contract:
    return changes.changed(contract, order, billed)


def _approval(state: ContractState) -> Iterator[Action]:
    change = state.change
    if change is None:
        return
    if change.approval_round is None:
        yield Action(POLICY, "policy:change_order", basis=str(change.order.number))
        return
    reminder = change.approval_round.due_reminder(change.calendar, state.clock)
    if reminder is not None:
        urgency = "escalated" if reminder.escalated else "reminder"
        basis = f"{urgency}:{change.order.number}"
        yield Action(NOTIFY, f"{NOTIFY}:change_order", basis=basis)


def _approval_asked(state: ContractState, action: Action, policy: EntityPolicy) -> ContractState:
    """The change order's round begins by the rules of today."""
    change = state.change
    if change is None:
        return state
    before = state.terms
    subject = Subject(
        kind=ApprovalKind.CHANGE_ORDER,
        title=f"change order {change.order.number} of {before.contract_id}",
        amount=weight(before, change.contract),
        content_hash=changes.content_hash(change.contract),
        customer_key=before.customer.key,
        customer_name=before.customer.name,
        requested_by=state.with_requesters(change.order.by).requesters,
        details=change.changes,
    )
    approval_round = ApprovalRound.begin(policy.approval, policy.calendar, subject, state.today)
    if approval_round.is_automatic:
        state = state.noted(f"{subject.title}: {approval_round.requirement.rule}")
    change = change.replace(approval_round=approval_round, calendar=policy.calendar)
    return state.replace(change=change)


# --- its approval ---------------------------------------------------------------------------------


def open_round(state: ContractState) -> ApprovalRound | None:
    """The round of the pending change order; None if there is none."""
    return state.change.approval_round if state.change is not None else None


def pending(state: ContractState) -> tuple[PendingChange, ApprovalRound]:
    """The change order that awaits its approval; to ask where there is none is a defect."""
    change = state.change
    if change is None or change.approval_round is None:
        raise RuntimeError("no change order awaits its approval")
    return change, change.approval_round


def _decision_refusal(state: ContractState, decision: ApprovalDecision) -> str | None:
    refused = not_running(state)
    if refused is not None:
        return refused
    found = open_round(state)
    if found is None:
        return "nothing awaits approval here"
    return found.refusal(decision, found.requirement.today(state.clock))


def _decision(state: ContractState, decision: ApprovalDecision) -> ContractState:
    change, approval_round = pending(state)
    decided = approval_round.decided(decision, state.clock)
    state = state.replace(change=change.replace(approval_round=decided))
    return state.noted(decided.words_of(decision)).answering(decided)


def reminded(state: ContractState) -> ContractState:
    """The approvers of the change order were reminded, or are not to be."""
    change, found = pending(state)
    reminder = found.due_reminder(change.calendar, state.clock)
    if reminder is None:
        return state
    found = found.with_reminder(escalated=reminder.escalated)
    return state.replace(change=change.replace(approval_round=found))


def approvers_escalate(state: ContractState) -> ContractState:
    """From a day on others may decide as well, whether or not the reminders reached anybody."""
    change = state.change
    found = change.approval_round if change is not None else None
    if change is None or found is None:
        return state
    if not found.is_to_escalate(change.calendar, state.clock):
        return state
    return state.replace(change=change.replace(approval_round=found.with_escalation()))


def change_decided(state: ContractState) -> ContractState:
    """An approved change order becomes the contract; a rejected one is over."""
    change = state.change
    if change is None or change.approval_round is None or not change.approval_round.is_decided:
        return state
    approval_round = change.approval_round
    state = state.replace(change=None).measured(approval_decided(approval_round, state.clock))
    if approval_round.is_rejected:
        because = approval_round.rejected_because
        return state.noted(f"Change order {change.order.number} rejected: {because}")
    return _with_change(state, change, approval_round.given)


def _with_change(state: ContractState, change: PendingChange, given: str) -> ContractState:
    """An approved change becomes the contract, if it still would say the same."""
    order = change.order
    try:
        contract = changed(state, order)
    except InvalidContract as invalid:
        return state.noted(f"Change order {order.number} is void: {invalid}")
    if contract != change.contract:
        return state.noted(
            f"Change order {order.number} is void: the contract changed after it was proposed; "
            "propose it again"
        )
    state = state.with_requesters(order.by)
    return adopted(state, contract, order.by, order.reason, given)


def adopted(
    state: ContractState, contract: Contract, by: str, reason: str, approved: str = ""
) -> ContractState:
    """The contract as it is from now on: a new version, with its history."""
    version = ContractVersion(
        version=contract.version,
        on=state.today,
        by=by,
        reason=reason,
        changes=tuple(changes.summary(state.terms, contract)),
        fixed_price=contract.fixed_price,
        approved=approved,
    )
    milestones = {
        item.key: state.milestones.get(item.key, MilestoneProgress())
        for item in contract.milestones
    }
    state = state.replace(
        contract=contract,
        milestones=milestones,
        versions=(*state.versions, version),
        billing=account.adopt(state.account, contract, state.today),
    )
    return state.noted(f"Version {contract.version}: {reason}")


# --- order and project follow ---------------------------------------------------------------------


def is_behind(state: ContractState) -> bool:
    """Whether the order or the project in Odoo does not follow the contract yet."""
    order = state.order_version
    return order is not None and order.version != state.terms.version


def versions_to_follow(state: ContractState) -> tuple[Contract, Contract]:
    """The version that the order in Odoo has, and the one it is brought to."""
    if state.order_version is None or state.following is None:
        raise RuntimeError("the order in Odoo follows the contract already")
    return state.order_version, state.following


def odoo_follows(state: ContractState) -> ContractState:
    """One version after the other: the next is begun once the last has arrived, or once Odoo has
    refused it, which the next one is there to mend."""
    if not is_behind(state) or state.following == state.terms:
        return state
    if state.following is None or _is_refused(state):
        return state.replace(following=state.terms)
    return state


def _is_refused(state: ContractState) -> bool:
    """Whether Odoo has refused the version that the order was brought to, before it took any of
    it: an order is written in one piece."""
    parked = state.exception_of(AMEND_ORDER)
    return parked is not None and parked.kind == "business" and parked.code not in _ORDER_IS_WRITTEN


def _order_amended(state: ContractState, action: Action, lines: dict[str, int]) -> ContractState:
    known = {**state.odoo.order_line_ids, **lines}
    return state.replace(odoo=state.odoo.replace(order_line_ids=known))


def _project_amended(
    state: ContractState, action: Action, amended: ProjectAmended
) -> ContractState:
    odoo = state.odoo.replace(
        milestone_ids={**state.odoo.milestone_ids, **amended.milestone_ids},
        task_ids={**state.odoo.task_ids, **amended.task_ids},
    )
    state = state.replace(odoo=odoo)
    for mark in amended.reached:
        state = delivery.shown_in_odoo(state, mark)
    return state


def project_followed(state: ContractState) -> ContractState:
    """Order and project in Odoo follow the version they were brought to."""
    return state.replace(order_version=state.following, following=None, order_follows=False)


# --- suspension -----------------------------------------------------------------------------------


def is_suspended(state: ContractState) -> bool:
    """Work stands still while an invoice is dunned so far that the policy says so."""
    return any(report.suspends for report in state.invoices.values())


def status_key(state: ContractState) -> str:
    """The key of the next change of the project's status: each has one of its own in Odoo."""
    suspended = is_suspended(state)
    number = state.odoo.suspensions + (1 if suspended else 0)
    return f"{'suspend' if suspended else 'resume'}-{number}"


def status_text(state: ContractState) -> str:
    """What the project's status says."""
    if not is_suspended(state):
        return "Work goes on."
    late = [
        f"{report.odoo_number} ({report.residual} open)"
        for report in state.invoices.values()
        if report.suspends
    ]
    return f"Work is suspended: unpaid {', '.join(late)}."


def _status_is_shown(state: ContractState, action: Action, text: str) -> ContractState:
    return _status_shown(state, action.basis).noted(text)


def _status_shown(state: ContractState, key: str) -> ContractState:
    """The project says whether work goes on, by a change of its status with this key."""
    word, _, number = key.rpartition("-")
    odoo = state.odoo.replace(project_suspended=word == "suspend", suspensions=int(number))
    return state.replace(odoo=odoo)


ACTS: Mapping[str, ActRule[ContractState]] = {
    POLICY: ActRule(parking.POLICY, decided=_approval_asked),
    NOTIFY: ActRule(
        parking.NOTIFY,
        decided=lambda state, *_: reminded(state),
        skipped=lambda state, *_: reminded(state),
    ),
    AMEND_ORDER: ActRule(
        parking.AMEND_ORDER,
        _order_amended,
        decided=lambda state, *_: state.replace(order_follows=True),
        left=recording.order,
    ),
    AMEND_PROJECT: ActRule(
        # Skipped, the project in Odoo stays as it is; the contract counts as followed.
        parking.AMEND_PROJECT,
        _project_amended,
        decided=lambda state, *_: project_followed(state),
        skipped=lambda state, *_: project_followed(state),
    ),
    PROJECT_STATUS: ActRule(
        parking.PROJECT_STATUS,
        _status_is_shown,
        skipped=lambda state, *_: _status_shown(state, status_key(state)),
    ),
}
MESSAGES: Mapping[type, MessageRule[ContractState]] = {
    ChangeOrder: MessageRule(_change, _change_refusal, brings_work=True),
    ApprovalDecision: MessageRule(_decision, _decision_refusal),
}

"""What changes while a contract runs: change orders, its early end, its renewal, a stop of work.

The contract changes first, as a new version; its order and project in Odoo follow. Until they
have, nothing is billed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from contracts import changes
from contracts.agenda.actions import Action
from contracts.approvals import ApprovalRound, ApproverReminder
from contracts.billing import account
from contracts.billing.state import BillingState
from contracts.changes import ChangeOrder
from contracts.contract import derived
from contracts.contract.state import (
    DAY,
    ContractState,
    ContractVersion,
    MilestoneProgress,
    PendingChange,
)
from contracts.model import Contract, JsonObject

POLICY, NOTIFY = "policy", "notify"
AMEND_ORDER, AMEND_PROJECT, PROJECT_STATUS = "amend_order", "amend_project", "project_status"


def wanted(state: ContractState) -> Iterator[Action]:
    """The rules for a change order, reminders of its approvers, and what Odoo follows."""
    yield from _approval(state)
    if is_behind(state) and state.following is not None:
        kind = AMEND_PROJECT if state.order_follows else AMEND_ORDER
        version = str(state.following.version)
        yield Action(kind, kind, basis=version, lane="project" if state.order_follows else "order")
    if is_suspended(state) != state.odoo.project_suspended:
        yield Action(PROJECT_STATUS, PROJECT_STATUS, basis=status_key(state), lane="project")


def wake(state: ContractState) -> Iterator[datetime]:
    """When the calendar brings a change, or a reminder of the approvers."""
    yield from (state.opening(day) for day in _days(state))
    change = state.change
    if change is not None and change.approval_round is not None:
        reminder = change.approval_round.next_reminder(change.calendar)
        if reminder is not None:
            yield reminder
            # Others may decide from that day on, even if the reminder before is parked.
            yield change.calendar.opening(change.approval_round.requirement.escalate_on)


# --- change orders ------------------------------------------------------------------------------


def changed(state: ContractState, order: ChangeOrder) -> tuple[JsonObject, Contract]:
    """The next version by a change order. Raises InvalidContract with every problem found."""
    return _changed(state.account, order)


@derived.remembered
def _changed(billing: BillingState, order: ChangeOrder) -> tuple[JsonObject, Contract]:
    return changes.changed(billing.contract, order, account.billed_keys(billing))


def _approval(state: ContractState) -> Iterator[Action]:
    change = state.change
    if change is None:
        return
    if change.approval_round is None:
        yield Action(POLICY, "policy:change_order", basis=str(change.order.number))
        return
    reminder = due_reminder(state, change)
    if reminder is not None:
        urgency = "escalated" if reminder.escalated else "reminder"
        basis = f"{urgency}:{change.order.number}"
        yield Action(NOTIFY, f"{NOTIFY}:change_order", basis=basis)


def pending(state: ContractState) -> tuple[PendingChange, ApprovalRound]:
    """The change order that awaits its approval; to ask where there is none is a defect."""
    change = state.change
    if change is None or change.approval_round is None:
        raise RuntimeError("no change order awaits its approval")
    return change, change.approval_round


def due_reminder(state: ContractState, change: PendingChange) -> ApproverReminder | None:
    """Whom to remind of a change order now, or to ask instead; None if nobody."""
    approval_round = change.approval_round
    at = approval_round.next_reminder(change.calendar) if approval_round else None
    if approval_round is None or at is None or at > state.clock:
        return None
    return approval_round.reminder(change.calendar.today(state.clock))


# --- the order follows ----------------------------------------------------------------------------


def is_behind(state: ContractState) -> bool:
    """Whether the order or the project in Odoo does not follow the contract yet."""
    order = state.order_version
    return order is not None and order.version != state.terms.version


def versions_to_follow(state: ContractState) -> tuple[Contract, Contract]:
    """The version that the order in Odoo has, and the one it is brought to."""
    if state.order_version is None or state.following is None:
        raise RuntimeError("the order in Odoo follows the contract already")
    return state.order_version, state.following


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


# --- what the calendar brings ---------------------------------------------------------------------


def ends_today(state: ContractState) -> bool:
    """Whether the last day of an early end is over. The order must follow first."""
    request = state.termination
    return (
        request is not None
        and not state.terminated
        and not is_behind(state)
        and state.has_come(request.on + DAY)
    )


def renewal_day(contract: Contract) -> date | None:
    """The day after the last on which notice can be given: without it the term is renewed."""
    if contract.ends_on is None or not contract.plans:
        return None
    return contract.ends_on - timedelta(days=contract.term.notice_days) + DAY


def renews_today(state: ContractState) -> bool:
    """Whether the term is renewed: nobody gave notice in time, and nothing else is pending."""
    contract = state.terms
    if not contract.term.auto_renew or state.notice is not None:
        return False
    if state.termination is not None or state.change is not None:
        return False
    day = renewal_day(contract)
    return day is not None and state.has_come(day)


def _days(state: ContractState) -> Iterator[date]:
    contract = state.terms
    if state.termination is not None and not state.terminated:
        yield state.termination.on + DAY
    elif contract.term.auto_renew and state.notice is None and not state.terminated:
        day = renewal_day(contract)
        if day is not None:
            yield day
    yield from (hold.until + DAY for hold in state.holds.values() if hold.until)


# --- what came of it ------------------------------------------------------------------------------


def adopted(
    state: ContractState,
    contract_data: JsonObject,
    contract: Contract,
    by: str,
    reason: str,
    approved: str = "",
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
        contract_data=contract_data,
        contract=contract,
        milestones=milestones,
        versions=(*state.versions, version),
        billing=account.adopt(state.account, contract, state.today),
    )
    return state.noted(f"Version {contract.version}: {reason}")


def reminded(state: ContractState) -> ContractState:
    """The approvers of the change order were reminded, or are not to be."""
    change, approval_round = pending(state)
    reminder = due_reminder(state, change)
    if reminder is None:
        return state
    after = approval_round.with_reminder(escalated=reminder.escalated)
    return state.replace(change=change.replace(approval_round=after))


def project_followed(state: ContractState) -> ContractState:
    """Order and project in Odoo follow the version they were brought to."""
    return state.replace(order_version=state.following, following=None, order_follows=False)


def status_shown(state: ContractState, key: str) -> ContractState:
    """The project says whether work goes on, by a change of its status with this key."""
    word, _, number = key.rpartition("-")
    odoo = state.odoo.replace(project_suspended=word == "suspend", suspensions=int(number))
    return state.replace(odoo=odoo)

"""What the result of an act changes. Its facts (ids, hours read, quantities sent) always count; its
decision only where the act is still wanted on the same basis (`stands`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from contracts import changes
from contracts.agenda.actions import Action, Failed
from contracts.approvals import ApprovalKind, ApprovalRound, Subject
from contracts.billing import account
from contracts.billing.expenses import Expense
from contracts.billing.time import TimeEntry
from contracts.contract import (
    amendments,
    endings,
    intake,
    invoices,
    proposing,
    provisioning,
    reading,
    write_back,
)
from contracts.contract.answers import Accepted, ExpensesRead, ProjectAmended, TimeRead
from contracts.contract.messages import HoldKind
from contracts.contract.metrics import project_ready
from contracts.contract.state import (
    ContractStage,
    ContractState,
    ContractVersion,
    MilestoneProgress,
    OdooRefs,
    ReadCursor,
)
from contracts.crm import ContractStatus
from contracts.invoice.state import InvoiceStage
from contracts.model import JsonObject
from contracts.ownership import refreshed
from contracts.policy import EntityPolicy

Rule = Callable[[ContractState, Action, Any, bool], ContractState]


def done(state: ContractState, action: Action, value: Any, stands: bool) -> ContractState:
    """The state after an act that succeeded."""
    return DONE[action.kind](state, action, value, stands)


def failed(state: ContractState, action: Action, failure: Failed, stands: bool) -> ContractState:
    """The state after an act that failed: what it had done before is kept. It parks by itself."""
    rule = FAILED.get(action.kind)
    return rule(state, action, failure, stands) if rule else state


# --- provisioning ---------------------------------------------------------------------------------


def _deal_read(
    state: ContractState, action: Action, contract_data: JsonObject, stands: bool
) -> ContractState:
    return state.replace(contract_data=contract_data) if stands else state


def _validated(
    state: ContractState, action: Action, accepted: Accepted, stands: bool
) -> ContractState:
    if not stands:
        return state
    contract = accepted.contract
    signed = ContractVersion(
        version=contract.version,
        on=contract.signed_on,
        by=contract.requested_by,
        reason="signed",
        fixed_price=contract.fixed_price,
    )
    state = state.replace(
        contract=contract,
        amended=False,
        time_zone=accepted.time_zone,
        odoo=state.odoo.replace(company_id=accepted.company_id),
        milestones={
            item.key: state.milestones.get(item.key, MilestoneProgress())
            for item in contract.milestones
        },
        versions=(signed,),
    )
    is_first = state.stage is ContractStage.VALIDATING
    return state.enter(ContractStage.PROVISIONING) if is_first else state


def _provisioned(
    state: ContractState, action: Action, odoo: OdooRefs, stands: bool
) -> ContractState:
    state = state.replace(odoo=odoo)
    if not stands or state.cancel is not None:
        return state
    state = state.replace(
        order_version=state.terms, billing=account.begin(state.terms, state.today)
    )
    return state.measured(project_ready(state)).enter(ContractStage.ACTIVE)


def _provisioned_in_part(
    state: ContractState, action: Action, failure: Failed, stands: bool
) -> ContractState:
    if failure.facts is None:
        return state
    return state.replace(odoo=OdooRefs.model_validate(failure.facts))


# --- billing --------------------------------------------------------------------------------------


def _time_read(state: ContractState, action: Action, read: TimeRead, stands: bool) -> ContractState:
    state = _with_late(state, action.subject, account.too_late(state.account, read.entries))
    billing = account.take_time(
        state.account, [action.subject], read.entries, read.gone, read.until
    )
    return _after_reading(state.replace(billing=billing), action.subject, read)


def _expenses_read(
    state: ContractState, action: Action, read: ExpensesRead, stands: bool
) -> ContractState:
    state = _with_late(state, action.subject, account.too_late(state.account, read.expenses))
    billing = account.take_expenses(
        state.account, action.subject, read.expenses, read.gone, read.until
    )
    return _after_reading(state.replace(billing=billing), action.subject, read)


def _with_late(
    state: ContractState, plan: str, late: tuple[TimeEntry | Expense, ...]
) -> ContractState:
    """What is of a period settled for good is not billed by itself: a person has to know."""
    if not late:
        return state
    first = late[0]
    text = (
        f"{len(late)} approved records of {plan} are of periods that are settled for good, the "
        f"first of {first.on}: they are not billed. Bill or credit them by a change order if need "
        "be, and skip"
    )
    return state.replace(came_too_late={**state.came_too_late, plan: text})


def _after_reading(state: ContractState, plan: str, read: TimeRead | ExpensesRead) -> ContractState:
    before = state.read_cursors.get(plan, ReadCursor())
    cursor = ReadCursor(since=read.as_of or before.since, until=read.until)
    looked = (*state.looked_again, plan) if reading.is_closing(state) else state.looked_again
    return state.replace(
        read_cursors={**state.read_cursors, plan: cursor},
        read_again=tuple(key for key in state.read_again if key != plan),
        looked_again=looked,
    )


def _marked(
    state: ContractState, action: Action, as_of: datetime | None, stands: bool
) -> ContractState:
    key = action.subject
    if key not in state.milestones:
        return state
    return state.with_milestone(key, marked_in_odoo=True, marked_as_of=as_of)


def _delivered(
    state: ContractState, action: Action, sent: dict[str, Decimal], stands: bool
) -> ContractState:
    return state.replace(odoo=state.odoo.replace(delivered={**state.odoo.delivered, **sent}))


def _started(state: ContractState, action: Action, is_new: bool, stands: bool) -> ContractState:
    """The invoice's workflow is under way. One that an earlier attempt began is not followed by
    this run: it is asked to report its end."""
    number = int(action.subject)
    state = state.without_start(number)
    if is_new:
        state = state.replace(followed=(*state.followed, number))
    report = state.invoices[number]
    if report.stage is not InvoiceStage.PROPOSED:
        return state  # It has reported already.
    awaiting = report.model_copy(update={"stage": InvoiceStage.AWAITING_APPROVAL})
    return state.with_invoice(awaiting)


def _warned(state: ContractState, action: Action, value: Any, stands: bool) -> ContractState:
    return state.replace(warnings=state.warnings[1:])


# --- invoices -------------------------------------------------------------------------------------


def _hold_sent(state: ContractState, action: Action, value: Any, stands: bool) -> ContractState:
    """Where the hold was changed meanwhile it is sent again."""
    if not stands:
        return state
    number, hold = int(action.subject), state.holds.get(HoldKind.DUNNING)
    others = {key: known for key, known in state.dunning_holds.items() if key != number}
    return state.replace(dunning_holds={**others, number: hold} if hold else others)


def _hold_not_sent(
    state: ContractState, action: Action, failure: Failed, stands: bool
) -> ContractState:
    """Its workflow is gone. Why is told by its end where this run hears of that."""
    number = int(action.subject)
    if number in state.followed:
        return _hold_sent(state, action, None, stands)
    return intake.cleared_or_lost(state, number)


def _renewal_sent(state: ContractState, action: Action, value: Any, stands: bool) -> ContractState:
    return state.replace(reporting_end=(*state.reporting_end, int(action.subject)))


def _renewal_not_sent(
    state: ContractState, action: Action, failure: Failed, stands: bool
) -> ContractState:
    return intake.cleared_or_lost(state, int(action.subject))


# --- changes --------------------------------------------------------------------------------------


def _approval_asked(
    state: ContractState, action: Action, policy: EntityPolicy, stands: bool
) -> ContractState:
    """The change order's round begins by the rules of today."""
    change = state.change
    if not stands or change is None:
        return state
    before = state.terms
    subject = Subject(
        kind=ApprovalKind.CHANGE_ORDER,
        title=f"change order {change.order.number} of {before.contract_id}",
        amount=changes.weight(before, change.contract),
        content_hash=changes.content_hash(change.contract),
        customer_key=before.customer.key,
        customer_name=before.customer.name,
        requested_by=(change.order.by, state.versions[0].by, before.requested_by),
        details=change.changes,
    )
    approval_round = ApprovalRound.begin(policy.approval, policy.calendar, subject, state.today)
    if approval_round.is_automatic:
        state = state.noted(f"{subject.title}: {approval_round.requirement.rule}")
    change = change.replace(approval_round=approval_round, calendar=policy.calendar)
    return state.replace(change=change)


def _approvers_reminded(
    state: ContractState, action: Action, value: Any, stands: bool
) -> ContractState:
    return amendments.reminded(state) if stands else state


def _order_amended(
    state: ContractState, action: Action, lines: dict[str, int], stands: bool
) -> ContractState:
    known = {**state.odoo.order_line_ids, **lines}
    state = state.replace(odoo=state.odoo.replace(order_line_ids=known))
    return state.replace(order_follows=True) if stands else state


def _project_amended(
    state: ContractState, action: Action, amended: ProjectAmended, stands: bool
) -> ContractState:
    odoo = state.odoo.replace(
        milestone_ids={**state.odoo.milestone_ids, **amended.milestone_ids},
        task_ids={**state.odoo.task_ids, **amended.task_ids},
    )
    state = state.replace(odoo=odoo)
    for mark in amended.reached:
        state = intake.reached_in_odoo(state, mark)
    return amendments.project_followed(state) if stands else state


def _status_shown(state: ContractState, action: Action, text: str, stands: bool) -> ContractState:
    return amendments.status_shown(state, action.basis).noted(text)


# --- the CRM --------------------------------------------------------------------------------------


def _deal_refreshed(
    state: ContractState, action: Action, deal: JsonObject, stands: bool
) -> ContractState:
    """Take from the deal what the CRM owns; differences in what others own are only named."""
    if not stands:
        return state
    contract, accepted, ignored = refreshed(state.terms, deal)
    found = (*accepted, *(f"not taken: {text}" for text in ignored))
    if contract != state.terms:
        state = state.replace(
            contract=contract,
            contract_data=changes.contract_data_of(contract),
            billing=account.adopt(state.account, contract, state.today),
        )
    # What the owner elsewhere keeps is the same every time: it is noted once.
    for text in found:
        if text not in state.refreshed:
            state = state.noted(f"{action.basis} refreshed the deal: {text}")
    return state.replace(refresh=None, refreshed=found)


def _status_written(
    state: ContractState, action: Action, written: ContractStatus, stands: bool
) -> ContractState:
    return state.replace(crm_written=written)


# --- endings --------------------------------------------------------------------------------------


def _closed(state: ContractState, action: Action, value: Any, stands: bool) -> ContractState:
    return state.replace(close_out_done=endings.PART_NAMES)


def _closed_in_part(
    state: ContractState, action: Action, failure: Failed, stands: bool
) -> ContractState:
    """Which parts are left, the activity says."""
    if failure.facts is None:
        return state
    left = failure.facts["steps"]
    finished = tuple(name for name in endings.PART_NAMES if name not in left)
    return state.replace(close_out_done=tuple(dict.fromkeys((*state.close_out_done, *finished))))


def _taken_back(state: ContractState, action: Action, value: Any, stands: bool) -> ContractState:
    return state.replace(close_out_done=(*state.close_out_done, action.kind))


DONE: Mapping[str, Rule] = {
    provisioning.READ_DEAL: _deal_read,
    provisioning.VALIDATE: _validated,
    provisioning.PROVISION: _provisioned,
    reading.READ_TIME: _time_read,
    reading.READ_EXPENSES: _expenses_read,
    proposing.MARK_REACHED: _marked,
    proposing.SET_DELIVERED: _delivered,
    proposing.START_INVOICE: _started,
    proposing.WARN: _warned,
    invoices.DUNNING_HOLD: _hold_sent,
    invoices.CONTRACT_RENEWED: _renewal_sent,
    amendments.POLICY: _approval_asked,
    amendments.NOTIFY: _approvers_reminded,
    amendments.AMEND_ORDER: _order_amended,
    amendments.AMEND_PROJECT: _project_amended,
    amendments.PROJECT_STATUS: _status_shown,
    write_back.REFRESH: _deal_refreshed,
    write_back.WRITE_STATUS: _status_written,
    endings.CLOSE_OUT: _closed,
    endings.CANCEL_ORDER: _taken_back,
    endings.ARCHIVE_PROJECT: _taken_back,
}
FAILED: Mapping[str, Rule] = {
    provisioning.PROVISION: _provisioned_in_part,
    invoices.DUNNING_HOLD: _hold_not_sent,
    invoices.CONTRACT_RENEWED: _renewal_not_sent,
    endings.CLOSE_OUT: _closed_in_part,
}

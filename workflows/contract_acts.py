"""How each act of a contract is performed: the request from the state and the action, its options,
and what its answer is to the rules. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.crm import CrmActivities, DealData, DealRequest, StatusRequest
    from activities.esign import ATTACHING_CALLS, AttachRequest, EsignActivities
    from activities.failures import FailureDetail
    from activities.odoo import closing
    from activities.odoo.burn import BurnFound, BurnReading, OdooBurn
    from activities.odoo.chatter import Notification, OdooChatter
    from activities.odoo.closing import CloseOutLeft, CloseOutRequest, OdooClosing
    from activities.odoo.expenses import ExpensesRequest, OdooExpenses
    from activities.odoo.handover import (
        HANDOVER_CALLS,
        HandoverRequest,
        HandoverResult,
        OdooHandover,
    )
    from activities.odoo.milestones import MilestoneMark, OdooMilestones
    from activities.odoo.orders import DeliveredRequest, OdooOrders, OrderCancel, OrderChange
    from activities.odoo.project_rows import ProjectChange
    from activities.odoo.projects import (
        AMENDING_CALLS,
        AmendedProject,
        OdooProjects,
        ProjectArchive,
        ProjectStatusRequest,
    )
    from activities.odoo.provisioning import PROVISIONING_CALLS, OdooProvisioning, ProvisionRequest
    from activities.odoo.readings import Reading, ReadingRequest
    from activities.odoo.sweeps import OdooSweeps
    from activities.odoo.timesheets import OdooTimesheets, TimeRequest
    from activities.odoo.validation import Accepted, AcceptRequest, OdooValidation
    from activities.policies import Policies, PolicyRequest
    from contracts import closeout
    from contracts.agenda.actions import Action, SignalReceived
    from contracts.agenda.state import required
    from contracts.approvals import reminder_message
    from contracts.audit import entries
    from contracts.billing import account
    from contracts.billing.account import Read
    from contracts.contract import (
        amendments,
        answers,
        delivery,
        endings,
        handing_over,
        holds,
        invoices,
        proposing,
        provisioning,
        reading,
        signing,
        write_back,
    )
    from contracts.contract.messages import HoldKind, InvoiceEnded, InvoiceLost
    from contracts.contract.state import ContractState, ReadCursor, require_id
    from contracts.handover import services_of_tasks
    from contracts.identifiers import invoice_workflow_id
    from contracts.invoice.messages import ContractHoldChange
    from contracts.invoice.state import InvoiceInput, InvoiceReport, InvoiceState
    from contracts.model import TimePlan
    from contracts.parking import Waiting
    from contracts.sweeps import Kind, OdooChanges, PageMark, SweepWindow
    from workflows import options, recording
    from workflows.acts import activity, then
    from workflows.invoice import InvoiceWorkflow, attributes_to_start
    from workflows.mails import start_escalation
    from workflows.readings import all_pages
    from workflows.search_attributes import CUSTOMER_NAME
    from workflows.shell import Perform, Shell

R = TypeVar("R", bound=ReadingRequest)

# --- provisioning ---------------------------------------------------------------------------------


def _read_deal(state: ContractState, action: Action) -> Awaitable[Any]:
    source = state.source
    return _deal(state, f"read deal {source.id} from {source.system}", options.Urgency.ONWARD)


def _refresh(state: ContractState, action: Action) -> Awaitable[Any]:
    return _deal(state, f"read deal {state.source.id} again", options.Urgency.AWAITED)


def _deal(state: ContractState, summary: str, urgency: options.Urgency) -> Awaitable[Any]:
    request, config = DealRequest(source=state.source), options.crm(summary, urgency)
    under_way = workflow.start_activity_method(CrmActivities.read_deal, request, **config)
    return then(under_way, _deal_answered)


def _deal_answered(deal: DealData) -> answers.DealRead:
    return answers.DealRead(deal.contract_data, deal.signature)


def _validate(state: ContractState, action: Action) -> Awaitable[Any]:
    request = AcceptRequest(
        contract_data=state.contract_data,
        legal_entity=state.legal_entity,
        today=workflow.now().date(),
    )
    config = options.odoo_master("validate the contract")
    return activity(OdooValidation.validate_contract, request, config, _accepted)


def _accepted(found: Accepted) -> answers.Accepted:
    """The valid contract. Raises ApplicationError with every problem of one that is not."""
    if found.contract is None:
        failure = provisioning.invalid(found.problems)
        detail = FailureDetail(
            code=failure.code,
            message=failure.message,
            field=failure.field,
            value=failure.value,
            problems=list(failure.problems),
        )
        raise ApplicationError(failure.message, detail, type=failure.kind, non_retryable=True)
    return answers.Accepted(found.contract, found.company_id, found.time_zone)


def _provision(state: ContractState, action: Action) -> Awaitable[Any]:
    contract = state.terms
    summary = f"{contract.customer.name}: {contract.title}, {contract.fixed_price}"
    return activity(
        OdooProvisioning.provision,
        ProvisionRequest(contract=contract, made=state.odoo),
        options.odoo_master(summary, calls=PROVISIONING_CALLS),
    )


def _attach_signed(state: ContractState, action: Action) -> Awaitable[Any]:
    report = required(state.signature.reported)
    request = AttachRequest(
        legal_entity=state.legal_entity,
        contract_id=state.contract_id,
        order_id=_order_id(state),
        system=report.system,
        envelope_id=report.envelope.envelope_id,
    )
    config = options.esign(
        f"attach envelope {action.basis}", looks_first=True, calls=ATTACHING_CALLS
    )
    return activity(EsignActivities.attach_signed, request, config)


# --- reading --------------------------------------------------------------------------------------


def time_request(state: ContractState, read: Read) -> TimeRequest:
    """What a reading of hours asks for: what changed since the last one, however that ended."""
    cursor, odoo = state.read_cursors.get(read.plan, ReadCursor()), state.odoo
    is_ordered = isinstance(state.terms.plan(read.plan), TimePlan)
    return TimeRequest(
        tasks={read.plan: odoo.task_ids[read.plan]},
        order_lines={read.plan: odoo.order_line_ids[read.plan]} if is_ordered else {},
        until=read.until,
        since=cursor.since,
        seen_until=cursor.until,
        known=account.known_lines(state.account, read.plan),
        again=account.unrated_lines(state.account, read.plan),
    )


def _read_time(state: ContractState, action: Action) -> Awaitable[Any]:
    read = _reading(state, action)
    summary = f"{read.plan}: approved hours until {read.until}"
    return _read_all(OdooTimesheets.read_time, time_request(state, read), summary)


def _read_expenses(state: ContractState, action: Action) -> Awaitable[Any]:
    read = _reading(state, action)
    cursor = state.read_cursors.get(read.plan, ReadCursor())
    request = ExpensesRequest(
        plan=read.plan,
        analytic_account_id=require_id(state.odoo.analytic_account_id),
        currency=state.terms.currency,
        until=read.until,
        since=cursor.since,
        seen_until=cursor.until,
        known=account.known_expenses(state.account),
    )
    summary = f"{read.plan}: approved expenses until {read.until}"
    return _read_all(OdooExpenses.read_expenses, request, summary)


def _read_all(
    read: Callable[[Any, R], Reading[Any]], request: R, summary: str
) -> Awaitable[answers.RecordsRead[Any]]:
    under_way = all_pages(read, request, options.odoo_finance(summary))

    def answer(read: Reading[Any]) -> answers.RecordsRead[Any]:
        return answers.RecordsRead(tuple(read.found), tuple(read.gone), read.as_of, request.until)

    return then(under_way, answer)


def _reading(state: ContractState, action: Action) -> Read:
    [found] = [read for read in reading.readings(state) if read.plan == action.subject]
    return found


# --- proposals ------------------------------------------------------------------------------------


def _mark_milestone(state: ContractState, action: Action) -> Awaitable[Any]:
    mark = MilestoneMark(
        milestone_id=state.odoo.milestone_ids[action.subject],
        reached=action.basis == delivery.REACHED,
    )
    return activity(
        OdooMilestones.mark_milestone,
        mark,
        options.odoo_master(f"milestone {action.subject} {action.basis}"),
        lambda marked: marked.as_of,
    )


def _look_up_milestone(state: ContractState, action: Action) -> Awaitable[Any]:
    milestone = PageMark(kind=Kind.MILESTONES, id=state.odoo.milestone_ids[action.subject])
    return activity(
        OdooSweeps.read_changes,
        SweepWindow(since=state.clock, record=milestone),
        options.odoo_finance(f"look up milestone {action.subject}", options.Urgency.AWAITED),
        _marks_in,
    )


def _marks_in(found: OdooChanges) -> tuple[delivery.Mark, ...]:
    reached = (item.mark for item in found.milestones)
    return (*reached, *(item.mark for item in found.unreached))


def _set_delivered(state: ContractState, action: Action) -> Awaitable[Any]:
    news = delivery.delivered_news(state, action.subject)
    request = DeliveredRequest(
        legal_entity=state.legal_entity, contract_id=state.contract_id, quantities=news
    )
    config = options.odoo_finance(f"delivered: {', '.join(news)}")
    return activity(OdooOrders.set_delivered, request, config, lambda _: news)


def _warn(state: ContractState, action: Action) -> Awaitable[Any]:
    warning = state.warnings[0]
    request = Notification(
        order_id=require_id(state.odoo.order_id),
        people=(),
        subject=f"{warning.text} ({warning.on})",
        text=f"{warning.text}. Contract {state.contract_id}.",
    )
    return _notified(request, "note a warning")


def _notified(request: Notification, summary: str) -> Awaitable[Any]:
    config = options.odoo_finance(summary, options.Urgency.BACKGROUND, looks_first=True)
    return activity(OdooChatter.notify, request, config)


async def _start_invoice(state: ContractState, action: Action) -> bool:
    """Start an invoice's workflow; False if an earlier attempt has. It outlives this run of the
    contract: children do not follow a continue-as-new."""
    number = int(action.subject)
    start = state.starting[number]
    invoice = _invoice_state(state, number)
    proposal = start.proposal
    try:
        handle = await workflow.start_child_workflow(
            InvoiceWorkflow.run,
            InvoiceInput(state=invoice),
            id=_invoice_id(number),
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            task_timeout=options.TASK_TIMEOUT,
            static_summary=f"{proposal.customer_name}: {start.title}, {proposal.amount}"[:200],
            search_attributes=attributes_to_start(invoice),
            memo={CUSTOMER_NAME: proposal.customer_name},
        )
    except WorkflowAlreadyStartedError:
        return False
    contract = cast(Shell[ContractState], workflow.instance())
    handle.add_done_callback(lambda document: _hear_its_end(contract, number, document))
    return True


def _hear_its_end(contract: Shell[ContractState], number: int, invoice: Any) -> None:
    """An invoice has ended: its result is its last report, which costs no Signal."""
    if invoice.cancelled():
        return
    if invoice.exception() is None:
        report: InvoiceReport = invoice.result()
        contract.hear(SignalReceived(InvoiceEnded(report=report), f"the end of invoice {number}"))
    else:
        contract.hear(SignalReceived(InvoiceLost(number=number), f"the loss of invoice {number}"))


def _invoice_state(state: ContractState, number: int) -> InvoiceState:
    start = state.starting[number]
    credited = state.invoices.get(start.proposal.credited_number)
    return InvoiceState(
        clock=workflow.now(),
        contract_workflow_id=workflow.info().workflow_id,
        company_id=require_id(state.odoo.company_id),
        order_id=require_id(state.odoo.order_id),
        partner_id=require_id(state.odoo.partner_id),
        credited_invoice_id=credited.invoice_id if credited else None,
        requested_by=start.requested_by,
        time_zone=state.time_zone,
        proposal=start.proposal,
        reached=start.reached,
        # Said at its start, it costs no upsert once it waits for that.
        waiting=Waiting(on="approval", since=workflow.now()),
    )


def _invoice_id(number: int) -> str:
    return invoice_workflow_id(workflow.info().workflow_id, number)


# --- invoices -------------------------------------------------------------------------------------


async def _tell_hold(state: ContractState, action: Action) -> None:
    hold = state.holds.get(HoldKind.DUNNING)
    change = ContractHoldChange(
        on=hold is not None,
        by=hold.by if hold else "contract",
        reason=hold.reason if hold else "released",
        until=hold.until if hold else None,
    )
    handle = workflow.get_external_workflow_handle(_invoice_id(int(action.subject)))
    await handle.signal("contract_dunning_hold", change)


async def _tell_renewal(state: ContractState, action: Action) -> None:
    handle = workflow.get_external_workflow_handle(_invoice_id(int(action.subject)))
    await handle.signal("contract_renewed")


# --- changes --------------------------------------------------------------------------------------


def _policy(state: ContractState, action: Action) -> Awaitable[Any]:
    return workflow.start_local_activity_method(
        Policies.entity_policy,
        PolicyRequest(legal_entity=state.legal_entity, today=workflow.now().date()),
        **options.local("load the legal entity's rules"),
    )


async def _notify(state: ContractState, action: Action) -> Any:
    change, approval_round = amendments.pending(state)
    reminder = required(approval_round.due_reminder(change.calendar, state.clock))
    if reminder.escalated:
        today = change.calendar.today(state.clock)
        await start_escalation(approval_round.with_escalation(), today)
    subject, text = reminder_message(approval_round, reminder, workflow.info().workflow_id)
    order = require_id(state.odoo.order_id)
    request = Notification(order_id=order, people=reminder.people, subject=subject, text=text)
    return await _notified(request, f"{reminder.what} to approvers")


def _amend_order(state: ContractState, action: Action) -> Awaitable[Any]:
    before, after = amendments.versions_to_follow(state)
    change = OrderChange(before=before, after=after, order_id=_order_id(state))
    config = options.odoo_finance(f"order follows version {after.version}")
    return activity(OdooOrders.amend_order, change, config, lambda order: dict(order.lines))


def _amend_project(state: ContractState, action: Action) -> Awaitable[Any]:
    odoo = state.odoo
    before, after = amendments.versions_to_follow(state)
    change = ProjectChange(
        before=before,
        after=after,
        project_id=require_id(odoo.project_id),
        milestones=odoo.milestone_ids,
        tasks=odoo.task_ids,
    )
    config = options.odoo_master(f"project follows version {after.version}", calls=AMENDING_CALLS)
    return activity(OdooProjects.amend_project, change, config, _amended)


def _amended(found: AmendedProject) -> answers.ProjectAmended:
    return answers.ProjectAmended(found.milestone_ids, found.task_ids, tuple(found.reached))


def _order_id(state: ContractState) -> int:
    return require_id(state.odoo.order_id)


def _project_status(state: ContractState, action: Action) -> Awaitable[Any]:
    text = amendments.status_text(state)
    request = ProjectStatusRequest(
        legal_entity=state.legal_entity,
        contract_id=state.contract_id,
        project_id=require_id(state.odoo.project_id),
        suspended=amendments.is_suspended(state),
        key=action.basis,
        text=text,
    )
    config = options.odoo_master(text)
    return activity(OdooProjects.set_project_status, request, config, lambda _: text)


# --- delivery -------------------------------------------------------------------------------------


def _hand_over(state: ContractState, action: Action) -> Awaitable[Any]:
    odoo, contract = state.odoo, state.terms
    request = HandoverRequest(
        contract=contract,
        before=state.handed_over,
        project_id=require_id(odoo.project_id),
        tasks=odoo.task_ids,
        copied=odoo.template_tasks,
        today=state.today,
    )
    config = options.odoo_master(f"hand over {odoo.project_name}", calls=HANDOVER_CALLS)
    return activity(OdooHandover.hand_over, request, config, _handed_over)


def _handed_over(found: HandoverResult) -> answers.HandedOver:
    return answers.HandedOver(
        found.plan, found.tasks, found.copied, tuple(found.kept), found.staffed
    )


def _read_burn(state: ContractState, action: Action) -> Awaitable[Any]:
    odoo = state.odoo
    of_tasks = services_of_tasks(state.terms)
    services = {odoo.task_ids[key]: of for key, of in of_tasks.items() if key in odoo.task_ids}
    services |= {task: item.service for task, item in odoo.template_tasks.items()}
    request = BurnReading(
        project_id=require_id(odoo.project_id),
        analytic_account_id=odoo.analytic_account_id,
        services=services,
    )
    config = options.odoo_finance(f"burn of {odoo.project_name}", options.Urgency.BACKGROUND)
    return activity(OdooBurn.read_burn, request, config, _burn)


def _burn(found: BurnFound) -> answers.BurnRead:
    return answers.BurnRead(found.burn, found.staffed)


# --- the CRM, and endings -------------------------------------------------------------------------


def _write_status(state: ContractState, action: Action) -> Awaitable[Any]:
    status = write_back.status(state)
    request = StatusRequest(source=state.source, status=status)
    config = options.crm(f"write to the CRM: {status.stage}")
    return activity(CrmActivities.write_status, request, config, lambda _: status)


def _close_out(state: ContractState, action: Action) -> Awaitable[Any]:
    settled = closeout.settlement(state.replace(ending=endings.ending_of(state)))
    left = CloseOutLeft(steps=list(endings.parts_left(state)))
    config = options.odoo_finance(
        f"close out {state.odoo.order_name}, archive {state.odoo.project_name}",
        options.Urgency.BACKGROUND,
        looks_first=True,
        calls=closing.CALLS,
    )
    return activity(OdooClosing.close_out, CloseOutRequest(settled=settled, left=left), config)


def _write_entries(state: ContractState, action: Action) -> Awaitable[Any]:
    customer = state.contract.customer.key if state.contract else ""
    return recording.write(state, action, customer)


def _cancel_order(state: ContractState, action: Action) -> Awaitable[Any]:
    request = OrderCancel(order_id=_order_id(state))
    return activity(OdooOrders.cancel_order, request, options.odoo_finance("cancel the order"))


def _archive_project(state: ContractState, action: Action) -> Awaitable[Any]:
    request = ProjectArchive(project_id=require_id(state.odoo.project_id))
    summary = f"archive project {state.odoo.project_name}"
    config = options.odoo_master(summary, options.Urgency.BACKGROUND)
    return activity(OdooProjects.archive_project, request, config)


PERFORM: dict[str, Perform[ContractState]] = {
    provisioning.READ_DEAL: _read_deal,
    provisioning.VALIDATE: _validate,
    provisioning.PROVISION: _provision,
    signing.ATTACH_SIGNED: _attach_signed,
    reading.READ_TIME: _read_time,
    reading.READ_EXPENSES: _read_expenses,
    delivery.MARK_MILESTONE: _mark_milestone,
    delivery.LOOK_UP: _look_up_milestone,
    delivery.SET_DELIVERED: _set_delivered,
    proposing.START_INVOICE: _start_invoice,
    proposing.WARN: _warn,
    holds.DUNNING_HOLD: _tell_hold,
    invoices.CONTRACT_RENEWED: _tell_renewal,
    amendments.POLICY: _policy,
    amendments.NOTIFY: _notify,
    amendments.AMEND_ORDER: _amend_order,
    amendments.AMEND_PROJECT: _amend_project,
    amendments.PROJECT_STATUS: _project_status,
    handing_over.HAND_OVER: _hand_over,
    handing_over.READ_BURN: _read_burn,
    write_back.REFRESH: _refresh,
    write_back.WRITE_STATUS: _write_status,
    endings.CLOSE_OUT: _close_out,
    endings.CANCEL_ORDER: _cancel_order,
    endings.ARCHIVE_PROJECT: _archive_project,
    entries.WRITE: _write_entries,
}
"""By the kind of an act: begins it, and gives what to wait for."""

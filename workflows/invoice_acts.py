"""How the acts of an invoice are performed: the request, built from the state in which the act
begins, and the activity or Signal that carries it out. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.odoo.balances import InvoiceRef, OdooBalances
    from activities.odoo.chatter import Notification, OdooChatter
    from activities.odoo.delivery import MailRequest, OdooDelivery, ReminderRequest, TodoRequest
    from activities.odoo.invoice_rows import DraftRequest
    from activities.odoo.invoices import DiscardRequest, OdooInvoices, PostRequest
    from activities.odoo.payments import OdooPayments, PaymentRequest, ReconcileRequest
    from activities.odoo.reversals import OdooReversals, ReversalRequest
    from activities.odoo.write_offs import OdooWriteOffs, WriteOffRequest
    from activities.processors import PageRequest, ProcessorActivities
    from contracts.agenda.actions import Action
    from contracts.agenda.state import required
    from contracts.approvals import reminder_message
    from contracts.audit import entries
    from contracts.identifiers import invoice_origin, invoice_workflow_id
    from contracts.invoice import (
        acts,
        collecting,
        issuing,
        payments,
        reminding,
        reporting,
        reversals,
    )
    from contracts.invoice.messages import PaymentReceived
    from contracts.invoice.state import InvoiceReport, InvoiceState
    from contracts.processors import LinkRequest
    from workflows import options, recording
    from workflows.acts import activity
    from workflows.mails import start_escalation
    from workflows.shell import Perform

_AWAITED, _BACKGROUND = options.Urgency.AWAITED, options.Urgency.BACKGROUND


# --- until it is posted -------------------------------------------------------------------------


def _create_draft(state: InvoiceState, action: Action) -> Awaitable[Any]:
    request = DraftRequest(
        proposal=state.proposal,
        company_id=state.company_id,
        order_id=state.order_id,
        partner_id=state.partner_id,
        invoice_on=issuing.invoice_on(state),
        credited_invoice_id=state.credited_invoice_id,
        rewrites=state.draft is not None or state.amended,
        reached=state.reached,
    )
    return activity(
        OdooInvoices.create_draft,
        request,
        options.odoo_finance(f"draft of {state.proposal.amount}"),
    )


def _post(state: InvoiceState, action: Action) -> Awaitable[Any]:
    proposal, draft = state.proposal, required(state.draft)
    request = PostRequest(
        invoice_id=draft.invoice_id,
        legal_entity=proposal.legal_entity,
        kind=proposal.kind,
        approved=draft.content,
        proposed_on=proposal.proposed_on,
    )
    return activity(
        OdooInvoices.post_invoice,
        request,
        options.odoo_finance(f"post {proposal.amount}", _AWAITED),
    )


def _discard(state: InvoiceState, action: Action) -> Awaitable[Any]:
    workflow_id = invoice_workflow_id(state.contract_workflow_id, state.proposal.number)
    return activity(
        OdooInvoices.discard_draft,
        DiscardRequest(origin=invoice_origin(workflow_id), invoice_id=state.invoice_id),
        options.odoo_finance("cancel the draft", _BACKGROUND),
    )


async def _notify(state: InvoiceState, action: Action) -> Any:
    """A note on the order, mailed to those approvers whom Odoo knows; an escalation is also mailed
    by us, with a link."""
    found = required(state.open_round)
    reminder = required(found.reminder(state.today))
    if reminder.escalated:
        await start_escalation(found.with_escalation(), state.today)
    subject, text = reminder_message(found, reminder, workflow.info().workflow_id)
    request = Notification(
        order_id=state.order_id, people=reminder.people, subject=subject, text=text
    )
    return await activity(
        OdooChatter.notify,
        request,
        options.odoo_finance(f"{reminder.what} to approvers", _BACKGROUND, looks_first=True),
    )


# --- from posted to settled ---------------------------------------------------------------------


def _deliver(state: InvoiceState, action: Action) -> Awaitable[Any]:
    return activity(
        OdooDelivery.send_invoice,
        MailRequest(
            invoice_id=_invoice_id(state),
            approved=required(state.draft).content,
            link=state.payment_link,
        ),
        options.odoo_mail(f"send {state.title} by e-mail"),
    )


def _payment_link(state: InvoiceState, action: Action) -> Awaitable[Any]:
    balance = collecting.required_balance(state)
    link = LinkRequest(
        invoice=invoice_workflow_id(state.contract_workflow_id, state.proposal.number),
        number=balance.number,
        customer=state.proposal.customer_name,
        amount=balance.residual,
    )
    return activity(
        ProcessorActivities.create_payment_link,
        PageRequest(system=state.rules.payment_links, link=link),
        options.payment_link(f"a page to pay {state.title} on"),
    )


def _reverse_payment(state: InvoiceState, action: Action) -> Awaitable[Any]:
    item = reversals.of_key(state, action.subject)
    request = ReversalRequest(
        invoice_id=_invoice_id(state),
        payment=item.payment,
        key=item.key,
        others=reversals.others_booked(state, item),
        restored=reversals.restored_by(state, item),
        amount=item.reversal.amount,
        on=item.reversal.on,
    )
    return activity(
        OdooReversals.reverse_payment,
        request,
        options.odoo_finance(f"{item.reversal.kind} {item.key}", _AWAITED, looks_first=True),
    )


def _read_balance(state: InvoiceState, action: Action) -> Awaitable[Any]:
    is_awaited = action.basis.startswith(reminding.RESTORED)
    approved = state.odoo_totals if is_awaited else None
    return activity(
        OdooBalances.read_balance,
        InvoiceRef(invoice_id=_invoice_id(state), approved=approved),
        options.odoo_finance(
            f"read the balance of {state.title}", _AWAITED if is_awaited else _BACKGROUND
        ),
    )


def _register_payment(state: InvoiceState, action: Action) -> Awaitable[Any]:
    payment = _payment(state, action.subject)
    return activity(
        OdooPayments.register_payment,
        PaymentRequest(invoice_id=_invoice_id(state), payment=payment),
        options.odoo_finance(f"register payment {payment.reference}", _AWAITED, looks_first=True),
    )


def _take_back(state: InvoiceState, action: Action) -> Awaitable[Any]:
    item = payments.given_up(state, action.subject)
    workflow_id = invoice_workflow_id(state.contract_workflow_id, state.proposal.number)
    request = DiscardRequest(
        origin=invoice_origin(workflow_id),
        invoice_id=_invoice_id(state),
        payment=item.payment,
        reversal=item.reversal,
        write_off=item.write_off,
    )
    config = options.odoo_finance(f"cancel the draft of {item.key}", _BACKGROUND)
    return activity(OdooInvoices.discard_draft, request, config)


def _reconcile(state: InvoiceState, action: Action) -> Awaitable[Any]:
    request = ReconcileRequest(
        invoice_id=required(state.credited_invoice_id), credit_note_id=_invoice_id(state)
    )
    return activity(
        OdooPayments.reconcile_credit,
        request,
        options.odoo_finance(f"set off {state.title}", _AWAITED),
    )


def _remind(state: InvoiceState, action: Action) -> Awaitable[Any]:
    reminder = required(state.reminder)
    request = ReminderRequest(
        invoice_id=_invoice_id(state),
        partner_id=state.partner_id,
        subject=reminder.subject,
        text=reminder.text,
    )
    return activity(
        OdooDelivery.send_reminder,
        request,
        options.odoo_mail(f"reminder {reminder.level} for {state.title}", _BACKGROUND),
    )


def _create_todo(state: InvoiceState, action: Action) -> Awaitable[Any]:
    """The customer cannot be mailed: a person is to reach them some other way."""
    reminder, found = required(state.reminder), state.approval_round
    request = TodoRequest(
        invoice_id=_invoice_id(state),
        people=found.requirement.approvers if found else (),
        summary=reminder.subject,
        text=f"The customer has no e-mail address. Tell them some other way: {reminder.text}",
        due_on=state.today,
    )
    return activity(
        OdooDelivery.create_todo,
        request,
        options.odoo_finance(f"to-do: reminder {reminder.level} for {state.title}", _BACKGROUND),
    )


def _write_off(state: InvoiceState, action: Action) -> Awaitable[Any]:
    asked = required(state.write_off)
    request = WriteOffRequest(
        legal_entity=state.proposal.legal_entity,
        contract_id=state.proposal.contract_id,
        number=state.proposal.number,
        key=str(state.write_offs),
        invoice_id=_invoice_id(state),
        company_id=state.company_id,
        account_code=state.rules.write_off_account,
        amount=asked.amount,
        reason=asked.reason,
        written_off_on=state.today,
    )
    return activity(
        OdooWriteOffs.write_off,
        request,
        options.odoo_finance(f"write off {asked.amount} of {state.title}", _AWAITED),
    )


# --- the contract, and the credited invoice -----------------------------------------------------


async def _tell_contract(state: InvoiceState, action: Action) -> InvoiceReport:
    report = reporting.report(state)
    await _contract(state).signal("invoice_changed", report)
    return report


async def _ask_credit(state: InvoiceState, action: Action) -> None:
    await _contract(state).signal("credit_requested", state.credit_requests[0])


async def _tell_invoice(state: InvoiceState, action: Action) -> None:
    number = state.proposal.credited_number
    workflow_id = invoice_workflow_id(state.contract_workflow_id, number)
    credited = workflow.get_external_workflow_handle(workflow_id)
    await credited.signal("credit_applied", state.credit_to_tell)


def _contract(state: InvoiceState) -> workflow.ExternalWorkflowHandle[Any]:
    return workflow.get_external_workflow_handle(state.contract_workflow_id)


# --- what requests are built from ---------------------------------------------------------------


def _invoice_id(state: InvoiceState) -> int:
    return collecting.required_balance(state).invoice_id


def _payment(state: InvoiceState, reference: str) -> PaymentReceived:
    return next(item for item in state.payments if item.reference == reference)


PERFORM: dict[str, Perform[InvoiceState]] = {
    acts.CREATE: _create_draft,
    acts.POST: _post,
    acts.DISCARD: _discard,
    acts.NOTIFY: _notify,
    acts.DELIVER: _deliver,
    acts.PAYMENT_LINK: _payment_link,
    acts.BALANCE: _read_balance,
    acts.REGISTER_PAYMENT: _register_payment,
    acts.REVERSE_PAYMENT: _reverse_payment,
    acts.TAKE_BACK: _take_back,
    acts.RECONCILE: _reconcile,
    acts.REMIND: _remind,
    acts.TODO: _create_todo,
    acts.WRITE_OFF: _write_off,
    acts.TELL_CONTRACT: _tell_contract,
    acts.ASK_CREDIT: _ask_credit,
    acts.TELL_INVOICE: _tell_invoice,
    entries.WRITE: recording.write,
}

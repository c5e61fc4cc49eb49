"""One invoice or credit note, from proposal to cash.

    proposed -> awaiting_approval -> approved -> posted_not_delivered -> open -> paid -> settled
        ^        |    ^             |                                     |  ^     | payment undone
        |        v    |_ tax moved _|              partially_paid, overdue   |     |
        |_____ rejected (amended: proposed again)  in_payment, credited, written_off

The draft exists in Odoo before anybody approves it, with the tax Odoo computes; a rejected one is
cancelled there before the contract hears of it. Approval, and the write-off of what stays open,
wait for people, as does every act that parks. Payments arrive by Signal, or from the sweep that
reads what changed in Odoo. Reminders follow from the balance on every event; disputes, promises
and holds only pause them. Paid is not terminal until the settlement period has passed.

Decisions are in `contracts.invoice`, how acts are performed in `invoice_acts`. Here are the
messages that people and systems send.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import TypedSearchAttributes

with workflow.unsafe.imports_passed_through():
    from contracts.agenda.actions import Event, Noted, SignalReceived
    from contracts.approvals import ApprovalDecision, ApprovalRound
    from contracts.invoice import collecting, reporting
    from contracts.invoice.messages import (
        ContractHoldChange,
        ContractRenewed,
        CreditApplied,
        DisputeOpened,
        DisputeResolved,
        HoldChange,
        InvoiceBalance,
        PaymentNotice,
        PaymentPromised,
        PaymentReceived,
        PaymentReported,
        WriteOffAsked,
    )
    from contracts.invoice.rules import AGENDA
    from contracts.invoice.state import InvoiceInput, InvoiceReport, InvoiceStage, InvoiceState
    from contracts.parking import Resolution, StepException
    from contracts.views.agreed import agreed
    from contracts.views.details import invoice_details
    from workflows import search_attributes
    from workflows.board import Attributes, to_start
    from workflows.handlers import message, signal_only
    from workflows.invoice_acts import PERFORM
    from workflows.messages import signal
    from workflows.shell import Core, Shell


def attributes_of(state: InvoiceState) -> Attributes:
    """What lists of invoices show of one."""
    balance = collecting.posted(state)
    due = balance.residual if balance else None
    if due is not None and collecting.is_credit_note(state):
        due = -due
    return {
        search_attributes.CONTRACT_ID: state.proposal.contract_id,
        search_attributes.CUSTOMER: state.proposal.customer_key or None,
        search_attributes.LEGAL_ENTITY: state.proposal.legal_entity,
        search_attributes.INVOICE_STAGE: str(state.stage),
        search_attributes.WAITING_ON: state.waiting.on,
        search_attributes.WAITING_SINCE: state.waiting.since,
        search_attributes.CURRENCY: state.proposal.amount.currency,
        search_attributes.AMOUNT_DUE: float(due.amount) if due else 0.0,
        search_attributes.NEXT_ACTION_AT: state.next_action_at,
        search_attributes.DUNNING_LEVEL: state.dunning.level,
    }


def attributes_to_start(state: InvoiceState) -> TypedSearchAttributes:
    """The attributes an invoice starts with: those it has once it awaits approval, which is what
    it is started for; should it not come to that, it says so itself."""
    ahead = {"stage": InvoiceStage.AWAITING_APPROVAL}
    return to_start(attributes_of(state.replace(**ahead)))


def _cancelled(_: InvoiceState) -> Event:
    return Noted("Refused to cancel: reject the proposal, or credit the invoice")


@workflow.defn
class InvoiceWorkflow(Shell[InvoiceState]):
    core = Core(
        agenda=AGENDA,
        perform=PERFORM,
        cancelled=_cancelled,
        details=invoice_details,
        attributes=attributes_of,
        awaited=lambda state: state.open_round,
        agreed=agreed,
        following=lambda state: InvoiceInput(state=state),
        # That it was cleared, and settles, is what lists of it show already.
        is_listed=lambda state: state.stage is not InvoiceStage.SETTLED,
    )

    @workflow.init
    def __init__(self, start: InvoiceInput) -> None:
        self.begin(start.state)

    @workflow.run
    async def run(self, start: InvoiceInput) -> InvoiceReport:
        """Issue the invoice, collect it, and keep the contract informed on the way."""
        return reporting.report(await self.perform_agenda())

    # --- approval ---------------------------------------------------------------------------

    @message(signal="approval_decided", words="a decision of {message.by}")
    def decide_approval(self, decision: ApprovalDecision) -> ApprovalRound:
        """Approve or reject what awaits approval; refused at once if it names other content."""
        return self.answered(decision)  # type: ignore[no-any-return]

    @workflow.query
    def open_approvals(self) -> list[ApprovalRound]:
        """What awaits approval here, with its rule and the approvals given so far."""
        return [self.state.open_round] if self.state.open_round else []

    # --- money ------------------------------------------------------------------------------

    @message()
    def record_payment(self, payment: PaymentReceived) -> InvoiceReport:
        """A payment known outside Odoo: it is registered there once, by its reference."""
        return self.answered(payment)  # type: ignore[no-any-return]

    @signal_only(words="payment {message.reference}", decides=True)
    def payment_received(self, payment: PaymentNotice) -> None:
        """The same from systems: what cannot be booked waits for a person, and what comes too early
        for the invoice. Only what is too much is refused, and noted."""

    @signal_only(words="a report of {message.system}")
    def payment_reported(self, report: PaymentReported) -> None:
        """From a payment processor: how a payment stands there now, with all that undoes it."""

    @signal_only()
    def balance_changed(self, balance: InvoiceBalance) -> None:
        """From the sweep: the invoice changed in Odoo. Older news than we have is ignored."""

    @signal_only()
    def credit_applied(self, credit: CreditApplied) -> None:
        """From a credit note of ours: it was set off against this invoice."""

    # --- what is agreed with the customer ---------------------------------------------------

    @message(signal="dispute_opened", words="a dispute")
    def open_dispute(self, opened: DisputeOpened) -> InvoiceReport:
        """The customer contests the invoice or a part: only the rest is reminded of."""
        return self.answered(opened)  # type: ignore[no-any-return]

    @message(signal="dispute_resolved", words="the end of a dispute")
    def resolve_dispute(self, resolved: DisputeResolved) -> InvoiceReport:
        """Reject a dispute, or accept an amount of it, which the contract is to credit."""
        return self.answered(resolved)  # type: ignore[no-any-return]

    @message(signal="payment_promised", words="a promise to pay")
    def promise_payment(self, promised: PaymentPromised) -> InvoiceReport:
        """The customer promised to pay: reminders pause until that day has passed."""
        return self.answered(promised)  # type: ignore[no-any-return]

    @message(signal="dunning_hold", words="a dunning hold")
    def change_dunning_hold(self, change: HoldChange) -> InvoiceReport:
        """Stop the reminders of this invoice, or let them go on."""
        return self.answered(change)  # type: ignore[no-any-return]

    @signal_only(words="a dunning hold of the contract")
    def contract_dunning_hold(self, change: ContractHoldChange) -> None:
        """From the contract: the reminders of all its invoices stop, or go on."""

    @message(signal="write_off_asked", words="a write-off")
    def ask_write_off(self, asked: WriteOffAsked) -> InvoiceReport:
        """Propose to write off what is open; it needs an approval of its own."""
        return self.answered(asked)  # type: ignore[no-any-return]

    # --- exceptions, the contract, and what it all comes to ---------------------------------

    @message(signal="exception_resolved", words="a resolution of {message.by}")
    def resolve_exception(self, resolution: Resolution) -> StepException:
        """A person's decision about an exception."""
        return self.answered(resolution)  # type: ignore[no-any-return]

    @signal
    def contract_renewed(self) -> None:
        """From the contract: it has begun another run, and needs a report when the invoice ends."""
        self.hear(SignalReceived(ContractRenewed(), "that the contract was renewed"))

    @workflow.query
    def invoice(self) -> InvoiceState:
        """Everything the workflow knows."""
        return self.state

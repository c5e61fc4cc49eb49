"""What the parts of an invoice's workflow share: its state, its steps and how it shows itself."""

from __future__ import annotations

from datetime import date, datetime

from temporalio import workflow
from temporalio.common import TypedSearchAttributes

with workflow.unsafe.imports_passed_through():
    from contracts.calendar import BusinessCalendar
    from contracts.invoice import collecting
    from contracts.invoice.state import InvoiceInput, InvoiceStage, InvoiceState
    from contracts.policy import EntityPolicy
    from contracts.views.details import invoice_details, invoice_waits
    from workflows import search_attributes
    from workflows.board import Attributes, Board, to_start
    from workflows.runs import Run
    from workflows.steps import Steps


class DocumentCase:
    """One invoice or credit note while its workflow runs. All that must survive is in `state`."""

    def __init__(self, state: InvoiceState) -> None:
        self.state = state
        self.steps = Steps(
            state.exceptions,
            state.journal,
            changed=self.publish,
            cancelled=lambda: bool(state.rejected_because),
        )
        self.board = Board(
            lambda: attributes_of(state),
            lambda: invoice_details(state),
            at_rest=self._stays_so,
        )
        self.run = Run(self.steps, lambda: InvoiceInput(state=state))

    def _stays_so(self) -> bool:
        """Whether lists are to show it as it is: not while something is under way, and not as
        settled, which a moment later is over. Until then they show that it settles."""
        if self.state.stage is InvoiceStage.SETTLED:
            return False
        return self.steps.nothing_under_way or bool(self.state.exceptions)

    @property
    def policy(self) -> EntityPolicy:
        """The rules in force when the invoice was proposed, which came with its first draft;
        asking before is a defect of ours."""
        if self.state.policy is None:
            raise RuntimeError("the rules are not known yet")
        return self.state.policy

    @property
    def today(self) -> date:
        """The date now in the legal entity's zone."""
        state = self.state
        calendar = (
            state.policy.calendar if state.policy else BusinessCalendar(time_zone=state.time_zone)
        )
        return calendar.today(workflow.now())

    def opening(self, day: date) -> datetime:
        """When business opens on a day, as an aware UTC time."""
        return self.policy.calendar.opening(day)

    def note(self, text: str) -> None:
        self.state.journal.note(workflow.now(), text)

    def tell(self, text: str) -> None:
        """Note it and show it."""
        self.note(text)
        self.publish()

    def enter(self, stage: InvoiceStage) -> None:
        if stage is not self.state.stage:
            self.state.stage = stage
            self.note(f"Stage: {stage}")
        self.publish()

    def publish(self) -> None:
        """The state changed: it is shown anew. Since when it waits, it knows from here."""
        waiting, _ = invoice_waits(self.state)
        self.state.waiting.update(waiting, workflow.now(), self.state.exceptions)
        self.board.outdate()


def attributes_of(state: InvoiceState) -> Attributes:
    """What lists of invoices show of one."""
    balance = collecting.posted(state)
    due = balance.residual if balance else None
    if due is not None and collecting.is_credit_note(state):
        due = -due
    return {
        search_attributes.CONTRACT_ID: state.proposal.contract_id,
        search_attributes.CUSTOMER: state.proposal.customer_name,
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
    return to_start(attributes_of(state.model_copy(update=ahead)))

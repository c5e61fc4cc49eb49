"""One signed contract, from signature to close-out.

    received -> validating (-> signing) -> provisioning -> active <-> closing -> closed
        |           |           |               |            |
        |___________|___________|_______________|____________|--> cancelled   (nothing billed yet)

Everything is decided in `contracts/contract/`: what a message or a result changes, and what is to
be done next. This workflow hands messages in and performs what is wanted (contract_acts.py). Each
invoice is a workflow of its own, which reports back by Signal, and at its end by its result.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from contracts.agenda.actions import Event, SignalReceived
    from contracts.analytics.contract import ContractFacts, facts
    from contracts.approvals import ApprovalDecision, ApprovalRound
    from contracts.changes import ChangeOrder
    from contracts.contract import amendments
    from contracts.contract.messages import (
        BurnRequest,
        CancelRequest,
        CreditRequest,
        CustomerRefresh,
        HoldRequest,
        InvoiceLost,
        MilestoneReached,
        MilestoneReachedInOdoo,
        MilestoneUnreached,
        MilestoneUnreachedInOdoo,
        NoticeGiven,
        RetainageRelease,
        ServiceCredit,
        SignatureConfirmed,
        SignatureReported,
        TerminationRequest,
        TerminationWithdrawn,
        UsageReport,
        UsageTaken,
    )
    from contracts.contract.rules import AGENDA, begun
    from contracts.contract.state import ContractInput, ContractOutcome, ContractState, outcome
    from contracts.invoice.messages import CreditRequested
    from contracts.invoice.state import InvoiceReport
    from contracts.parking import Resolution, StepException
    from contracts.views.details import contract_details
    from workflows import search_attributes
    from workflows.board import Attributes
    from workflows.contract_acts import PERFORM
    from workflows.handlers import message, signal_only
    from workflows.shell import Core, Shell

_NO_INPUT = ContractInput.not_read("one contract is expected")


def _cancelled(_: ContractState) -> Event:
    """What a cancellation from Temporal's side means; refused like anybody's, it is noted."""
    request = CancelRequest(by="temporal", reason="the workflow was cancelled")
    return SignalReceived(request, "to cancel for temporal")


def following(state: ContractState) -> ContractInput:
    """What the next run of the workflow is started with."""
    return ContractInput(
        contract_id=state.contract_id,
        legal_entity=state.legal_entity,
        source=state.source,
        state=state,
    )


def attributes_of(state: ContractState) -> Attributes:
    """What lists show of a contract."""
    contract = state.contract
    return {
        search_attributes.CONTRACT_ID: state.contract_id,
        search_attributes.LEGAL_ENTITY: state.legal_entity,
        search_attributes.CONTRACT_STAGE: str(state.stage),
        search_attributes.CUSTOMER: contract.customer.key if contract else None,
        search_attributes.CURRENCY: contract.currency if contract else None,
        search_attributes.CONTRACT_VALUE: float(contract.value.amount) if contract else None,
        search_attributes.WAITING_ON: state.waiting.on,
        search_attributes.WAITING_SINCE: state.waiting.since,
    }


def awaited_approval(state: ContractState) -> ApprovalRound | None:
    """The round of the pending change order, while it is open."""
    found = amendments.open_round(state)
    return found if found is not None and not found.is_decided else None


@workflow.defn
class ContractWorkflow(Shell[ContractState]):
    core = Core(
        agenda=AGENDA,
        perform=PERFORM,
        cancelled=_cancelled,
        details=contract_details,
        attributes=attributes_of,
        following=following,
        named=lambda state: state.contract.customer.name if state.contract else "",
        awaited=awaited_approval,
    )

    @workflow.init
    def __init__(self, start: ContractInput = _NO_INPUT) -> None:
        self.begin(begun(start, workflow.now()))

    @workflow.run
    async def run(self, start: ContractInput = _NO_INPUT) -> ContractOutcome:
        """Do what the agenda wants until the contract has ended, and the CRM knows it."""
        if start.unreadable:
            raise ApplicationError(start.unreadable, type="refused", non_retryable=True)
        return outcome(await self.perform_agenda())

    # --- the signature --------------------------------------------------------------------------

    @message(
        signal="signature_reported", words="a report of envelope {message.envelope.envelope_id}"
    )
    def report_signature(self, report: SignatureReported) -> ContractOutcome:
        """How an envelope that signs the contract stands; the newest report counts."""
        return self.answered(report)  # type: ignore[no-any-return]

    @message(words="the word of {message.by} that it is signed")
    def confirm_signature(self, confirmed: SignatureConfirmed) -> ContractOutcome:
        """A person says that the contract is signed, as on paper: it is set up in Odoo."""
        return self.answered(confirmed)  # type: ignore[no-any-return]

    # --- delivery -------------------------------------------------------------------------------

    @message(signal="milestone_reached", words="milestone {message.milestone}")
    def reach_milestone(self, reached: MilestoneReached) -> ContractOutcome:
        """A milestone was delivered; repeating it changes nothing. One that is reported before the
        contract is validated is kept."""
        return self.answered(reached)  # type: ignore[no-any-return]

    @message(words="milestone {message.milestone}")
    def unreach_milestone(self, unreached: MilestoneUnreached) -> ContractOutcome:
        """A milestone is not reached after all; one that is proposed already goes to review."""
        return self.answered(unreached)  # type: ignore[no-any-return]

    @signal_only(words="a milestone marked reached in Odoo")
    def milestone_reached_in_odoo(self, reached: MilestoneReachedInOdoo) -> None:
        """From the sweep: somebody marked the milestone reached in Odoo."""

    @signal_only(words="a milestone not marked reached in Odoo")
    def milestone_unreached_in_odoo(self, unreached: MilestoneUnreachedInOdoo) -> None:
        """From the sweep: a milestone that we hold as reached is not marked so in Odoo."""

    @message(signal="usage_reported", words="a usage report")
    def record_usage(self, report: UsageReport) -> UsageTaken:
        """Metered records: each id once, a later quantity under the same id replaces it."""
        return self.answered(report)  # type: ignore[no-any-return]

    @message(words="a service credit")
    def credit_service(self, credit: ServiceCredit) -> ContractOutcome:
        """Owe a service credit, deducted from the next invoice; a reference counts once."""
        return self.answered(credit)  # type: ignore[no-any-return]

    # --- invoices -------------------------------------------------------------------------------

    @signal_only(words="a report of invoice {message.number}")
    def invoice_changed(self, report: InvoiceReport) -> None:
        """From an invoice: how it stands now."""

    @signal_only(words="the loss of invoice {message.number}")
    def invoice_lost(self, lost: InvoiceLost) -> None:
        """From the sweep: an invoice's workflow was ended by force."""

    @message(words="a credit of invoice {message.number}")
    def request_credit(self, request: CreditRequest) -> ContractOutcome:
        """Credit an issued invoice, in whole or in part; the credit note needs its approval."""
        return self.answered(request)  # type: ignore[no-any-return]

    @signal_only(words="a credit of invoice {message.number}")
    def credit_requested(self, asked: CreditRequested) -> None:
        """From an invoice: a part of a dispute was accepted."""

    @message(words="the release of the retainage")
    def release_retainage(self, release: RetainageRelease) -> ContractOutcome:
        """The event has come that releases what was held back: it is billed now."""
        return self.answered(release)  # type: ignore[no-any-return]

    # --- changes --------------------------------------------------------------------------------

    @message(words="a change order")
    def propose_change(self, order: ChangeOrder) -> ContractOutcome:
        """A change order; it takes effect once it is approved."""
        return self.answered(order)  # type: ignore[no-any-return]

    @message(signal="approval_decided", words="a decision of {message.by}")
    def decide_approval(self, decision: ApprovalDecision) -> ApprovalRound:
        """Approve or reject a change order; refused at once if it names other content."""
        return self.answered(decision)  # type: ignore[no-any-return]

    @message(words="a hold")
    def set_hold(self, request: HoldRequest) -> ContractOutcome:
        """Hold billing or dunning of the whole contract, or release the hold. The invoices learn
        of a hold on dunning right after."""
        return self.answered(request)  # type: ignore[no-any-return]

    @message(words="a refresh of the deal")
    def refresh_customer(self, request: CustomerRefresh) -> ContractOutcome:
        """Read the deal again and take what the CRM still owns, before the signature all of it.
        What was taken and what was not is in the state (`refreshed`) once it is read: `refresh` is
        none again, and `reads_deal` false."""
        return self.answered(request)  # type: ignore[no-any-return]

    @message(signal="burn_requested", words="a reading of the burn")
    def read_burn(self, request: BurnRequest) -> ContractOutcome:
        """Read the project's hours and costs again. They are in the state (`burn`) once they are
        read (`burn_asked` is none again)."""
        return self.answered(request)  # type: ignore[no-any-return]

    # --- endings --------------------------------------------------------------------------------

    @message(words="the early end")
    def terminate(self, request: TerminationRequest) -> ContractOutcome:
        """Either side ends the contract early, on a last day."""
        return self.answered(request)  # type: ignore[no-any-return]

    @message(words="the withdrawal of the early end")
    def withdraw_termination(self, withdrawn: TerminationWithdrawn) -> ContractOutcome:
        """The early end is taken back, before its last day is over."""
        return self.answered(withdrawn)  # type: ignore[no-any-return]

    @message(words="a notice")
    def give_notice(self, notice: NoticeGiven) -> ContractOutcome:
        """One side does not want the term renewed."""
        return self.answered(notice)  # type: ignore[no-any-return]

    @message(signal="cancel_requested", words="to cancel for {message.by}")
    def request_cancel(self, request: CancelRequest) -> ContractOutcome:
        """Cancel before anything is billed; what was provisioned is taken back."""
        return self.answered(request)  # type: ignore[no-any-return]

    # --- exceptions, and what people ask ----------------------------------------------------------

    @message(signal="exception_resolved", words="a resolution of {message.by}")
    def resolve_exception(self, resolution: Resolution) -> StepException:
        """A person's decision about an exception."""
        return self.answered(resolution)  # type: ignore[no-any-return]

    @workflow.query
    def contract(self) -> ContractState:
        """Everything the workflow knows."""
        return self.state

    @workflow.query
    def facts(self) -> list[ContractFacts]:
        """What the analytics export says of it; nothing before it is valid."""
        return facts(self.state)

    @workflow.query
    def open_approvals(self) -> list[ApprovalRound]:
        """What awaits approval here, with its rule and the approvals given so far."""
        approval_round = awaited_approval(self.state)
        return [approval_round] if approval_round is not None else []

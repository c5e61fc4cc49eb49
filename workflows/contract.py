"""One signed contract, from signature to close-out.

    received -> validating -> provisioning -> active <-> closing -> closed
        |           |              |            |
        |___________|______________|____________|--> cancelled   (nothing billed yet)

`run` goes through the phases, each in a module of its own: provisioning, billing (with amending
beside it) and closing. Every step that fails for a reason a person must mend parks and resumes.
Each billing event becomes an invoice with a InvoiceWorkflow of its own, which reports back by
Signal. What people and systems say comes in by the Updates and Signals below; an Update refuses
to the caller's face, a Signal's refusal is noted in the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.crm import CrmActivities, DealRequest
    from contracts import changes, parking
    from contracts.approvals import ApprovalRound
    from contracts.billing.book import EventStatus, NotPossible
    from contracts.billing.proposals import InvoiceKind
    from contracts.changes import ChangeOrder
    from contracts.contract.messages import (
        CancelRequest,
        CreditRequest,
        CustomerRefresh,
        HoldKind,
        HoldRequest,
        MilestoneReached,
        MilestoneReachedInOdoo,
        MilestoneUnreached,
        MilestoneUnreachedInOdoo,
        NoticeGiven,
        RetainageRelease,
        ServiceCredit,
        TerminationRequest,
        UsageReport,
        UsageTaken,
    )
    from contracts.contract.state import (
        ContractInput,
        ContractOutcome,
        ContractStage,
        ContractState,
        money_table,
    )
    from contracts.invoice.messages import CreditRequested, HoldChange
    from contracts.invoice.state import CLEARED, UNBILLED, InvoiceReport
    from contracts.model import Contract, JsonObject
    from contracts.ownership import refreshed
    from contracts.parking import Action, Resolution, StepException
    from contracts.problems import InvalidContract
    from contracts.validation import amended, validate
    from workflows import metrics, options
    from workflows.amending import Amending
    from workflows.approval import ApprovalMessages
    from workflows.billing import Billing
    from workflows.case import ENDED, Case, refuse
    from workflows.closing import Closing
    from workflows.invoice import InvoiceWorkflow
    from workflows.jobs import Jobs
    from workflows.messages import signal
    from workflows.provisioning import Provisioning
    from workflows.steps import StepCancelled
    from workflows.write_back import FILE_SOURCE, WriteBack

_NO_INPUT = ContractInput.not_read("one contract is expected")
_IDENTITY = ("contract_id", "legal_entity", "source", "version")
_MAY_BE_AMENDED = {"customer", "purchase_order", "payment_term", "title", "requested_by"}
"""What a correction may still change once the order exists; the rest needs a change order."""
_MAX_EARLY = 1_000
_RUNNING = (ContractStage.ACTIVE, ContractStage.CLOSING)


@workflow.defn
class ContractWorkflow(ApprovalMessages):
    @workflow.init
    def __init__(self, start: ContractInput = _NO_INPUT) -> None:
        self.state = start.state or ContractState(
            contract_id=start.contract_id,
            legal_entity=start.legal_entity,
            source=start.source,
            invoice=start.contract_data,
            started_at=workflow.now(),
        )
        self._ended = False
        self._case = Case(self.state)
        jobs = Jobs()
        self._provisioning = Provisioning(self._case)
        self._amending = Amending(self._case, jobs, self._take_reached_in_odoo)
        self._billing = Billing(self._case, jobs, self._amending, self._take_report)
        self._closing = Closing(self._case)
        self._write_back = WriteBack(self._case, ended=lambda: self._ended)

    @workflow.run
    async def run(self, start: ContractInput = _NO_INPUT) -> ContractOutcome:
        """Run the phases; a cancellation from Temporal's side becomes a cancel request."""
        if start.unreadable:
            raise ApplicationError(start.unreadable, type="refused", non_retryable=True)
        phases = asyncio.create_task(self._phases())
        while True:
            try:
                return await asyncio.shield(phases)
            except asyncio.CancelledError:
                if phases.done():
                    raise
                request = CancelRequest(by="temporal", reason="the workflow was cancelled")
                self.cancel_requested(request)

    async def _phases(self) -> ContractOutcome:
        writer = asyncio.create_task(self._write_back.run())
        board = asyncio.create_task(self._case.board.run())
        try:
            await self._provisioning.receive()
            if await self._provisioning.validate():
                self._take_early_milestones()
            await self._provisioning.provision()
            if self.state.stage in _RUNNING:
                await self._billing.run()
                await self._closing.run()
        except StepCancelled:
            await self._provisioning.compensate()
        self._ended = True
        self.state.closed_at = workflow.now()
        metrics.contract_ended(
            self.state.legal_entity, str(self.state.ending), parked=self.state.has_parked
        )
        self._case.publish()
        await writer
        await workflow.wait_condition(workflow.all_handlers_finished)
        board.cancel()
        self._case.board.show()
        return self._outcome()

    # --- milestones -------------------------------------------------------------------------

    @workflow.update
    def reach_milestone(self, reached: MilestoneReached) -> ContractOutcome:
        """A milestone was delivered; repeating it changes nothing."""
        self._take_milestone(reached)
        return self._outcome()

    @reach_milestone.validator
    def _check_milestone(self, reached: MilestoneReached) -> None:
        refuse(self._milestone_refusal(reached.milestone))

    @signal
    def milestone_reached(self, reached: MilestoneReached) -> None:
        """The same for systems; one that comes before the contract is validated is kept."""
        self._unless(
            self._milestone_refusal(reached.milestone),
            f"milestone {reached.milestone}",
            lambda: self._take_milestone(reached),
        )

    @signal
    def milestone_reached_in_odoo(self, reached: MilestoneReachedInOdoo) -> None:
        """From the sweep: somebody marked the milestone reached in Odoo."""
        self._take_reached_in_odoo(reached)

    @workflow.update
    def unreach_milestone(self, unreached: MilestoneUnreached) -> ContractOutcome:
        """A milestone is not reached after all; one that is proposed already goes to review."""
        self._take_unreached(unreached.milestone, unreached.by)
        return self._outcome()

    @unreach_milestone.validator
    def _check_unreached(self, unreached: MilestoneUnreached) -> None:
        refuse(self._milestone_refusal(unreached.milestone))

    @signal
    def milestone_unreached_in_odoo(self, unreached: MilestoneUnreachedInOdoo) -> None:
        """From the sweep: a milestone that we hold as reached is not marked so in Odoo."""
        for key in self._milestones_of(unreached.milestone_id):
            progress = self.state.milestones[key]
            marked = progress.marked_as_of
            if progress.marked_in_odoo and (marked is None or unreached.as_of > marked):
                self._take_unreached(key, "odoo")

    # --- periods: usage and service credits -------------------------------------------------

    @workflow.update
    def record_usage(self, report: UsageReport) -> UsageTaken:
        """Take metered records: each id once, a later quantity under the same id replaces it."""
        return self._take_usage(report)

    @record_usage.validator
    def _check_usage(self, report: UsageReport) -> None:
        refuse(self._running_refusal())

    @signal
    def usage_reported(self, report: UsageReport) -> None:
        """The same for systems; refused records are noted in the journal."""
        refusal = self._running_refusal()
        self._unless(refusal, "a usage report", lambda: self._take_usage(report))

    @workflow.update
    def credit_service(self, credit: ServiceCredit) -> ContractOutcome:
        """Owe a service credit, deducted from the next invoice; a reference counts once."""
        self._case_do(lambda contract: self._take_service_credit(contract, credit))
        return self._outcome()

    @credit_service.validator
    def _check_service_credit(self, credit: ServiceCredit) -> None:
        refuse(self._running_refusal())

    # --- invoices --------------------------------------------------------------------------

    @signal
    def invoice_changed(self, report: InvoiceReport) -> None:
        """From an invoice: how its invoice stands now."""
        self._take_report(report)

    def _take_report(self, report: InvoiceReport) -> None:
        before = self.state.invoices.get(report.number)
        self.state.invoices[report.number] = report
        if report.total is not None:
            self._take_issued(report)
        if before is None or before.stage is not report.stage:
            name = report.odoo_number or f"proposal {report.number}"
            because = f" – {report.because}" if report.because else ""
            self._case.note(f"{name}: {report.stage}{because}")
        self._case.publish()

    @workflow.update
    def request_credit(self, request: CreditRequest) -> ContractOutcome:
        """Credit an issued invoice, in whole or in part; the credit note needs its approval."""
        self._case_do(lambda _: self._billing.credit(request))
        return self._outcome()

    @request_credit.validator
    def _check_credit(self, request: CreditRequest) -> None:
        refuse(self._running_refusal())

    @signal
    def credit_requested(self, request: CreditRequested) -> None:
        """From an invoice: a part of a dispute was accepted."""
        credit = CreditRequest(
            number=request.number, amount=request.untaxed, by=request.by, reason=request.reason
        )
        self._unless(
            self._running_refusal(),
            f"a credit of invoice {request.number}",
            lambda: self.state.credits_asked.append(credit),
        )

    @workflow.update
    def release_retainage(self, release: RetainageRelease) -> ContractOutcome:
        """The event has come that releases what was held back: it is billed now."""
        self._case_do(lambda contract: self._take_release(contract, release))
        return self._outcome()

    @release_retainage.validator
    def _check_release(self, release: RetainageRelease) -> None:
        refuse(self._running_refusal())

    # --- changes ----------------------------------------------------------------------------

    @workflow.update
    def propose_change(self, order: ChangeOrder) -> ContractOutcome:
        """A change order; it takes effect once it is approved."""
        self._amending.take_change(order)
        return self._outcome()

    @propose_change.validator
    def _check_change(self, order: ChangeOrder) -> None:
        refuse(self._amending.change_refusal(order))

    @workflow.update
    async def set_hold(self, request: HoldRequest) -> ContractOutcome:
        """Hold billing or dunning of the whole contract, or release the hold."""
        await self._take_hold(request)
        return self._outcome()

    @set_hold.validator
    def _check_hold(self, request: HoldRequest) -> None:
        refuse(self._hold_refusal(request))

    @workflow.update
    async def refresh_customer(self, request: CustomerRefresh) -> list[str]:
        """Read the deal anew and take what the CRM still owns; says what was taken and not."""
        return await self._refresh(request)

    @refresh_customer.validator
    def _check_refresh(self, request: CustomerRefresh) -> None:
        is_file = self.state.source.system == FILE_SOURCE
        refuse("the contract came from a file, not from a CRM" if is_file else None)
        refuse(self._running_refusal())

    # --- endings ----------------------------------------------------------------------------

    @workflow.update
    def terminate(self, request: TerminationRequest) -> ContractOutcome:
        """Either side ends the contract early, on a last day."""
        self.state.termination = request
        self._case.note(
            f"Ended early by the {request.side}, last day {request.on}: {request.reason}"
        )
        self._case.publish()
        return self._outcome()

    @terminate.validator
    def _check_termination(self, request: TerminationRequest) -> None:
        refuse(self._running_refusal() or self._amending.termination_refusal(request))

    @workflow.update
    def give_notice(self, notice: NoticeGiven) -> ContractOutcome:
        """One side does not want the term renewed."""
        on = notice.on or self._case.today
        self.state.notice = notice.model_copy(update={"on": on})
        self._case.note(f"Notice given by the {notice.side} ({notice.by}) on {on}")
        self._case.publish()
        return self._outcome()

    @give_notice.validator
    def _check_notice(self, notice: NoticeGiven) -> None:
        refusal = self._running_refusal()
        refuse(refusal or self._amending.notice_refusal(notice.on or self._case.today))

    @workflow.update
    def request_cancel(self, request: CancelRequest) -> ContractOutcome:
        """Cancel before anything is billed; what was provisioned is taken back."""
        self._take_cancel(request)
        return self._outcome()

    @request_cancel.validator
    def _check_cancel(self, request: CancelRequest) -> None:
        refuse(self._cancel_refusal())

    @signal
    def cancel_requested(self, request: CancelRequest) -> None:
        """The same for systems."""
        refusal = self._cancel_refusal()
        self._unless(refusal, f"to cancel for {request.by}", lambda: self._take_cancel(request))

    # --- parked steps -----------------------------------------------------------------------

    @workflow.update
    def resolve_exception(self, resolution: Resolution) -> StepException:
        """A person's word on a parked step."""
        return self._resolve(resolution)

    @resolve_exception.validator
    def _check_resolution(self, resolution: Resolution) -> None:
        refuse(self._resolution_refusal(resolution))

    @signal
    def exception_resolved(self, resolution: Resolution) -> None:
        """The same for systems."""
        refusal = self._resolution_refusal(resolution)
        what = f"a resolution of {resolution.by}"
        self._unless(refusal, what, lambda: self._resolve(resolution))

    @signal
    def renew_run(self) -> None:
        """Continue as new at the next quiet point, as after a release; nothing else changes."""
        self._case.run.is_asked_to_end = True

    @workflow.query
    def contract(self) -> ContractState:
        """Everything the workflow knows."""
        return self.state

    # --- approvals (of change orders) -------------------------------------------------------

    def approval_rounds(self) -> Sequence[ApprovalRound]:
        change = self.state.change
        return (
            [change.approval_round]
            if change is not None and change.approval_round is not None
            else []
        )

    def noted(self, text: str) -> None:
        self._case.note(text)
        self._case.publish()

    # --- what the messages do ---------------------------------------------------------------

    def _take_issued(self, report: InvoiceReport) -> None:
        """At once: what comes right behind, such as a credit, finds it issued."""
        event = self.state.book.event_of(report.number)
        if event is None or event.status is not EventStatus.PROPOSED:
            return
        self.state.book.issued(report.number)
        if report.kind is InvoiceKind.INVOICE:
            metrics.invoice_posted(self.state.legal_entity, event.on, self._case.today)

    def _unless(self, refusal: str | None, what: str, take: Callable[[], object]) -> None:
        """Take a Signal, or note why it is refused: nobody is there to be told."""
        if refusal is None:
            take()
        else:
            self._case.note(f"Refused {what}: {refusal}")
            self._case.publish()

    def _case_do(self, take: Callable[[Contract], object]) -> None:
        """Do what the book may refuse; the refusal reaches the caller of the Update."""
        try:
            take(self._case.contract)
        except NotPossible as impossible:
            refuse(str(impossible))
        self._case.publish()

    def _running_refusal(self) -> str | None:
        stage = self.state.stage
        return None if stage in _RUNNING else f"the contract is {stage}"

    def _milestone_refusal(self, milestone: str) -> str | None:
        state = self.state
        if state.stage in ENDED:
            return f"the contract is {state.stage}"
        if state.cancel is not None:
            return "the contract is being cancelled"
        if state.contract is None:
            return None if len(state.early_milestones) < _MAX_EARLY else "too many early messages"
        if milestone not in state.milestones:
            known = ", ".join(state.milestones) or "none"
            return f"the contract has no such milestone; it has: {known}"
        return None

    def _milestones_of(self, milestone_id: int) -> list[str]:
        ids = self.state.odoo.milestone_ids
        return [
            k for k, known in ids.items() if known == milestone_id and k in self.state.milestones
        ]

    def _take_milestone(self, reached: MilestoneReached) -> None:
        if self.state.contract is None:
            self.state.early_milestones.append(reached)
            return
        progress = self.state.milestones[reached.milestone]
        by = f" by {reached.by}" if reached.by else ""
        if progress.under_review:
            progress.under_review = False
            self._case.note(f"Milestone {reached.milestone} reached again{by}")
        elif progress.reached_on is None:
            progress.reached_on = reached.on or self._case.today
            progress.reached_by = reached.by
            self._case.note(f"Milestone {reached.milestone} reached{by}")
        else:
            return
        self._case.publish()

    def _take_reached_in_odoo(self, reached: MilestoneReachedInOdoo) -> None:
        for key in self._milestones_of(reached.milestone_id):
            progress = self.state.milestones[key]
            if progress.reached_on is None or progress.under_review:
                progress.marked_in_odoo, progress.marked_as_of = True, reached.as_of
                self._take_milestone(MilestoneReached(milestone=key, by="odoo", on=reached.on))

    def _take_early_milestones(self) -> None:
        """Take the milestones that were reported before the contract was validated."""
        early, self.state.early_milestones = self.state.early_milestones, []
        for reached in early:
            self.milestone_reached(reached)

    def _take_unreached(self, key: str, by: str) -> None:
        progress = self.state.milestones.get(key)
        if progress is None or progress.reached_on is None or progress.under_review:
            return
        self._case.note(f"Milestone {key} is not reached after all ({by})")
        if self.state.book.unreach(key) is not None:
            progress.under_review = True
        else:
            progress.reached_on, progress.reached_by = None, ""
        progress.marked_in_odoo = False
        self._case.publish()

    def _take_usage(self, report: UsageReport) -> UsageTaken:
        result = UsageTaken()
        for record in report.records:
            try:
                changed = self.state.book.record_usage(self._case.contract, record)
            except NotPossible as impossible:
                result.refused.append(f"{record.plan} {record.id}: {impossible}")
            else:
                result.taken += changed
                result.known += not changed
        if result.refused:
            self._case.note(f"Refused {len(result.refused)} usage records: {result.refused[0]}")
        self._case.publish()
        return result

    def _take_service_credit(self, contract: Contract, credit: ServiceCredit) -> None:
        if self.state.book.credit_service(
            contract, credit.retainer, credit.reference, credit.reason, credit.amount
        ):
            self.state.final_settlement_done = False
            self._case.note(f"Service credit of {credit.amount} by {credit.by}: {credit.reason}")

    def _take_release(self, contract: Contract, release: RetainageRelease) -> None:
        reason = f"{release.reason} ({release.by})"
        event = self.state.book.release_retainage(contract, self._case.today, reason)
        if event is None:
            raise NotPossible("nothing is held back on an issued invoice")
        self._case.note(f"Retainage released by {release.by}: {release.reason}")

    def _hold_refusal(self, request: HoldRequest) -> str | None:
        refusal = self._running_refusal()
        if refusal:
            return refusal
        if request.hold is None and request.kind not in self.state.holds:
            return f"there is no {request.kind} hold to release"
        if request.hold and request.hold.until and request.hold.until < self._case.today:
            return f"a hold until {request.hold.until} is over already"
        return None

    async def _take_hold(self, request: HoldRequest) -> None:
        """Set or release a hold; the invoices are told of one that concerns dunning."""
        state, hold = self.state, request.hold
        if hold is None:
            state.holds.pop(request.kind)
            self._case.note(f"{request.by} released the {request.kind} hold")
        else:
            state.holds[request.kind] = hold
            self._case.note(f"{request.by} holds {request.kind}: {hold.reason}")
        self._case.publish()
        if request.kind is not HoldKind.DUNNING:
            return
        change = HoldChange(
            on=hold is not None,
            by=request.by,
            reason=hold.reason if hold else "released",
            until=hold.until if hold else None,
            whole_contract=True,
        )
        for number, report in state.invoices.items():
            if report.stage not in CLEARED | UNBILLED:
                workflow_id = f"{workflow.info().workflow_id}/invoice/{number}"
                handle = workflow.get_external_workflow_handle(workflow_id)
                await handle.signal(InvoiceWorkflow.dunning_hold, change)

    async def _refresh(self, request: CustomerRefresh) -> list[str]:
        """Take from the deal what the CRM owns; differences in what others own are only named."""
        state = self.state
        deal = await workflow.execute_activity_method(
            CrmActivities.read_deal,
            DealRequest(source=state.source),
            **options.crm(f"read deal {state.source.id} again", options.Urgency.AWAITED),
        )
        contract, taken, ignored = refreshed(self._case.contract, deal.contract_data)
        state.contract, state.contract_data = contract, changes.contract_data_of(contract)
        told = [*taken, *(f"not taken: {text}" for text in ignored)]
        # What the owner elsewhere keeps is the same every time: it is noted once.
        for text in told:
            if text not in state.refreshed:
                self._case.note(f"{request.by} refreshed the deal: {text}")
        state.refreshed = told
        self._case.publish()
        return told

    def _cancel_refusal(self) -> str | None:
        state = self.state
        if state.stage in (ContractStage.CLOSING, *ENDED):
            return f"the contract is {state.stage}"
        billed = [item for item in state.invoices.values() if item.stage not in UNBILLED]
        if billed:
            names = ", ".join(f"{item.number} ({item.stage})" for item in billed)
            return (
                f"something is billed or about to be: invoice {names}; reject a proposal first, "
                "or end the contract early"
            )
        return None

    def _take_cancel(self, request: CancelRequest) -> None:
        if self.state.cancel is None:
            self.state.cancel = request
            reason = f": {request.reason}" if request.reason else ""
            self._case.note(f"Cancelled by {request.by}{reason}")
            self._case.publish()

    def _resolution_refusal(self, resolution: Resolution) -> str | None:
        refusal = parking.refusal(self.state.exceptions, resolution)
        if refusal is None and resolution.action is Action.AMEND:
            fixed = [path for path in resolution.changes if path.split(".")[0] in _IDENTITY]
            if fixed:
                return f"{', '.join(fixed)} cannot be amended: the contract's workflow is named so"
            try:
                corrected = validate(self._corrected(resolution))
            except InvalidContract as invalid:
                return str(invalid)
            if self.state.odoo.order_id is not None and self._changes_order(corrected):
                return "the order exists: amounts, milestones and plans change by a change order"
        if refusal is None and resolution.action is Action.CANCEL:
            return self._cancel_refusal()
        return refusal

    def _corrected(self, resolution: Resolution) -> JsonObject:
        """The invoice as corrected. Raises InvalidContract for a path that leads nowhere."""
        contract = self.state.contract
        has_order = contract is not None and self.state.odoo.order_id is not None
        base = (
            changes.contract_data_of(contract)
            if has_order and contract
            else self.state.contract_data
        )
        return amended(base, resolution.changes)

    def _changes_order(self, corrected: Contract) -> bool:
        contract = self.state.contract
        return contract is not None and contract.model_dump(
            exclude=_MAY_BE_AMENDED
        ) != corrected.model_dump(exclude=_MAY_BE_AMENDED)

    def _resolve(self, resolution: Resolution) -> StepException:
        if resolution.action is Action.AMEND:
            self.state.contract_data = self._corrected(resolution)
            if self.state.stage in _RUNNING:
                self.state.contract = validate(self.state.contract_data)
            else:
                self.state.amended = True
        parked = self._case.steps.resolve(resolution)
        if resolution.action is Action.CANCEL:
            self._take_cancel(CancelRequest(by=resolution.by, reason=resolution.reason))
        self._case.publish()
        return parked

    def _outcome(self) -> ContractOutcome:
        return ContractOutcome(
            contract_id=self.state.contract_id,
            stage=self.state.stage,
            ending=self.state.ending,
            money=money_table(self.state),
        )

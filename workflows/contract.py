"""One signed contract, from signature to close-out.

    received -> validating -> provisioning -> active -> closing -> closed
        |           |              |            |
        |___________|______________|____________|--> cancelled   (nothing billed yet)

Every step that fails for a reason a person must mend parks and resumes. Each reached milestone
becomes a proposal with a ReceivableWorkflow of its own, which reports back by Signal. The CRM is
told of every change by a writer that runs beside the phases and never holds them up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.crm import CrmActivities, DealRequest, StatusRequest
    from activities.failures import FailureDetail
    from activities.odoo_finance import (
        CloseOutRequest,
        ConfirmRequest,
        OdooFinance,
        OrderCancel,
        OrderRequest,
    )
    from activities.odoo_master import (
        CustomerRequest,
        MilestoneRef,
        MilestonesRequest,
        OdooMaster,
        ProjectArchive,
        ProjectRequest,
        ValidateRequest,
    )
    from activities.policies import Policies, PolicyRequest
    from contracts import parking
    from contracts.billing import propose
    from contracts.calendar import BusinessCalendar
    from contracts.crm import ContractStatus
    from contracts.identifiers import receivable_workflow_id
    from contracts.model import Contract
    from contracts.parking import Action, Resolution, StepException
    from contracts.receivable import (
        UNBILLED,
        InvoiceReport,
        InvoiceStage,
        ReceivableInput,
        ReceivableState,
    )
    from contracts.state import (
        CancelRequest,
        ContractInput,
        ContractOutcome,
        ContractStage,
        ContractState,
        MilestoneProgress,
        MilestoneReached,
        MilestoneReachedInOdoo,
        money_table,
    )
    from contracts.summary import contract_details, contract_waits
    from contracts.validation import InvalidContract, amended, validate
    from workflows import options, search_attributes
    from workflows.board import Board
    from workflows.receivable import ReceivableWorkflow
    from workflows.steps import Parked, StepCancelled, Steps, has_failed

FILE_SOURCE = "file"
"""A contract given as a file has no CRM to tell."""
_IDENTITY = ("contract_id", "legal_entity", "source")
_MAX_EARLY = 1_000


@workflow.defn
class ContractWorkflow:
    @workflow.init
    def __init__(self, start: ContractInput) -> None:
        self.state = start.state or ContractState(
            contract_id=start.contract_id,
            legal_entity=start.legal_entity,
            source=start.source,
            document=start.document,
            started_at=workflow.now(),
        )
        self.steps = Steps(
            self.state.exceptions,
            self.state.journal,
            changed=self._publish,
            cancelled=lambda: self.state.cancel is not None,
        )
        self._board = Board()
        self._ended = False

    @workflow.run
    async def run(self, start: ContractInput) -> ContractOutcome:
        """Run the phases; a cancellation from Temporal's side becomes a cancel request."""
        phases = asyncio.create_task(self._phases())
        while True:
            try:
                return await asyncio.shield(phases)
            except asyncio.CancelledError:
                if phases.done():
                    raise
                request = CancelRequest(by="temporal", reason="the workflow was cancelled")
                self._take_cancel_signal(request)

    async def _phases(self) -> ContractOutcome:
        writer = asyncio.create_task(self._keep_crm_informed())
        try:
            await self._receive()
            await self._validate()
            await self._provision()
            await self._bill()
            await self._close()
        except StepCancelled:
            await self._compensate()
        self._ended = True
        self.state.closed_at = workflow.now()
        self._publish()
        await writer
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._outcome()

    # --- messages ---------------------------------------------------------------------------

    @workflow.update
    def reach_milestone(self, reached: MilestoneReached) -> ContractOutcome:
        """A milestone was delivered; repeating it changes nothing."""
        self._take_milestone(reached)
        return self._outcome()

    @reach_milestone.validator
    def _check_milestone(self, reached: MilestoneReached) -> None:
        self._refuse(self._milestone_refusal(reached))

    @workflow.signal
    def milestone_reached(self, reached: MilestoneReached) -> None:
        """The same for systems; one that comes before the contract is validated is kept."""
        refusal = self._milestone_refusal(reached)
        if refusal:
            self._note(f"Refused milestone {reached.milestone}: {refusal}")
            self._publish()
        else:
            self._take_milestone(reached)

    @workflow.signal
    def milestone_reached_in_odoo(self, reached: MilestoneReachedInOdoo) -> None:
        """From the sweep: somebody marked the milestone reached in Odoo."""
        for key, milestone_id in self.state.odoo.milestone_ids.items():
            progress = self.state.milestones[key]
            if milestone_id == reached.milestone_id and progress.reached_on is None:
                progress.marked_in_odoo = True
                self._take_milestone(MilestoneReached(milestone=key, by="odoo", on=reached.on))

    @workflow.signal
    def receivable_changed(self, report: InvoiceReport) -> None:
        """From a receivable: how its invoice stands now."""
        before = self.state.invoices.get(report.number)
        self.state.invoices[report.number] = report
        if before is None or before.stage is not report.stage:
            name = report.odoo_number or f"proposal {report.number}"
            self._note(f"{name}: {report.stage}{f' – {report.because}' if report.because else ''}")
        self._publish()

    @workflow.update
    def resolve_exception(self, resolution: Resolution) -> StepException:
        """A person's word on a parked step."""
        return self._resolve(resolution)

    @resolve_exception.validator
    def _check_resolution(self, resolution: Resolution) -> None:
        self._refuse(self._resolution_refusal(resolution))

    @workflow.signal
    def exception_resolved(self, resolution: Resolution) -> None:
        """The same for systems; a refusal is noted in the journal."""
        refusal = self._resolution_refusal(resolution)
        if refusal:
            self._note(f"Refused a resolution of {resolution.by}: {refusal}")
            self._publish()
        else:
            self._resolve(resolution)

    @workflow.update
    def request_cancel(self, request: CancelRequest) -> ContractOutcome:
        """Cancel before anything is billed; what was provisioned is taken back."""
        self._take_cancel(request)
        return self._outcome()

    @request_cancel.validator
    def _check_cancel(self, request: CancelRequest) -> None:
        self._refuse(self._cancel_refusal())

    @workflow.signal
    def cancel_requested(self, request: CancelRequest) -> None:
        """The same for systems; a refusal is noted in the journal."""
        self._take_cancel_signal(request)

    @workflow.query
    def contract(self) -> ContractState:
        """Everything the workflow knows."""
        return self.state

    # --- received, validating ---------------------------------------------------------------

    async def _receive(self) -> None:
        """Read the deal, unless the contract came as a document."""
        state = self.state
        self._publish()
        if state.stage is not ContractStage.RECEIVED:
            return
        if not state.document:
            deal = await self.steps.run(
                parking.READ_DEAL,
                lambda: workflow.execute_activity_method(
                    CrmActivities.read_deal,
                    DealRequest(source=state.source),
                    **options.crm(f"read deal {state.source.id} from {state.source.system}"),
                ),
            )
            if deal is not None:
                state.document = deal.document
        state.document = {
            **state.document,
            "contract_id": state.contract_id,
            "legal_entity": state.legal_entity,
            "source": state.source.model_dump(mode="json"),
        }
        self._enter(ContractStage.VALIDATING)

    async def _validate(self) -> None:
        if self.state.stage is ContractStage.VALIDATING:
            await self.steps.run(parking.VALIDATE, self._accepted)
            self._keep_early_milestones()
            self._enter(ContractStage.PROVISIONING)

    async def _accepted(self) -> Contract:
        """The validated contract; validates the document anew after every amendment."""
        state = self.state
        if state.contract is not None and not state.amended:
            return state.contract
        policy = await workflow.execute_local_activity_method(
            Policies.entity_policy,
            PolicyRequest(legal_entity=state.legal_entity, today=workflow.now().date()),
            **options.local("load the legal entity's rules"),
        )
        validation = await workflow.execute_activity_method(
            OdooMaster.validate_contract,
            ValidateRequest(
                document=state.document,
                odoo_company=policy.odoo_company,
                payment_term=policy.payment_term,
            ),
            **options.odoo_master("validate the contract"),
        )
        if validation.contract is None:
            first = validation.problems[0]
            count = len(validation.problems)
            raise Parked(
                FailureDetail(
                    code=first.code if count == 1 else "contract_invalid",
                    message=f"{count} problem(s); the first: {first}",
                    field=first.field,
                    value=first.value,
                    problems=validation.problems,
                )
            )
        state.contract, state.amended = validation.contract, False
        state.odoo.company_id = validation.company_id
        state.time_zone = policy.calendar.time_zone
        state.milestones = {
            item.key: state.milestones.get(item.key, MilestoneProgress())
            for item in state.contract.milestones
        }
        return state.contract

    # --- provisioning -----------------------------------------------------------------------

    async def _provision(self) -> None:
        """Customer, project, order, milestones, tasks; then the order is confirmed."""
        if self.state.stage is not ContractStage.PROVISIONING:
            return
        await self.steps.run(parking.CUSTOMER, self._ensure_customer)
        await self.steps.run(parking.PROJECT, self._create_project)
        await self.steps.run(parking.ORDER, self._create_order)
        await self.steps.run(parking.MILESTONES, self._create_milestones)
        await self.steps.run(parking.TASKS, self._create_tasks)
        await self.steps.run(parking.CONFIRM, self._confirm_order)
        self._enter(ContractStage.ACTIVE)

    # Each of these does nothing where the state says it is done: a run that continues after a
    # continue-as-new goes through them again.

    async def _ensure_customer(self) -> None:
        odoo, contract = self.state.odoo, await self._accepted()
        if odoo.partner_id is None:
            ref = await workflow.execute_activity_method(
                OdooMaster.ensure_customer,
                CustomerRequest(customer=contract.customer, source=self.state.source),
                **options.odoo_master(f"customer {contract.customer.name}"),
            )
            odoo.partner_id = ref.partner_id

    async def _create_project(self) -> None:
        odoo, contract = self.state.odoo, await self._accepted()
        if odoo.project_id is None:
            ref = await workflow.execute_activity_method(
                OdooMaster.create_project,
                ProjectRequest(
                    contract=contract,
                    company_id=_known(odoo.company_id),
                    partner_id=_known(odoo.partner_id),
                ),
                **options.odoo_master(f"project {contract.title}"),
            )
            odoo.project_id, odoo.project_name = ref.project_id, ref.name

    async def _create_order(self) -> None:
        odoo, contract = self.state.odoo, await self._accepted()
        if odoo.order_id is None:
            ref = await workflow.execute_activity_method(
                OdooFinance.create_order,
                OrderRequest(
                    contract=contract,
                    company_id=_known(odoo.company_id),
                    partner_id=_known(odoo.partner_id),
                    project_id=_known(odoo.project_id),
                ),
                **options.odoo_finance(f"order of {contract.value}"),
            )
            odoo.order_id, odoo.order_name = ref.order_id, ref.name

    async def _create_milestones(self) -> None:
        odoo, contract = self.state.odoo, await self._accepted()
        if not odoo.milestone_ids:
            refs = await workflow.execute_activity_method(
                OdooMaster.create_milestones,
                MilestonesRequest(contract=contract, project_id=_known(odoo.project_id)),
                **options.odoo_master(f"{len(contract.milestones)} milestones"),
            )
            odoo.milestone_ids = refs.ids

    async def _create_tasks(self) -> None:
        odoo, contract = self.state.odoo, await self._accepted()
        if not odoo.tasks_created:
            await workflow.execute_activity_method(
                OdooMaster.create_tasks,
                MilestonesRequest(contract=contract, project_id=_known(odoo.project_id)),
                **options.odoo_master(f"{len(contract.milestones)} tasks"),
            )
            odoo.tasks_created = True

    async def _confirm_order(self) -> None:
        odoo, contract = self.state.odoo, await self._accepted()
        if not odoo.order_confirmed:
            await workflow.execute_activity_method(
                OdooFinance.confirm_order,
                ConfirmRequest(order_id=_known(odoo.order_id), value=contract.value),
                **options.odoo_finance(f"confirm {odoo.order_name}"),
            )
            odoo.order_confirmed = True

    # --- active -----------------------------------------------------------------------------

    async def _bill(self) -> None:
        """Bill each milestone as it is reached, beside each other, until all are invoiced."""
        if self.state.stage is not ContractStage.ACTIVE:
            return
        jobs: dict[str, asyncio.Task[None]] = {}

        def waiting() -> list[str]:
            reached = (k for k, item in self.state.milestones.items() if item.reached_on)
            return [key for key in reached if key not in jobs]

        while not self._all_billed():
            for key in waiting():
                jobs[key] = asyncio.create_task(self._bill_milestone(key))
            await self._rest(
                lambda: (
                    self._all_billed()
                    or bool(waiting())
                    or self.state.cancel is not None
                    or any(has_failed(job) for job in jobs.values())
                )
            )
            for job in jobs.values():
                if has_failed(job):
                    job.result()
            if self.state.cancel is not None:
                await asyncio.gather(*jobs.values())
                raise StepCancelled
        self._enter(ContractStage.CLOSING)

    async def _bill_milestone(self, key: str) -> None:
        """Mark it reached in Odoo, propose its invoice, and again if a person rejected that."""
        progress = self.state.milestones[key]
        try:
            if not progress.marked_in_odoo:
                name = f"{parking.MARK_REACHED.name}:{key}"
                await self.steps.run(parking.MARK_REACHED, lambda: self._mark(key), name=name)
                progress.marked_in_odoo = True
            while True:
                if progress.proposal is None:
                    await self._start_receivable(key, progress)
                number = _known(progress.proposal)
                if await self._became_billed(number):
                    return
                await self._have_rejection_mended(key, number)
                progress.proposal = None
        except StepCancelled:
            return

    async def _mark(self, key: str) -> None:
        await workflow.execute_activity_method(
            OdooMaster.mark_milestone_reached,
            MilestoneRef(
                legal_entity=self.state.legal_entity,
                contract_id=self.state.contract_id,
                milestone=key,
            ),
            **options.odoo_master(f"milestone {key} reached"),
        )

    async def _have_rejection_mended(self, key: str, number: int) -> None:
        """A rejected proposal waits for a person to propose again, amended or as it was."""
        because = self.state.invoices[number].because
        detail = FailureDetail(
            code="proposal_rejected", message=f"proposal {number} was rejected by {because}"
        )
        await self.steps.ask(parking.PROPOSAL, detail, name=f"{parking.PROPOSAL.name}:{key}")

    async def _became_billed(self, number: int) -> bool:
        """Wait for the proposal's fate: a posted invoice (true) or a rejection."""
        await workflow.wait_condition(lambda: self._is_billed(number) or self._is_rejected(number))
        return self._is_billed(number)

    def _is_rejected(self, number: int) -> bool:
        return self.state.invoices[number].stage in UNBILLED

    def _is_billed(self, number: int | None) -> bool:
        """Whether that proposal is a posted invoice."""
        return number is not None and self.state.invoices[number].total is not None

    def _all_billed(self) -> bool:
        return all(self._is_billed(item.proposal) for item in self.state.milestones.values())

    async def _start_receivable(self, key: str, progress: MilestoneProgress) -> None:
        contract = await self._accepted()
        if self.state.cancel is not None:
            raise StepCancelled
        milestone = contract.milestone(key)
        if milestone is None:
            raise RuntimeError(f"milestone {key} is not in the contract")
        number = len(self.state.invoices) + 1
        today = BusinessCalendar(time_zone=self.state.time_zone).today(workflow.now())
        proposal = propose(contract, contract.customer, milestone, number, today)
        odoo = self.state.odoo
        receivable = ReceivableState(
            contract_workflow_id=workflow.info().workflow_id,
            company_id=_known(odoo.company_id),
            order_id=_known(odoo.order_id),
            partner_id=_known(odoo.partner_id),
            requested_by=contract.requested_by,
            proposal=proposal,
        )
        progress.proposal = number
        self.state.invoices[number] = InvoiceReport(
            number=number,
            stage=InvoiceStage.PROPOSED,
            amount=proposal.amount,
            milestones=(key,),
            content_hash=proposal.content_hash,
        )
        with self.steps.busy():
            await workflow.start_child_workflow(
                ReceivableWorkflow.run,
                ReceivableInput(state=receivable),
                id=receivable_workflow_id(workflow.info().workflow_id, number),
                # The invoice outlives this run: children do not follow a continue-as-new.
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                static_summary=f"{proposal.customer_name}: {milestone.name}, {proposal.amount}",
            )
        self._publish()

    # --- closing ----------------------------------------------------------------------------

    async def _close(self) -> None:
        """Wait until every invoice is settled, check the figures in Odoo, archive the project."""
        if self.state.stage is not ContractStage.CLOSING:
            return
        while not self._all_settled():
            await self._rest(self._all_settled)
        await self.steps.run(parking.CLOSE_OUT, self._checked_close_out)
        await self._archive_project()
        self._enter(ContractStage.CLOSED)

    def _all_settled(self) -> bool:
        return all(
            item.stage is InvoiceStage.SETTLED or item.stage in UNBILLED
            for item in self.state.invoices.values()
        )

    async def _checked_close_out(self) -> None:
        contract = await self._accepted()
        request = CloseOutRequest(order_id=_known(self.state.odoo.order_id), value=contract.value)
        result = await workflow.execute_activity_method(
            OdooFinance.check_close_out,
            request,
            **options.odoo_finance(f"close-out of {contract.value}"),
        )
        if result.differences:
            message = "; ".join(result.differences)
            raise Parked(FailureDetail(code="close_out_differs", message=message))

    async def _archive_project(self) -> None:
        odoo = self.state.odoo
        if odoo.project_id is None:
            return
        request = ProjectArchive(project_id=odoo.project_id)
        await self.steps.run(
            parking.ARCHIVE_PROJECT,
            lambda: workflow.execute_activity_method(
                OdooMaster.archive_project,
                request,
                **options.odoo_master(f"archive project {odoo.project_name}"),
            ),
        )

    # --- cancellation -----------------------------------------------------------------------

    async def _compensate(self) -> None:
        """Take back what was provisioned, in reverse order."""
        odoo = self.state.odoo
        if odoo.order_id is not None:
            request = OrderCancel(order_id=odoo.order_id)
            await self.steps.run(
                parking.CANCEL_ORDER,
                lambda: workflow.execute_activity_method(
                    OdooFinance.cancel_order,
                    request,
                    **options.odoo_finance(f"cancel {odoo.order_name}"),
                ),
            )
        await self._archive_project()
        self._enter(ContractStage.CANCELLED)

    def _cancel_refusal(self) -> str | None:
        if self.state.stage in (
            ContractStage.CLOSING,
            ContractStage.CLOSED,
            ContractStage.CANCELLED,
        ):
            return f"the contract is {self.state.stage}"
        billed = [item for item in self.state.invoices.values() if item.stage not in UNBILLED]
        if billed:
            names = ", ".join(f"{item.number} ({item.stage})" for item in billed)
            return f"something is billed or about to be: invoice {names}; reject a proposal first"
        return None

    def _take_cancel(self, request: CancelRequest) -> None:
        if self.state.cancel is None:
            self.state.cancel = request
            self._note(
                f"Cancelled by {request.by}{f': {request.reason}' if request.reason else ''}"
            )
            self._publish()

    def _take_cancel_signal(self, request: CancelRequest) -> None:
        refusal = self._cancel_refusal()
        if refusal:
            self._note(f"Refused to cancel for {request.by}: {refusal}")
            self._publish()
        else:
            self._take_cancel(request)

    # --- milestones and parked steps --------------------------------------------------------

    def _milestone_refusal(self, reached: MilestoneReached) -> str | None:
        state = self.state
        if state.stage in (ContractStage.CLOSED, ContractStage.CANCELLED):
            return f"the contract is {state.stage}"
        if state.cancel is not None:
            return "the contract is being cancelled"
        if state.contract is None:
            return None if len(state.early) < _MAX_EARLY else "too many early messages"
        if reached.milestone not in state.milestones:
            return f"the contract has no such milestone; it has: {', '.join(state.milestones)}"
        return None

    def _take_milestone(self, reached: MilestoneReached) -> None:
        if self.state.contract is None:
            self.state.early.append(reached)
            return
        progress = self.state.milestones[reached.milestone]
        if progress.reached_on is None:
            today = BusinessCalendar(time_zone=self.state.time_zone).today(workflow.now())
            progress.reached_on = reached.on or today
            progress.reached_by = reached.by
            by = f" by {reached.by}" if reached.by else ""
            self._note(f"Milestone {reached.milestone} reached{by}")
            self._publish()

    def _keep_early_milestones(self) -> None:
        """Take the milestones that were reported before the contract was validated."""
        early, self.state.early = self.state.early, []
        for reached in early:
            refusal = self._milestone_refusal(reached)
            if refusal:
                self._note(f"Refused milestone {reached.milestone}: {refusal}")
            else:
                self._take_milestone(reached)

    def _resolution_refusal(self, resolution: Resolution) -> str | None:
        refusal = parking.refusal(self.state.exceptions, resolution)
        if refusal is None and resolution.action is Action.AMEND:
            fixed = [path for path in resolution.changes if path.split(".")[0] in _IDENTITY]
            if fixed:
                return f"{', '.join(fixed)} cannot be amended: the contract's workflow is named so"
            try:
                contract = validate(amended(self.state.document, resolution.changes))
            except InvalidContract as invalid:
                return str(invalid)
            if self.state.odoo.order_id is not None and self._changes_order(contract):
                return "the order exists: its amounts and milestones change by a change order only"
        if refusal is None and resolution.action is Action.CANCEL:
            return self._cancel_refusal()
        return refusal

    def _changes_order(self, amended_contract: Contract) -> bool:
        contract = self.state.contract
        return contract is not None and (
            contract.milestones != amended_contract.milestones
            or contract.services != amended_contract.services
        )

    def _resolve(self, resolution: Resolution) -> StepException:
        if resolution.action is Action.AMEND:
            self.state.document = amended(self.state.document, resolution.changes)
            self.state.amended = True
        parked = self.steps.resolve(resolution)
        if resolution.action is Action.CANCEL:
            self._take_cancel(CancelRequest(by=resolution.by, reason=resolution.reason))
        self._publish()
        return parked

    # --- CRM --------------------------------------------------------------------------------

    async def _keep_crm_informed(self) -> None:
        """Write the status to the CRM whenever it changed; beside the phases, never before them."""
        if self.state.source.system == FILE_SOURCE:
            return
        while True:
            await workflow.wait_condition(
                lambda: self._ended or self._status() != self.state.crm_written
            )
            status = self._status()
            if status == self.state.crm_written:
                return
            if not await self.steps.run(parking.WRITE_BACK, self._write_status):
                # Skipped: this status is not written; the next one is tried again.
                self.state.crm_written = self._status()

    async def _write_status(self) -> bool:
        status = self._status()
        await workflow.execute_activity_method(
            CrmActivities.write_status,
            StatusRequest(source=self.state.source, status=status),
            **options.crm(f"tell the CRM: {status.stage}"),
        )
        self.state.crm_written = status
        return True

    def _status(self) -> ContractStatus:
        money = money_table(self.state)
        return ContractStatus(
            deal_id=self.state.source.id,
            stage=str(self.state.stage),
            project_reference=self.state.odoo.project_name,
            waiting_on=contract_waits(self.state)[0] or "",
            invoiced=money.invoiced if money else None,
            paid=money.paid if money else None,
            overdue=money.overdue if money else None,
        )

    # --- shared -----------------------------------------------------------------------------

    async def _rest(self, until: Callable[[], bool]) -> None:
        """A quiet point: wait; where the history has grown long, continue as new meanwhile.

        May return before the condition holds (a step began just then): callers look again.
        """

        def must_continue() -> bool:
            return workflow.info().is_continue_as_new_suggested() and self.steps.at_rest

        await workflow.wait_condition(lambda: until() or must_continue())
        if not until():
            await workflow.wait_condition(workflow.all_handlers_finished)
        if not until() and self.steps.at_rest:
            workflow.continue_as_new(
                ContractInput(
                    contract_id=self.state.contract_id,
                    legal_entity=self.state.legal_entity,
                    source=self.state.source,
                    state=self.state,
                )
            )

    def _refuse(self, refusal: str | None) -> None:
        if refusal:
            raise ApplicationError(refusal, type="refused", non_retryable=True)

    def _note(self, text: str) -> None:
        self.state.journal.note(workflow.now(), text)

    def _enter(self, stage: ContractStage) -> None:
        self.state.stage = stage
        self._note(f"Stage: {stage}")
        self._publish()

    def _outcome(self) -> ContractOutcome:
        return ContractOutcome(
            contract_id=self.state.contract_id,
            stage=self.state.stage,
            money=money_table(self.state),
        )

    def _publish(self) -> None:
        state = self.state
        contract, money = state.contract, money_table(state)
        waiting, _ = contract_waits(state)
        state.waiting.update(waiting, workflow.now(), state.exceptions)
        self._board.show(
            {
                search_attributes.CONTRACT_ID: state.contract_id,
                search_attributes.LEGAL_ENTITY: state.legal_entity,
                search_attributes.CONTRACT_STAGE: str(state.stage),
                search_attributes.CUSTOMER: contract.customer.name if contract else None,
                search_attributes.CURRENCY: contract.currency if contract else None,
                search_attributes.CONTRACT_VALUE: float(contract.value.amount)
                if contract
                else None,
                search_attributes.AMOUNT_DUE: float(money.open.amount) if money else None,
                search_attributes.WAITING_ON: waiting,
                search_attributes.WAITING_SINCE: state.waiting.since,
            },
            contract_details(state),
        )


def _known(value: int | None) -> int:
    """An id an earlier step has set; its absence is a defect of ours."""
    if value is None:
        raise RuntimeError("a provisioning step ran before the one it needs")
    return value

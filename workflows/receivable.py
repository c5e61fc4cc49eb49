"""One invoice, from proposal to cash.

    proposed -> awaiting_approval -> approved -> posted_not_delivered -> open -> paid -> settled
                      |    ^             |                                |  ^     |
                      v    |_ amended ___|              partially_paid, overdue    | payment undone
                   rejected                                  in_payment, credited <-'

A person is waited for by an Update (or a Signal) at approval and wherever a step parks. Payments
arrive by Signal, or from the sweep that reads what changed in Odoo. Dunning is recomputed from the
balance on every event; paid is not terminal until the settlement period has passed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import date, datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from activities.failures import FailureDetail
    from activities.odoo_finance import (
        InvoiceRef,
        InvoiceRequest,
        Notification,
        OdooFinance,
        PaymentRequest,
        PostRequest,
        ReminderRequest,
    )
    from activities.policies import Policies, PolicyRequest
    from contracts import dunning, parking
    from contracts.approvals import HASH_PREFIX, Approval, ApprovalRequirement
    from contracts.billing import InvoiceProposal
    from contracts.dunning import Act, DunningDecision, DunningState
    from contracts.parking import Action, Resolution, StepException
    from contracts.policy import EntityPolicy
    from contracts.receivable import (
        ApprovalDecision,
        Decision,
        InvoiceBalance,
        InvoiceReport,
        InvoiceStage,
        PaymentReceived,
        ReceivableInput,
        ReceivableState,
    )
    from contracts.summary import receivable_details, receivable_waits
    from contracts.validation import InvalidContract, Problem, amended, problems_of, show
    from workflows import options, search_attributes
    from workflows.board import Board
    from workflows.steps import Parked, Steps, has_failed

_MAX_PAYMENTS = 1_000


@workflow.defn
class ReceivableWorkflow:
    @workflow.init
    def __init__(self, start: ReceivableInput) -> None:
        self.state = start.state
        self.steps = Steps(self.state.exceptions, self.state.journal, changed=self._publish)
        self._board = Board()
        self._seen_balance = False
        self._draft_is_stale = False
        self._ended = False

    @workflow.run
    async def run(self, start: ReceivableInput) -> InvoiceReport:
        reporter = asyncio.create_task(self._keep_contract_informed())
        policy = await self._policy()
        while not self.state.issued:
            await self._approval(policy)
            if self.state.stage is InvoiceStage.REJECTED:
                break
            await self._issue(policy)
        else:
            await self._collect(policy)
        self._ended = True
        self._publish()
        await reporter
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._report()

    # --- messages ---------------------------------------------------------------------------

    @workflow.update
    def decide_approval(self, decision: ApprovalDecision) -> InvoiceReport:
        """Approve or reject the proposal; refused at once if it names other content."""
        self._decide(decision)
        return self._report()

    @decide_approval.validator
    def _check_decision(self, decision: ApprovalDecision) -> None:
        refusal = self._decision_refusal(decision)
        if refusal:
            raise ApplicationError(refusal, type="refused", non_retryable=True)

    @workflow.signal
    def approval_decided(self, decision: ApprovalDecision) -> None:
        """The same for systems; a refusal is noted in the journal."""
        refusal = self._decision_refusal(decision)
        if refusal:
            self._note(f"Refused a decision of {decision.by}: {refusal}")
            self._publish()
        else:
            self._decide(decision)

    @workflow.update
    def record_payment(self, payment: PaymentReceived) -> InvoiceReport:
        """A payment known outside Odoo: it is registered there once, by its reference."""
        self._take_payment(payment)
        return self._report()

    @record_payment.validator
    def _check_payment(self, payment: PaymentReceived) -> None:
        refusal = self._payment_refusal(payment)
        if refusal:
            raise ApplicationError(refusal, type="refused", non_retryable=True)

    @workflow.signal
    def payment_received(self, payment: PaymentReceived) -> None:
        """The same for systems; a refusal is noted in the journal."""
        refusal = self._payment_refusal(payment)
        if refusal:
            self._note(f"Refused payment {payment.reference}: {refusal}")
            self._publish()
        else:
            self._take_payment(payment)

    @workflow.signal
    def balance_changed(self, balance: InvoiceBalance) -> None:
        """From the sweep: the invoice changed in Odoo. Older news than we have is ignored."""
        if balance.invoice_id == self.state.invoice_id:
            self._take_balance(balance)

    @workflow.update
    def resolve_exception(self, resolution: Resolution) -> StepException:
        """A person's word on a parked step."""
        return self._resolve(resolution)

    @resolve_exception.validator
    def _check_resolution(self, resolution: Resolution) -> None:
        refusal = self._resolution_refusal(resolution)
        if refusal:
            raise ApplicationError(refusal, type="refused", non_retryable=True)

    @workflow.signal
    def exception_resolved(self, resolution: Resolution) -> None:
        """The same for systems; a refusal is noted in the journal."""
        refusal = self._resolution_refusal(resolution)
        if refusal:
            self._note(f"Refused a resolution of {resolution.by}: {refusal}")
            self._publish()
        else:
            self._resolve(resolution)

    @workflow.query
    def receivable(self) -> ReceivableState:
        """Everything the workflow knows."""
        return self.state

    # --- approval ---------------------------------------------------------------------------

    async def _policy(self) -> EntityPolicy:
        """The rules that were in force when the proposal was made, frozen from then on."""
        request = PolicyRequest(
            legal_entity=self.state.proposal.legal_entity, today=workflow.now().date()
        )
        while self.state.policy is None:
            self.state.policy = await self.steps.run(
                parking.POLICY,
                lambda: workflow.execute_local_activity_method(
                    Policies.entity_policy, request, **options.local("load the approval policy")
                ),
            )
        return self.state.policy

    async def _approval(self, policy: EntityPolicy) -> None:
        """Wait until enough people approved this very content, or somebody rejected it."""
        state = self.state
        requirement = state.requirement
        if requirement is None:
            requirement = ApprovalRequirement.of(
                policy.approval,
                policy.calendar,
                state.proposal.amount,
                state.requested_by,
                self._today(policy),
            )
            state.requirement = requirement
            self._note(f"Proposed {state.proposal.amount} for approval")
        if not requirement.is_met(state.approvals):
            self._enter(InvoiceStage.AWAITING_APPROVAL)

        def decided() -> bool:
            return bool(state.rejected_because) or requirement.is_met(state.approvals)

        while not decided():
            await self._rest(decided, self._next_reminder(policy, requirement), "remind approvers")
            if not decided():
                await self._chase_approvers(policy, requirement)
        state.next_action_at = None
        self._enter(InvoiceStage.REJECTED if state.rejected_because else InvoiceStage.APPROVED)

    def _next_reminder(
        self, policy: EntityPolicy, requirement: ApprovalRequirement
    ) -> datetime | None:
        if not self.state.reminded:
            return policy.calendar.opening(requirement.remind_on)
        if not self.state.escalated:
            return policy.calendar.opening(requirement.escalate_on)
        return None

    async def _chase_approvers(
        self, policy: EntityPolicy, requirement: ApprovalRequirement
    ) -> None:
        """Remind the approvers; later let the escalation group decide as well, and tell it."""
        state, today = self.state, self._today(policy)
        if not state.escalated and today >= requirement.escalate_on:
            state.escalated = state.reminded = True
            await self._notify("Escalated", (*requirement.approvers, *requirement.escalate_to))
        elif not state.reminded and today >= requirement.remind_on:
            state.reminded = True
            await self._notify("Reminder", requirement.approvers)

    async def _notify(self, what: str, people: tuple[str, ...]) -> None:
        state = self.state
        proposal = state.proposal
        key = f"{workflow.info().workflow_id} {proposal.content_hash[:HASH_PREFIX]}"
        self._note(f"{what}: approval of {proposal.amount} still open")
        self._publish()
        request = Notification(
            order_id=state.order_id,
            people=people,
            subject=f"{what}: invoice of {proposal.amount} awaits approval ({key})",
            text=f"{proposal.customer_name}, {proposal.amount} without tax, "
            f"proposed on {proposal.proposed_on}. To approve: c2c approvals approve",
        )
        await self.steps.run(
            parking.NOTIFY,
            lambda: workflow.execute_activity_method(
                OdooFinance.notify, request, **options.odoo_finance(f"{what} to approvers")
            ),
            obsolete=lambda: bool(state.rejected_because) or bool(state.approvals),
        )

    def _decision_refusal(self, decision: ApprovalDecision) -> str | None:
        state = self.state
        if state.stage not in (InvoiceStage.PROPOSED, InvoiceStage.AWAITING_APPROVAL):
            return f"nothing is to be decided: the invoice is {state.stage}"
        if state.requirement is None:
            return "the proposal is still being prepared; try again in a moment"
        refusal = state.requirement.refusal(decision.by, state.escalated)
        if refusal:
            return refusal
        if decision.decision is Decision.REJECT:
            return None if decision.comment.strip() else "a rejection needs a comment that says why"
        proposal = state.proposal
        named = decision.content_hash.strip().lower()
        if len(named) < HASH_PREFIX or not proposal.content_hash.startswith(named):
            return (
                f"the approval names content {named or '(none)'}; "
                f"the proposal is {proposal.content_hash[:HASH_PREFIX]}"
            )
        if decision.amount != proposal.amount:
            stated = decision.amount or "(none)"
            return f"the approval names {stated}; the proposal is {proposal.amount}"
        return None

    def _decide(self, decision: ApprovalDecision) -> None:
        state = self.state
        if decision.decision is Decision.REJECT:
            state.rejected_because = f"{decision.by}: {decision.comment.strip()}"
            self._note(f"Rejected by {state.rejected_because}")
        elif all(item.by != decision.by for item in state.approvals):
            approval = Approval(
                by=decision.by,
                content_hash=state.proposal.content_hash,
                at=workflow.now(),
                comment=decision.comment,
            )
            state.approvals.append(approval)
            self._note(f"Approved by {decision.by}")
        self._publish()

    # --- issue ------------------------------------------------------------------------------

    async def _issue(self, policy: EntityPolicy) -> None:
        """Create and post the invoice; returns unposted if the content changed on the way."""
        state = self.state
        draft = await self.steps.run(
            parking.CREATE_INVOICE,
            lambda: workflow.execute_activity_method(
                OdooFinance.create_invoice,
                InvoiceRequest(
                    proposal=self._approved_content(),
                    company_id=state.company_id,
                    partner_id=state.partner_id,
                    invoice_on=state.invoice_on or self._today(policy),
                ),
                **options.odoo_finance(f"create invoice of {state.proposal.amount}"),
            ),
            obsolete=self._approval_is_void,
        )
        if draft is None:
            return
        state.invoice_id = draft.invoice_id
        self._draft_is_stale = False
        balance = await self.steps.run(
            parking.POST_INVOICE,
            lambda: workflow.execute_activity_method(
                OdooFinance.post_invoice,
                PostRequest(
                    invoice_id=draft.invoice_id,
                    legal_entity=state.proposal.legal_entity,
                    amount=self._approved_content().amount,
                    proposed_on=state.proposal.proposed_on,
                ),
                **options.odoo_finance(f"post invoice of {state.proposal.amount}"),
            ),
            # An amended date must reach the draft before it is posted.
            obsolete=lambda: self._approval_is_void() or self._draft_is_stale,
        )
        if balance is None:
            return
        state.issued = True
        self._note(f"Posted {balance.number}: {balance.total} with tax, due {balance.due_on}")
        self._take_balance(balance)
        self._enter(InvoiceStage.POSTED_NOT_DELIVERED)

    def _approval_is_void(self) -> bool:
        requirement = self.state.requirement
        return requirement is None or not requirement.is_met(self.state.approvals)

    def _approved_content(self) -> InvoiceProposal:
        """The proposal, checked once more right before use against what was approved."""
        proposal = self.state.proposal
        if any(item.content_hash != proposal.content_hash for item in self.state.approvals):
            detail = FailureDetail(
                code="approval_outdated",
                message="the proposal is no longer what was approved; it needs approval again",
            )
            raise Parked(detail)
        return proposal

    @property
    def _posted(self) -> bool:
        return self.state.balance is not None and self.state.balance.posted

    # --- collection -------------------------------------------------------------------------

    async def _collect(self, policy: EntityPolicy) -> None:
        """From a posted invoice until it has stayed clear for the settlement period."""
        delivery = asyncio.create_task(self._deliver())
        while self.state.stage is not InvoiceStage.SETTLED:
            self._seen_balance = True
            if has_failed(delivery):
                delivery.result()
            if not self._posted:
                await self._have_reposted()
            elif self.state.payments:
                await self._register_payment()
            elif self._balance.is_clear:
                await self._settle(policy)
            else:
                await self._dun(policy)
        await delivery

    async def _deliver(self) -> None:
        """Send the invoice; while that is parked, payments are taken but nobody is dunned."""
        state = self.state
        if state.delivered:
            return
        ref = InvoiceRef(invoice_id=self._balance.invoice_id)
        sent = await self.steps.run(
            parking.DELIVER,
            lambda: workflow.execute_activity_method(
                OdooFinance.send_invoice,
                ref,
                **options.odoo_finance(f"send {self._balance.number} by e-mail"),
            ),
        )
        state.delivered = True
        self._note("Delivered by e-mail" if sent else "Delivery skipped")
        self._seen_balance = False
        self._enter(self._collection_stage())

    async def _have_reposted(self) -> None:
        """Somebody cancelled the posted invoice in Odoo or reset it: wait until it is posted."""

        async def read() -> InvoiceBalance:
            ref = InvoiceRef(invoice_id=self._balance.invoice_id)
            balance = await workflow.execute_activity_method(
                OdooFinance.read_balance, ref, **options.odoo_finance("read the balance")
            )
            if not balance.posted:
                message = "the invoice was cancelled or reset to draft in Odoo; post it again there"
                raise Parked(FailureDetail(code="invoice_not_posted", message=message))
            return balance

        balance = await self.steps.run(parking.BALANCE, read, obsolete=lambda: self._posted)
        if balance is not None:
            self._take_balance(balance)

    async def _register_payment(self) -> None:
        state = self.state
        payment = state.payments[0]
        balance = await self.steps.run(
            parking.REGISTER_PAYMENT,
            lambda: workflow.execute_activity_method(
                OdooFinance.register_payment,
                PaymentRequest(invoice_id=self._balance.invoice_id, payment=payment),
                **options.odoo_finance(f"register payment {payment.reference}"),
            ),
            name=f"{parking.REGISTER_PAYMENT.name}:{payment.reference}",
        )
        state.payments.pop(0)
        if balance is not None:
            self._take_balance(balance)

    async def _settle(self, policy: EntityPolicy) -> None:
        """Paid or credited: reminders are off; the invoice is watched until it is settled."""
        state = self.state
        state.dunning = DunningState()
        if state.settles_at is None:
            days = timedelta(days=policy.dunning.settlement_days)
            state.settles_at = workflow.now() + days
            self._note(f"Clear: {self._balance.paid} paid, {self._balance.credited} credited")
        state.next_action_at = state.settles_at
        self._enter(self._collection_stage())
        deadline = state.settles_at if state.delivered else None
        await self._rest(self._something_happened, deadline, "settlement period")
        if workflow.now() >= state.settles_at and self._balance.is_clear and state.delivered:
            state.next_action_at = None
            self._enter(InvoiceStage.SETTLED)

    async def _dun(self, policy: EntityPolicy) -> None:
        """Wait for money until the next reminder is due, then send it."""
        state = self.state
        if state.settles_at is not None:
            state.settles_at = None
            self._note(f"Reopened: {self._balance.residual} is owed again")
        decision = self._dunning_decision(policy)
        state.reminders_exhausted = decision.act is Act.EXHAUSTED
        wake = policy.calendar.opening(decision.next_on) if decision.next_on else None
        state.next_action_at = wake
        if decision.act is Act.WAIT and wake is not None:
            wake = min(wake, self._falls_overdue_at(policy) or wake)
        self._enter(self._collection_stage())
        if decision.act is not Act.SEND or (wake is not None and workflow.now() < wake):
            await self._rest(
                self._something_happened, wake, f"reminder {state.dunning.level + 1} due"
            )
            return
        balance = await self._read_balance()
        if balance is None or self._dunning_decision(policy).act is not Act.SEND:
            return
        await self._remind(policy, decision.level)

    def _dunning_decision(self, policy: EntityPolicy) -> DunningDecision:
        """What to do now; money on its way and an undelivered invoice pause dunning."""
        state, balance = self.state, self._balance
        if not state.delivered or balance.in_payment or balance.cancelled:
            return DunningDecision(act=Act.WAIT, level=state.dunning.level)
        return dunning.decide(
            policy.dunning,
            policy.calendar,
            residual=balance.residual,
            due_on=balance.due_on or state.proposal.proposed_on,
            sent=state.dunning,
            today=self._today(policy),
        )

    def _falls_overdue_at(self, policy: EntityPolicy) -> datetime | None:
        """When an invoice that is not late yet becomes so: shown at once, reminded later."""
        due_on = self._balance.due_on
        if due_on is None or self._today(policy) > due_on:
            return None
        return policy.calendar.opening(due_on + timedelta(days=1))

    async def _read_balance(self) -> InvoiceBalance | None:
        """Read the balance anew, right before a reminder: payments may have come meanwhile."""
        ref = InvoiceRef(invoice_id=self._balance.invoice_id)
        balance = await self.steps.run(
            parking.BALANCE,
            lambda: workflow.execute_activity_method(
                OdooFinance.read_balance,
                ref,
                **options.odoo_finance(f"read the balance of {self._balance.number}"),
            ),
        )
        if balance is not None:
            self._take_balance(balance)
        return balance

    async def _remind(self, policy: EntityPolicy, level: int) -> None:
        state, balance = self.state, self._balance
        step = policy.dunning.steps[level - 1]
        words = {
            "number": balance.number,
            "customer": state.proposal.customer_name,
            "due_on": str(balance.due_on),
            "total": str(balance.total),
            "residual": str(balance.residual),
            "level": str(level),
        }
        request = ReminderRequest(
            invoice_id=balance.invoice_id,
            partner_id=state.partner_id,
            subject=f"{_fill(step.subject, words)} ({balance.number}, {level})",
            text=_fill(step.text, words),
        )
        sent = await self.steps.run(
            parking.REMIND,
            lambda: workflow.execute_activity_method(
                OdooFinance.send_reminder,
                request,
                **options.odoo_finance(f"reminder {level} for {balance.number}"),
            ),
            name=f"{parking.REMIND.name}:{level}",
            obsolete=lambda: self._balance.is_clear,
        )
        if sent is None and self._balance.is_clear:
            return
        state.dunning = DunningState(level=level, sent_on=self._today(policy))
        self._note(f"Reminder {level} {'sent' if sent else 'skipped'}: {balance.residual} open")
        self._publish()

    def _collection_stage(self) -> InvoiceStage:
        """The stage is a function of the balance, delivery and the due date."""
        state, balance = self.state, self._balance
        if balance.is_clear:
            return InvoiceStage.CREDITED if balance.paid.is_zero else InvoiceStage.PAID
        if balance.in_payment:
            return InvoiceStage.IN_PAYMENT
        if not state.delivered:
            return InvoiceStage.POSTED_NOT_DELIVERED
        if self._overdue:
            return InvoiceStage.OVERDUE
        if balance.residual < balance.total:
            return InvoiceStage.PARTIALLY_PAID
        return InvoiceStage.OPEN

    @property
    def _overdue(self) -> bool:
        state, balance = self.state, self.state.balance
        if state.policy is None or balance is None or not balance.posted:
            return False
        late = balance.due_on is not None and self._today(state.policy) > balance.due_on
        return late and balance.residual.amount > state.policy.dunning.tolerance

    @property
    def _balance(self) -> InvoiceBalance:
        if self.state.balance is None:
            raise RuntimeError("the invoice has no balance before it is posted")
        return self.state.balance

    def _take_balance(self, balance: InvoiceBalance) -> None:
        known = self.state.balance
        if known is not None and balance.as_of < known.as_of:
            return
        if known is not None and known.posted and balance.residual != known.residual:
            self._note(f"Open amount {known.residual} -> {balance.residual}")
        if balance.cancelled and not (known and known.cancelled):
            self._note("The invoice was cancelled in Odoo")
        if balance != known:
            self.state.balance = balance
            self._seen_balance = False
            self._publish()

    def _payment_refusal(self, payment: PaymentReceived) -> str | None:
        state = self.state
        if payment.reference in state.payment_references:
            return None
        if not self._posted:
            return f"the invoice is {state.stage}: there is nothing to pay yet"
        if payment.amount.currency != self._balance.total.currency:
            return f"the invoice is in {self._balance.total.currency}, the payment {payment.amount}"
        if not payment.amount.is_positive:
            return f"a payment is above zero, not {payment.amount}"
        if len(state.payment_references) >= _MAX_PAYMENTS:
            return f"at most {_MAX_PAYMENTS} payments are taken for one invoice"
        return None

    def _take_payment(self, payment: PaymentReceived) -> None:
        if payment.reference in self.state.payment_references:
            return
        self.state.payment_references.append(payment.reference)
        self.state.payments.append(payment)
        self._note(f"Payment {payment.reference} of {payment.amount} announced")
        self._seen_balance = False
        self._publish()

    # --- parked steps -----------------------------------------------------------------------

    def _resolution_refusal(self, resolution: Resolution) -> str | None:
        refusal = parking.refusal(self.state.exceptions, resolution)
        if refusal is None and resolution.action is Action.AMEND:
            try:
                self._amended(resolution)
            except InvalidContract as invalid:
                return str(invalid)
        return refusal

    def _resolve(self, resolution: Resolution) -> StepException:
        parked = self.steps.resolve(resolution)
        if resolution.action is Action.AMEND:
            before = self.state.proposal.content_hash
            self.state.proposal, self.state.invoice_on = self._amended(resolution)
            self._draft_is_stale = True
            if self.state.proposal.content_hash != before:
                self.state.approvals.clear()
                self.state.requirement = None
                self.state.reminded = self.state.escalated = False
                self._note("The proposal changed: earlier approvals are void")
        self._publish()
        return parked

    def _amended(self, resolution: Resolution) -> tuple[InvoiceProposal, date | None]:
        """The proposal and invoice date as corrected. Amounts cannot be amended here: they follow
        from the contract. Raises InvalidContract with every problem."""
        changes = dict(resolution.changes)
        stated = changes.pop("invoice_on", None)
        barred = [path for path in changes if not _is_amendable(path)]
        if barred:
            raise InvalidContract(
                [_problem("not_amendable", path, show(changes[path])) for path in barred]
            )
        try:
            invoice_on = date.fromisoformat(stated) if stated else self.state.invoice_on
        except (TypeError, ValueError):
            raise InvalidContract(
                [_problem("date_malformed", "invoice_on", show(stated))]
            ) from None
        document = amended(self.state.proposal.model_dump(mode="json"), changes)
        try:
            return InvoiceProposal.model_validate(document), invoice_on
        except ValidationError as error:
            raise InvalidContract(problems_of(error)) from error

    # --- shared -----------------------------------------------------------------------------

    def _today(self, policy: EntityPolicy) -> date:
        return policy.calendar.today(workflow.now())

    def _note(self, text: str) -> None:
        self.state.journal.note(workflow.now(), text)

    def _enter(self, stage: InvoiceStage) -> None:
        if stage is not self.state.stage:
            self.state.stage = stage
            self._note(f"Stage: {stage}")
        self._publish()

    def _something_happened(self) -> bool:
        return not self._seen_balance

    async def _rest(
        self, until: Callable[[], bool], deadline: datetime | None, summary: str
    ) -> None:
        """A quiet point: wait for the condition or the deadline; continue as new if suggested."""
        if workflow.info().is_continue_as_new_suggested() and self.steps.at_rest:
            await workflow.wait_condition(workflow.all_handlers_finished)
            if self.steps.at_rest and not until():
                workflow.continue_as_new(ReceivableInput(state=self.state))
        timeout = None
        if deadline is not None:
            timeout = max(deadline - workflow.now(), timedelta(0))
            if not timeout:
                return
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(until, timeout=timeout, timeout_summary=summary)

    async def _keep_contract_informed(self) -> None:
        """Signal the contract whenever the report changed; a contract that ended misses nothing."""
        contract = workflow.get_external_workflow_handle(self.state.contract_workflow_id)
        while True:
            await workflow.wait_condition(
                lambda: self._report() != self.state.reported or self._ended
            )
            report = self._report()
            if report == self.state.reported:
                return
            try:
                await contract.signal("receivable_changed", report)
            except FailureError as error:
                self._note(f"The contract could not be told: {error.message}")
            self.state.reported = report

    def _report(self) -> InvoiceReport:
        state, balance = self.state, self.state.balance
        posted = balance if balance is not None and balance.posted else None
        return InvoiceReport(
            number=state.proposal.number,
            stage=state.stage,
            amount=state.proposal.amount,
            milestones=tuple(line.key for line in state.proposal.lines),
            content_hash=state.proposal.content_hash,
            odoo_number=posted.number if posted else "",
            due_on=posted.due_on if posted else None,
            untaxed=posted.untaxed if posted else None,
            total=posted.total if posted else None,
            residual=posted.residual if posted else None,
            credited=posted.credited if posted else None,
            credited_untaxed=posted.credited_untaxed if posted else None,
            dunning_level=state.dunning.level,
            overdue=state.stage is InvoiceStage.OVERDUE,
            because=state.rejected_because,
            exceptions=list(state.exceptions),
        )

    def _publish(self) -> None:
        state, balance = self.state, self.state.balance
        waiting, _ = receivable_waits(state)
        state.waiting.update(waiting, workflow.now(), state.exceptions)
        due = balance.residual if balance and balance.posted else None
        self._board.show(
            {
                search_attributes.CONTRACT_ID: state.proposal.contract_id,
                search_attributes.CUSTOMER: state.proposal.customer_name,
                search_attributes.LEGAL_ENTITY: state.proposal.legal_entity,
                search_attributes.INVOICE_STAGE: str(state.stage),
                search_attributes.WAITING_ON: waiting,
                search_attributes.WAITING_SINCE: state.waiting.since,
                search_attributes.CURRENCY: state.proposal.amount.currency,
                search_attributes.AMOUNT_DUE: float(due.amount) if due else 0.0,
                search_attributes.NEXT_ACTION_AT: state.next_action_at,
                search_attributes.DUNNING_LEVEL: state.dunning.level,
            },
            receivable_details(state),
        )


def _is_amendable(path: str) -> bool:
    """What finance may correct on a proposal; amounts follow from the contract."""
    head, *rest = path.split(".")
    return (head in ("payment_term", "purchase_order", "billing_email") and not rest) or (
        head == "lines" and rest[1:] == ["description"]
    )


def _problem(code: str, field: str, value: str) -> Problem:
    expected = {
        "not_amendable": "invoice_on, payment_term, purchase_order, billing_email or "
        "lines.N.description; amounts follow from the contract",
        "date_malformed": "a date such as 2026-03-31",
    }[code]
    return Problem(code=code, field=field, value=value, expected=expected)


def _fill(template: str, words: dict[str, str]) -> str:
    """Replace {word} by its value; anything else in braces stays as it is."""
    for word, value in words.items():
        template = template.replace(f"{{{word}}}", value)
    return template

"""From what a contract earns to its invoices: the billing of an active contract.

The book says what is to be billed and when; this carries it out. Each billing event has a job of
its own, so that one that waits for a person never holds up another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import date, datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.failures import FailureDetail
    from activities.odoo.chatter import Notification, OdooChatter
    from activities.odoo.expenses import ExpensesRequest
    from activities.odoo.milestones import MilestoneRef, OdooMilestones
    from activities.odoo.orders import DeliveredRequest, OdooOrders
    from activities.odoo.timesheets import TimeRequest
    from contracts import parking
    from contracts.billing.book import (
        BillingEvent,
        Due,
        EventStatus,
        Findings,
        NotPossible,
        Part,
        PeriodBill,
        milestone_event,
        period_event,
    )
    from contracts.billing.charges import total
    from contracts.billing.periods import life
    from contracts.contract.messages import CreditRequest, HoldKind
    from contracts.contract.state import ContractStage, MilestoneProgress, ReadCursor, require_id
    from contracts.identifiers import invoice_workflow_id
    from contracts.invoice.messages import HoldChange
    from contracts.invoice.state import (
        CLEARED,
        UNBILLED,
        InvoiceInput,
        InvoiceReport,
        InvoiceStage,
        InvoiceState,
    )
    from contracts.model import RetainageOnTermination
    from contracts.money import Money
    from contracts.parking import Action, Waiting
    from workflows import options
    from workflows.amending import Amending
    from workflows.case import Case
    from workflows.invoice import InvoiceWorkflow, attributes_to_start
    from workflows.jobs import Jobs
    from workflows.readings import all_expenses, all_time
    from workflows.steps import Parked, StepCancelled

_COLLECT = "collect"
_CREDIT = "credit"
_FOLLOW = "follow"
_DAY = timedelta(days=1)


class Billing:
    """Bills a contract until nothing is left to bill and every invoice is settled."""

    def __init__(
        self,
        case: Case,
        jobs: Jobs,
        amending: Amending,
        take_report: Callable[[InvoiceReport], None],
    ) -> None:
        """`take_report` takes what an invoice reports."""
        self._case = case
        self._take_report = take_report
        self._jobs = jobs
        self._amending = amending
        self._delivering = asyncio.Lock()

    async def run(self) -> None:
        """Bill and collect until the contract is over; raises StepCancelled if it is cancelled."""
        case, state = self._case, self._case.state
        state.book.start(case.contract, case.today)
        if workflow.info().continued_run_id is not None:
            await self._greet_invoices()
        while not self._has_ended or await self._look_again():
            self._jobs.tidy()
            if state.cancel is not None:
                await self._jobs.finish()
                raise StepCancelled
            self._enter_stage()
            step = self._next()
            if step is not None:
                step()
                case.publish()
                continue
            await self._rest()

    async def _rest(self) -> None:
        """Wait for news, or for the calendar: a message may bring an earlier day."""
        wake = self._wake()
        await self._case.run.rest(
            lambda: self._has_news() or self._wake() != wake, wake, "next billing day"
        )

    def _has_news(self) -> bool:
        return (
            self._case.state.cancel is not None
            or self._jobs.any_done
            or self._next() is not None
            or self._has_ended
            or self._stage is not self._case.state.stage
        )

    @property
    def _has_ended(self) -> bool:
        return self._is_over and all(
            item.stage is InvoiceStage.SETTLED or item.stage in UNBILLED
            for item in self._case.state.invoices.values()
        )

    @property
    def _stage(self) -> ContractStage:
        """Billed to the end, it only has to be collected; a credit or a change reopens it."""
        return ContractStage.CLOSING if self._is_over else ContractStage.ACTIVE

    def _enter_stage(self) -> None:
        if self._stage is not self._case.state.stage:
            self._case.enter(self._stage)

    # --- what comes next ----------------------------------------------------------------------

    def _next(self) -> Callable[[], None] | None:
        """The next thing to do now; None if all there is to do is to wait."""
        state, contract = self._case.state, self._case.contract
        for event in state.book.events.values():
            waits = event.status in (EventStatus.READY, EventStatus.PROPOSED)
            if waits and event.key not in self._jobs:
                return self._job(event.key, self._bill, event.key)
        for key, progress in state.milestones.items():
            if progress.under_review and _review(key) not in self._jobs:
                return self._job(_review(key), self._review, key)
            if progress.reached_on and contract.milestone(key) and not self._knows(key):
                return self._reacher(key, progress.reached_on)
        if state.orphaned_invoices and _FOLLOW not in self._jobs:
            return self._job(_FOLLOW, self._give_up)
        if state.credits_asked and _CREDIT not in self._jobs:
            return self._job(_CREDIT, self._credit_asked)
        change = self._amending.next()
        if change is not None:
            return change
        if self._is_held or self._amending.is_behind:
            return None
        if self._due() and _COLLECT not in self._jobs:
            return self._job(_COLLECT, self._collect)
        return self._next_settlement()

    def _next_settlement(self) -> Callable[[], None] | None:
        """Once nothing else is to come: retainage, and what the final settlement brings."""
        case, state = self._case, self._case.state
        contract, book = case.contract, case.state.book
        retainage = contract.retainage
        release_on = retainage.release_on if retainage else None
        if release_on is not None and case.has_come(release_on) and self._releasable:
            return lambda: self._release(f"due on {release_on}")
        if not self._is_settling:
            return None
        forfeits = contract.termination.retainage is RetainageOnTermination.FORFEIT
        if state.terminated and forfeits and book.releasable(contract).is_positive:
            return self._forfeit
        if self._releasable:
            if release_on is None or state.terminated:
                return lambda: self._release("everything is billed")
            return None
        if not (state.final_settlement_done and book.is_settled(contract)):
            return self._finish
        return None

    @property
    def _releasable(self) -> bool:
        """Whether something is held back, or (below zero) more was released than is held."""
        return not self._case.state.book.releasable(self._case.contract).is_zero

    @property
    def _is_settling(self) -> bool:
        """Everything that is planned is billed; only the settlement is left."""
        case = self._case
        book, contract = case.state.book, case.contract
        return (
            self._jobs.none
            and not self._amending.is_behind
            and not book.ready()
            and book.planned(contract).is_zero
            and not book.dues(contract)
            and (self._last_day is None or case.has_come(self._last_day + _DAY))
        )

    @property
    def _last_day(self) -> date | None:
        """The last day of the plans. Until it is over the term may be renewed or ended early, and
        credits may be owed, even if everything is billed in advance."""
        contract = self._case.contract
        ends = (life(contract, plan)[1] for plan in contract.plans)
        return max((day for day in ends if day is not None), default=None)

    @property
    def _is_over(self) -> bool:
        """Nothing is left to bill."""
        case = self._case
        return (
            self._is_settling
            and case.state.final_settlement_done
            and not case.state.book.open_ends(case.contract)
            and case.state.cancel is None
        )

    def _wake(self) -> datetime | None:
        """When the calendar brings the next thing to do."""
        case, contract = self._case, self._case.contract
        days = [due.on for due in case.state.book.dues(contract)[:1]]
        if contract.retainage and contract.retainage.release_on and self._releasable:
            days.append(contract.retainage.release_on)
        days += self._amending.days()
        days += [self._last_day + _DAY] if self._last_day else []
        coming = [case.opening(day) for day in days]
        return min((at for at in coming if at > workflow.now()), default=None)

    def _job(
        self, name: str, work: Callable[..., Coroutine[Any, Any, None]], *arguments: str
    ) -> Callable[[], None]:
        return lambda: self._jobs.start(name, lambda: work(*arguments))

    def _knows(self, milestone: str) -> bool:
        return milestone_event(milestone) in self._case.state.book.events

    def _reacher(self, key: str, on: date) -> Callable[[], None]:
        def reach() -> None:
            self._case.state.book.reach(self._case.contract, key, on)

        return reach

    def _release(self, reason: str) -> None:
        self._case.state.book.release_retainage(self._case.contract, self._case.today, reason)

    def _forfeit(self) -> None:
        amount = self._case.state.book.forfeit_retainage(
            self._case.contract, "the contract was ended early"
        )
        self._case.note(f"Retainage of {amount} is forfeited")

    def _finish(self) -> None:
        self._case.state.book.finish(self._case.contract, self._case.today)
        self._case.state.final_settlement_done = True

    # --- one billing event --------------------------------------------------------------------

    async def _bill(self, key: str) -> None:
        """One event's way: proposed, and again after a rejection, until it is billed or gone."""
        book = self._case.state.book
        try:
            while key in book.events:
                event = book.events[key]
                if event.status is EventStatus.READY:
                    await self._propose(event)
                elif event.status is EventStatus.PROPOSED:
                    await self._await_fate(event)
                else:
                    return
        except StepCancelled:
            return

    async def _propose(self, event: BillingEvent) -> None:
        """Start the invoice's workflow, once nothing holds billing up."""
        case, state, key = self._case, self._case.state, event.key

        def goes_on() -> bool:
            return (
                not (self._is_held or self._amending.is_behind)
                or state.cancel is not None
                or state.book.events.get(key) is not event
            )

        # Odoo shows at once what was reached, even where it is billed later.
        if not goes_on() or self._over_limit(event) is not None:
            await self._mark_reached(key)
        while not goes_on():
            await workflow.wait_condition(lambda: goes_on() or self._to_mark(key) is not None)
            if not goes_on():
                await self._mark_reached(key)
        if state.cancel is not None:
            raise StepCancelled
        if state.book.events.get(key) is not event:
            return
        await self._within_limit(event)
        await self._tell_delivered()
        if self._is_held or self._amending.is_behind or state.book.events.get(key) is not event:
            return
        with case.steps.busy():
            await self._start_invoice(event)
        case.publish()

    async def _start_invoice(self, event: BillingEvent) -> None:
        case, state, odoo = self._case, self._case.state, self._case.state.odoo
        number = len(state.invoices) + 1
        proposal = state.book.propose(case.contract, event.key, number, case.today)
        credited = state.invoices.get(proposal.credited_number)
        invoice = InvoiceState(
            clock=workflow.now(),
            contract_workflow_id=workflow.info().workflow_id,
            company_id=require_id(odoo.company_id),
            order_id=require_id(odoo.order_id),
            partner_id=require_id(odoo.partner_id),
            credited_invoice_id=credited.invoice_id if credited else None,
            # Whoever asked for it, then or now, does not approve it.
            requested_by=(
                state.versions[0].by,
                case.contract.requested_by,
                event.asked_by,
            ),
            time_zone=state.time_zone,
            proposal=proposal,
            reached=self._marked_with_draft(event.key),
            waiting=Waiting(on="approval", since=workflow.now()),
        )
        state.invoices[number] = InvoiceReport(
            number=number,
            kind=proposal.kind,
            credited_number=proposal.credited_number,
            stage=InvoiceStage.AWAITING_APPROVAL,
            amount=proposal.amount,
            charges=tuple(line.key for line in proposal.lines),
            content_hash=proposal.content_hash,
        )
        handle = await workflow.start_child_workflow(
            InvoiceWorkflow.run,
            InvoiceInput(state=invoice),
            id=invoice_workflow_id(workflow.info().workflow_id, number),
            # The invoice outlives this run: children do not follow a continue-as-new.
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            task_timeout=options.TASK_TIMEOUT,
            static_summary=f"{proposal.customer_name}: {event.title}, {proposal.amount}"[:200],
            search_attributes=attributes_to_start(invoice),
        )
        handle.add_done_callback(lambda invoice: self._hear_last(number, invoice))
        hold = state.holds.get(HoldKind.DUNNING)
        if hold is not None:
            change = HoldChange(by=hold.by, reason=hold.reason, until=hold.until)
            whole = change.model_copy(update={"whole_contract": True})
            await handle.signal("dunning_hold", whole)

    def _hear_last(self, number: int, invoice: asyncio.Task[InvoiceReport]) -> None:
        """An invoice has ended: its result is its last report, which costs no Signal."""
        if invoice.cancelled():
            return
        if invoice.exception() is None:
            self._take_report(invoice.result())
        else:
            self._case.state.orphaned_invoices.append(number)

    async def _greet_invoices(self) -> None:
        """Tell the invoices that an earlier run began that they have to report their end. One
        that has ended between the runs was clear before, or was ended by force."""
        for number, report in self._case.state.invoices.items():
            if report.stage is InvoiceStage.SETTLED or report.stage in UNBILLED:
                continue
            workflow_id = invoice_workflow_id(workflow.info().workflow_id, number)
            handle = workflow.get_external_workflow_handle(workflow_id)
            try:
                with self._case.steps.busy():
                    await handle.signal(InvoiceWorkflow.contract_renewed)
            except FailureError:
                if report.stage in CLEARED:
                    self._take_report(report.model_copy(update={"stage": InvoiceStage.SETTLED}))
                elif number not in self._case.state.orphaned_invoices:
                    self._case.state.orphaned_invoices.append(number)

    async def _give_up(self) -> None:
        """An invoice that nobody collects any more is for a person to look after."""
        case, state = self._case, self._case.state
        number = state.orphaned_invoices[0]
        report = state.invoices[number]
        name = report.odoo_number or f"proposal {number}"
        detail = FailureDetail(
            code="invoice_ended",
            message=f"{name} ({report.amount}, {report.stage}) is followed no more: its workflow "
            "was ended by force. See to it in Odoo, and skip to let the contract go on without it",
            field=f"invoices.{number}",
        )
        resolution = await case.steps.ask(
            parking.FOLLOW, detail, name=f"{parking.FOLLOW.name}:{number}"
        )
        if resolution is not None:
            billed = report.total is not None
            because = f"{resolution.by}: its workflow was ended by force ({resolution.reason})"
            stage = InvoiceStage.SETTLED if billed else InvoiceStage.REJECTED
            self._take_report(report.model_copy(update={"stage": stage, "because": because}))
        state.orphaned_invoices.remove(number)

    async def _await_fate(self, event: BillingEvent) -> None:
        """Wait until the invoice is issued or rejected; a rejection is for a person to mend."""
        case, state = self._case, self._case.state
        number = require_id(event.proposal)

        await workflow.wait_condition(
            lambda: event.status is EventStatus.BILLED or state.invoices[number].stage in UNBILLED
        )
        if event.status is EventStatus.BILLED:
            return
        state.book.rejected(number)
        if state.invoices[number].invoice_id is None:
            self._unmark(event.key)
        detail = FailureDetail(
            code="proposal_rejected",
            message=f"proposal {number} ({event.title}, {state.invoices[number].amount}) was "
            f"rejected by {state.invoices[number].because}",
        )
        resolution = await case.steps.ask(
            parking.PROPOSAL,
            detail,
            name=f"{parking.PROPOSAL.name}:{_step_name(event.key)}",
            obsolete=lambda: state.book.events.get(event.key) is not event,
        )
        if resolution is None:
            return
        if resolution.action is Action.SKIP:
            state.book.drop(event.key, f"{resolution.by}: {resolution.reason}")
            case.note(f"{event.title} will not be billed: {resolution.reason}")
        elif state.book.reopen(event.key):
            # What was read for the period is read anew.
            state.read_cursors.clear()

    def credit(self, request: CreditRequest) -> None:
        """Book a credit of an issued invoice; raises NotPossible with the reason."""
        case = self._case
        event = case.state.book.credit(
            case.contract,
            request.number,
            case.today,
            f"{request.reason} ({request.by})",
            amount=request.amount,
            reinvoice=request.reinvoice,
        )
        event.asked_by = request.by
        case.note(f"{event.title} asked for by {request.by}: {request.reason}")

    async def _credit_asked(self) -> None:
        """Credit what an invoice asks for; what cannot be credited waits for a person."""
        case, asked = self._case, self._case.state.credits_asked[0]

        async def attempt() -> bool:
            try:
                self.credit(asked)
            except NotPossible as impossible:
                detail = FailureDetail(code="credit_not_possible", message=str(impossible))
                raise Parked(detail) from impossible
            return True

        name = f"{parking.CREDIT.name}:{asked.number}"
        await case.steps.run(parking.CREDIT, attempt, name=name)
        case.state.credits_asked.remove(asked)

    async def _within_limit(self, event: BillingEvent) -> None:
        """The customer's purchase order must not be exceeded unseen."""
        case, state = self._case, self._case.state

        async def check() -> bool:
            reached = self._over_limit(event)
            if reached is None:
                return True
            limit, amount = case.contract.purchase_order_limit, self._amount(event)
            raise Parked(
                FailureDetail(
                    code="purchase_order_limit",
                    message=f"with {event.title} ({amount}) the contract bills {reached}, more "
                    f"than purchase order {case.contract.purchase_order} allows ({limit}): raise "
                    "purchase_order_limit by a change order and retry, or skip to bill it anyway",
                    field="purchase_order_limit",
                    value=str(limit),
                )
            )

        name = f"{parking.PURCHASE_ORDER.name}:{_step_name(event.key)}"
        if await case.steps.run(parking.PURCHASE_ORDER, check, name=name) is None:
            state.limit_waived.append(event.key)

    def _over_limit(self, event: BillingEvent) -> Money | None:
        """What would be billed in all, if that is more than the purchase order allows and nobody
        has let it pass."""
        state, contract = self._case.state, self._case.contract
        limit, amount = contract.purchase_order_limit, self._amount(event)
        if limit is None or event.key in state.limit_waived or not amount.is_positive:
            return None
        reached = state.book.committed(contract) + amount
        return reached if reached > limit else None

    def _amount(self, event: BillingEvent) -> Money:
        return total(event.charges, self._case.contract.currency)

    async def _tell_delivered(self) -> None:
        """Odoo learns delivered quantities of the lines it cannot count itself, before invoices."""
        case, odoo = self._case, self._case.state.odoo
        async with self._delivering:
            now = case.state.book.delivered(case.contract)
            changed = {k: v for k, v in now.items() if odoo.delivered.get(k, 0) != v}
            if not changed:
                return
            request = DeliveredRequest(
                legal_entity=case.state.legal_entity,
                contract_id=case.state.contract_id,
                quantities=changed,
            )
            await case.steps.run(
                parking.DELIVERED,
                lambda: workflow.execute_activity_method(
                    OdooOrders.set_delivered,
                    request,
                    **options.odoo_finance(f"delivered: {', '.join(changed)}"),
                ),
            )
            odoo.delivered = now

    @property
    def _is_held(self) -> bool:
        """Whether a billing hold is in force today."""
        hold = self._case.state.holds.get(HoldKind.BILLING)
        return hold is not None and (hold.until is None or self._case.today <= hold.until)

    # --- milestones ---------------------------------------------------------------------------

    async def _mark_reached(self, event: str) -> None:
        """The milestone of an event is marked reached in Odoo, if there is one to mark."""
        milestone = self._to_mark(event)
        if milestone is not None:
            await self._mark(_step_name(event), milestone)

    def _marked_with_draft(self, event: str) -> tuple[int, ...]:
        """The milestone (its id in Odoo) that the draft of this event marks reached on its way."""
        progress, milestone = self._progress(event), self._to_mark(event)
        if progress is None or milestone is None:
            return ()
        progress.marked_in_odoo, progress.marked_as_of = True, workflow.now()
        return (milestone,)

    def _to_mark(self, event: str) -> int | None:
        """The milestone (its id in Odoo) of an event, where Odoo has it and does not know that it
        is reached. What a change order adds is not there at once."""
        progress = self._progress(event)
        if progress is None or progress.marked_in_odoo:
            return None
        return self._case.state.odoo.milestone_ids.get(_step_name(event))

    def _unmark(self, event: str) -> None:
        """The invoice ended before its draft told Odoo: the next one does."""
        progress = self._progress(event)
        if progress is not None:
            progress.marked_in_odoo = False

    def _progress(self, event: str) -> MilestoneProgress | None:
        """How far the milestone of an event is; None for any other event."""
        key = _step_name(event)
        return self._case.state.milestones.get(key) if key != event else None

    async def _mark(self, key: str, milestone: int) -> None:
        progress = self._case.state.milestones[key]
        request = MilestoneRef(milestone_id=milestone)
        marked = await self._case.steps.run(
            parking.MARK_REACHED,
            lambda: workflow.execute_activity_method(
                OdooMilestones.mark_milestone_reached,
                request,
                **options.odoo_master(f"milestone {key} reached"),
            ),
            name=f"{parking.MARK_REACHED.name}:{key}",
        )
        progress.marked_in_odoo = True
        progress.marked_as_of = marked.as_of if marked else None

    async def _review(self, key: str) -> None:
        """A milestone un-reached after its invoice was proposed is for a person to look at."""
        case, state = self._case, self._case.state
        progress = state.milestones[key]
        event = state.book.events[milestone_event(key)]

        def settled() -> bool:
            issued = (e for e in state.book.events.values() if e.status is EventStatus.BILLED)
            credited = {item.credited_number for item in issued}
            rejected = event.status not in (EventStatus.PROPOSED, EventStatus.BILLED)
            return not progress.under_review or rejected or require_id(event.proposal) in credited

        detail = FailureDetail(
            code="milestone_unreached",
            message=f"milestone {key} is not reached after all, but invoice {event.proposal} "
            f"bills it ({event.status}): credit or reject that, report the milestone reached "
            "again, or skip to let the invoice stand",
            field=f"milestones.{key}",
        )
        try:
            name = f"{parking.REVIEW.name}:{key}"
            resolution = await case.steps.ask(parking.REVIEW, detail, name=name, obsolete=settled)
            if resolution is not None:
                case.note(f"Milestone {key}: the invoice stands ({resolution.reason})")
                progress.marked_in_odoo = False
                await self._mark(key, state.odoo.milestone_ids[key])
            elif progress.under_review and state.book.unreach(key) is None:
                # Credited in whole, or not billed at all: it is planned again.
                progress.reached_on, progress.reached_by = None, ""
                case.note(f"Milestone {key} can be reached anew")
        except StepCancelled:
            return
        finally:
            progress.under_review = False

    # --- periods ------------------------------------------------------------------------------

    def _due(self) -> list[Due]:
        """The parts that are due now: their day has come and business has opened."""
        case = self._case
        today = case.today if case.has_come(case.today) else case.today - _DAY
        return case.state.book.due_now(case.contract, today)

    async def _collect(self) -> None:
        """Bill the periods that are over."""
        await self._bill_periods(self._due)

    async def _look_again(self) -> bool:
        """Before the contract closes: what was approved too late for its period is billed after
        all. Whether there is anything new to bill."""
        state, book, contract = self._case.state, self._case.state.book, self._case.contract
        while book.last_look(contract) and state.cancel is None:
            if await self._bill_periods(lambda: book.last_look(contract)) is not None:
                break
        return bool(book.ready()) or state.cancel is not None

    async def _bill_periods(self, find: Callable[[], list[Due]]) -> PeriodBill | None:
        """Read what was worked and spent in these periods, and book it; None if a person waived
        their caps or they changed meanwhile: look again."""
        case, state = self._case, self._case.state
        dues = find()
        key = period_event(dues[0].on)

        async def attempt() -> PeriodBill:
            findings, marks = await self._read(dues)
            if find() != dues:
                return PeriodBill()  # the contract changed meanwhile: look again
            bill = state.book.bill_period(
                case.contract, dues, findings, up_to_cap=key in state.caps_waived
            )
            if bill.problems:
                raise Parked(_problems(dues, bill))
            state.read_cursors |= marks
            return bill

        name = f"{parking.BILL_PERIOD.name}:{dues[0].on}"
        try:
            bill = await case.steps.run(
                parking.BILL_PERIOD, attempt, name=name, obsolete=lambda: find() != dues
            )
            if bill is None:
                if find() == dues:
                    state.caps_waived.append(key)
                return None
            for warning in bill.warnings:
                await self._warn(warning, dues[0].on)
        except StepCancelled:
            return None
        return bill

    async def _read(self, dues: list[Due]) -> tuple[Findings, dict[str, ReadCursor]]:
        """What Odoo knows for these periods, and how far it has then been read."""
        state, odoo = self._case.state, self._case.state.odoo
        timed = [due.plan for due in dues if due.part in (Part.TIME, Part.HOURS)]
        spent = [due.plan for due in dues if due.part is Part.EXPENSES]
        # A fee in advance is of days that nobody has worked yet.
        worked = (due.period.period.last for due in dues if due.part is not Part.FEE)
        until = max(worked, default=dues[0].on)
        findings = Findings()
        marks: dict[str, ReadCursor] = {}
        if timed:
            mark = _earliest([state.read_cursors.get(plan, ReadCursor()) for plan in timed])
            reading = await all_time(
                TimeRequest(
                    tasks={plan: odoo.task_ids[plan] for plan in timed},
                    order_lines={
                        due.plan: odoo.order_line_ids[due.plan]
                        for due in dues
                        if due.part is Part.TIME
                    },
                    until=until,
                    since=mark.since,
                    seen_until=mark.until,
                    known=tuple(state.book.lines_of(timed)),
                ),
                options.odoo_finance(f"approved hours until {until}"),
            )
            findings.entries, findings.gone = tuple(reading.entries), tuple(reading.gone)
            read = ReadCursor(since=reading.as_of or mark.since, until=until)
            marks |= dict.fromkeys(timed, read)
        for plan in spent:
            mark = state.read_cursors.get(plan, ReadCursor())
            found = await all_expenses(
                ExpensesRequest(
                    plan=plan,
                    analytic_account_id=require_id(odoo.analytic_account_id),
                    currency=self._case.contract.currency,
                    until=until,
                    since=mark.since,
                    seen_until=mark.until,
                    known=tuple(state.book.expenses),
                ),
                options.odoo_finance(f"approved expenses until {until}"),
            )
            findings.expenses += tuple(found.expenses)
            findings.gone_expenses += tuple(found.gone)
            marks[plan] = ReadCursor(since=found.as_of or mark.since, until=until)
        return findings, marks

    async def _warn(self, warning: str, on: date) -> None:
        """A warning goes to the journal, and to the order's chatter in Odoo."""
        self._case.note(warning)
        state = self._case.state
        request = Notification(
            order_id=require_id(state.odoo.order_id),
            people=(),
            subject=f"{warning} ({on})",
            text=f"{warning}. Contract {state.contract_id}.",
        )
        await self._case.steps.run(
            parking.NOTIFY,
            lambda: workflow.execute_activity_method(
                OdooChatter.notify,
                request,
                **options.odoo_finance(
                    "note a warning", options.Urgency.BACKGROUND, looks_first=True
                ),
            ),
            name=f"{parking.NOTIFY.name}:{on}",
        )


def _review(milestone: str) -> str:
    return f"review:{milestone}"


def _step_name(event: str) -> str:
    """A milestone's step is known by the milestone alone."""
    return event.removeprefix(milestone_event(""))


def _earliest(marks: list[ReadCursor]) -> ReadCursor:
    """From where to read so that no plan misses anything; the ledger knows what was seen."""
    if any(mark.since is None for mark in marks):
        return ReadCursor()
    return ReadCursor(
        since=min(mark.since for mark in marks if mark.since),
        until=min((mark.until for mark in marks if mark.until), default=None),
    )


def _problems(dues: list[Due], bill: PeriodBill) -> FailureDetail:
    first = bill.problems[0]
    names = ", ".join(dict.fromkeys(due.period.period.name for due in dues))
    return FailureDetail(
        code=first.code,
        message=f"{names} cannot be billed: {len(bill.problems)} problem(s); the first: {first}",
        field=first.field,
        value=first.value,
        problems=bill.problems,
    )

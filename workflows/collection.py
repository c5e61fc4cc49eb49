"""From a posted invoice to cash: delivery, payments, reminders, write-off, settlement.

Everything is recomputed from the balance on every event; what people agree with the customer only
changes what is asked for.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from activities.failures import FailureDetail
    from activities.odoo_finance import (
        InvoiceRef,
        OdooFinance,
        PaymentRequest,
        ReconcileRequest,
        ReminderRequest,
        TodoRequest,
        WriteOffRequest,
    )
    from contracts import parking
    from contracts.approvals import ApprovalKind, ApprovalRound, Subject, content_hash_of
    from contracts.dunning import Act, DunningDecision, DunningHold, DunningState
    from contracts.identifiers import invoice_workflow_id
    from contracts.invoice import collecting
    from contracts.invoice.messages import (
        CreditApplied,
        DisputeOpened,
        DisputeResolved,
        HoldChange,
        InvoiceBalance,
        PaymentPromised,
        PaymentReceived,
        WriteOffAsked,
    )
    from contracts.invoice.state import InvoiceStage, OwnCredit, WriteOff
    from workflows import metrics, options
    from workflows.approval import ApprovalProcess
    from workflows.document import DocumentCase
    from workflows.steps import Parked, has_failed

_MAX_PAYMENTS = 1_000
_NO_ADDRESS = "email_missing"
"""The customer cannot be mailed: a person is to reach them some other way."""
_DAY = timedelta(days=1)


class Collection:
    """Collects one posted invoice, and takes what is said about it meanwhile."""

    def __init__(self, case: DocumentCase, approval_process: ApprovalProcess) -> None:
        self._case = case
        self._state = case.state
        self._approval_process = approval_process
        self._seen = False

    async def run(self) -> None:
        """Until the invoice has stayed clear for the settlement period, and nothing came since."""
        if self._state.stage is InvoiceStage.SETTLED and self.something_happened():
            self._state.stage = InvoiceStage.OPEN
        delivery = asyncio.create_task(self._deliver())
        while self._state.stage is not InvoiceStage.SETTLED:
            self._seen = True
            if has_failed(delivery):
                delivery.result()
            await self._look()
        await delivery

    async def _look(self) -> None:
        state, balance = self._state, collecting.posted(self._state)
        if balance is None:
            await self._have_reposted()
        elif state.payments:
            await self._register_payment()
        elif collecting.is_credit_note(state) and not state.reconciled:
            await self._reconcile()
        elif state.write_off is not None:
            await self._write_off(state.write_off)
        elif balance.is_clear:
            await self._settle()
        elif collecting.is_credit_note(state):
            await self._await_refund()
        else:
            await self._dun()

    # --- what the balance is ----------------------------------------------------------------

    @property
    def _balance(self) -> InvoiceBalance:
        if self._state.balance is None:
            raise RuntimeError("the invoice has no balance before it is posted")
        return self._state.balance

    @property
    def _number(self) -> str:
        return self._balance.number or f"invoice {self._state.proposal.number}"

    @property
    def _ref(self) -> InvoiceRef:
        return InvoiceRef(invoice_id=self._balance.invoice_id)

    def take_balance(self, balance: InvoiceBalance) -> None:
        """What Odoo says now. Older news than we have is ignored."""
        known = self._state.balance
        if known is not None and balance.as_of < known.as_of:
            return
        if known is not None and known.posted and balance.residual != known.residual:
            self._case.note(f"Open amount {known.residual} -> {balance.residual}")
        if balance.cancelled and not (known and known.cancelled):
            self._case.note("The invoice was cancelled in Odoo")
        if known and known.written_off and not balance.written_off:
            self._case.note(f"The write-off of {known.written_off} was undone in Odoo")
        if balance != known:
            self._state.balance = balance
            self._follow()

    def take_credit(self, credit: CreditApplied) -> None:
        """A credit note of ours was set off against this invoice."""
        self._state.own_credits[credit.number] = OwnCredit(
            untaxed=credit.untaxed, applied=credit.applied
        )
        self._case.note(f"Credited {credit.untaxed} without tax by invoice {credit.number}")
        self.take_balance(credit.balance)
        self._follow()

    def _follow(self) -> None:
        """What a new balance settles of what was agreed; then look at everything anew."""
        balance = collecting.posted(self._state)
        if balance is not None:
            self._follow_promise(balance)
            self._follow_dispute(balance)
        self._wake()

    def _follow_promise(self, balance: InvoiceBalance) -> None:
        state, promise = self._state, self._state.promise
        if promise and promise.is_kept(collecting.paid(state, balance), balance.residual):
            state.promise = None
            self._case.note(f"Promise kept: {promise.amount} until {promise.on}")

    def _follow_dispute(self, balance: InvoiceBalance) -> None:
        state, dispute = self._state, self._state.dispute
        if dispute is None:
            return
        if dispute.accepted is None and not balance.residual.is_positive:
            state.dispute = None
            self._case.note(f"The dispute over {dispute.amount} ended: nothing is open")
        elif collecting.is_credited(state, dispute):
            state.dispute = None
            self._case.note(f"{dispute.accepted} is credited, as accepted in the dispute")

    def _wake(self) -> None:
        """Look at everything anew; the stage follows at once, so that it is told with the news."""
        self._seen = False
        self._show_stage()

    def something_happened(self) -> bool:
        """Since the last look; even after the last of all, in the moment it settled."""
        return not self._seen

    async def _have_reposted(self) -> None:
        """Somebody cancelled the posted invoice in Odoo or reset it: wait until it is posted."""

        async def read() -> InvoiceBalance:
            balance = await workflow.execute_activity_method(
                OdooFinance.read_balance,
                self._ref,
                **options.odoo_finance("read the balance", options.Urgency.AWAITED),
            )
            if not balance.posted:
                message = "the invoice was cancelled or reset to draft in Odoo; post it again there"
                raise Parked(FailureDetail(code="invoice_not_posted", message=message))
            return balance

        balance = await self._case.steps.run(
            parking.BALANCE, read, obsolete=lambda: collecting.posted(self._state) is not None
        )
        if balance is not None:
            self.take_balance(balance)

    async def _read_balance(self) -> InvoiceBalance | None:
        """Read the balance anew, right before something depends on it."""
        balance = await self._case.steps.run(
            parking.BALANCE,
            lambda: workflow.execute_activity_method(
                OdooFinance.read_balance,
                self._ref,
                **options.odoo_finance(
                    f"read the balance of {self._number}", options.Urgency.BACKGROUND
                ),
            ),
        )
        if balance is not None:
            self.take_balance(balance)
        return balance

    # --- delivery, payments, set-off, settlement --------------------------------------------

    async def _deliver(self) -> None:
        """Send the invoice; while that is parked, payments are taken but nobody is dunned."""
        state = self._state
        if state.delivered:
            return
        sent = await self._case.steps.run(
            parking.DELIVER,
            lambda: workflow.execute_activity_method(
                OdooFinance.send_invoice,
                self._ref,
                **options.odoo_mail(f"send {self._number} by e-mail"),
            ),
        )
        state.delivered = True
        self._case.note("Delivered by e-mail" if sent else "Delivery skipped")
        self._seen = False
        self._show_stage()

    def payment_refusal(self, payment: PaymentReceived) -> str | None:
        """Why a payment cannot be booked now, as a sentence; None if it can, or is known."""
        if payment.reference in self._state.payment_references:
            return None
        if collecting.posted(self._state) is None:
            return f"the invoice is {self._state.stage}: there is nothing to pay yet"
        return self._unbookable(payment) or self.too_many_payments()

    def too_many_payments(self) -> str | None:
        """Why no further payment can be taken at all, as a sentence."""
        if len(self._state.payment_references) >= _MAX_PAYMENTS:
            return f"at most {_MAX_PAYMENTS} payments are taken for one invoice"
        return None

    def _unbookable(self, payment: PaymentReceived) -> str | None:
        """Why a payment cannot be booked on this invoice, whenever it is posted."""
        currency = self._balance.total.currency
        if payment.amount.currency != currency:
            return f"the invoice is in {currency}, the payment {payment.amount}"
        if not payment.amount.is_positive:
            return f"a payment is above zero, not {payment.amount}"
        return None

    def take_payment(self, payment: PaymentReceived) -> None:
        """Money known outside Odoo: from the customer, or on a credit note to them. What comes
        before the invoice is posted is booked once it is."""
        if payment.reference not in self._state.payment_references:
            self._state.payment_references.append(payment.reference)
            self._state.payments.append(payment)
            self._case.note(f"Payment {payment.reference} of {payment.amount} announced")
            self._wake()

    async def _register_payment(self) -> None:
        payment = self._state.payments[0]

        async def register() -> InvoiceBalance:
            refusal = self._unbookable(payment)
            if refusal:
                raise Parked(FailureDetail(code="payment_refused", **_misplaced(payment, refusal)))
            return await workflow.execute_activity_method(
                OdooFinance.register_payment,
                PaymentRequest(invoice_id=self._balance.invoice_id, payment=payment),
                **options.odoo_finance(
                    f"register payment {payment.reference}",
                    options.Urgency.AWAITED,
                    looks_first=True,
                ),
            )

        balance = await self._case.steps.run(
            parking.REGISTER_PAYMENT, register, name=_step_of(payment)
        )
        self._state.payments.pop(0)
        if balance is not None:
            self.take_balance(balance)

    async def return_payments(self) -> None:
        """Money came for an invoice that is never posted: a person says where it goes."""
        state = self._state
        while state.payments:
            payment = state.payments[0]
            text = f"the invoice is {state.stage}, and {payment.amount} was paid for it"
            detail = FailureDetail(code="payment_without_invoice", **_misplaced(payment, text))
            resolution = await self._case.steps.ask(
                parking.REGISTER_PAYMENT, detail, name=_step_of(payment)
            )
            if resolution is not None and resolution.action is parking.Action.SKIP:
                state.payments.pop(0)

    async def _reconcile(self) -> None:
        """Take a credit note off what its invoice is open by, and tell the invoice's workflow."""
        state, invoice_id = self._state, self._state.credited_invoice_id
        if invoice_id is None:
            state.reconciled = True
            return
        request = ReconcileRequest(invoice_id=invoice_id, credit_note_id=self._balance.invoice_id)
        done = await self._case.steps.run(
            parking.RECONCILE,
            lambda: workflow.execute_activity_method(
                OdooFinance.reconcile_credit,
                request,
                **options.odoo_finance(f"set off {self._number}", options.Urgency.AWAITED),
            ),
        )
        state.reconciled = True
        if done is None:
            return
        applied = done.credit_note.total - done.credit_note.residual
        self._case.note(f"Set off {applied} against {done.invoice.number}")
        self.take_balance(done.credit_note)
        credit = CreditApplied(
            number=state.proposal.number,
            untaxed=done.credit_note.untaxed,
            applied=applied,
            balance=done.invoice,
        )
        await self._tell_credited_invoice(credit)

    async def _tell_credited_invoice(self, credit: CreditApplied) -> None:
        workflow_id = invoice_workflow_id(
            self._state.contract_workflow_id, self._state.proposal.credited_number
        )
        try:
            with self._case.steps.busy():
                handle = workflow.get_external_workflow_handle(workflow_id)
                await handle.signal("credit_applied", credit)
        except FailureError:
            # It has ended: settled before it was credited. The contract's books have both.
            self._case.note(
                f"Invoice {self._state.proposal.credited_number} is not followed any more"
            )

    async def _await_refund(self) -> None:
        """What a credit note did not take off its invoice is owed to the customer."""
        self._reopen()
        self._state.next_action_at = None
        self._show_stage()
        await self._case.run.rest(self.something_happened, None, "refund to the customer")

    async def _settle(self) -> None:
        """Nothing is owed: reminders are off; it is watched until the settlement period is over."""
        state, case = self._state, self._case
        state.dunning = DunningState()
        state.reminders_exhausted = False
        if state.settles_at is None:
            state.settles_at = workflow.now() + timedelta(days=case.policy.dunning.settlement_days)
            paid = collecting.paid(state, self._balance)
            if paid.is_positive and state.draft and not collecting.is_credit_note(state):
                entity = state.proposal.legal_entity
                metrics.invoice_paid(entity, state.draft.invoice_on, case.today)
            case.note(f"Clear: {paid} paid, {collecting.credited(state, self._balance)} credited")
        state.next_action_at = state.settles_at
        self._show_stage()
        deadline = state.settles_at if state.delivered else None
        await case.run.rest(self.something_happened, deadline, "settlement period")
        if not self._seen or not state.delivered:
            return
        if workflow.now() >= state.settles_at and self._balance.is_clear:
            state.next_action_at = None
            case.enter(InvoiceStage.SETTLED)

    def _reopen(self) -> None:
        if self._state.settles_at is not None:
            self._state.settles_at = None
            self._case.note(f"Reopened: {self._balance.residual} is owed again")

    def _show_stage(self) -> None:
        state, case = self._state, self._case
        if state.policy is None or state.stage is InvoiceStage.SETTLED:
            case.publish()
        else:
            case.enter(collecting.stage_of(state, state.policy, case.today))

    # --- reminders --------------------------------------------------------------------------

    async def _dun(self) -> None:
        """Wait for money until the next reminder is due, then send it."""
        state, case = self._state, self._case
        self._reopen()
        self._end_holds()
        if state.promise is not None and case.today > state.promise.on:
            await self._break_promise()
            return
        decision = self._decision()
        if decision.level < state.dunning.level:
            state.dunning = DunningState()
        state.reminders_exhausted = decision.act is Act.EXHAUSTED
        wake = self._next_look(decision)
        state.next_action_at = case.opening(decision.next_on) if decision.next_on else wake
        self._show_stage()
        if decision.act is not Act.SEND or (wake is not None and workflow.now() < wake):
            # Nobody is reminded of what has not reached them.
            until = wake if state.delivered else None
            await case.run.rest(
                self.something_happened, until, f"reminder {state.dunning.level + 1} due"
            )
            return
        balance = await self._read_balance()
        if balance is None or self._decision().act is not Act.SEND:
            return
        await self._remind(decision.level)

    def _decision(self) -> DunningDecision:
        return collecting.dunning_decision(self._state, self._case.policy, self._case.today)

    def _next_look(self, decision: DunningDecision) -> datetime | None:
        """When time alone changes something: a reminder is due, the due date passes (which shows
        at once, and is reminded later), or a promise."""
        if decision.act is Act.SEND and decision.next_on is not None:
            return self._case.opening(decision.next_on)
        state, today = self._state, self._case.today
        due_on = collecting.due_on(state)
        days = [decision.next_on] if decision.next_on else []
        if due_on is not None and due_on >= today:
            days.append(due_on + _DAY)
        if state.promise is not None:
            days.append(state.promise.on + _DAY)
        days += [hold.until + _DAY for hold in collecting.holds(state) if hold.until]
        return self._case.opening(min(days)) if days else None

    def _end_holds(self) -> None:
        """Forget the holds whose last day has passed."""
        state, today = self._state, self._case.today
        if state.hold is not None and not state.hold.covers(today):
            state.hold = None
            self._case.note("The hold on reminders has ended")
        if state.contract_hold is not None and not state.contract_hold.covers(today):
            state.contract_hold = None
            self._case.note("The contract's hold on reminders has ended")

    async def _break_promise(self) -> None:
        """Its day has passed: look once more in Odoo before it counts as broken."""
        state = self._state
        if await self._read_balance() is None or state.promise is None:
            return
        promise, state.promise = state.promise, None
        state.promises_broken += 1
        self._case.note(f"Promise broken: {promise.amount} until {promise.on}")
        self._wake()

    async def _remind(self, level: int) -> None:
        """Send a level's reminder, about what is late and undisputed."""
        state, case, balance = self._state, self._case, self._balance
        step = case.policy.dunning.steps[level - 1]
        owed = collecting.asked_for(state, balance, case.today)
        words = {
            "number": balance.number,
            "customer": state.proposal.customer_name,
            "due_on": str(collecting.due_on(state)),
            "total": str(balance.total),
            "residual": str(owed),
            "level": str(level),
        }
        # Levels may start anew: the day tells two reminders of one level apart.
        subject = f"{_fill(step.subject, words)} ({case.today})"
        request = ReminderRequest(
            invoice_id=balance.invoice_id,
            partner_id=state.partner_id,
            subject=subject,
            text=_fill(step.text, words),
        )
        day = case.today

        def is_obsolete() -> bool:
            """Something came between: by the balance and what was agreed, not by the calendar."""
            decision = collecting.dunning_decision(state, case.policy, day)
            return decision.act is not Act.SEND or bool(state.payments or state.write_off)

        how = await case.steps.run(
            parking.REMIND,
            lambda: self._mailed_or_handed_over(request, level),
            name=f"{parking.REMIND.name}:{level}",
            obsolete=is_obsolete,
        )
        if how is None and is_obsolete():
            return
        state.dunning = DunningState(level=level, sent_on=case.today)
        case.tell(f"Reminder {level} {how or 'skipped'}: {owed} asked for")

    async def _mailed_or_handed_over(self, request: ReminderRequest, level: int) -> str:
        try:
            await workflow.execute_activity_method(
                OdooFinance.send_reminder,
                request,
                **options.odoo_mail(
                    f"reminder {level} for {self._number}", options.Urgency.BACKGROUND
                ),
            )
        except ActivityError as error:
            if _code_of(error) != _NO_ADDRESS:
                raise
        else:
            return "sent"
        approval_round = self._state.approval_round
        todo = TodoRequest(
            invoice_id=request.invoice_id,
            people=approval_round.requirement.approvers if approval_round else (),
            summary=request.subject,
            text=f"The customer has no e-mail address. Tell them some other way: {request.text}",
            due_on=self._case.today,
        )
        await workflow.execute_activity_method(
            OdooFinance.create_todo,
            todo,
            **options.odoo_finance(
                f"to-do: reminder {level} for {self._number}", options.Urgency.BACKGROUND
            ),
        )
        return "left to a person (no e-mail address)"

    # --- what people agree ------------------------------------------------------------------

    def open_dispute(self, opened: DisputeOpened) -> None:
        dispute = collecting.opened_dispute(self._state, opened, self._case.today)
        self._state.dispute = dispute
        self._case.note(f"{opened.by}: {dispute.amount} is disputed: {dispute.reason}")
        self._wake()

    def resolve_dispute(self, resolved: DisputeResolved) -> None:
        """Nothing accepted: all is dunned again at once. Else the contract is asked for a credit
        note, and until that is there the accepted part stays disputed."""
        state, dispute = self._state, self._state.dispute
        if dispute is None:
            raise RuntimeError("checked before: there is a dispute")
        state.revised_due_on = (
            resolved.revised_due_on or dispute.revised_due_on or state.revised_due_on
        )
        if resolved.accepted is not None and resolved.accepted.is_positive:
            state.dispute = collecting.accepted_dispute(state, dispute, resolved.accepted)
            request = collecting.credit_request(state, state.dispute, resolved)
            state.credit_requests.append(request)
            told = f"{resolved.accepted} of it accepted"
        else:
            state.dispute = None
            told = "rejected"
        self._case.note(f"{resolved.by}: dispute over {dispute.amount} {told}: {resolved.comment}")
        self._wake()

    def promise(self, promised: PaymentPromised) -> None:
        """A later promise takes the place of an earlier one."""
        promise = collecting.taken_promise(self._state, promised, self._case.today)
        self._state.promise = promise
        self._case.note(f"{promised.by}: {promise.amount} is promised until {promise.on}")
        self._wake()

    def change_hold(self, change: HoldChange) -> None:
        state, case = self._state, self._case
        hold = None
        if change.on:
            hold = DunningHold(
                by=change.by, reason=change.reason, since=case.today, until=change.until
            )
        if change.whole_contract:
            state.contract_hold = hold
        else:
            state.hold = hold
        whose = "The contract's reminders" if change.whole_contract else "Reminders"
        what = "on hold" if hold else "released"
        until = f" until {hold.until}" if hold and hold.until else ""
        case.note(f"{change.by}: {whose} {what}{until}: {change.reason}")
        self._wake()

    # --- write-off --------------------------------------------------------------------------

    def ask_write_off(self, asked: WriteOffAsked) -> None:
        """Propose to give up what is open; nothing happens before it is approved."""
        state, amount = self._state, self._balance.residual
        state.write_off = WriteOff(
            amount=amount,
            by=asked.by,
            reason=asked.reason,
            asked_on=self._case.today,
            approval_round=self._write_off_round(asked),
        )
        self._case.note(f"{asked.by}: write-off of {amount} asked for: {asked.reason}")
        self._wake()

    def _write_off_round(self, asked: WriteOffAsked) -> ApprovalRound:
        state, policy, amount = self._state, self._case.policy, self._balance.residual
        content = collecting.write_off_content(state, amount, asked.reason)
        subject = Subject(
            kind=ApprovalKind.WRITE_OFF,
            title=f"write-off of {self._number} for {state.proposal.customer_name}",
            amount=amount,
            content_hash=content_hash_of(content),
            customer_key=state.proposal.customer_key,
            customer_name=state.proposal.customer_name,
            requested_by=(asked.by,),
            details=(f"because: {asked.reason}",),
        )
        return ApprovalRound.begin(policy.approval, policy.calendar, subject, self._case.today)

    async def _write_off(self, asked: WriteOff) -> None:
        """Have it approved, then write it off in Odoo. Any other open amount voids it."""
        state, case = self._state, self._case
        if self._is_void(asked):
            self._drop_write_off(f"void: {self._balance.residual} is open now")
        elif asked.approval_round.is_rejected:
            self._drop_write_off("rejected")
        elif asked.approval_round.is_met:
            await self._carry_out(asked)
        else:
            state.next_action_at = asked.approval_round.next_reminder(case.policy.calendar)
            self._show_stage()
            await self._approval_process.run(
                asked.approval_round,
                case.policy.calendar,
                order_id=state.order_id,
                obsolete=self.something_happened,
            )

    def _is_void(self, asked: WriteOff) -> bool:
        balance = self._balance
        return balance.residual != asked.amount or balance.in_payment or bool(self._state.payments)

    def _drop_write_off(self, why: str) -> None:
        asked, self._state.write_off = self._state.write_off, None
        if asked is not None:
            self._case.tell(f"Write-off of {asked.amount}: {why}")

    async def _carry_out(self, asked: WriteOff) -> None:
        state, case = self._state, self._case
        request = WriteOffRequest(
            legal_entity=state.proposal.legal_entity,
            contract_id=state.proposal.contract_id,
            number=state.proposal.number,
            key=str(state.write_offs + 1),
            invoice_id=self._balance.invoice_id,
            company_id=state.company_id,
            account_code=case.policy.write_off_account,
            amount=asked.amount,
            reason=asked.reason,
            written_off_on=case.today,
        )
        balance = await case.steps.run(
            parking.WRITE_OFF,
            lambda: workflow.execute_activity_method(
                OdooFinance.write_off,
                request,
                **options.odoo_finance(
                    f"write off {asked.amount} of {self._number}", options.Urgency.AWAITED
                ),
            ),
            obsolete=lambda: self._is_void(asked),
        )
        if balance is None:
            self._drop_write_off("not carried out")
            return
        state.write_offs += 1
        state.write_offs_approved.append(
            f"write-off of {asked.amount}: {asked.approval_round.given}"
        )
        self._drop_write_off("done")
        self.take_balance(balance)


def _code_of(error: ActivityError) -> str:
    """The code of a failed activity's own finding; empty for any other failure."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details:
        return FailureDetail.model_validate(cause.details[0]).code
    return ""


def _fill(template: str, words: dict[str, str]) -> str:
    """Replace {word} by its value; anything else in braces stays as it is."""
    for word, value in words.items():
        template = template.replace(f"{{{word}}}", value)
    return template


def _step_of(payment: PaymentReceived) -> str:
    return f"{parking.REGISTER_PAYMENT.name}:{payment.reference}"


def _misplaced(payment: PaymentReceived, why: str) -> dict[str, str]:
    """What is told of money that cannot be booked."""
    return {
        "message": f"{why}; book the money where it belongs, or pay it back, and skip this",
        "field": "payment.amount",
        "value": str(payment.amount),
    }

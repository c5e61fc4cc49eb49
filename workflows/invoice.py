"""One invoice or credit note, from proposal to cash.

    proposed -> awaiting_approval -> approved -> posted_not_delivered -> open -> paid -> settled
        ^        |    ^             |                                     |  ^     | payment undone
        |        v    |_ tax moved _|              partially_paid, overdue   |     |
        |_____ rejected (amended: proposed anew)   in_payment, credited, written_off

The draft stands in Odoo before anybody approves it, with the tax Odoo computes; a rejected one is
cancelled there. Approval, and the write-off of what stays open, wait for people (Update or
Signal), as does every step that parks. Payments arrive by Signal, or from the sweep that reads
what changed in Odoo. Reminders follow from the balance on every event; disputes, promises and
holds only pause them. Paid is not terminal until the settlement period has passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from contracts import parking
    from contracts.approvals import ApprovalRound
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
    from contracts.invoice.state import (
        InvoiceInput,
        InvoiceReport,
        InvoiceStage,
        InvoiceState,
    )
    from contracts.parking import Resolution, StepException
    from workflows.approval import ApprovalMessages, ApprovalProcess
    from workflows.collection import Collection
    from workflows.document import DocumentCase
    from workflows.issuing import Issuing
    from workflows.messages import signal


@workflow.defn
class InvoiceWorkflow(ApprovalMessages):
    @workflow.init
    def __init__(self, start: InvoiceInput) -> None:
        self.state = start.state
        self._case = DocumentCase(self.state)
        approval_process = ApprovalProcess(
            self._case.steps, rest=self._case.run.rest, note=self._case.tell
        )
        self._issuing = Issuing(self._case, approval_process)
        self._collection = Collection(self._case, approval_process)
        self._ended = False

    @workflow.run
    async def run(self, start: InvoiceInput) -> InvoiceReport:
        """Issue the invoice, collect it, and keep the contract informed on the way."""
        informing = asyncio.create_task(self._keep_contract_informed())
        board = asyncio.create_task(self._case.board.run())
        if not self.state.issued:
            balance = await self._issuing.run()
            if balance is not None:
                self._collection.take_balance(balance)
        await self._collect()
        await self._end(informing)
        # Money may have come while the contract was told that it is over: nobody else takes it.
        while self._has_more_to_collect():
            self._ended = False
            informing = asyncio.create_task(self._keep_contract_informed())
            await self._collect()
            await self._end(informing)
        board.cancel()
        # That it was cleared, and settles, is what lists of it show already.
        self._case.board.show(attributes=self.state.stage is not InvoiceStage.SETTLED)
        return collecting.report(self.state)

    def _has_more_to_collect(self) -> bool:
        if self.state.issued:
            return self._collection.something_happened()
        return bool(self.state.payments)

    async def _collect(self) -> None:
        if self.state.issued:
            await self._collection.run()
        else:
            await self._collection.return_payments()

    async def _end(self, informing: asyncio.Task[None]) -> None:
        self._ended = True
        self._case.publish()
        await informing
        await workflow.wait_condition(workflow.all_handlers_finished)

    # --- messages: approval is the desk's ---------------------------------------------------

    def approval_rounds(self) -> Sequence[ApprovalRound]:
        """The invoice until it is posted, later its write-off."""
        open_round = self.state.open_round
        return [open_round] if open_round else []

    def nothing_to_approve(self) -> str:
        if self.state.stage is InvoiceStage.PROPOSED:
            return "the proposal is still being prepared; try again in a moment"
        return f"nothing is to be decided: the invoice is {self.state.stage}"

    def noted(self, text: str) -> None:
        self._case.tell(text)

    # --- messages: money --------------------------------------------------------------------

    @workflow.update
    def record_payment(self, payment: PaymentReceived) -> InvoiceReport:
        """A payment known outside Odoo: it is registered there once, by its reference."""
        self._collection.take_payment(payment)
        return collecting.report(self.state)

    @record_payment.validator
    def _check_payment(self, payment: PaymentReceived) -> None:
        _refuse(self._collection.payment_refusal(payment))

    @signal
    def payment_received(self, payment: PaymentReceived) -> None:
        """The same for systems, whom nobody answers: what cannot be booked waits for a person, and
        what comes too early for the invoice. Only what is too much is noted and left."""
        refusal = self._collection.too_many_payments()
        what = f"payment {payment.reference}"
        self._take(what, refusal, lambda: self._collection.take_payment(payment))

    @signal
    def balance_changed(self, balance: InvoiceBalance) -> None:
        """From the sweep: the invoice changed in Odoo. Older news than we have is ignored."""
        if self.state.issued and balance.invoice_id == self.state.invoice_id:
            self._collection.take_balance(balance)

    @signal
    def credit_applied(self, credit: CreditApplied) -> None:
        """From a credit note of ours: it was set off against this invoice."""
        if self.state.issued and credit.balance.invoice_id == self.state.invoice_id:
            self._collection.take_credit(credit)

    # --- messages: what is agreed with the customer -----------------------------------------

    @workflow.update
    def open_dispute(self, opened: DisputeOpened) -> InvoiceReport:
        """The customer contests the invoice or a part: only the rest is reminded of."""
        self._collection.open_dispute(opened)
        return collecting.report(self.state)

    @open_dispute.validator
    def _check_dispute(self, opened: DisputeOpened) -> None:
        _refuse(self._refusal(collecting.dispute_refusal, opened))

    @signal
    def dispute_opened(self, opened: DisputeOpened) -> None:
        """The same for systems; a refusal is noted in the journal."""
        refusal = self._refusal(collecting.dispute_refusal, opened)
        self._take("a dispute", refusal, lambda: self._collection.open_dispute(opened))

    @workflow.update
    def resolve_dispute(self, resolved: DisputeResolved) -> InvoiceReport:
        """Reject a dispute, or accept an amount of it, which the contract is to credit."""
        self._collection.resolve_dispute(resolved)
        return collecting.report(self.state)

    @resolve_dispute.validator
    def _check_dispute_resolution(self, resolved: DisputeResolved) -> None:
        _refuse(self._refusal(collecting.resolution_refusal, resolved))

    @signal
    def dispute_resolved(self, resolved: DisputeResolved) -> None:
        """The same for systems; a refusal is noted in the journal."""
        refusal = self._refusal(collecting.resolution_refusal, resolved)
        what = "the end of a dispute"
        self._take(what, refusal, lambda: self._collection.resolve_dispute(resolved))

    @workflow.update
    def promise_payment(self, promised: PaymentPromised) -> InvoiceReport:
        """The customer promised to pay: reminders pause until that day has passed."""
        self._collection.promise(promised)
        return collecting.report(self.state)

    @promise_payment.validator
    def _check_promise(self, promised: PaymentPromised) -> None:
        _refuse(self._refusal(collecting.promise_refusal, promised))

    @signal
    def payment_promised(self, promised: PaymentPromised) -> None:
        """The same for systems; a refusal is noted in the journal."""
        refusal = self._refusal(collecting.promise_refusal, promised)
        self._take("a promise to pay", refusal, lambda: self._collection.promise(promised))

    @workflow.update
    def change_dunning_hold(self, change: HoldChange) -> InvoiceReport:
        """Stop the reminders of this invoice, or let them go on."""
        self._collection.change_hold(change)
        return collecting.report(self.state)

    @change_dunning_hold.validator
    def _check_hold(self, change: HoldChange) -> None:
        _refuse(self._refusal(collecting.hold_refusal, change))

    @signal
    def dunning_hold(self, change: HoldChange) -> None:
        """The same for systems, and for a hold on the whole contract; a refusal is noted."""
        refusal = self._refusal(collecting.hold_refusal, change)
        self._take("a dunning hold", refusal, lambda: self._collection.change_hold(change))

    @workflow.update
    def ask_write_off(self, asked: WriteOffAsked) -> InvoiceReport:
        """Propose to write off what is open; it needs an approval of its own."""
        self._collection.ask_write_off(asked)
        return collecting.report(self.state)

    @ask_write_off.validator
    def _check_write_off(self, asked: WriteOffAsked) -> None:
        _refuse(collecting.write_off_refusal(self.state))

    @signal
    def write_off_asked(self, asked: WriteOffAsked) -> None:
        """The same for systems; a refusal is noted in the journal."""
        refusal = collecting.write_off_refusal(self.state)
        self._take("a write-off", refusal, lambda: self._collection.ask_write_off(asked))

    # --- messages: parked steps -------------------------------------------------------------

    @workflow.update
    def resolve_exception(self, resolution: Resolution) -> StepException:
        """A person's word on a parked step."""
        return self._resolve(resolution)

    @resolve_exception.validator
    def _check_resolution(self, resolution: Resolution) -> None:
        _refuse(self._resolution_refusal(resolution))

    @signal
    def exception_resolved(self, resolution: Resolution) -> None:
        """The same for systems; a refusal is noted in the journal."""
        refusal = self._resolution_refusal(resolution)
        what = f"a resolution of {resolution.by}"
        self._take(what, refusal, lambda: self._resolve(resolution))

    @signal
    def contract_renewed(self) -> None:
        """From the contract: it has begun another run, and is to be told how the invoice ends."""
        self.state.tells_its_end = True

    @workflow.signal
    def renew_run(self) -> None:
        """Continue as new at the next quiet point, as after a release; nothing else changes."""
        self._case.run.is_asked_to_end = True

    @workflow.query
    def invoice(self) -> InvoiceState:
        """Everything the workflow knows."""
        return self.state

    # --- messages: shared -------------------------------------------------------------------

    def _refusal(self, check: Callable[..., str | None], message: object) -> str | None:
        """What a pure check says about a message today."""
        return check(self.state, message, self._case.today)

    def _take(self, what: str, refusal: str | None, take: Callable[[], object]) -> None:
        """Take a Signal, or note why not."""
        if refusal:
            self._case.tell(f"Refused {what}: {refusal}")
        else:
            take()

    def _resolution_refusal(self, resolution: Resolution) -> str | None:
        refusal = parking.refusal(self.state.exceptions, resolution)
        return refusal or self._issuing.refusal(resolution)

    def _resolve(self, resolution: Resolution) -> StepException:
        parked = self._case.steps.resolve(resolution)
        if not self.state.issued:
            self._issuing.resolve(parked, resolution)
        self._case.publish()
        return parked

    # --- the contract -----------------------------------------------------------------------

    async def _keep_contract_informed(self) -> None:
        """Signal the contract what it needs to know; one that has ended misses nothing."""
        contract = workflow.get_external_workflow_handle(self.state.contract_workflow_id)
        requests = self.state.credit_requests
        while True:
            await workflow.wait_condition(lambda: bool(requests) or self._has_news() or self._ended)
            if requests:
                await self._tell(contract, "credit_requested", requests[0])
                requests.pop(0)
            elif self._has_news():
                report = collecting.report(self.state)
                await self._tell(contract, "invoice_changed", report)
                self.state.reported = report
            else:
                return

    async def _tell(
        self, contract: workflow.ExternalWorkflowHandle[Any], signal: str, news: BaseModel
    ) -> None:
        try:
            # Not at rest meanwhile: nothing may be told twice.
            with self._case.steps.busy():
                await contract.signal(signal, news)
        except FailureError as error:
            self._case.note(f"The contract could not be told: {error.message}")

    def _has_news(self) -> bool:
        report = collecting.report(self.state)
        if report.stage is InvoiceStage.SETTLED and not self.state.tells_its_end:
            return False  # the contract sees it end, with this as the result
        return collecting.is_news(report, self.state.reported)


def _refuse(refusal: str | None) -> None:
    if refusal:
        raise ApplicationError(refusal, type="refused", non_retryable=True)

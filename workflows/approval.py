"""Approval rounds as workflows run them: decisions come in, approvers are reminded, others asked.

A workflow that has something approved inherits `ApprovalMessages`, which takes the decisions, and
runs each round with `ApprovalProcess`, which waits for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.odoo.chatter import Notification, OdooChatter
    from contracts import parking
    from contracts.approvals import (
        ApprovalDecision,
        ApprovalRound,
        ApproverReminder,
        Decision,
        decision_refusal,
        rounds_meant,
    )
    from contracts.calendar import BusinessCalendar
    from workflows import metrics, options
    from workflows.messages import Inbox, signal
    from workflows.steps import Steps

Rest = Callable[[Callable[[], bool], datetime | None, str], Awaitable[None]]
"""A workflow's quiet point: waits until the condition holds or the deadline (aware; none: for
ever) has come, with a summary for people; it may continue as new instead of returning."""


class ApprovalMessages(Inbox):
    """The messages by which people decide, the same for every workflow that asks them.

    Interactive callers send the Update, and a refusal reaches them; systems send the Signal, and a
    refusal is noted.
    """

    def approval_rounds(self) -> Sequence[ApprovalRound]:
        """The rounds people may decide now; those already decided may be among them."""
        raise NotImplementedError

    def keep_round(self, before: ApprovalRound, after: ApprovalRound) -> None:
        """Keep a round as it is after a decision."""
        raise NotImplementedError

    def nothing_to_approve(self) -> str:
        """Why there is no round at all, as a sentence."""
        return "nothing awaits approval here"

    @workflow.update
    def decide_approval(self, decision: ApprovalDecision) -> ApprovalRound:
        """Approve or reject what awaits approval; refused at once if it names other content."""
        return self._take_approval_decision(decision)

    @decide_approval.validator
    def _check_approval_decision(self, decision: ApprovalDecision) -> None:
        refusal = self._approval_refusal(decision)
        if refusal:
            raise ApplicationError(refusal, type="refused", non_retryable=True)

    @signal
    def approval_decided(self, decision: ApprovalDecision) -> None:
        """The same for systems; a refusal is noted in the journal."""
        refusal = self._approval_refusal(decision)
        if refusal:
            self.noted(f"Refused a decision of {decision.by}: {refusal}")
        else:
            self._take_approval_decision(decision)

    @workflow.query
    def open_approvals(self) -> list[ApprovalRound]:
        """What awaits approval here, with its rule and the approvals given so far."""
        return [item for item in self.approval_rounds() if not item.is_decided]

    def _approval_refusal(self, decision: ApprovalDecision) -> str | None:
        rounds = self.approval_rounds()
        if not rounds:
            return self.nothing_to_approve()
        return decision_refusal(rounds, decision, workflow.now())

    def _take_approval_decision(self, decision: ApprovalDecision) -> ApprovalRound:
        [found] = rounds_meant(self.approval_rounds(), decision)
        decided = found.decided(decision, workflow.now())
        self.keep_round(found, decided)
        title = decided.subject.title
        if decision.decision is Decision.REJECT:
            self.noted(f"Rejected {title}: {decided.rejected_because}")
        else:
            self.noted(f"{decision.by} approved {title}")
        return decided


class ApprovalProcess:
    """Waits for the rounds of one workflow, and reminds those who have to decide.

    `rest` is the workflow's quiet point, `note` writes into its journal and publishes. Reminders
    are notes on the order, mailed to the people whom Odoo knows.
    """

    def __init__(self, steps: Steps, *, rest: Rest, note: Callable[[str], None]) -> None:
        self._steps = steps
        self._rest = rest
        self._note = note

    async def run(
        self,
        current: Callable[[], ApprovalRound],
        keep: Callable[[ApprovalRound], None],
        calendar: BusinessCalendar,
        *,
        order_id: int,
        obsolete: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Wait until the round is decided or `obsolete`; whether it is approved.

        `current` gives the round as it is now, `keep` keeps another one in its place. After
        continue-as-new it is called again with the same round, and goes on where it was.
        """

        def done() -> bool:
            return obsolete() or current().is_decided

        subject = current().subject
        if current().is_automatic:
            self._note(f"{subject.title}: {current().requirement.rule}")
        waited = not done()
        while not done():
            await self._rest(done, current().next_reminder(calendar), "remind approvers")
            today = calendar.today(workflow.now())
            reminder = None if done() else current().reminder(today)
            if reminder is not None:
                if reminder.escalated:
                    keep(current().with_escalation())
                await self._tell(current(), reminder, order_id, done)
                # Only now: a step that is parked when the workflow continues as new goes on.
                if not done():
                    keep(current().with_reminder(escalated=reminder.escalated))
        if obsolete():
            return False
        if waited:
            today = calendar.today(workflow.now())
            metrics.approval_decided(subject.kind, current().requirement.asked_on, today)
        return current().is_met

    async def _tell(
        self,
        approval: ApprovalRound,
        reminder: ApproverReminder,
        order_id: int,
        done: Callable[[], bool],
    ) -> None:
        subject, workflow_id = approval.subject, workflow.info().workflow_id
        self._note(f"{reminder.what}: approval of {subject.title} still open")
        request = Notification(
            order_id=order_id,
            people=reminder.people,
            subject=approval.reminder_subject(reminder, workflow_id),
            text=approval.reminder_text(workflow_id),
        )
        await self._steps.run(
            parking.NOTIFY,
            lambda: workflow.execute_activity_method(
                OdooChatter.notify,
                request,
                **options.odoo_finance(
                    f"{reminder.what} to approvers", options.Urgency.BACKGROUND, looks_first=True
                ),
            ),
            name=f"{parking.NOTIFY.name}:{subject.kind}",
            obsolete=done,
        )

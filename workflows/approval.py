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
    from activities.odoo_orders import Notification, OdooOrders
    from contracts import parking
    from contracts.approvals import (
        HASH_PREFIX,
        ApprovalDecision,
        ApprovalRound,
        ApproverReminder,
        Decision,
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
        found = self._rounds_meant(decision)
        if not found:
            return self.nothing_to_approve()
        if len(found) > 1:
            known = ", ".join(
                f"{item.subject.content_hash[:HASH_PREFIX]} ({item.subject.title})"
                for item in found
            )
            return f"several things await approval; name one by its content_hash: {known}"
        return found[0].refusal(decision, found[0].requirement.today(workflow.now()))

    def _rounds_meant(self, decision: ApprovalDecision) -> Sequence[ApprovalRound]:
        """Of several open rounds the one whose content is named; else all there are."""
        rounds = self.approval_rounds()
        rounds = [item for item in rounds if not item.is_decided] or rounds
        named = decision.content_hash.strip().lower()
        if len(rounds) > 1 and len(named) >= HASH_PREFIX:
            return [r for r in rounds if r.subject.content_hash.startswith(named)] or rounds
        return rounds

    def _take_approval_decision(self, decision: ApprovalDecision) -> ApprovalRound:
        [found] = self._rounds_meant(decision)
        found.decide(decision, workflow.now())
        title = found.subject.title
        if decision.decision is Decision.REJECT:
            self.noted(f"Rejected {title}: {found.rejected_because}")
        else:
            self.noted(f"{decision.by} approved {title}")
        return found


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
        approval: ApprovalRound,
        calendar: BusinessCalendar,
        *,
        order_id: int,
        obsolete: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Wait until the round is decided or `obsolete`; whether it is approved.

        After continue-as-new it is called again with the same round, and goes on where it was.
        """

        def done() -> bool:
            return approval.is_decided or obsolete()

        subject = approval.subject
        if approval.is_automatic:
            self._note(f"{subject.title}: {approval.requirement.rule}")
        waited = not done()
        while not done():
            await self._rest(done, approval.next_reminder(calendar), "remind approvers")
            reminder = None if done() else approval.reminder(calendar.today(workflow.now()))
            if reminder is not None:
                await self._tell(approval, reminder, order_id, done)
                # Only now: a step that is parked when the workflow continues as new goes on.
                approval.mark_reminded(reminder)
        if waited and approval.is_decided:
            today = calendar.today(workflow.now())
            metrics.approval_decided(subject.kind, approval.requirement.asked_on, today)
        return approval.is_met and not obsolete()

    async def _tell(
        self,
        approval: ApprovalRound,
        reminder: ApproverReminder,
        order_id: int,
        done: Callable[[], bool],
    ) -> None:
        subject, workflow_id = approval.subject, workflow.info().workflow_id
        what = "Escalated" if reminder.escalated else "Reminder"
        self._note(f"{what}: approval of {subject.title} still open")
        request = Notification(
            order_id=order_id,
            people=reminder.people,
            subject=f"{what}: {subject.kind.words} of {subject.amount} awaits approval "
            f"({workflow_id} {subject.content_hash[:HASH_PREFIX]} {approval.requirement.asked_on})",
            text=notification_text(approval, workflow_id),
        )
        await self._steps.run(
            parking.NOTIFY,
            lambda: workflow.execute_activity_method(
                OdooOrders.notify,
                request,
                **options.odoo_finance(
                    f"{what} to approvers", options.Urgency.BACKGROUND, looks_first=True
                ),
            ),
            name=f"{parking.NOTIFY.name}:{subject.kind}",
            obsolete=done,
        )


def notification_text(approval: ApprovalRound, reference: str) -> str:
    """What approvers are told: what it is, which rule asks for them, and how to decide.
    `reference` is how people name it on the command line; a workflow id will do."""
    subject, requirement = approval.subject, approval.requirement
    total = f" ({subject.total} with tax)" if subject.total is not None else ""
    lines = [
        f"{subject.title}, {subject.amount}{total}, asked for on {requirement.asked_on}.",
        *subject.details,
        f"Rule: {requirement.rule}. Needed: {approval.missing}.",
        f"To approve: c2c approvals approve {reference}",
    ]
    return "\n".join(lines)

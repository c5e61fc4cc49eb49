"""Mails to the firm's own people, each sent at most once.

SMTP knows no key by which a repeated mail is recognised, so Temporal keeps the count: a day's
digests, and the mails of one escalation, are one workflow whose id is never used again, and in it
each mail is one activity that Temporal does not repeat. What certainly sent nothing is tried again
by the workflow. What may have sent it is not: a digest that is missing is made good by the next,
and a second one never is.
"""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel, Field

    from activities.mails import DigestRequest, Digests, MailActivities, MailToSend
    from contracts.approvals import HASH_PREFIX, ApprovalRound
    from contracts.mails import Digest, Mail, Mails, escalation
    from workflows import options
    from workflows.shell import failed

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(minutes=30)
_PASSES = ("transient", "credentials")


class MailsSent(BaseModel):
    """How many went out, and why others did not: a code each."""

    sent: int = 0
    not_sent: list[str] = Field(default_factory=list)


@workflow.defn
class MailWorkflow:
    """Some mails, each to one person."""

    @workflow.run
    async def run(self, mails: Mails) -> MailsSent:
        codes = await asyncio.gather(*map(_sent, mails.mails))
        return MailsSent(sent=codes.count(""), not_sent=[code for code in codes if code])


async def _sent(mail: Mail) -> str:
    """Send a mail; why it was given up, or "" once it went out."""
    until, wait = workflow.now() + options.MAIL_GIVEN_UP_AFTER, FIRST_WAIT
    request = MailToSend(mail=mail, key=workflow.info().workflow_id)
    while True:
        try:
            await workflow.execute_activity_method(
                MailActivities.send_mail, request, **options.mail("mail to one of us")
            )
            return ""
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            failure = failed(error)
            is_over = workflow.now() + wait > until
            if failure.maybe_done or failure.kind not in _PASSES or is_over:
                workflow.logger.warning("a mail was not sent, or may not be: %s", failure.code)
                return failure.code
        await workflow.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)


@workflow.defn
class MailDigestWorkflow:
    """Started by its schedule: finds what waits for whom, and starts the day's mails, once."""

    @workflow.run
    async def run(self, digest: Digest) -> bool:
        """Whether mails were started: there may be none, and the day may have had its own."""
        day = digest.day_of(workflow.now())
        mails = await workflow.execute_activity_method(
            Digests.find_digests,
            DigestRequest(day=day),
            **options.digests("what waits for whom"),
        )
        if mails.left_out:
            workflow.logger.warning("%d people get no digest: too many", mails.left_out)
        return await _start(f"mail/digest/{day}", mails)


async def start_escalation(approval_round: ApprovalRound, today: date) -> None:
    """Mail those whom an approval of this workflow is escalated to, once for each content. The
    caller does not wait for the mail server."""
    workflow_id = workflow.info().workflow_id
    mails = escalation(workflow_id, approval_round, today)
    content = approval_round.subject.content_hash[:HASH_PREFIX]
    asked_on = approval_round.requirement.asked_on
    await _start(f"{workflow_id}/mail/{content}-{asked_on}", mails)


async def _start(workflow_id: str, mails: Mails) -> bool:
    if not mails.mails:
        return False
    try:
        await workflow.start_child_workflow(
            MailWorkflow.run,
            mails,
            id=workflow_id,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            task_timeout=options.TASK_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        return False
    return True

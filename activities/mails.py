"""Mails to the firm's own people: who is to have one, and the sending of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from pydantic import BaseModel, Field
from temporalio import activity
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError

from activities.done import Done
from activities.failures import BusinessRefusal
from activities.metrics import mails as counted
from contracts.approvals import ApprovalRound
from contracts.bank.file import BankFileView
from contracts.events import EventRecord
from contracts.mails import Mail, Mails, OpenApproval, Owners, Parked, digests, subject_of, text_of
from contracts.parking import StepException
from gateways.errors import GatewayError
from gateways.mailer import Mailer

SENT, DEFERRED, REFUSED, UNCONFIRMED = "sent", "deferred", "refused", "unconfirmed"
MOST_WAITING = 2_000
"""Looked at for a day's digests; of more, those that began last."""
_AT_ONCE = 20
_CONTRACT, _INVOICE = "ContractWorkflow", "InvoiceWorkflow"
_BANK_FILE, _EVENT = "BankFileWorkflow", "EventWorkflow"
_WAITS = (
    f"ExecutionStatus = 'Running' "
    f"AND WorkflowType IN ('{_CONTRACT}', '{_INVOICE}', '{_BANK_FILE}', '{_EVENT}') "
    f"AND WaitingOn IN ('approval', 'exception', 'credentials')"
)
_STATE = {_CONTRACT: "contract", _INVOICE: "invoice"}
"""The Query that each answers with its state."""


Handle = WorkflowHandle[Any, Any]


class DigestRequest(BaseModel):
    """The day, where the digests are sent."""

    day: date


class MailToSend(BaseModel):
    """A mail, and the key by which it is recognised."""

    mail: Mail
    key: str


class _Exceptions(BaseModel):
    """Of a workflow's state what is parked."""

    exceptions: list[StepException] = Field(default_factory=list)


class Digests:
    """An activity on the `contracts` queue: it asks what waits, once a day."""

    def __init__(self, owners: Owners) -> None:
        self._owners = owners

    @activity.defn
    async def find_digests(self, request: DigestRequest) -> Mails:
        """What waits for whom. One workflow that gives no answer is left out, until tomorrow."""
        client, gate = activity.client(), asyncio.Semaphore(_AT_ONCE)
        waiting = [item async for item in client.list_workflows(_WAITS, limit=MOST_WAITING)]
        asked = [_ask(client, item, gate) for item in waiting]
        approvals: list[OpenApproval] = []
        parked: list[Parked] = []
        for rounds, steps in await asyncio.gather(*asked):
            approvals += rounds
            parked += steps
        return digests(request.day, datetime.now(UTC), approvals, parked, self._owners)


_Found = tuple[Sequence[OpenApproval], Sequence[Parked]]


async def _ask(client: Client, item: WorkflowExecution, gate: asyncio.Semaphore) -> _Found:
    ask = {_BANK_FILE: _of_bank_file, _EVENT: _of_event}.get(item.workflow_type, _of_contract)
    async with gate:
        try:
            return await ask(client.get_workflow_handle(item.id), item)
        except (RPCError, WorkflowQueryFailedError) as error:
            # What it says may name the customer.
            activity.logger.warning("%s gives no answer: %s", item.id, type(error).__name__)
            return [], []


async def _of_contract(handle: Handle, item: WorkflowExecution) -> _Found:
    """Of a contract or an invoice."""
    rounds = await handle.query("open_approvals", result_type=list[ApprovalRound])
    state = await handle.query(_STATE[item.workflow_type], result_type=_Exceptions)
    return (
        [OpenApproval(item.id, found) for found in rounds],
        [Parked.step(item.id, found) for found in state.exceptions],
    )


async def _of_bank_file(handle: Handle, item: WorkflowExecution) -> _Found:
    found: list[StepException] = []
    first, more = 0, True
    while more:
        page = await handle.query("bank_file", first, result_type=BankFileView)
        # What waits of the file as a whole is on each page.
        found += page.state.exceptions if not first else page.state.of_lines
        first, more = first + len(page.state.parked), page.more and bool(page.state.parked)
    return [], [Parked.step(item.id, step) for step in found]


async def _of_event(handle: Handle, item: WorkflowExecution) -> _Found:
    found = await handle.query("event", result_type=EventRecord)
    waits = found.needs_person(datetime.now(UTC))
    return [], [Parked.event(item.id, found)] if waits else []


class MailActivities:
    """An activity on the `mail` queue."""

    def __init__(self, mailer: Mailer | None, public_url: str) -> None:
        """Without a mailer nothing is sent. `public_url` is where the web application is."""
        self._mailer = mailer
        self._public_url = public_url
        for outcome in (SENT, DEFERRED, REFUSED, UNCONFIRMED):
            counted.add(0, {"outcome": outcome})  # an alert sees the first one rise

    @activity.defn
    def send_mail(self, request: MailToSend) -> Done:
        """Send it, once: whoever asks decides whether it may be tried again."""
        if self._mailer is None:
            raise BusinessRefusal("mail_not_configured", "no mail server is configured (mail.host)")
        mail = request.mail
        text = text_of(mail, self._public_url)
        try:
            self._mailer.send(mail.to, subject_of(mail), text, key=request.key)
        except GatewayError as error:
            counted.add(1, {"outcome": _outcome(error)})
            raise
        counted.add(1, {"outcome": SENT})
        return Done()


def _outcome(error: GatewayError) -> str:
    if error.maybe_done:
        return UNCONFIRMED
    return DEFERRED if error.kind in ("transient", "credentials") else REFUSED

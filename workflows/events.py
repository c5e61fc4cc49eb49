"""One inbound event: delivered to whom it concerns, however long that takes, and recorded.

    received -> applied | nothing_to_do | after_close | dismissed
        |
        -> followed (an envelope on its way, looked at each day until it ends) -> ...
        -> waiting (its contract is not there yet, or a system is away) -> ...
        -> refused (the contract said no: a person corrects that, and delivers it again)

The workflow's id holds the event's key, so that a repeat is the same event. What is delivered twice
counts once: messages to contracts have keys of their own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from activities.crm import CrmActivities, DealRequest
    from activities.esign import EnvelopeFound, EnvelopeRequest, EsignActivities
    from activities.events import (
        EventActivities,
        RefreshRequest,
        SignatureRequest,
        UpdateRequest,
    )
    from activities.odoo.sweeps import OdooSweeps
    from contracts.contract.messages import SignatureReported
    from contracts.events import (
        Delivery,
        Dismissal,
        EventOutcome,
        EventRecord,
        Followed,
        ForContract,
        ForDeal,
        ForEnvelope,
        ForOdoo,
        ForPayment,
        ForTime,
        Redelivery,
        chain_of_event,
    )
    from contracts.identifiers import (
        EVENT_PREFIX,
        contract_of,
        contract_workflow_id,
        deal_contract_id,
        legal_entity_of,
    )
    from contracts.model import JsonObject, Signed, Source
    from contracts.signatures import EnvelopeStatus
    from contracts.sweeps import OdooChanges, PageMark, SweepWindow
    from contracts.timesheets.events import unplaced_event
    from workflows import options, payment_events, search_attributes, time_import
    from workflows.board import upsert
    from workflows.messages import Inbox, signal
    from workflows.proof import refusal, request_id_of
    from workflows.received import receive
    from workflows.recording import Recorder
    from workflows.shell import failed, refuse
    from workflows.sweeps import BALANCE, REACHED, UNREACHED, signalled, start_contract

_MOST_SHOWN, _MOST_SHOWN_OF_A_REMEDY = 300, 600
_READ_AGAIN_AFTER = timedelta(minutes=15)
_GONE = "envelope_not_found"
LOOK_AGAIN = "look_again"
_FAILED = {"business": EventOutcome.REFUSED, "defect": EventOutcome.PARKED}
"""By the kind of failure. What nobody understands may be something between us and the remote: it is
listed at once, and tried by itself all the same."""
_NOT_DUE = "the deal is not won, or had its contract before"


@workflow.defn
class EventWorkflow(Inbox):
    @workflow.init
    def __init__(self, start: EventRecord) -> None:
        self._record = start
        self._is_asked = False
        self._dismissal: Dismissal | None = None
        self._shown: tuple[Delivery | None, bool] = (None, False)
        self._found: EnvelopeFound | None = None
        self._found_at = workflow.now()
        event = start.event
        chain = chain_of_event(event.source, event.key)
        self._recorder = Recorder(chain, start.audit, event.sha256, self._recorded)

    @workflow.run
    async def run(self, start: EventRecord) -> EventRecord:
        """Deliver the event until it is done with, by itself or by a person."""
        self._recorder.write()
        while True:
            await self._attempt()
            await self._until_next()
            if not self._record.is_open:
                if await self._ended():
                    return self._record
                continue
            info = workflow.info()
            if (
                info.is_continue_as_new_suggested()
                or info.is_target_worker_deployment_version_changed()
            ):
                self._renew()

    async def _ended(self) -> bool:
        """Whether all is recorded, and nobody has asked for another delivery meanwhile."""
        if self._is_asked:
            return False
        self._recorder.end(self._record.standing)
        await workflow.wait_condition(lambda: self._is_asked or self._is_at_rest)
        return not self._is_asked

    @property
    def _is_at_rest(self) -> bool:
        return self._recorder.is_done and workflow.all_handlers_finished()

    @signal
    def look_again(self) -> None:
        """Another event has found that there is something new."""
        self._is_asked = True

    @workflow.update
    def deliver_again(self, asked: Redelivery) -> str:
        """A person has seen to what was in the way, or wants to be sure."""
        self._recorder.try_again(rejoins=True)
        self._note(asked, {})
        self._is_asked, self._dismissal = True, None
        return "it is delivered again"

    @deliver_again.validator
    def _check_redelivery(self, asked: Redelivery) -> None:
        _refuse_unproven("deliver_again", asked)

    @workflow.update
    def dismiss(self, dismissal: Dismissal) -> str:
        """A person says that nothing is to come of it."""
        self._note(dismissal, {"outcome": str(EventOutcome.DISMISSED)})
        self._dismissal = dismissal
        return "nothing comes of it"

    @dismiss.validator
    def _check_dismissal(self, dismissal: Dismissal) -> None:
        _refuse_unproven("dismiss", dismissal)
        if not self._record.is_open:
            refuse("it is done with")

    def _note(self, asked: Signed, change: JsonObject) -> None:
        before = self._record.standing
        self._recorder.note(asked, before, before | change, self._record.event.sha256)

    def _recorded(self) -> None:
        """The audit record, or what keeps it from being written, is another one."""
        recorder, before = self._recorder, self._record.unrecorded
        audit = {"audit": recorder.trail, "unrecorded": recorder.unrecorded}
        self._record = self._record.model_copy(update=audit)
        if recorder.unrecorded != before:
            self._show()

    @workflow.query
    def event(self) -> EventRecord:
        """The event, and what became of it."""
        audit = self._record.audit.replace(pending=())
        return self._record.model_copy(update={"audit": audit})

    def noted(self, text: str) -> None:
        # The text has words of whoever sent it; what was sent is in the history.
        workflow.logger.warning("%s: a message is unreadable", workflow.info().workflow_id)

    async def _attempt(self) -> None:
        self._is_asked = False
        delivery = await self._delivered()
        self._record = self._record.model_copy(
            update={"delivery": delivery, "attempts": self._record.attempts + 1}
        )

    async def _until_next(self) -> None:
        """Wait until the next attempt is due, or none is any more."""
        if self._dismissal is None:
            self._show()
        if self._record.is_open:
            try:
                await workflow.wait_condition(
                    lambda: self._is_asked or self._dismissal is not None,
                    timeout=self._record.next_attempt_in(workflow.now()),
                )
            except TimeoutError:
                return
        if self._record.is_open and self._dismissal is not None:
            why = f"{self._dismissal.by}: {self._dismissal.reason}"
            self._dismissal = None
            dismissed = Delivery(outcome=EventOutcome.DISMISSED, why=why)
            self._record = self._record.model_copy(update={"delivery": dismissed})
            self._show()

    def _renew(self) -> NoReturn:
        # It upgrades then, as contracts do.
        upgrades = workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE
        workflow.continue_as_new(self._record, initial_versioning_behavior=upgrades)

    def _show(self) -> None:
        """Show it in lists. An upsert is a billed action, so attempts alone are not shown."""
        delivery, now = self._record.delivery, workflow.now()
        needs_person = self._record.needs_person(now)
        touched = [contract_of(item) for item in delivery.touched]
        attributes: dict[Any, Any] = {
            search_attributes.EVENT_OUTCOME: str(delivery.outcome),
            search_attributes.WAITING_ON: "exception" if needs_person else None,
        }
        if touched:
            _, attributes[search_attributes.LEGAL_ENTITY], contract_id = touched[0].split("/")
            attributes[search_attributes.CONTRACT_ID] = contract_id
        shown = (delivery, needs_person)
        if shown == self._shown:
            return
        if needs_person != self._shown[1]:
            attributes[search_attributes.WAITING_SINCE] = now if needs_person else None
        self._shown = shown
        upsert(attributes)
        workflow.upsert_memo(
            {
                "delivery": delivery.model_dump(mode="json"),
                "attempts": self._record.attempts,
                "needs_person": needs_person,
            }
        )

    # --- delivering -----------------------------------------------------------------------------

    async def _delivered(self) -> Delivery:
        task = self._record.event.task
        try:
            match task:
                case ForContract():
                    return await self._for_contract(task)
                case ForDeal():
                    return await self._for_deal(task)
                case ForOdoo():
                    return await self._for_odoo(task)
                case ForEnvelope():
                    return await self._for_envelope(task)
                case ForTime():
                    return await self._for_time(task)
                case ForPayment():
                    return await payment_events.delivered(task)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            found = failed(error)
            outcome = _FAILED.get(found.kind, EventOutcome.WAITING)
            return Delivery(outcome=outcome, why=found.message[:_MOST_SHOWN])

    async def _for_contract(self, task: ForContract) -> Delivery:
        return await workflow.execute_activity_method(
            EventActivities.update_contract,
            UpdateRequest(task=task, sender=self._record.event.source, id=self._request_id),
            **options.contracts(f"{task.update} of {task.contract}"),
        )

    async def _for_deal(self, task: ForDeal) -> Delivery:
        """Its contract reads it again; where there is none, it starts if the deal is won."""
        source = Source(system=task.system, id=task.deal_id)
        contract_id = deal_contract_id(source.system, source.id)
        workflow_id = contract_workflow_id(task.legal_entity, contract_id)
        refreshed = await workflow.execute_activity_method(
            EventActivities.refresh_contract,
            RefreshRequest(contract=workflow_id, by=task.system, id=self._request_id),
            **options.contracts(f"refresh of {workflow_id}"),
        )
        if refreshed.delivery is not None:
            return refreshed.delivery
        if not await _is_due(source):
            return Delivery(outcome=EventOutcome.NOTHING_TO_DO, why=_NOT_DUE)
        is_new = await start_contract(source, task.legal_entity)
        why = "its contract is started" if is_new else "its contract was started meanwhile"
        return Delivery(outcome=EventOutcome.APPLIED, why=why, touched=(workflow_id,))

    async def _for_envelope(self, task: ForEnvelope) -> Delivery:
        """The contract of its deal hears how the envelope stands; where there is none it starts, if
        the deal is won. A signature waits for a deal that is not won yet."""
        try:
            found = await self._envelope(task)
        except ActivityError as error:
            gone = None if failed(error).code != _GONE else await self._gone(task)
            if isinstance(gone, Delivery):
                return gone
            if gone is None:
                raise
            found = gone
        envelope, deal = found.envelope, found.envelope.deal
        if envelope.status is EnvelopeStatus.SENT and task.status is not EnvelopeStatus.SENT:
            # Done with now, its key would keep out the message of the real end, and the sweep's.
            why = f"the service does not show yet that it is {task.status}"
            return Delivery(outcome=EventOutcome.WAITING, why=why)
        if deal is None:
            why = "the envelope names no deal"
            return Delivery(outcome=EventOutcome.NOTHING_TO_DO, why=why)
        workflow_id = contract_workflow_id(
            found.legal_entity, deal_contract_id(deal.system, deal.id)
        )
        report = SignatureReported(system=task.system, envelope=envelope)
        request = SignatureRequest(contract=workflow_id, report=report, id=self._request_id)
        if envelope.status is EnvelopeStatus.SENT:
            return await self._followed(request)
        delivery = await _reported(request)
        if delivery is not None:
            return delivery
        if not await _is_due(deal):
            is_signed = envelope.status is EnvelopeStatus.COMPLETED
            outcome = EventOutcome.WAITING if is_signed else EventOutcome.NOTHING_TO_DO
            return Delivery(outcome=outcome, why=_NOT_DUE)
        await start_contract(deal, found.legal_entity)
        delivery = await _reported(request)
        why = "its contract is started, and not there yet"
        return delivery or Delivery(outcome=EventOutcome.WAITING, why=why)

    async def _followed(self, request: SignatureRequest) -> Delivery:
        """An envelope on its way: its contract is told once, and it is looked at until it ends."""
        if workflow.now() - self._record.since >= self._record.tried_for:
            why = f"it was not signed within {self._record.tried_for.days} days"
            return Delivery(outcome=EventOutcome.NOTHING_TO_DO, why=why)
        followed = Followed(
            envelope=request.report.envelope, legal_entity=legal_entity_of(request.contract)
        )
        self._record = self._record.model_copy(update={"followed": followed})
        before = self._record.delivery
        if before.outcome is EventOutcome.FOLLOWED and before.touched:
            return before
        delivery = await _reported(request)
        if delivery is not None and delivery.outcome in (
            EventOutcome.REFUSED,
            EventOutcome.AFTER_CLOSE,
        ):
            return delivery
        is_told = delivery is not None and delivery.outcome is EventOutcome.APPLIED
        why = "it is not signed yet" if is_told else "it is not signed yet, and has no contract"
        touched = (request.contract,) if is_told else ()
        return Delivery(outcome=EventOutcome.FOLLOWED, why=why, touched=touched)

    async def _gone(self, task: ForEnvelope) -> EnvelopeFound | Delivery | None:
        """What an envelope that the service has no more means: the one that is followed is void. A
        message that it was voided has the event that follows it look at once. None: nothing."""
        followed = self._record.followed
        if followed is not None:
            # With the time at which it was on its way: a signature that its contract has heard of
            # since is not taken back.
            changes = {"status": EnvelopeStatus.VOIDED, "reason": "the service has it no more"}
            envelope = followed.envelope.model_copy(update=changes)
            return EnvelopeFound(envelope=envelope, legal_entity=followed.legal_entity)
        if task.status is not EnvelopeStatus.VOIDED:
            return None
        sent = f"{EVENT_PREFIX}{task.system}/{task.envelope_id}-{EnvelopeStatus.SENT}"
        if not await signalled(sent, LOOK_AGAIN):
            return None
        why = f"the service has it no more: {sent} tells its contract"
        return Delivery(outcome=EventOutcome.NOTHING_TO_DO, why=why, touched=())

    async def _envelope(self, task: ForEnvelope) -> EnvelopeFound:
        """The envelope as it was within the last quarter of an hour: services ask not to be read
        more often."""
        now = workflow.now()
        if self._found is None or now - self._found_at >= _READ_AGAIN_AFTER:
            self._found = await workflow.execute_activity_method(
                EsignActivities.read_envelope,
                EnvelopeRequest(system=task.system, envelope_id=task.envelope_id),
                **options.esign(f"read envelope {task.envelope_id}"),
            )
            self._found_at = now
        return self._found

    async def _for_odoo(self, task: ForOdoo) -> Delivery:
        """The record as it is now, told as a sweep tells it; the next sweep tells it once more."""
        changes = await workflow.execute_activity_method(
            OdooSweeps.read_changes,
            SweepWindow(
                since=self._record.event.received_at, record=PageMark(kind=task.kind, id=task.id)
            ),
            **options.odoo_finance(f"{task.kind} {task.id}", options.Urgency.AWAITED),
        )
        news = _news(changes)
        told = [item for item in news if await signalled(*item)]
        touched = tuple(workflow_id for workflow_id, _, _ in told)
        if told:
            return Delivery(outcome=EventOutcome.APPLIED, touched=touched)
        if news:
            why = f"{news[0][0]} does not run"
            return Delivery(outcome=EventOutcome.AFTER_CLOSE, why=why)
        return Delivery(outcome=EventOutcome.NOTHING_TO_DO, why="it is no news for any contract")

    async def _for_time(self, task: ForTime) -> Delivery:
        """Hours are read as a sweep reads them. As long as the subject keeps some of them from
        their place, it is parked; what else does is another event."""
        found = await time_import.read_again(task)
        own = task.unplaced.subject if task.unplaced else None
        left = next((item for item in found.unplaced if item.subject == own), None)
        for item in found.unplaced:
            if item.subject != own:
                await receive(unplaced_event(task.system, item, workflow.now()), again=True)
        if left is not None:
            why = left.coded[:_MOST_SHOWN_OF_A_REMEDY]
            return Delivery(outcome=EventOutcome.PARKED, why=why)
        done = EventOutcome.APPLIED if found.changed else EventOutcome.NOTHING_TO_DO
        return Delivery(outcome=done, why=f"{found.changed} timesheet lines changed in Odoo")

    @property
    def _request_id(self) -> str:
        """Of this attempt: tried again by Temporal it is the same, the next attempt has another."""
        return f"{self._record.event.workflow_id}/{self._record.attempts}"


def _refuse_unproven(name: str, asked: Signed) -> None:
    refused = refusal(name, asked, request_id_of(asked))
    if refused is not None:
        refuse(refused, type="not_allowed")


async def _is_due(deal: Source) -> bool:
    found = await workflow.execute_activity_method(
        CrmActivities.is_due,
        DealRequest(source=deal),
        **options.crm(f"is deal {deal.id} won?", options.Urgency.AWAITED),
    )
    return found.is_due


async def _reported(request: SignatureRequest) -> Delivery | None:
    """What became of the report; None where there is no contract."""
    told = await workflow.execute_activity_method(
        EventActivities.report_signature,
        request,
        **options.contracts(f"signature of {request.contract}"),
    )
    return told.delivery


_News = tuple[str, str, BaseModel]
"""The workflow that is told, by which Signal, of what."""


def _news(changes: OdooChanges) -> list[_News]:
    return [
        *((item.workflow_id, BALANCE, item.balance) for item in changes.invoices),
        *((item.workflow_id, REACHED, item.mark) for item in changes.milestones),
        *((item.workflow_id, UNREACHED, item.mark) for item in changes.unreached),
    ]

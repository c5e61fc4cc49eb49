"""Events first, sweeps behind: what changed in Odoo and the CRM, told to those it concerns.

Each is started by a Schedule, reads everything changed since its predecessor's watermark in pages
and signals only the workflows concerned. The watermark travels as the schedule's
last completion result: there is no other store.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import (
    ActivityError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.workflow import ActivityConfig

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from activities.crm import CrmActivities, WonDealsRequest
    from activities.lost_invoices import LostRequest, find_lost_invoices
    from activities.odoo.delivery import OdooDelivery, TodoRequest
    from activities.odoo.sweeps import SWEEP_OVERLAP, OdooSweeps
    from contracts.contract.messages import InvoiceLost
    from contracts.contract.state import ContractInput
    from contracts.crm import WonDeal
    from contracts.identifiers import (
        contract_of,
        contract_workflow_id,
        deal_contract_id,
        invoice_number,
    )
    from contracts.model import Source
    from contracts.sweeps import (
        FIRST_LOOK_BACK,
        ChangedInvoice,
        ConnectorSweep,
        ConnectorSweepProgress,
        ConnectorSweepResult,
        OdooChanges,
        OdooSweepProgress,
        OdooSweepResult,
        OdooUnread,
        SweepWindow,
        Unfollowed,
    )
    from workflows import metrics, options, search_attributes
    from workflows.contract import ContractWorkflow
    from workflows.shell import is_lasting

BALANCE = "balance_changed"
LOST = "invoice_lost"
REACHED, UNREACHED = "milestone_reached_in_odoo", "milestone_unreached_in_odoo"

AT_ONCE = 100
"""Signals on their way at a time. A workflow task has two seconds, however many there are to send,
and the server takes no more than 2,000 that are not answered."""
MOST_SEEN, MOST_LEFT, MOST_NAMED, MOST_LOST = 50_000, 500, 200, 1_000
"""What a result holds: together well below the engine's 2 MB, twice in what a run goes on with."""
LOOKS_APART = timedelta(hours=1)
"""How often it is looked for invoices whose workflows were ended by force."""
_LEAST = timedelta(seconds=30)
_TODO_WITHIN = timedelta(minutes=2)
"""What Odoo does not take until then the next sweep tries again."""


@workflow.defn
class OdooSweepWorkflow:
    """Invoices and milestones changed in Odoo, signalled to invoices and contracts.

    It reads page by page until the window is read, and goes on in another run where its history
    has grown. What one news fails at holds up no other, and no other sweep.
    """

    def __init__(self) -> None:
        now = workflow.now()
        first = OdooSweepResult(watermark=now - FIRST_LOOK_BACK, marked_at=now, read_at=now)
        self._before = self._result = first
        self._seen: set[str] = set()
        self._kept: dict[str, None] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    @workflow.run
    async def run(self, progress: OdooSweepProgress | None = None) -> OdooSweepResult:
        began_at = workflow.now()
        if progress is None:
            window = self._begun(workflow.get_last_completion_result(OdooSweepResult))
            await asyncio.gather(
                self._look_for_lost(), *(self._tell_people(item) for item in self._before.left)
            )
        else:
            self._before, self._result = progress.before, progress.result
            window, began_at = progress.window, progress.began_at
        self._kept = dict.fromkeys(self._result.seen)
        self._seen = {*self._before.seen, *self._kept}
        is_first = progress is None
        while True:
            try:
                changes = await self._read(window, None if is_first else began_at)
            except ActivityError as error:
                if is_first or is_cancelled_exception(error):
                    raise
                workflow.logger.warning("the sweep ends before its last page: %s", error.cause)
                return self._ended(window)
            is_first = False
            if window.after is None:
                self._mark(changes.watermark)
            await self._tell_all(changes)
            self._result.seen = list(self._kept)
            if changes.next is None:
                return self._result
            window = window.model_copy(update={"after": changes.next})
            if is_time_up(began_at):
                return self._ended(window)
            if workflow.info().is_continue_as_new_suggested():
                told = self._before.model_copy(update={"named": [], "unfollowed": [], "left": []})
                workflow.continue_as_new(
                    OdooSweepProgress(
                        before=told, result=self._result, window=window, began_at=began_at
                    )
                )

    def _ended(self, window: SweepWindow) -> OdooSweepResult:
        """The result before the last page: the next sweep goes on with this one."""
        before = self._before
        self._result.unread = OdooUnread(
            window=window, watermark=before.watermark, seen=before.seen
        )
        return self._result

    def _begun(self, before: OdooSweepResult | None) -> SweepWindow:
        """From where its predecessor ended. Where that has read what lies before its watermark so
        late that nothing of then could still appear, it is not read once more. What it has left
        unread is gone on with."""
        before = before or self._before
        if (rest := before.unread) is not None:
            self._before = before.model_copy(
                update={"watermark": rest.watermark, "seen": rest.seen, "unread": None}
            )
            self._result = before.model_copy(
                update={
                    "unread": None,
                    "left": [],
                    "named": [],
                    "unfollowed": [],
                    "signalled": 0,
                    "unknown": 0,
                }
            )
            return rest.window
        settled = before.is_settled(SWEEP_OVERLAP)
        self._before = before.model_copy(update={"seen": []}) if settled else before
        self._result = OdooSweepResult(
            watermark=before.watermark,
            marked_at=before.marked_at,
            read_at=workflow.now(),
            lost=before.lost,
            looked_at=before.looked_at,
        )
        return SweepWindow(since=before.watermark, settled=settled)

    def _mark(self, watermark: datetime) -> None:
        if watermark > self._before.watermark:
            self._result.watermark, self._result.marked_at = watermark, workflow.now()

    async def _read(self, window: SweepWindow, began_at: datetime | None) -> OdooChanges:
        summary = f"changes since {window.since:%Y-%m-%d %H:%M}"
        config = in_time(options.odoo_finance(summary, options.Urgency.AWAITED), began_at)
        return await workflow.execute_activity_method(OdooSweeps.read_changes, window, **config)

    async def _look_for_lost(self) -> None:
        """Tell contracts of invoices whose workflows were ended by force, now and then."""
        looked_at, now = self._result.looked_at, workflow.now()
        if looked_at is not None and now - looked_at < LOOKS_APART:
            return
        try:
            lost = await workflow.execute_activity(
                find_lost_invoices,
                LostRequest(known=self._result.lost),
                **options.engine("invoices ended by force"),
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("lost invoices cannot be looked for: %s", error.cause)
            return
        await asyncio.gather(*(self._tell_lost(item.workflow_id) for item in lost.found))
        known = [*self._result.lost, *(item.run_id for item in lost.found)]
        self._result.lost, self._result.looked_at = known[-MOST_LOST:], now

    async def _tell_lost(self, invoice: str) -> None:
        async with self._turns:
            news = InvoiceLost(number=invoice_number(invoice))
            await signalled(contract_of(invoice), LOST, news)

    async def _tell_all(self, changes: OdooChanges) -> None:
        # Many at once: one after the other, a workflow task each, would take a month end minutes.
        await asyncio.gather(
            *(self._tell_balance(item) for item in changes.invoices),
            *(
                self._tell(item.workflow_id, REACHED, item.mark, item.mark.as_of)
                for item in changes.milestones
            ),
            *(
                self._tell(item.workflow_id, UNREACHED, item.mark, item.mark.as_of)
                for item in changes.unreached
            ),
        )

    async def _tell_balance(self, item: ChangedInvoice) -> None:
        """Tell an invoice; where it has ended and money is open (again), tell people in Odoo."""
        balance = item.balance
        told = await self._tell(item.workflow_id, BALANCE, balance, balance.as_of)
        if told or not balance.posted or not balance.residual.is_positive:
            return
        unfollowed = Unfollowed(
            workflow_id=item.workflow_id,
            invoice_id=balance.invoice_id,
            number=balance.number,
            residual=balance.residual,
        )
        if not await self._tell_people(unfollowed):
            self._hold(_digest(item.workflow_id, balance.as_of, balance))

    async def _tell_people(self, item: Unfollowed) -> bool:
        """A to-do on the invoice. One that Odoo refuses fails alone, and is noted: the next sweep
        tries again. False where no more can be noted."""
        todo = TodoRequest(
            invoice_id=item.invoice_id,
            people=(),
            summary=f"{item.number}: {item.residual} open, and nobody follows it",
            text=f"{item.workflow_id} has ended; what is open since needs a person to look after.",
            due_on=workflow.now().date(),
        )
        config = options.odoo_finance(f"to-do: {item.number} is open")
        config["schedule_to_close_timeout"] = _TODO_WITHIN
        async with self._turns:
            try:
                await workflow.execute_activity_method(OdooDelivery.create_todo, todo, **config)
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                workflow.logger.warning("no to-do for %s: %s", item.workflow_id, error.cause)
                is_noted = len(self._result.left) < MOST_LEFT
                if is_noted:
                    self._result.left.append(item)
                return is_noted
        if len(self._result.unfollowed) < MOST_NAMED:
            self._result.unfollowed.append(item.workflow_id)
        return True

    def _hold(self, digest: str) -> None:
        """What is neither told nor noted is read again: the next sweep starts where this one did,
        and takes nothing before that for settled."""
        self._kept.pop(digest, None)
        self._result.held += 1
        self._result.watermark, self._result.marked_at = (
            self._before.watermark,
            self._result.read_at,
        )

    async def _tell(
        self, workflow_id: str, signal: str, news: BaseModel, changed_at: datetime
    ) -> bool:
        """Signal one workflow in its turn, unless this or an earlier sweep told it exactly this;
        False where there is none that runs.

        The date alone does not decide: Odoo's `write_date` has seconds only, and two changes
        within one look alike. Nor does the content: a milestone may be reached, not reached, and
        reached again.
        """
        async with self._turns:
            digest = _digest(workflow_id, changed_at, news)
            is_new = digest not in self._seen
            self._remember(digest, changed_at)
            if not is_new:
                return True
            if not await signalled(workflow_id, signal, news):
                self._result.unknown += 1
                if len(self._result.named) < MOST_NAMED:
                    self._result.named.append(workflow_id)
                return False
            self._result.signalled += 1
            metrics.told(workflow.now() - changed_at)
            return True

    def _remember(self, digest: str, changed_at: datetime) -> None:
        """Of very many only as much as fits into a result: to be told twice does no harm."""
        self._seen.add(digest)
        is_young = changed_at >= self._result.watermark - SWEEP_OVERLAP
        if is_young and digest not in self._kept and len(self._kept) < MOST_SEEN:
            self._kept[digest] = None


def is_time_up(began_at: datetime) -> bool:
    """Whether a sweep has lasted for so long that it ends after its page, and the next goes on. Its
    schedule ends it by force later, and then nothing is kept of it."""
    limit = workflow.info().execution_timeout
    return limit is not None and workflow.now() - began_at >= limit * 2 / 3


def in_time(config: ActivityConfig, began_at: datetime | None) -> ActivityConfig:
    """What a remote does not answer before its sweep is ended by force, the next sweep asks for. A
    sweep that has read nothing yet (None) waits for the remote as long as it may: it loses nothing
    by its end."""
    limit = workflow.info().execution_timeout
    if limit is None or began_at is None:
        return config
    left = began_at + limit * 5 / 6 - workflow.now()
    return {**config, "schedule_to_close_timeout": max(left, _LEAST)}


async def signalled(workflow_id: str, signal: str, *news: BaseModel) -> bool:
    """Signal a workflow; False where there is none that runs."""
    try:
        await workflow.get_external_workflow_handle(workflow_id).signal(signal, args=news)
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        return False
    return True


def _digest(workflow_id: str, changed_at: datetime, news: BaseModel) -> str:
    text = f"{workflow_id} {changed_at.isoformat()} {news.model_dump_json()}"
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:6]).decode()


@workflow.defn
class CrmSweepWorkflow:
    """Deals won in a CRM, each started as a contract once."""

    @workflow.run
    async def run(self, sweep: ConnectorSweep) -> ConnectorSweepResult:
        async def read(progress: ConnectorSweepProgress) -> FoundPage:
            since, after = progress.since, progress.after
            config = options.crm(f"deals won since {since:%Y-%m-%d %H:%M}", options.Urgency.AWAITED)
            won = await workflow.execute_activity_method(
                CrmActivities.won_deals,
                WonDealsRequest(system=sweep.system, since=since, after=after),
                **in_time(config, progress.reads_since),
            )
            return FoundPage([_found(sweep, deal) for deal in won.deals], won.as_of, won.next)

        return await looked_through(sweep, read)


def _found(sweep: ConnectorSweep, deal: WonDeal) -> Found:
    source = Source(system=sweep.system, id=deal.deal_id)
    start = partial(start_contract, source, sweep.legal_entity)
    return Found(deal.deal_id, deal.modified_at, start)


class Found(NamedTuple):
    """Something that changed in a connector's remote: its key, when it changed there, and what it
    starts; that gives 0 where it was started before."""

    key: str
    changed_at: datetime
    start: Callable[[], Awaitable[int]]


class FoundPage(NamedTuple):
    """A page of changes, the remote's time, and the mark that the next page begins behind; "": this
    was the last."""

    found: list[Found]
    as_of: datetime
    next: str


async def looked_through(
    sweep: ConnectorSweep, read: Callable[[ConnectorSweepProgress], Awaitable[FoundPage]]
) -> ConnectorSweepResult:
    """Read page by page what changed, and start what it calls for, once. It goes on in another run
    where its history has grown, and in the next sweep where it takes long, or a page cannot be had:
    that one fails by itself if its first page fails."""
    before = workflow.get_last_completion_result(ConnectorSweepResult)
    progress = sweep.progress or sweep.begun(before, workflow.now())
    while True:
        try:
            page = await read(progress)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            if progress.pages and not progress.again:
                workflow.logger.warning("the sweep ends before its last page: %s", error.cause)
                return progress.ended()
            if not progress.begins_anew(is_lasting=is_lasting(error)):
                raise
            workflow.logger.warning("the sweep begins anew: %s", error.cause)
            progress = progress.anew()
            continue
        progress.begin_page(page.as_of)
        fresh = [
            item for item in page.found if progress.is_new(item.key, item.changed_at, sweep.overlap)
        ]
        for first in range(0, len(fresh), AT_ONCE):
            together = fresh[first : first + AT_ONCE]
            progress.result.started += sum(
                await asyncio.gather(*(item.start() for item in together))
            )
        progress.after = page.next
        if not page.next:
            return progress.result
        if is_time_up(progress.began_at):
            return progress.ended()
        if workflow.info().is_continue_as_new_suggested():
            workflow.continue_as_new(sweep.model_copy(update={"progress": progress}))


async def start_contract(source: Source, legal_entity: str) -> int:
    """Start a deal's contract; 0 where it was started before."""
    contract_id = deal_contract_id(source.system, source.id)
    try:
        await workflow.start_child_workflow(
            ContractWorkflow.run,
            ContractInput(contract_id=contract_id, legal_entity=legal_entity, source=source),
            id=contract_workflow_id(legal_entity, contract_id),
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=search_attributes.at_start(contract_id, legal_entity),
            task_timeout=options.TASK_TIMEOUT,
            priority=options.share_of(legal_entity),
        )
    except WorkflowAlreadyStartedError:
        return 0
    return 1

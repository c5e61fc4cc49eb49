"""Events first, sweeps behind: what changed in Odoo and the CRM, told to those it concerns.

Each is started by a Schedule, reads everything changed since its predecessor's watermark in one
batched query and signals only the workflows concerned. The watermark travels as the schedule's
last completion result: there is no other store.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from activities.crm import CrmActivities, WonDealsRequest
    from activities.odoo.delivery import OdooDelivery, TodoRequest
    from activities.odoo.sweeps import SWEEP_OVERLAP, OdooSweeps
    from contracts.contract.messages import MilestoneReachedInOdoo, MilestoneUnreachedInOdoo
    from contracts.contract.state import ContractInput
    from contracts.identifiers import contract_workflow_id, deal_contract_id
    from contracts.model import Source
    from contracts.sweeps import ChangedInvoice, CrmSweepInput, SweepResult, SweepWindow
    from workflows import metrics, options, search_attributes
    from workflows.contract import ContractWorkflow

BALANCE = "balance_changed"
REACHED, UNREACHED = "milestone_reached_in_odoo", "milestone_unreached_in_odoo"

AT_ONCE = 100
"""Signals on their way at a time. A workflow task has two seconds, however many there are to send,
and the server takes no more than 2,000 that are not answered."""
FIRST_LOOK_BACK = timedelta(days=7)
"""How far the first sweep looks back; later ones start where the last ended."""


def _predecessor() -> SweepResult:
    last = workflow.get_last_completion_result(SweepResult)
    return last or SweepResult(watermark=workflow.now() - FIRST_LOOK_BACK)


@workflow.defn
class OdooSweepWorkflow:
    """Invoices and milestones changed in Odoo, signalled to invoices and contracts."""

    def __init__(self) -> None:
        self._result = SweepResult(watermark=workflow.now())
        self._turns = asyncio.Semaphore(AT_ONCE)

    @workflow.run
    async def run(self) -> SweepResult:
        before = _predecessor()
        changes = await workflow.execute_activity_method(
            OdooSweeps.read_changes,
            SweepWindow(since=before.watermark),
            **options.odoo_finance(
                f"changes since {before.watermark:%Y-%m-%d %H:%M}", options.Urgency.AWAITED
            ),
        )
        self._result = SweepResult(watermark=changes.watermark)
        news = [
            *(self._tell_balance(before, item) for item in changes.invoices),
            *(
                self._tell(
                    before,
                    item.workflow_id,
                    REACHED,
                    MilestoneReachedInOdoo(
                        milestone_id=item.milestone_id, on=item.reached_on, as_of=item.changed_at
                    ),
                    changed_at=item.changed_at,
                )
                for item in changes.milestones
            ),
            *(
                self._tell(
                    before,
                    item.workflow_id,
                    UNREACHED,
                    MilestoneUnreachedInOdoo(milestone_id=item.milestone_id, as_of=item.changed_at),
                    changed_at=item.changed_at,
                )
                for item in changes.unreached
            ),
        ]
        # Many at once: one after the other, a workflow task each, would take a month end minutes.
        await asyncio.gather(*news)
        return self._result

    async def _tell_balance(self, before: SweepResult, item: ChangedInvoice) -> None:
        """Tell an invoice; where it has ended and money is open (again), tell people in Odoo."""
        balance = item.balance
        told = await self._tell(
            before, item.workflow_id, BALANCE, balance, changed_at=balance.as_of
        )
        if told or not balance.posted or not balance.residual.is_positive:
            return
        self._result.unfollowed.append(item.workflow_id)
        todo = TodoRequest(
            invoice_id=balance.invoice_id,
            people=(),
            summary=f"{balance.number}: {balance.residual} open, and nobody follows it",
            text=f"{item.workflow_id} has ended; what is open since needs a person to look after.",
            due_on=workflow.now().date(),
        )
        await workflow.execute_activity_method(
            OdooDelivery.create_todo,
            todo,
            **options.odoo_finance(f"to-do: {balance.number} is open"),
        )

    async def _tell(
        self,
        before: SweepResult,
        workflow_id: str,
        signal: str,
        news: BaseModel,
        *,
        changed_at: datetime,
    ) -> bool:
        """Signal one workflow in its turn, unless an earlier sweep told it exactly this; False
        where there is none that runs.

        The date alone does not decide: Odoo's `write_date` has seconds only, and two changes
        within one look alike. Nor does the content: a milestone may be reached, not reached, and
        reached again.
        """
        async with self._turns:
            told = f"{workflow_id} {changed_at.isoformat()} {news.model_dump_json()}"
            digest = hashlib.sha256(told.encode()).hexdigest()
            if changed_at >= self._result.watermark - SWEEP_OVERLAP:
                self._result.seen[digest] = changed_at
            if digest in before.seen:
                return True
            try:
                await workflow.get_external_workflow_handle(workflow_id).signal(signal, news)
                self._result.signalled += 1
                metrics.told(workflow.now() - changed_at)
            except FailureError:
                self._result.unknown.append(workflow_id)
                return False
            return True


@workflow.defn
class CrmSweepWorkflow:
    """Deals won in a CRM, each started as a contract once."""

    @workflow.run
    async def run(self, sweep: CrmSweepInput) -> SweepResult:
        before = _predecessor()
        until = workflow.now()
        won = await workflow.execute_activity_method(
            CrmActivities.won_deals,
            WonDealsRequest(
                system=sweep.system, since=before.watermark - SWEEP_OVERLAP, until=until
            ),
            **options.crm(
                f"deals won since {before.watermark:%Y-%m-%d %H:%M}", options.Urgency.AWAITED
            ),
        )
        result = SweepResult(watermark=until)
        for deal in won.deals:
            result.seen[deal.deal_id] = deal.modified_at
            if deal.deal_id not in before.seen:
                result.signalled += await _start_contract(sweep, deal.deal_id)
        return result


async def _start_contract(sweep: CrmSweepInput, deal_id: str) -> int:
    """Start a deal's contract; 0 where it was started before."""
    contract_id = deal_contract_id(sweep.system, deal_id)
    try:
        await workflow.start_child_workflow(
            ContractWorkflow.run,
            ContractInput(
                contract_id=contract_id,
                legal_entity=sweep.legal_entity,
                source=Source(system=sweep.system, id=deal_id),
            ),
            id=contract_workflow_id(sweep.legal_entity, contract_id),
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=search_attributes.at_start(contract_id, sweep.legal_entity),
            task_timeout=options.TASK_TIMEOUT,
            priority=options.share_of(sweep.legal_entity),
        )
    except WorkflowAlreadyStartedError:
        return 0
    return 1

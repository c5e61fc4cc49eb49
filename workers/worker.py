"""One worker process: connect, telemetry, workers for the chosen task queues, run.

One program hosts any subset of the queues; each queue has limits of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.crm import CrmActivities
from activities.failures import FailureInterceptor
from activities.liveness import HeartbeatInterceptor
from activities.metrics import observe_odoo_call
from activities.odoo_catalogue import Catalogue
from activities.odoo_finance import OdooFinance
from activities.odoo_master import OdooMaster
from activities.odoo_orders import OdooOrders
from activities.odoo_sweeps import OdooSweeps
from activities.odoo_time import OdooTime
from activities.policies import Policies
from gateways.crm.protocol import Crm
from gateways.odoo import OdooClient
from wiring import client as temporal
from wiring import remotes, telemetry
from wiring.settings import Settings
from workflows import task_queues
from workflows.contract import ContractWorkflow
from workflows.receivable import ReceivableWorkflow
from workflows.sweeps import CrmSweepWorkflow, OdooSweepWorkflow

WORKFLOWS = [ContractWorkflow, ReceivableWorkflow, OdooSweepWorkflow, CrmSweepWorkflow]

# Pure libraries that import parts of themselves when they are called: inside the sandbox that
# would load them anew for every workflow.
_PASSED_THROUGH = ("email_validator", "idna", "stdnum")

_log = logging.getLogger(__name__)


def workflow_runner() -> SandboxedWorkflowRunner:
    """The sandbox workflows run and are replayed in."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*_PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions=restrictions)


def activities_of(
    queue: str, settings: Settings, odoo: OdooClient, crms: dict[str, Crm]
) -> list[Callable[..., Any]]:
    """The activities a task queue hosts."""
    policies, crm = Policies(settings.entities), CrmActivities(crms)
    catalogue = Catalogue(odoo)
    master, orders = OdooMaster(odoo, catalogue), OdooOrders(odoo, catalogue)
    finance = OdooFinance(odoo, catalogue)
    time, sweeps = OdooTime(odoo, settings.odoo.time_approved_field), OdooSweeps(odoo)
    hosted: dict[str, list[Callable[..., Any]]] = {
        task_queues.CONTRACTS: [policies.entity_policy],
        task_queues.CRM: [crm.read_deal, crm.write_status, crm.won_deals],
        task_queues.ODOO_MASTER: [
            master.validate_contract,
            master.set_up_project,
            master.create_milestones,
            master.create_tasks,
            master.mark_milestone_reached,
            master.mark_milestone_unreached,
            master.amend_milestones,
            master.drop_milestones,
            master.amend_tasks,
            master.set_project_status,
            master.archive_project,
        ],
        task_queues.ODOO_FINANCE: [
            orders.create_order,
            orders.confirm_order,
            orders.cancel_order,
            orders.amend_order,
            orders.set_delivered,
            orders.notify,
            orders.figures,
            orders.attach_audit,
            time.read_time,
            time.read_expenses,
            finance.create_document,
            finance.discard_draft,
            finance.post_document,
            finance.reconcile_credit,
            finance.send_invoice,
            finance.read_balance,
            finance.register_payment,
            finance.write_off,
            finance.send_reminder,
            finance.create_todo,
            sweeps.read_changes,
        ],
    }
    return hosted[queue]


@contextlib.asynccontextmanager
async def running(
    client: Client,
    settings: Settings,
    queues: Sequence[str] = task_queues.ALL,
    *,
    odoo: OdooClient | None = None,
    crms: dict[str, Crm] | None = None,
) -> AsyncIterator[None]:
    """Workers for these queues, for as long as the context is open."""
    odoo = odoo or remotes.odoo(settings, on_call=observe_odoo_call)
    crms = crms if crms is not None else remotes.crms(settings, odoo)
    limits = settings.worker
    async with contextlib.AsyncExitStack() as stack:
        threads = limits.activities * len(queues)
        pool = stack.enter_context(ThreadPoolExecutor(threads, thread_name_prefix="activity"))
        for queue in queues:
            hosts_workflows = queue == task_queues.CONTRACTS
            worker = Worker(
                client,
                task_queue=queue,
                workflows=WORKFLOWS if hosts_workflows else [],
                activities=activities_of(queue, settings, odoo, crms),
                activity_executor=pool,
                interceptors=[FailureInterceptor(), HeartbeatInterceptor()],
                workflow_runner=workflow_runner(),
                max_concurrent_activities=limits.activities,
                # Many sandboxes that start at once would trip the SDK's deadlock detector.
                max_concurrent_workflow_tasks=limits.workflow_tasks if hosts_workflows else None,
                max_cached_workflows=limits.cached_workflows,
                sticky_queue_schedule_to_start_timeout=timedelta(
                    seconds=limits.sticky_timeout_seconds
                ),
                max_task_queue_activities_per_second=limits.rate_per_second.get(queue),
                graceful_shutdown_timeout=timedelta(seconds=limits.graceful_shutdown_seconds),
            )
            await stack.enter_async_context(worker)
        yield


async def serve(settings: Settings, queues: Sequence[str] = task_queues.ALL) -> None:
    """Run until SIGINT or SIGTERM, then drain."""
    observed = telemetry.start(settings.telemetry)
    client = await temporal.connect(interceptors=observed.interceptors, runtime=observed.runtime)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(client, settings, queues):
        _log.info("serving %s", ", ".join(queues))
        await stop.wait()
        _log.info("draining")
    observed.flush()

"""What a worker hosts, and the workers of a process: one for each of the chosen task queues.

One program hosts any subset of the queues; each queue has limits of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import (
    PollerBehaviorAutoscaling,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkerDeploymentConfig,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.audit import AuditActivities
from activities.bank import BankActivities, BankSetup
from activities.bank_sources import BankSourceActivities, bank_file_standing
from activities.crm import CrmActivities
from activities.esign import EsignActivities, SignedDeals
from activities.events import EventActivities
from activities.failures import FailureInterceptor
from activities.figures import FiguresActivities
from activities.heartbeat import HeartbeatInterceptor
from activities.lost_invoices import find_lost_invoices
from activities.mails import Digests, MailActivities
from activities.metrics import observe_odoo_call
from activities.odoo.balances import OdooBalances
from activities.odoo.burn import OdooBurn
from activities.odoo.catalogue import Catalogue
from activities.odoo.chatter import OdooChatter
from activities.odoo.closing import OdooClosing
from activities.odoo.delivery import OdooDelivery
from activities.odoo.expenses import OdooExpenses
from activities.odoo.handover import OdooHandover
from activities.odoo.invoices import OdooInvoices
from activities.odoo.milestones import OdooMilestones
from activities.odoo.orders import OdooOrders
from activities.odoo.payments import OdooPayments
from activities.odoo.payouts import OdooPayouts, PayoutBooks
from activities.odoo.projects import OdooProjects
from activities.odoo.provisioning import OdooProvisioning
from activities.odoo.reversals import OdooReversals
from activities.odoo.sweeps import OdooSweeps
from activities.odoo.timesheets import OdooTimesheets
from activities.odoo.validation import OdooValidation
from activities.odoo.write_offs import OdooWriteOffs
from activities.policies import Policies
from activities.processors import ProcessorActivities, ProcessorSetup
from activities.proofs import Proofs
from activities.retention import RetentionActivities
from activities.timesheets import TimesheetActivities, TimeSystem
from contracts.actors import NOBODY_SIGNS, Proof
from gateways.mailer import Mailer
from gateways.odoo import MAX_MAILS
from gateways.vies import Vies
from wiring import audit, identity, remotes, retention
from wiring.remotes import Gateways
from wiring.settings import Settings, WorkerSettings
from workers.forgetting import let_go
from workers.query_cache_guard import keep_behind
from workers.slow_tasks import be_patient
from workflows import proof, task_queues
from workflows.audit_anchor import AuditAnchorWorkflow
from workflows.bank_file import BankFileWorkflow
from workflows.bank_sweep import BankSweepWorkflow
from workflows.burn_sweep import BurnSweepWorkflow
from workflows.contract import ContractWorkflow
from workflows.environment import EnvironmentWorkflow
from workflows.esign_sweep import EsignSweepWorkflow
from workflows.events import EventWorkflow
from workflows.figures import FiguresWorkflow
from workflows.invoice import InvoiceWorkflow
from workflows.mails import MailDigestWorkflow, MailWorkflow
from workflows.payments_sweep import PaymentsSweepWorkflow
from workflows.retention import RetentionWorkflow
from workflows.sweeps import CrmSweepWorkflow, OdooSweepWorkflow
from workflows.timesheet_sweep import TimesheetSweepWorkflow

WORKFLOWS = [
    ContractWorkflow,
    InvoiceWorkflow,
    EventWorkflow,
    BankFileWorkflow,
    OdooSweepWorkflow,
    CrmSweepWorkflow,
    EsignSweepWorkflow,
    TimesheetSweepWorkflow,
    PaymentsSweepWorkflow,
    BankSweepWorkflow,
    BurnSweepWorkflow,
    AuditAnchorWorkflow,
    RetentionWorkflow,
    MailDigestWorkflow,
    MailWorkflow,
    FiguresWorkflow,
    EnvironmentWorkflow,
]

# Pure libraries that import parts of themselves when they are called: inside the sandbox that
# would load them anew for every workflow.
_PASSED_THROUGH = ("email_validator", "idna", "stdnum")

# Left to itself the SDK sends a heartbeat only when four fifths of the timeout are over: one that
# is late by a second would count as a lost worker.
_HEARTBEATS_APART = timedelta(seconds=1)


# While the server has more for a queue, a process asks for more tasks at a time; where nothing
# comes, it is soon back at one question.
_POLLERS = PollerBehaviorAutoscaling(minimum=1, initial=5, maximum=50)


def workflow_runner(*, sandboxed: bool = True) -> WorkflowRunner:
    """What workflows run and are replayed in.

    The sandbox refuses what is not deterministic, and takes three times the processor time for
    each workflow that a worker begins or takes up again. So it guards where code is made, in tests
    and when recorded histories are replayed; where releases serve that passed there, it is off.
    """
    if not sandboxed:
        return UnsandboxedWorkflowRunner()
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*_PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions=restrictions)


def activities_of(
    queue: str, settings: Settings, gateways: Gateways, proof: Proof = NOBODY_SIGNS
) -> list[Callable[..., Any]]:
    """The activities a task queue hosts."""
    odoo = gateways.odoo
    if queue == task_queues.RECORDS:
        removing = RetentionActivities(retention.setup(settings))
        recorded = AuditActivities(audit.setup(settings), odoo)
        return [*_recording(recorded), removing.apply_retention]
    policies, catalogue = Policies(settings.entities, settings.payment_links), Catalogue(odoo)
    signatures = {name: item.signature or "" for name, item in settings.crm.items()}
    crm = CrmActivities(gateways.crm, signatures, gather_seconds=settings.worker.gather_seconds)
    esign = EsignActivities(gateways.esign, odoo, _signed_deals(settings))
    projects, orders = OdooProjects(odoo), OdooOrders(odoo, catalogue)
    invoices, payments = OdooInvoices(odoo, policies, catalogue), OdooPayments(odoo)
    processors = ProcessorActivities(gateways.payments, _processor_setups(settings))
    payouts = OdooPayouts(odoo, catalogue)
    delivery, burn = OdooDelivery(odoo), OdooBurn(odoo, catalogue)
    vies = Vies(settings.vies) if settings.vies.enabled else None
    timesheets = OdooTimesheets(odoo, settings.odoo.time_approved_field)
    logged = TimesheetActivities(
        _time_systems(settings, gateways), odoo, catalogue, settings.odoo.time_approved_field
    )
    events = EventActivities(identity.sign_for(settings.identity))
    bank = BankActivities(gateways.bank, _bank_setups(settings), odoo, catalogue)
    places = BankSourceActivities(gateways.bank)
    companies = {name: entity.odoo_company for name, entity in settings.entities.items()}
    hosted: dict[str, list[Callable[..., Any]]] = {
        task_queues.CONTRACTS: [
            policies.entity_policy,
            Proofs(proof).verify_signatures,
            find_lost_invoices,
            events.update_contract,
            events.refresh_contract,
            events.report_signature,
            bank_file_standing,
            Digests(settings.mail.owners if settings.mail else {}).find_digests,
        ],
        task_queues.CRM: [crm.is_due, crm.read_deal, crm.write_status, crm.won_deals],
        task_queues.ESIGN: [
            esign.read_envelope,
            esign.changed_envelopes,
            esign.attach_signed,
        ],
        task_queues.TIMESHEETS: [
            logged.import_time,
            logged.compare_time,
            logged.open_weeks,
            logged.is_mended,
        ],
        task_queues.PAYMENTS: [
            processors.read_payment,
            processors.read_payout,
            processors.changed_payments,
            processors.create_payment_link,
        ],
        task_queues.BANK: [
            places.look_for_bank_files,
            places.take_bank_files,
            bank.read_bank_file,
            bank.apply_bank_lines,
            bank.apply_bank_details,
            bank.settle_bank_line,
            bank.still_open,
            bank.put_away_bank_file,
            bank.refuse_bank_file,
        ],
        task_queues.ODOO_MASTER: [
            OdooValidation(catalogue, policies).validate_contract,
            OdooProvisioning(odoo, catalogue, vies).provision,
            projects.amend_project,
            projects.set_project_status,
            projects.archive_project,
            OdooHandover(odoo, catalogue).hand_over,
            OdooMilestones(odoo).mark_milestone,
        ],
        task_queues.ODOO_FINANCE: [
            orders.cancel_order,
            orders.amend_order,
            orders.set_delivered,
            OdooChatter(odoo).notify,
            OdooClosing(odoo).close_out,
            timesheets.read_time,
            OdooExpenses(odoo).read_expenses,
            invoices.create_draft,
            invoices.discard_draft,
            invoices.post_invoice,
            payments.register_payment,
            payments.reconcile_credit,
            OdooReversals(odoo).reverse_payment,
            payouts.book_payout,
            payouts.invoice_named,
            payouts.unbooked_payments,
            OdooBalances(odoo).read_balance,
            OdooWriteOffs(odoo).write_off,
            OdooSweeps(odoo, catalogue).read_changes,
            delivery.create_todo,
            burn.read_burn,
            burn.read_portfolio,
            FiguresActivities(odoo, catalogue, companies).measure_figures,
        ],
        task_queues.ODOO_MAIL: [delivery.send_invoice, delivery.send_reminder],
        task_queues.MAIL: [
            MailActivities(
                Mailer(settings.mail) if settings.mail else None, settings.web.public_url
            ).send_mail
        ],
    }
    return hosted[queue]


def _recording(recorded: AuditActivities) -> list[Callable[..., Any]]:
    return [
        recorded.write_entries,
        recorded.anchor,
        recorded.stamp,
        recorded.note_anchor,
        recorded.report_broken,
    ]


def _time_systems(settings: Settings, gateways: Gateways) -> dict[str, TimeSystem]:
    """The time systems with what the configuration says of their hours."""
    return {
        name: TimeSystem(
            gateway=gateways.timesheets[name],
            legal_entity=item.legal_entity,
            company=settings.entities[item.legal_entity].odoo_company,
            mapping=item.mapping,
            open_days=item.open_days,
        )
        for name, item in settings.timesheets.items()
        if name in gateways.timesheets
    }


def _signed_deals(settings: Settings) -> dict[str, SignedDeals]:
    """By CRM: the service that its deals wait for signs them, else those of its legal entity."""
    return {
        name: SignedDeals(
            crm.legal_entity,
            [crm.signature]
            if crm.signature
            else [key for key, it in settings.esign.items() if it.legal_entity == crm.legal_entity],
        )
        for name, crm in settings.crm.items()
    }


def _processor_setups(settings: Settings) -> dict[str, ProcessorSetup]:
    """By payment processor: whose payments it takes, and where they are booked."""
    return {
        name: ProcessorSetup(
            legal_entity=item.legal_entity,
            books=PayoutBooks(
                company=settings.entities[item.legal_entity].odoo_company,
                journal=item.journal,
                fee_account=item.fee_account,
                payout_account=item.payout_account,
            ),
        )
        for name, item in settings.payments.items()
    }


def _bank_setups(settings: Settings) -> dict[str, BankSetup]:
    """By place of a bank's files: whose they are, and where their accounts are booked."""
    return {
        name: BankSetup(
            legal_entity=item.legal_entity,
            company=settings.entities[item.legal_entity].odoo_company,
            accounts=item.accounts,
            tolerance=item.tolerance,
            difference_account=item.difference_account,
        )
        for name, item in settings.bank.items()
    }


@contextlib.asynccontextmanager
async def running(
    client: Client,
    settings: Settings,
    queues: Sequence[str] = task_queues.ALL,
    *,
    gateways: Gateways | None = None,
    workflows: Sequence[type] = WORKFLOWS,
) -> AsyncIterator[None]:
    """Workers for these queues, for as long as the context is open; left, it drains them."""
    gateways = gateways or remotes.gateways(settings, remotes.odoo(settings, observe_odoo_call))
    limits = settings.worker
    verifies = identity.proof(settings.identity, client.service_client.config.target_host)
    before = proof.install(verifies)
    async with contextlib.AsyncExitStack() as stack:
        threads = sum(_activities_at_once(queue, limits) for queue in queues)
        pool = stack.enter_context(ThreadPoolExecutor(threads, thread_name_prefix="activity"))
        workers = []
        for queue in queues:
            hosts_workflows = queue == task_queues.CONTRACTS
            worker = Worker(
                client,
                task_queue=queue,
                workflows=workflows if hosts_workflows else [],
                activities=activities_of(queue, settings, gateways, verifies),
                activity_executor=pool,
                interceptors=[FailureInterceptor(), HeartbeatInterceptor()],
                workflow_runner=workflow_runner(sandboxed=limits.sandboxed),
                deployment_config=_deployment(limits),
                max_concurrent_activities=_activities_at_once(queue, limits),
                # Python works on one at a time, and each has its timeout from when it was handed
                # out: with many in hand, the last of them would be given to another worker.
                max_concurrent_workflow_tasks=limits.workflow_tasks if hosts_workflows else None,
                workflow_task_poller_behavior=_POLLERS,
                activity_task_poller_behavior=_POLLERS,
                max_cached_workflows=limits.cached_workflows,
                sticky_queue_schedule_to_start_timeout=timedelta(
                    seconds=limits.sticky_timeout_seconds
                ),
                max_task_queue_activities_per_second=limits.rate_per_second.get(queue),
                max_heartbeat_throttle_interval=_HEARTBEATS_APART,
                graceful_shutdown_timeout=timedelta(seconds=limits.graceful_shutdown_seconds),
            )
            keep_behind(worker)
            be_patient(worker)
            let_go(worker)
            workers.append(await stack.enter_async_context(worker))
        try:
            yield
        finally:
            # All at once: one after the other, each queue would have a grace of its own.
            await asyncio.gather(*(worker.shutdown() for worker in workers))
            proof.install(before)


def _activities_at_once(queue: str, limits: WorkerSettings) -> int:
    """How many activities of a queue a process runs at a time, each in a thread.

    Odoo's mostly wait in a thread for a call that many of them share: the more there are, the
    fuller the call; of mails no more than one call takes. Those of a CRM share calls too, but some
    CRMs are read deal by deal, and no activity may wait long for its turn. Those of the workflows'
    own queue ask the engine or wait for contracts, and hold no thread.
    """
    fewer = {
        task_queues.CONTRACTS: 20,
        task_queues.CRM: 50,
        task_queues.ESIGN: 20,
        task_queues.TIMESHEETS: 5,
        task_queues.PAYMENTS: 20,
        task_queues.BANK: 5,
        task_queues.RECORDS: 20,
        task_queues.ODOO_MAIL: MAX_MAILS,
        task_queues.MAIL: 5,
    }
    return min(limits.activities, fewer.get(queue, limits.activities))


def _deployment(limits: WorkerSettings) -> WorkerDeploymentConfig | None:
    """The release as Temporal knows it; None where it is not named: then any worker serves all.

    Every run is pinned to the release it began with; the next one upgrades (workflows/shell.py).
    That is said here and not with the workflows: the server refuses it from workers without a name.
    """
    if limits.deployment is None or limits.build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(limits.deployment, limits.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )

"""Activity options: every timeout and retry limit, with its reason, in one place."""

from __future__ import annotations

from datetime import timedelta

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityConfig, LocalActivityConfig

from workflows import task_queues

# Odoo retries a serialisation conflict by itself for up to 30 s, and the gateway's own read
# timeout is 60 s: an attempt that has not ended by 90 s has lost its worker.
_START_TO_CLOSE = timedelta(seconds=90)

# Every activity heartbeats by itself (activities/liveness.py): a worker that was killed is noticed
# after this, not after the whole start-to-close timeout.
_HEARTBEAT = timedelta(seconds=10)

# Transient failures are retried for as long as they last: a remote that is down for a weekend
# must not need a person. Business, credential and defect failures are non-retryable by
# themselves (activities/failures.py); they come back at once and park the step.
_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    # A minute at most, so that work goes on soon after the remote is back.
    maximum_interval=timedelta(minutes=1),
    non_retryable_error_types=["business", "credentials", "defect"],
)


def crm(summary: str) -> ActivityConfig:
    return _remote(task_queues.CRM, summary)


def odoo_master(summary: str) -> ActivityConfig:
    return _remote(task_queues.ODOO_MASTER, summary)


def odoo_finance(summary: str) -> ActivityConfig:
    return _remote(task_queues.ODOO_FINANCE, summary)


def _remote(task_queue: str, summary: str) -> ActivityConfig:
    return ActivityConfig(
        task_queue=task_queue,
        start_to_close_timeout=_START_TO_CLOSE,
        heartbeat_timeout=_HEARTBEAT,
        retry_policy=_RETRY,
        summary=summary[:200],
    )


def local(summary: str) -> LocalActivityConfig:
    """For activities that only read the worker's own configuration: no remote, no queue."""
    return LocalActivityConfig(
        start_to_close_timeout=timedelta(seconds=10),
        retry_policy=_RETRY,
        summary=summary[:200],
    )

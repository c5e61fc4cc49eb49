"""Activity options: every timeout, retry limit and priority, with its reason, in one place."""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityConfig, LocalActivityConfig

from contracts.identifiers import legal_entity_of
from workflows import task_queues

TASK_TIMEOUT = timedelta(seconds=4)
"""Of every workflow: how long a worker may have a workflow task, from when it was handed out. One
that was handed to a worker in the moment in which it was killed is handed out again after it, so
that the next event is served within 5 s; Temporal's own would be 10. Tasks take milliseconds, and
the replay of a long run tenths of a second. The runs that follow have it too, children do not."""

# Odoo retries a serialisation conflict by itself for up to 30 s, and the gateway's own read
# timeout is 60 s: an attempt that has not ended by 90 s has lost its worker. One that makes many
# calls in a row gets as much for each: begun anew each time, it would not end where Odoo is slow.
_START_TO_CLOSE = timedelta(seconds=90)

# Every activity heartbeats by itself three times within this (activities/liveness.py): a worker
# that was killed is noticed after it, not after the whole start-to-close timeout, and with the
# first retry's delay the step goes on within 5 s. Shorter would take a machine that pauses for
# dead, and cost more: a heartbeat is billed, and most activities are over before their first.
_HEARTBEAT = timedelta(seconds=4)

# Where an activity looks before it writes and nothing in the remote refuses a second record (mails,
# notes, a payment with its discount for paying early), what a killed worker had asked for may still
# be under way there. The next attempt leaves it more time to appear: to be late is better than to
# do it twice.
_HEARTBEAT_OF_LOOKING = timedelta(seconds=10)

# Transient failures are retried for as long as they last: a remote that is down for a weekend
# must not need a person. But it must be seen: after this the step parks as an exception, which
# tries again by itself. The time an activity waits for a worker counts, so it is hours; mails,
# of which Odoo makes one every few seconds, wait longest at the end of a month.
_SHOWN_AFTER = timedelta(hours=2)
_MAIL_SHOWN_AFTER = timedelta(hours=24)

MAIL_GIVEN_UP_AFTER = timedelta(hours=10)
"""Of mails to the firm's own people: below a day, as the next digest says the same."""

# A page to pay on is a convenience: the invoice itself must not be late for it.
_LINK_WITHIN = timedelta(minutes=10)

# Business, credential and defect failures are non-retryable by
# themselves (activities/failures.py); they come back at once and park the step.
_RETRY = RetryPolicy(
    # Short enough that a lost worker costs no more than its heartbeat; doubled each time, it
    # spares a remote that is down all the same.
    initial_interval=timedelta(milliseconds=250),
    backoff_coefficient=2.0,
    # A minute at most, so that work goes on soon after the remote is back.
    maximum_interval=timedelta(minutes=1),
    non_retryable_error_types=["business", "credentials", "defect"],
)


class Urgency(IntEnum):
    """What goes first where a queue has more to do than its workers can: the lower, the sooner.

    A backlog is worked off strictly in this order, so nothing that is much belongs to the first.
    """

    AWAITED = 1
    """A person or a payer waits for it: posting what was approved, payments, balances. The
    sweeps' reads too: there is one a minute, and payments made in Odoo are learned from it."""
    ONWARD = 2
    """What leads to the next invoice: provisioning, drafts, hours, delivered quantities."""
    OUTGOING = 3
    """Mail to customers."""
    BACKGROUND = 4
    """What may be late: reminders, notes, the CRM's status, the audit record, the archive."""


def share_of(legal_entity: str) -> Priority:
    """What a contract's workflow is started with: each legal entity has the same share of a queue
    that is full, however many contracts it has. Invoices inherit it."""
    return Priority(fairness_key=legal_entity)


def crm(summary: str, urgency: Urgency = Urgency.BACKGROUND) -> ActivityConfig:
    return _remote(task_queues.CRM, summary, urgency, _HEARTBEAT)


def esign(summary: str, *, looks_first: bool = False, calls: int = 1) -> ActivityConfig:
    """`looks_first` and `calls` are for what is attached in Odoo: see `odoo_finance`."""
    heartbeat = _HEARTBEAT_OF_LOOKING if looks_first else _HEARTBEAT
    return _remote(task_queues.ESIGN, summary, Urgency.ONWARD, heartbeat, calls)


def timesheets(summary: str, calls: int) -> ActivityConfig:
    """For what reads many hours and writes them to Odoo: `calls` in a row."""
    urgency = Urgency.BACKGROUND
    return _remote(task_queues.TIMESHEETS, summary, urgency, _HEARTBEAT, calls)


def records(summary: str, calls: int = 1) -> ActivityConfig:
    """For the record store, which nobody waits for."""
    return _remote(task_queues.RECORDS, summary, Urgency.BACKGROUND, _HEARTBEAT, calls)


def payments(summary: str) -> ActivityConfig:
    return _remote(task_queues.PAYMENTS, summary, Urgency.AWAITED, _HEARTBEAT)


def payment_link(summary: str) -> ActivityConfig:
    """The invoice that is to be mailed waits for it, and goes without it after a while."""
    config = payments(summary)
    config["schedule_to_close_timeout"] = _LINK_WITHIN
    return config


def bank(summary: str, calls: int, urgency: Urgency = Urgency.ONWARD) -> ActivityConfig:
    """For what reads a bank's file and writes its lines to Odoo: `calls` in a row. An attempt that
    was lost may still write in Odoo; the next one leaves that time to appear."""
    return _remote(task_queues.BANK, summary, urgency, _HEARTBEAT_OF_LOOKING, calls)


def bank_decision(summary: str, calls: int) -> ActivityConfig:
    """A person waits for it: where it cannot be done soon, they are told so."""
    config = bank(summary, calls, Urgency.AWAITED)
    config["schedule_to_close_timeout"] = _START_TO_CLOSE
    return config


def odoo_master(
    summary: str, urgency: Urgency = Urgency.ONWARD, *, calls: int = 1
) -> ActivityConfig:
    """`calls` is for activities that make many in a row: so many times as long they may take."""
    return _remote(task_queues.ODOO_MASTER, summary, urgency, _HEARTBEAT, calls)


def odoo_finance(
    summary: str,
    urgency: Urgency = Urgency.ONWARD,
    *,
    looks_first: bool = False,
    calls: int = 1,
) -> ActivityConfig:
    """`looks_first` is for activities that are kept from writing twice by looking only; `calls` for
    those that make many in a row: so many times as long they may take."""
    heartbeat = _HEARTBEAT_OF_LOOKING if looks_first else _HEARTBEAT
    return _remote(task_queues.ODOO_FINANCE, summary, urgency, heartbeat, calls)


def odoo_mail(summary: str, urgency: Urgency = Urgency.OUTGOING) -> ActivityConfig:
    """Nothing in Odoo refuses a second mail: they are kept from it by looking only."""
    config = _remote(task_queues.ODOO_MAIL, summary, urgency, _HEARTBEAT_OF_LOOKING)
    config["schedule_to_close_timeout"] = _MAIL_SHOWN_AFTER
    return config


def mail(summary: str) -> ActivityConfig:
    """Never repeated by Temporal: where an attempt was lost, the mail may have gone out. So it does
    not heartbeat either, and its worker may be busy for as long as it takes."""
    return ActivityConfig(
        task_queue=task_queues.MAIL,
        # Without a worker for it, it would be mailed days later, with those of the days between.
        schedule_to_start_timeout=MAIL_GIVEN_UP_AFTER,
        start_to_close_timeout=_START_TO_CLOSE,
        retry_policy=RetryPolicy(maximum_attempts=1),
        summary=summary[:200],
        priority=_priority(Urgency.OUTGOING),
    )


def digests(summary: str) -> ActivityConfig:
    """For what asks all workflows that wait, once a day: thousands, some at a time."""
    config = engine(summary)
    config["start_to_close_timeout"] = config["schedule_to_close_timeout"] = timedelta(minutes=10)
    return config


def engine(summary: str) -> ActivityConfig:
    """For what is asked of the engine itself, which answers at once or is down."""
    config = _remote(task_queues.CONTRACTS, summary, Urgency.BACKGROUND, _HEARTBEAT)
    config["schedule_to_close_timeout"] = _START_TO_CLOSE
    return config


def _remote(
    task_queue: str, summary: str, urgency: Urgency, heartbeat: timedelta, calls: int = 1
) -> ActivityConfig:
    return ActivityConfig(
        task_queue=task_queue,
        start_to_close_timeout=calls * _START_TO_CLOSE,
        schedule_to_close_timeout=_SHOWN_AFTER,
        heartbeat_timeout=heartbeat,
        retry_policy=_RETRY,
        summary=summary[:200],
        priority=_priority(urgency),
    )


def _priority(urgency: Urgency) -> Priority:
    """By the workflow's own id, so that it holds for whoever started it, and however."""
    legal_entity = legal_entity_of(workflow.info().workflow_id)
    return Priority(priority_key=urgency, fairness_key=legal_entity or None)


def contracts(summary: str) -> ActivityConfig:
    """For activities that speak to contracts through Temporal itself. They are coroutines, which do
    not heartbeat: an attempt is over in the time in which a contract answers."""
    return ActivityConfig(
        task_queue=task_queues.CONTRACTS,
        start_to_close_timeout=timedelta(seconds=40),
        schedule_to_close_timeout=_SHOWN_AFTER,
        retry_policy=_RETRY,
        summary=summary[:200],
        priority=_priority(Urgency.ONWARD),
    )


def local(summary: str) -> LocalActivityConfig:
    """For activities that only read the worker's own configuration: no remote, no queue."""
    return LocalActivityConfig(
        start_to_close_timeout=timedelta(seconds=10),
        retry_policy=_RETRY,
        summary=summary[:200],
    )

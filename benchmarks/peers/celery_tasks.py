"""The lifecycle's steps as Celery tasks, with their messages and results in Redis.

Tasks are acknowledged once done and redelivered if their worker is lost (`acks_late`), so a task
may run twice, and finds its own record in Odoo. Each hands what was made so far to the next.

    celery -A benchmarks.peers.celery_tasks worker
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypedDict

from celery import Celery

from benchmarks.peers.lifecycle import Ids, OdooSteps, SignedContract
from benchmarks.peers.serving import Surroundings

surroundings = Surroundings.read()
app = Celery("peer", broker=surroundings.store, backend=surroundings.store)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # With late acknowledgement a slow task would hold what was fetched with it.
    worker_prefetch_multiplier=1,
    worker_concurrency=surroundings.at_once,
    broker_connection_retry_on_startup=True,
    result_expires=3600,
)
RETRIED: dict[str, Any] = {
    "autoretry_for": (Exception,),
    "max_retries": 8,
    "retry_backoff": 0.5,
}


class Made(TypedDict):
    """A contract, and Odoo's ids of what was made of it so far."""

    contract: SignedContract
    ids: Ids


@cache
def odoo() -> OdooSteps:
    """One for each process of the worker."""
    return surroundings.steps()


def _with(made: Made, **ids: Any) -> Made:
    return {"contract": made["contract"], "ids": {**made["ids"], **ids}}  # type: ignore[typeddict-item]


@app.task(**RETRIED)
def create_customer(contract: SignedContract) -> Made:
    return {"contract": contract, "ids": {"customer": odoo().customer(contract)}}


@app.task(**RETRIED)
def create_project(made: Made) -> Made:
    return _with(made, project=odoo().project(made["contract"], made["ids"]["customer"]))


@app.task(**RETRIED)
def create_order(made: Made) -> Made:
    ids = made["ids"]
    order, lines = odoo().order(made["contract"], ids["customer"], ids["project"])
    return _with(made, order=order, lines=lines)


@app.task(**RETRIED)
def create_milestones(made: Made) -> Made:
    ids = made["ids"]
    milestones = odoo().milestones(made["contract"], ids["project"], ids["lines"])
    return _with(made, milestones=milestones)


@app.task(**RETRIED)
def create_tasks(made: Made) -> Made:
    ids = made["ids"]
    odoo().tasks(made["contract"], ids["project"], ids["milestones"], ids["lines"])
    return made


@app.task(**RETRIED)
def confirm_order(made: Made) -> Made:
    odoo().confirm(made["ids"]["order"])
    return made


@app.task(**RETRIED)
def reach_milestone(made: Made, number: int) -> Made:
    odoo().reach(made["ids"]["milestones"][number])
    return made


@app.task(**RETRIED)
def create_invoice(made: Made, number: int) -> Made:
    ids = made["ids"]
    line = ids["lines"][number]
    return _with(made, invoice=odoo().invoice(made["contract"], ids["customer"], line, number))


@app.task(**RETRIED)
def post_invoice(made: Made) -> Made:
    odoo().post(made["ids"]["invoice"])
    return made


@app.task
def do_nothing(number: int) -> int:
    return number

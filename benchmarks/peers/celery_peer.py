"""The lifecycle on Celery: a chain of tasks a contract, its messages and results in Redis.

Tasks are acknowledged once done and redelivered if their worker is lost (`acks_late`), so a task
may run twice, and finds its own record in Odoo. Each hands what was made so far to the next.

    celery -A benchmarks.peers.celery_peer worker    # the worker
    python -m benchmarks.peers.celery_peer           # who sends the chains, and waits
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypedDict

from celery import Celery, chain

from benchmarks.peers.lifecycle import Ids, OdooSteps, SignedContract
from benchmarks.peers.serving import Surroundings, serve

ANSWER_SECONDS = 1800
WORKER_SECONDS = 60

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


def contract_to_invoices(contract: SignedContract) -> Any:
    """The chain of one contract, from signature to the last posted invoice."""
    billing = [
        step
        for number in range(len(contract["milestones"]))
        for step in (reach_milestone.s(number), create_invoice.s(number), post_invoice.s())
    ]
    return chain(
        create_customer.s(contract),
        create_project.s(),
        create_order.s(),
        create_milestones.s(),
        create_tasks.s(),
        confirm_order.s(),
        *billing,
    )


def run_contracts(contracts: list[SignedContract]) -> None:
    """Send every contract's chain, and wait for its last task."""
    _wait([contract_to_invoices(contract).apply_async() for contract in contracts])


def run_nothings(count: int) -> None:
    """Send that many chains at once, and wait for all."""
    _wait([chain(*[do_nothing.s(0), *[do_nothing.s()] * 4]).apply_async() for _ in range(count)])


def _wait(results: list[Any]) -> None:
    for result in results:
        result.get(timeout=ANSWER_SECONDS)


def main() -> None:
    if not app.control.ping(timeout=WORKER_SECONDS, limit=1):
        raise RuntimeError("no Celery worker answers")
    serve({"contracts": run_contracts, "nothings": run_nothings})


if __name__ == "__main__":
    main()

"""The lifecycle on Celery: a chain of tasks a contract."""

from __future__ import annotations

import time
from typing import Any

from celery import chain

from benchmarks.peers.celery_tasks import (
    app,
    confirm_order,
    create_customer,
    create_invoice,
    create_milestones,
    create_order,
    create_project,
    create_tasks,
    do_nothing,
    post_invoice,
    reach_milestone,
)
from benchmarks.peers.lifecycle import SignedContract
from benchmarks.peers.serving import serve

ANSWER_SECONDS = 1800
WORKER_SECONDS = 60


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
        confirm_order.s(),
        create_tasks.s(),
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


def _wait_for_the_worker() -> None:
    """Ask until one answers: what is asked before it listens is lost."""
    deadline = time.monotonic() + WORKER_SECONDS
    while not app.control.ping(timeout=1, limit=1):
        if time.monotonic() > deadline:
            raise RuntimeError("no Celery worker answers")


def main() -> None:
    _wait_for_the_worker()
    serve({"contracts": run_contracts, "nothings": run_nothings})


if __name__ == "__main__":
    main()

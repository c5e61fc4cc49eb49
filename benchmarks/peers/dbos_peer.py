"""The lifecycle on DBOS: a workflow a contract, its steps recorded in PostgreSQL.

A queue bounds how many contracts run at once. A step whose answer was recorded is not run again; a
step that was cut off is, and finds its own record in Odoo.
"""

from __future__ import annotations

from dbos import DBOS, DBOSConfig, SetWorkflowID

from benchmarks.peers.lifecycle import OdooSteps, SignedContract
from benchmarks.peers.serving import Surroundings, serve

QUEUE = "contracts"
# The default of 1 s would leave the slots of finished contracts idle for half of that.
POLLING_SECONDS = 0.05
RETRIED = {"retries_allowed": True, "max_attempts": 8, "interval_seconds": 0.5}

odoo: OdooSteps


@DBOS.step(**RETRIED)
def create_customer(contract: SignedContract) -> int:
    return odoo.customer(contract)


@DBOS.step(**RETRIED)
def create_project(contract: SignedContract, customer: int) -> int:
    return odoo.project(contract, customer)


@DBOS.step(**RETRIED)
def create_order(contract: SignedContract, customer: int, project: int) -> tuple[int, list[int]]:
    return odoo.order(contract, customer, project)


@DBOS.step(**RETRIED)
def create_milestones(contract: SignedContract, project: int, lines: list[int]) -> list[int]:
    return odoo.milestones(contract, project, lines)


@DBOS.step(**RETRIED)
def create_tasks(
    contract: SignedContract, project: int, milestones: list[int], lines: list[int]
) -> list[int]:
    return odoo.tasks(contract, project, milestones, lines)


@DBOS.step(**RETRIED)
def confirm_order(order: int) -> None:
    odoo.confirm(order)


@DBOS.step(**RETRIED)
def reach_milestone(milestone: int) -> None:
    odoo.reach(milestone)


@DBOS.step(**RETRIED)
def create_invoice(contract: SignedContract, customer: int, line: int, number: int) -> int:
    return odoo.invoice(contract, customer, line, number)


@DBOS.step(**RETRIED)
def post_invoice(invoice: int) -> None:
    odoo.post(invoice)


@DBOS.workflow()
def contract_to_invoices(contract: SignedContract) -> None:
    """From signature to the last posted invoice."""
    customer = create_customer(contract)
    project = create_project(contract, customer)
    order, lines = create_order(contract, customer, project)
    milestones = create_milestones(contract, project, lines)
    confirm_order(order)
    create_tasks(contract, project, milestones, lines)
    for number, (milestone, line) in enumerate(zip(milestones, lines, strict=True)):
        reach_milestone(milestone)
        post_invoice(create_invoice(contract, customer, line, number))


@DBOS.step()
def do_nothing(number: int) -> int:
    return number


@DBOS.workflow()
def five_nothings() -> None:
    """What the engine alone costs."""
    for number in range(5):
        do_nothing(number)


def run_contracts(contracts: list[SignedContract]) -> None:
    """Run every contract to its end; the workflow's id is the contract's."""
    handles = []
    for contract in contracts:
        with SetWorkflowID(contract["contract_id"]):
            handles.append(DBOS.enqueue_workflow(QUEUE, contract_to_invoices, contract))
    for handle in handles:
        handle.get_result(polling_interval_sec=POLLING_SECONDS)


def run_nothings(count: int) -> None:
    """Start that many workflows at once, and wait for all."""
    handles = [DBOS.start_workflow(five_nothings) for _ in range(count)]
    for handle in handles:
        handle.get_result()


def main() -> None:
    global odoo
    surroundings = Surroundings.read()
    odoo = surroundings.steps()
    config: DBOSConfig = {
        "name": "peer",
        "system_database_url": surroundings.store,
        "log_level": "WARNING",
        "run_admin_server": False,
    }
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue(
        QUEUE,
        worker_concurrency=surroundings.at_once,
        polling_interval_sec=POLLING_SECONDS,
        on_conflict="always_update",
    )
    serve({"contracts": run_contracts, "nothings": run_nothings})


if __name__ == "__main__":
    main()

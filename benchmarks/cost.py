"""What one contract costs: calls to Odoo, history events, billable Temporal actions.

    python -m benchmarks.cost [milestones]

Runs one fixed-price contract from signature to close-out on the sandbox, every invoice approved by
one person and paid by one transfer, and counts. Counts do not depend on the machine. The benchmark
`actions` holds them to their limits.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkipper, TimeSkippingConfig, WorkflowEnvironment

from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from gateways.odoo import connect
from gateways.secrets import Secret
from sandbox.server import Sandbox
from sandbox.stack import DYNAMIC_CONFIG, dynamic_config, temporal_binary
from tests.conftest import settings_for
from tests.servers import SandboxServer
from tests.world import World, contract_data
from wiring.remotes import Gateways
from workers import worker
from workflows import search_attributes

# What Temporal Cloud counts as an action, by the event it leaves in the history.
_ACTIONS = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: 1,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: 1,
    EventType.EVENT_TYPE_TIMER_STARTED: 1,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: 1,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: 1,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: 1,
    EventType.EVENT_TYPE_MARKER_RECORDED: 1,
}


@dataclass(frozen=True)
class Cost:
    """What was counted; `calls` are those to Odoo, by `model.method`."""

    calls: Counter[str]
    provisioning_calls: int
    billing_calls: int
    contract_events: int
    invoice_events: int
    actions: int


def contract_of(milestones: int) -> dict[str, object]:
    value = f"{milestones}000.00"
    return contract_data(
        value=value,
        services=[{"key": "s", "code": "BUILD", "description": "Build", "amount": value}],
        milestones=[
            {"key": f"m{n}", "name": f"Part {n}", "service": "s", "amount": "1000.00"}
            for n in range(milestones)
        ],
    )


async def measure(milestones: int) -> Cost:
    """Run the contract and count."""
    calls: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, Sandbox(Path(folder)) as sandbox:
        server = SandboxServer(sandbox)
        odoo = connect(
            server.url,
            server.database,
            Secret.file(server.keys["c2c"]),
            on_call=lambda model, method, *_: calls.update([f"{model}.{method}"]),
        )
        environment = await WorkflowEnvironment.start_local(
            dev_server_existing_path=temporal_binary(),
            data_converter=pydantic_data_converter,
            search_attributes=list(search_attributes.ALL),
            dev_server_extra_args=dynamic_config(DYNAMIC_CONFIG),
            dev_server_log_level="error",
        )
        skipper = TimeSkipper(environment.client, config=TimeSkippingConfig(enabled=False))
        world = World(client=skipper.client, time=skipper, server=server)
        gateways = Gateways(odoo)
        async with worker.running(environment.client, settings_for(server), gateways=gateways):
            workflow_id = await world.active(contract_of(milestones))
            provisioning = calls.total()
            for n in range(milestones):
                await world.reach(workflow_id, f"m{n}")
                invoice = f"{workflow_id}/invoice/{n + 1}"
                await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
                await world.approve(invoice)
                await world.invoice(invoice, InvoiceStage.OPEN)
                await world.pay(invoice)
            billing = calls.total()
            await world.sweep()
            for n in range(milestones):
                invoice = f"{workflow_id}/invoice/{n + 1}"
                await world.invoice(invoice, InvoiceStage.PAID)
                await world.skip(invoice, days=31)
            await world.stage(workflow_id, ContractStage.CLOSED)
            events, actions = await _histories(world, workflow_id, milestones)
        await environment.shutdown()
    return Cost(
        calls=calls,
        provisioning_calls=provisioning,
        billing_calls=billing - provisioning,
        contract_events=events[0],
        invoice_events=max(events[1:]),
        actions=actions,
    )


async def _histories(world: World, workflow_id: str, milestones: int) -> tuple[list[int], int]:
    """Events in the contract's history and in each invoice's, and billable actions in all."""
    ids = [workflow_id, *(f"{workflow_id}/invoice/{n + 1}" for n in range(milestones))]
    events, actions = [], 0
    for item in ids:
        history = await world.client.get_workflow_handle(item).fetch_history()
        events.append(len(history.events))
        actions += sum(_ACTIONS.get(event.event_type, 0) for event in history.events)
    return events, actions


def main(milestones: int) -> None:
    """Print what a contract cost."""
    cost = asyncio.run(measure(milestones))
    for name, count in cost.calls.most_common():
        print(f"  {count:4}  {name}")
    print(f"calls to provision: {cost.provisioning_calls}")
    print(f"calls per milestone billed: {cost.billing_calls / milestones:.1f}")
    print(f"calls in all: {cost.calls.total()}")
    print(f"events in the contract's history: {cost.contract_events}")
    print(f"events in an invoice's history: {cost.invoice_events}")
    print(f"billable Temporal actions in all: {cost.actions}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)

"""The product as a firm runs it: Temporal on a disk, one worker process, an Odoo that is given."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from benchmarks.contracts import APPROVERS, signed, tag
from benchmarks.frame import Bench
from benchmarks.remote import Remote
from contracts.contract.messages import MilestoneReached
from contracts.identifiers import contract_workflow_id
from contracts.model import JsonObject
from gateways.odoo import mark
from sandbox.environ import settings_in
from sandbox.real_odoo.mailbox import LOOPBACK, free_port
from sandbox.real_odoo.process import Process
from sandbox.stack import CONFIG, temporal_command
from starters import environment as bindings
from starters.client import C2C, Awaiting, calls
from workflows import task_queues

T = TypeVar("T")

NAMESPACE = "benchmarks"
_START_SECONDS = 60
_BETWEEN_LOOKS = 0.1
_MANAGER = "pia@northwind.example"


class NotServed(Exception):
    """Something did not happen in time; the message says what, and what is parked."""


class Product:
    """Temporal and worker processes on an Odoo; a use of `running`."""

    def __init__(
        self,
        folder: Path,
        odoo: Remote,
        settings: Mapping[str, object],
        environment: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self.odoo = odoo
        self.address = f"{LOOPBACK}:{free_port()}"
        self.client: Client
        self.server: Process
        self.worker: Process
        self.environment = {
            **os.environ,
            "TEMPORAL_ADDRESS": self.address,
            "TEMPORAL_NAMESPACE": NAMESPACE,
            "C2C_CONFIG": str(CONFIG),
            "C2C_ODOO__URL": odoo.url,
            "C2C_ODOO__DATABASE": odoo.database,
            "C2C_ODOO__API_KEY_FILE": str(odoo.keys["c2c"]),
            **{f"C2C_WORKER__{name.upper()}": str(value) for name, value in settings.items()},
            **environment,
        }

    @property
    def c2c(self) -> C2C:
        return C2C(self.client)

    # --- processes --------------------------------------------------------------------------

    async def start_temporal(self) -> None:
        """Start the server on its database and port, and wait until it answers."""
        port = int(self.address.rsplit(":", 1)[1])
        command = temporal_command(self.folder / "temporal.db", NAMESPACE, port, "--headless")
        self.server = Process(command, log=self.folder / "temporal.log")
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.client = await Client.connect(
                    self.address, namespace=NAMESPACE, data_converter=pydantic_data_converter
                )
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_BETWEEN_LOOKS)

    def start_worker(self) -> None:
        self.worker = Process(
            [sys.executable, "-m", "starters", "worker"],
            log=self.folder / "worker.log",
            environment=self.environment,
        )

    async def worker_is_ready(self) -> None:
        """Wait until the newest worker polls every queue."""
        await self.until("a worker", self._is_polled, seconds=_START_SECONDS)

    async def _is_polled(self) -> bool:
        own = f"{self.worker.pid}@"  # as the SDK names a worker; those that ended stay listed
        for queue in task_queues.ALL:
            answer = await self.client.workflow_service.describe_task_queue(
                DescribeTaskQueueRequest(
                    namespace=NAMESPACE,
                    task_queue=TaskQueue(name=queue),
                    task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
                )
            )
            if not any(item.identity.startswith(own) for item in answer.pollers):
                return False
        return True

    def kill(self, process: Process) -> None:
        """SIGKILL: no draining, nothing flushed."""
        os.kill(process.pid, signal.SIGKILL)
        process.stop()

    def stop(self) -> None:
        """End the worker, then the server; what was not started is passed over."""
        for name in ("worker", "server"):
            process: Process | None = getattr(self, name, None)
            if process is not None:
                process.stop()

    # --- waiting ----------------------------------------------------------------------------

    async def until(
        self, what: str, is_so: Callable[[], Awaitable[bool]], *, seconds: float
    ) -> float:
        """Look until it is so; the Unix time when it was seen. Raises NotServed."""
        deadline = time.monotonic() + seconds
        while not await is_so():
            if time.monotonic() > deadline:
                raise NotServed(f"{what}: not within {seconds:.0f} s; {await self._parked()}")
            await asyncio.sleep(_BETWEEN_LOOKS)
        return time.time()

    async def _parked(self) -> str:
        try:
            found = (await self.c2c.exceptions(limit=5)).items
        except Exception as error:
            return f"what is parked could not be asked: {error!r}"
        told = [
            f"{item.workflow_id}: {item.exception.code} {item.exception.message}" for item in found
        ]
        return f"parked: {'; '.join(told) or 'nothing'}"

    # --- work -------------------------------------------------------------------------------

    async def start(self, contracts: Sequence[JsonObject]) -> None:
        await calls.at_once([self.c2c.start(item) for item in contracts])

    async def park(self, count: int) -> None:
        """So many contracts that wait for a person, from their first step on."""
        broken = signed(tag(), count, milestones=1)
        await self.start([{**item, "currency": "XXX"} for item in broken])

        async def are_parked() -> bool:
            where = "WaitingOn = 'exception' AND ExecutionStatus = 'Running'"
            return (await self.client.count_workflows(where)).count >= count

        await self.until(f"{count} parked contracts", are_parked, seconds=120 + count)

    async def reach(self, contracts: Sequence[JsonObject]) -> None:
        """Every milestone of the contracts was delivered, as a system tells it: by Signal."""
        await calls.at_once(
            [
                self.client.get_workflow_handle(workflow_id(contract)).signal(
                    "milestone_reached",
                    MilestoneReached(milestone=milestone["key"], by=_MANAGER),
                )
                for contract in contracts
                for milestone in contract["milestones"]
            ]
        )

    async def awaiting(self, count: int, *, seconds: float) -> list[Awaiting]:
        """So many open approvals, once there are that many. Raises NotServed."""
        found: list[Awaiting] = []

        async def all_there() -> bool:
            nonlocal found
            if await open_approvals(self.client) < count:
                return False
            found = (await self.c2c.approvals(limit=count + 1)).items
            return len(found) >= count

        await self.until(f"{count} proposals", all_there, seconds=seconds)
        return found

    async def approve(self, items: Sequence[Awaiting]) -> None:
        """Finance approves all of them at once. Raises NotServed where one is refused."""
        outcomes = await self.c2c.approve_all(items, by=APPROVERS[0])
        refused = [item for item in outcomes if not item.is_taken]
        if refused:
            raise NotServed(f"{len(refused)} approvals were not taken: {refused[0].problem}")


def workflow_id(contract: JsonObject) -> str:
    return contract_workflow_id(contract["legal_entity"], contract["contract_id"])


async def open_approvals(client: Client) -> int:
    """How many workflows wait for an approval; visibility is a moment behind."""
    answer = await client.count_workflows("WaitingOn = 'approval' AND ExecutionStatus = 'Running'")
    return answer.count


def _unbind(odoo: Remote) -> None:
    with closing(odoo.client()) as client:
        mark.remove(client)


@asynccontextmanager
async def running(
    bench: Bench,
    odoo: Remote,
    *,
    environment: Mapping[str, str] = MappingProxyType({}),
    **worker_settings: object,
) -> AsyncIterator[Product]:
    """The product on an Odoo, ready to serve; it ends with the context. `environment` is more of
    its configuration."""
    folder = bench.new_folder("product")
    product = Product(folder, odoo, worker_settings, environment)
    try:
        await product.start_temporal()
        # Each round has a Temporal of its own, and the Odoo is still bound to that of the last one.
        await asyncio.to_thread(_unbind, odoo)
        await bindings.bind(product.client, settings_in(product.environment))
        product.start_worker()
        await product.worker_is_ready()
        yield product
    finally:
        product.stop()

"""Temporal servers for tests: the session's own, and one to itself for what must not be shared."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import Runtime
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from sandbox.stack import DYNAMIC_CONFIG, dynamic_config, temporal_binary
from starters import schedules
from workflows import search_attributes

_KNOWN_WITHIN_SECONDS = 60.0

# Small enough that long stories continue as new on the way.
_SHORT_RUNS = "limit.historyCount.suggestContinueAsNew=150"


@contextlib.asynccontextmanager
async def temporal_server() -> AsyncIterator[WorkflowEnvironment]:
    """A real Temporal server with time skipping allowed."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_binary(),
        data_converter=pydantic_data_converter,
        search_attributes=list(search_attributes.ALL),
        dev_server_extra_args=dynamic_config([*DYNAMIC_CONFIG, _SHORT_RUNS]),
        dev_server_log_level="error",
    )
    try:
        yield environment
    finally:
        await environment.shutdown()


async def new_namespace(
    session: Client,
    prefix: str,
    *,
    runtime: Runtime | None = None,
    ready: Callable[[Client], Awaitable[object]] = schedules.ensure_search_attributes,
) -> Client:
    """A namespace of its own on the session's server, whose workers do not answer there: its
    client, once `ready` of it succeeds."""
    name = f"{prefix}-{uuid.uuid4().hex[:8]}"
    await session.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=name, workflow_execution_retention_period=Duration(seconds=86_400)
        )
    )
    client = await Client.connect(
        session.service_client.config.target_host,
        namespace=name,
        data_converter=pydantic_data_converter,
        runtime=runtime,
    )
    deadline = time.monotonic() + _KNOWN_WITHIN_SECONDS
    while True:  # the server's caches take a moment to know it
        try:
            await ready(client)
            return client
        except RPCError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)


async def end_all(namespace: Client) -> None:
    """End what still runs there, so that nothing waits for workers that are gone."""
    async for left in namespace.list_workflows("ExecutionStatus = 'Running'"):
        with contextlib.suppress(RPCError):  # the list lags: it may be over by now
            await namespace.get_workflow_handle(left.id).terminate("the module is done")

"""Temporal servers for tests: the session's own, and one to itself for what must not be shared."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from starters.local.stack import temporal_binary
from workflows import search_attributes

SERVER_FLAGS = (
    "frontend.WorkflowTimeSkippingEnabled=true",
    # Timers that were skipped to fire at once instead of within the second.
    'history.timerProcessorMaxTimeShift="10ms"',
    # As in production: each legal entity has its share of a full queue.
    "matching.enableFairness=true",
    # Small enough that long stories continue as new on the way.
    "limit.historyCount.suggestContinueAsNew=150",
)


@contextlib.asynccontextmanager
async def temporal_server() -> AsyncIterator[WorkflowEnvironment]:
    """A real Temporal server with time skipping allowed."""
    flags = [part for flag in SERVER_FLAGS for part in ("--dynamic-config-value", flag)]
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=temporal_binary(),
        data_converter=pydantic_data_converter,
        search_attributes=list(search_attributes.ALL),
        dev_server_extra_args=flags,
        dev_server_log_level="error",
    )
    try:
        yield environment
    finally:
        await environment.shutdown()

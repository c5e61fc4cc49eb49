"""Temporal servers for tests: the session's own, and one to itself for what must not be shared."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from sandbox.stack import DYNAMIC_CONFIG, dynamic_config, temporal_binary
from workflows import search_attributes

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

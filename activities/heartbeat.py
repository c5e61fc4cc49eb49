"""A killed worker is noticed within seconds: every activity heartbeats for as long as it runs."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

_BEATS_A_TIMEOUT = 3
"""Heartbeats within one heartbeat timeout, so that one that is late does no harm."""


class HeartbeatInterceptor(Interceptor):
    """Beats beside the activity, which itself is a plain function that blocks on a remote.

    Most activities end before the first beat and cost nothing extra.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next)


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        timeout = activity.info().heartbeat_timeout
        if timeout is None:
            return await super().execute_activity(input)
        beating = asyncio.create_task(_beat(timeout.total_seconds() / _BEATS_A_TIMEOUT))
        try:
            return await super().execute_activity(input)
        finally:
            beating.cancel()


async def _beat(seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        # For an activity that runs in a thread the SDK hands the beat to this very event loop and
        # waits for it: called from here it would wait for itself and stop the whole worker.
        await asyncio.to_thread(activity.heartbeat)

"""A killed worker is noticed within seconds: every activity heartbeats for as long as it runs."""

from __future__ import annotations

import asyncio
from inspect import iscoroutinefunction
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

_BEATS_A_TIMEOUT = 3
"""Heartbeats within one heartbeat timeout, so that one that is late does no harm."""


class HeartbeatInterceptor(Interceptor):
    """Beats beside the activity, in most cases a plain function that blocks on a remote.

    Most activities end before the first beat and cost nothing extra.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next)


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        timeout = activity.info().heartbeat_timeout
        if timeout is None:
            return await super().execute_activity(input)
        seconds = timeout.total_seconds() / _BEATS_A_TIMEOUT
        beating = asyncio.create_task(_beat(seconds, threaded=not iscoroutinefunction(input.fn)))
        try:
            return await super().execute_activity(input)
        finally:
            beating.cancel()


async def _beat(seconds: float, *, threaded: bool) -> None:
    while True:
        await asyncio.sleep(seconds)
        # For an activity that runs in a thread the SDK hands the beat to this very event loop and
        # waits for it: called from here it would wait for itself and stop the whole worker. For a
        # coroutine it starts a task, which only this loop's thread can do.
        if threaded:
            await asyncio.to_thread(activity.heartbeat)
        else:
            activity.heartbeat()

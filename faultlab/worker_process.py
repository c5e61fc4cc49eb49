"""A worker of the campaign: the product's own, ready to serve, its calls tagged, perhaps mutated.

It is forked from a process that has loaded everything, says that it is ready, and begins to serve
when it is asked to: so a killed worker is followed by the next at once. It ends with its parent.
Its patience with a remote that says nothing is short: nobody waits a minute for a lost answer.
Calls to remotes carry as headers which activity makes them; the proxy takes those off again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
from temporalio import activity
from temporalio.client import Client, Interceptor
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput
from temporalio.worker import Interceptor as WorkerInterceptor

from faultlab import hosts
from faultlab.mutations import MUTATIONS
from sandbox.proxy import TAG_PREFIX
from wiring import client as temporal
from wiring.settings import load_settings
from workers import process
from workflows import task_queues

READY, GO = "ready", "go"
"""What parent and worker say to each other."""
PROCESS = "process"
"""The tag with the pid of the worker that makes a call."""
CARRIER = "carrier"
"""The tag that says which activities a call is made for: `type|workflow id|activity id`, several
of them separated by spaces where calls are shared."""


_QUEUES = {"/hubspot/": task_queues.CRM, "/v1/": task_queues.PAYMENTS}
"""How the paths of a remote that is not Odoo begin, and the queue of what speaks to it."""

PATIENCE_SECONDS = 5.0
"""Instead of the product's timeout; the proxy says more often that a remote is still at work."""


class RunningActivities:
    """The activities that run in this process, by their task tokens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[bytes, activity.Info] = {}

    def carriers(self, path: str) -> str:
        """The activity that makes a call; of a shared one made for several, all that run and speak
        to that remote: one that has just timed out leaves its call behind."""
        if activity.in_activity():
            return _carrier(activity.info())
        own = next((queue for start, queue in _QUEUES.items() if path.startswith(start)), None)
        with self._lock:
            running = list(self._running.values())
        return " ".join(
            _carrier(info)
            for info in running
            if (info.task_queue == own if own else info.task_queue not in _QUEUES.values())
        )

    def begins(self, info: activity.Info) -> None:
        with self._lock:
            self._running[info.task_token] = info

    def ends(self, info: activity.Info) -> None:
        with self._lock:
            self._running.pop(info.task_token, None)


def _carrier(info: activity.Info) -> str:
    return f"{info.activity_type}|{info.workflow_id}|{info.activity_id}"


class ActivityTracker(Interceptor, WorkerInterceptor):
    """Keeps account of the running activities."""

    def __init__(self, running: RunningActivities) -> None:
        self._running = running

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Tracking(next, self._running)


class _Tracking(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, running: RunningActivities) -> None:
        super().__init__(next)
        self._running = running

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        self._running.begins(info)
        try:
            return await super().execute_activity(input)
        finally:
            self._running.ends(info)


def _tag_calls(running: RunningActivities) -> None:
    """Let every call of this process say what it is made for."""
    send = httpx.Client.send

    def tagged(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        if carriers := running.carriers(request.url.path):
            request.headers[TAG_PREFIX + CARRIER] = carriers
            request.headers[TAG_PREFIX + PROCESS] = str(os.getpid())
            request.extensions["timeout"]["read"] = PATIENCE_SECONDS
        return send(self, request, **options)

    httpx.Client.send = tagged  # type: ignore[method-assign]


def _watch_activities(running: RunningActivities) -> None:
    """Put the tracker among the interceptors that the worker's client brings along."""
    connect = temporal.connect

    async def connected(*, interceptors: Sequence[Interceptor] = (), **options: Any) -> Client:
        return await connect(interceptors=[*interceptors, ActivityTracker(running)], **options)

    temporal.connect = connected


def _end_with(parent: Connection) -> None:
    """End as soon as whoever started this process is gone."""

    def wait() -> None:
        with contextlib.suppress(EOFError):
            parent.recv()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def stand_by(
    queues: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    mutation: str | None,
    namespace: str | None,
    parent: Connection,
) -> None:
    """Be a worker's process: get ready, say so, and serve once the parent says that it is time.

    `namespace` is the file of the host's network that it is on.
    """
    if namespace is not None:
        hosts.enter(namespace)
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    running = RunningActivities()
    _tag_calls(running)
    _watch_activities(running)
    if mutation:
        MUTATIONS[mutation]()
    settings = load_settings()
    parent.send(READY)
    with contextlib.suppress(EOFError):
        parent.recv()
        _end_with(parent)
        asyncio.run(process.serve(settings, queues))
    logging.shutdown()
    os._exit(0)

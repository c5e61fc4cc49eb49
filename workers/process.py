"""A worker process from its start to its end.

It looks before it serves: open workflows it cannot replay would stop with it. On SIGTERM or SIGINT
it takes nothing new and lets the calls under way end, for a bounded time; a second one ends it at
once. What it leaves undone Temporal gives to another worker.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Sequence

from temporalio.client import Client

from activities.metrics import observe_odoo_call
from wiring import client as temporal
from wiring import encryption, environment, garbage, identity, remotes, telemetry
from wiring.process_exit import end
from wiring.settings import Settings
from wiring.telemetry import Telemetry
from workers import replays, worker
from workers.gauges import Gauges
from workers.health import Health, served
from workflows import task_queues

CUT_SHORT = 75
"""Exit code: calls under way did not end in time, Temporal repeats them (sysexits' TEMPFAIL)."""

AFTER_THE_GRACE_SECONDS = 5.0
"""Activities are cancelled when their grace is over; the answers of those that obey still go out,
and telemetry is written. A thread that waits for a remote does not obey."""

_log = logging.getLogger(__name__)


async def serve(settings: Settings, queues: Sequence[str] = task_queues.ALL) -> None:
    """Serve until a signal, then drain. Returns once nothing is under way any more; where that
    takes too long, or a second signal comes, the process ends here.

    Raises DoesNotReplay, TemporalUnreachable, and ConfigurationError.
    """
    garbage.look_often()
    encryption.check_keys(settings)
    if task_queues.CONTRACTS in queues:
        identity.check(settings.identity, temporal.address())
    place, health = settings.worker.health, Health()
    redacts = encryption.redacts_logs(settings, temporal.address())
    observed = telemetry.start(settings.telemetry, served_at=place, redacts=redacts)
    has_metrics = place != "" and settings.telemetry.business_prometheus == place
    with served(health, place, with_metrics=has_metrics):
        await _serve(settings, queues, observed, health)
    observed.flush()
    _log.info("ended")


async def _serve(
    settings: Settings, queues: Sequence[str], observed: Telemetry, health: Health
) -> None:
    beating = asyncio.ensure_future(health.beating())
    client = await temporal.connect(interceptors=observed.interceptors, runtime=observed.runtime)
    stop = _Stop(settings.worker.graceful_shutdown_seconds, observed)
    if task_queues.CONTRACTS in queues:
        await replays.look(client, settings.worker)
    if not stop.asked.is_set():
        bound = await environment.check(client, settings)
        if settings.odoo.is_in_clear_text:
            _log.warning("%s is spoken to in clear text", settings.odoo.url)
        odoo = remotes.odoo(settings, observe_odoo_call, bound.mark)
        gateways = remotes.gateways(settings, odoo)
        async with worker.running(client, settings, queues, gateways=gateways):
            _log.info("serving %s", ", ".join(queues))
            counting = _counting(client, settings, queues, observed)
            health.is_ready = True
            await stop.asked.wait()
            health.is_ready = False
            counting.cancel()
            _log.info("draining")
    beating.cancel()


def _counting(
    client: Client, settings: Settings, queues: Sequence[str], observed: Telemetry
) -> asyncio.Future[None]:
    """Shows gauges of the whole namespace, where anybody sees them."""
    if observed.shows_metrics and task_queues.CONTRACTS in queues:
        return asyncio.ensure_future(Gauges(client, settings.telemetry.count_seconds).watch())
    return asyncio.get_running_loop().create_future()


class _Stop:
    """What SIGTERM and SIGINT do: the first asks, the second insists."""

    def __init__(self, grace_seconds: float, observed: Telemetry) -> None:
        self.asked = asyncio.Event()
        self._grace_seconds = grace_seconds
        self._observed = observed
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: signal.Signals) -> None:
        if self.asked.is_set():
            _log.warning("%s again: ended at once", number.name)
            end(128 + number)
        self.asked.set()
        # A thread of its own, so that it comes whatever the event loop is doing.
        limit = threading.Timer(self._grace_seconds + AFTER_THE_GRACE_SECONDS, self._cut_short)
        limit.daemon = True
        limit.start()

    def _cut_short(self) -> None:
        _log.warning("calls did not end within %g s: Temporal repeats them", self._grace_seconds)
        self._observed.flush()
        end(CUT_SHORT)

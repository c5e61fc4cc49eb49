"""A worker process says whether it lives and is ready, whatever its event loop does."""

from __future__ import annotations

import asyncio
import socket
import time
import urllib.error
import urllib.request

import pytest

from sandbox.real_odoo.mailbox import free_port
from wiring import telemetry
from wiring.settings import ConfigurationError, TelemetrySettings, WorkerSettings
from workers.health import STANDS_STILL_AFTER, Health, served


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def ask(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_it_lives_while_its_loop_turns_and_is_ready_once_it_polls() -> None:
    clock, address = Clock(), f"127.0.0.1:{free_port()}"
    health = Health(clock)
    with served(health, address, with_metrics=False):
        assert ask(address, "/live") == (200, "yes\n")
        assert ask(address, "/ready") == (503, "no\n")
        health.is_ready = True
        assert ask(address, "/ready") == (200, "yes\n")
        clock.now += STANDS_STILL_AFTER
        assert ask(address, "/live") == (503, "no\n")
        assert ask(address, "/ready") == (503, "no\n")
        health.beat()
        assert ask(address, "/ready") == (200, "yes\n")
        assert ask(address, "/metrics")[0] == 404
    with pytest.raises(urllib.error.URLError):
        ask(address, "/live")


async def test_the_loop_beats() -> None:
    clock = Clock()
    health = Health(clock)
    clock.now += STANDS_STILL_AFTER
    assert not health.is_live
    beating = asyncio.ensure_future(health.beating())
    await asyncio.sleep(0)
    assert health.is_live
    beating.cancel()


def test_metrics_are_at_the_same_address_where_that_is_said() -> None:
    address = f"127.0.0.1:{free_port()}"
    with served(Health(), address, with_metrics=True):
        status, text = ask(address, "/metrics")
    assert (status, "python_info" in text) == (200, True)


@pytest.mark.parametrize("address", ["9464", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"worker\.health .*expected host:port"),
        served(Health(), address, with_metrics=False),
    ):
        raise AssertionError("it is not served")


def test_an_address_that_is_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with (
            pytest.raises(ConfigurationError, match="in use"),
            served(Health(), address, with_metrics=False),
        ):
            raise AssertionError("it is not served")


def test_a_slow_client_holds_up_no_other() -> None:
    address = f"127.0.0.1:{free_port()}"
    host, _, port = address.partition(":")
    with (
        served(Health(), address, with_metrics=False),
        socket.create_connection((host, int(port))) as slow,
    ):
        slow.sendall(b"GET /li")
        assert ask(address, "/live")[0] == 200


def test_a_collector_that_does_not_answer_costs_a_second() -> None:
    class Stuck:
        def force_flush(self, *_: object) -> None:
            time.sleep(60)

    observed = telemetry.Telemetry()
    observed._tracer = observed._meter = Stuck()  # type: ignore[assignment]
    began = time.monotonic()
    observed.flush()
    assert time.monotonic() - began < 10  # of sixty, twice


def test_metrics_are_served_once(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    monkeypatch.setattr(telemetry, "start_http_server", lambda port, **_: started.append(port))
    monkeypatch.setattr(telemetry, "PrometheusMetricReader", lambda: None)
    monkeypatch.setattr(telemetry, "MeterProvider", lambda **_: None)
    monkeypatch.setattr("opentelemetry.metrics.set_meter_provider", lambda _: None)
    settings = TelemetrySettings(business_prometheus="127.0.0.1:9464")
    telemetry.start(settings, served_at="127.0.0.1:9464")
    assert started == []
    telemetry.start(settings, served_at="127.0.0.1:9465")
    assert started == [9464]


def test_a_release_is_named_as_the_worker_controller_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEMPORAL_DEPLOYMENT_NAME", "billing/c2c")
    monkeypatch.setenv("TEMPORAL_WORKER_BUILD_ID", "1.5.0-3f2a")
    found = WorkerSettings()
    assert (found.deployment, found.build_id) == ("billing/c2c", "1.5.0-3f2a")
    stated = WorkerSettings(deployment="c2c", build_id="1.6.0")
    assert (stated.deployment, stated.build_id) == ("c2c", "1.6.0")
    monkeypatch.delenv("TEMPORAL_WORKER_BUILD_ID")
    with pytest.raises(ValueError, match="give both"):
        WorkerSettings()
    monkeypatch.setenv("TEMPORAL_WORKER_BUILD_ID", "not a name")
    with pytest.raises(ValueError, match="build_id"):
        WorkerSettings()

"""Traces and metrics leave the process when configured, and cost nothing otherwise."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import pytest
import yaml
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from sandbox.server import Sandbox
from sandbox.stack import CONFIG
from starters import schedules
from starters.client import C2C
from tests.monitoring.programs import program
from tests.monitoring.receivers import Received, alerting, eventually, receiving, rotel
from tests.servers import SandboxServer
from tests.temporal import end_all
from tests.world import single
from wiring import telemetry
from wiring.settings import ConfigurationError, TelemetrySettings
from workflows import task_queues

ROOT = Path(__file__).parents[2]
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
_METRIC = re.compile(r"\b((?:c2c|temporal)_\w+)(\{[^}]*\})?")
_GROUPED = re.compile(r"by \(([^)]*)\)")


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_without_configuration_nothing_is_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(telemetry.OTLP_ENDPOINT, raising=False)
    started = telemetry.start(TelemetrySettings())
    assert started.interceptors == []
    assert started.runtime is None


def test_an_address_without_a_port_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="host:port"):
        telemetry.start(TelemetrySettings(prometheus="9464"))


# --- a worker that is watched -------------------------------------------------------------------


@dataclass
class Watched:
    """A worker process, what rotel hands on of its traces and metrics, and the two addresses at
    which Prometheus reads it."""

    client: Client
    sdk: str
    business: str
    handed_on: Received

    def scraped(self) -> str:
        return _scrape(self.sdk) + _scrape(self.business)


@pytest.fixture(scope="module")
async def watched(
    temporal_client: Client, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Watched]:
    """On a namespace of its own, so that it gets all the work. A contract has become active, the
    sweep of Odoo has run, and a workflow that nobody knows fails, as that of a defective release
    does."""
    folder, odoo_server = tmp_path_factory.mktemp("watched"), SandboxServer(sandbox)
    address = temporal_client.service_client.config.target_host
    namespace = f"telemetry-{os.getpid()}"
    sdk, business = free_address(), free_address()
    with receiving() as handed_on, rotel(handed_on.url) as otlp:
        environment = os.environ | {
            "TEMPORAL_ADDRESS": address,
            "TEMPORAL_NAMESPACE": namespace,
            "C2C_CONFIG": str(CONFIG),
            "C2C_ODOO__URL": odoo_server.url,
            "C2C_ODOO__DATABASE": odoo_server.database,
            "C2C_ODOO__API_KEY_FILE": str(odoo_server.keys["c2c"]),
            "C2C_TELEMETRY__PROMETHEUS": sdk,
            "C2C_TELEMETRY__BUSINESS_PROMETHEUS": business,
            "C2C_TELEMETRY__COUNT_SECONDS": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
        }
        c2c = [sys.executable, "-m", "starters"]
        temporal = str(Path(sys.executable).with_name("temporal"))
        create = ["operator", "namespace", "create", "--address", address, "-n", namespace]
        subprocess.run([temporal, *create], check=True, capture_output=True)
        odoo_server.unbind()
        eventually(lambda: subprocess.run([*c2c, "setup"], env=environment).returncode == 0)
        with (folder / "worker.log").open("wb") as log:
            worker = subprocess.Popen([*c2c, "worker"], env=environment, stdout=log, stderr=log)
        try:
            client = await Client.connect(
                address, namespace=namespace, data_converter=pydantic_data_converter
            )
            await C2C(client).start(single())
            await client.get_schedule_handle(schedules.ODOO_SWEEP).trigger()
            await start_nobody(client)
            yield Watched(client, sdk, business, handed_on)
            await end_all(client)
        finally:
            worker.terminate()
            assert worker.wait(30) == 0


async def start_nobody(client: Client, number: int = -1) -> None:
    await client.start_workflow("Nobody", id=f"nobody{number}", task_queue=task_queues.CONTRACTS)


@pytest.mark.long
async def test_a_worker_exports_what_alerts_and_the_dashboard_ask_for(watched: Watched) -> None:
    eventually(lambda: 'outcome="accepted"' in _scrape(watched.business), seconds=60)
    eventually(lambda: "c2c_orders_confirmed_total" in _scrape(watched.business))
    metrics = _scrape(watched.business)
    assert re.search(r'c2c_contracts_validated_total\{.*outcome="accepted".*\} 1', metrics)
    assert re.search(r"c2c_orders_confirmed_total\{.*\} 1", metrics)
    assert 'method="action_confirm"' in metrics
    eventually(lambda: _unknown(watched.scraped()) == [])


@pytest.mark.long
async def test_a_collector_of_others_takes_traces_and_metrics(watched: Watched) -> None:
    """rotel reads OTLP and writes it anew: what it hands on it has understood."""

    def is_there(path: str, *names: bytes) -> bool:
        return all(name in watched.handed_on.bodies(path) for name in names)

    spans = (b"RunWorkflow:ContractWorkflow", b"RunActivity:provision", b"POST", b"c2c-worker")
    eventually(lambda: is_there("/v1/traces", *spans), seconds=60)
    eventually(lambda: is_there("/v1/metrics", b"c2c.orders.confirmed", b"c2c.sweep.age"))


@pytest.mark.long
async def test_an_alert_of_a_failing_worker_reaches_a_webhook(
    watched: Watched, tmp_path: Path
) -> None:
    """By a real Prometheus and a real Alertmanager, which have our rules and no patience."""
    rules = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule.pop("for", None)
    targets = [watched.sdk, watched.business]
    with receiving() as hooks, alerting(tmp_path, rules, targets, hooks):
        for number in range(60):  # one more that nobody knows: an increase needs two
            await start_nobody(watched.client, number)
            await asyncio.sleep(1)
            if b"WorkflowTaskFails" in hooks.bodies("/alerts"):
                break
    alerts = [alert for body in hooks.kept["/alerts"] for alert in json.loads(body)["alerts"]]
    [alert, *_] = [item for item in alerts if item["labels"]["alertname"] == "WorkflowTaskFails"]
    assert alert["status"] == "firing"
    assert alert["labels"]["severity"] == "page"
    assert alert["annotations"]["runbook"] == "runbook.md#a-workflow-task-fails"
    # Those that have no reason to fire are silent.
    fired = {item["labels"]["alertname"] for item in alerts}
    assert not fired & {"CredentialsRefused", "SweepIsBehind", "MailsNotSent"}


@pytest.mark.long
def test_promtool_takes_the_rules_and_each_alert_fires_when_it_should() -> None:
    for asked in ("check rules deploy/alerts.yml", "test rules tests/monitoring/alerts.yml"):
        done = subprocess.run(
            [program("promtool"), *asked.split()],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _unknown(exported: str) -> list[str]:
    """What the rules of deploy/alerts.yml name and no worker exports: metrics, and their labels."""
    labels: dict[str, set[str]] = defaultdict(set)
    for name, of_it in re.findall(r"^(\w+)\{(.*)\} ", exported, re.MULTILINE):
        labels[name] |= set(re.findall(r'(\w+)="', of_it))
    unknown = []
    for rule in RULES:
        grouped = {name for text in _GROUPED.findall(rule["expr"]) for name in text.split(", ")}
        for name, selected in _METRIC.findall(rule["expr"]):
            wanted = grouped | set(re.findall(r"(\w+)!?=", selected))
            unknown += [name] if name not in labels else []
            unknown += [f"{name} {label}" for label in sorted(wanted - labels[name])]
    return unknown


def _scrape(address: str) -> str:
    """What it exports; nothing while it is not up."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except URLError:
        return ""

"""Traces and metrics leave the process when configured, and cost nothing otherwise."""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from temporalio.client import Client

from sandbox.stack import CONFIG
from starters import schedules
from tests.servers import OdooServer
from tests.world import World, single
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

BODIES: dict[str, list[bytes]] = defaultdict(list)


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes what an OTLP exporter sends over HTTP and keeps the raw bodies by path."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        BODIES[self.path].append(self.rfile.read(length))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


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


@pytest.mark.long
async def test_a_worker_exports_traces_over_otlp_and_metrics_for_prometheus(
    world: World, odoo_server: OdooServer, collector: str, tmp_path: Path
) -> None:
    """A worker process of its own, on a namespace of its own so that it gets all the work."""
    address = world.client.service_client.config.target_host
    namespace = f"telemetry-{os.getpid()}"
    sdk, business = free_address(), free_address()
    environment = os.environ | {
        "TEMPORAL_ADDRESS": address,
        "TEMPORAL_NAMESPACE": namespace,
        "C2C_CONFIG": str(CONFIG),
        "C2C_ODOO__URL": odoo_server.url,
        "C2C_ODOO__DATABASE": odoo_server.database,
        "C2C_ODOO__API_KEY_FILE": str(odoo_server.keys["c2c"]),
        "C2C_TELEMETRY__PROMETHEUS": sdk,
        "C2C_TELEMETRY__BUSINESS_PROMETHEUS": business,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    c2c = [sys.executable, "-m", "starters"]
    temporal = str(Path(sys.executable).with_name("temporal"))
    create = ["operator", "namespace", "create", "--address", address, "-n", namespace]
    subprocess.run([temporal, *create], check=True, capture_output=True)
    _eventually(lambda: subprocess.run([*c2c, "setup"], env=environment).returncode == 0)
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen([*c2c, "worker"], env=environment, stdout=log, stderr=log)
    try:
        file = tmp_path / "contract.json"
        file.write_text(json.dumps(single()))
        start = subprocess.run(
            [*c2c, "--json", "contract", "start", str(file)],
            env=environment,
            capture_output=True,
            check=True,
        )
        workflow_id = json.loads(start.stdout)["workflow_id"]
        _eventually(
            lambda: (
                '"stage": "active"'
                in subprocess.run(
                    [*c2c, "--json", "contract", "show", workflow_id],
                    env=environment,
                    capture_output=True,
                    text=True,
                ).stdout
            )
        )
        metrics = _scrape(business)
        assert re.search(r'c2c_contracts_validated_total\{.*outcome="accepted".*\} 1', metrics)
        assert re.search(r"c2c_orders_confirmed_total\{.*\} 1", metrics)
        assert 'method="action_confirm"' in metrics
        assert "temporal_workflow_task_execution_latency" in _scrape(sdk)
        client = await Client.connect(address, namespace=namespace)
        await client.get_schedule_handle(schedules.ODOO_SWEEP).trigger()
        # A workflow that nobody knows: its task fails, as that of a defective release does.
        await client.start_workflow("Nobody", id="nobody", task_queue=task_queues.CONTRACTS)
        _eventually(lambda: _unknown(_scrape(sdk) + _scrape(business)) == [])
    finally:
        worker.terminate()
        assert worker.wait(30) == 0
    spans = b"".join(BODIES["/v1/traces"])
    for name in (b"RunWorkflow:ContractWorkflow", b"RunActivity:provision", b"POST"):
        assert name in spans
    assert b"c2c.orders.confirmed" in b"".join(BODIES["/v1/metrics"])


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


def test_each_alert_says_what_is_wrong_and_leads_to_a_section_of_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    sections = {
        re.sub(r"[^a-z0-9 -]", "", line.removeprefix("## ").lower()).replace(" ", "-")
        for line in runbook.splitlines()
        if line.startswith("## ")
    }
    assert len(RULES) == 9
    for rule in RULES:
        page, _, section = rule["annotations"]["runbook"].partition("#")
        assert page == "runbook.md"
        assert section in sections, rule["alert"]
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert _METRIC.search(rule["expr"]), "the test above reads its metric"


def _scrape(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def _eventually(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)

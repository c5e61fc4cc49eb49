"""Alerts and the dashboard: each names what a worker exports, and leads somewhere."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
from pathlib import Path
from typing import Any

import yaml

from contracts.metrics import TEXTS
from workflows.metrics import LAG

ROOT = Path(__file__).parents[2]
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
CASES = yaml.safe_load((ROOT / "tests" / "monitoring" / "alerts.yml").read_text())["tests"]
GENERATOR = runpy.run_path(str(ROOT / "docs" / "generate_dashboard.py"))
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
JUDGES = ROOT / "tests" / "judges"

_INSTRUMENT = re.compile(
    r'create_(observable_)?(counter|gauge|histogram)\(\s*"(c2c\.[a-z._]+)"(.*?)\)\n', re.DOTALL
)
_OF_A_HISTOGRAM = ("_bucket", "_sum", "_count")
_TEMPORALS = {
    "temporal_workflow_task_execution_failed",
    "temporal_activity_schedule_to_start_latency_bucket",
    "temporal_workflow_task_schedule_to_start_latency_bucket",
}
"""Those of the SDK, as a worker of tests/workflows/test_telemetry.py exports them."""


def exported() -> set[str]:
    """What Prometheus reads of a worker, by name."""
    names = set(_TEMPORALS)
    for file in ("activities/metrics.py", "workers/gauges.py"):
        for _, kind, name, rest in _INSTRUMENT.findall((ROOT / file).read_text()):
            unit = {"s": "_seconds", "h": "_hours", "d": "_days"}
            found = re.search(r'unit="(\w+)"', rest)
            plain = name.replace(".", "_") + (unit[found[1]] if found else "")
            names |= _series(plain, kind, "_total")
    for name in (*TEXTS, LAG):
        is_measured = name.rpartition("_")[2] in ("days", "hours", "seconds")
        names |= _series(name, "histogram" if is_measured else "counter", "")
    return names


def _series(name: str, kind: str, total: str) -> set[str]:
    if kind == "histogram":
        return {name + end for end in _OF_A_HISTOGRAM}
    return {name + (total if kind == "counter" else "")}


def _unknown(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:c2c|temporal)_\w+", expression)) - exported()


# --- alerts -------------------------------------------------------------------------------------


def test_each_alert_says_what_is_wrong_and_leads_to_a_section_of_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    sections = {
        re.sub(r"[^a-z0-9 -]", "", line.removeprefix("## ").lower()).replace(" ", "-")
        for line in runbook.splitlines()
        if line.startswith("## ")
    }
    assert len(RULES) == len({rule["alert"] for rule in RULES}) == 13
    for rule in RULES:
        page, _, section = rule["annotations"]["runbook"].partition("#")
        assert page == "runbook.md"
        assert section in sections, rule["alert"]
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_each_alert_asks_for_what_a_worker_exports() -> None:
    for rule in RULES:
        assert re.search(r"\b(?:c2c|temporal)_\w+", rule["expr"]), rule["alert"]
        assert _unknown(rule["expr"]) == set(), rule["alert"]
    assert _unknown("max(c2c_waiting) > c2c_wating") == {"c2c_wating"}


def test_each_alert_is_tried_where_it_fires_and_where_it_is_silent() -> None:
    """promtool tries them: tests/workflows/test_telemetry.py."""
    tried = [item for case in CASES for item in case["alert_rule_test"]]
    fires = {item["alertname"] for item in tried if item.get("exp_alerts")}
    silent = {item["alertname"] for item in tried if not item.get("exp_alerts")}
    assert fires == silent == {rule["alert"] for rule in RULES}


# --- the dashboard ------------------------------------------------------------------------------


def _expressions() -> list[str]:
    return [query["expr"] for panel in DASHBOARD["panels"] for query in panel.get("targets", ())]


def test_the_dashboard_is_what_its_generator_writes() -> None:
    assert (ROOT / "deploy" / "grafana-dashboard.json").read_text() == GENERATOR["text"]()


def test_the_dashboard_asks_for_what_a_worker_exports() -> None:
    assert len(_expressions()) > 15
    for expression in _expressions():
        assert _unknown(expression) == set()


def test_the_dashboard_has_no_panels_that_overlap() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (place["x"] + x, place["y"] + y)
        for place in places
        for x in range(place["w"])
        for y in range(place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_grafanas_own_types_take_the_dashboard_and_refuse_mistakes() -> None:
    misspelt = {**DASHBOARD, "refreshes": "1m"}
    [row, panel, *_] = DASHBOARD["panels"]
    wide = {**DASHBOARD, "panels": [row, {**panel, "gridPos": {**panel["gridPos"], "w": "8"}}]}
    asks_nothing = {"refId": "A", "legendFormat": ""}
    mute = {**DASHBOARD, "panels": [row, {**panel, "targets": [asks_nothing]}]}
    done = subprocess.run(
        ["node", "grafana.js"],
        input=json.dumps([DASHBOARD, misspelt, wide, mute]),
        cwd=JUDGES,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"make installs the judges (needs Node): {done.stderr}"
    good, *bad = json.loads(done.stdout)
    assert good == []
    for found, named in zip(bad, ("refreshes", "'string'", "'expr'"), strict=True):
        assert any(named in text for text in found), found

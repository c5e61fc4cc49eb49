"""Writes deploy/grafana-dashboard.json: what alerts look at, and the way from signature to cash.

    python docs/generate_dashboard.py

Grafana imports it and asks which Prometheus it is to read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "deploy" / "grafana-dashboard.json"
SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT, ACROSS = 24, 8, 3


@dataclass(frozen=True)
class Panel:
    """A panel: what it shows, of which unit, and each query with its legend. `kind` is a type of
    Grafana's."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    text: str = ""


def mean(metric: str, over: str = "7d") -> str:
    """The mean of a histogram's values."""
    return f"sum(increase({metric}_sum[{over}])) / sum(increase({metric}_count[{over}]))"


def late(metric: str, by: str, selected: str = "") -> str:
    """Below it are 95 of 100 of a histogram's values."""
    return f"histogram_quantile(0.95, sum by ({by}, le) (rate({metric}_bucket{selected}[10m])))"


ROWS: dict[str, Sequence[Panel]] = {
    "What waits for people": (
        Panel(
            "Waiting now",
            [("max by (on, kind) (c2c_waiting) > 0", "{{on}}: {{kind}}")],
            text="By what for and what they are. Each worker counts: the largest is shown.",
        ),
        Panel(
            "The oldest has waited for",
            [("max by (on) (c2c_waiting_oldest_seconds)", "{{on}}")],
            "s",
        ),
        Panel(
            "Posted and not delivered", [("max(c2c_invoices_undelivered)", "invoices")], kind="stat"
        ),
    ),
    "From signature to cash": (
        Panel(
            "Days, mean of a week",
            [
                (mean("c2c_signature_to_project_days"), "signature to project"),
                (mean("c2c_earned_to_posted_days"), "earned to posted"),
                (mean("c2c_posted_to_cash_days"), "posted to cash"),
                (mean("c2c_approval_waiting_days"), "waiting for approval"),
            ],
            "d",
        ),
        Panel(
            "Invoices posted in a day",
            [
                ("sum(increase(c2c_invoices_posted_total[1d]))", "invoices"),
                ("sum(increase(c2c_credits_posted_total[1d]))", "credit notes"),
            ],
        ),
        Panel(
            "Contracts that ended in 30 days",
            [
                (
                    "sum by (ending, parked) (increase(c2c_contracts_ended[30d]))",
                    "{{ending}} {{parked}}",
                )
            ],
            text='`parked="no"`: no person had to correct anything.',
        ),
    ),
    "Sweeps": (
        Panel(
            "Have read up to, ago",
            [("min by (sweep) (c2c_sweep_age_seconds)", "{{sweep}}")],
            "s",
            text="Of each schedule its last complete run.",
        ),
        Panel(
            "From a change in Odoo to its workflow",
            [(late("c2c_sync_lag_seconds", "job"), "95 of 100 within")],
            "s",
        ),
        Panel(
            "Mails to our own people in a day",
            [("sum by (outcome) (increase(c2c_mails_total[1d]))", "{{outcome}}")],
        ),
    ),
    "Odoo": (
        Panel(
            "Calls: 95 of 100 within",
            [(late("c2c_odoo_call_seconds", "method"), "{{method}}")],
            "s",
        ),
        Panel(
            "Calls in a minute, by outcome",
            [("sum by (outcome) (rate(c2c_odoo_call_seconds_count[5m])) * 60", "{{outcome}}")],
        ),
        Panel("Requests that share a call", [(mean("c2c_odoo_requests", "10m"), "mean")]),
    ),
    "Workers": (
        Panel(
            "Activities wait for a worker: 95 of 100 within",
            [(late("temporal_activity_schedule_to_start_latency", "task_queue"), "{{task_queue}}")],
            "ms",
        ),
        Panel(
            "Workflows wait for a worker: 95 of 100 within",
            [
                (
                    late("temporal_workflow_task_schedule_to_start_latency", "task_queue"),
                    "{{task_queue}}",
                )
            ],
            "ms",
        ),
        Panel(
            "Workflow tasks that failed in an hour",
            [
                (
                    "sum by (workflow_type) "
                    "(increase(temporal_workflow_task_execution_failed[1h]))",
                    "{{workflow_type}}",
                )
            ],
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "uid": "contract-to-cash",
        "title": "Contract to cash",
        "tags": ["contract-to-cash"],
        "schemaVersion": 41,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "source",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                }
            ]
        },
        "panels": list(_panels()),
    }


def _panels() -> Iterator[dict[str, Any]]:
    number = top = 0
    for title, panels in ROWS.items():
        number += 1
        place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": place,
            "panels": [],
        }
        width = WIDTH // ACROSS
        for across, panel in enumerate(panels):
            number += 1
            place = {"x": across * width, "y": top + 1, "w": width, "h": HEIGHT}
            yield _panel(number, panel, place)
        top += 1 + HEIGHT


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": SOURCE,
                "expr": expr,
                "legendFormat": text,
            }
            for place, (expr, text) in enumerate(panel.queries)
        ],
    }


def text() -> str:
    """The file's content."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

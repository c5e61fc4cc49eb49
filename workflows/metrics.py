"""Key figures that only workflows know, recorded as they come about.

By the SDK's own meter: silent on replay, no event in the history. They leave a worker with the
SDK's own metrics (`telemetry.prometheus`, or OTLP). What single calls to Odoo tell is measured in
activities.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import MetricMeter

with workflow.unsafe.imports_passed_through():
    from contracts.agenda.actions import Metric
    from contracts.metrics import TEXTS

LAG = "c2c_sync_lag_seconds"

_UNITS = {"days": "d", "hours": "h"}


def record(metric: Metric) -> None:
    """Record a key figure that came out of the rules."""
    text, unit = TEXTS[metric.name], _UNITS.get(metric.name.rpartition("_")[2])
    if unit is None:
        _meter().create_counter(metric.name, text).add(int(metric.value), metric.labels)
        return
    histogram = _meter().create_histogram_float(metric.name, text, unit)
    histogram.record(float(metric.value), metric.labels)


def told(lag: timedelta) -> None:
    """A sweep told a workflow what has changed in Odoo so long ago."""
    seconds = max(lag.total_seconds(), 0.0)
    text = "Seconds from a change in Odoo to its workflow's knowing"
    _meter().create_histogram_float(LAG, text, "s").record(seconds)


def _meter() -> MetricMeter:
    return workflow.metric_meter()

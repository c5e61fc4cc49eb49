"""Key figures that only workflows know, recorded as they come about.

By the SDK's own meter: silent on replay, no event in the history. They leave a worker with the
SDK's own metrics (`telemetry.prometheus`, or OTLP). What single calls to Odoo tell is measured in
activities.
"""

from __future__ import annotations

from datetime import date, timedelta

from temporalio import workflow
from temporalio.common import MetricMeter

with workflow.unsafe.imports_passed_through():
    from contracts.agenda.actions import Metric
    from contracts.approvals import ApprovalKind
    from contracts.parking import StepException

PROJECT = "c2c_signature_to_project_days"
POSTED = "c2c_earned_to_posted_days"
CASH = "c2c_posted_to_cash_days"
APPROVAL = "c2c_approval_waiting_days"
EXCEPTION = "c2c_exception_age_hours"
ENDED = "c2c_contracts_ended"
LAG = "c2c_sync_lag_seconds"
_HOUR = timedelta(hours=1)


_TEXTS = {
    PROJECT: "Days from the signature to the project",
    POSTED: "Days from a milestone reached, or a period's end, to its posted invoice",
    CASH: "Days from an invoice's date to its last payment",
    APPROVAL: "Days from the request of an approval to its last word",
    EXCEPTION: "Hours a step was parked",
    ENDED: "Contracts ended, and whether anything of them ever parked",
}
"""What the figures are that come out of the rules; the end of a name is its unit."""
_UNITS = {"days": "d", "hours": "h"}


def record(metric: Metric) -> None:
    """Record a key figure that came out of the rules."""
    text, unit = _TEXTS[metric.name], _UNITS.get(metric.name.rpartition("_")[2])
    if unit is None:
        _meter().create_counter(metric.name, text).add(int(metric.value), metric.labels)
        return
    histogram = _meter().create_histogram_float(metric.name, text, unit)
    histogram.record(float(metric.value), metric.labels)


def project_ready(legal_entity: str, signed_on: date, today: date) -> None:
    """The order is confirmed and the project stands (dates of the legal entity)."""
    _days(PROJECT, "Days from the signature to the project", today - signed_on, legal_entity)


def invoice_posted(legal_entity: str, earned_on: date, today: date) -> None:
    """What was earned on a day (a milestone reached, a period over) is invoiced."""
    text = "Days from a milestone reached, or a period's end, to its posted invoice"
    _days(POSTED, text, today - earned_on, legal_entity)


def invoice_paid(legal_entity: str, invoice_on: date, today: date) -> None:
    """Nothing is open any more on an invoice that was paid."""
    _days(CASH, "Days from an invoice's date to its last payment", today - invoice_on, legal_entity)


def approval_decided(kind: ApprovalKind, asked_on: date, today: date) -> None:
    """People approved or rejected something."""
    labels = {"kind": str(kind)}
    text = "Days from the request of an approval to its last word"
    _meter().create_histogram_float(APPROVAL, text, "d").record((today - asked_on).days, labels)


def exception_ended(parked: StepException) -> None:
    """A parked step goes on, or was given up."""
    age = (workflow.now() - parked.since) / _HOUR
    labels = {"step": parked.step.partition(":")[0], "responsible": str(parked.responsible)}
    text = "Hours a step was parked"
    _meter().create_histogram_float(EXCEPTION, text, "h").record(age, labels)


def contract_ended(legal_entity: str, ending: str, *, parked: bool) -> None:
    """`parked` says whether a step of it, or of one of its invoices, ever waited for a person to
    mend it; approvals are no such thing."""
    labels = {"legal_entity": legal_entity, "ending": ending, "parked": "yes" if parked else "no"}
    text = "Contracts ended, and whether anything of them ever parked"
    _meter().create_counter(ENDED, text).add(1, labels)


def told(lag: timedelta) -> None:
    """A sweep told a workflow what has changed in Odoo so long ago."""
    seconds = max(lag.total_seconds(), 0.0)
    text = "Seconds from a change in Odoo to its workflow's knowing"
    _meter().create_histogram_float(LAG, text, "s").record(seconds)


def _days(name: str, text: str, duration: timedelta, legal_entity: str) -> None:
    labels = {"legal_entity": legal_entity}
    _meter().create_histogram_float(name, text, "d").record(max(duration.days, 0), labels)


def _meter() -> MetricMeter:
    return workflow.metric_meter()

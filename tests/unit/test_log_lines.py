"""Lines of a log as JSON: what each is about, whoever writes it."""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from temporalio.testing import ActivityEnvironment

from wiring.logs import formatter

CONTRACT = "contract/northwind/C-1001"


def line(*, redacts: bool = False, **changes: Any) -> dict[str, Any]:
    """What a gateway's line is as JSON, wherever this is called."""
    record = logging.LogRecord("gateways.odoo", logging.WARNING, "", 0, "slow", (), None)
    for name, value in changes.items():
        setattr(record, name, value)
    made: dict[str, Any] = json.loads(formatter(redacts=redacts, as_json=True).format(record))
    return made


def within_activity(workflow_id: str) -> dict[str, Any]:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, workflow_id=workflow_id)
    made: dict[str, Any] = environment.run(line)
    return made


def test_outside_of_work_a_line_has_nothing_but_what_it_says() -> None:
    made = line()
    at = made.pop("at")
    assert at.endswith("+00:00")
    assert made == {"level": "warning", "logger": "gateways.odoo", "message": "slow"}


@pytest.mark.parametrize(
    ("workflow_id", "contract"),
    [
        (f"{CONTRACT}/invoice/3", "C-1001"),
        (CONTRACT, "C-1001"),
        ("sweep/odoo", None),
    ],
)
def test_within_an_activity_it_names_workflow_and_contract(
    workflow_id: str, contract: str | None
) -> None:
    made = within_activity(workflow_id)
    assert made["workflow_id"] == workflow_id
    assert made["activity"] == "unknown"
    assert made["attempt"] == 1
    assert made.get("contract_id") == contract


def test_within_a_span_it_names_the_trace() -> None:
    context = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(context)):
        assert line()["trace_id"] == f"{0xABC:032x}"


@pytest.mark.parametrize("redacts", [True, False])
def test_an_error_is_in_a_field_of_its_own(redacts: bool) -> None:
    try:
        raise ValueError("no such partner: Acme")
    except ValueError as error:
        found = (type(error), error, error.__traceback__)
    said = line(redacts=redacts, exc_info=found)["error"]
    assert "ValueError" in said
    assert ("Acme" in said) is not redacts

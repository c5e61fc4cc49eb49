"""Logs without what failures say."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.exceptions import ApplicationError

from gateways import errors
from wiring import traces
from wiring.logs import FORMAT, Redacting, formatter

NAME = "Acme Industries"


def failed() -> Exception:
    """An error with a cause, both of which name a customer."""
    try:
        try:
            raise ValueError(f"no such partner: {NAME}")
        except ValueError as cause:
            raise errors.business("odoo", "customer_ambiguous", f"two are {NAME}") from cause
    except errors.GatewayError as error:
        return error


@pytest.fixture
def lines() -> Iterator[tuple[logging.Logger, list[str]]]:
    made: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # Another handler has formatted it before, in clear.
            record.exc_text = f"kept from before: {NAME}"
            made.append(Redacting(FORMAT).format(record))
            made.append(formatter(redacts=True, as_json=True).format(record))

    logger, keeper = logging.getLogger("redacted"), Keeper()
    logger.addHandler(keeper)
    logger.propagate = False
    yield logger, made
    logger.removeHandler(keeper)
    logger.propagate = True


def test_a_traceback_says_what_and_where_and_no_names(
    lines: tuple[logging.Logger, list[str]],
) -> None:
    logger, made = lines
    error = failed()
    logger.error("defect in %s", "post_invoice", exc_info=error)
    for line in made:
        assert NAME not in line
        for told in ("defect in post_invoice", "GatewayError (odoo, customer_ambiguous)"):
            assert told in line
        assert "ValueError" in line
        assert "test_logs.py" in line
    assert "ValueError" in json.loads(made[1])["error"]


def test_an_error_within_a_message_is_shown_by_its_kind(
    lines: tuple[logging.Logger, list[str]],
) -> None:
    logger, made = lines
    logger.warning("the sweep begins anew: %s", ApplicationError(NAME, type="transient"))
    for line in made:
        assert NAME not in line
        assert "the sweep begins anew: ApplicationError (transient)" in line


def test_other_messages_are_as_they_were(lines: tuple[logging.Logger, list[str]]) -> None:
    logger, made = lines
    logger.warning("%d contracts of %s", 3, "northwind")
    assert all("3 contracts of northwind" in line for line in made)


def test_a_span_says_what_failed_and_where_it_called_and_no_names() -> None:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(traces.Redacting(kept)))
    address = "https://crm.example/companies"
    asked: dict[str, str | int] = {
        "http.url": f"{address}?name={NAME}",
        "url.query": f"name={NAME}",
        "status": 409,
    }
    tracer = provider.get_tracer("test")
    with (
        pytest.raises(errors.GatewayError),
        tracer.start_as_current_span("outer") as outer,
        tracer.start_as_current_span("call", attributes=asked),
    ):
        raise failed()
    provider.force_flush()
    call, around = kept.get_finished_spans()
    assert NAME not in call.to_json() + around.to_json()
    assert call.attributes == {"http.url": address, "status": 409}
    assert call.parent == outer.get_span_context()
    [event] = call.events
    assert dict(event.attributes or {})["exception.type"] == "gateways.errors.GatewayError"
    assert not call.status.is_ok

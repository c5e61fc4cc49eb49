"""Traces without what failures say, as logs are where payloads are encrypted (`wiring.logs`).

A span records the failure that ended it, with its message and its stack trace, and calls of HTTP
have their whole address: a remote's words, and what was asked for, name customers.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status
from opentelemetry.util.types import Attributes

_ADDRESSES = frozenset({"url.full", "http.url", "http.target"})
_QUERIES = frozenset({"url.query"})
_WORDS = frozenset({"exception.message", "exception.stacktrace"})


class Redacting(SpanExporter):
    """Hands spans on without what failures say."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([redacted(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def redacted(span: ReadableSpan) -> ReadableSpan:
    """The span with kinds in the place of failures, and addresses without what is asked for."""
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_without_words(span.attributes),
        events=[
            Event(event.name, _without_words(event.attributes), event.timestamp)
            for event in span.events
        ],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _without_words(attributes: Attributes) -> Attributes:
    return {
        name: str(value).partition("?")[0] if name in _ADDRESSES else value
        for name, value in (attributes or {}).items()
        if name not in _WORDS | _QUERIES
    }

"""Traces and metrics: off and cheap unless configured.

OTLP is configured by OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT and the like);
Prometheus by the settings. The SDK's metrics go the same ways.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from prometheus_client import start_http_server
from temporalio.client import Interceptor
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.runtime import (
    OpenTelemetryConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
)

from contracts.addresses import host_and_port
from wiring.settings import ConfigurationError, TelemetrySettings
from wiring.traces import Redacting

OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
OTLP_METRICS_GRPC = "C2C_OTLP_GRPC_ENDPOINT"
"""The SDK's own metrics speak OTLP over gRPC; this names that endpoint where it is wanted."""

_FLUSH_SECONDS = 1.0


@dataclass
class Telemetry:
    """What a process passes on: interceptors for the client (register them there only, workers
    inherit them) and the runtime. `flush` before the process ends."""

    interceptors: list[Interceptor] = field(default_factory=list)
    runtime: Runtime | None = None
    _tracer: TracerProvider | None = None
    _meter: MeterProvider | None = None

    @property
    def shows_metrics(self) -> bool:
        """Whether anybody sees what is measured through OpenTelemetry."""
        return self._meter is not None

    def flush(self) -> None:
        """Export what is still buffered; a collector that does not answer costs a second."""
        # Exporters keep to no limit while they wait for an answer, or between attempts.
        providers = [item for item in (self._tracer, self._meter) if item is not None]
        threads = [
            threading.Thread(target=item.force_flush, name="flush", daemon=True)
            for item in providers
        ]
        for thread in threads:
            thread.start()
        until = time.monotonic() + _FLUSH_SECONDS
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


def start(
    settings: TelemetrySettings,
    service: str = "c2c-worker",
    *,
    served_at: str = "",
    redacts: bool = False,
) -> Telemetry:
    """Set up what is configured; without configuration nothing is recorded at all. At `served_at`
    the process itself serves the metrics, beside what else it serves there. Where it `redacts`,
    traces leave out what failures say.

    Raises ConfigurationError for a Prometheus address that is not host:port.
    """
    telemetry = Telemetry(runtime=_runtime(settings))
    resource = Resource.create({"service.name": service})
    readers: list[MetricReader] = []
    if os.environ.get(OTLP_ENDPOINT):
        tracer = TracerProvider(resource=resource)
        exporter: SpanExporter = OTLPSpanExporter()
        if redacts:
            exporter = Redacting(exporter)
        tracer.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(tracer)
        telemetry._tracer = tracer
        # Spans of a workflow that lives for months must appear at once, not when it ends.
        # Also where whoever started the workflow did not trace (the UI, another system).
        telemetry.interceptors.append(TracingInterceptor(always_create_workflow_spans=True))
        HTTPXClientInstrumentor().instrument()
        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    if settings.business_prometheus:
        host, port = _address(settings.business_prometheus)
        if settings.business_prometheus != served_at:
            start_http_server(port, addr=host)
        readers.append(PrometheusMetricReader())
    if readers:
        telemetry._meter = MeterProvider(metric_readers=readers, resource=resource)
        metrics.set_meter_provider(telemetry._meter)
    return telemetry


def _runtime(settings: TelemetrySettings) -> Runtime | None:
    if settings.prometheus:
        _address(settings.prometheus)
        config = PrometheusConfig(bind_address=settings.prometheus)
        return Runtime(telemetry=TelemetryConfig(metrics=config))
    endpoint = os.environ.get(OTLP_METRICS_GRPC)
    if endpoint:
        return Runtime(telemetry=TelemetryConfig(metrics=OpenTelemetryConfig(url=endpoint)))
    return None


def _address(text: str) -> tuple[str, int]:
    try:
        return host_and_port(text)
    except ValueError as error:
        raise ConfigurationError(f"telemetry: {error}") from None

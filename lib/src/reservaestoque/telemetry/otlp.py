"""The OpenTelemetry SDK, imported only if traces are exported."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def provider(program: str) -> TracerProvider:
    """Exports spans in batches over OTLP/HTTP, as configured by the OTEL_* variables."""
    resource = Resource.create({"service.name": program, "service.namespace": "reservaestoque"})
    # Not at exit: the interpreter would wait for an unavailable collector longer than a program may take to stop.
    exporting = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporting.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return exporting

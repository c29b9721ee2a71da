"""The OpenTelemetry SDK, which is imported only where traces are exported."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def provider(program: str) -> TracerProvider:
    """Exports spans in batches over OTLP/HTTP, as the OTEL_* variables say."""
    resource = Resource.create({"service.name": program, "service.namespace": "reservaestoque"})
    # Not at exit: the interpreter would wait for a collector that is away longer than a program may take to stop.
    exporting = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporting.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return exporting

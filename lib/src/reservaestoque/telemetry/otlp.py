"""The OpenTelemetry SDK, imported only if traces are exported."""

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

_MAX_BYTES = 65536


def provider(program: str) -> TracerProvider:
    """Exports spans in batches over OTLP/HTTP, as configured by the OTEL_* variables."""
    resource = Resource.create({"service.name": program, "service.namespace": "reservaestoque"})
    # Not at exit: the interpreter would wait for an unavailable collector longer than a program may take to stop.
    exporting = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporting.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(session=_session())))
    return exporting


def _session() -> requests.Session:
    """Never reads a whole response: the exporter needs only the status, and the body may be endless."""
    session = requests.Session()
    session.stream = True
    session.hooks["response"].append(_discard)
    return session


def _discard(response: requests.Response, *_: object, **__: object) -> None:
    """Reads once, so that the connection is reused after a short response; after a longer one it is closed."""
    response.raw.read1(_MAX_BYTES)
    response.close()

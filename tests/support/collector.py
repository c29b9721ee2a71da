"""An OpenTelemetry collector in this process: it accepts OTLP over HTTP and keeps the spans."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from http_here import serving
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

DRIVER_QUERIES = {"SELECT", "WITH"}
"""Queries of the driver for types of arguments that a connection has not sent before. Our statements have names."""

KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as a collector receives it; ids as hexadecimal text, times in seconds."""

    program: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    start: float
    end: float
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]
    failed: bool


@dataclass
class Collector:
    """The spans received at `endpoint`."""

    endpoint: str
    spans: list[ReceivedSpan] = field(default_factory=list)
    silent: bool = False

    def trace(self, trace: str) -> list[ReceivedSpan]:
        """The spans of a trace by start time, without DRIVER_QUERIES."""
        spans = (span for span in self.spans if span.trace == trace and span.name not in DRIVER_QUERIES)
        return sorted(spans, key=lambda span: span.start)

    def until(self, enough: Callable[["Collector"], bool], seconds: float = 30) -> None:
        """Waits for spans. Raises TimeoutError with the names of those received."""
        deadline = time.monotonic() + seconds
        while not enough(self):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not enough among {sorted({f'{s.program}: {s.name}' for s in self.spans})}")
            time.sleep(0.05)

    @contextmanager
    def silenced(self) -> Iterator[None]:
        """Inside the block it answers no request."""
        self.silent = True
        try:
            yield
        finally:
            self.silent = False

    def tree(self, trace: str) -> str:
        """The same spans, indented below their parents: `program name`."""
        spans = self.trace(trace)
        known = {span.id for span in spans}

        def lines(parent: str | None, depth: int) -> Iterator[str]:
            for span in spans:
                if span.parent == parent or (parent is None and span.parent not in known):
                    yield f"{'  ' * depth}{span.program} {span.name}"
                    yield from lines(span.id, depth + 1)

        return "\n".join(lines(None, 0))


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            while collector.silent:
                time.sleep(0.05)
            body = self._body()
            collector.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _body(self) -> bytes:
            length = self.headers["Content-Length"]
            if length is not None:
                return self.rfile.read(int(length))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

    with serving(Handler) as endpoint:
        collector = Collector(endpoint)
        yield collector


def _spans(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for resource in request.resource_spans:
        program = _attributes(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    program=program,
                    name=span.name,
                    kind=KINDS[span.kind],
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    start=span.start_time_unix_nano / 1e9,
                    end=span.end_time_unix_nano / 1e9,
                    attributes=_attributes(span.attributes),
                    links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}

"""Distributed traces with OpenTelemetry: off, at no cost per order, unless an endpoint is set.

The SDK reads OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER, OTEL_RESOURCE_ATTRIBUTES and others on its own
("OpenTelemetry Environment Variable Specification"). Names and attributes of spans follow its semantic conventions.
"""

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from importlib import import_module

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    get_current_span,
    set_span_in_context,
    use_span,
)

from reservaestoque.telemetry.trace import parse

Attributes = Mapping[str, str | int | float | bool]

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Tracing is on if one of these is set: the address of a collector that accepts OTLP/HTTP, usually on port 4318."""

_FLUSH_SECONDS = 2.0
_OFF: AbstractContextManager[None] = contextlib.nullcontext()


class _Recording:
    """The tracer that records spans; None while tracing is off."""

    tracer: Tracer | None = None


@contextlib.contextmanager
def exporting_traces(program: str, environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Turns tracing on inside the block if an endpoint is set; at the end sends the last spans, for at most 2 s."""
    if not any(environ.get(name) for name in ENDPOINTS):
        yield
        return
    provider = import_module("reservaestoque.telemetry.otlp").provider(program)
    _Recording.tracer = provider.get_tracer("reservaestoque")
    try:
        yield
    finally:
        _Recording.tracer = None
        # In a thread that may be abandoned: the SDK waits for a silent collector beyond its timeout.
        flushing = threading.Thread(target=provider.force_flush, daemon=True)
        flushing.start()
        flushing.join(_FLUSH_SECONDS)


def enabled() -> bool:
    """Whether this process records spans."""
    return _Recording.tracer is not None


def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: str | None = None,
    links: Iterable[str] = (),
    attributes: Attributes | None = None,
) -> AbstractContextManager[Span | None]:
    """A span that is current inside the block; None while tracing is off.

    The parent is the current span, or that of the traceparent given; with none, or an empty one, the span begins a
    trace. `links` are the traceparents of related spans. An exception that leaves the block is recorded and marks
    the span as failed.
    """
    if _Recording.tracer is None:
        return _OFF
    return use_span(start(name, kind=kind, parent=parent, links=links, attributes=attributes), end_on_exit=True)


def start(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: str | None = None,
    links: Iterable[str] = (),
    attributes: Attributes | None = None,
    since: datetime | None = None,
) -> Span:
    """Like `span`, but it is not current and the caller ends it; `since` is its start, now by default.

    Raises RuntimeError while tracing is off.
    """
    if _Recording.tracer is None:
        raise RuntimeError("tracing is off")
    return _Recording.tracer.start_span(
        name,
        context=None if parent is None else _context(parent),
        kind=kind,
        links=[Link(context) for context in map(_span_context, links) if context is not None],
        attributes=dict(attributes or {}),
        start_time=None if since is None else int(since.timestamp() * 1e9),
    )


def current() -> Span | None:
    """The current span if it is recorded."""
    if _Recording.tracer is None:
        return None
    found = get_current_span()
    return found if found.is_recording() else None


def fail(failed: Span, fault: BaseException | str) -> None:
    """Marks a span as failed, with this exception or this kind of error."""
    if isinstance(fault, BaseException):
        failed.record_exception(fault)
        fault = type(fault).__name__
    failed.set_attribute("error.type", fault)
    failed.set_status(StatusCode.ERROR)


def traceparent(of: Span) -> str:
    """The W3C trace context of a span, to propagate to other programs."""
    context = of.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def carried() -> str:
    """The traceparent of the current span, for another task to continue later; empty without a span."""
    found = current()
    return "" if found is None else traceparent(found)


def exemplar(of: str | None = None) -> dict[str, str] | None:
    """The labels of an exemplar: the trace of the current span, or of the traceparent given; None if not recorded."""
    if _Recording.tracer is None:
        return None
    context = get_current_span().get_span_context() if of is None else _span_context(of)
    return {"trace_id": f"{context.trace_id:032x}"} if context is not None and context.trace_flags.sampled else None


def ids_of_current() -> dict[str, str]:
    """`trace_id` and `span_id` of the current span, for a log line; empty without a span."""
    found = current()
    if found is None:
        return {}
    context = found.get_span_context()
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def _context(parent: str) -> Context:
    context = _span_context(parent)
    return Context() if context is None else set_span_in_context(NonRecordingSpan(context), Context())


def _span_context(text: str) -> SpanContext | None:
    ids = parse(text)
    if ids is None:
        return None
    return SpanContext(ids.trace, ids.span, is_remote=True, trace_flags=TraceFlags(ids.flags))

"""Spans of messages: events sent and processed in batches belong to the trace of each order.

OpenTelemetry's conventions for messaging: a message carries the context of its `send` span, which is the parent of
its `process` span; the span of a batch links to all its messages, and theirs link to it.
"""

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TypeVar

from msgspec.structs import replace
from opentelemetry.trace import Span, SpanKind

from reservaestoque.events import CloudEvent
from reservaestoque.telemetry import tracing

E = TypeVar("E", bound=CloudEvent)


def sending(events: Sequence[E]) -> AbstractContextManager[Sequence[E]]:
    """The events to publish in the block, each with the context of its own span.

    A span starts when its event occurred, so it includes the wait in the outbox.
    """
    return _sending(events) if tracing.enabled() else contextlib.nullcontext(events)


def processing(events: Sequence[E], queue: str) -> AbstractContextManager[Sequence[E]]:
    """The events to process in the block, each with the context of its own span."""
    return _processing(events, queue) if tracing.enabled() else contextlib.nullcontext(events)


@contextlib.contextmanager
def _sending(events: Sequence[E]) -> Iterator[Sequence[E]]:
    spans = [_start("send", SpanKind.PRODUCER, event, _destination(event), since=event.time) for event in events]
    with _ending(spans):
        yield _carrying(events, spans)


@contextlib.contextmanager
def _processing(events: Sequence[E], queue: str) -> Iterator[Sequence[E]]:
    counted = {**_messaging("process", queue), "messaging.batch.message_count": len(events)}
    carried = [event.traceparent for event in events if event.traceparent]
    with tracing.span(f"process {queue}", kind=SpanKind.CONSUMER, links=carried, attributes=counted) as batch:
        links = [tracing.traceparent(batch)] if batch is not None else []
        spans = [
            _start("process", SpanKind.CONSUMER, event, f"{_destination(event)}:{queue}", links=links)
            for event in events
        ]
        with _ending(spans):
            yield _carrying(events, spans)


@contextlib.contextmanager
def _ending(spans: Sequence[Span]) -> Iterator[None]:
    try:
        yield
    except BaseException as fault:
        for span in spans:
            tracing.fail(span, fault)
        raise
    finally:
        for span in spans:
            span.end()


def _messaging(operation: str, name: str) -> dict[str, str | int]:
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": name,
    }


def _start(
    operation: str,
    kind: SpanKind,
    event: CloudEvent,
    destination: str,
    links: Sequence[str] = (),
    since: datetime | None = None,
) -> Span:
    return tracing.start(
        f"{operation} {destination}",
        kind=kind,
        parent=event.traceparent or "",
        links=links,
        since=since,
        attributes={
            **_messaging(operation, destination),
            "messaging.message.id": str(event.id),
            "messaging.rabbitmq.destination.routing_key": type(event).__name__,
            "reservaestoque.pedido_id": str(event.subject),
        },
    )


def _carrying(events: Sequence[E], spans: Sequence[Span]) -> list[E]:
    return [replace(event, traceparent=tracing.traceparent(span)) for event, span in zip(events, spans, strict=True)]


def _destination(event: CloudEvent) -> str:
    """`exchange:routing key`, following the conventions for RabbitMQ. A program publishes to its own exchange."""
    return f"{event.source.rpartition('/')[2]}:{type(event).__name__}"

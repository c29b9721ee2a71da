"""The span of a request, as OpenTelemetry's conventions for HTTP servers describe it."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from http import HTTPStatus
from typing import Any

from opentelemetry.trace import Span, SpanKind, use_span

from reservaestoque.telemetry import tracing

App = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application."""

_HEADER = b"traceparent"
_UNTRACED = "/health/"
_STREAM = (b"content-type", b"text/event-stream")


def traced(app: App) -> App:
    """The application with a span for each request; the unchanged application while tracing is off.

    The request continues with the span's context in its `traceparent` header. The span of an event stream ends with
    the response headers, because the stream may last for hours.
    """
    if not tracing.enabled():
        return app

    async def serve(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UNTRACED):
            await app(scope, receive, send)
            return
        received = [value for name, value in scope["headers"] if name == _HEADER]
        with span(
            scope["method"], scope["path"], received[0] if len(received) == 1 else b"", scope["http_version"]
        ) as current:
            others = [header for header in scope["headers"] if header[0] != _HEADER]
            scope["headers"] = [*others, (_HEADER, tracing.traceparent(current).encode())]
            try:
                await app(scope, receive, _observing(current, scope, send))
            finally:
                _name(current, scope)

    return serve


@contextlib.contextmanager
def span(method: str, path: str, traceparent: bytes, http_version: str = "1.1") -> Iterator[Span]:
    """The span of a request, current inside the block. Raises RuntimeError while tracing is off."""
    started = tracing.start(
        method,
        kind=SpanKind.SERVER,
        parent=traceparent.decode("latin-1"),
        attributes={
            "http.request.method": method,
            "url.path": path,
            "url.scheme": "http",
            "network.protocol.version": http_version,
        },
    )
    with use_span(started, end_on_exit=True):
        yield started


def answered(current: Span, status: int) -> None:
    """Records the status of the answer."""
    current.set_attribute("http.response.status_code", status)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        tracing.fail(current, str(status))


def routed(current: Span, method: str, template: str) -> None:
    """Names the span after its route, known once the request has been routed."""
    current.update_name(f"{method} {template}")
    current.set_attribute("http.route", template)


def _observing(current: Span, scope: MutableMapping[str, Any], send: Any) -> Any:
    async def observed(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answered(current, message["status"])
            if _STREAM in message["headers"]:
                _name(current, scope)
                current.end()
        await send(message)

    return observed


def _name(current: Span, scope: MutableMapping[str, Any]) -> None:
    route = scope.get("path_template")
    if route and current.is_recording():
        routed(current, scope["method"], route)

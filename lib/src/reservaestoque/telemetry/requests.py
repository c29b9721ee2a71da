"""The span of a request, as OpenTelemetry's conventions for HTTP servers describe it."""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from opentelemetry.trace import Span, SpanKind

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
        came = [value.decode("latin-1") for name, value in scope["headers"] if name == _HEADER]
        parent = came[0] if len(came) == 1 else ""
        with tracing.span(
            scope["method"], kind=SpanKind.SERVER, parent=parent, attributes=_attributes(scope)
        ) as current:
            if current is None:
                await app(scope, receive, send)
                return
            others = [header for header in scope["headers"] if header[0] != _HEADER]
            scope["headers"] = [*others, (_HEADER, tracing.traceparent(current).encode())]
            try:
                await app(scope, receive, _observing(current, scope, send))
            finally:
                _name(current, scope)

    return serve


def _attributes(scope: MutableMapping[str, Any]) -> dict[str, str]:
    return {
        "http.request.method": scope["method"],
        "url.path": scope["path"],
        "url.scheme": scope["scheme"],
        "network.protocol.version": scope["http_version"],
    }


def _observing(current: Span, scope: MutableMapping[str, Any], send: Any) -> Any:
    async def observed(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            current.set_attribute("http.response.status_code", status)
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                tracing.fail(current, str(status))
            if _STREAM in message["headers"]:
                _name(current, scope)
                current.end()
        await send(message)

    return observed


def _name(current: Span, scope: MutableMapping[str, Any]) -> None:
    """The path template, known once the request has been routed."""
    route = scope.get("path_template")
    if route and current.is_recording():
        current.update_name(f"{scope['method']} {route}")
        current.set_attribute("http.route", route)

"""The busiest routes, answered without ASGI, and without Litestar's routing, parameters and middleware."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from opentelemetry.trace import Span
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from reservaestoque.http.problems import (
    MAX_BODY_BYTES,
    MEDIA_TYPE,
    ProblemError,
    headers_of,
    members_of,
    problem_of,
    reference,
)
from reservaestoque.http.tuning.json_response import JsonResponse
from reservaestoque.http.tuning.metrics import observe
from reservaestoque.http.tuning.wire import GatheringProtocol
from reservaestoque.telemetry import logger, requests, tracing

Headers = Mapping[bytes, bytes]
Handler = Callable[[Headers, bytes], Awaitable[JsonResponse[Any]]]
"""Answers a request with these headers, none of them repeated, and this body."""

Finder = Callable[[str, str], tuple[str, Handler] | None]
"""The template and the handler of the route for a method and a path; None for routes left to Litestar."""

_TARGET = re.compile(rb"/[\w/-]{1,200}")
"""The request targets of busy routes: a plain path, without a query and without an encoded character."""

Problems = Mapping[type[Exception], Callable[[Any], ProblemError]]

_log = logger(__name__)


class FastLane:
    """Answers plain requests to the routes that `find` knows.

    A plain request has a JSON body with its length, or no body, and neither a query nor a repeated header. Litestar,
    which serves the same routes, answers all others. `problems` are those of the application.

    A request to a stub costs 20 µs of CPU with it, 28 as an ASGI application before Litestar, and 49 on Litestar
    (wrk, 32 connections). It can be removed once Litestar comes close to that.
    """

    def __init__(self, find: Finder, problems: Problems) -> None:
        self._find = find
        self._problems = problems

    def protocol(self, **connection: Any) -> asyncio.Protocol:
        """The protocol of a connection that uvicorn has accepted, with uvicorn's arguments."""
        return _Connection(self, **connection)

    def find(self, method: bytes, url: bytes) -> tuple[str, Handler] | None:
        """The route of a request; None when Litestar must answer it."""
        return self._find(method.decode(), url.decode()) if _TARGET.fullmatch(url) else None

    def problem(self, fault: BaseException, path: str) -> JsonResponse[Any]:
        """The answer to a request that failed."""
        known = next((self._problems[kind] for kind in type(fault).__mro__ if kind in self._problems), None)
        error = known(fault) if known else problem_of(fault, path)
        return JsonResponse(
            members_of(error.problem, error.detail, reference(path.encode())) | error.members,
            status_code=error.problem.status,
            headers=headers_of(error.problem),
            media_type=MEDIA_TYPE.encode(),
        )


class _Connection(GatheringProtocol):
    """A connection whose plain requests take the fast lane; uvicorn passes all others to the ASGI application."""

    def __init__(self, lane: FastLane, **connection: Any) -> None:
        super().__init__(**connection)
        self._lane = lane

    def on_message_begin(self) -> None:
        """Called by the parser. The ASGI scope is created only when needed."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        exchange = self._exchange()
        if exchange is None:
            self._leave_to_asgi()
        else:
            self.cycle = exchange

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if isinstance(self.cycle, _Exchange):
            self.cycle.request_body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if isinstance(self.cycle, _Exchange):
            self.cycle.task = self.loop.create_task(self.cycle.run())
            self.tasks.add(self.cycle.task)
        else:
            super().on_message_complete()

    def _exchange(self) -> "_Exchange | None":
        """The exchange of a plain request to a busy route; None for any other request."""
        in_order = self.cycle is None or self.cycle.response_complete
        if not in_order or self.expect_100_continue or self.limit_concurrency is not None:
            return None
        found = self._lane.find(self.parser.get_method(), self.url)
        if found is None or self.parser.get_http_version() != "1.1" or self.parser.should_upgrade():
            return None
        headers = _plain(self.headers)
        return None if headers is None else _Exchange(self, self._lane, *found, headers)

    def _leave_to_asgi(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # the list within the scope
        super().on_headers_complete()


class _Exchange(RequestResponseCycle):
    """A plain request and its answer, in place of uvicorn's cycle, whose public fields the protocol uses."""

    message_event = asyncio.Event()  # no task waits for it
    disconnected = False
    response_complete = False
    request_body = b""
    task: "asyncio.Task[None] | None" = None

    def __init__(
        self, connection: _Connection, lane: FastLane, template: str, handler: Handler, headers: Headers
    ) -> None:
        # Not uvicorn's, which prepares for an ASGI application.
        self.keep_alive = connection.parser.should_keep_alive()
        self._connection = connection
        self._lane = lane
        self._method = connection.parser.get_method().decode()
        self._path = connection.url.decode()
        self._template = template
        self._handler = handler
        self._headers = headers
        self._began = time.perf_counter()

    async def run(self) -> None:
        """Answers the request."""
        try:
            if not tracing.enabled():
                await self._serve(self._headers)
            else:
                with requests.span(self._method, self._path, self._headers.get(b"traceparent", b"")) as span:
                    traceparent = tracing.traceparent(span).encode()
                    await self._serve({**self._headers, b"traceparent": traceparent}, span)
        except Exception:
            _log.exception("request_not_answered", path=self._path)
            self._connection.transport.close()
        finally:
            self.request_body = b""
            self._connection.tasks.discard(self.task)

    async def _serve(self, headers: Headers, span: Span | None = None) -> None:
        try:
            answer = await self._handler(headers, self.request_body)
            await self._send(answer)
        except (Exception, asyncio.CancelledError) as fault:
            if isinstance(fault, asyncio.CancelledError):  # the program is stopping, and this took too long
                self.keep_alive = False
            answer = self._lane.problem(fault, self._path)
            await self._send(answer)
        status = answer.status_code or 200
        observe((self._method, self._template, status), time.perf_counter() - self._began)
        if span is not None:
            requests.answered(span, status)
            requests.routed(span, self._method, self._template)

    async def _send(self, answer: JsonResponse[Any]) -> None:
        connection = self._connection
        if connection.flow.write_paused:
            await connection.flow.drain()
        if self.disconnected or self.response_complete:
            return
        data = answer.on_wire(connection.server_state.default_headers, close=not self.keep_alive)
        connection.transport.write_now(data)
        self.response_complete = True
        if not self.keep_alive:
            connection.transport.close()
        connection.on_response_complete()


def _plain(lines: list[tuple[bytes, bytes]]) -> Headers | None:
    """The headers of a plain request; None when the request may need Litestar."""
    headers = dict(lines)
    kind, length = headers.get(b"content-type"), headers.get(b"content-length", b"0")
    if (
        len(headers) < len(lines)
        or b"content-encoding" in headers
        or b"transfer-encoding" in headers
        or not (kind == b"application/json" or (kind is None and length == b"0"))
        or int(length) > MAX_BODY_BYTES
    ):
        return None
    return headers

"""The fast lane answers plain requests as Litestar would, and leaves all others to it."""

import asyncio
import contextlib
import gc
import socket
import struct
import weakref
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from httpx import AsyncClient
from litestar import Response, post
from litestar.params import RawBody
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY
from uvicorn_here import Served, port_of, running, serving
from waiting import until

from local_system.checks import PLAIN_HTTP
from reservaestoque.http import GatheringProtocol, JsonBody, ProblemError, service_app
from reservaestoque.http.problems import CONFLICT, MAX_BODY_BYTES, NOT_FOUND
from reservaestoque.http.tuning.fast_lane import FastLane, Handler, Headers
from reservaestoque.http.tuning.json_response import JsonResponse
from reservaestoque.program import Health
from reservaestoque.telemetry import traced, tracing

_numbers = JsonBody(dict[str, int], absent={})


class RefusedError(Exception):
    """An error that the application maps to a problem."""


PROBLEMS = {RefusedError: lambda error: ProblemError(CONFLICT, str(error), number=3)}


def add(body: bytes) -> JsonResponse[dict[str, int]]:
    """The sum of the numbers; some numbers stand for errors."""
    numbers = _numbers.read(body)
    match sum(numbers.values()):
        case 404:
            raise ProblemError(NOT_FOUND, "no such number")
        case 409:
            raise RefusedError("not this number")
        case 500:
            raise ZeroDivisionError
        case 501:
            return JsonResponse({"total": add}, status_code=201, headers={})  # type: ignore[dict-item]
        case 502:
            raise ProblemError(NOT_FOUND, "no such number", number=object())
        case 503:
            raise ConnectionResetError("the database is unavailable")
        case 1_000_000:
            return JsonResponse({"total": "x" * 1_000_000}, status_code=201, headers={})
        case total:
            return JsonResponse({"total": total}, status_code=201, headers={"Location": "/sums/1"})


@post("/sums", problems=(), operation_class=_numbers.operation)
async def add_route(body: RawBody) -> Response[dict[str, int]]:
    """Adds numbers."""
    return add(body)


class Routes:
    """Counts the requests on the fast lane. `gate`, while clear, holds up their answers."""

    def __init__(self) -> None:
        self.served = 0
        self.gate = asyncio.Event()
        self.gate.set()

    def find(self, method: str, path: str) -> tuple[str, Handler] | None:
        return ("/sums", self.add) if (method, path) == ("POST", "/sums") else None

    async def add(self, _: Headers, body: bytes) -> JsonResponse[Any]:
        self.served += 1
        await self.gate.wait()
        return add(body)


@pytest.fixture
def routes() -> Routes:
    return Routes()


@pytest.fixture
def app() -> Any:
    async def missing() -> list[str]:
        return []

    return service_app(
        title="sums",
        version="1",
        route_handlers=[add_route],
        health=Health(missing),
        dependencies={},
        problems=PROBLEMS,
    )


@pytest.fixture
async def served(app: Any, routes: Routes) -> AsyncIterator[Served]:
    """The application with the fast lane."""
    async with serving(app, FastLane(routes.find, PROBLEMS).protocol) as served:
        yield served


@pytest.fixture
async def clients(app: Any, served: Served) -> AsyncIterator[tuple[AsyncClient, AsyncClient]]:
    """Clients of the application with the fast lane, and without."""
    async with (
        serving(app, GatheringProtocol) as slow,
        AsyncClient(base_url=f"http://127.0.0.1:{served.port}", verify=PLAIN_HTTP) as fast,
        AsyncClient(base_url=f"http://127.0.0.1:{slow.port}", verify=PLAIN_HTTP) as plain,
    ):
        yield fast, plain


PLAIN = [b'{"a": 1, "b": 2}', b"", b"[", b"{}", b'{"a": "x"}', b'{"a": 1, "a": 2}'] + [
    b'{"a": %d}' % status for status in (404, 409, 500, 501, 503)
]


@pytest.mark.parametrize("body", PLAIN)
async def test_a_plain_request_is_answered_as_litestar_would(
    clients: tuple[AsyncClient, AsyncClient], routes: Routes, body: bytes
):
    headers = {"Content-Type": "application/json"} if body else {}
    fast, plain = [await client.post("/sums", content=body, headers=headers) for client in clients]
    assert routes.served == 1
    assert fast.status_code == plain.status_code
    assert fast.content == plain.content
    assert dict(fast.headers) == dict(plain.headers)


JSON = {"Content-Type": "application/json"}
OTHERS: dict[str, dict[str, Any]] = {
    "a query": {"url": "/sums?a=1", "content": b"{}", "headers": JSON},
    "another media type": {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
    "no media type": {"content": b"{}"},
    "a charset": {"content": b"{}", "headers": {"Content-Type": "application/json; charset=utf-8"}},
    "compressed": {"content": b"{}", "headers": {**JSON, "Content-Encoding": "gzip"}},
    "a header twice": {"content": b"{}", "headers": [*JSON.items(), ("Prefer", "a"), ("Prefer", "b")]},
    "no length": {"content": ..., "headers": JSON},
    "too large": {"content": b" " * (MAX_BODY_BYTES + 1), "headers": JSON},
    "another method": {"method": "GET"},
    "another path": {"url": "/sums/", "content": b"{}", "headers": JSON},
    "an encoded path": {"url": "/%73ums", "content": b"{}", "headers": JSON},
    "a query within the path": {"url": "/sums?/1", "content": b"{}", "headers": JSON},
    "a very long path": {"url": f"/sums/{'a' * 300}", "content": b"{}", "headers": JSON},
    "an announced body": {"content": b"{}", "headers": {**JSON, "Expect": "100-continue"}},
    "an upgrade": {"content": b"{}", "headers": {**JSON, "Connection": "upgrade", "Upgrade": "h2c"}},
}


async def in_pieces() -> AsyncIterator[bytes]:
    yield b"{"
    yield b"}"


@pytest.mark.parametrize("name", OTHERS)
async def test_any_other_request_is_left_to_litestar(
    clients: tuple[AsyncClient, AsyncClient], routes: Routes, name: str
):
    async def answer(client: AsyncClient) -> httpx.Response:
        request: dict[str, Any] = {"method": "POST", "url": "/sums"} | OTHERS[name]
        return await client.request(**request | ({"content": in_pieces()} if request.get("content") is ... else {}))

    fast, plain = [await answer(client) for client in clients]
    assert routes.served == 0
    assert (fast.status_code, fast.content) == (plain.status_code, plain.content)


async def test_its_requests_are_measured_like_others(clients: tuple[AsyncClient, AsyncClient]):
    labels = {"method": "POST", "path": "/sums", "status": "201"}

    def measured() -> float:
        return REGISTRY.get_sample_value("http_request_duration_seconds_count", labels) or 0.0

    for client in clients:
        before = measured()
        await client.post("/sums", json={"a": 1})
        assert measured() == before + 1


class Connection:
    """A raw connection to the fast lane."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, body: bytes = b'{"a": 1}', *, version: str = "1.1", head: bytes = b"") -> None:
        self.writer.write(
            b"POST /sums HTTP/%b\r\nHost: sums\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n%b"
            % (version.encode(), len(body), head, body)
        )

    async def answer(self) -> tuple[bytes, bytes]:
        """The head of the next answer and its body."""
        async with asyncio.timeout(5):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            return head, await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(5):
            return await self.reader.read()


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield Connection(reader, writer)
    writer.close()


@pytest.fixture
async def connection(served: Served) -> AsyncIterator[Connection]:
    async with connected(served.port) as connection:
        yield connection


async def test_a_connection_carries_one_request_after_the_other(connection: Connection, routes: Routes):
    for number in (1, 2, 3):
        connection.send(b'{"a": %d}' % number)
        head, body = await connection.answer()
        assert head.startswith(b"HTTP/1.1 201 Created\r\n")
        assert body == b'{"total":%d}' % number
    assert routes.served == 3


async def test_pipelined_requests_are_answered_in_order(connection: Connection, routes: Routes):
    routes.gate.clear()
    for number in (1, 2, 3):
        connection.send(b'{"a": %d}' % number)
    await until(lambda: routes.served == 1, 5)
    routes.gate.set()
    answers = [await connection.answer() for _ in range(3)]
    assert [body for _, body in answers] == [b'{"total":1}', b'{"total":2}', b'{"total":3}']
    assert routes.served == 1, "the lane takes no request before it has answered the last one"
    connection.send(b'{"a": 4}')
    assert (await connection.answer())[1] == b'{"total":4}'
    assert routes.served == 2


async def test_a_request_that_arrives_byte_by_byte_is_answered(connection: Connection, routes: Routes):
    for (
        byte
    ) in b'POST /sums HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n{"a": 1}':
        connection.writer.write(bytes([byte]))
        await connection.writer.drain()
        await asyncio.sleep(0)
    assert (await connection.answer())[1] == b'{"total":1}'
    assert routes.served == 1


async def test_the_longest_body_is_answered(connection: Connection, routes: Routes):
    connection.send(b'{"a": 1}'.ljust(MAX_BODY_BYTES))
    assert (await connection.answer())[1] == b'{"total":1}'
    assert routes.served == 1


async def test_the_client_may_close_the_connection(connection: Connection, routes: Routes):
    connection.send(head=b"Connection: close\r\n")
    head, body = await connection.answer()
    assert b"\r\nconnection: close\r\n" in head
    assert (body, await connection.rest(), routes.served) == (b'{"total":1}', b"", 1)


async def test_http_1_0_is_left_to_uvicorn(connection: Connection, routes: Routes):
    connection.send(version="1.0")
    assert b'{"total":1}' in await connection.rest()
    assert routes.served == 0


async def test_a_client_that_disconnects_costs_nothing(
    connection: Connection, routes: Routes, served: Served, caplog: pytest.LogCaptureFixture
):
    routes.gate.clear()
    connection.send()
    await until(lambda: routes.served == 1, 5)
    connection.writer.transport.abort()
    await until(lambda: not served.state.connections, 5)
    routes.gate.set()
    await until(lambda: not served.state.tasks, 5)
    assert caplog.records == []


async def test_a_body_that_never_ends_is_never_read(connection: Connection, routes: Routes, served: Served):
    connection.writer.write(
        b"POST /sums HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    )
    await connection.writer.drain()
    connection.writer.close()
    await until(lambda: served.state.connections == set(), 5)
    assert (routes.served, served.state.tasks) == (0, set())


async def test_a_shutdown_waits_for_the_requests_in_flight(app: Any, routes: Routes):
    routes.gate.clear()
    async with (
        running(app, FastLane(routes.find, PROBLEMS).protocol) as server,
        connected(port_of(server)) as connection,
        connected(port_of(server)) as idle,
    ):
        connection.send()
        await until(lambda: routes.served == 1, 5)
        server.should_exit = True
        assert await idle.rest() == b""
        routes.gate.set()
        answer = await connection.rest()
    assert b'{"total":1}' in answer
    assert b"connection: close" in answer


async def test_a_request_that_outlasts_the_shutdown_gets_an_answer(app: Any, routes: Routes):
    routes.gate.clear()
    async with running(app, FastLane(routes.find, PROBLEMS).protocol, timeout_graceful_shutdown=1) as server:
        connecting = connected(port_of(server))
        connection = await connecting.__aenter__()
        connection.send()
        await until(lambda: routes.served == 1, 5)
    head, body = await connection.answer()
    assert head.startswith(b"HTTP/1.1 500 ")
    assert b"unexpected error" in body
    await connecting.__aexit__(None, None, None)


async def test_no_request_begins_after_one_that_the_shutdown_has_cancelled(
    connection: Connection, routes: Routes, served: Served
):
    routes.gate.clear()
    for number in (1, 2):
        connection.send(b'{"a": %d}' % number)
    await until(lambda: routes.served == 1, 5)
    for task in served.state.tasks:
        task.cancel()
    answer = await connection.rest()
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"connection: close" in answer
    assert answer.count(b"HTTP/1.1") == 1


async def test_a_client_is_not_left_waiting_for_an_answer_that_cannot_be_encoded(
    connection: Connection, served: Served, caplog: pytest.LogCaptureFixture
):
    connection.send(b'{"a": 502}')
    assert await connection.rest() == b""
    await until(lambda: not served.state.tasks, 5)


async def test_a_client_that_does_not_read_holds_up_nothing_but_its_connection(served: Served, routes: Routes):
    """Answers of a megabyte each, of which the kernel and the transport take a fraction."""
    async with connected(served.port) as slow, connected(served.port) as other:
        for _ in range(8):
            slow.send(b'{"a": 1000000}')
        await until(lambda: routes.served == 1, 5)
        other.send()
        assert (await other.answer())[1] == b'{"total":1}'
        answers = [await slow.answer() for _ in range(8)]
        assert {len(body) for _, body in answers} == {len(answers[0][1])}


@pytest.mark.parametrize("how", ["closed", "aborted", "reset"])
async def test_a_connection_that_has_ended_is_forgotten_with_its_request(served: Served, routes: Routes, how: str):
    """They are freed at once, without a run of the garbage collector."""
    async with connected(served.port) as connection:
        connection.send(b'{"a": 1}'.ljust(MAX_BODY_BYTES))
        await connection.answer()
        [kept] = map(weakref.ref, served.state.connections)
        gc.disable()
        try:
            transport = connection.writer.transport
            if how == "reset":
                linger = struct.pack("ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.close() if how == "closed" else transport.abort()
            await until(lambda: kept() is None, 2)
        finally:
            gc.enable()


@pytest.mark.parametrize("body", [b'{"a": 1}', b'{"a": 409}', b'{"a": 500}'])
async def test_its_requests_are_traced_like_others(
    app: Any, routes: Routes, body: bytes, monkeypatch: pytest.MonkeyPatch
):
    exported = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    monkeypatch.setattr(tracing._Recording, "tracer", provider.get_tracer("test"))
    headers = {**JSON, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    async with (
        serving(app, FastLane(routes.find, PROBLEMS).protocol) as fast,
        serving(traced(app), GatheringProtocol) as plain,
        AsyncClient(verify=PLAIN_HTTP) as client,
    ):
        for served in (fast, plain):
            await client.post(f"http://127.0.0.1:{served.port}/sums", content=body, headers=headers)
    spans = exported.get_finished_spans()
    assert [span.name for span in spans] == ["POST /sums"] * 2
    first, second = ((dict(s.attributes or {}), s.status.status_code, s.parent) for s in spans)
    assert first == second
    assert routes.served == 1


def test_a_header_value_cannot_inject_another_header():
    answer = JsonResponse(None, status_code=200, headers={"Location": "/\r\nSet-Cookie: a"})
    with pytest.raises(ValueError, match="control characters"):
        answer.on_wire([], close=False)

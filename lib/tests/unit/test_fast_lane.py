"""The fast lane answers plain requests as Litestar would, and leaves all others to it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Response, post
from litestar.params import RawBody
from prometheus_client import REGISTRY

from reservaestoque.http import JsonBody, ProblemError, service_app
from reservaestoque.http.problems import CONFLICT, MAX_BODY_BYTES, NOT_FOUND
from reservaestoque.http.tuning.answer import JsonAnswer
from reservaestoque.http.tuning.fast_lane import FastLane, Handler, Headers
from reservaestoque.program import Health

_numbers = JsonBody(dict[str, int], absent={})


class RefusedError(Exception):
    """An error that the application has a problem for."""


PROBLEMS = {RefusedError: lambda error: ProblemError(CONFLICT, str(error), number=3)}


def add(body: bytes) -> JsonAnswer[dict[str, int]]:
    """The sum of the numbers; some numbers stand for errors."""
    numbers = _numbers.read(body)
    match sum(numbers.values()):
        case 404:
            raise ProblemError(NOT_FOUND, "no such number")
        case 409:
            raise RefusedError("not this number")
        case 500:
            raise ZeroDivisionError
        case 503:
            raise ConnectionResetError("the database is away")
        case total:
            return JsonAnswer({"total": total}, status_code=201, headers={"Location": "/sums/1"})


@post("/sums", problems=(), operation_class=_numbers.operation)
async def add_route(body: RawBody) -> Response[dict[str, int]]:
    """Adds numbers."""
    return add(body)


class Lane:
    """Counts the requests that it answers."""

    served = 0

    def find(self, method: str, path: str) -> tuple[str, Handler] | None:
        return ("/sums", self.add) if (method, path) == ("POST", "/sums") else None

    async def add(self, _: Headers, body: bytes) -> JsonAnswer[Any]:
        self.served += 1
        return add(body)


@pytest.fixture
def lane() -> Lane:
    return Lane()


@pytest.fixture
async def clients(lane: Lane) -> AsyncIterator[tuple[AsyncClient, AsyncClient]]:
    """The application with the fast lane before it, and without."""

    async def missing() -> list[str]:
        return []

    app = service_app(
        title="sums",
        version="1",
        route_handlers=[add_route],
        health=Health(missing),
        dependencies={},
        problems=PROBLEMS,
    )

    def client(served: Any) -> AsyncClient:
        return AsyncClient(transport=ASGITransport(served, raise_app_exceptions=False), base_url="http://sums")

    async with client(FastLane(app, lane.find, PROBLEMS)) as fast, client(app) as plain:
        yield fast, plain


PLAIN = [b'{"a": 1, "b": 2}', b"", b"[", b"{}", b'{"a": "x"}', b'{"a": 1, "a": 2}'] + [
    b'{"a": %d}' % status for status in (404, 409, 500, 503)
]


@pytest.mark.parametrize("body", PLAIN)
async def test_a_plain_request_is_answered_as_litestar_would(
    clients: tuple[AsyncClient, AsyncClient], lane: Lane, body: bytes
):
    headers = {"Content-Type": "application/json"} if body else {}
    fast, plain = [await client.post("/sums", content=body, headers=headers) for client in clients]
    assert lane.served == 1
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
}


async def in_pieces() -> AsyncIterator[bytes]:
    yield b"{"
    yield b"}"


@pytest.mark.parametrize("name", OTHERS)
async def test_what_is_not_plain_is_left_to_litestar(clients: tuple[AsyncClient, AsyncClient], lane: Lane, name: str):
    async def answer(client: AsyncClient) -> httpx.Response:
        request: dict[str, Any] = {"method": "POST", "url": "/sums"} | OTHERS[name]
        return await client.request(**request | ({"content": in_pieces()} if request.get("content") is ... else {}))

    fast, plain = [await answer(client) for client in clients]
    assert lane.served == 0
    assert (fast.status_code, fast.content) == (plain.status_code, plain.content)


async def test_its_requests_are_measured_like_others(clients: tuple[AsyncClient, AsyncClient]):
    labels = {"method": "POST", "path": "/sums", "status": "201"}

    def measured() -> float:
        return REGISTRY.get_sample_value("http_request_duration_seconds_count", labels) or 0.0

    for client in clients:
        before = measured()
        await client.post("/sums", json={"a": 1})
        assert measured() == before + 1

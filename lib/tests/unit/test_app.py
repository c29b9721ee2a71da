"""What both services answer alike, asked of an application of three routes."""

from collections.abc import Iterator

import pytest
from litestar import get, post
from litestar.params import FromPath, RawBody
from litestar.testing import TestClient

from reservaestoque.http import service_app
from reservaestoque.http.head import STREAM


@get("/things/{name:str}", problems=())
async def thing(name: FromPath[str]) -> str:
    """A thing."""
    return name


@post("/things", problems=())
async def add(body: RawBody) -> str:
    """Adds a thing."""
    return body.decode()


@get("/things", problems=())
async def things() -> list[str]:
    """All things."""
    return ["one", "two"]


@get("/events", opt={STREAM: True}, problems=())
async def events() -> str:
    """As if it had no end."""
    return ""


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    async def ready() -> bool:
        return True

    app = service_app(
        title="shop", version="1", route_handlers=[thing, add, things, events], is_ready=ready, dependencies={}
    )
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("path", ["/things", "/things/a", "/schema/shop/openapi.json", "/health/ready", "/metrics"])
def test_head_answers_like_get(client: TestClient, path: str):
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.headers["content-type"]) == (200, got.headers["content-type"])


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/things", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("POST", "/things/a", {"GET", "HEAD", "OPTIONS"}),
        ("HEAD", "/events", {"GET", "OPTIONS"}),
    ],
)
def test_allow_names_the_methods_that_there_are(client: TestClient, method: str, path: str, allowed: set[str]):
    refused = client.request(method, path)
    assert refused.status_code == 405
    assert set(refused.headers["allow"].split(", ")) == allowed
    asked = client.options(path)
    assert asked.status_code == 204
    assert set(asked.headers["allow"].split(", ")) == allowed


def test_head_is_told_of_once_and_not_with_each_operation(client: TestClient):
    document = client.get("/schema/shop/openapi.json").json()
    assert set(document["paths"]["/things"]) == {"get", "post"}
    assert "HEAD" in document["info"]["description"]

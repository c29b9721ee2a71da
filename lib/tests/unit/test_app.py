"""The common behaviour of both services, tested on an application of three routes."""

from collections.abc import Iterator

import pytest
from litestar import get, post
from litestar.params import FromPath, RawBody
from litestar.testing import TestClient
from prometheus_client import generate_latest

from reservaestoque.http import ProblemError, conditional_get, service_app
from reservaestoque.http.head import STREAM
from reservaestoque.http.problems import NOT_FOUND
from reservaestoque.program import Health


@get("/things/{name:str}", problems=(), **conditional_get())
async def thing(name: FromPath[str]) -> str:
    """A thing."""
    if name == "none":
        raise ProblemError(NOT_FOUND, "there is no such thing")
    return name


@get("/mine", problems=(), **conditional_get(private=True))
async def mine() -> str:
    """One customer's things."""
    return "mine"


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
    """A stream without an end."""
    return ""


@get("/faulty", problems=())
async def faulty() -> str:
    """Fails."""
    raise ZeroDivisionError


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    async def missing() -> list[str]:
        return []

    app = service_app(
        title="shop",
        version="1",
        route_handlers=[thing, mine, add, things, events, faulty],
        health=Health(missing),
        dependencies={},
    )
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("path", ["/things", "/things/a", "/schema/shop/openapi.json", "/health/ready"])
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
def test_allow_names_the_supported_methods(client: TestClient, method: str, path: str, allowed: set[str]):
    refused = client.request(method, path)
    assert refused.status_code == 405
    assert set(refused.headers["allow"].split(", ")) == allowed
    asked = client.options(path)
    assert asked.status_code == 204
    assert set(asked.headers["allow"].split(", ")) == allowed


def test_head_is_documented_once_and_not_with_each_operation(client: TestClient):
    document = client.get("/schema/shop/openapi.json").json()
    assert set(document["paths"]["/things"]) == {"get", "post"}
    assert "HEAD" in document["info"]["description"]


@pytest.mark.parametrize("known", ["{tag}", "W/{tag}", '"other", {tag}', "*"])
def test_a_client_with_the_current_answer_is_not_sent_it_again(client: TestClient, known: str):
    tag = client.get("/things/a").headers["etag"]
    again = client.get("/things/a", headers={"If-None-Match": known.format(tag=tag)})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_a_client_with_another_answer_is_sent_the_current_one(client: TestClient):
    tag = client.get("/things/a").headers["etag"]
    other = client.get("/things/b", headers={"If-None-Match": tag})
    assert (other.status_code, other.text) == (200, "b")
    assert other.headers["etag"] != tag
    assert client.head("/things/a").headers["etag"] == tag


def test_errors_have_no_etag(client: TestClient):
    wrong = client.get("/things/none", headers={"If-None-Match": "*"})
    assert wrong.status_code == 404
    assert "etag" not in wrong.headers


@pytest.mark.parametrize(("path", "said"), [("/things/a", "no-cache"), ("/mine", "private, no-cache")])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_caches_must_revalidate_answers_with_an_etag(client: TestClient, method: str, path: str, said: str):
    answer = client.request(method, path)
    assert answer.headers.get_list("cache-control") == [said]
    known = client.request(method, path, headers={"If-None-Match": answer.headers["etag"]})
    assert (known.status_code, known.headers.get_list("cache-control")) == (304, [said])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/things", 200),
        ("HEAD", "/things", 200),
        ("OPTIONS", "/things", 204),
        ("POST", "/things", 201),
        ("GET", "/things/none", 404),
        ("HEAD", "/things/none", 404),
        ("GET", "/nothing", 404),
        ("DELETE", "/things", 405),
        ("HEAD", "/events", 405),
        ("GET", "/events", 200),
        ("GET", "/faulty", 500),
        ("GET", "/health/live", 200),
        ("GET", "/health/ready", 200),
        ("GET", "/metrics", 404),
        ("GET", "/schema/shop", 200),
        ("GET", "/schema/shop/openapi.json", 200),
    ],
)
def test_caches_must_not_store_other_answers(client: TestClient, method: str, path: str, status: int):
    answer = client.request(method, path, json={} if method == "POST" else None)
    assert (answer.status_code, answer.headers.get_list("cache-control")) == (status, ["no-store"])


def test_requests_are_counted_by_route_and_not_by_path(client: TestClient):
    for name in ("x", "y", "none"):
        client.get(f"/things/{name}")
    text = generate_latest().decode()
    assert 'http_request_duration_seconds_count{method="GET",path="/things/{name}",status="200"}' in text
    assert 'http_request_duration_seconds_count{method="GET",path="/things/{name}",status="404"}' in text
    assert "/things/x" not in text
    client.get("/health/ready")
    assert 'path="/health/ready"' not in text

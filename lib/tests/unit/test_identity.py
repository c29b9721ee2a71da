"""The caller of a request, read from the gateway's headers or not required; and the answers to unknown callers."""

from collections.abc import Iterator
from typing import Annotated

import pytest
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.testing import TestClient

from reservaestoque.http import service_app
from reservaestoque.http.caller import (
    ALL_ORDERS,
    ANONYMOUS,
    ANYONE,
    Caller,
    InvalidSubjectError,
    Verdict,
    has_scope,
    identified,
    read_caller,
)
from reservaestoque.http.head import STREAM
from reservaestoque.http.identity import Identity
from reservaestoque.program import Health

CUSTOMER = Caller("ana")
READER = Caller("ana", frozenset({"estoque:ler"}))


def test_a_subject_and_its_scopes_are_read():
    headers = {b"x-reserva-subject": b"ana", b"x-reserva-scopes": b"estoque:ler  pedidos:admin"}
    assert read_caller(headers) == Caller("ana", frozenset({"estoque:ler", "pedidos:admin"}))
    assert read_caller({b"x-reserva-subject": b"ana"}) == CUSTOMER
    assert read_caller({b"x-reserva-subject": b"a" * 128}).subject == "a" * 128


@pytest.mark.parametrize("separator", ["\t", "\u0085", "\u00a0", "à", "Å"])
def test_only_spaces_separate_scopes(separator: str):
    scopes = f"x{separator}pedidos:admin".encode()
    caller = read_caller({b"x-reserva-subject": b"ana", b"x-reserva-scopes": scopes})
    assert has_scope(caller, ALL_ORDERS) == Verdict.FORBIDDEN


def test_scopes_without_a_subject_are_ignored():
    assert read_caller({b"x-reserva-scopes": b"pedidos:admin"}) == ANONYMOUS


@pytest.mark.parametrize("subject", [b"", b"a" * 129, b"jos\xc3\xa9", b"a\tb", b"a\x00", b"ana\n"])
def test_a_subject_that_is_not_a_valid_cliente_id_is_refused(subject: bytes):
    with pytest.raises(InvalidSubjectError, match="128 printable ASCII"):
        read_caller({b"x-reserva-subject": subject})


@pytest.mark.parametrize(
    ("caller", "known", "reads"),
    [
        (ANONYMOUS, Verdict.UNAUTHENTICATED, Verdict.UNAUTHENTICATED),
        (CUSTOMER, Verdict.ALLOW, Verdict.FORBIDDEN),
        (Caller("ana", frozenset({"estoque:lerx", "pedidos:admin"})), Verdict.ALLOW, Verdict.FORBIDDEN),
        (READER, Verdict.ALLOW, Verdict.ALLOW),
        (ANYONE, Verdict.ALLOW, Verdict.ALLOW),
    ],
)
def test_which_callers_are_identified_and_which_have_a_scope(caller: Caller, known: Verdict, reads: Verdict):
    assert identified(caller) is known
    assert has_scope(caller, "estoque:ler") is reads


@get("/things", problems=())
async def things(caller: NamedDependency[Caller], order: Annotated[str, QueryParameter()] = "") -> str:
    """The caller."""
    return f"{caller.subject} {order}"


@get("/events", opt={STREAM: True}, problems=())
async def events(caller: NamedDependency[Caller], bilhete: Annotated[str, QueryParameter()] = "") -> str:
    """A stream."""
    return f"{caller.subject} {bilhete}"


@pytest.fixture(params=["gateway", "none"])
def client(request: pytest.FixtureRequest) -> Iterator[TestClient]:
    async def missing() -> list[str]:
        return []

    app = service_app(
        title="shop",
        version="1",
        route_handlers=[things, events],
        health=Health(missing),
        dependencies={},
        identity=Identity(
            request.param, rule=lambda caller: has_scope(caller, "read"), refusal="with the scope read"
        ),
    )
    app.state.asked = request.param == "gateway"
    with TestClient(app) as client:
        yield client


RIGHT = {"x-reserva-subject": "ana", "x-reserva-scopes": "read"}


@pytest.mark.parametrize("path", ["/things", "/things?order=a&order=b", "/things?unknown=1", "/events"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_unauthorised_callers_are_refused_before_anything_else(client: TestClient, method: str, path: str):
    if method == "HEAD" and path == "/events":
        return  # streams have no HEAD
    for headers, status in (({}, 401), ({"x-reserva-subject": "ana"}, 403), ({"x-reserva-subject": "é"}, 403)):
        answer = client.request(method, path, headers={k: v.encode() for k, v in headers.items()})
        if not client.app.state.asked:
            assert answer.status_code == (200 if path in {"/things", "/events"} else 400)
            continue
        assert answer.status_code == status
        assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
        if method == "GET":
            assert answer.json()["type"].endswith("nao-autenticado" if status == 401 else "sem-permissao")


def test_an_authorised_caller_is_served(client: TestClient):
    answer = client.get("/things", headers=RIGHT)
    assert (answer.status_code, answer.text) == (200, "ana " if client.app.state.asked else "None ")


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/schema/shop/openapi.json"])
def test_probes_and_the_document_are_open(client: TestClient, path: str):
    assert client.get(path).status_code == 200


def test_a_stream_may_have_a_ticket_instead_which_its_handler_checks(client: TestClient):
    assert client.get("/events?bilhete=x").text == "None x"
    assert client.get("/things?bilhete=x").status_code == (401 if client.app.state.asked else 400)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("order=a&order=b", "'order' is repeated"),
        ("order=a&order=a", "'order' is repeated"),
        ("order=&%6frder=", "'order' is repeated"),
        ("ordr=a", "no query parameter 'ordr'; it takes order"),
        ("order=a&x", "no query parameter 'x'"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_unknown_and_repeated_query_parameters_are_refused(
    client: TestClient, method: str, query: str, sentence: str
):
    answer = client.request(method, f"/things?{query}", headers=RIGHT)
    assert answer.status_code == 400
    if method == "GET":
        assert sentence in answer.json()["detail"]
        assert answer.json()["type"].endswith("requisicao-malformada")


def test_the_openapi_document_declares_how_callers_authenticate(client: TestClient):
    document = client.get("/schema/shop/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "bilhete"}
    optional = [] if client.app.state.asked else [{}]
    assert document["paths"]["/things"]["get"]["security"] == [*optional, {"bearer": []}]
    assert document["paths"]["/events"]["get"]["security"] == [*optional, {"bearer": []}, {"bilhete": []}]

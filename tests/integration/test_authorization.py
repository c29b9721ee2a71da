"""Every route with every kind of token, through the real gateway; tickets; facts that answers must not reveal."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from contract import check_response, documents
from cryptography.hazmat.primitives import serialization
from event_stream import open_stream
from shop import NO_ORDER, database, logs

from local_system import Config, Ports, System
from local_system.checks import PLAIN_HTTP
from local_system.identity import AUDIENCE, ISSUER, Issuer, encoded

pytestmark = pytest.mark.integration

SKU = "AUTORIZACAO-1"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two replicas of each service behind a gateway that requires tokens."""
    config = Config(
        state=tmp_path_factory.mktemp("authorization"),
        ports=Ports.free(),
        replicas={"pedidos": 2, "estoque": 2},
        settings={"MAX_STREAMS_PER_CLIENT": "3"},
        parts={"gateway"},
        jwt=True,
    )
    with System(config) as system:
        asyncio.run(fill(system))
        yield system


async def fill(system: System) -> None:
    async with database(system, "estoque") as pool:
        await pool.execute(
            "insert into estoque (sku, nome, alvo, quantidade, dono) values ($1, 'Um', 100000, 100000, 'a/um')", SKU
        )


@pytest.fixture
async def client(system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=system.gateway_url,
        trust_env=False,
        verify=PLAIN_HTTP,
        timeout=30,
        event_hooks={"response": [check_response]},
    ) as client:
        yield client


@dataclass
class Tokens:
    """The tokens that a caller may send. Only the last three are valid."""

    issuer: Issuer
    other: Issuer

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ana",
            "scope": "estoque:ler pedidos:admin",
            "iat": now,
            "nbf": now - 10,
            "exp": now + 600,
        } | changed

    def expired(self) -> str:
        return self.issuer.signed(self.claims(exp=int(time.time()) - 60))

    def not_yet_valid(self) -> str:
        return self.issuer.signed(self.claims(nbf=int(time.time()) + 300))

    def wrong_issuer(self) -> str:
        return self.issuer.signed(self.claims(iss="https://other.example"))

    def wrong_key(self) -> str:
        return self.other.signed(self.claims())

    def wrong_audience(self) -> str:
        return self.issuer.signed(self.claims(aud="another-api"))

    def alg_none(self) -> str:
        head = encoded(json.dumps({"alg": "none", "typ": "JWT"}).encode())
        return f"{head}.{encoded(json.dumps(self.claims()).encode())}."

    def hs256_with_the_public_key(self) -> str:
        public = self.issuer.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        head = encoded(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "local-1"}).encode())
        text = f"{head}.{encoded(json.dumps(self.claims()).encode())}"
        return f"{text}.{encoded(hmac.new(public, text.encode(), hashlib.sha256).digest())}"

    def other_payload(self) -> str:
        """A valid token's signature with other claims."""
        head, _, signature = self.issuer.token("bia").split(".")
        return f"{head}.{encoded(json.dumps(self.claims()).encode())}.{signature}"

    def without_subject(self) -> str:
        claims = self.claims()
        del claims["sub"]
        return self.issuer.signed(claims)

    def garbage(self) -> str:
        return "x"

    def other_customer(self) -> str:
        return self.issuer.token("bia", "estoque:ler")

    def scope_missing(self) -> str:
        return self.issuer.token("ana", "estoque:lerx pedidos:administrador")

    def right(self) -> str:
        return self.issuer.token("ana", "estoque:ler")

    def staff(self) -> str:
        return self.issuer.token("maria", "pedidos:admin estoque:ler")


INVALID = [
    "none",
    "garbage",
    "expired",
    "not_yet_valid",
    "wrong_issuer",
    "wrong_key",
    "wrong_audience",
    "alg_none",
    "hs256_with_the_public_key",
    "other_payload",
    "without_subject",
]
ORDER = {"clienteId": "ana", "itens": [{"sku": SKU, "quantidade": 1}]}

# Method, address (of ana's order or orders), body; then the status for another customer, for ana without a scope,
# for ana with it, for staff.
OF_AN_ORDER = (404, 200, 200, 200)
COMMAND = (404, 202, 202, 202)
OF_A_CUSTOMER = (403, 200, 200, 200)
OPEN = (200, 200, 200, 200)
TICKET = (201, 201, 201, 201)
BALANCE = (200, 403, 200, 200)
ROUTES: list[tuple[str, str, Any, tuple[int, int, int, int]]] = [
    ("POST", "/pedidos", ORDER, (403, 202, 202, 202)),
    ("GET", "/pedidos", None, OPEN),
    ("GET", "/pedidos?clienteId=ana", None, OF_A_CUSTOMER),
    ("GET", "/pedidos?clienteId=ana&status=Criado", None, OF_A_CUSTOMER),
    ("GET", "/pedidos/{id}", None, OF_AN_ORDER),
    ("HEAD", "/pedidos/{id}", None, OF_AN_ORDER),
    ("GET", "/pedidos/{id}/status", None, OF_AN_ORDER),
    ("GET", "/statusPedido?pedidoId={id}", None, OF_AN_ORDER),
    ("POST", "/pedidos/{id}/fechar", None, COMMAND),
    ("POST", "/pedidos/{id}/cancelar", None, COMMAND),
    ("POST", "/pedidos/{id}/reservar", {}, COMMAND),
    ("GET", "/pedidos/eventos", None, OPEN),
    ("GET", "/pedidos/eventos?clienteId=ana", None, OF_A_CUSTOMER),
    ("GET", "/pedidos/{id}/eventos", None, OF_AN_ORDER),
    ("POST", "/pedidos/bilhetes", None, TICKET),
    ("GET", "/estoque", None, BALANCE),
    ("GET", f"/estoque/{SKU}", None, BALANCE),
    ("HEAD", f"/estoque/{SKU}", None, BALANCE),
    ("POST", "/estoque/consulta", {"skus": [SKU]}, BALANCE),
    ("GET", "/estoque/eventos", None, BALANCE),
    ("POST", "/estoque/bilhetes", None, (201, 403, 201, 201)),
]
NAMES = ["other_customer", "scope_missing", "right", "staff"]


@pytest.fixture(scope="module")
def tokens(system: System, tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    return Tokens(system.layout.issuer(), Issuer.open(tmp_path_factory.mktemp("other issuer")))


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


async def new_order(client: httpx.AsyncClient, tokens: Tokens, cliente: str = "ana") -> dict[str, Any]:
    headers = bearer(tokens.issuer.token(cliente)) | {"Prefer": "wait=10"}
    answer = await client.post("/pedidos", json=ORDER | {"clienteId": cliente}, headers=headers)
    return answer.raise_for_status().json()


async def ask(
    client: httpx.AsyncClient, method: str, path: str, body: Any, headers: dict[str, str]
) -> httpx.Response:
    """The answer; for a stream, only its head."""
    async with client.stream(method, path, json=body, headers=headers) as answer:
        if "event-stream" not in answer.headers.get("content-type", ""):
            await answer.aread()
        return answer


def test_every_route_is_in_the_table():
    described = {
        (method.upper(), re.sub(r"\{\w+\}", "X", path))
        for document in documents()
        for path, operations in document["paths"].items()
        for method in operations
    }
    tabled = {
        (method, path.partition("?")[0].replace("{id}", "X").replace(SKU, "X"))
        for method, path, *_ in ROUTES
        if method != "HEAD"
    }
    assert tabled == described


@pytest.mark.parametrize("kind", INVALID)
@pytest.mark.parametrize(("method", "path", "body", "_"), ROUTES, ids=[f"{r[0]} {r[1]}" for r in ROUTES])
async def test_without_a_valid_token_nothing_is_answered(
    client: httpx.AsyncClient, tokens: Tokens, kind: str, method: str, path: str, body: Any, _: object
):
    token = None if kind == "none" else getattr(tokens, kind)()
    path = path.replace("{id}", NO_ORDER)
    headers = bearer(token) | {"x-reserva-subject": "ana", "x-reserva-scopes": "pedidos:admin estoque:ler"}
    answer = await ask(client, method, path, body, headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    if method != "HEAD":
        assert answer.json()["type"].endswith("/nao-autenticado")


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize(("method", "path", "body", "expected"), ROUTES, ids=[f"{r[0]} {r[1]}" for r in ROUTES])
async def test_a_token_opens_only_what_the_table_allows(
    client: httpx.AsyncClient,
    tokens: Tokens,
    kind: str,
    method: str,
    path: str,
    body: Any,
    expected: tuple[int, int, int, int],
):
    if "{id}" in path:
        path = path.replace("{id}", (await new_order(client, tokens))["pedidoId"])
    # Identity headers sent by a caller do not count.
    headers = bearer(getattr(tokens, kind)()) | {"x-reserva-subject": "ana", "x-reserva-scopes": "pedidos:admin"}
    answer = await ask(client, method, path, body, headers)
    assert answer.status_code == expected[NAMES.index(kind)]
    if method != "HEAD" and answer.status_code == 403:
        assert answer.json()["type"].endswith("/sem-permissao")


async def test_lists_show_a_customer_their_own_orders(client: httpx.AsyncClient, tokens: Tokens):
    for cliente in ("carla", "davi"):
        await new_order(client, tokens, cliente)
    mine = (await client.get("/pedidos", headers=bearer(tokens.issuer.token("carla")))).json()
    assert [pedido["clienteId"] for pedido in mine["itens"]] == ["carla"]
    everybodys = (await client.get("/pedidos", headers=bearer(tokens.staff()))).json()
    assert {"carla", "davi"} <= {pedido["clienteId"] for pedido in everybodys["itens"]}


async def test_another_customers_order_cannot_be_told_from_an_unknown_one(
    client: httpx.AsyncClient, system: System, tokens: Tokens
):
    foreign = (await new_order(client, tokens))["pedidoId"]
    headers = bearer(tokens.other_customer())
    async with database(system, "pedidos") as pool:
        count = "select (select count(*) from comando) + (select count(*) from idempotencia)"
        before = await pool.fetchval(count)
        for method, path, body, expected in ROUTES:
            if expected[0] != 404 or method == "HEAD":
                continue
            keyed = headers | ({"Idempotency-Key": "mine"} if method == "POST" else {})
            answers = [await ask(client, method, path.replace("{id}", i), body, keyed) for i in (foreign, NO_ORDER)]
            assert [answer.status_code for answer in answers] == [404, 404]
            bodies = [answer.json() for answer in answers]
            for one in bodies:
                one.pop("instance")
            assert bodies[0] == bodies[1]
            assert answers[0].headers.keys() == answers[1].headers.keys()
        assert await pool.fetchval(count) == before, "nothing is written for a caller who may not see the order"


async def test_another_customers_order_takes_as_long_as_an_unknown_one(client: httpx.AsyncClient, tokens: Tokens):
    """The medians of many interleaved requests differ by less than a millisecond."""
    foreign = (await new_order(client, tokens))["pedidoId"]
    unknown = foreign[:-4] + ("0000" if foreign[-4:] != "0000" else "1111")
    headers = bearer(tokens.other_customer())
    took: dict[str, list[float]] = {foreign: [], unknown: []}
    for _ in range(150):
        for pedido_id, times in took.items():
            began = time.perf_counter()
            assert (await client.get(f"/pedidos/{pedido_id}", headers=headers)).status_code == 404
            times.append(time.perf_counter() - began)
    medians = [statistics.median(times) for times in took.values()]
    assert abs(medians[0] - medians[1]) < 0.001 + 0.2 * min(medians)


async def test_idempotency_keys_are_separate_for_each_customer(client: httpx.AsyncClient, tokens: Tokens):
    """The same key from another customer is a different key, with the same or another body."""
    key, ids = {"Idempotency-Key": f"k-{time.time_ns()}"}, set()
    for cliente, sku in (("ana", SKU), ("bia", SKU), ("carla", "ANOTHER")):
        body = {"clienteId": cliente, "itens": [{"sku": sku, "quantidade": 1}]}
        headers = bearer(tokens.issuer.token(cliente)) | key
        answers = [await client.post("/pedidos", json=body, headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] in ([202, 202], [202, 201])
        assert answers[0].json()["clienteId"] == cliente
        ids |= {answer.json()["pedidoId"] for answer in answers}
    assert len(ids) == 3
    body = ORDER | {"clienteId": "ana"}
    forged = await client.post("/pedidos", json=body, headers=bearer(tokens.other_customer()) | key)
    assert forged.status_code == 403
    assert not any(known in forged.text for known in ids)


@pytest.mark.parametrize("subject", ["x" * 129, "josé", " ana", "ana ", "a\tb", ""])
async def test_a_subject_that_is_not_a_valid_cliente_id_is_refused(
    client: httpx.AsyncClient, tokens: Tokens, subject: str
):
    """A name that HTTP would trim cannot impersonate another customer."""
    token = tokens.issuer.signed(tokens.claims(sub=subject, scope="estoque:ler"))
    for path in ("/pedidos", "/estoque", "/pedidos?clienteId=ana"):
        answer = await client.get(path, headers=bearer(token))
        assert answer.status_code in (401, 403), path


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        "/pedidos?clienteId=ana&clienteId=bia",
        "/pedidos?cliente=ana",
        "/estoque?cursor=&cursor=A",
        f"/estoque/{SKU}?x",
    ],
)
async def test_a_query_with_duplicate_or_unknown_parameters_is_refused(
    client: httpx.AsyncClient, tokens: Tokens, method: str, path: str
):
    answer = await client.request(method, path, headers=bearer(tokens.staff()))
    assert answer.status_code in ({405} if method == "POST" and "estoque" in path else {400})


# Tickets


async def ticket(client: httpx.AsyncClient, token: str, service: str = "pedidos") -> str:
    answer = (await client.post(f"/{service}/bilhetes", headers=bearer(token))).raise_for_status()
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["bilhete"]


async def test_a_ticket_opens_one_stream_of_its_customer(client: httpx.AsyncClient, tokens: Tokens):
    good = await ticket(client, tokens.right())
    async with open_stream(client, "/pedidos/eventos", bilhete=good) as stream:
        await stream.opened()
        await new_order(client, tokens, "bia")
        own = await new_order(client, tokens)
        assert (await stream.next_event()).data["pedidoId"] == own["pedidoId"]
        assert (await ask(client, "GET", f"/pedidos/eventos?bilhete={good}", None, {})).status_code == 401
    for path, status in ((f"/pedidos/{own['pedidoId']}/eventos", 200), ("/pedidos/eventos?clienteId=bia", 403)):
        good = await ticket(client, tokens.right())
        mark = "&" if "?" in path else "?"
        assert (await ask(client, "GET", f"{path}{mark}bilhete={good}", None, {})).status_code == status
    good = await ticket(client, tokens.other_customer())
    path = f"/pedidos/{own['pedidoId']}/eventos?bilhete={good}"
    assert (await ask(client, "GET", path, None, {})).status_code == 404


async def test_a_ticket_is_good_for_its_service_and_for_streams_only(client: httpx.AsyncClient, tokens: Tokens):
    for path in ("/estoque/eventos?bilhete={}", "/pedidos?bilhete={}", f"/estoque/{SKU}?bilhete={{}}"):
        good = await ticket(client, tokens.staff())
        assert (await ask(client, "GET", path.format(good), None, {})).status_code == 401
        assert (await ask(client, "GET", f"/pedidos/eventos?bilhete={good}", None, {})).status_code == 200
    good = await ticket(client, tokens.right(), "estoque")
    assert (await ask(client, "GET", f"/estoque/eventos?bilhete={good}", None, {})).status_code == 200


async def test_concurrent_uses_of_a_ticket_open_one_stream(client: httpx.AsyncClient, tokens: Tokens):
    for _ in range(5):
        path = f"/pedidos/eventos?bilhete={await ticket(client, tokens.issuer.token('edu'))}"
        answers = await asyncio.gather(*[ask(client, "GET", path, None, {}) for _ in range(12)])
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 11


async def test_a_ticket_beside_a_token_is_refused_whether_the_token_is_valid_or_not(
    client: httpx.AsyncClient, tokens: Tokens
):
    good = await ticket(client, tokens.right())
    path = f"/pedidos/eventos?bilhete={good}"
    assert (await ask(client, "GET", path, None, bearer(tokens.expired()))).status_code == 401
    assert (await ask(client, "GET", path, None, bearer(tokens.right()))).status_code == 400
    forged = {"x-reserva-subject": "maria", "x-reserva-scopes": "pedidos:admin"}
    async with open_stream(client, "/pedidos/eventos", bilhete=good) as stream:
        await stream.opened()
    assert (await ask(client, "GET", "/pedidos/eventos?bilhete=", None, forged)).status_code == 401
    assert (await ask(client, "GET", "/pedidos/eventos?bilhete=x", None, forged)).status_code == 401


async def test_a_new_client_resumes_from_the_last_event_id_in_the_url(client: httpx.AsyncClient, tokens: Tokens):
    """A client that reconnects automatically sends Last-Event-ID, which is newer than the id in the URL."""
    headers = bearer(tokens.issuer.token("fabio"))
    first = await new_order(client, tokens, "fabio")
    path = f"/pedidos/{first['pedidoId']}/eventos"
    async with client.stream("GET", f"{path}?lastEventId=1", headers=headers) as answer:
        assert answer.status_code == 200
    assert (await client.get(f"{path}?lastEventId=7", headers=headers)).status_code == 410
    assert (await client.get(f"{path}?lastEventId=x", headers=headers)).status_code == 400
    newer = headers | {"Last-Event-ID": "1"}
    assert (await ask(client, "GET", f"{path}?lastEventId=7", None, newer)).status_code == 200
    token = tokens.issuer.token("fabio")
    async with open_stream(client, "/pedidos/eventos", bilhete=await ticket(client, token)) as stream:
        start = (await stream.opened()).last_id
    second = await new_order(client, tokens, "fabio")
    resumed = {"bilhete": await ticket(client, token), "lastEventId": start}
    async with open_stream(client, "/pedidos/eventos", **resumed) as stream:
        assert (await stream.next_event()).data["pedidoId"] == second["pedidoId"]


async def test_streams_are_limited_for_each_customer_separately(
    client: httpx.AsyncClient, system: System, tokens: Tokens
):
    """MAX_STREAMS_PER_CLIENT, three here, applies per replica."""
    async with httpx.AsyncClient(base_url=system.program_url("pedidos-1"), trust_env=False) as replica:

        def known(subject: str) -> dict[str, str]:
            return {"x-reserva-subject": subject}

        async with (
            replica.stream("GET", "/pedidos/eventos", headers=known("gil")),
            replica.stream("GET", "/pedidos/eventos", headers=known("gil")),
            replica.stream("GET", "/pedidos/eventos", headers=known("gil")) as third,
        ):
            assert third.status_code == 200
            refused = await replica.get("/pedidos/eventos", headers=known("gil"))
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
            assert refused.json()["type"].endswith("/limite-excedido")
            assert "3 of your event streams" in refused.json()["detail"]
            assert (await ask(replica, "GET", "/pedidos/eventos", None, known("hugo"))).status_code == 200
        del client


async def test_no_ticket_or_token_is_in_any_log(client: httpx.AsyncClient, system: System, tokens: Tokens):
    token = tokens.right()
    used, unused = [await ticket(client, token) for _ in range(2)]
    wrong = base64.urlsafe_b64encode(b"w" * 32).rstrip(b"=").decode()
    for one in (used, used, wrong):
        await ask(client, "GET", f"/pedidos/eventos?bilhete={one}&lastEventId=x", None, {})
        await ask(client, "GET", f"/pedidos/eventos?bilhete={one}&bilhete={one}", None, {})
        await ask(client, "GET", f"/pedidos?bilhete={one}", None, bearer(token))
    await asyncio.sleep(1)  # Envoy flushes its log periodically
    metrics = [
        (await client.get(f"{system.metrics_url(f'{name}-1')}/metrics")).text for name in ("pedidos", "estoque")
    ]
    for name, text in {**logs(system), "metrics": "".join(metrics)}.items():
        for secret in (used, unused, wrong, token):
            assert secret not in text, name

"""How the gateway handles tokens, on a real Envoy with services of a few lines of Python."""

import hmac
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import envoy_here
import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from envoy_here import Service, lines, serving, until

from local_system import gateway
from local_system.gateway import Options
from local_system.identity import AUDIENCE, ISSUER, Issuer, encoded
from local_system.ports import Ports

pytestmark = pytest.mark.integration

OPEN = ["/schema/pedidos/openapi.json", "/schema/estoque/openapi.json", "/schema/pedidos"]
CLOSED = [
    ("GET", "/pedidos"),
    ("POST", "/pedidos"),
    ("GET", "/pedidos/0190"),
    ("GET", "/pedidos/0190/status"),
    ("POST", "/pedidos/0190/fechar"),
    ("POST", "/pedidos/bilhetes"),
    ("GET", "/pedidos/eventos"),
    ("GET", "/pedidos/0190/eventos"),
    ("GET", "/statusPedido?pedidoId=0190"),
    ("GET", "/estoque"),
    ("GET", "/estoque/UM"),
    ("POST", "/estoque/consulta"),
    ("GET", "/estoque/eventos"),
    ("OPTIONS", "/pedidos"),
    ("HEAD", "/pedidos"),
    ("DELETE", "/pedidos/0190"),
    ("GET", "/metrics"),
    ("GET", "//pedidos"),
    ("GET", "/schema/../pedidos"),
    ("GET", "/schema/%2e%2e/pedidos"),
    ("GET", "/schemas"),
    ("GET", "/painel/sistema"),
    ("GET", "/painel/sistema/eventos"),
    ("GET", "/painel/sistema/eventos.js"),
    ("GET", "/painel/main.js/../sistema"),
    ("GET", "/painel/sistema?x=/main.js"),
]
STREAMS = ["/pedidos/eventos", "/pedidos/0190/eventos", "/estoque/eventos"]


@dataclass
class Running:
    client: httpx.Client
    pedidos: Service
    estoque: Service
    issuer: Issuer
    other: Issuer
    log: Path

    def ask(self, token: str, path: str = "/pedidos", method: str = "GET", **headers: str) -> httpx.Response:
        return self.client.request(method, path, headers={"Authorization": f"Bearer {token}", **headers})

    def claims(self, token: str) -> dict[str, str]:
        """The caller that the service sees for this token."""
        self.pedidos.headers.clear()
        answer = self.ask(token)
        assert answer.status_code == 200, answer.text
        return {
            name: value
            for name, value in self.pedidos.headers.items()
            if name.startswith("x-reserva") and name != "x-reserva-client"
        }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("identity")
    issuer, other = Issuer.open(folder / "one"), Issuer.open(folder / "two")
    providers = {
        "one": issuer.provider(),
        "two": {
            **other.provider(),
            "issuer": "https://two.example",
            "audiences": ["loja-a", "loja-b"],
            "payload_in_metadata": "account.id realm.scopes",
        },
    }
    with ExitStack() as stack:
        pedidos, estoque = (stack.enter_context(serving(name)) for name in ("pedidos", "estoque"))
        text = rendered(pedidos, estoque, Options(providers=providers))
        env = {"SUBJECT_KEY": issuer.log_key}
        client, log = stack.enter_context(envoy_here.running(folder, text, env))
        yield Running(client, pedidos, estoque, issuer, other, log)


def rendered(pedidos: Service, estoque: Service, options: Options) -> str:
    ports = Ports.free()
    return gateway.render(
        gateway.TEMPLATE.read_text(),
        listen_port=ports.gateway,
        admin_port=ports.gateway_admin,
        pedidos=[pedidos.port],
        estoque=[estoque.port],
        painel=estoque.port,
        options=options,
    )


def claims(**more: Any) -> dict[str, Any]:
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "exp": int(time.time()) + 60, **more}


def assert_refused(answer: httpx.Response, reason: str, challenge: str = 'Bearer error="invalid_token"') -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), answer.text
    assert answer.headers.get_list("www-authenticate") == [challenge]
    assert answer.headers.get_list("cache-control") == ["no-store"]
    body = answer.json()
    assert body["type"] == "https://reservaestoque.dev/problemas/nao-autenticado"
    assert (body["status"], body["instance"]) == (401, answer.request.url.path)
    assert body["detail"].startswith("Send a valid token")
    assert body["detail"].endswith(f"{reason}.")


# Which calls need a token


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_a_call_without_a_token_is_refused_before_the_service_sees_it(
    running: Running, method: str, path: str
) -> None:
    running.pedidos.seen.clear()
    running.estoque.seen.clear()
    url = httpx.URL(str(running.client.base_url).rstrip("/") + path)
    answer = running.client.request(method, url)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    if method != "HEAD":
        assert answer.json()["detail"].endswith("Jwt is missing.")
    assert running.pedidos.seen == running.estoque.seen == []


@pytest.mark.parametrize("path", OPEN)
def test_the_documents_are_open(running: Running, path: str) -> None:
    assert running.client.get(path).status_code == 200


@pytest.mark.parametrize("path", STREAMS)
def test_a_stream_may_be_opened_with_a_ticket_which_the_service_checks(running: Running, path: str) -> None:
    service = running.estoque if path.startswith("/estoque") else running.pedidos
    assert running.client.get(f"{path}?bilhete=xyz&clienteId=ana").status_code == 200
    assert service.seen[-1] == f"GET {path}?bilhete=xyz&clienteId=ana"
    assert not [name for name in service.headers if name.startswith("x-reserva") and name != "x-reserva-client"]
    assert_refused(running.ask("abc", f"{path}?bilhete=xyz"), "with two dots and 3 sections")
    assert running.ask(running.issuer.token("ana"), f"{path}?bilhete=xyz").status_code == 200
    assert service.headers["x-reserva-subject"] == "ana"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/pedidos?bilhete=x"), ("POST", "/pedidos/eventos?bilhete=x"), ("GET", "/estoque/UM?bilhete=x")],
)
def test_a_ticket_opens_nothing_but_a_stream(running: Running, method: str, path: str) -> None:
    assert_refused(running.client.request(method, path), "Jwt is missing", "Bearer")


def test_a_token_in_the_query_is_ignored(running: Running) -> None:
    """It would end up in logs and in the history of browsers."""
    answer = running.client.get("/pedidos", params={"access_token": running.issuer.token("ana")})
    assert_refused(answer, "Jwt is missing", "Bearer")


# Which tokens are valid


def test_a_customer_s_token_tells_the_service_who_asks(running: Running) -> None:
    assert running.claims(running.issuer.token("ana")) == {"x-reserva-subject": "ana"}
    scoped = running.claims(running.issuer.token("ana", "pedidos:admin estoque:ler"))
    assert scoped == {"x-reserva-subject": "ana", "x-reserva-scopes": "pedidos:admin estoque:ler"}


def test_the_scheme_may_be_in_lower_case(running: Running) -> None:
    good = running.issuer.token("ana")
    running.pedidos.headers.clear()
    assert running.client.get("/pedidos", headers={"Authorization": f"bearer {good}"}).status_code == 200
    assert running.pedidos.headers["x-reserva-subject"] == "ana"
    assert "authorization" not in running.pedidos.headers
    for mixed in (f"bearer {good}, Bearer x.y.z", f"Bearer x.y.z, bearer {good}"):
        assert running.client.get("/pedidos", headers={"Authorization": mixed}).status_code == 401
    assert running.client.get("/pedidos", headers={"Authorization": "bearer x.y.z"}).status_code == 401


def test_tokens_of_each_issuer_are_accepted_for_each_of_its_audiences(running: Running) -> None:
    two = claims(iss="https://two.example", account={"id": "bia"})
    for audience in ("loja-a", "loja-b", ["other", "loja-b"]):
        token = running.other.signed({**two, "aud": audience})
        assert running.claims(token) == {"x-reserva-subject": "bia"}
    assert_refused(running.ask(running.other.signed({**two, "aud": AUDIENCE})), "Audiences in Jwt are not allowed")


def unsigned(alg: str) -> str:
    head = {"alg": alg, "typ": "JWT"}
    return f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(claims()).encode())}."


def hs256(key: bytes) -> str:
    """Signed with the public key, as if it were a shared secret."""
    head = {"alg": "HS256", "typ": "JWT", "kid": "local-1"}
    text = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(claims()).encode())}"
    return f"{text}.{encoded(hmac.new(key, text.encode(), 'sha256').digest())}"


def public_pem(running: Running) -> bytes:
    public = running.issuer.key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def tampered(token: str) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{encoded(json.dumps(claims(sub='bia')).encode())}.{signature}"


REFUSED = {
    "not a token": (lambda r: "abc", "with two dots and 3 sections"),
    "expired": (lambda r: r.issuer.signed(claims(exp=int(time.time()) - 10)), "Jwt is expired"),
    "no expiry": (lambda r: r.issuer.signed({k: v for k, v in claims().items() if k != "exp"}), "fails"),
    "not yet valid": (lambda r: r.issuer.signed(claims(nbf=int(time.time()) + 60)), "Jwt not yet valid"),
    "wrong issuer": (lambda r: r.issuer.signed(claims(iss="https://x.example")), "issuer is not configured"),
    "no issuer": (lambda r: r.issuer.signed({k: v for k, v in claims().items() if k != "iss"}), "not configured"),
    "wrong audience": (lambda r: r.issuer.signed(claims(aud="x")), "Audiences in Jwt are not allowed"),
    "no audience": (lambda r: r.issuer.signed({k: v for k, v in claims().items() if k != "aud"}), "not allowed"),
    "alg none": (lambda r: unsigned("none"), "3 sections"),
    "alg none with a signature": (lambda r: unsigned("none") + "AAAA", "[alg] is not supported"),
    "alg None with a signature": (lambda r: unsigned("None") + "AAAA", "[alg] is not supported"),
    "RS256 without a signature": (lambda r: unsigned("RS256"), "3 sections"),
    "RS256 with a short signature": (lambda r: unsigned("RS256") + "AAAA", "fails"),
    "HS256 with the PEM": (lambda r: hs256(public_pem(r)), "match kid or alg from Jwt"),
    "HS256 with the JWKS": (lambda r: hs256(r.issuer.jwks.read_bytes()), "match kid or alg from Jwt"),
    "another issuer's key": (lambda r: r.other.signed(claims()), "fails"),
    "an unknown key": (lambda r: stranger(r).signed(claims()), "fails"),
    "altered claims": (lambda r: tampered(r.issuer.token("ana")), "fails"),
    "a subject that is not a string": (lambda r: r.issuer.signed(claims(sub=42)), "[sub] field is not a string"),
    "a line break in the subject": (
        lambda r: r.issuer.signed(claims(sub="ana\r\nx-reserva-scopes: pedidos:admin")),
        "The subject contains a control character",
    ),
}


def stranger(running: Running) -> Issuer:
    return Issuer(rsa.generate_private_key(public_exponent=65537, key_size=2048), running.issuer.jwks, "")


@pytest.mark.parametrize("case", REFUSED)
def test_an_invalid_token_is_refused(running: Running, case: str) -> None:
    make, reason = REFUSED[case]
    running.pedidos.seen.clear()
    # jwt_authn has removed the token that it accepted.
    challenge = "Bearer" if "control character" in reason else 'Bearer error="invalid_token"'
    assert_refused(running.ask(make(running)), reason, challenge)
    assert running.pedidos.seen == []


def test_clocks_may_differ_by_a_little(running: Running) -> None:
    assert running.ask(running.issuer.signed(claims(exp=int(time.time()) - 2))).status_code == 200
    assert running.ask(running.issuer.signed(claims(nbf=int(time.time()) + 3))).status_code == 200


def test_two_tokens_in_one_request_must_both_be_valid(running: Running) -> None:
    good = running.issuer.token("ana")
    headers = [("Authorization", f"Bearer {good}"), ("Authorization", "Bearer x.y.z")]
    assert running.client.get("/pedidos", headers=headers).status_code == 401


# What the service sees


@pytest.mark.parametrize("name", ["x-reserva-subject", "X-Reserva-Subject", "x-reserva-scopes"])
def test_identity_headers_from_outside_are_dropped(running: Running, name: str) -> None:
    headers = [("Authorization", f"Bearer {running.issuer.token('ana')}"), (name, "bia"), (name, "pedidos:admin")]
    running.client.get("/pedidos", headers=headers)
    told = {n: v for n, v in running.pedidos.headers.items() if n.startswith("x-reserva") and n != "x-reserva-client"}
    assert told == {"x-reserva-subject": "ana"}
    running.client.get("/pedidos/eventos?bilhete=x", headers={name: "bia"})
    assert not [n for n in running.pedidos.headers if n in {"x-reserva-subject", "x-reserva-scopes"}]


def test_client_address_headers_from_outside_are_not_passed_on(running: Running) -> None:
    claim = {"X-Reserva-Client": "192.0.2.7", "x-reserva-client": "192.0.2.8"}
    for path in ("/pedidos", "/pedidos/0190", "/schema/pedidos"):
        assert running.ask(running.issuer.token("ana"), path, **claim).status_code == 200
        assert "x-reserva-client" not in running.pedidos.headers
    for path in ("/pedidos/eventos", "/pedidos/%65ventos", "/pedidos/./0190//eventos", "/pedidos/eventos?bilhete=x"):
        assert running.ask(running.issuer.token("ana"), path, **claim).status_code == 200
        assert running.pedidos.headers["x-reserva-client"] == "127.0.0.1"


def test_identity_headers_are_dropped_without_tokens_too(tmp_path: Path) -> None:
    with serving("pedidos") as pedidos, serving("estoque") as estoque:
        with envoy_here.running(tmp_path, rendered(pedidos, estoque, Options())) as (client, _):
            headers = {"X-Reserva-Subject": "bia", "x-reserva-scopes": "pedidos:admin", "Authorization": "Bearer x"}
            assert client.get("/pedidos", headers=headers).status_code == 200
        assert not {"x-reserva-subject", "x-reserva-scopes", "authorization"} & pedidos.headers.keys()


def test_the_service_does_not_get_the_token(running: Running) -> None:
    token = running.issuer.token("ana")
    for path in ("/pedidos", "/pedidos/eventos?bilhete=x", "/schema/pedidos"):
        assert running.ask(token, path).status_code == 200
        assert "authorization" not in running.pedidos.headers
        assert token not in str(running.pedidos.headers)


SEPARATORS = (" ", "\t", "\n", "\u0085", "\u00a0", "\u2028", "à", "Å", '"', "\\")
"""Characters that a scope cannot contain and that, whole or by their last byte, might separate two."""


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        (["estoque:ler", "pedidos:admin"], "estoque:ler pedidos:admin"),
        (["2fa", ".default", "estoque:ler"], "2fa .default estoque:ler"),
        (["a" * n for n in range(1, 9)], " ".join("a" * n for n in range(1, 9))),
        (" estoque:ler  pedidos:admin ", "estoque:ler pedidos:admin"),
        (["estoque:ler", None, "pedidos:admin"], "estoque:ler pedidos:admin"),
        ("WyJwZWRpZG9zOmFkbWluIl0=", "WyJwZWRpZG9zOmFkbWluIl0="),  # a string that is a list of scopes in base64
        (["a", ["pedidos:admin"]], "a"),
        ("a\npedidos:admin b", "b"),
        *(([f"x{separator}pedidos:admin"], None) for separator in SEPARATORS),
        *((f"x{separator}pedidos:admin", None) for separator in SEPARATORS if separator != " "),
        ([], None),
        ({"pedidos:admin": True}, None),
        ({"1": "pedidos:admin"}, None),
        ([["pedidos:admin"]], None),
        (7, None),
        (True, None),
        (None, None),
        ("", None),
    ],
)
def test_scopes_are_words_in_a_list_or_a_string_and_anything_else_grants_nothing(
    running: Running, scope: Any, told: str | None
) -> None:
    found = running.claims(running.issuer.signed(claims(scope=scope))).get("x-reserva-scopes")
    assert found == told


def test_each_issuer_may_have_its_own_scope_claim(running: Running) -> None:
    def scopes(**more: Any) -> str | None:
        of_two = claims(iss="https://two.example", aud="loja-a", account={"id": "ana"}, **more)
        return running.claims(running.other.signed(of_two)).get("x-reserva-scopes")

    assert scopes(realm={"scopes": ["estoque:ler", "pedidos:admin"]}) == "estoque:ler pedidos:admin"
    assert scopes(realm={"scopes": "estoque:ler"}, scope=["pedidos:admin"]) == "estoque:ler"
    assert scopes(realm=["scopes"], scope=["pedidos:admin"]) is None
    assert scopes(scope=["pedidos:admin"]) is None


@pytest.mark.parametrize("subject", [9007199254740993, 7, 7.0, True, ["ana"], {"id": "ana"}])
def test_a_subject_is_a_string_whatever_its_claim(running: Running, subject: object) -> None:
    """Envoy reads numbers as doubles: two customers with long numbers would become one."""
    token = running.other.signed(claims(iss="https://two.example", aud="loja-a", account={"id": subject}))
    assert_refused(running.ask(token), "The subject is not a string", "Bearer")


def test_a_token_without_a_subject_names_nobody(running: Running) -> None:
    """The services refuse such a request."""
    token = running.issuer.signed({k: v for k, v in claims(scope="pedidos:admin").items() if k != "sub"})
    assert running.claims(token) == {}
    for account in ({}, None, "ana"):
        token = running.other.signed(claims(iss="https://two.example", aud="loja-a", account=account))
        assert running.claims(token) == {}


# The log


def test_the_log_shows_the_subject_hashed_and_no_query(running: Running) -> None:
    subjects = ["ana", "bia", "x" * 55, "x" * 56, "x" * 64, "x" * 500, "josé"]
    for number, subject in enumerate(subjects):
        path = f"/estoque/HASH-{number}?bilhete=hidden-ticket"
        assert running.ask(running.issuer.token(subject), path).status_code == 200
    until(lambda: f"HASH-{len(subjects) - 1}" in running.log.read_text())
    found = [line["subject"] for line in lines(running.log) if line.get("path", "").startswith("/estoque/HASH")]
    assert found == [running.issuer.hashed(subject) for subject in subjects]
    text = running.log.read_text()
    assert "hidden-ticket" not in text
    assert "Bearer" not in text
    assert "x" * 55 not in text

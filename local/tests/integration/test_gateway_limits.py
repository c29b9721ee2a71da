"""The limits of one client, on a real Envoy with services of a few lines of Python."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import envoy_here
import httpx
import pytest
from envoy_here import REFILL_SECONDS, Service, serving, without_refill

from local_system import gateway
from local_system.gateway import Limits, Options, Rate
from local_system.identity import Issuer
from local_system.ports import Ports

pytestmark = pytest.mark.integration

# With `without_refill` no bucket is refilled during a test.
SLOW = Limits(reads=Rate(1, 12), writes=Rate(1, 6), streams=Rate(1, 3), shop_factor=2, clients=50)
KINDS = {
    "read": ("GET", "/pedidos", 12),
    "read of another path": ("GET", "/estoque/UM?x=1", 12),
    "read by POST": ("POST", "/estoque/consulta", 12),
    "other method where POST reads": ("DELETE", "/estoque/consulta", 12),
    "head": ("HEAD", "/pedidos/0190", 12),
    "document": ("GET", "/schema/pedidos", 12),
    "write": ("POST", "/pedidos", 6),
    "command": ("POST", "/pedidos/0190/fechar?x=1", 6),
    "other method": ("DELETE", "/pedidos/0190", 6),
    "stream": ("GET", "/pedidos/eventos", 3),
    "stream with a query": ("GET", "/estoque/eventos?x=/y", 3),
    "stream of an order": ("GET", "/pedidos/0190/eventos", 3),
    "stream in another spelling": ("GET", "/pedidos//%65vento%73", 3),
    "stream of the panel": ("GET", "/painel/sistema/eventos", 3),
}


class Start(Protocol):
    """Starts a gateway with these options: its client, and the service pedidos."""

    def __call__(self, options: Options, *, refilled: bool = False) -> tuple[httpx.Client, Service]: ...


@dataclass
class Running:
    client: httpx.Client
    issuer: Issuer
    pedidos: Service

    def ask(self, subject: str, method: str, path: str, scope: str = "") -> httpx.Response:
        token = self.issuer.token(subject, scope)
        return self.client.request(method, path, headers={"Authorization": f"Bearer {token}"})


def configured(pedidos: Service, estoque: Service, options: Options) -> str:
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


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        pedidos, estoque = (stack.enter_context(serving(name)) for name in ("pedidos", "estoque"))

        def start(options: Options, *, refilled: bool = False) -> tuple[httpx.Client, Service]:
            text = configured(pedidos, estoque, options)
            text = without_refill(text) if options.limits and not refilled else text
            env = {"SUBJECT_KEY": "0" * 64}
            return stack.enter_context(envoy_here.running(tmp_path, text, env))[0], pedidos

        yield start


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("limits")
    issuer = Issuer.open(folder / "jwt")
    with ExitStack() as stack:
        pedidos, estoque = (stack.enter_context(serving(name)) for name in ("pedidos", "estoque"))
        text = configured(pedidos, estoque, Options(providers={"one": issuer.provider()}, limits=SLOW))
        text = without_refill(text)
        client, _ = stack.enter_context(envoy_here.running(folder, text, {"SUBJECT_KEY": issuer.log_key}))
        yield Running(client, issuer, pedidos)


def exhaust(ask: Callable[[], httpx.Response]) -> tuple[int, httpx.Response]:
    """The number of requests answered until one is refused, and the refusal."""
    for number in range(100):
        answer = ask()
        if answer.status_code == 429:
            return number, answer
        assert answer.status_code == 200, answer.text
    raise AssertionError("nothing is refused")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_request_has_its_limit(running: Running, kind: str) -> None:
    method, path, burst = KINDS[kind]
    subject = f"kind-{kind}".replace(" ", "-")
    count, answer = exhaust(lambda: running.ask(subject, method, path))
    assert count == burst
    wait = int(answer.headers["retry-after"])
    assert REFILL_SECONDS / 2 < wait <= REFILL_SECONDS
    assert answer.headers["ratelimit-policy"] == f'"cliente";q={burst}'
    assert answer.headers["ratelimit"] == f'"cliente";r=0;t={wait}'
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
    if method != "HEAD":
        assert answer.json()["type"] == "https://reservaestoque.dev/problemas/limite-excedido"
        assert answer.headers["content-type"] == "application/problem+json"
    running.pedidos.seen.clear()
    assert running.ask(subject, method, path).status_code == 429
    assert running.pedidos.seen == []


@pytest.mark.parametrize(
    ("scope", "factor"),
    [
        ("pedidos:admin", 2),
        ("estoque:ler pedidos:admin x", 2),
        ("estoque:ler", 1),
        ("pedidos:administrador xpedidos:admin", 1),
    ],
)
def test_a_shop_that_orders_for_every_customer_has_a_multiple_of_the_limits(
    running: Running, scope: str, factor: int
) -> None:
    subject = f"shop-{scope}".replace(" ", "-")
    for kind in ("read", "read by POST", "write", "stream"):
        method, path, burst = KINDS[kind]
        if kind != "read by POST":
            count, _ = exhaust(lambda method=method, path=path: running.ask(subject, method, path, scope))
            assert count == burst * factor
        assert running.ask(subject, method, path, scope).status_code == 429


def test_each_kind_of_request_is_counted_separately(running: Running) -> None:
    for method, path, burst in (("POST", "/pedidos", 6), ("GET", "/pedidos/eventos", 3), ("GET", "/estoque", 12)):
        count, _ = exhaust(lambda method=method, path=path: running.ask("apart", method, path))
        assert count == burst


def test_each_customer_has_a_separate_limit(running: Running) -> None:
    exhaust(lambda: running.ask("greedy", "GET", "/estoque"))
    assert {running.ask(f"other-{n}", "GET", "/estoque").status_code for n in range(20)} == {200}
    assert running.ask("greedy", "GET", "/estoque").status_code == 429


def test_answers_say_how_many_requests_are_left(running: Running) -> None:
    left = [running.ask("counting", "GET", "/pedidos").headers["ratelimit"] for _ in range(3)]
    assert left == [f'"cliente";r={n}' for n in (11, 10, 9)]


def test_after_the_time_in_retry_after_the_request_is_answered(start: Start) -> None:
    client, _ = start(Options(limits=SLOW), refilled=True)
    _, answer = exhaust(lambda: client.post("/pedidos"))
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["ratelimit"] == '"cliente";r=0;t=1'
    time.sleep(1)
    assert client.post("/pedidos").status_code == 200


def test_more_clients_than_buckets_do_not_reset_the_bucket_of_a_flooding_client(running: Running) -> None:
    """Envoy evicts the least recently active client, which is never the flooding one."""
    exhaust(lambda: running.ask("flood", "POST", "/pedidos"))
    for number in range(120):
        assert running.ask(f"crowd-{number}", "POST", "/pedidos").status_code == 200
        assert running.ask("flood", "POST", "/pedidos").status_code == 429, "a new bucket would be full"


def test_requests_with_a_ticket_are_limited_by_address(running: Running) -> None:
    count, _ = exhaust(lambda: running.client.get("/pedidos/eventos?bilhete=x"))
    assert count == 3
    assert running.ask("with-token", "GET", "/pedidos/eventos?bilhete=x").status_code == 200


def test_requests_without_tokens_are_limited_by_address(start: Start) -> None:
    client, _ = start(Options(limits=SLOW, trusted_hops=1))

    def ask(address: str, **headers: str) -> httpx.Response:
        return client.get("/estoque", headers={"X-Forwarded-For": address, **headers})

    assert exhaust(lambda: ask("192.0.2.1"))[0] == 12
    assert ask("192.0.2.1", **{"X-Reserva-Subject": "bia"}).status_code == 429, (
        "a caller from outside cannot name itself"
    )
    assert ask("192.0.2.2").status_code == 200
    assert exhaust(lambda: ask("2001:db8::1"))[0] == 12
    assert ask("2001:db8::2").status_code == 429, "the same network of 64 bits"
    assert ask("2001:db8:0:1::2").status_code == 200


def test_a_client_cannot_choose_its_address(start: Start) -> None:
    client, _ = start(Options(limits=SLOW))
    statuses = Counter(
        client.get("/estoque", headers={"X-Forwarded-For": f"192.0.2.{n}"}).status_code for n in range(40)
    )
    assert statuses == {200: 12, 429: 28}


def test_without_limits_nothing_is_refused_and_no_header_is_added(
    start: Start,
) -> None:
    client, _ = start(Options())
    answers = [client.get("/estoque") for _ in range(60)]
    assert {answer.status_code for answer in answers} == {200}
    assert not [name for name in answers[0].headers if "ratelimit" in name]

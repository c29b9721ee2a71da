"""The gateway's rules, on a real Envoy with services that are a few lines of Python."""

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import envoy_here
import httpx
import libyaml
import pytest
from collector import collecting
from envoy_here import Service, serving, started, until, validate

from local_system import gateway
from local_system.checks import PLAIN_HTTP
from local_system.ports import Ports
from reservaestoque.streams import HEARTBEAT_SECONDS
from reservaestoque.telemetry.trace import parse

pytestmark = pytest.mark.integration
PROBLEM = "https://reservaestoque.dev/problemas/"
PLAIN = gateway.Options()


@dataclass
class Running:
    client: httpx.Client
    pedidos: Service
    estoque: Service
    log: Path


def rendered(
    pedidos: Sequence[int], estoque: Sequence[int], painel: int = 9, options: gateway.Options = PLAIN
) -> str:
    ports = Ports.free()
    return gateway.render(
        gateway.TEMPLATE.read_text(),
        listen_port=ports.gateway,
        admin_port=ports.gateway_admin,
        pedidos=pedidos,
        estoque=estoque,
        painel=painel,
        options=options,
    )


def envoy(folder: Path, pedidos: list[int], estoque: list[int]) -> AbstractContextManager[tuple[httpx.Client, Path]]:
    return envoy_here.running(folder, rendered(pedidos, estoque))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ExitStack() as stack:
        pedidos, estoque = (stack.enter_context(serving(name)) for name in ("pedidos", "estoque"))
        folder = tmp_path_factory.mktemp("gateway")
        client, log = stack.enter_context(envoy(folder, [pedidos.port], [estoque.port]))
        yield Running(client, pedidos, estoque, log)


@pytest.fixture
def running(shared: Running) -> Running:
    for service in (shared.pedidos, shared.estoque):
        service.seen.clear()
        service.answer = None
    return shared


def assert_problem(answer: httpx.Response, status: int, slug: str, path: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get_list("cache-control") == ["no-store"]
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail"} | ({"instance"} if path else set())
    assert body["detail"].endswith(".")
    assert (body["type"], body["status"], body.get("instance", "")) == (PROBLEM + slug, status, path)


def test_envoy_accepts_the_configuration(tmp_path: Path) -> None:
    text = rendered([3, 4], [5])
    validate(tmp_path, text)
    clusters = {cluster["name"]: cluster for cluster in libyaml.load(text)["static_resources"]["clusters"]}
    assert len(clusters["pedidos"]["load_assignment"]["endpoints"][0]["lb_endpoints"]) == 2


@pytest.mark.parametrize(
    ("method", "path", "service", "received"),
    [
        ("POST", "/pedidos", "pedidos", "/pedidos"),
        ("GET", "/pedidos?limite=2", "pedidos", "/pedidos?limite=2"),
        ("GET", "/pedidos/0190", "pedidos", "/pedidos/0190"),
        ("GET", "/pedidos/0190/status", "pedidos", "/pedidos/0190/status"),
        ("GET", "/pedidos/eventos?clienteId=ana", "pedidos", "/pedidos/eventos?clienteId=ana"),
        ("GET", "/pedidos/0190/eventos", "pedidos", "/pedidos/0190/eventos"),
        ("GET", "/estoque/eventos", "estoque", "/estoque/eventos"),
        ("POST", "/pedidos/eventos", "pedidos", "/pedidos/eventos"),
        ("POST", "/pedidos/0190/eventos", "pedidos", "/pedidos/0190/eventos"),
        ("DELETE", "/estoque/eventos", "estoque", "/estoque/eventos"),
        ("GET", "/statusPedido?pedidoId=0190", "pedidos", "/statusPedido?pedidoId=0190"),
        ("GET", "/estoque", "estoque", "/estoque"),
        ("GET", "/estoque/SKU-1.2_x", "estoque", "/estoque/SKU-1.2_x"),
        ("POST", "/estoque/consulta", "estoque", "/estoque/consulta"),
        ("GET", "/estoque/schema", "estoque", "/estoque/schema"),
        ("GET", "/schema/pedidos", "pedidos", "/schema/pedidos"),
        ("GET", "/schema/pedidos/openapi.json", "pedidos", "/schema/pedidos/openapi.json"),
        ("GET", "/schema/estoque/openapi.json", "estoque", "/schema/estoque/openapi.json"),
        ("GET", "/estoque/./SKU", "estoque", "/estoque/SKU"),
        ("DELETE", "/pedidos/0190", "pedidos", "/pedidos/0190"),
    ],
)
def test_each_call_reaches_its_service(running: Running, method: str, path: str, service: str, received: str) -> None:
    answer = running.client.request(method, path)
    assert answer.text == f"{service} {method} {received}"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/health/ready",
        "/health/live",
        "/schema/openapi.json",
        "/pedidosx",
        "/pedidos/1/2",
        "/pedidos/1/2/eventos",
        "/pedidos/eventos/",
        "/estoque/a/eventos",
        "/eventos",
        "/pedidos/",
        "/estoque/a/b",
        "/pedidos/../metrics",
    ],
)
def test_anything_else_is_not_found(running: Running, path: str) -> None:
    answer = running.client.get(httpx.URL(str(running.client.base_url).rstrip("/") + path))
    assert_problem(answer, 404, "nao-encontrado", path.replace("/pedidos/..", ""))
    assert running.pedidos.seen == running.estoque.seen == []


def test_a_body_over_the_limit_is_refused_before_the_service_sees_it(running: Running) -> None:
    assert running.client.post("/pedidos", content=b"x" * 65_536).status_code == 200
    running.pedidos.seen.clear()
    assert_problem(running.client.post("/pedidos", content=b"x" * (1 << 20)), 413, "corpo-grande-demais", "/pedidos")
    assert running.pedidos.seen == []


def test_ambiguous_requests_are_refused(running: Running) -> None:
    assert_problem(running.client.get("/estoque/a%2Fb"), 400, "requisicao-malformada", "")
    answer = running.client.get("/estoque", headers={"idempotency_key": "x"})
    assert_problem(answer, 400, "requisicao-malformada", "")  # refused while it was being read
    assert running.estoque.seen == []


@pytest.mark.parametrize(
    "path", ["/estoque/[a", "/nothing/a]", "/estoque/%", "/estoque/%zz", "/estoque/a%4", "/estoque#a"]
)
def test_a_path_that_is_invalid_in_a_uri_is_refused(running: Running, path: str) -> None:
    assert_problem(raw(running, f"GET {path} HTTP/1.1"), 400, "requisicao-malformada", "")
    assert running.estoque.seen == []


@pytest.mark.parametrize("path", ["/nothing/caf%C3%A9%22", "/nothing/%41;b=c,d:e@f!$&'()*+~"])
def test_an_unknown_path_is_reported_as_a_valid_uri_path(running: Running, path: str) -> None:
    assert_problem(raw(running, f"GET {path} HTTP/1.1"), 404, "nao-encontrado", path.replace("%41", "A"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "box.example", "a.b.example"])
@pytest.mark.parametrize("port", ["", ":8080", ":1"])
def test_the_names_of_this_machine_are_served(named: Running, host: str, port: str) -> None:
    assert named.client.get("/estoque", headers={"Host": host + port}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "b.example",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/pedidos"), ("POST", "/pedidos"), ("GET", "/"), ("GET", "/nothing")]
)
def test_no_other_name_is_served(named: Running, host: str, method: str, path: str) -> None:
    """A page whose owner lets its host name resolve to this machine (DNS rebinding) could read every answer."""
    for service in (named.pedidos, named.estoque):
        service.seen.clear()
    answer = named.client.request(method, path, headers={"Host": host})
    assert_problem(answer, 404, "nao-encontrado", path)
    assert answer.json()["detail"] == "The gateway does not serve the host that this request names."
    assert named.pedidos.seen == named.estoque.seen == []


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway for further names of this machine."""
    with ExitStack() as stack:
        pedidos, estoque = (stack.enter_context(serving(name)) for name in ("pedidos", "estoque"))
        text = rendered(
            [pedidos.port],
            [estoque.port],
            estoque.port,
            gateway.Options(hosts=("box.example", "*.b.example", "Box.example", "localhost")),
        )
        client, log = stack.enter_context(envoy_here.running(tmp_path_factory.mktemp("named"), text))
        yield Running(client, pedidos, estoque, log)


@pytest.mark.parametrize(
    "path",
    [
        "/quitquitquit",
        "/quitquitquit?/stats",
        "/healthcheck/fail",
        "/drain_listeners",
        "/logging?level=trace",
        "/reset_counters",
        "/config_dump",
    ],
)
def test_a_page_can_neither_stop_the_gateway_nor_change_it_through_its_admin_port(
    running: Running, path: str
) -> None:
    """A browser sends a page's POST to any port of this machine."""
    text = (running.log.parent / "envoy.yaml").read_text()
    admin = f"http://127.0.0.1:{libyaml.load(text)['admin']['address']['socket_address']['port_value']}"
    answer = httpx.post(admin + path, headers={"Origin": "https://evil.example"}, trust_env=False)
    assert answer.status_code == 403
    for allowed in ("/ready", "/stats?filter=^server.live$", "/stats/prometheus?filter=server_live"):
        assert httpx.get(admin + allowed, trust_env=False).status_code == 200
    assert running.client.get("/estoque").status_code == 200


FOREIGN = [
    "https://evil.example",
    "http://localhost.evil.example",
    "http://127.0.0.1:1",
    "http://localhost",
    "null",
    "x",
]
CHANGES = [
    ("POST", "/pedidos"),
    ("POST", "/pedidos/0190/fechar"),
    ("POST", "/estoque/consulta"),
    ("DELETE", "/pedidos"),
]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_pages_of_other_sites_change_nothing(running: Running, origin: str, method: str, path: str) -> None:
    """A browser sends a form or text of any page to any address, and without tokens no more is needed."""
    headers = {"Origin": origin, "Content-Type": "text/plain"}
    answer = running.client.request(method, path, headers=headers, content=b"{}")
    assert_problem(answer, 403, "origem-recusada", path)
    assert running.pedidos.seen == running.estoque.seen == []


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_the_gateway_s_own_pages_and_other_programs_may_send_changes(
    running: Running, method: str, path: str
) -> None:
    own = str(running.client.base_url).rstrip("/")
    named = own.replace("127.0.0.1", "localhost")
    for headers in ({}, {"Origin": own}, {"Origin": named, "Host": named.removeprefix("http://")}):
        assert running.client.request(method, path, headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_are_answered_whatever_page_sends_them(running: Running, method: str) -> None:
    answer = running.client.request(method, "/pedidos", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")], "the page cannot read it"


def raw(running: Running, line: str, *headers: str) -> httpx.Response:
    """The answer to a request that no client would send."""
    url = running.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        lines = [line, "Host: localhost", "Connection: close", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        answer = HTTPResponse(connection)
        answer.begin()
        return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())


UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13")


@pytest.mark.parametrize(
    ("line", "headers", "status", "instance"),
    [
        ("GET /pedidos HTTP/1.1", UPGRADE, 403, "/pedidos"),
        ("CONNECT localhost:1 HTTP/1.1", (), 403, None),
        ("CONNECT 10.0.0.1:5432 HTTP/1.1", (), 403, None),
        ("GET /pedidos HTTP/1.1", ("X: " + "a" * 20_000,), 431, None),
        ("GET /pedidos HTTP/1.1", tuple(f"X-{n}: a" for n in range(80)), 431, None),
        ("POST /pedidos HTTP/1.1", ("Transfer-Encoding: gzip",), 501, None),
        ("GET /pedidos HTTP/3.0", (), 426, None),
    ],
)
def test_all_other_errors_of_the_gateway_have_a_detail_and_no_null(
    running: Running, line: str, headers: tuple[str, ...], status: int, instance: str | None
) -> None:
    answer = raw(running, line, *headers)
    body = answer.json()
    assert (answer.status_code, body["status"], body["type"]) == (status, status, "about:blank")
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert re.fullmatch(r"[A-Z].{20,}\.", body["detail"])
    assert body.get("instance", "") == (instance or "")
    assert None not in body.values()


@pytest.mark.parametrize(
    "path", ["/pedidos", "/pedidos/0190/eventos", "/statusPedido", "/estoque/eventos", "/schema/estoque/openapi.json"]
)
def test_head_reaches_the_service_which_may_refuse_it(running: Running, path: str) -> None:
    answer = running.client.head(path)
    assert (answer.status_code, answer.text) == (200, "")
    assert running.pedidos.seen + running.estoque.seen == [f"HEAD {path}"]


def test_a_service_s_own_errors_pass_unchanged(running: Running) -> None:
    headers = {"Content_Type": "application/problem+json", "Cache_Control": "private"}
    running.pedidos.answer = lambda handler: handler.reply(404, "mine", **headers)  # type: ignore[attr-defined]
    answer = running.client.get("/pedidos/x")
    assert (answer.status_code, answer.text) == (404, "mine")
    assert answer.headers.get_list("cache-control") == ["private"]


def unavailable(handler: BaseHTTPRequestHandler) -> None:
    handler.reply(503, "later", Retry_After="7")  # type: ignore[attr-defined]


def drop(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.close()


@pytest.mark.parametrize(
    ("trouble", "method", "headers", "attempts"),
    [
        (unavailable, "GET", {}, 3),
        (unavailable, "POST", {"Idempotency-Key": "k"}, 1),
        (unavailable, "POST", {}, 1),
        (drop, "GET", {}, 3),
        (unavailable, "HEAD", {}, 3),
        (drop, "HEAD", {}, 3),
        (drop, "POST", {"Idempotency-Key": "k"}, 3),
        (drop, "POST", {}, 1),
    ],
)
def test_only_requests_that_are_safe_to_repeat_are_retried(
    running: Running,
    trouble: Callable[[BaseHTTPRequestHandler], None],
    method: str,
    headers: dict[str, str],
    attempts: int,
) -> None:
    running.pedidos.answer = trouble
    answer = running.client.request(method, "/pedidos", headers=headers)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == ("7" if trouble is unavailable else "2")
    assert answer.headers.get_list("cache-control") == ([] if trouble is unavailable else ["no-store"])
    assert len(running.pedidos.seen) == attempts


STREAMS = ["/pedidos/eventos", "/pedidos/0190/eventos", "/estoque/eventos"]


class Broadcast:
    """Answers with an event stream that continues until it is told to break."""

    def __init__(self) -> None:
        self.broken = threading.Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"9\r\ndata: 1\n\n\r\n")
        handler.wfile.flush()
        self.broken.wait(15)
        drop(handler)


@pytest.mark.parametrize("path", STREAMS)
def test_a_stream_is_forwarded_as_it_arrives_and_not_retried_once_it_has_begun(running: Running, path: str) -> None:
    broadcast = running.pedidos.answer = running.estoque.answer = Broadcast()
    with running.client.stream("GET", path) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        pieces = answer.iter_bytes()
        assert next(pieces) == b"data: 1\n\n", "it arrives before the stream ends"
        broadcast.broken.set()
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)
    assert running.pedidos.seen + running.estoque.seen == [f"GET {path}"]


@pytest.mark.parametrize("path", STREAMS)
def test_a_stream_that_has_not_begun_is_retried(running: Running, path: str) -> None:
    running.pedidos.answer = running.estoque.answer = drop
    assert running.client.get(path).status_code == 503
    assert running.pedidos.seen + running.estoque.seen == [f"GET {path}"] * 3


@pytest.mark.parametrize("path", STREAMS)
def test_no_timeout_ends_a_live_stream_and_its_limits_are_separate_from_those_of_requests(path: str) -> None:
    """Checks the configuration: waiting for a timeout that must not occur would take too long."""
    text = gateway.render(
        gateway.TEMPLATE.read_text(), listen_port=1, admin_port=2, pedidos=[3], estoque=[4], painel=5
    )
    listener = libyaml.load(text)["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    route = next(r["route"] for r in routes if names(r["match"], path))
    assert (route["timeout"], route["idle_timeout"]) == ("0s", "60s")
    assert int(route["idle_timeout"].rstrip("s")) > 3 * HEARTBEAT_SECONDS
    assert route["cluster"] in ("pedidos_streams", "estoque_streams")


def names(match: dict[str, Any], path: str) -> bool:
    """Whether a route matches `path`, regardless of the method."""
    regex = match.get("safe_regex", {}).get("regex")
    return match.get("path") == path or bool(regex and re.fullmatch(regex, path))


PIECE = b"x" * 65_536


def large(request: BaseHTTPRequestHandler) -> None:
    """An answer of 8 MiB, of which a server holds no more than one piece."""
    request.send_response(200)
    request.send_header("Content-Length", str(128 * len(PIECE)))
    request.end_headers()
    for _ in range(128):
        request.wfile.write(PIECE)


def ask_and_never_read(stack: ExitStack, client: httpx.Client, method: str, path: str) -> None:
    connection = stack.enter_context(socket.socket())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((client.base_url.host, client.base_url.port))
    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())


def all_taken(running: Running, cluster: str) -> bool:
    """Whether the connections for large answers of a service are all in use."""
    config = libyaml.load((running.log.parent / "envoy.yaml").read_text())
    admin = config["admin"]["address"]["socket_address"]["port_value"]
    stat = f"cluster.{cluster}.circuit_breakers.high.cx_open"
    url = f"http://127.0.0.1:{admin}/stats?filter={stat}"
    return httpx.get(url, trust_env=False, verify=PLAIN_HTTP).text.strip() == f"{stat}: 1"


@pytest.mark.parametrize(
    ("method", "path", "others"),
    [
        ("GET", "/pedidos", [("POST", "/pedidos"), ("GET", "/pedidos/0190"), ("POST", "/pedidos/0190/fechar")]),
        ("GET", "/schema/pedidos", [("POST", "/pedidos"), ("GET", "/statusPedido?pedidoId=0190")]),
        ("GET", "/estoque", [("GET", "/estoque/UM")]),
        ("POST", "/estoque/consulta", [("GET", "/estoque/UM")]),
        ("GET", "/schema/estoque/scalar.js", [("GET", "/estoque/UM")]),
    ],
)
def test_answers_that_nobody_reads_take_no_connections_from_others(
    running: Running, method: str, path: str, others: list[tuple[str, str]]
) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        if (request.command, request.path) == (method, path):
            large(request)
        else:
            request.reply(200, "")  # type: ignore[attr-defined]

    running.pedidos.answer = running.estoque.answer = answer
    with ExitStack() as stack:
        for _ in range(300):
            ask_and_never_read(stack, running.client, method, path)
        until(lambda: all_taken(running, "pedidos" if "pedidos" in path else "estoque"))
        for other in others:
            assert {running.client.request(*other, timeout=30).status_code for _ in range(10)} == {200}


def test_a_post_is_sent_again_when_the_connection_was_refused(tmp_path: Path) -> None:
    """One of two replicas has just died: its health check has not noticed, and no client does either."""
    with ExitStack() as stack:
        alive = stack.enter_context(serving("pedidos"))
        with serving("pedidos") as dying:
            client, _ = stack.enter_context(envoy(tmp_path, [alive.port, dying.port], [alive.port]))
            until(lambda: client.post("/pedidos").status_code == 200 and bool(dying.seen))
        assert {client.post("/pedidos").status_code for _ in range(20)} == {200}


def test_no_healthy_replica_is_a_problem_with_a_retry_time(tmp_path: Path) -> None:
    nobody = Ports.free()
    with envoy(tmp_path, [nobody.pedidos], [nobody.estoque]) as (client, _):
        answer = client.post("/pedidos", json={})
    assert_problem(answer, 503, "indisponivel", "/pedidos")
    assert answer.headers["retry-after"] == "2"


def test_an_unready_replica_gets_requests_only_if_no_other_is_ready(tmp_path: Path) -> None:
    """An unready service itself reports what is missing."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(serving("pedidos")) for _ in range(2))
        first.ready = second.ready = False
        client, _ = stack.enter_context(envoy(tmp_path, [first.port, second.port], [first.port]))
        until(lambda: client.get("/pedidos").status_code == 200 and bool(first.seen and second.seen))
        second.ready = True
        until(lambda: asks_only(client, second, first))


def asks_only(client: httpx.Client, chosen: Service, other: Service) -> bool:
    chosen.seen.clear()
    other.seen.clear()
    return {client.get("/pedidos").status_code for _ in range(20)} == {200} and len(chosen.seen) == 20


def test_the_panel_is_at_the_root(tmp_path: Path) -> None:
    with ExitStack() as stack:
        service, panel = (stack.enter_context(serving(name)) for name in ("pedidos", "painel"))
        text = rendered([service.port], [service.port], panel.port)
        client, _ = stack.enter_context(envoy_here.running(tmp_path, text))
        paths = ["/", "/painel/main.js", "/painel/sistema", "/painel/sistema/eventos"]
        until(lambda: client.get("/").status_code == 200)
        panel.seen.clear()
        assert {client.get(path).status_code for path in paths} == {200}
        assert panel.seen == [f"GET {path}" for path in paths]
        for path in ("/painel", "/painelx", "/main.js", "/metrics", "/health/ready"):
            assert_problem(client.get(path), 404, "nao-encontrado", path)
        panel.seen.clear()
        for path in paths:
            answer = client.request("BREW", path)
            assert_problem(answer, 405, "metodo-nao-permitido", path)
            assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
        assert panel.seen == []


def test_a_gateway_has_started_when_all_replicas_of_both_services_have_answered(tmp_path: Path) -> None:
    """Envoy itself is ready after its first lookup, whatever the result."""
    with ExitStack() as stack:
        first = stack.enter_context(serving("pedidos"))
        second, estoque = (stack.enter_context(serving(name, late=True)) for name in ("pedidos", "estoque"))
        client, _ = stack.enter_context(envoy(tmp_path, [first.port, second.port], [estoque.port]))
        until(lambda: client.get("/pedidos").status_code == 200)
        assert not started(tmp_path, patience=600)
        estoque.begin()
        until(lambda: client.get("/estoque").status_code == 200)
        assert not started(tmp_path, patience=600), "a replica has not answered yet"
        second.begin()
        until(lambda: started(tmp_path, patience=600))


def test_a_gateway_that_finds_no_service_starts_nevertheless_and_reports_it(tmp_path: Path) -> None:
    nobody = Ports.free()
    with envoy(tmp_path, [nobody.pedidos], [nobody.estoque]) as (client, _):
        assert not started(tmp_path, patience=600)
        until(lambda: started(tmp_path, patience=5))
        assert client.get("/pedidos").status_code == 503


def test_each_request_is_a_line_of_json_in_the_log(running: Running) -> None:
    running.client.get("/estoque/UM-SKU?secret=1")
    until(lambda: "/estoque/UM-SKU" in running.log.read_text())
    line = next(line for line in running.log.read_text().splitlines() if "UM-SKU" in line)
    entry = json.loads(line)
    assert (entry["method"], entry["path"], entry["status"]) == ("GET", "/estoque/UM-SKU", 200)
    assert entry["request_id"]
    assert os.linesep not in line


FORCED = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "a=1",
    "x-client-trace-id": "1",
    "x-envoy-force-trace": "true",
}


def test_a_client_does_not_decide_what_is_traced(tmp_path: Path) -> None:
    """Every recorded order costs eight spans, and a trace of a client's own would join those of its requests."""
    with ExitStack() as stack:
        pedidos, collector = stack.enter_context(serving("pedidos")), stack.enter_context(collecting())
        text = rendered([pedidos.port], [pedidos.port], options=gateway.Options(collector=collector.endpoint))
        everything = "random_sampling: {value: 100}"
        assert everything in text
        rarely = text.replace(everything, "random_sampling: {value: 0}")
        client, _ = stack.enter_context(envoy_here.running(tmp_path, rarely))
        for _ in range(20):
            client.get("/pedidos", headers=FORCED)
            trace = parse(pedidos.headers["traceparent"])
            assert trace is not None
            assert (f"{trace.trace:032x}" in FORCED["traceparent"], trace.flags) == (False, 0)
            assert "tracestate" not in pedidos.headers or pedidos.headers["tracestate"] != "a=1"
        time.sleep(2)
        assert collector.spans == []


def test_traces_have_the_address_without_the_query(tmp_path: Path) -> None:
    """The query may contain a ticket, which anyone with access to the traces could use."""
    with ExitStack() as stack:
        pedidos, collector = stack.enter_context(serving("pedidos")), stack.enter_context(collecting())
        text = rendered([pedidos.port], [pedidos.port], options=gateway.Options(collector=collector.endpoint))
        client, _ = stack.enter_context(envoy_here.running(tmp_path, text))
        client.get("/pedidos/eventos?bilhete=hidden-ticket")
        collector.until(lambda found: bool(found.spans))
        assert collector.spans[0].attributes["http.url"] == str(client.base_url.join("/pedidos/eventos"))
        assert "hidden-ticket" not in str(collector.spans)

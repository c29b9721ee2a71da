"""Who may do what with orders: the table, and every route, on the fast lane and on Litestar."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from httpx import AsyncClient
from litestar.di import NamedDependency, Provide
from uvicorn_here import serving

from local_system.checks import PLAIN_HTTP
from pedidos.access import Target, decide, effective_customer
from pedidos.command import CommandType
from pedidos.fast_lane import BusyRoutes
from pedidos.intake import Intake, RequestContext
from pedidos.orders import Orders
from pedidos.pedido import Pedido
from pedidos.reads import Outcome, Reads
from pedidos.repository import Page
from pedidos.routes import PROBLEMS, ROUTES
from pedidos.stream_routes import STREAM_ROUTES
from reservaestoque.events import Item, Status
from reservaestoque.http import GatheringProtocol, service_app
from reservaestoque.http.caller import ANONYMOUS, ANYONE, Caller, Verdict
from reservaestoque.http.identity import Identity
from reservaestoque.http.tuning.fast_lane import FastLane
from reservaestoque.program import Health

IDENTITY = Identity("gateway")
ANA = Caller("ana")
STAFF = Caller("maria", frozenset({"estoque:ler", "pedidos:admin"}))
ALLOW, NOT_FOUND, FORBIDDEN = Verdict.ALLOW, Verdict.NOT_FOUND, Verdict.FORBIDDEN
NO_TOKEN = Verdict.UNAUTHENTICATED

TABLE: dict[str, tuple[Caller, dict[str | None, Verdict], dict[str | None, Verdict]]] = {
    # caller; an order of ana's, of bia's, an unknown one; orders of ana, of bia, of everyone
    "anyone": (
        ANYONE,
        {"ana": ALLOW, "bia": ALLOW, None: NOT_FOUND},
        {"ana": ALLOW, "bia": ALLOW, None: ALLOW},
    ),
    "anonymous": (
        ANONYMOUS,
        {"ana": NO_TOKEN, "bia": NO_TOKEN, None: NO_TOKEN},
        {"ana": NO_TOKEN, "bia": NO_TOKEN, None: NO_TOKEN},
    ),
    "a customer": (
        ANA,
        {"ana": ALLOW, "bia": NOT_FOUND, None: NOT_FOUND},
        {"ana": ALLOW, "bia": FORBIDDEN, None: FORBIDDEN},
    ),
    "a stock reader": (
        Caller("ana", frozenset({"estoque:ler"})),
        {"ana": ALLOW, "bia": NOT_FOUND, None: NOT_FOUND},
        {"ana": ALLOW, "bia": FORBIDDEN, None: FORBIDDEN},
    ),
    "staff": (
        STAFF,
        {"ana": ALLOW, "bia": ALLOW, None: NOT_FOUND},
        {"ana": ALLOW, "bia": ALLOW, None: ALLOW},
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_who_may_access_which_orders(name: str):
    caller, order, orders_of = TABLE[name]
    assert {owner: decide(caller, Target.ORDER, owner) for owner in order} == order
    assert {owner: decide(caller, Target.ORDERS_OF, owner) for owner in orders_of} == orders_of


@pytest.mark.parametrize(
    ("caller", "asked", "shown"),
    [
        (ANYONE, None, None),
        (ANYONE, "bia", "bia"),
        (ANA, None, "ana"),
        (ANA, "ana", "ana"),
        (ANA, "bia", "bia"),  # which `decide` forbids
        (STAFF, None, None),
        (STAFF, "bia", "bia"),
    ],
)
def test_a_list_without_a_customer_is_the_callers_own(caller: Caller, asked: str | None, shown: str | None):
    assert effective_customer(caller, asked) == shown


OF_ANA, OF_BIA, UNKNOWN = (f"019ab3f2-7c00-7000-8000-00000000000{n}" for n in (1, 2, 3))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pedido(text: str, cliente_id: str) -> Pedido:
    return Pedido(UUID(text), cliente_id, Status.CRIADO, [Item("A", 1)], [], NOW, NOW, None, 0)


class Shop(Intake, Reads):
    """A stub of the database with an order of each customer. Counts reads and writes."""

    def __init__(self) -> None:
        self.forget()
        self._known = {UUID(text): pedido(text, owner) for text, owner in ((OF_ANA, "ana"), (OF_BIA, "bia"))}

    def forget(self) -> None:
        self.read: list[UUID] = []
        self.written: list[str] = []
        self.listed: list[str | None] = []

    async def order(self, pedido_id: UUID, cliente_id: str | None = None) -> Pedido | None:
        self.read.append(pedido_id)
        return self._known.get(pedido_id)

    async def page(self, cliente_id: str | None, *_: object) -> Page:
        self.listed.append(cliente_id)
        return Page([p for p in self._known.values() if cliente_id in (None, p.cliente_id)], more=False)

    async def create(self, cliente_id: str, itens: list[Item], _: RequestContext) -> Outcome:
        self.written.append(cliente_id)
        return Outcome(False, None, pedido(UNKNOWN, cliente_id))

    async def command(self, order: Pedido, tipo: CommandType, _: RequestContext) -> Outcome:
        self.written.append(f"{tipo} {order.pedido_id}")
        return Outcome(False, None, order)


@pytest.fixture(scope="module")
def stub() -> Shop:
    return Shop()


@pytest.fixture(scope="module")
def app(stub: Shop) -> Any:
    """The service, which takes longer to build than to answer."""

    async def missing() -> list[str]:
        return []

    def orders(caller: NamedDependency[Caller]) -> Orders:
        return Orders(stub, caller)

    return service_app(
        title="pedidos",
        version="1",
        route_handlers=[*ROUTES, *STREAM_ROUTES],
        health=Health(missing),
        identity=IDENTITY,
        problems=PROBLEMS,
        dependencies={
            "orders": Provide(orders, sync_to_thread=False),
            "intake": Provide(lambda: stub, sync_to_thread=False),
            "sources": Provide(lambda: None, sync_to_thread=False),
            "tickets": Provide(lambda: None, sync_to_thread=False),
        },
    )


@pytest.fixture
def shop(stub: Shop) -> Shop:
    stub.forget()
    return stub


@pytest.fixture(params=["fast", "plain"])
async def client(request: pytest.FixtureRequest, app: Any, shop: Shop) -> AsyncIterator[AsyncClient]:
    """The service with and without the fast lane."""
    lane = FastLane(BusyRoutes(shop, shop, IDENTITY).find, PROBLEMS)
    async with (
        serving(app, lane.protocol if request.param == "fast" else GatheringProtocol) as served,
        AsyncClient(base_url=f"http://127.0.0.1:{served.port}", verify=PLAIN_HTTP) as client,
    ):
        yield client


def known_as(caller: Caller) -> dict[str, str]:
    if caller.subject is None:
        return {}
    return {"x-reserva-subject": caller.subject, "x-reserva-scopes": " ".join(sorted(caller.scopes))}


OF_ONE_ORDER: dict[str, Callable[[AsyncClient, str, dict[str, str]], Awaitable[httpx.Response]]] = {
    "read": lambda client, id_, headers: client.get(f"/pedidos/{id_}", headers=headers),
    "status": lambda client, id_, headers: client.get(f"/pedidos/{id_}/status", headers=headers),
    "statusPedido": lambda client, id_, headers: client.get(
        "/statusPedido", params={"pedidoId": id_}, headers=headers
    ),
    **{
        f"{name} {body or 'without a body'}": (
            lambda client, id_, headers, name=name, body=body: client.post(
                f"/pedidos/{id_}/{name}",
                content=body,
                headers={
                    **headers,
                    "Idempotency-Key": "k1",
                    **({"Content-Type": "application/json"} if body else {}),
                },
            )
        )
        for name in ("fechar", "cancelar", "reservar")
        for body in (b"", b"{}")
    },
}


@pytest.mark.parametrize("route", OF_ONE_ORDER)
@pytest.mark.parametrize(
    ("caller", "pedido_id", "status"),
    [
        (ANONYMOUS, OF_ANA, 401),
        (ANA, OF_ANA, 200),
        (ANA, OF_BIA, 404),
        (ANA, UNKNOWN, 404),
        (STAFF, OF_ANA, 200),
        (STAFF, OF_BIA, 200),
        (STAFF, UNKNOWN, 404),
    ],
)
async def test_an_order_is_open_to_its_customer_and_to_staff(
    client: AsyncClient, shop: Shop, route: str, caller: Caller, pedido_id: str, status: int
):
    answer = await OF_ONE_ORDER[route](client, pedido_id, known_as(caller))
    assert answer.status_code in ({200, 202} if status == 200 else {status})
    assert bool(shop.written) == (status == 200 and "status" not in route and route != "read")
    if status == 401:
        assert shop.read == []


@pytest.mark.parametrize("route", OF_ONE_ORDER)
async def test_another_customers_order_is_answered_as_an_unknown_one(client: AsyncClient, shop: Shop, route: str):
    foreign, unknown = [await OF_ONE_ORDER[route](client, id_, known_as(ANA)) for id_ in (OF_BIA, UNKNOWN)]
    assert dict(foreign.headers) == dict(unknown.headers) | {"content-length": foreign.headers["content-length"]}
    bodies = [answer.json() for answer in (foreign, unknown)]
    for body in bodies:
        body.pop("instance")
    assert bodies[0] == bodies[1]
    assert shop.read == [UUID(OF_BIA), UUID(UNKNOWN)], "each costs one read"
    assert shop.written == []


@pytest.mark.parametrize("route", OF_ONE_ORDER)
@pytest.mark.parametrize(
    "spelling",
    [OF_ANA.upper(), f"{{{OF_ANA}}}", f"urn:uuid:{OF_ANA}", OF_ANA.replace("-", ""), f" {OF_ANA}", f"{OF_ANA}%0A"],
)
async def test_only_the_canonical_spelling_of_an_order_id_is_found(
    client: AsyncClient, shop: Shop, route: str, spelling: str
):
    answer = await OF_ONE_ORDER[route](client, spelling, known_as(ANA))
    assert answer.status_code == 404
    assert shop.read == shop.written == []


@pytest.mark.parametrize(
    ("caller", "cliente_id", "status"),
    [(ANONYMOUS, "ana", 401), (ANA, "ana", 202), (ANA, "bia", 403), (STAFF, "ana", 202), (STAFF, "maria", 202)],
)
@pytest.mark.parametrize("key", [None, "k1"])
async def test_orders_are_created_for_oneself_and_by_staff_for_others(
    client: AsyncClient, shop: Shop, caller: Caller, cliente_id: str, status: int, key: str | None
):
    headers = known_as(caller) | ({"Idempotency-Key": key} if key else {})
    body = {"clienteId": cliente_id, "itens": [{"sku": "A", "quantidade": 1}]}
    answer = await client.post("/pedidos", json=body, headers=headers)
    assert answer.status_code == status
    assert shop.written == ([cliente_id] if status == 202 else [])
    if status == 403:
        assert "pedidos:admin" in answer.json()["detail"]


async def test_unauthorised_callers_are_refused_before_their_body_is_read(client: AsyncClient):
    for headers, status in (({}, 401), ({"x-reserva-subject": "x" * 129}, 403)):
        for content in (b"[", b'{"clienteId": 1}'):
            json = {"Content-Type": "application/json", **headers}
            assert (await client.post("/pedidos", content=content, headers=json)).status_code == status
            assert (await client.post("/pedidos/x/fechar", content=content, headers=json)).status_code == status


@pytest.mark.parametrize(
    ("caller", "query", "status", "shown"),
    [
        (ANONYMOUS, {}, 401, []),
        (ANA, {}, 200, ["ana"]),
        (ANA, {"clienteId": "ana"}, 200, ["ana"]),
        (ANA, {"clienteId": "bia"}, 403, []),
        (ANA, {"clienteId": "nobody"}, 403, []),
        (ANA, {"status": "Criado"}, 200, ["ana"]),
        (STAFF, {}, 200, [None]),
        (STAFF, {"clienteId": "bia"}, 200, ["bia"]),
    ],
)
async def test_customers_list_their_own_orders_and_staff_anyones(
    client: AsyncClient, shop: Shop, caller: Caller, query: dict[str, str], status: int, shown: list[str | None]
):
    answer = await client.get("/pedidos", params=query, headers=known_as(caller))
    assert (answer.status_code, shop.listed) == (status, shown)


@pytest.mark.parametrize("cursor", [OF_ANA.upper(), OF_ANA.replace("-", ""), f"urn:uuid:{OF_ANA}", "x"])
async def test_only_a_cursor_as_returned_by_a_page_is_accepted(client: AsyncClient, shop: Shop, cursor: str):
    answer = await client.get("/pedidos", params={"cursor": cursor}, headers=known_as(ANA))
    assert (answer.status_code, shop.listed) == (422, [])
    assert (await client.get("/pedidos", params={"cursor": OF_ANA}, headers=known_as(ANA))).status_code == 200


async def test_every_route_refuses_unauthenticated_callers(client: AsyncClient, shop: Shop):
    """Including routes added later."""
    document = (await client.get("/schema/pedidos/openapi.json")).json()
    assert len(document["paths"]) > 8
    for path, operations in document["paths"].items():
        for method in operations:
            answer = await client.request(method, re.sub(r"\{[^}]+\}", OF_ANA, path))
            assert (path, method, answer.status_code) == (path, method, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
    assert shop.read == shop.written == shop.listed == []

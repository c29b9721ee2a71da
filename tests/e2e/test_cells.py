"""Two cells behind one gateway: each host's orders stay in its own cell."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from cluster.cells import GATEWAY, Cells, table
from shop import Shop, open_shop
from waiting import until

pytestmark = pytest.mark.cells

WAIT = {"Prefer": "wait=10"}
MOVING = "livros.loja.example"
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()
    print("reached")
except OSError:
    print("not reached")
"""


@pytest.fixture
async def shops(cells: Cells, cells_at_rest: None) -> AsyncIterator[dict[str, Shop]]:
    """A shop in each cell, by the cell's name, which the gateway knows by its host."""
    async with AsyncExitStack() as stack:
        found = {}
        for name, cell in cells.by_name.items():
            found[name] = await stack.enter_async_context(open_shop(cell))
            found[name].client.headers["Host"] = cell.host
        yield found


async def reserved(shop: Shop, sku: str) -> tuple[int, int]:
    """Units reserved and available."""
    saldo = await shop.saldo(sku)
    return saldo["reservado"], saldo["disponivel"]


@pytest.mark.parametrize(("here", "there"), [("norte", "sul"), ("sul", "norte")])
async def test_an_order_is_reserved_in_the_cell_of_its_host_only(shops: dict[str, Shop], here: str, there: str):
    """Both cells sell the same SKU, and have different quantities of it."""
    sku = f"BOTH-{here.upper()}"
    await shops[here].declare(sku, 10)
    await shops[there].declare(sku, 20)
    response = await shops[here].order(**{sku: 2})
    pedido = response.json()
    assert (response.status_code, pedido["status"]) == (201, "EstoqueReservado")
    assert await reserved(shops[here], sku) == (2, 8)
    assert await reserved(shops[there], sku) == (0, 20)
    assert (await shops[there].client.get(f"/pedidos/{pedido['pedidoId']}")).status_code == 404
    assert (await shops[here].client.post(f"/pedidos/{pedido['pedidoId']}/fechar", headers=WAIT)).status_code == 200

    async def shown() -> bool:
        """Each operator reports the stock of its own cell."""
        statuses = [status(shops[name], sku) for name in (here, there)]
        return [(one.get("sold"), one.get("available")) for one in statuses] == [(2, 8), (0, 20)]

    await until(shown, 30)


def status(shop: Shop, sku: str) -> dict[str, object]:
    item = json.loads(shop.system.kubectl("get", "stockitem", sku.lower(), "--output=json"))
    found: dict[str, object] = item.get("status", {})
    return found


async def test_an_order_for_a_sku_of_another_cell_is_refused_as_unknown(shops: dict[str, Shop]):
    norte, sul = shops["norte"], shops["sul"]
    await norte.declare("SO-NORTE", 5)
    await sul.declare("SO-SUL", 5)
    for itens in ({"SO-NORTE": 1}, {"SO-NORTE": 1, "SO-SUL": 1}):
        pedido = (await sul.order(**itens)).json()
        assert pedido["status"] == "EstoqueNaoDisponivel"
        assert [(item["sku"], item["motivo"]) for item in pedido["itensEmFalta"]] == [("SO-NORTE", "SkuDesconhecido")]
    assert await reserved(norte, "SO-NORTE") == (0, 5)
    assert await reserved(sul, "SO-SUL") == (0, 5)


@pytest.mark.parametrize("host", ["leste.loja.example", "127.0.0.1"])
async def test_an_unknown_host_is_not_found(cells: Cells, host: str):
    async with httpx.AsyncClient(base_url=cells.cluster.gateway_url, trust_env=False) as client:
        response = await client.get("/estoque", headers={"Host": host})
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


def test_helm_test_passes_for_the_gateway_and_each_cell(cells: Cells):
    assert "Phase:          Succeeded" in cells.helm("test", GATEWAY, "--timeout", "3m")
    for name, cell in cells.by_name.items():
        assert "Phase:          Succeeded" in cell.helm("test", name, "--timeout", "3m")


def test_no_cell_reaches_another(cells: Cells):
    norte, sul = cells.by_name["norte"], cells.by_name["sul"]

    def attempt(address: str, port: int) -> str:
        return norte.kubectl("exec", "deployment/conferir", "--", "python", "-c", CONNECT, address, str(port)).strip()

    def address(part: str, cell: str) -> str:
        return str(cells.by_name[cell].pods(part)[0]["status"]["podIP"])

    assert attempt(address("estoque-db", "norte"), 5432) == "reached"
    for part, port in {
        "estoque-db": 5432,
        "pedidos-db": 5432,
        "rabbitmq": 5672,
        "pedidos": 8000,
        "estoque": 8000,
    }.items():
        assert sul.pods(part)
        assert attempt(address(part, "sul"), port) == "not reached", part


async def test_an_outage_of_one_cell_does_not_affect_the_others(shops: dict[str, Shop], cells: Cells):
    norte, sul = shops["norte"], shops["sul"]
    await sul.declare("LAMP", 100)
    cells.by_name["norte"].kubectl("scale", "deployment/pedidos", "--replicas=0")
    try:

        async def down() -> bool:
            return (await norte.client.get("/pedidos", params={"clienteId": "ana"})).status_code == 503

        await until(down, 60)
        for _ in range(10):
            assert (await sul.order(LAMP=1)).json()["status"] == "EstoqueReservado"
    finally:
        cells.by_name["norte"].kubectl("scale", "deployment/pedidos", "--replicas=1")
        await asyncio.to_thread(cells.by_name["norte"].settle)

    async def up() -> bool:
        return (await norte.client.get("/pedidos", params={"clienteId": "ana"})).status_code == 200

    await until(up, 60)


@pytest.fixture
async def moving(cells: Cells) -> AsyncIterator[Shop]:
    """The customers of a shop whose host the gateway's table initially assigns to norte."""
    await asyncio.to_thread(cells.route, with_host("norte"))
    try:
        async with open_shop(cells.by_name["norte"]) as customers:
            customers.client.headers["Host"] = MOVING
            yield customers
    finally:
        await asyncio.to_thread(cells.route, table())


def with_host(name: str) -> dict[str, Any]:
    """The table with the moving shop's host in this cell."""
    values = table()
    values["cells"][name]["hosts"].append(MOVING)
    return values


async def test_a_shop_moves_to_another_cell_with_what_is_left(shops: dict[str, Shop], moving: Shop, cells: Cells):
    """The steps of docs/cells.md. One order is closed before the move, one lapses meanwhile."""
    norte, sul = shops["norte"], shops["sul"]
    await norte.declare("BOOK", 10)
    sold = (await moving.order(BOOK=3)).json()["pedidoId"]
    assert (await moving.client.post(f"/pedidos/{sold}/fechar", headers=WAIT)).status_code == 200
    assert (await moving.order(BOOK=2)).json()["status"] == "EstoqueReservado"

    assert await left_when_free(norte, "BOOK", 10) == 7
    await sul.declare("BOOK", 7)
    refused = (await moving.order(BOOK=1)).json()
    assert [item["motivo"] for item in refused["itensEmFalta"]] == ["ItemPausado"]
    await asyncio.to_thread(cells.route, with_host("sul"))

    async def moved() -> bool:
        """Envoy's old pods may still be draining."""
        return (await moving.order(BOOK=1)).json()["status"] == "EstoqueReservado"

    await until(moved, 60)
    assert await reserved(sul, "BOOK") == (1, 6)
    norte.system.kubectl("delete", "stockitem", "book", "--timeout=60s")
    assert (await moving.client.get(f"/pedidos/{sold}")).status_code == 404
    assert await norte.status(sold) == "Fechado"


async def left_when_free(shop: Shop, sku: str, quantity: int) -> int:
    """Pauses an item, waits until none of it is reserved, and returns how many units are available."""
    shop.apply(sku, quantity, paused=True)
    shop.system.kubectl("wait", "--for=condition=Available=False", "--timeout=30s", f"stockitem/{sku.lower()}")

    async def free() -> bool:
        return (await reserved(shop, sku))[0] == 0

    await until(free, 60)
    return (await reserved(shop, sku))[1]

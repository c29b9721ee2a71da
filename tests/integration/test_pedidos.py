"""Orders through the gateway: decided, refused with a reason, read back; bad input refused with an explanation."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from shop import NO_ORDER, Shop
from waiting import until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


async def test_order_with_stock_for_all_is_reserved_for_thirty_minutes(shop: Shop):
    await shop.declare("P-A", 10)
    await shop.declare("P-B", 10)
    response = await shop.order(**{"P-A": 2, "P-B": 3})
    pedido = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/pedidos/{pedido['pedidoId']}"
    assert response.headers["preference-applied"] == "wait=10"
    assert (pedido["status"], pedido["versao"], pedido["itensEmFalta"]) == ("EstoqueReservado", 1, [])
    remaining = datetime.fromisoformat(pedido["expiraEm"]) - datetime.now(UTC)
    assert timedelta(minutes=29) < remaining <= timedelta(minutes=30)
    saldo = await shop.saldo("P-A")
    assert saldo == {
        "sku": "P-A",
        "nome": "Produto P-A",
        "quantidade": 10,
        "reservado": 2,
        "vendido": 0,
        "disponivel": 8,
    }
    assert (await shop.client.get(f"/pedidos/{pedido['pedidoId']}")).json() == pedido
    expected = {"pedidoId": pedido["pedidoId"], "status": "EstoqueReservado"}
    assert (await shop.client.get(f"/pedidos/{pedido['pedidoId']}/status")).json() == expected
    assert (await shop.client.get("/statusPedido", params={"pedidoId": pedido["pedidoId"]})).json() == expected


async def test_unknown_and_paused_items_have_their_own_reasons(shop: Shop):
    await shop.declare("P-E", 10)
    await shop.declare("P-F", 10, paused=True)
    pedido = (await shop.order(**{"P-E": 1, "P-F": 1, "NAO-HA": 1})).json()
    assert {f["sku"]: f["motivo"] for f in pedido["itensEmFalta"]} == {
        "P-F": "ItemPausado",
        "NAO-HA": "SkuDesconhecido",
    }
    assert (await shop.saldo("P-E"))["disponivel"] == 10


async def test_a_waiting_client_gets_the_same_answer_as_a_later_read(shop: Shop):
    await shop.declare("P-I", 100)

    async def send(path: str) -> None:
        response = await shop.client.post(path, headers={"Prefer": "wait=10"})
        assert response.status_code == 200
        assert response.json() == (await shop.client.get(path.rpartition("/")[0])).json()

    pedido = f"/pedidos/{(await shop.order(**{'P-I': 1})).json()['pedidoId']}"
    await send(f"{pedido}/fechar")
    await send(f"/pedidos/{(await shop.order(**{'P-I': 1})).json()['pedidoId']}/cancelar")

    # Few and many missing items: an answer can be longer than a notification.
    for count in (1, 5, 100):
        itens = {f"NAO-HA-{n:03}": 1 for n in range(count)}
        refused = (await shop.order(**itens)).json()
        assert refused["status"] == "EstoqueNaoDisponivel"
        assert {missing["sku"] for missing in refused["itensEmFalta"]} == set(itens)
        assert (await shop.client.get(f"/pedidos/{refused['pedidoId']}")).json() == refused


async def test_many_concurrent_waiters_each_get_their_own_order(shop: Shop):
    await shop.declare("P-J", 150)
    lists = [{"P-J": 1}, {"P-J": 1, "NAO-HA": 1}] * 100
    pedidos = [r.json() for r in await asyncio.gather(*(shop.order(**itens) for itens in lists))]
    read = [r.json() for r in await asyncio.gather(*(shop.client.get(f"/pedidos/{p['pedidoId']}") for p in pedidos))]
    assert pedidos == read
    assert [p["status"] for p in pedidos] == ["EstoqueReservado", "EstoqueNaoDisponivel"] * 100


async def test_without_prefer_the_order_is_answered_at_once_and_decided_soon(shop: Shop):
    await shop.declare("P-G", 10)
    response = await shop.order(wait=0, **{"P-G": 1})
    assert response.status_code == 202
    assert response.json()["status"] == "Criado"
    assert "preference-applied" not in response.headers

    async def decided() -> bool:
        return await shop.status(response.json()["pedidoId"]) == "EstoqueReservado"

    await until(decided)


async def test_lines_with_the_same_sku_are_summed(shop: Shop):
    await shop.declare("P-H", 5)
    itens = [{"sku": "P-H", "quantidade": 3}, {"sku": "P-H", "quantidade": 3}]
    response = await shop.client.post(
        "/pedidos", json={"clienteId": "ana", "itens": itens}, headers={"Prefer": "wait=10"}
    )
    assert response.json()["itens"] == [{"sku": "P-H", "quantidade": 6}]
    assert response.json()["itensEmFalta"][0]["solicitado"] == 6


def _um(**fields: object) -> str:
    return json.dumps({"clienteId": "ana", "itens": [{"sku": "A", "quantidade": 1, **fields}]})


_ITENS = json.dumps([{"sku": "A", "quantidade": 1}])
RUINS = {
    "not JSON": ("{", 400, "not valid JSON"),
    "empty body": ("", 400, "no body"),
    "nested too deeply": ('{"x":' + "[" * 60_000, 400, "nested too deeply"),
    "duplicate clienteId": (f'{{"clienteId": "ana", "clienteId": "eva", "itens": {_ITENS}}}', 400, "'clienteId'"),
    "an array": ("[]", 422, "object"),
    "no customer": (json.dumps({"itens": [{"sku": "A", "quantidade": 1}]}), 422, "clienteId"),
    "no items": (json.dumps({"clienteId": "ana", "itens": []}), 422, "itens"),
    "101 items": (
        json.dumps({"clienteId": "ana", "itens": [{"sku": f"A{n}", "quantidade": 1} for n in range(101)]}),
        422,
        "itens",
    ),
    "quantity 0": (_um(quantidade=0), 422, "quantidade"),
    "quantity -1": (_um(quantidade=-1), 422, "quantidade"),
    "quantity 1.5": (_um(quantidade=1.5), 422, "quantidade"),
    "quantity 10^9": (_um(quantidade=10**9), 422, "1000000"),
    "quantity as text": (_um(quantidade="1"), 422, "quantidade"),
    "bad SKU": (_um(sku="A B"), 422, "1 to 64 letters"),
    "SKU with a line feed": (_um(sku="A\n"), 422, "1 to 64 letters"),
    "1 MiB": (json.dumps({"clienteId": "a" * 2**20, "itens": []}), 413, "65536 bytes"),
}


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize("case", RUINS)
async def test_bad_orders_are_refused_with_an_explanation(shop: Shop, case: str):
    body, status, sentence = RUINS[case]
    response = await shop.client.post("/pedidos", content=body, headers={"Content-Type": "application/json"})
    problem = response.json()
    assert response.status_code == problem["status"] == status
    assert response.headers["content-type"].startswith("application/problem+json")
    assert problem["type"].startswith("https://reservaestoque.dev/problemas/")
    assert sentence in problem["detail"]
    assert problem["instance"] == "/pedidos"


async def test_an_invalid_filter_is_refused_with_an_explanation(shop: Shop):
    response = await shop.client.get("/pedidos", params={"clienteId": "José"})
    assert response.json()["detail"] == "clienteId: a clienteId has 1 to 128 printable ASCII characters"
    assert "pedidoId" in (await shop.client.get("/statusPedido")).json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/pedidos/{NO_ORDER}", 404),
        ("GET", "/pedidos/not-an-id", 404),
        ("GET", f"/pedidos/{NO_ORDER}/status", 404),
        ("GET", f"/statusPedido?pedidoId={NO_ORDER}", 404),
        ("GET", "/statusPedido?pedidoId=%00", 404),
        ("GET", "/statusPedido", 422),
        ("GET", "/pedidos?clienteId=%00", 422),
        ("GET", "/pedidos?clienteId=Jos%C3%A9", 422),
        ("GET", "/pedidos/eventos?clienteId=%00", 422),
        ("GET", "/estoque/NAO-HA", 404),
        ("GET", "/estoque/%00", 400),
        ("GET", "/estoque?limite=0", 422),
        ("GET", "/estoque?limite=abc", 422),
        ("POST", "/estoque/consulta", 400),
        ("DELETE", "/pedidos", 405),
        ("PUT", "/statusPedido", 405),
        ("GET", "/nothing", 404),
        ("GET", "/metrics", 404),
        ("GET", "/health/live", 404),
    ],
)
async def test_missing_resources_are_answered_as_problems(shop: Shop, method: str, path: str, status: int):
    response = await shop.client.request(method, path)
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    assert response.json()["status"] == status


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({"Content-Type": "application/json; charset=iso-8859-1"}, "in UTF-8"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, "without compression"),
        ([("Content-Type", "application/json"), ("Content-Type", "text/plain")], "application/json"),
    ],
)
async def test_a_body_that_is_not_plain_utf_8_is_refused(shop: Shop, headers: object, sentence: str):
    response = await shop.client.post("/pedidos", content=_um(), headers=headers)
    assert response.status_code == 415
    assert sentence in response.json()["detail"]


async def test_a_body_declared_as_plain_utf_8_is_read(shop: Shop):
    headers = {"Content-Type": 'application/json; charset="UTF-8"', "Content-Encoding": "identity"}
    response = await shop.client.post("/pedidos", content=_um(quantidade=0), headers=headers)
    assert response.status_code == 422


@pytest.mark.parametrize("path", ["/estoque/caf%C3%A9%20%22", "/pedidos/%0A", "/nothing/%C3%A9"])
async def test_a_problem_names_the_path_as_received(shop: Shop, path: str):
    assert (await shop.client.get(path)).json()["instance"] == path


async def test_a_body_whose_content_type_is_not_json_is_refused(shop: Shop):
    response = await shop.client.post("/pedidos", content=_um(), headers={"Content-Type": "text/plain"})
    assert response.status_code == 415
    assert "application/json" in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "tipo", "status"),
    [
        (b"{}", "application/json", 404),
        (b"", "application/json", 404),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 422),
        (b'{"motivo": "x"}', "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"x" * 2**17, "application/json", 413),
    ],
)
@pytest.mark.parametrize("comando", ["fechar", "cancelar", "reservar"])
async def test_a_command_has_no_body_or_an_empty_object(
    shop: Shop, comando: str, body: bytes, tipo: str, status: int
):
    response = await shop.client.post(f"/pedidos/{uuid4()}/{comando}", content=body, headers={"Content-Type": tipo})
    assert response.status_code == status
    assert b"motivo" not in body or "unknown field `motivo`" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/pedidos", "/pedidos?limite=0", "/estoque", "/estoque/NAO-HA", "/schema/pedidos"])
async def test_head_answers_like_get_without_a_body(shop: Shop, path: str):
    get, head = await shop.client.get(path), await shop.client.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/pedidos", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("PUT", "/pedidos/x/fechar", {"POST", "OPTIONS"}),
        ("HEAD", "/pedidos/x/fechar", {"POST", "OPTIONS"}),
        ("HEAD", "/pedidos/eventos", {"GET", "OPTIONS"}),
        ("HEAD", "/pedidos/x/eventos", {"GET", "OPTIONS"}),
        ("HEAD", "/estoque/eventos", {"GET", "OPTIONS"}),
        ("POST", "/estoque/A", {"GET", "HEAD", "OPTIONS"}),
    ],
)
async def test_the_allow_header_names_the_supported_methods(shop: Shop, method: str, path: str, allowed: set[str]):
    response = await shop.client.request(method, path)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == allowed
    response = await shop.client.options(path)
    assert (response.status_code, set(response.headers["allow"].split(", "))) == (204, allowed)


async def test_balances_are_listed_page_by_page_or_queried_many_at_once(shop: Shop):
    for sku in ("Q-A", "Q-B", "Q-C"):
        await shop.declare(sku, 1)
    seen, cursor = [], ""
    while cursor is not None:
        page = (await shop.client.get("/estoque", params={"limite": 2, "cursor": cursor})).json()
        seen += [item["sku"] for item in page["itens"]]
        cursor = page["proximo"]
    assert seen == sorted(set(seen))
    assert {"Q-A", "Q-B", "Q-C"} <= set(seen)
    response = (await shop.client.post("/estoque/consulta", json={"skus": ["Q-C", "NAO-HA", "Q-A"]})).json()
    assert [item["sku"] for item in response["itens"]] == ["Q-A", "Q-C"]
    assert response["desconhecidos"] == ["NAO-HA"]


@pytest.mark.parametrize("service", ["pedidos", "estoque"])
async def test_openapi_is_served_through_the_gateway(shop: Shop, service: str):
    document = (await shop.client.get(f"/schema/{service}/openapi.json")).raise_for_status().json()
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["security"].remove({})  # this system requires no token
    assert document == json.loads((ROOT / f"contracts/openapi/{service}.json").read_text())
    page = (await shop.client.get(f"/schema/{service}")).raise_for_status().text
    assert f"/schema/{service}/openapi.json" in page

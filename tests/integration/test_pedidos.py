"""Orders through the gateway: decided, refused with a reason, read back; bad input answered with a sentence."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from loja import NO_ORDER, Loja, ate

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


async def test_order_with_stock_for_all_is_reserved_for_thirty_minutes(loja: Loja):
    await loja.declarar("P-A", 10)
    await loja.declarar("P-B", 10)
    resposta = await loja.pedir(**{"P-A": 2, "P-B": 3})
    pedido = resposta.json()
    assert resposta.status_code == 201
    assert resposta.headers["location"] == f"/pedidos/{pedido['pedidoId']}"
    assert resposta.headers["preference-applied"] == "wait=10"
    assert (pedido["status"], pedido["versao"], pedido["itensEmFalta"]) == ("EstoqueReservado", 1, [])
    restante = datetime.fromisoformat(pedido["expiraEm"]) - datetime.now(UTC)
    assert timedelta(minutes=29) < restante <= timedelta(minutes=30)
    saldo = await loja.saldo("P-A")
    assert saldo == {
        "sku": "P-A",
        "nome": "Produto P-A",
        "quantidade": 10,
        "reservado": 2,
        "vendido": 0,
        "disponivel": 8,
    }
    assert (await loja.client.get(f"/pedidos/{pedido['pedidoId']}")).json() == pedido
    curto = {"pedidoId": pedido["pedidoId"], "status": "EstoqueReservado"}
    assert (await loja.client.get(f"/pedidos/{pedido['pedidoId']}/status")).json() == curto
    assert (await loja.client.get("/statusPedido", params={"pedidoId": pedido["pedidoId"]})).json() == curto


async def test_unknown_and_paused_items_have_their_own_reasons(loja: Loja):
    await loja.declarar("P-E", 10)
    await loja.declarar("P-F", 10, paused=True)
    pedido = (await loja.pedir(**{"P-E": 1, "P-F": 1, "NAO-HA": 1})).json()
    assert {f["sku"]: f["motivo"] for f in pedido["itensEmFalta"]} == {
        "P-F": "ItemPausado",
        "NAO-HA": "SkuDesconhecido",
    }
    assert (await loja.saldo("P-E"))["disponivel"] == 10


async def test_who_waited_is_told_what_can_be_read_afterwards(loja: Loja):
    await loja.declarar("P-I", 100)

    async def mandar(caminho: str) -> None:
        resposta = await loja.client.post(caminho, headers={"Prefer": "wait=10"})
        assert resposta.status_code == 200
        assert resposta.json() == (await loja.client.get(caminho.rpartition("/")[0])).json()

    pedido = f"/pedidos/{(await loja.pedir(**{'P-I': 1})).json()['pedidoId']}"
    await mandar(f"{pedido}/fechar")
    await mandar(f"/pedidos/{(await loja.pedir(**{'P-I': 1})).json()['pedidoId']}/cancelar")

    # Few and many that lack: an answer can be longer than a notification.
    for quantos in (1, 5, 100):
        itens = {f"NAO-HA-{n:03}": 1 for n in range(quantos)}
        recusado = (await loja.pedir(**itens)).json()
        assert recusado["status"] == "EstoqueNaoDisponivel"
        assert {falta["sku"] for falta in recusado["itensEmFalta"]} == set(itens)
        assert (await loja.client.get(f"/pedidos/{recusado['pedidoId']}")).json() == recusado


async def test_many_who_wait_at_once_are_each_told_of_their_own_order(loja: Loja):
    await loja.declarar("P-J", 150)
    listas = [{"P-J": 1}, {"P-J": 1, "NAO-HA": 1}] * 100
    pedidos = [r.json() for r in await asyncio.gather(*(loja.pedir(**itens) for itens in listas))]
    lidos = [r.json() for r in await asyncio.gather(*(loja.client.get(f"/pedidos/{p['pedidoId']}") for p in pedidos))]
    assert pedidos == lidos
    assert [p["status"] for p in pedidos] == ["EstoqueReservado", "EstoqueNaoDisponivel"] * 100


async def test_without_prefer_the_order_is_answered_at_once_and_decided_soon(loja: Loja):
    await loja.declarar("P-G", 10)
    resposta = await loja.pedir(espera=0, **{"P-G": 1})
    assert resposta.status_code == 202
    assert resposta.json()["status"] == "Criado"
    assert "preference-applied" not in resposta.headers

    async def decidido() -> bool:
        return await loja.status(resposta.json()["pedidoId"]) == "EstoqueReservado"

    await ate(decidido)


async def test_sku_named_twice_counts_once_with_the_sum(loja: Loja):
    await loja.declarar("P-H", 5)
    itens = [{"sku": "P-H", "quantidade": 3}, {"sku": "P-H", "quantidade": 3}]
    resposta = await loja.client.post(
        "/pedidos", json={"clienteId": "ana", "itens": itens}, headers={"Prefer": "wait=10"}
    )
    assert resposta.json()["itens"] == [{"sku": "P-H", "quantidade": 6}]
    assert resposta.json()["itensEmFalta"][0]["solicitado"] == 6


def _um(**campos: object) -> str:
    return json.dumps({"clienteId": "ana", "itens": [{"sku": "A", "quantidade": 1, **campos}]})


_ITENS = json.dumps([{"sku": "A", "quantidade": 1}])
RUINS = {
    "no JSON": ("{", 400, "not valid JSON"),
    "nothing": ("", 400, "no body"),
    "nested without end": ('{"x":' + "[" * 60_000, 400, "nested too deeply"),
    "a customer twice": (f'{{"clienteId": "ana", "clienteId": "eva", "itens": {_ITENS}}}', 400, "'clienteId'"),
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


@pytest.mark.parametrize("caso", RUINS)
async def test_bad_orders_are_answered_with_a_sentence(loja: Loja, caso: str):
    corpo, status, frase = RUINS[caso]
    resposta = await loja.client.post("/pedidos", content=corpo, headers={"Content-Type": "application/json"})
    problema = resposta.json()
    assert resposta.status_code == problema["status"] == status
    assert resposta.headers["content-type"].startswith("application/problem+json")
    assert problema["type"].startswith("https://reservaestoque.dev/problemas/")
    assert frase in problema["detail"]
    assert problema["instance"] == "/pedidos"


async def test_filter_by_a_customer_that_there_cannot_be(loja: Loja):
    resposta = await loja.client.get("/pedidos", params={"clienteId": "José"})
    assert resposta.json()["detail"] == "clienteId: a clienteId has 1 to 128 printable ASCII characters"
    assert "pedidoId" in (await loja.client.get("/statusPedido")).json()["detail"]


@pytest.mark.parametrize(
    ("metodo", "caminho", "status"),
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
        ("GET", "/nada", 404),
        ("GET", "/metrics", 404),
        ("GET", "/health/live", 404),
    ],
)
async def test_what_is_not_there_is_answered_as_a_problem(loja: Loja, metodo: str, caminho: str, status: int):
    resposta = await loja.client.request(metodo, caminho)
    assert resposta.status_code == status, resposta.text
    assert resposta.headers["content-type"].startswith("application/problem+json")
    assert resposta.json()["status"] == status


@pytest.mark.parametrize(
    ("headers", "frase"),
    [
        ({"Content-Type": "application/json; charset=iso-8859-1"}, "in UTF-8"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, "without compression"),
        ([("Content-Type", "application/json"), ("Content-Type", "text/plain")], "application/json"),
    ],
)
async def test_body_that_is_not_plain_utf_8(loja: Loja, headers: object, frase: str):
    resposta = await loja.client.post("/pedidos", content=_um(), headers=headers)
    assert resposta.status_code == 415
    assert frase in resposta.json()["detail"]


async def test_body_that_says_that_it_is_plain_utf_8(loja: Loja):
    headers = {"Content-Type": 'application/json; charset="UTF-8"', "Content-Encoding": "identity"}
    resposta = await loja.client.post("/pedidos", content=_um(quantidade=0), headers=headers)
    assert resposta.status_code == 422


@pytest.mark.parametrize("caminho", ["/estoque/caf%C3%A9%20%22", "/pedidos/%0A", "/nada/%C3%A9"])
async def test_a_problem_names_the_path_as_it_was_received(loja: Loja, caminho: str):
    assert (await loja.client.get(caminho)).json()["instance"] == caminho


async def test_body_that_is_not_json_by_its_type(loja: Loja):
    resposta = await loja.client.post("/pedidos", content=_um(), headers={"Content-Type": "text/plain"})
    assert resposta.status_code == 415
    assert "application/json" in resposta.json()["detail"]


@pytest.mark.parametrize(
    ("corpo", "tipo", "status"),
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
    loja: Loja, comando: str, corpo: bytes, tipo: str, status: int
):
    resposta = await loja.client.post(f"/pedidos/{uuid4()}/{comando}", content=corpo, headers={"Content-Type": tipo})
    assert resposta.status_code == status
    assert b"motivo" not in corpo or "unknown field `motivo`" in resposta.json()["detail"]


@pytest.mark.parametrize(
    "caminho", ["/pedidos", "/pedidos?limite=0", "/estoque", "/estoque/NAO-HA", "/schema/pedidos"]
)
async def test_head_answers_like_get_without_a_body(loja: Loja, caminho: str):
    get, head = await loja.client.get(caminho), await loja.client.head(caminho)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize(
    ("metodo", "caminho", "permitidos"),
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
async def test_allow_names_the_methods_that_there_are(loja: Loja, metodo: str, caminho: str, permitidos: set[str]):
    resposta = await loja.client.request(metodo, caminho)
    assert resposta.status_code == 405
    assert set(resposta.headers["allow"].split(", ")) == permitidos
    resposta = await loja.client.options(caminho)
    assert (resposta.status_code, set(resposta.headers["allow"].split(", "))) == (204, permitidos)


async def test_balances_page_by_page_and_many_at_once(loja: Loja):
    for sku in ("Q-A", "Q-B", "Q-C"):
        await loja.declarar(sku, 1)
    vistos, cursor = [], ""
    while cursor is not None:
        pagina = (await loja.client.get("/estoque", params={"limite": 2, "cursor": cursor})).json()
        vistos += [item["sku"] for item in pagina["itens"]]
        cursor = pagina["proximo"]
    assert vistos == sorted(set(vistos))
    assert {"Q-A", "Q-B", "Q-C"} <= set(vistos)
    resposta = (await loja.client.post("/estoque/consulta", json={"skus": ["Q-C", "NAO-HA", "Q-A"]})).json()
    assert [item["sku"] for item in resposta["itens"]] == ["Q-A", "Q-C"]
    assert resposta["desconhecidos"] == ["NAO-HA"]


@pytest.mark.parametrize("servico", ["pedidos", "estoque"])
async def test_openapi_through_the_gateway(loja: Loja, servico: str):
    documento = (await loja.client.get(f"/schema/{servico}/openapi.json")).raise_for_status().json()
    assert documento == json.loads((ROOT / f"contracts/openapi/{servico}.json").read_text())
    pagina = (await loja.client.get(f"/schema/{servico}")).raise_for_status().text
    assert f"/schema/{servico}/openapi.json" in pagina

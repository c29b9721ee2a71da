"""The order's whole life over REST: closed, cancelled, renewed; keys that make repetition harmless; lists."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from loja import Loja, abrir_loja, ate, banco, conferir

from local_system import Config, Ports, System

pytestmark = pytest.mark.integration

ESPERA = {"Prefer": "wait=10"}


@pytest.fixture(scope="module")
def curto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    config = Config(
        state=tmp_path_factory.mktemp("comandos"),
        ports=Ports.free(),
        replicas={"pedidos": 2},
        settings={"RESERVA_TTL": "3s"},
    )
    with System(config) as system:
        yield system


@pytest.fixture
async def curta(curto: System) -> AsyncIterator[Loja]:
    async with abrir_loja(curto) as loja:
        yield loja
    await conferir(curto)


async def reservado(loja: Loja, sku: str, quantidade: int = 1) -> str:
    pedido = (await loja.pedir(**{sku: quantidade})).json()
    assert pedido["status"] == "EstoqueReservado"
    return pedido["pedidoId"]


async def test_cancel_frees_the_units(loja: Loja):
    await loja.declarar("K-B", 5)
    pedido = await reservado(loja, "K-B", 5)
    resposta = await loja.client.post(f"/pedidos/{pedido}/cancelar", headers=ESPERA)
    assert (resposta.status_code, resposta.json()["status"]) == (200, "Cancelado")
    assert (await loja.saldo("K-B"))["disponivel"] == 5


async def test_command_without_prefer_is_accepted_and_done_soon(loja: Loja):
    await loja.declarar("K-C", 5)
    pedido = await reservado(loja, "K-C")
    resposta = await loja.client.post(f"/pedidos/{pedido}/fechar")
    assert resposta.status_code == 202
    assert resposta.headers["location"] == f"/pedidos/{pedido}"

    async def fechado() -> bool:
        return await loja.status(pedido) == "Fechado"

    await ate(fechado)


async def test_renewing_a_live_reservation_changes_nothing(loja: Loja):
    await loja.declarar("K-D", 5)
    pedido = await reservado(loja, "K-D")
    antes = (await loja.client.get(f"/pedidos/{pedido}")).json()
    resposta = await loja.client.post(f"/pedidos/{pedido}/reservar", headers=ESPERA)
    assert resposta.status_code == 409
    assert resposta.json()["recusa"] == "ReservaVigente"
    depois = (await loja.client.get(f"/pedidos/{pedido}")).json()
    assert depois["expiraEm"] == antes["expiraEm"]
    assert (depois["status"], depois["versao"]) == ("EstoqueReservado", 2)


@pytest.mark.parametrize("comando", ["fechar", "cancelar", "reservar"])
async def test_commands_to_unknown_orders(loja: Loja, comando: str):
    for pedido in (uuid4(), "nao-e-um-id"):
        assert (await loja.client.post(f"/pedidos/{pedido}/{comando}")).status_code == 404


async def lapsado(loja: Loja, pedido: str) -> None:
    async def expirado() -> bool:
        return await loja.status(pedido) == "ReservaExpirada"

    await ate(expirado)


async def test_lapsed_order_is_checked_anew(curta: Loja):
    await curta.declarar("K-E", 3)
    renovado, fechado, negado = [await reservado(curta, "K-E") for _ in range(3)]
    for pedido in (renovado, fechado, negado):
        await lapsado(curta, pedido)
    assert (await curta.pedir(**{"K-E": 1})).json()["status"] == "EstoqueReservado"
    resposta = await curta.client.post(f"/pedidos/{fechado}/fechar", headers=ESPERA)
    assert resposta.json()["status"] == "Fechado"
    resposta = await curta.client.post(f"/pedidos/{renovado}/reservar", headers=ESPERA)
    assert (resposta.status_code, resposta.json()["status"]) == (200, "EstoqueReservado")
    assert resposta.json()["expiraEm"] is not None
    resposta = await curta.client.post(f"/pedidos/{negado}/fechar", headers=ESPERA)
    assert (resposta.status_code, resposta.json()["status"]) == (200, "EstoqueNaoDisponivel")
    assert resposta.json()["itensEmFalta"][0]["motivo"] == "SaldoInsuficiente"
    assert (await curta.client.post(f"/pedidos/{negado}/fechar", headers=ESPERA)).status_code == 409


async def test_one_key_makes_one_order_whoever_repeats_it(loja: Loja):
    await loja.declarar("K-F", 100)
    corpo = {"clienteId": "ana", "itens": [{"sku": "K-F", "quantidade": 2}]}
    headers = {**ESPERA, "Idempotency-Key": f'"{uuid4()}"'}
    respostas = await asyncio.gather(*[loja.client.post("/pedidos", json=corpo, headers=headers) for _ in range(50)])
    assert {r.status_code for r in respostas} == {201}
    assert len({r.json()["pedidoId"] for r in respostas}) == 1
    assert (await loja.saldo("K-F"))["reservado"] == 2

    outro = {**corpo, "itens": [{"sku": "K-F", "quantidade": 3}]}
    resposta = await loja.client.post("/pedidos", json=outro, headers=headers)
    assert resposta.status_code == 422
    assert resposta.json()["type"].endswith("/chave-reutilizada")
    de_outro_cliente = await loja.client.post("/pedidos", json={**corpo, "clienteId": "eva"}, headers=headers)
    assert de_outro_cliente.json()["pedidoId"] != respostas[0].json()["pedidoId"]


async def test_key_tells_the_order_as_it_is_now_and_works_for_commands_too(loja: Loja):
    await loja.declarar("K-G", 5)
    corpo = {"clienteId": "ana", "itens": [{"sku": "K-G", "quantidade": 1}]}
    headers = {**ESPERA, "Idempotency-Key": "uma-chave-qualquer"}
    pedido = (await loja.client.post("/pedidos", json=corpo, headers=headers)).json()["pedidoId"]
    for _ in range(3):
        resposta = await loja.client.post(f"/pedidos/{pedido}/fechar", headers=headers)
        assert (resposta.status_code, resposta.json()["status"]) == (200, "Fechado")
    assert (await loja.saldo("K-G"))["vendido"] == 1
    assert (await loja.client.post("/pedidos", json=corpo, headers=headers)).json()["status"] == "Fechado"
    outra = {**headers, "Idempotency-Key": "outra"}
    assert (await loja.client.post(f"/pedidos/{pedido}/fechar", headers=outra)).status_code == 409
    assert (await loja.client.post(f"/pedidos/{pedido}/cancelar", headers=headers)).status_code == 409


async def test_nothing_is_stored_for_a_request_that_was_refused(loja: Loja, sistema: System):
    await loja.declarar("K-H", 5)
    headers = {**ESPERA, "Idempotency-Key": "k-h"}
    ruim = {"clienteId": "ana", "itens": []}
    bom = {"clienteId": "ana", "itens": [{"sku": "K-H", "quantidade": 1}]}
    assert (await loja.client.post("/pedidos", json=ruim, headers=headers)).status_code == 422
    assert (await loja.client.post("/pedidos", json=bom, headers=headers)).status_code == 201
    longa = {**headers, "Idempotency-Key": "x" * 129}
    assert (await loja.client.post("/pedidos", json=bom, headers=longa)).status_code == 400
    async with banco(sistema, "pedidos") as pool:
        assert await pool.fetchval("select count(*) from idempotencia where chave = 'k-h'") == 1


async def test_several_lines_of_a_header_are_one_list(loja: Loja):
    await loja.declarar("K-K", 5)
    corpo = {"clienteId": "ana", "itens": [{"sku": "K-K", "quantidade": 1}]}
    linhas = [("Prefer", 'foo="a, wait=1"'), ("Prefer", "wait=10")]
    resposta = await loja.client.post("/pedidos", json=corpo, headers=linhas)
    assert (resposta.status_code, resposta.headers["preference-applied"]) == (201, "wait=10")
    chaves = [("Idempotency-Key", "k-k"), ("Idempotency-Key", "k-l")]
    resposta = await loja.client.post("/pedidos", json=corpo, headers=chaves)
    assert resposta.status_code == 400
    assert "one Idempotency-Key" in resposta.json()["detail"]
    assert (await loja.saldo("K-K"))["reservado"] == 1


async def test_key_of_a_refused_command_is_free_again(curta: Loja):
    await curta.declarar("K-J", 3)
    pedido = await reservado(curta, "K-J")
    headers = {**ESPERA, "Idempotency-Key": "k-j"}
    assert (await curta.client.post(f"/pedidos/{pedido}/reservar", headers=headers)).status_code == 409
    await lapsado(curta, pedido)
    renovado = await curta.client.post(f"/pedidos/{pedido}/reservar", headers=headers)
    assert (renovado.status_code, renovado.json()["status"]) == (200, "EstoqueReservado")
    repetido = await curta.client.post(f"/pedidos/{pedido}/reservar", headers=headers)
    assert (repetido.status_code, repetido.json()["versao"]) == (200, renovado.json()["versao"])


async def test_lists_by_customer_and_status_page_by_page(loja: Loja):
    await loja.declarar("K-I", 3)
    cliente = f"lista-{uuid4()}"
    feitos = []
    for quantidade in (1, 1, 9, 1):
        corpo = {"clienteId": cliente, "itens": [{"sku": "K-I", "quantidade": quantidade}]}
        feitos.append((await loja.client.post("/pedidos", json=corpo, headers=ESPERA)).json())
    vistos, cursor = [], {}
    while cursor is not None:
        pagina = (await loja.client.get("/pedidos", params={"clienteId": cliente, "limite": 3, **cursor})).json()
        vistos += pagina["itens"]
        cursor = {"cursor": pagina["proximo"]} if pagina["proximo"] else None
    assert vistos == feitos[::-1]
    negados = await loja.client.get("/pedidos", params={"clienteId": cliente, "status": "EstoqueNaoDisponivel"})
    assert [p["pedidoId"] for p in negados.json()["itens"]] == [feitos[2]["pedidoId"]]
    todos = await loja.client.get("/pedidos", params={"limite": 1})
    assert todos.json()["itens"][0] == feitos[-1]
    for filtro in ({"status": "Nenhum"}, {"cursor": "x"}, {"limite": 0}):
        assert (await loja.client.get("/pedidos", params=filtro)).status_code == 422

"""The order's whole life over REST: closed, cancelled, renewed; keys that make repetition harmless; lists."""

import asyncio
from uuid import uuid4

import pytest
from shop import Shop, database
from waiting import until

from local_system import System

pytestmark = pytest.mark.integration

WAIT = {"Prefer": "wait=10"}


async def test_cancel_frees_the_units(shop: Shop):
    await shop.declare("K-B", 5)
    pedido = await shop.reserved("K-B", 5)
    response = await shop.client.post(f"/pedidos/{pedido}/cancelar", headers=WAIT)
    assert (response.status_code, response.json()["status"]) == (200, "Cancelado")
    assert (await shop.saldo("K-B"))["disponivel"] == 5


async def test_command_without_prefer_is_accepted_and_done_soon(shop: Shop):
    await shop.declare("K-C", 5)
    pedido = await shop.reserved("K-C")
    response = await shop.client.post(f"/pedidos/{pedido}/fechar")
    assert response.status_code == 202
    assert response.headers["location"] == f"/pedidos/{pedido}"

    async def closed() -> bool:
        return await shop.status(pedido) == "Fechado"

    await until(closed)


async def test_renewing_a_live_reservation_changes_nothing(shop: Shop):
    await shop.declare("K-D", 5)
    pedido = await shop.reserved("K-D")
    before = (await shop.client.get(f"/pedidos/{pedido}")).json()
    response = await shop.client.post(f"/pedidos/{pedido}/reservar", headers=WAIT)
    assert response.status_code == 409
    assert response.json()["recusa"] == "ReservaVigente"
    after = (await shop.client.get(f"/pedidos/{pedido}")).json()
    assert after["expiraEm"] == before["expiraEm"]
    assert (after["status"], after["versao"]) == ("EstoqueReservado", 2)


@pytest.mark.parametrize("comando", ["fechar", "cancelar", "reservar"])
async def test_commands_to_unknown_orders_are_not_found(shop: Shop, comando: str):
    for pedido in (uuid4(), "nao-e-um-id"):
        assert (await shop.client.post(f"/pedidos/{pedido}/{comando}")).status_code == 404


async def test_a_key_makes_one_order_per_customer_however_often_it_is_repeated(shop: Shop):
    await shop.declare("K-F", 100)
    body = {"clienteId": "ana", "itens": [{"sku": "K-F", "quantidade": 2}]}
    headers = {**WAIT, "Idempotency-Key": f'"{uuid4()}"'}
    responses = await asyncio.gather(*[shop.client.post("/pedidos", json=body, headers=headers) for _ in range(50)])
    assert {r.status_code for r in responses} == {201}
    assert len({r.json()["pedidoId"] for r in responses}) == 1
    assert (await shop.saldo("K-F"))["reservado"] == 2

    other = {**body, "itens": [{"sku": "K-F", "quantidade": 3}]}
    response = await shop.client.post("/pedidos", json=other, headers=headers)
    assert response.status_code == 422
    assert response.json()["type"].endswith("/chave-reutilizada")
    of_other_customer = await shop.client.post("/pedidos", json={**body, "clienteId": "eva"}, headers=headers)
    assert of_other_customer.json()["pedidoId"] != responses[0].json()["pedidoId"]


async def test_a_repeated_key_returns_the_current_order_and_works_for_commands_too(shop: Shop):
    await shop.declare("K-G", 5)
    body = {"clienteId": "ana", "itens": [{"sku": "K-G", "quantidade": 1}]}
    headers = {**WAIT, "Idempotency-Key": "any-key"}
    pedido = (await shop.client.post("/pedidos", json=body, headers=headers)).json()["pedidoId"]
    for _ in range(3):
        response = await shop.client.post(f"/pedidos/{pedido}/fechar", headers=headers)
        assert (response.status_code, response.json()["status"]) == (200, "Fechado")
    assert (await shop.saldo("K-G"))["vendido"] == 1
    assert (await shop.client.post("/pedidos", json=body, headers=headers)).json()["status"] == "Fechado"
    another = {**headers, "Idempotency-Key": "other"}
    assert (await shop.client.post(f"/pedidos/{pedido}/fechar", headers=another)).status_code == 409
    assert (await shop.client.post(f"/pedidos/{pedido}/cancelar", headers=headers)).status_code == 409


async def test_nothing_is_stored_for_a_request_that_was_refused(shop: Shop, system: System):
    await shop.declare("K-H", 5)
    headers = {**WAIT, "Idempotency-Key": "k-h"}
    bad = {"clienteId": "ana", "itens": []}
    good = {"clienteId": "ana", "itens": [{"sku": "K-H", "quantidade": 1}]}
    assert (await shop.client.post("/pedidos", json=bad, headers=headers)).status_code == 422
    assert (await shop.client.post("/pedidos", json=good, headers=headers)).status_code == 201
    too_long = {**headers, "Idempotency-Key": "x" * 129}
    assert (await shop.client.post("/pedidos", json=good, headers=too_long)).status_code == 400
    async with database(system, "pedidos") as pool:
        assert await pool.fetchval("select count(*) from idempotencia where chave = 'k-h'") == 1


async def test_several_lines_of_a_header_are_one_list(shop: Shop):
    await shop.declare("K-K", 5)
    body = {"clienteId": "ana", "itens": [{"sku": "K-K", "quantidade": 1}]}
    rows = [("Prefer", 'foo="a, wait=1"'), ("Prefer", "wait=10")]
    response = await shop.client.post("/pedidos", json=body, headers=rows)
    assert (response.status_code, response.headers["preference-applied"]) == (201, "wait=10")
    keys = [("Idempotency-Key", "k-k"), ("Idempotency-Key", "k-l")]
    response = await shop.client.post("/pedidos", json=body, headers=keys)
    assert response.status_code == 400
    assert "one Idempotency-Key" in response.json()["detail"]
    assert (await shop.saldo("K-K"))["reservado"] == 1


async def test_lists_by_customer_and_status_page_by_page(shop: Shop):
    await shop.declare("K-I", 3)
    cliente = f"list-{uuid4()}"
    done = []
    for quantidade in (1, 1, 9, 1):
        body = {"clienteId": cliente, "itens": [{"sku": "K-I", "quantidade": quantidade}]}
        done.append((await shop.client.post("/pedidos", json=body, headers=WAIT)).json())
    seen, cursor = [], {}
    while cursor is not None:
        page = (await shop.client.get("/pedidos", params={"clienteId": cliente, "limite": 3, **cursor})).json()
        seen += page["itens"]
        cursor = {"cursor": page["proximo"]} if page["proximo"] else None
    assert seen == done[::-1]
    refusals = await shop.client.get("/pedidos", params={"clienteId": cliente, "status": "EstoqueNaoDisponivel"})
    assert [p["pedidoId"] for p in refusals.json()["itens"]] == [done[2]["pedidoId"]]
    everything = await shop.client.get("/pedidos", params={"limite": 1})
    assert everything.json()["itens"][0] == done[-1]
    for wrong in ({"status": "Nenhum"}, {"cursor": "x"}, {"limite": 0}):
        assert (await shop.client.get("/pedidos", params=wrong)).status_code == 422

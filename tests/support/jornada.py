"""What must hold wherever the system runs: the same tests on the local system and on a cluster.

They see it as its users do: kubectl, and REST through the gateway. `loja` comes from where they are collected.
"""

import json
from datetime import UTC, datetime

from loja import Loja, ate

ESPERA = {"Prefer": "wait=10"}


async def test_a_stock_item_that_is_applied_becomes_synced(loja: Loja):
    await loja.declarar("J-ITEM", 7, lowStockThreshold=10)
    loja.system.kubectl("wait", "--for=condition=Synced", "--timeout=30s", "stockitem/j-item")
    status = json.loads(loja.system.kubectl("get", "stockitem", "j-item", "--output=json"))["status"]
    assert (status["sku"], status["available"]) == ("J-ITEM", 7)
    assert {um["type"]: um["status"] for um in status["conditions"]} == {
        "Synced": "True",
        "Available": "True",
        "LowStock": "True",
    }


async def test_an_order_is_reserved_and_its_units_are_held(loja: Loja):
    await loja.declarar("J-A", 10)
    resposta = await loja.pedir(**{"J-A": 2})
    pedido = resposta.json()
    assert (resposta.status_code, pedido["status"], pedido["itensEmFalta"]) == (201, "EstoqueReservado", [])
    assert datetime.fromisoformat(pedido["expiraEm"]) > datetime.now(UTC)
    saldo = await loja.saldo("J-A")
    assert (saldo["reservado"], saldo["vendido"], saldo["disponivel"]) == (2, 0, 8)


async def test_order_that_lacks_one_item_holds_nothing_and_names_it(loja: Loja):
    await loja.declarar("P-C", 10)
    await loja.declarar("P-D", 1)
    pedido = (await loja.pedir(**{"P-C": 2, "P-D": 2})).json()
    assert pedido["status"] == "EstoqueNaoDisponivel"
    assert pedido["itensEmFalta"] == [{"sku": "P-D", "solicitado": 2, "disponivel": 1, "motivo": "SaldoInsuficiente"}]
    assert pedido["expiraEm"] is None
    assert (await loja.saldo("P-C"))["disponivel"] == 10
    assert await loja.status(pedido["pedidoId"]) == "EstoqueNaoDisponivel"


async def test_close_sells_the_units_and_is_final(loja: Loja):
    await loja.declarar("K-A", 5)
    pedido = (await loja.pedir(**{"K-A": 2})).json()["pedidoId"]
    resposta = await loja.client.post(f"/pedidos/{pedido}/fechar", headers=ESPERA)
    assert resposta.status_code == 200
    assert (resposta.json()["status"], resposta.json()["expiraEm"]) == ("Fechado", None)
    saldo = await loja.saldo("K-A")
    assert (saldo["reservado"], saldo["vendido"], saldo["disponivel"]) == (0, 2, 3)
    for comando in ("fechar", "cancelar", "reservar"):
        resposta = await loja.client.post(f"/pedidos/{pedido}/{comando}", headers=ESPERA)
        assert resposta.status_code == 409
        assert resposta.json()["statusDoPedido"] == "Fechado"
        assert "ended" in resposta.json()["detail"]


async def test_lapsed_reservation_is_told_and_its_units_come_back(loja: Loja):
    """Needs a short RESERVA_TTL."""
    await loja.declarar("E-A", 3)
    pedido = (await loja.pedir(**{"E-A": 2})).json()
    assert pedido["status"] == "EstoqueReservado"
    assert await loja.status(pedido["pedidoId"]) == "EstoqueReservado"

    async def expirado() -> bool:
        return await loja.status(pedido["pedidoId"]) == "ReservaExpirada"

    await ate(expirado, 30)
    final = (await loja.client.get(f"/pedidos/{pedido['pedidoId']}")).json()
    assert (final["versao"], final["expiraEm"]) == (2, None)
    assert (await loja.saldo("E-A"))["disponivel"] == 3

    async def devolvido() -> bool:
        return loja.system.kubectl("get", "stockitem", "e-a", "-o", "jsonpath={.status.available}") == "3"

    await ate(devolvido, 10)

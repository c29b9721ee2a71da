"""Behaviour that must hold wherever the system runs: the same tests on the local system and on a cluster.

They use it as its users do: through kubectl, and REST through the gateway. The collecting module provides `shop`.
"""

import json
import secrets
from datetime import UTC, datetime

from shop import Shop
from waiting import until

WAIT = {"Prefer": "wait=10"}


async def test_a_stock_item_that_is_applied_becomes_synced(shop: Shop):
    await shop.declare("J-ITEM", 7, lowStockThreshold=10)
    shop.system.kubectl("wait", "--for=condition=Synced", "--timeout=30s", "stockitem/j-item")
    status = json.loads(shop.system.kubectl("get", "stockitem", "j-item", "--output=json"))["status"]
    assert (status["sku"], status["available"]) == ("J-ITEM", 7)
    assert {one["type"]: one["status"] for one in status["conditions"]} == {
        "Synced": "True",
        "Available": "True",
        "LowStock": "True",
    }


async def test_an_order_is_reserved_and_its_units_are_held(shop: Shop):
    await shop.declare("J-A", 10)
    response = await shop.order(**{"J-A": 2})
    pedido = response.json()
    assert (response.status_code, pedido["status"], pedido["itensEmFalta"]) == (201, "EstoqueReservado", [])
    assert datetime.fromisoformat(pedido["expiraEm"]) > datetime.now(UTC)
    saldo = await shop.saldo("J-A")
    assert (saldo["reservado"], saldo["vendido"], saldo["disponivel"]) == (2, 0, 8)


async def test_an_order_that_lacks_one_item_holds_nothing_and_names_it(shop: Shop):
    await shop.declare("P-C", 10)
    await shop.declare("P-D", 1)
    pedido = (await shop.order(**{"P-C": 2, "P-D": 2})).json()
    assert pedido["status"] == "EstoqueNaoDisponivel"
    assert pedido["itensEmFalta"] == [{"sku": "P-D", "solicitado": 2, "disponivel": 1, "motivo": "SaldoInsuficiente"}]
    assert pedido["expiraEm"] is None
    assert (await shop.saldo("P-C"))["disponivel"] == 10
    assert await shop.status(pedido["pedidoId"]) == "EstoqueNaoDisponivel"


async def test_close_sells_the_units_and_is_final(shop: Shop):
    sku = f"K-{secrets.token_hex(4).upper()}"  # its units are never free again
    await shop.declare(sku, 5)
    pedido = (await shop.order(**{sku: 2})).json()["pedidoId"]
    response = await shop.client.post(f"/pedidos/{pedido}/fechar", headers=WAIT)
    assert response.status_code == 200
    assert (response.json()["status"], response.json()["expiraEm"]) == ("Fechado", None)
    saldo = await shop.saldo(sku)
    assert (saldo["reservado"], saldo["vendido"], saldo["disponivel"]) == (0, 2, 3)
    for comando in ("fechar", "cancelar", "reservar"):
        response = await shop.client.post(f"/pedidos/{pedido}/{comando}", headers=WAIT)
        assert response.status_code == 409
        assert response.json()["statusDoPedido"] == "Fechado"
        assert "ended" in response.json()["detail"]


async def test_a_lapsed_reservation_is_reported_and_its_units_return(shop: Shop):
    """Needs a short RESERVA_TTL."""
    await shop.declare("E-A", 3)
    pedido = (await shop.order(**{"E-A": 2})).json()
    assert pedido["status"] == "EstoqueReservado"
    assert await shop.status(pedido["pedidoId"]) == "EstoqueReservado"

    async def expired() -> bool:
        return await shop.status(pedido["pedidoId"]) == "ReservaExpirada"

    await until(expired, 30)
    final = (await shop.client.get(f"/pedidos/{pedido['pedidoId']}")).json()
    assert (final["versao"], final["expiraEm"]) == (2, None)
    assert (await shop.saldo("E-A"))["disponivel"] == 3
    shop.system.kubectl("wait", "--for=jsonpath={.status.available}=3", "--timeout=10s", "stockitem/e-a")

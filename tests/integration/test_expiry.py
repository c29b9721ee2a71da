"""Reservations of five seconds: they lapse and their units become available, with or without the operator. After that
an order needs a new stock check.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
from journey import test_a_lapsed_reservation_is_reported_and_its_units_return  # noqa: F401
from shop import Shop, conferir, open_shop
from waiting import until

from local_system import Config, Ports, System

pytestmark = pytest.mark.integration

WAIT = {"Prefer": "wait=10"}


@pytest.fixture(scope="module")
def short_lived_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    config = Config(
        state=tmp_path_factory.mktemp("short"),
        ports=Ports.free(),
        replicas={"pedidos": 2},
        settings={"RESERVA_TTL": "5s"},
    )
    with System(config) as system:
        yield system


@pytest.fixture
async def shop(short_lived_system: System) -> AsyncIterator[Shop]:
    async with open_shop(short_lived_system) as shop:
        yield shop
    await conferir(short_lived_system)


async def test_lapsed_units_are_available_again_even_with_the_operator_stopped(
    shop: Shop, short_lived_system: System
):
    await shop.declare("E-B", 2)
    short_lived_system.stop("operator")
    try:
        old = (await shop.order(**{"E-B": 2})).json()
        assert (await shop.order(**{"E-B": 1})).json()["status"] == "EstoqueNaoDisponivel"

        async def lapsed() -> bool:
            return (await shop.saldo("E-B"))["disponivel"] == 2

        await until(lapsed, 10)
        assert (await shop.order(**{"E-B": 2})).json()["status"] == "EstoqueReservado"
        assert await shop.status(old["pedidoId"]) == "EstoqueReservado", "it has not been swept yet"
    finally:
        short_lived_system.start("operator")

    async def swept() -> bool:
        return await shop.status(old["pedidoId"]) == "ReservaExpirada"

    await until(swept, 10)


async def lapsed(shop: Shop, pedido: str) -> None:
    async def expired() -> bool:
        return await shop.status(pedido) == "ReservaExpirada"

    await until(expired)


async def test_a_command_to_a_lapsed_order_checks_stock_again(shop: Shop):
    await shop.declare("K-E", 3)
    renewed, closed, refused = [await shop.reserved("K-E") for _ in range(3)]
    for pedido in (renewed, closed, refused):
        await lapsed(shop, pedido)
    assert (await shop.order(**{"K-E": 1})).json()["status"] == "EstoqueReservado"
    response = await shop.client.post(f"/pedidos/{closed}/fechar", headers=WAIT)
    assert response.json()["status"] == "Fechado"
    response = await shop.client.post(f"/pedidos/{renewed}/reservar", headers=WAIT)
    assert (response.status_code, response.json()["status"]) == (200, "EstoqueReservado")
    assert response.json()["expiraEm"] is not None
    response = await shop.client.post(f"/pedidos/{refused}/fechar", headers=WAIT)
    assert (response.status_code, response.json()["status"]) == (200, "EstoqueNaoDisponivel")
    assert response.json()["itensEmFalta"][0]["motivo"] == "SaldoInsuficiente"
    assert (await shop.client.post(f"/pedidos/{refused}/fechar", headers=WAIT)).status_code == 409


async def test_the_key_of_a_refused_command_can_be_used_again(shop: Shop):
    await shop.declare("K-J", 3)
    pedido = await shop.reserved("K-J")
    headers = {**WAIT, "Idempotency-Key": "k-j"}
    assert (await shop.client.post(f"/pedidos/{pedido}/reservar", headers=headers)).status_code == 409
    await lapsed(shop, pedido)
    renewed = await shop.client.post(f"/pedidos/{pedido}/reservar", headers=headers)
    assert (renewed.status_code, renewed.json()["status"]) == (200, "EstoqueReservado")
    repeated = await shop.client.post(f"/pedidos/{pedido}/reservar", headers=headers)
    assert (repeated.status_code, repeated.json()["versao"]) == (200, renewed.json()["versao"])

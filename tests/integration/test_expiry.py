"""Reservations of five seconds: they lapse and their units become available, with or without the operator."""

from collections.abc import AsyncIterator, Iterator

import pytest
from journey import test_lapsed_reservation_is_reported_and_its_units_return  # noqa: F401
from shop import Shop, conferir, open_shop, until

from local_system import Config, Ports, System

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def short_lived_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    state = tmp_path_factory.mktemp("short")
    with System(Config(state=state, ports=Ports.free(), settings={"RESERVA_TTL": "5s"})) as system:
        yield system


@pytest.fixture
async def shop(short_lived_system: System) -> AsyncIterator[Shop]:
    async with open_shop(short_lived_system) as shop:
        yield shop
    await conferir(short_lived_system)


async def test_with_the_operator_stopped_lapsed_units_can_still_be_had(shop: Shop, short_lived_system: System):
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

"""Reservations of five seconds: they lapse, their units come back, with the operator or without it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from jornada import test_lapsed_reservation_is_told_and_its_units_come_back  # noqa: F401
from loja import Loja, abrir_loja, ate, conferir

from local_system import Config, Ports, System

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def curto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    state = tmp_path_factory.mktemp("curto")
    with System(Config(state=state, ports=Ports.free(), settings={"RESERVA_TTL": "5s"})) as system:
        yield system


@pytest.fixture
async def loja(curto: System) -> AsyncIterator[Loja]:
    async with abrir_loja(curto) as loja:
        yield loja
    await conferir(curto)


async def test_with_the_operator_stopped_lapsed_units_can_still_be_had(loja: Loja, curto: System):
    await loja.declarar("E-B", 2)
    curto.stop("operator")
    try:
        velho = (await loja.pedir(**{"E-B": 2})).json()
        assert (await loja.pedir(**{"E-B": 1})).json()["status"] == "EstoqueNaoDisponivel"

        async def vencido() -> bool:
            return (await loja.saldo("E-B"))["disponivel"] == 2

        await ate(vencido, 10)
        assert (await loja.pedir(**{"E-B": 2})).json()["status"] == "EstoqueReservado"
        assert await loja.status(velho["pedidoId"]) == "EstoqueReservado", "nobody has swept it yet"
    finally:
        curto.start("operator")

    async def varrido() -> bool:
        return await loja.status(velho["pedidoId"]) == "ReservaExpirada"

    await ate(varrido, 10)

"""The whole system, as `make up` starts it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from loja import Loja, abrir_loja, conferir

from local_system import Config, Ports, System

pytest.register_assert_rewrite("jornada")


@pytest.fixture(scope="session")
def sistema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two replicas of each service, reservations of 30 minutes."""
    config = Config(
        state=tmp_path_factory.mktemp("sistema"), ports=Ports.free(), replicas={"pedidos": 2, "estoque": 2}
    )
    with System(config) as system:
        yield system


@pytest.fixture
async def loja(sistema: System) -> AsyncIterator[Loja]:
    async with abrir_loja(sistema) as loja:
        yield loja
    await conferir(sistema)

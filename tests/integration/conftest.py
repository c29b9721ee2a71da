"""The whole system, as `make up` starts it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from shop import Shop, conferir, open_shop

from local_system import Config, Ports, System

pytest.register_assert_rewrite("journey")


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two replicas of each service, reservations of 30 minutes."""
    config = Config(
        state=tmp_path_factory.mktemp("system"), ports=Ports.free(), replicas={"pedidos": 2, "estoque": 2}
    )
    with System(config) as system:
        yield system


@pytest.fixture
async def shop(system: System) -> AsyncIterator[Shop]:
    async with open_shop(system) as shop:
        yield shop
    if shop.changed:
        await conferir(system)

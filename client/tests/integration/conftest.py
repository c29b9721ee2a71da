"""The whole system, as `make up` starts it; reservations last a few seconds."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from faulty_gateway import FaultyGateway
from shop import Shop, conferir, open_shop

from local_system import Config, Ports, System
from reserva import AsyncReserva, Reserva, Retry

QUICK = Retry(deadline=20, first=0.05)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    config = Config(
        state=tmp_path_factory.mktemp("client"),
        ports=Ports.free(),
        replicas={"pedidos": 2, "estoque": 2},
        settings={"RESERVA_TTL": "8s"},
    )
    with System(config) as system:
        yield system


@pytest.fixture
async def shop(system: System) -> AsyncIterator[Shop]:
    async with open_shop(system) as shop:
        yield shop
    await conferir(system)


@pytest.fixture
async def gateway(system: System) -> AsyncIterator[FaultyGateway]:
    async with FaultyGateway(system.gateway_url) as gateway:
        yield gateway


@pytest.fixture
def customer() -> str:
    return f"cliente-{uuid4()}"


@pytest.fixture
def sku() -> str:
    return f"L-{uuid4().hex[:8].upper()}"


class Either:
    """Both clients behind one interface: awaited methods, and iterators as lists."""

    def __init__(self, client: Reserva | AsyncReserva) -> None:
        self.client = client

    async def __call__(self, name: str, *args: Any, **options: Any) -> Any:
        method = getattr(self.client, name)
        if isinstance(self.client, Reserva):
            return await asyncio.to_thread(lambda: _listed(method(*args, **options)))
        result = method(*args, **options)
        return [one async for one in result] if hasattr(result, "__aiter__") else await result


def _listed(result: Any) -> Any:
    return list(result) if hasattr(result, "__next__") else result


@pytest.fixture(params=["sync", "async"])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Either]]:
    """Creates a client of either kind."""
    made: list[Either] = []

    def connect(url: str, **options: Any) -> Either:
        kind = Reserva if request.param == "sync" else AsyncReserva
        made.append(Either(kind(url, **{"retry": QUICK, **options})))
        return made[-1]

    yield connect
    for one in made:
        await (asyncio.to_thread(one.client.close) if isinstance(one.client, Reserva) else one.client.aclose())

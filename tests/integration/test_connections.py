"""A replica opens no more connections than the charts expect, however busy it is."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from program import running

import estoque.app
import pedidos.app
from estoque.settings import EstoqueSettings
from local_system import System
from pedidos.settings import PedidosSettings
from reservaestoque.postgres import Connector, Pool, open_pool
from reservaestoque.settings import ServiceSettings

pytestmark = pytest.mark.integration

LOOKS = 20
PATIENCE = 30.0
SESSIONS = """
    select application_name, count(*) from pg_stat_activity
    where usename = current_user and pid <> pg_backend_pid() group by 1
"""
ORDER = {"clienteId": "ana", "itens": [{"sku": "NAO-HA", "quantidade": 1}]}


def calls_of_pedidos(client: httpx.AsyncClient) -> list[Any]:
    some = f"/pedidos/{uuid4()}"
    return [
        client.get("/pedidos"),
        client.get(some),
        client.get(f"{some}/status"),
        client.get(f"{some}/eventos"),
        client.get("/pedidos/eventos"),
        client.post("/pedidos", json=ORDER),
        client.post(f"{some}/cancelar"),
    ]


def calls_of_estoque(client: httpx.AsyncClient) -> list[Any]:
    return [
        client.get("/estoque"),
        client.get(f"/estoque/{uuid4()}"),
        client.get("/estoque/eventos", headers={"Last-Event-ID": "1-1"}),
        client.post("/estoque/consulta", json={"skus": [str(uuid4())]}),
    ]


async def test_pedidos_stays_within_its_connection_limit_when_every_statement_waits(backing: System, tmp_path: Path):
    tables = "pedido, comando, outbox, idempotencia, mudanca"
    seen = await busiest(backing, tmp_path / "log", "pedidos", tables, calls_of_pedidos)
    assert set(seen) - {"pedidos watch"} == {"pedidos", "pedidos relay", "pedidos health", "pedidos listen"}
    assert 4 < sum(seen.values()) <= pedidos.app.CONNECTIONS


async def test_estoque_stays_within_its_connection_limit_when_every_statement_waits(backing: System, tmp_path: Path):
    tables = "estoque, pedido, reserva, inbox, outbox, mudanca"
    seen = await busiest(backing, tmp_path / "log", "estoque", tables, calls_of_estoque)
    assert set(seen) - {"estoque watch"} == {"estoque", "estoque relay", "estoque health"}
    assert 3 < sum(seen.values()) <= estoque.app.CONNECTIONS


async def busiest(
    system: System, log: Path, name: str, tables: str, calls: Callable[[httpx.AsyncClient], list[Any]]
) -> dict[str, int]:
    """A replica's sessions by name, at the time when it had the most of them."""
    settings = system.service_env(name)
    seen: list[dict[str, int]] = []
    deadline = time.monotonic() + PATIENCE

    def looking() -> bool:
        """Samples LOOKS times, and for longer while no pool has grown: the machine may be slow."""
        grown = any(max(sessions.values(), default=0) > 1 for sessions in seen)
        return len(seen) < LOOKS or (not grown and time.monotonic() < deadline)

    async def ask(client: httpx.AsyncClient) -> None:
        while looking():
            await asyncio.gather(*calls(client), return_exceptions=True)

    async def look() -> None:
        async with (
            asyncpg.create_pool(system.database_url(name), min_size=0, max_size=1) as pool,
            pool.acquire() as locker,
            locker.transaction(),
            asyncpg.create_pool(settings["DATABASE_URL"], min_size=0, max_size=1) as viewer,
        ):
            await locker.execute(f"lock table {tables} in access exclusive mode")
            while looking():
                seen.append(dict(await viewer.fetch(SESSIONS)))
                await asyncio.sleep(0.1)

    async with (
        running(name, log, **settings) as program,
        httpx.AsyncClient(base_url=program.url, trust_env=False, timeout=10) as client,
    ):
        await asyncio.gather(look(), *(ask(client) for _ in range(10)))
    return max(seen, key=lambda sessions: sum(sessions.values()))


@pytest.mark.parametrize(
    ("program", "settings"),
    [(pedidos.app, PedidosSettings), (estoque.app, EstoqueSettings)],
    ids=["pedidos", "estoque"],
)
async def test_the_pools_are_as_large_as_the_charts_assume(
    program: ModuleType, settings: type[ServiceSettings], monkeypatch: pytest.MonkeyPatch
):
    """Pools open connections on demand, so no server is needed to count how many they may open."""
    sizes: list[int] = []

    async def opening(url: str, *, size: int, **options: Any) -> Pool:
        sizes.append(size)
        return await open_pool(url, size=size, **options)

    class Single(Connector):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            sizes.append(1)
            super().__init__(*arguments, **options)

    class Ended:
        """A program that ends as soon as it runs."""

        def __init__(self, *_: object, **__: object) -> None: ...

        async def run(self) -> None: ...

    monkeypatch.setattr(program, "open_pool", opening)
    monkeypatch.setattr(program, "Connector", Single, raising=False)
    monkeypatch.setattr(program, "Program", Ended)
    await program.run(settings(database_url="postgres://u@nobody/d", amqp_url="amqp://u@nobody/v"))
    assert sum(sizes) == program.CONNECTIONS
